"""Requests and answers of Anthropic's Messages API that pass through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.clients.anthropic import read
from lbd.shapes.messages import passing
from tests.unit.shapes.conversations import junk, spoiled
from tests.unit.shapes.messages.test_read import EVERYTHING
from tests.unit.shapes.messages.transcripts import UNARY

ROW = DeploymentSpec("p/m", "p", "m", "m", "primary")
RENAMED = DeploymentSpec("p/m", "p", "m", 'claude "x"', "primary")


def sent(raw: bytes, row: DeploymentSpec = ROW, *, stream: bool = False) -> bytes:
    head = read(raw)
    assert isinstance(head, Head)
    return passing.encode(Body("anthropic.messages", raw, head), row, stream, True)


def conversation(*blocks: bytes) -> bytes:
    said = b'{"role": "user",  "content": "lbd.x.y"}'
    return b'{ "model":"m", "x": 1e5, "messages" : [%b, {"content": [%b] ,"role":"assistant"},\n %b], "n": 1.0 }' % (
        said,
        b", ".join(blocks),
        said,
    )


TEXT = b'{"type":"text",  "text":"lbd.x.y", "n": 12345678901234567890123}'
OWN = b'{"type":"thinking","thinking":"lbd.","signature":"abc=="}'
TAGGED = b'{"type":"thinking", "thinking":"a", "signature":"lbd.anthropic.abc=="}'
FOREIGN = b'{"type":"thinking","thinking":"a","signature":"lbd.gemini.abc=="}'
NOBODY = b'{"type":"thinking","thinking":"a","signature":"lbd.."}'
REDACTED = b'{"type":"redacted_thinking","data":"lbd.openai.abc"}'
CALL = b'{"type":"tool_use","id":"t","name":"f","input":{"signature":"lbd.a.b","data":"lbd.c.d"}}'


def test_bytes_stay_as_they_came() -> None:
    """The client's own request, if nothing must change."""
    raw = conversation(TEXT, OWN, CALL)
    assert sent(raw) is raw or sent(raw) == raw


@given(st.sampled_from([EVERYTHING]), st.booleans())
def test_only_the_model_and_the_stream_are_put_in_their_places(body: dict[str, Any], stream: bool) -> None:
    """Nothing else changes."""
    quiet = {k: v for k, v in body.items() if k not in ("stream", "messages")} | {"messages": []}
    told = json.loads(sent(json.dumps(quiet).encode(), RENAMED, stream=stream))
    assert told == {**quiet, "model": 'claude "x"', **({"stream": True} if stream else {})}


@pytest.mark.parametrize(
    ("blocks", "kept"),
    [
        ((TEXT, FOREIGN, CALL), (TEXT, CALL)),
        ((NOBODY, TEXT), (TEXT,)),
        ((REDACTED, OWN, TEXT), (OWN, TEXT)),
        ((TAGGED, TEXT), (TAGGED.replace(b"lbd.anthropic.", b""), TEXT)),
    ],
)
def test_foreign_thoughts_are_taken_out(blocks: tuple[bytes, ...], kept: tuple[bytes, ...]) -> None:
    """Their maker alone can read them; what is Anthropic's own loses its tag. Nothing else changes by a byte."""
    raw, out = conversation(*blocks), sent(conversation(*blocks))
    assert json.loads(out) == json.loads(conversation(*kept))
    for block in kept:
        assert block in out
    assert out.startswith(raw[:60].split(b"[")[0]) and out.endswith(b', "n": 1.0 }') and b'"x": 1e5' in out


def test_a_message_of_foreign_thoughts_alone_is_left_out() -> None:
    """The API refuses one without content."""
    assert [m["role"] for m in json.loads(sent(conversation(FOREIGN, NOBODY)))["messages"]] == ["user", "user"]


def test_a_foreign_signature_of_a_call_is_taken_out() -> None:
    """The API does not know the field; the call stays."""
    signed = CALL[:-1] + b',"thought_signature":"lbd.gemini.s"}'
    assert json.loads(sent(conversation(signed))) == json.loads(conversation(CALL))


@given(st.data())
def test_a_mark_anywhere_raises_nothing(data: st.DataObject) -> None:
    """What is out of order is its provider's to refuse."""
    body = data.draw(spoiled(json.loads(conversation(TEXT, FOREIGN, TAGGED, REDACTED, CALL))))
    raw = json.dumps(body).encode()
    if isinstance(read(raw), Head):
        sent(raw, RENAMED, stream=True)


