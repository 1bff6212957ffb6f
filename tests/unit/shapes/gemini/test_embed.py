"""Embeddings by way of Google's API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from lbd.model.failure import FailureKind, LbdError
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.gemini.embed import encode, facts, finish

ROW = DeploymentSpec("g/e", "g", "e", "gemini-embedding-001", "primary")
ANSWER = b'{"embeddings":[{"values":[0.5,-1.0]},{"values":[0.25,2.0]}]}'


def body(**asked: Any) -> Body:
    return Body("openai.embeddings", json.dumps({"model": "e", **asked}).encode(), Head("e", text_bytes=40))


def test_every_text_is_a_request_of_its_own() -> None:
    """In order, with the size that is wanted; of the SDK's type."""
    asked = json.loads(encode(body(input=["one", "two"], dimensions=256, encoding_format="base64"), ROW, False, False))
    assert [r["content"]["parts"][0]["text"] for r in asked["requests"]] == ["one", "two"]
    for request in asked["requests"]:
        types.Content.model_validate(request["content"])
        assert (request["model"], request["outputDimensionality"]) == ("models/gemini-embedding-001", 256)
    [only] = json.loads(encode(body(input="one"), ROW, False, False))["requests"]
    assert "outputDimensionality" not in only


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"input": [1, 2]}, FailureKind.UNSUPPORTED),
        ({"input": [[1], [2]]}, FailureKind.UNSUPPORTED),
        ({"input": "x", "x": 1}, FailureKind.UNSUPPORTED),
        ({"input": []}, FailureKind.BAD_REQUEST),
        ({}, FailureKind.BAD_REQUEST),
        ({"input": ["a", 1]}, FailureKind.BAD_REQUEST),
    ],
)
def test_what_cannot_be_asked_is_told(asked: dict[str, Any], kind: FailureKind) -> None:
    """Token ids are of another vocabulary."""
    with pytest.raises(LbdError) as caught:
        encode(body(**asked), ROW, False, False)
    assert caught.value.failure.kind is kind


def test_the_answer_is_in_the_encoding_that_was_asked_for() -> None:
    """OpenAI's clients ask for base64 by themselves, and decode it without looking."""
    plain = CreateEmbeddingResponse.model_validate_json(finish(ANSWER, body(input=["a", "b"]), ROW))
    assert [e.embedding for e in plain.data] == [[0.5, -1.0], [0.25, 2.0]]
    assert (plain.model, plain.usage.prompt_tokens) == ("gemini-embedding-001", 10)
    packed = json.loads(finish(ANSWER, body(input=["a", "b"], encoding_format="base64"), ROW))
    assert [e["embedding"] for e in packed["data"]] == ["AAAAPwAAgL8=", "AACAPgAAAEA="]


@given(
    st.binary(max_size=50) | st.dictionaries(st.text(max_size=10), st.integers()).map(lambda d: json.dumps(d).encode())
)
def test_what_holds_no_embeddings_is_a_failure(answer: bytes) -> None:
    """In spite of its 200."""
    assert facts(answer).failure is not None
    assert facts(ANSWER).failure is None
    said = facts(b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}').failure
    assert said is not None and said.kind is FailureKind.RATE
