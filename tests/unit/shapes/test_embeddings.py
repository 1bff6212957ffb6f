"""OpenAI's embeddings endpoint where a provider has words of its own for it."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes import embeddings
from lbd.shapes.embeddings import FLOAT32_MAX, Asked, Found
from lbd.shapes.wire import Wire

ROW = DeploymentSpec("p/e", "p", "e", "up-e", "primary")
VECTORS = [[0.5, -1.0], [0.25, 2.0]]


def raw(**asked: Any) -> bytes:
    return json.dumps({"model": "e", **asked}).encode()


def body(**asked: Any) -> Body:
    return Body("openai.embeddings", raw(**asked), Head("e", text_bytes=40))


def wire(found: Found) -> Wire:
    return embeddings.wire("/x", lambda *_: b"", lambda _body: found)


def finished(found: Found, asked: Body, usage: Usage | None = None) -> bytes:
    finish = wire(found).finish
    assert finish is not None
    return finish(b"", asked, ROW, usage)


@pytest.mark.parametrize(
    ("asked", "purpose", "found"),
    [
        ({"input": "a"}, None, Asked(("a",), None, None)),
        ({"input": ["a", "b"], "dimensions": 256.0, "user": "u"}, None, Asked(("a", "b"), 256, None)),
        ({"input": "a", "encoding_format": "base64", "metadata": {"a": "b"}}, "task", Asked(("a",), None, None)),
        ({"input": "a", "task": "query", "other": None}, "task", Asked(("a",), None, "query")),
    ],
)
def test_what_is_asked_is_read(asked: dict[str, Any], purpose: str | None, found: Asked) -> None:
    """One text or several; wishes about the service are no part of it."""
    assert embeddings.read(raw(**asked), purpose) == found


@pytest.mark.parametrize(
    ("asked", "kind", "place"),
    [
        ({"input": [1, 2]}, FailureKind.UNSUPPORTED, "/input"),
        ({"input": [[1], [2]]}, FailureKind.UNSUPPORTED, "/input"),
        ({"input": "x", "odd": 1}, FailureKind.UNSUPPORTED, "/odd"),
        ({"input": "x", "task": "query"}, FailureKind.UNSUPPORTED, "/task"),
        ({"input": "x", "encoding_format": "int8"}, FailureKind.UNSUPPORTED, "/encoding_format"),
        ({"input": "x", "encoding_format": 1}, FailureKind.BAD_REQUEST, "/encoding_format"),
        ({"input": "x", "dimensions": "many"}, FailureKind.BAD_REQUEST, "/dimensions"),
        ({"input": []}, FailureKind.BAD_REQUEST, "/input"),
        ({"input": ""}, FailureKind.BAD_REQUEST, "/input"),
        ({"input": {"a": 1}}, FailureKind.BAD_REQUEST, "/input"),
        ({}, FailureKind.BAD_REQUEST, "/input"),
        ({"input": ["a", 1]}, FailureKind.BAD_REQUEST, "/input/1"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_place(asked: dict[str, Any], kind: FailureKind, place: str) -> None:
    """What another deployment may take is told apart from what nobody can."""
    with pytest.raises(LbdError) as caught:
        embeddings.read(raw(**asked))
    assert (caught.value.failure.kind, caught.value.failure.param) == (kind, place)


def test_the_purpose_is_a_text() -> None:
    """Which one, is for the model to judge."""
    with pytest.raises(LbdError) as caught:
        embeddings.read(raw(input="a", task=5), "task")
    assert caught.value.failure.kind is FailureKind.BAD_REQUEST


@pytest.mark.parametrize(("most", "words"), [(1, "m takes one text"), (2, "m takes at most 2 texts")])
def test_more_texts_than_a_model_takes_are_for_another(most: int, words: str) -> None:
    """Up to the bound nothing is said."""
    embeddings.at_most(("a",) * most, most, "m")
    with pytest.raises(LbdError, match=words) as caught:
        embeddings.at_most(("a",) * (most + 1), most, "m")
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


def test_a_size_that_a_model_does_not_make_is_for_another() -> None:
    """The sizes that it makes are named; its own size needs no word."""
    embeddings.of_size(None, {256}, "m")
    embeddings.of_size(256, {256}, "m")
    with pytest.raises(LbdError, match="m makes vectors of 256, 512") as caught:
        embeddings.of_size(300, {512, 256}, "m")
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


def test_the_answer_is_in_the_encoding_that_was_asked_for() -> None:
    """OpenAI's clients ask for base64 by themselves, and decode it without looking."""
    plain = CreateEmbeddingResponse.model_validate_json(finished(Found(VECTORS, None), body(input=["a", "b"])))
    assert [(e.index, e.embedding) for e in plain.data] == [(0, VECTORS[0]), (1, VECTORS[1])]
    assert plain.model == "up-e"
    packed = json.loads(finished(Found(VECTORS, None), body(input=["a", "b"], encoding_format="base64")))
    assert [e["embedding"] for e in packed["data"]] == ["AAAAPwAAgL8=", "AACAPgAAAEA="]


