"""OpenRouter's clients read a number as code; lbd's own word stands beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd import plugins
from lbd.model.failure import Blame, Failure, FailureKind
from lbd.shapes.chat import errors
from lbd.shapes.clients import openrouter
from lbd.upstream.respond import answer

CLIENTS = plugins.load().clients
CHAT = openrouter.spoken(CLIENTS["openai.chat"])
failures = st.builds(
    Failure,
    st.sampled_from(FailureKind),
    st.text(max_size=20),
    status=st.none() | st.integers(400, 599),
    code=st.none() | st.just("word"),
    body=st.none() | st.sampled_from([b'{"error": {"code": 400, "message": "m"}}', b'{"error": "x"}', b"junk"]),
)


@given(failures)
def test_the_code_is_the_status_that_is_told(failure: Failure) -> None:
    """Whatever happened; the word that an OpenAI client would have read is in the metadata."""
    status, _, body = answer(failure, CHAT)
    error: Any = json.loads(body)["error"]
    assert error["code"] == status or body == failure.body
    assert isinstance(error["message"], str)
    if body != failure.body:
        assert error["metadata"]["error_type"] == json.loads(errors.encode(failure))["error"]["code"]


@given(failures)
def test_a_stream_ends_with_a_chunk_whose_choice_ended_by_the_error(failure: Failure) -> None:
    """A chunk like any other, which has an error beside its choices."""
    event = CHAT.error_event(failure)
    assert event.startswith(b"data: ") and event.endswith(b"\n\n")
    told: Any = json.loads(event[6:])
    assert told["object"] == "chat.completion.chunk" and told["choices"][0]["finish_reason"] == "error"
    assert type(told["error"]["code"]) is int and told["error"]["metadata"]["error_type"]


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        (b'{"error": {"code": 400, "message": "m", "metadata": {}}}', True),
        (b'{"error": {"code": "400", "message": "m"}}', False),
        (b'{"error": {"code": true, "message": "m"}}', False),
        (b'{"error": {"code": 400}}', False),
        (b'{"error": "m"}', False),
        (b"[]", False),
        (b"junk", False),
    ],
)
def test_a_providers_own_words_pass_where_they_can_be_read(body: bytes, passes: bool) -> None:
    """An error with a word as code is told anew."""
    assert CHAT.passes(body) is passes
    status, _, told = answer(Failure(FailureKind.BAD_REQUEST, "no", status=400, body=body), CHAT)
    assert status == 400 and (told == body) is passes


def test_other_houses_shapes_stay_as_they_are() -> None:
    """Anthropic's clients read Anthropic's errors; of the Responses only the body differs."""
    for name, shape in CLIENTS.items():
        spoken = openrouter.spoken(shape)
        if name.startswith("anthropic."):
            assert spoken is shape
        else:
            assert spoken.error_body is openrouter.encode and spoken.read is shape.read and spoken.name == name
    responses = CLIENTS["openai.responses"]
    assert openrouter.spoken(responses).error_event is responses.error_event


def test_the_blame_decides_whose_status_it_is() -> None:
    """A client's fault has its provider's status, another one lbd's own."""
    own = Failure(FailureKind.BAD_REQUEST, "x", status=422)
    assert own.row.blame is Blame.CLIENT and json.loads(CHAT.error_body(own))["error"]["code"] == 422
    theirs = Failure(FailureKind.SERVER, "x", status=500)
    assert json.loads(CHAT.error_body(theirs))["error"]["code"] == theirs.row.status
