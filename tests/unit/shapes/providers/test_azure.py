"""Azure OpenAI."""

from __future__ import annotations

import json

from lbd.model.messages import Prompt, Text, Turn
from lbd.model.secret import Secret
from lbd.shapes.providers.azure import SHAPE
from lbd.upstream import line as lines
from tests.fakes import tables


def built(base_url: str, serves: str = "chat", **more: object) -> lines.Line:
    provider = tables.provider("p", shape="azure", base_url=base_url, api_key=Secret("0123456789abcdef"), **more)
    spec = tables.deployment("p/a", upstream_model="my gpt", serves=frozenset({serves}))
    return lines.build(spec, provider, SHAPE, None)  # type: ignore[arg-type]


def test_with_a_version_the_older_paths_are_asked() -> None:
    """They name the deployment; the version is in the query."""
    line = built("https://r.openai.azure.com/openai", api_version="2024-10-21")
    path = "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    assert line.ways["openai.chat"].unary.path == line.ways["openai.chat"].stream.path == path


def test_without_one_the_paths_are_openai_s() -> None:
    """The deployment is the model in the body."""
    assert built("https://r.openai.azure.com/openai/v1").ways["openai.chat"].unary.path == "/openai/v1/chat/completions"


def test_a_key_is_no_token() -> None:
    """Tokens of Entra ID are JSON web tokens."""
    assert SHAPE.headers("0123") == (("api-key", "0123"),)
    assert SHAPE.headers("eyJhbGciOi") == (("authorization", "Bearer eyJhbGciOi"),)
    assert SHAPE.headers(None) == ()


def test_responses_are_asked_without_the_deployment_in_the_path() -> None:
    """With a version as without one: the deployment is the model in the body."""
    line = built("https://r.openai.azure.com/openai", api_version="2025-04-01-preview", serves="responses")
    assert line.ways["openai.responses"].unary.path == "/openai/responses?api-version=2025-04-01-preview"


def test_the_bound_has_the_word_that_all_models_there_know() -> None:
    """A deployment's name says nothing of its model."""
    assert SHAPE.dialect is not None
    prompt = Prompt("m", (Turn("user", (Text("hi"),)),), max_tokens=5)
    asked = json.loads(SHAPE.dialect.write(prompt, tables.deployment("p/a"), False, False))
    assert asked["max_completion_tokens"] == 5 and "max_tokens" not in asked