@pytest.mark.parametrize(("usage", "tokens"), [(None, 10), (Usage(7), 7), (Usage(0), 0)])
def test_tokens_are_told_or_estimated(usage: Usage | None, tokens: int) -> None:
    """Clients expect a number: without one of the provider's it is made of the request's size."""
    told = json.loads(finished(Found(VECTORS, None), body(input="a"), usage))
    assert told["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_a_request_that_is_read_is_answered() -> None:
    """Half a character in a text, which strict decoders refuse."""
    asked = Body("openai.embeddings", b'{"model":"e","input":"\\ud83d","encoding_format":"base64"}', Head("e"))
    assert embeddings.read(asked.raw).texts == ("\ufffd",)
    assert json.loads(finished(Found(VECTORS, None), asked))["data"][0]["embedding"] == "AAAAPwAAgL8="


@given(st.lists(st.floats(-FLOAT32_MAX, FLOAT32_MAX), min_size=1))
def test_every_vector_can_be_packed(vector: list[float]) -> None:
    """As float32, little-endian."""
    told = json.loads(finished(Found([vector], None), body(input="a", encoding_format="base64")))
    packed = base64.b64decode(told["data"][0]["embedding"])
    assert struct.unpack(f"<{len(vector)}f", packed) == struct.unpack(
        f"<{len(vector)}f", struct.pack(f"<{len(vector)}f", *vector)
    )


def test_facts_are_usage_or_a_failure() -> None:
    """No vectors, or an empty one, is no answer; nor is what cannot be read, or what says that it is an error."""
    assert wire(Found(VECTORS, Usage(7))).facts(b"", 0.0).usage == Usage(7)
    for vectors in ([], [[0.5], []]):
        failure = wire(Found(vectors, None)).facts(b"", 0.0).failure
        assert failure is not None and failure.kind is FailureKind.BAD_BODY
    said = Failure(FailureKind.RATE, "slowly")

    def limited(_body: bytes) -> Found:
        raise LbdError(said)

    def unreadable(_body: bytes) -> Found:
        raise ValueError("no JSON")

    assert embeddings.wire("/x", lambda *_: b"", limited).facts(b"", 0.0).failure is said
    failure = embeddings.wire("/x", lambda *_: b"", unreadable).facts(b"", 0.0).failure
    assert failure is not None and failure.kind is FailureKind.BAD_BODY and "no JSON" in failure.message


def test_there_is_a_vector_for_each_text() -> None:
    """What a provider leaves out would be told of the next text."""
    assert wire(Found(VECTORS, None)).lacking(body(input=["a", "b"]), b"") is None
    for texts in ("a", ["a"], ["a", "b", "c"]):
        failure = wire(Found(VECTORS, None)).lacking(body(input=texts), b"")
        assert failure is not None and failure.kind is FailureKind.BAD_BODY


def test_it_is_a_translation_for_those_that_declare_embeddings() -> None:
    """The client's headers stay here, and nothing is streamed."""
    made = wire(Found(VECTORS, None))
    assert (made.native, made.serves, made.watch, made.fold, made.path) == (False, "embeddings", None, None, "/x")
