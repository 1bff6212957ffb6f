"""Pieces as answers of Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic
from anthropic._streaming import SSEDecoder
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import (
    Answer,
    Argued,
    Begin,
    Call,
    Calling,
    Choice,
    Finished,
    Piece,
    Reason,
    Refused,
    Said,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes.gather import gather, pieces_of
from lbd.shapes.messages.speak import MessagesSpeaker, whole
from tests.unit.shapes.conversations import DEEP, letters
from tests.unit.shapes.streams import cuts, spec_events

EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
SIGNED = Token("anthropic", "sig")
BEGIN = Begin("id", "m")
USED = Used(Usage(20, 7, 10, 3, written=6))

objects = st.dictionaries(letters, st.integers(-9, 9) | letters, max_size=2)


@st.composite
def said(draw: st.DrawFn) -> list[Piece]:
    """Return the pieces of a good answer: calls one after the other, as every provider says them."""
    out: list[Piece] = [draw(st.builds(Begin, letters, letters))]
    calls = 0
    kinds = ["said", "thought", "signed", "redacted", "refused", "call", "call"]
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=7)):
        if kind == "said":
            out += draw(st.lists(st.builds(Said, letters | st.just("")), max_size=3))
        elif kind == "thought":
            out += draw(st.lists(st.builds(Thought, letters), max_size=3))
        elif kind == "signed":
            out += [Thought(draw(letters)), Thought(token=draw(st.builds(Token, st.just("anthropic"), letters)))]
        elif kind == "redacted":
            token = draw(st.builds(Token, st.sampled_from(["anthropic", "x"]), letters))
            out.append(Thought(token=token, redacted=True))
        elif kind == "refused":
            out.append(Refused(draw(letters)))
        else:
            out.append(Calling(calls, f"call_{calls}", draw(letters)))
            arguments = json.dumps(draw(objects)) if draw(st.booleans()) else ""
            at = draw(st.integers(0, len(arguments)))
            out += [Argued(calls, part) for part in (arguments[:at], arguments[at:]) if part]
            calls += 1
    reason = draw(st.sampled_from(sorted(Reason)))
    out.append(Finished(reason, stop="x" if reason is Reason.STOP_SEQUENCE else None))
    return [*out, USED] if draw(st.booleans()) else out


def spoken(pieces: list[Piece]) -> bytes:
    speaker = MessagesSpeaker(True)
    return speaker.say(pieces) + speaker.end()


def events(stream: bytes) -> list[dict[str, Any]]:
    out = []
    for kind, payload in spec_events(stream):
        out.append(json.loads(payload))
        assert out[-1]["type"] == kind
        EVENTS.validate_python(out[-1])
    return out


def accumulated(*parts: bytes) -> Any:
    """Return the message that the official client makes of a stream."""
    snapshot, buffers = None, {}  # type: ignore[var-annotated]
    for sse in SSEDecoder().iter_bytes(iter(parts)):
        snapshot = accumulate_event(event=sse.json(), current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return snapshot.to_dict()


def told(message: dict[str, Any]) -> Any:
    """Return what a message says; its caller is what the SDK adds."""
    content = [{k: v for k, v in block.items() if v is not None} for block in message["content"]]
    usage = {k: v for k, v in message["usage"].items() if v is not None}
    return message["id"], message["model"], content, message["stop_reason"], message["stop_sequence"], usage


@given(said(), st.data())
def test_the_official_client_makes_the_unary_answer_of_a_stream(pieces: list[Piece], data: st.DataObject) -> None:
    """However the bytes come."""
    stream = spoken(pieces)
    unary = json.loads(whole(gather(pieces)))
    Message.model_validate(unary)
    assert told(accumulated(*data.draw(cuts(stream)))) == told(unary)


@given(said())
def test_events_come_in_the_documented_order(pieces: list[Piece]) -> None:
    """One start; blocks numbered from 0, one after the other; one delta of the message; one stop."""
    found = events(spoken(pieces))
    kinds = [e["type"] for e in found]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert all(kinds.count(k) == 1 for k in ("message_start", "message_delta", "message_stop"))
    open_, count = None, 0
    for one in found[1:-2]:
        if one["type"] == "content_block_start":
            assert open_ is None and one["index"] == count
            open_, count = one["index"], count + 1
        else:
            assert one["index"] == open_
            if one["type"] == "content_block_stop":
                open_ = None
    assert open_ is None


@given(said(), st.data())
def test_it_does_not_matter_how_many_pieces_come_at_once(pieces: list[Piece], data: st.DataObject) -> None:
    """A stream is the same, event by event."""
    at = data.draw(st.integers(0, len(pieces)))
    speaker = MessagesSpeaker(True)
    assert speaker.say(pieces[:at]) + speaker.say(pieces[at:]) + speaker.end() == spoken(pieces)


def test_the_official_client_reads_it_over_http() -> None:
    """Its own stream of events, types and all."""
    stream = spoken([BEGIN, Said("a"), Calling(0, "c", "f"), Argued(0, "{}"), Finished(Reason.CALLS), USED])
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=stream, headers=headers))
    with (
        httpx2.Client(transport=transport) as http,
        Anthropic(api_key="k", base_url="http://lbd.test", http_client=http) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as out,
    ):
        message = out.get_final_message()
    assert message.stop_reason == "tool_use"
    assert [b.type for b in message.content] == ["text", "tool_use"]
    assert message.usage.input_tokens == 4 and message.usage.output_tokens == 7


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.STOP, "end_turn"),
        (Reason.STOP_SEQUENCE, "stop_sequence"),
        (Reason.LENGTH, "max_tokens"),
        (Reason.CALLS, "tool_use"),
        (Reason.FILTER, "refusal"),
        (Reason.REFUSAL, "refusal"),
        (Reason.PAUSE, "pause_turn"),
    ],
)
def test_every_reason_has_a_word(reason: Reason, word: str) -> None:
    """The whole table, in a stream as in a unary answer."""
    pieces: list[Piece] = [BEGIN, Said("a"), Finished(reason)]
    assert events(spoken(pieces))[-2]["delta"]["stop_reason"] == word
    assert json.loads(whole(gather(pieces)))["stop_reason"] == word
    assert set(Reason) == {Reason.STOP, Reason.STOP_SEQUENCE, Reason.LENGTH, Reason.CALLS, Reason.FILTER} | {
        Reason.REFUSAL,
        Reason.PAUSE,
    }


@pytest.mark.parametrize(("pieces", "word"), [([Said("a")], "end_turn"), ([Calling(0, "c", "f")], "tool_use")])
def test_an_answer_without_a_reason_has_ended_all_the_same(pieces: list[Piece], word: str) -> None:
    """A client that goes by the word must not wait for it; a call is to be answered."""
    assert events(spoken(pieces))[-2]["delta"]["stop_reason"] == word
    assert json.loads(whole(gather(pieces)))["stop_reason"] == word


def test_an_answer_of_nothing_is_still_a_message() -> None:
    """Start, delta, stop."""
    assert [e["type"] for e in events(spoken([]))] == ["message_start", "message_delta", "message_stop"]


def test_the_usage_is_anthropic_s() -> None:
    """What came of the cache, or went to it, is no input; what was thought is told apart."""
    expected = {
        "input_tokens": 4,
        "cache_creation_input_tokens": 6,
        "cache_read_input_tokens": 10,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    pieces: list[Piece] = [BEGIN, Said("a"), Finished(Reason.STOP), USED]
    assert events(spoken(pieces))[-2]["usage"] == expected
    assert json.loads(whole(gather(pieces)))["usage"] == expected


def test_thoughts_that_nobody_signed_are_marked() -> None:
    """Else they come back with the conversation, and Anthropic refuses a signature that is none of its own."""
    pieces: list[Piece] = [BEGIN, Thought("hm"), Said("a"), Finished(Reason.STOP)]
    assert told(accumulated(spoken(pieces)))[2][0] == {"type": "thinking", "thinking": "hm", "signature": "lbd.."}
    assert json.loads(whole(gather(pieces)))["content"][0]["signature"] == "lbd.."


def test_thought_signatures_stand_beside_the_call() -> None:
    """Tagged, since they are another family's."""
    pieces: list[Piece] = [BEGIN, Calling(0, "c", "f", token=Token("gemini", "s")), Argued(0, "{}")]
    assert events(spoken(pieces))[1]["content_block"]["thought_signature"] == "lbd.gemini.s"
    assert json.loads(whole(gather(pieces)))["content"][0]["thought_signature"] == "lbd.gemini.s"


