"""Google's models on Vertex AI."""

from __future__ import annotations

import json

import pytest

from lbd.model.failure import FailureKind
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.secret import Secret
from lbd.shapes.gemini.voice import DIALECT
from lbd.shapes.providers.vertex import SHAPE
from lbd.upstream import line
from tests.fakes.world import World


def test_it_is_asked_as_the_gemini_api_is() -> None:
    """Only what stands before the path differs, and who is asking."""
    assert SHAPE.dialect is DIALECT
    assert SHAPE.headers("ya29.x") == (("authorization", "Bearer ya29.x"),)
    assert SHAPE.headers(None) == ()


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("text-embedding-005", "text-embedding-005:predict"),
        ("gemini-embedding-001", "gemini-embedding-001:predict"),
        ("gemini-embedding-2", "gemini-embedding-2:embedContent"),
    ],
)
def test_embeddings_have_methods_of_their_own(model: str, path: str) -> None:
    """Which one, the model's name tells."""
    provider = ProviderSpec("v", "vertex", "https://h/v1/projects/p/locations/l/publishers/google", Secret("ya29.x"))
    spec = DeploymentSpec("v/m", "v", "m", model, "primary", serves=frozenset({"embeddings"}))
    built = line.build(spec, provider, SHAPE, World(None, []))  # type: ignore[arg-type]
    assert set(built.ways) == {"openai.embeddings"}
    unary = built.ways["openai.embeddings"].unary
    assert unary.path == f"/v1/projects/p/locations/l/publishers/google/models/{path}"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (
            "Unable to submit request because the input token count is 24145 but model only supports up to 20000.",
            FailureKind.CONTEXT,
        ),
        (
            "Unable to submit request because it has a batchSize value of 251 but the supported range is from 1.",
            FailureKind.BAD_REQUEST,
        ),
    ],
)
def test_what_models_that_embed_refuse_is_in_the_table(words: str, kind: FailureKind) -> None:
    """As users reported it: a text that is too long goes to a model with more room."""
    body = json.dumps({"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}})
    assert SHAPE.classify(400, {}, body.encode(), 0.0).kind is kind


def test_no_list_says_what_a_project_may_ask_for() -> None:
    """Any answer is life; nothing is concluded from what it says."""
    assert SHAPE.probes.liveness == "models"
    assert SHAPE.probes.models is None
    assert SHAPE.read_models(b'{"models":[]}') is None
    assert not SHAPE.lists_models
    assert SHAPE.limits({}, 0.0) == ()
