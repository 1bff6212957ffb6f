"""Embeddings by way of Google's API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.gemini.embed import EMBED, encode, read

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
    assert not {"outputDimensionality", "taskType"} & only.keys()


def test_what_vectors_are_for_goes_with_each() -> None:
    """OpenAI has no word for it."""
    asked = json.loads(encode(body(input=["one", "two"], task_type="CLUSTERING"), ROW, False, False))
    assert [r["taskType"] for r in asked["requests"]] == ["CLUSTERING", "CLUSTERING"]


def test_what_cannot_be_asked_is_told() -> None:
    """Token ids are of another vocabulary."""
    with pytest.raises(LbdError) as caught:
        encode(body(input=[1, 2]), ROW, False, False)
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


def test_vectors_are_read_in_their_order() -> None:
    """And the tokens, where a model tells them."""
    assert read(ANSWER).vectors == [[0.5, -1.0], [0.25, 2.0]]
    assert read(ANSWER).usage is None
    assert read(ANSWER[:-1] + b',"usageMetadata":{"promptTokenCount":8}}').usage == Usage(8)


@given(
    st.binary(max_size=50) | st.dictionaries(st.text(max_size=10), st.integers()).map(lambda d: json.dumps(d).encode())
)
def test_what_holds_no_embeddings_is_a_failure(answer: bytes) -> None:
    """In spite of its 200."""
    assert EMBED.facts(answer, 0.0).failure is not None
    assert EMBED.facts(ANSWER, 0.0).failure is None


@pytest.mark.parametrize("values", [b"1e300", b"-1e39", b"NaN", b"null", b'"1"'])
def test_what_is_no_number_of_a_vector_is_a_failure(values: bytes) -> None:
    """It could not be packed."""
    failure = EMBED.facts(b'{"embeddings":[{"values":[%b]}]}' % values, 0.0).failure
    assert failure is not None and failure.kind is FailureKind.BAD_BODY


def test_an_error_in_a_good_answer_is_classified() -> None:
    """By the shape's own table."""
    said = EMBED.facts(b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}', 0.0).failure
    assert said is not None and said.kind is FailureKind.RATE