def test_only_the_first_choice_is_said() -> None:
    """The shape has no others."""
    assert b"uno" not in spoken([BEGIN, Said("one"), Said("uno", 1), Finished(Reason.STOP, 1)])


@pytest.mark.parametrize(
    "pieces",
    [
        [Argued(0, "{")],
        [Calling(0, "a", "f"), Argued(0, "{}"), Calling(1, "b", "g"), Argued(0, "{")],
    ],
)
def test_arguments_behind_their_end_cannot_be_said(pieces: list[Piece]) -> None:
    """A block that has ended cannot go on: the provider's fault, and another one may do better."""
    with pytest.raises(LbdError) as raised:
        MessagesSpeaker(True).say(pieces)
    assert raised.value.failure.kind is FailureKind.BAD_BODY


@st.composite
def side_by_side(draw: st.DrawFn) -> list[Piece]:
    """Return the pieces of calls that a provider writes side by side, and of words among them."""
    texts = draw(st.lists(objects.map(json.dumps) | st.just(""), min_size=1, max_size=4))
    queues: list[list[Piece]] = []
    for number, text in enumerate(texts):
        at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
        parts = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
        queues.append([Calling(number, f"c{number}", "f"), *(Argued(number, part) for part in parts if part)])
    out: list[Piece] = [BEGIN]
    while any(queues):
        left = [q for q in queues if q]
        out.append(draw(st.sampled_from(left)).pop(0))
        if draw(st.booleans()) and draw(st.booleans()):
            out.append(Said("word"))
    return [*out, Finished(Reason.CALLS), USED]


