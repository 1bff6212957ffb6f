"""Following a stream of Anthropic's Messages API."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.shapes.messages.stream import MessagesWatch
from tests.unit.shapes.messages.transcripts import (
    ENDED,
    ERROR,
    PING,
    SIGNATURE,
    START,
    STOP,
    TRANSCRIPTS,
    delta,
    event,
    finish,
    start,
    text,
)
from tests.unit.shapes.streams import cuts, pieces, run

SEEN = Usage(prompt=20, completion=7, cached=10, written=6)
parts = st.sampled_from(
    [
        START,
        PING,
        STOP,
        ERROR,
        text(0, "a"),
        delta(0, "text_delta", text="é"),
        finish(),
        b": comment\n\n",
        b"data: {\n\n",
        b"data: {}\n\n",
        b"data: []\n\n",
        b"data: null\n\n",
        b"data:\n\n",
        b"\n",
        b"data: half",
        b'data: {"type":"content_block_delta","delta":{"text":"\\ud83d"},"x":NaN}\n\n',
        finish().replace(b"\n", b"\r\n"),
        text(1, "b").replace(b"\n", b"\r"),
    ]
)
mixed = st.lists(parts, max_size=10).map(b"".join)


def state(watch: MessagesWatch) -> tuple[object, ...]:
    return (watch.committed, watch.finished, watch.whole, watch.done, watch.usage, watch.failure, watch.contents)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_good_stream_goes_on_byte_for_byte(name: str) -> None:
    """lbd forwards, it does not rewrite; events that it does not know go on too."""
    watch = MessagesWatch()
    out, failure = run(watch, [TRANSCRIPTS[name]])
    assert (out, failure) == (TRANSCRIPTS[name], None)
    assert watch.committed and watch.finished and watch.whole and watch.done and watch.contents
    if name != "counts at the end":
        assert watch.usage == SEEN


def test_counts_of_the_end_replace_those_of_the_start() -> None:
    """They are cumulative: what the last event tells stands, what it does not tell remains."""
    watch = MessagesWatch()
    run(watch, [TRANSCRIPTS["counts at the end"]])
    assert watch.usage == Usage(prompt=22, completion=7, cached=11, reasoning=3, written=6)


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_every_split_of_a_transcript_is_forwarded_alike(name: str, data: st.DataObject) -> None:
    """The client's answer must not depend on how the network cut the provider's."""
    whole, cut = MessagesWatch(), MessagesWatch()
    assert run(cut, data.draw(cuts(TRANSCRIPTS[name]))) == run(whole, [TRANSCRIPTS[name]])
    assert state(cut) == state(whole)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_single_bytes_are_forwarded_alike(name: str) -> None:
    """The worst split of all."""
    stream = TRANSCRIPTS[name]
    whole, cut = MessagesWatch(), MessagesWatch()
    assert run(cut, pieces(stream, range(len(stream)))) == run(whole, [stream])
    assert state(cut) == state(whole)


@given(mixed, st.data())
def test_every_split_of_any_stream_ends_alike(stream: bytes, data: st.DataObject) -> None:
    """Also where events are broken or out of order: same bytes, same end."""
    whole, cut = MessagesWatch(), MessagesWatch()
    assert run(cut, data.draw(cuts(stream))) == run(whole, [stream])
    assert state(cut) == state(whole)


@given(mixed, st.data())
def test_nothing_is_forwarded_before_it_is_committed(stream: bytes, data: st.DataObject) -> None:
    """Until the first content the answer can still be another provider's."""
    watch = MessagesWatch()
    for part in data.draw(cuts(stream)):
        out = watch.feed(part)
        assert not out or watch.committed


@pytest.mark.parametrize("name", ENDED)
def test_what_is_no_whole_answer_is_a_failure(name: str) -> None:
    """An error event, an early end, an answer without content."""
    stream, word = ENDED[name]
    _, failure = run(MessagesWatch(), [stream])
    assert failure is not None and failure.kind == word


def test_an_error_is_one_whatever_its_event_is_called() -> None:
    """Servers leave the event's name out."""
    for data in (b'{"type":"error","error":{"message":"m"}}', b'{"error":{"message":"m"}}', b'{"type":"error"}'):
        _, failure = run(MessagesWatch(), [START + text(0, "a") + b"data: %b\n\n" % data])
        assert failure is not None and failure.kind is FailureKind.STREAM_ERROR


def test_an_error_before_the_content_lets_nothing_out() -> None:
    """So the request can go to another provider."""
    watch = MessagesWatch()
    out, failure = run(watch, [START + PING + ERROR])
    assert not out and not watch.committed
    assert failure is not None and failure.message == "Overloaded"


@pytest.mark.parametrize("lost", [STOP, STOP[:30], STOP[:-1]])
def test_a_lost_end_mark_is_completed(lost: bytes) -> None:
    """The reason to stop was told, so the answer is whole; the client gets its end all the same."""
    stream = TRANSCRIPTS["text"]
    out, failure = run(MessagesWatch(), [stream.removesuffix(STOP) + lost[: len(lost) // 2 if lost != STOP else 0]])
    assert failure is None
    assert out == stream


@pytest.mark.parametrize(
    ("said", "commits"),
    [
        (PING, False),
        (START, False),
        (start(0, type="text", text=""), False),
        (start(0, type="thinking", thinking="", signature=""), False),
        (start(0, type="text", text="a"), True),
        (start(0, type="tool_use", id="t", name="f", input={}), True),
        (start(0, type="redacted_thinking", data="x"), True),
        (start(0, type="server_tool_use", id="t", name="f", input={}), True),
        (delta(0, "text_delta", text=""), False),
        (delta(0, "text_delta", text="a"), True),
        (delta(0, "thinking_delta", thinking="a"), True),
        (delta(0, "signature_delta", signature=SIGNATURE), True),
        (delta(0, "input_json_delta", partial_json=""), False),
        (delta(0, "input_json_delta", partial_json="{"), True),
        (delta(0, "citations_delta", citation={"type": "x"}), True),
        (finish(), True),
        (event("message_delta", delta={"stop_reason": None}), False),
        (event("content_block_stop", index=0), False),
    ],
)
def test_what_commits(said: bytes, commits: bool) -> None:
    """Content, a call, or the end: nothing else shows that the provider answers."""
    watch = MessagesWatch()
    watch.feed(said)
    assert watch.committed is commits


def test_bytes_that_are_no_event_are_never_forwarded() -> None:
    """A failure, not an answer."""
    watch = MessagesWatch()
    out, failure = run(watch, [START + text(0, "a") + b"data: [1]\n\n" + text(1, "b")])
    assert failure is not None and failure.kind is FailureKind.BAD_BODY
    assert out == START + text(0, "a")