@pytest.mark.parametrize(
    "messages", [b"1", b"null", b'"lbd."', b'["lbd.", "lbd.x"]', b'[{"content":["lbd.","lbd.a"]}]']
)
def test_odd_conversations_pass(messages: bytes) -> None:
    """Byte for byte."""
    raw = b'{"model":"m","a":"lbd.x","messages":%b}' % messages
    assert sent(raw) == raw


def test_a_request_that_cannot_be_read_is_left_alone() -> None:
    """Its provider says what is wrong with it."""
    for raw in (b"", b"[", b'{"messages":[{"content":["\\ud83d", "lbd.x.y"]}]}'):
        assert passing.without_foreign(raw) == raw


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("claude-2.1", True),
        ("claude-instant-1.2", True),
        ("claude-3-5-haiku-20241022", True),
        ("claude-3-7-sonnet-latest", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4", True),
        ("claude-opus-4-1-20250805", True),
        ("claude-sonnet-4-5-20250929", True),
        ("claude-haiku-4-5", True),
        ("anthropic.claude-v2:1", True),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", True),
        ("claude-opus-4-6", True),
        ("claude-opus-4-7", False),
        ("claude-sonnet-5", False),
        ("claude-next", False),
        ("another", True),
    ],
)
def test_which_models_take_their_sampling(model: str, takes: bool) -> None:
    """Up to 4.6 they do; one that is not Claude's is asked."""
    assert passing.takes_sampling(model) is takes


def test_the_key_and_the_version_go_in_headers() -> None:
    """As the API asks."""
    assert passing.headers("k") == (("x-api-key", "k"), ("anthropic-version", "2023-06-01"))
    assert passing.headers(None) == (("anthropic-version", "2023-06-01"),)


@pytest.mark.parametrize("name", UNARY)
def test_an_answer_is_read(name: str) -> None:
    """Its usage and its model."""
    facts = passing.facts(json.dumps(UNARY[name]).encode())
    assert facts.failure is None and facts.model == "claude-sonnet-4-5-20250929" and facts.answer is None
    if name != "counts at the end":
        assert facts.usage == Usage(20, 7, 10, written=6)


def test_a_model_may_have_nothing_to_say() -> None:
    """Claude ends its turn so behind the results of tools."""
    assert passing.facts(b'{"type":"message","content":[],"stop_reason":"end_turn"}').failure is None


def test_an_answer_with_oddities_is_read() -> None:
    """A mark at its start, half a character, NaN."""
    facts = passing.facts(b'\xef\xbb\xbf{"content":[{"text":"\\ud83d","x":NaN}],"usage":{"output_tokens":"7"}}')
    assert facts.failure is None and facts.usage == Usage(completion=7)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.BAD_BODY),
        (b"[]", FailureKind.BAD_BODY),
        (b"<html>", FailureKind.BAD_BODY),
        (b"{}", FailureKind.BAD_BODY),
        (b'{"content":"x"}', FailureKind.BAD_BODY),
        (b'{"type":"message","content":[],"stop_reason":null}', FailureKind.BAD_BODY),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', FailureKind.OVERLOADED),
        (b'{"error":"boom"}', FailureKind.STREAM_ERROR),
        (b'{"message":"boom","code":500}', FailureKind.STREAM_ERROR),
    ],
)
def test_what_is_no_message_is_a_failure(body: bytes, kind: FailureKind) -> None:
    """In spite of its status."""
    failure = passing.facts(body).failure
    assert failure is not None and failure.kind is kind


@given(junk.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=40))
def test_junk_is_a_failure(body: bytes) -> None:
    """Never an exception."""
    failure = passing.facts(body).failure
    assert failure is None or isinstance(failure, Failure)


def test_limits_are_read() -> None:
    """As Anthropic's headers tell them."""
    told = {"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49"}
    (reading,) = passing.quota(told, 0.0)
    assert (reading.what, reading.limit, reading.remaining) == ("requests", 50, 49)


@pytest.mark.parametrize("model", ["claude-3-5-haiku-20241022", "claude-sonnet-4-20250514", "claude-opus-4@20250514"])
def test_an_older_model_cannot_be_held_to_a_schema(model: str) -> None:
    """It refuses a request that asks for it."""
    assert not passing.keeps_schemas(model)


@pytest.mark.parametrize(
    "model", ["claude-opus-4-1-20250805", "claude-sonnet-4-5", "claude-haiku-4.5", "claude-opus-5", "up"]
)
def test_a_later_model_can(model: str) -> None:
    """And who is none of Claude's is asked."""
    assert passing.keeps_schemas(model)
