"""Answers of Anthropic's Messages API as pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Answer, Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Token, Used
from lbd.model.outcome import Usage
from lbd.shapes.gather import gather
from lbd.shapes.heard import loads
from lbd.shapes.messages import hear
from tests.unit.shapes.conversations import DEEP, spoiled
from tests.unit.shapes.messages.transcripts import (
    ENDED,
    ERROR,
    SIGNATURE,
    START,
    STOP,
    THINKING,
    TRANSCRIPTS,
    UNARY,
    delta,
    event,
    finish,
    message,
    start,
    text,
    tool,
    words,
)
from tests.unit.shapes.streams import cuts, pieces, spec_events

SEEN = Usage(prompt=20, completion=7, cached=10, written=6)


def heard(*parts: bytes) -> tuple[list[Piece], Failure | None]:
    listener = hear.MessagesListener("m", 1)
    out = [piece for part in parts for piece in listener.feed(part)]
    if listener.failure is not None:
        return out, listener.failure
    more, failure = listener.end()
    return [*out, *more], failure


def read(answer: Any) -> list[Piece]:
    return hear.read(json.dumps(answer).encode(), "m")


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_stream_says_what_its_unary_answer_says(name: str) -> None:
    """Only the words are cut elsewhere."""
    said, failure = heard(TRANSCRIPTS[name])
    assert failure is None
    assert _normal(gather(said)) == _normal(gather(read(UNARY[name])))


def _normal(answer: Answer) -> Any:
    calls = [(p.id, p.name, json.loads(p.arguments)) if hasattr(p, "arguments") else p for p in answer.choices[0].parts]
    return (answer.id, answer.model, answer.usage, answer.choices[0].reason, answer.choices[0].stop, calls)


def test_the_pieces_of_an_answer_with_everything() -> None:
    """Thoughts with what signs them, words, calls numbered among themselves, why it ended, and the tokens."""
    calls = [text(1, "I"), tool(2, "f", "{}"), tool(3, "g"), finish("tool_use"), STOP]
    stream = b"".join([START, THINKING, *calls])
    said, failure = heard(stream)
    assert failure is None
    assert said == [
        Begin("msg_01", "claude-sonnet-4-5-20250929"),
        Thought("Let me "),
        Thought("see."),
        Thought(token=Token("anthropic", SIGNATURE)),
        Said("I"),
        Calling(0, "toolu_f", "f"),
        Argued(0, "{}"),
        Calling(1, "toolu_g", "g"),
        Finished(Reason.CALLS),
        Used(SEEN),
    ]


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_every_split_is_heard_alike(name: str, data: st.DataObject) -> None:
    """The same pieces, however the network cut them."""
    assert heard(*data.draw(cuts(TRANSCRIPTS[name]))) == heard(TRANSCRIPTS[name])


@pytest.mark.parametrize("name", ENDED)
def test_every_split_of_what_goes_wrong_is_heard_alike(name: str) -> None:
    """The same words before it, and the same failure."""
    stream, word = ENDED[name]
    said, failure = heard(stream)
    assert failure is not None and failure.kind == word
    assert heard(*pieces(stream, range(len(stream)))) == (said, failure)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", Reason.STOP),
        ("max_tokens", Reason.LENGTH),
        ("model_context_window_exceeded", Reason.LENGTH),
        ("stop_sequence", Reason.STOP_SEQUENCE),
        ("tool_use", Reason.CALLS),
        ("pause_turn", Reason.PAUSE),
        ("refusal", Reason.REFUSAL),
        ("a later word", Reason.STOP),
        (7, Reason.STOP),
        ([], None),
        (None, None),
    ],
)
def test_every_reason_is_understood(word: Any, reason: Reason | None) -> None:
    """In a unary answer as in a stream; a word that nobody knows yet is an end like any."""
    finished = [p.reason for p in read(message(words("a"), reason=word)) if isinstance(p, Finished)]
    assert finished == ([] if reason is None else [reason])
    said, _ = heard(START + text(0, "a") + finish(word) + STOP)
    assert [p.reason for p in said if isinstance(p, Finished)] == finished


def test_an_answer_ends_once() -> None:
    """A second reason is nothing new."""
    said, _ = heard(START + START + text(0, "a") + finish() + finish("max_tokens") + STOP)
    assert [p for p in said if isinstance(p, Begin | Finished)] == [said[0], Finished(Reason.STOP)]


def test_the_stop_sequence_is_told() -> None:
    """With the reason; what is no text is none."""
    assert Finished(Reason.STOP_SEQUENCE, stop="two") in heard(TRANSCRIPTS["stop sequence"])[0]
    assert Finished(Reason.STOP) in read({**message(words("a")), "stop_sequence": [1]})


def test_calls_are_numbered_whatever_their_blocks_are() -> None:
    """Also where a server says an index twice, and names none."""
    twice = start(0, type="tool_use", id="", name="f", input={"a": 1})
    said, _ = heard(START + twice + twice + twice + finish("tool_use") + STOP)
    assert [(p.index, p.id) for p in said if isinstance(p, Calling)] == [
        (0, "toolu_0"),
        (1, "toolu_1"),
        (2, "toolu_2"),
    ]
    assert [p for p in said if isinstance(p, Argued)] == [Argued(i, '{"a":1}') for i in range(3)]


def test_arguments_of_no_call_are_nobody_s() -> None:
    """Of a tool that ran at the provider itself."""
    server = start(0, type="server_tool_use", id="s", name="web_search", input={})
    said, failure = heard(START + server + delta(0, "input_json_delta", partial_json="{}") + text(1, "a") + finish())
    assert failure is None
    assert not [p for p in said if isinstance(p, Argued | Calling)]


def test_a_tag_of_lbd_s_is_read() -> None:
    """A gateway before another one."""
    (thought,) = [
        p
        for p in read(message({"type": "thinking", "thinking": "t", "signature": "lbd.gemini.x"}))
        if isinstance(p, Thought)
    ]
    assert thought.token == Token("gemini", "x")


@pytest.mark.parametrize(
    "answer",
    [[], None, 1, "text", {}, {"content": None}, {"content": "text"}, {"type": "error", "error": {"message": "m"}}],
)
def test_what_is_no_message_is_a_failure(answer: Any) -> None:
    """In spite of its status."""
    with pytest.raises(LbdError):
        read(answer)


def test_an_error_in_a_good_answer_is_told() -> None:
    """With its own words."""
    with pytest.raises(LbdError) as raised:
        read({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert raised.value.failure.kind is FailureKind.OVERLOADED


def test_what_is_nested_too_deep_is_a_failure_after_what_was_good() -> None:
    """Not an exception of the JSON library; and what was said before it counts, in whatever reads it came."""
    deep = start(1, type="tool_use", id="t", name="f", input={"a": DEEP})
    for stream in (START + text(0, "a") + deep, START + text(0, "a") + deep + ERROR):
        said, failure = heard(stream)
        assert failure is not None and failure.kind is FailureKind.BAD_BODY
        assert Said("a") in said
        assert heard(*pieces(stream, range(len(stream)))) == (said, failure)
    with pytest.raises(LbdError):
        read(message({"type": "tool_use", "id": "t", "name": "f", "input": {"a": DEEP}}))


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_junk_in_a_stream_is_a_failure_or_left_out(name: str, data: st.DataObject) -> None:
    """Never another exception; and what is heard can be put together."""
    events = [json.loads(payload) for _, payload in spec_events(TRANSCRIPTS[name])]
    at = data.draw(st.integers(0, len(events) - 1))
    events[at] = data.draw(spoiled(events[at]))
    said, failure = heard(b"".join(b"data: %b\n\n" % json.dumps(e).encode() for e in events))
    assert failure is None or isinstance(failure, Failure)
    gather(said)


@given(st.sampled_from(sorted(UNARY)), st.data())
def test_junk_in_an_answer_is_a_failure_or_left_out(name: str, data: st.DataObject) -> None:
    """Never another exception; and what is heard can be put together."""
    try:
        gather(read(data.draw(spoiled(UNARY[name]))))
    except LbdError as e:
        assert e.failure.kind is not FailureKind.BAD_REQUEST


@given(st.binary(max_size=60))
def test_any_bytes_are_a_failure_or_an_answer(body: bytes) -> None:
    """Whatever a server sends."""
    heard(body)
    try:
        hear.read(body, "m")
    except LbdError as e:
        assert e.failure.kind is FailureKind.BAD_BODY


def test_the_listener_tells_how_far_it_is() -> None:
    """Whole at the reason, done at the end mark."""
    listener = hear.MessagesListener("m", 1)
    listener.feed(START + text(0, "a"))
    assert not listener.whole and not listener.done
    listener.feed(finish())
    assert listener.whole and not listener.done
    listener.feed(event("ping") + STOP)
    assert listener.done and listener.usage == SEEN


def test_oddities_are_read_and_what_is_too_deep_is_told() -> None:
    """Half a character is replaced, NaN is nothing."""
    odd = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\ud83d"},"x":NaN}'
    said, failure = heard(START + b"data: %b\n\n" % odd + finish() + STOP)
    assert failure is None and Said("a\ufffd") in said
    with pytest.raises(LbdError) as raised:
        loads(b"[" * 5000)
    assert raised.value.failure.kind is FailureKind.BAD_BODY