@given(side_by_side(), st.data())
def test_calls_side_by_side_are_said_one_after_the_other(pieces: list[Piece], data: st.DataObject) -> None:
    """Each whole, in blocks that begin and end in order; the words beside them are all there."""
    speaker = MessagesSpeaker(True)
    stream = b"".join(speaker.say([piece]) for piece in pieces) + speaker.end()
    message = accumulated(*data.draw(cuts(stream)))
    answer = gather(pieces).choices[0]
    calls = {p.id: json.loads(p.arguments or "{}") for p in answer.parts if isinstance(p, Call)}
    assert {b["id"]: b["input"] for b in message["content"] if b["type"] == "tool_use"} == calls
    words = "".join(b["text"] for b in message["content"] if b["type"] == "text")
    assert words == "word" * sum(isinstance(p, Said) for p in pieces)
    kinds = [(e["type"], e["index"]) for e in events(stream) if e["type"].startswith("content_block_")]
    opened = [i for kind, i in kinds if kind == "content_block_start"]
    assert opened == list(range(len(opened))), kinds
    for kind, at in kinds:
        if kind == "content_block_start":
            open_ = at
        assert at == open_


def test_a_call_that_is_whole_waits_for_nothing() -> None:
    """Calls one after the other go out as they come."""
    speaker = MessagesSpeaker(True)
    speaker.say([BEGIN, Calling(0, "a", "f"), Argued(0, '{"a":1}')])
    assert b'"b"' in speaker.say([Calling(1, "b", "g")]) and b"{}" in speaker.say([Argued(1, "{}")])
    assert b"after" in speaker.say([Said("after")])


@pytest.mark.parametrize("arguments", ["{", "no", "[1]", "1", '"x"', "null", '{"a":' * 2000])
def test_arguments_that_are_no_object_are_a_failure(arguments: str) -> None:
    """This shape holds them as an object; what the limit on tokens has cut is an empty one."""
    pieces: list[Piece] = [BEGIN, Calling(0, "c", "f"), Argued(0, arguments)]
    with pytest.raises(LbdError) as raised:
        whole(gather([*pieces, Finished(Reason.CALLS)]))
    assert raised.value.failure.kind is FailureKind.BAD_BODY
    answer = json.loads(whole(gather([*pieces, Finished(Reason.LENGTH)])))
    assert answer["content"][0]["input"] == {}


def test_arguments_that_are_nested_too_deep_are_a_failure() -> None:
    """Not an exception of the JSON library."""
    with pytest.raises(LbdError):
        whole(gather([BEGIN, Calling(0, "c", "f"), Argued(0, json.dumps({"a": DEEP}))]))


def test_arguments_with_half_a_character_are_read() -> None:
    """What is no character is replaced."""
    answer = whole(gather([BEGIN, Calling(0, "c", "f"), Argued(0, r'{"a":"\ud83d"}')]))
    assert json.loads(answer)["content"][0]["input"] == {"a": "\ufffd"}


@given(said())
def test_a_whole_answer_said_in_pieces_is_the_same(pieces: list[Piece]) -> None:
    """What was gathered can be said as a stream."""
    answer = gather(pieces)
    assert gather(pieces_of(answer)) == answer


def test_no_arguments_at_all_are_an_empty_object() -> None:
    """Whoever made the answer."""
    answer = Answer("i", "m", (Choice((Call("c", "f", " "),), Reason.CALLS),))
    assert json.loads(whole(answer))["content"][0]["input"] == {}
