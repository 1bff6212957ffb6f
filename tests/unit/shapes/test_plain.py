"""Work that is no conversation passes through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes import plain

EMBEDDED = b'{"object":"list","model":"e-2","data":[{"embedding":"AAAA"}],"usage":{"prompt_tokens":7,"total_tokens":7}}'


def test_a_request_goes_on_byte_for_byte_but_for_the_model() -> None:
    """Token ids, dimensions and encoding are the client's and the provider's business."""
    raw = b'{"input": [[1,2 ,3]], "encoding_format":"base64","dimensions": 8, "model":"e"}'
    head = plain.read(raw)
    assert (head.model, head.stream) == ("e", False)
    same, other = (DeploymentSpec("p/e", "p", "e", name, "primary") for name in ("e", "e-2"))
    assert plain.encode(Body("openai.embeddings", raw, head), same, False, False) == raw
    assert plain.encode(Body("openai.embeddings", raw, head), other, False, False) == raw.replace(b'"e"', b'"e-2"')


def test_an_answer_is_read_for_its_usage() -> None:
    """Embeddings count the prompt; images count input and output."""
    assert plain.facts("data", EMBEDDED).usage == Usage(7)
    assert plain.facts("data", EMBEDDED).model == "e-2"
    assert plain.facts("data", b'{"data":[{}],"usage":{"input_tokens":5,"output_tokens":9}}').usage == Usage(5, 9)
    assert plain.facts("results", b'{"results":[{}]}').failure is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.BAD_BODY),
        (b"{", FailureKind.BAD_BODY),
        (b'{"object":"list"}', FailureKind.BAD_BODY),
        (b'{"object":"list","data":[]}', FailureKind.BAD_BODY),
        (b'{"object":"list","data":{}}', FailureKind.BAD_BODY),
        (b'{"error":{"message":"no","code":"insufficient_quota"}}', FailureKind.MONEY),
        (b'{"object":"error","message":"it broke"}', FailureKind.STREAM_ERROR),
    ],
)
def test_an_error_in_spite_of_the_status_is_one(body: bytes, kind: FailureKind) -> None:
    """A 200 alone is no answer."""
    failure = plain.facts("data", body).failure
    assert failure is not None and failure.kind is kind


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"null", b"OK"])
def test_what_a_proxy_says_is_no_embedding(body: bytes) -> None:
    """With a good status, as pages to log in come."""
    failure = plain.facts("data", body).failure
    assert failure is not None and failure.kind is FailureKind.BAD_BODY


def test_a_stream_of_images_goes_on_as_a_whole() -> None:
    """It is not followed."""
    assert plain.facts("data", b'event: image_generation.completed\ndata: {"b64_json":"AA"}\n\n').failure is None


def test_an_answer_that_is_not_utf8_is_none() -> None:
    """The official SDKs fail at it with an exception of Python's."""
    told = plain.facts("data", b'{"data":[{"embedding":[0.1]}],"model":"\xff"}')
    assert told.failure is not None and told.failure.kind is FailureKind.BAD_BODY


@pytest.mark.parametrize(
    ("given", "vectors", "well"),
    [
        ('"a"', 1, True),
        ('"a"', 2, False),
        ('["a", "b"]', 2, True),
        ('["a", "b"]', 1, False),
        ("[1, 2, 3]", 1, True),
        ("[[1], [2, 3]]", 2, True),
        ("[[1], [2, 3]]", 5, False),
        (' ["a"]', 1, True),
        ('[{"image":"x"},{"text":"y"}]', 1, False),
        ('{"text":"x"}', 3, True),
    ],
)
def test_there_are_as_many_embeddings_as_texts(given: str, vectors: int, well: bool) -> None:
    """Clients pair them by their order: with one too few, texts have another's vector, or are lost."""
    body = Body("openai.embeddings", f'{{"model":"m","input":{given}}}'.encode(), Head("m"))
    answer = json.dumps({"data": [{"index": i, "embedding": [0.5]} for i in range(vectors)]}).encode()
    told = plain.EMBEDDINGS.lacking(body, answer)
    assert (told is None) == well
    assert told is None or told.kind is FailureKind.BAD_BODY


def test_an_embedding_that_is_empty_is_missing() -> None:
    """Under another name, as of several vectors for a text, it may be there."""
    body = Body("openai.embeddings", b'{"input":["a","b"]}', Head("m"))
    for second, well in (('"embedding":null', False), ('"embedding":[]', False), ('"embeddings":[[0.5]]', True)):
        told = plain.EMBEDDINGS.lacking(body, b'{"data":[{"embedding":[0.5]},{%b}]}' % second.encode())
        assert (told is None) == well


def test_what_cannot_be_counted_lacks_nothing() -> None:
    """Nor does an attempt that has failed, or what is no embedding."""
    assert plain.EMBEDDINGS.lacking(Body("openai.embeddings", b'{"input":"a"}', Head("m")), None) is None
    for asked, answer in ((b'{"input":"a"}', b"data: x"), (b"{}", b'{"data":[]}'), (b"oops", b'{"data":[]}')):
        assert plain.EMBEDDINGS.lacking(Body("openai.embeddings", asked, Head("m")), answer) is None
    assert plain.PLAIN["openai.images"].lacking(Body("openai.images", b"", Head("m")), b"{}") is None


def test_sound_is_no_json() -> None:
    """Speech comes as it is."""
    assert plain.facts(None, b"\xff\xf3\x44\xc4").failure is None
    assert plain.facts(None, b"RIFF....WAVE").failure is None


@given(
    st.binary(max_size=60) | st.dictionaries(st.text(max_size=6), st.integers()).map(lambda d: json.dumps(d).encode())
)
def test_any_bytes_are_read(body: bytes) -> None:
    """Junk is a failure or an answer, never an exception."""
    plain.facts("data", body)
