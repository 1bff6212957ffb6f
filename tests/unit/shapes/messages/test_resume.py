"""A stream of Anthropic's Messages API taken up: which block is open, what it holds, and what stands in the way."""

from __future__ import annotations

import pytest

from lbd.model.messages import Argued, Calling, Finished, Piece, Reason, Said, Thought, Token
from lbd.shapes.messages.resume import hear, read
from lbd.shapes.splice import CannotSplice
from tests.unit.shapes.messages.test_speak import events
from tests.unit.shapes.messages.transcripts import (
    PING,
    SIGNATURE,
    START,
    STOP,
    THINKING,
    delta,
    event,
    finish,
    start,
    stop,
    text,
    tool,
)

OPEN = START + start(0, type="text", text="") + PING
TOKEN = Token("anthropic", SIGNATURE)


def goes_on(sent: bytes, *pieces: Piece) -> list[tuple[str, int | None]]:
    """Return the events with which a speaker goes on, and their blocks."""
    speaker = read(sent).speak(True, b"{}")
    return [(e["type"], e.get("index")) for e in events(speaker.say(pieces) + speaker.end())]


ENDS: list[tuple[str, int | None]] = [("message_delta", None), ("message_stop", None)]


def test_the_open_block_stays_open() -> None:
    """Its deltas go on under its index; then it is ended, and the next one has the next index."""
    sent = OPEN + delta(0, "text_delta", text="He")
    assert read(sent).shown.pieces == (Said(""), Said("He")) and not read(sent).shown.closed
    assert goes_on(sent, Said("llo")) == [("content_block_delta", 0), ("content_block_stop", 0), *ENDS]
    told = goes_on(sent, Calling(0, "a", "f"), Argued(0, "{}"))
    assert told[:3] == [("content_block_stop", 0), ("content_block_start", 1), ("content_block_delta", 1)]


def test_a_block_that_was_ended_is_not_ended_again() -> None:
    """What comes next stands in a new one."""
    sent = START + text(0, "Hello")
    assert read(sent).shown.closed
    assert goes_on(sent, Calling(0, "a", "f"), Argued(0, "{}"))[0] == ("content_block_start", 1)
    assert goes_on(sent) == ENDS


def test_thinking_is_signed_once() -> None:
    """By whoever thinks it to its end; one that was signed only has to be ended."""
    open_ = START + start(0, type="thinking", thinking="", signature="") + delta(0, "thinking_delta", thinking="hm")
    assert read(open_).shown.pieces == (Thought(""), Thought("hm"))
    told = goes_on(open_, Thought("m"), Thought(token=TOKEN), Said("a"))
    assert told[:4] == [("content_block_delta", 0)] * 2 + [("content_block_stop", 0), ("content_block_start", 1)]
    signed = open_ + delta(0, "signature_delta", signature=SIGNATURE)
    assert read(signed).shown.pieces[-1] == Thought(token=TOKEN)
    assert goes_on(signed, Said("a"))[:2] == [("content_block_stop", 0), ("content_block_start", 1)]
    assert read(START + THINKING).shown.closed


def test_a_call_goes_on_within_its_arguments() -> None:
    """Which are whole once they are an object: those that were shown belong to them."""
    sent = (
        START
        + start(0, type="tool_use", id="t", name="f", input={})
        + delta(0, "input_json_delta", partial_json='{"x":')
    )
    told = goes_on(sent, Argued(0, "1}"), Calling(1, "u", "g"), Argued(1, "{}"))
    assert told[:3] == [("content_block_delta", 0), ("content_block_stop", 0), ("content_block_start", 1)]
    assert goes_on(sent, Argued(0, "1}"), Finished(Reason.CALLS))[-2:] == ENDS
    whole = START + start(0, type="tool_use", id="t", name="f", input={"x": 1})
    assert read(whole).shown.pieces[1] == Argued(0, '{"x":1}')


def test_an_answer_that_ended_only_lacks_its_end_mark() -> None:
    """Why it ended, and its usage, were told."""
    sent = START + text(0, "a") + finish("max_tokens")
    assert read(sent).shown.pieces[-1] == Finished(Reason.LENGTH)
    assert goes_on(sent) == [("message_stop", None)]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (start(0, type="redacted_thinking", data="x"), "redacted"),
        (start(0, type="server_tool_use", id="s", name="web_search", input={}), "server_tool_use"),
        (start(0, type="text", text="", citations=[{"type": "x"}]), "text"),
        (start(0, type="text", text="") + delta(0, "citations_delta", citation={}), "citations_delta"),
        (start(0, type="thinking", thinking="", signature="") + stop(0), "hidden"),
        (
            start(0, type="thinking", thinking="", signature="") + delta(0, "signature_delta", signature="x"),
            "hidden",
        ),
        (THINKING[: -len(stop(0))] + delta(0, "thinking_delta", thinking="x"), "behind their signature"),
        (THINKING[: -len(stop(0))] + delta(0, "signature_delta", signature="x"), "in pieces"),
        (text(0, "a") + text(1, "b"), "two blocks"),
        (start(0, type="text", text="") + start(1, type="text", text=""), "follow one another"),
        (start(1, type="text", text=""), "follow one another"),
        (start(0, type="text", text="") + delta(0, "thinking_delta", thinking="x"), "thinking_delta"),
        (event("new_kind", x=1), "new_kind"),
    ],
)
def test_what_pieces_do_not_carry_stands_in_the_way(sent: bytes, why: str) -> None:
    """By name."""
    with pytest.raises(CannotSplice, match=why):
        read(START + sent)


def test_a_second_run_is_read_for_its_pieces() -> None:
    """Hidden thoughts and later events too, which the comparison or the client may do with what they can."""
    told = hear()
    assert list(told(START + event("new_kind", x=1) + PING)) == []
    assert list(told(start(0, type="redacted_thinking", data="x") + stop(0))) == [
        Thought(token=Token("anthropic", "x"), redacted=True)
    ]
    hidden = start(1, type="thinking", thinking="", signature="") + delta(1, "signature_delta", signature=SIGNATURE)
    assert list(told(hidden + stop(1))) == [Thought(""), Thought(token=TOKEN)]
    pieces = list(told(text(2, "a") + text(3, "b") + tool(4, "f", '{"x":1}') + finish("tool_use") + STOP))
    assert [p.text for p in pieces if isinstance(p, Said)] == ["", "a", "", "b"]
    assert pieces[-1] == Finished(Reason.CALLS)
