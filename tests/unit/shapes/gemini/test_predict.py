"""Embeddings on Vertex AI."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.gemini.predict import (
    CONTENT,
    MOST_TEXTS,
    PREDICT,
    encode_content,
    encode_predict,
    read_content,
    read_predicted,
)
from lbd.shapes.wire import Wire

both = pytest.mark.parametrize("wire", [PREDICT, CONTENT], ids=["predict", "embedContent"])


def row(model: str) -> DeploymentSpec:
    return DeploymentSpec("v/e", "v", "e", model, "primary")


def body(**asked: Any) -> Body:
    return Body("openai.embeddings", json.dumps({"model": "e", **asked}).encode(), Head("e"))


def predicted(*told: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"predictions": [{"embeddings": t} for t in told], **more}).encode()


@pytest.mark.parametrize(
    ("model", "wire"),
    [
        ("text-embedding-005", PREDICT),
        ("text-multilingual-embedding-002", PREDICT),
        ("textembedding-gecko@003", PREDICT),
        ("gemini-embedding-001", PREDICT),
        ("gemini-embedding-exp-03-07", PREDICT),
        ("gemini-embedding-2", CONTENT),
        ("gemini-embedding-2-preview", CONTENT),
        ("gemini-embedding-10", CONTENT),
        ("multilingual-e5-large-instruct-maas", CONTENT),
    ],
)
def test_the_model_s_name_tells_the_method(model: str, wire: Wire) -> None:
    """Newer models are not served by predict."""
    assert PREDICT.of_model is not None and PREDICT.of_model(model) is wire
    assert (PREDICT.path, CONTENT.path) == ("/models/{model}:predict", "/models/{model}:embedContent")


def test_every_text_is_an_instance() -> None:
    """In order; too long a text is to be refused, not cut."""
    asked = json.loads(encode_predict(body(input=["a", "b"]), row("text-embedding-005"), False, False))
    assert asked == {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"autoTruncate": False}}
    asked = json.loads(
        encode_predict(body(input="a", dimensions=256, task_type="CLUSTERING"), row("text-embedding-005"), False, False)
    )
    assert asked["instances"] == [{"content": "a", "task_type": "CLUSTERING"}]
    assert asked["parameters"] == {"autoTruncate": False, "outputDimensionality": 256}


def test_content_is_one_text() -> None:
    """Its options stand in a member of their own, where there are any."""
    asked = json.loads(encode_content(body(input=["a"]), row("gemini-embedding-2"), False, False))
    assert asked == {"content": {"role": "user", "parts": [{"text": "a"}]}}
    asked = json.loads(
        encode_content(body(input="a", dimensions=256, task_type="X"), row("gemini-embedding-2"), False, False)
    )
    assert asked["embedContentConfig"] == {"outputDimensionality": 256, "taskType": "X"}


@pytest.mark.parametrize(
    ("model", "most"),
    [("text-embedding-005", MOST_TEXTS), ("gemini-embedding-001", 1), ("gemini-embedding-2", 1), ("e5-maas", 1)],
)
def test_more_texts_than_a_model_takes_are_for_another(model: str, most: int) -> None:
    """Nothing is asked twice."""
    assert PREDICT.of_model is not None
    wire = PREDICT.of_model(model)
    wire.encode(body(input=["a"] * most), row(model), False, False)
    for asked in (["a"] * (most + 1), [1, 2]):
        with pytest.raises(LbdError) as caught:
            wire.encode(body(input=asked), row(model), False, False)
        assert (caught.value.failure.kind, caught.value.failure.param) == (FailureKind.UNSUPPORTED, "/input")


@pytest.mark.parametrize(
    ("statistics", "usage"),
    [
        ([{"token_count": 4, "truncated": False}, {"token_count": 3.0}], Usage(7)),
        ([{"token_count": 4}, {}], None),
        ([{"token_count": 4}, None], None),
        ([None, None], None),
    ],
)
def test_predictions_are_read_in_their_order(statistics: list[Any], usage: Usage | None) -> None:
    """Tokens are those of all texts, or not known."""
    told = [{"values": [float(i), 0.5], "statistics": s} for i, s in enumerate(statistics)]
    assert read_predicted(predicted(*told, metadata={"billableCharacterCount": 5})) == (
        [[0.0, 0.5], [1.0, 0.5]],
        usage,
    )


def test_content_is_read_with_its_tokens() -> None:
    """Where they are told."""
    told = {"embedding": {"values": [1, 0.5]}, "usageMetadata": {"promptTokenCount": 4}, "truncated": False}
    assert read_content(json.dumps(told).encode()) == ([[1.0, 0.5]], Usage(4))
    assert read_content(b'{"embedding":{"values":[1]}}') == ([[1.0]], None)


@pytest.mark.parametrize(
    ("wire", "answer"),
    [
        (PREDICT, predicted({"values": [1.0]}, {"values": [1.0], "statistics": {"truncated": True}})),
        (CONTENT, b'{"embedding":{"values":[1.0]},"truncated":true}'),
    ],
)
def test_a_vector_of_half_a_text_is_no_answer(wire: Wire, answer: bytes) -> None:
    """It would stand for what was never read: a model with more room may take it."""
    failure = wire.facts(answer, 0.0).failure
    assert failure is not None and failure.kind is FailureKind.CONTEXT


@both
@given(
    st.binary(max_size=50)
    | st.dictionaries(
        st.sampled_from(["predictions", "embedding", "error", "usageMetadata"]),
        st.none() | st.integers() | st.just([]) | st.just({}) | st.just([{"embeddings": {"values": []}}]),
    ).map(lambda d: json.dumps(d).encode())
)
def test_what_holds_no_embeddings_is_a_failure(wire: Wire, answer: bytes) -> None:
    """In spite of its 200."""
    assert wire.facts(answer, 0.0).failure is not None


@both
def test_an_error_in_a_good_answer_is_classified(wire: Wire) -> None:
    """By the shape's own table."""
    said = wire.facts(b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}', 0.0).failure
    assert said is not None and said.kind is FailureKind.RATE
