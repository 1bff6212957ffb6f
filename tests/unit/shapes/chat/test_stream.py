"""Following a chat-completion stream."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.shapes import loose, sse
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.held import HELD_COMMENTS, MOST_HELD
from tests.unit.shapes.streams import (
    DONE,
    HEAD,
    LLAMACPP,
    OPENAI,
    OPENROUTER,
    ROLE,
    TRANSCRIPTS,
    TWO,
    USAGE,
    USAGE_EVENT,
    choices_of,
    chunk,
    content,
    cuts,
    event,
    pieces,
    run,
    says,
    spec_events,
)

SEEN = Usage(prompt=20, completion=7, cached=16, reasoning=3)
COMMENT = b": keep-alive\n\n"
BROKEN = b'data: {"choices": [\n\n'
ERROR = event({"error": {"message": "boom", "type": "server_error", "code": 500}})

# Anything that may stand in a stream, good or bad; streams made of it are cut anywhere
parts = st.sampled_from(
    [
        ROLE,
        says("a"),
        says("é🌍"),
        says(""),
        says("b", 1),
        chunk(finish="stop"),
        chunk(finish="stop", index=1),
        USAGE_EVENT,
        DONE,
        COMMENT,
        ERROR,
        BROKEN,
        says("c").replace(b"\n", b"\r\n"),
        says("d").replace(b"\n", b"\r"),
        USAGE_EVENT.replace(b"\n\n", b"\r\n\n"),
        DONE.replace(b"\n\n", b"\r\n\n"),
        b"event: ping\n\n",
        b"\n",
        b"\r\n",
        b"data: {}\n\n",
        b"data: null\n\n",
        b"data\n\n",
        b'data: {"choices":[],\ndata: "x":1}\n\n',
        b'data: {"choices":[],\rdata: "x":1}\n\n',
        b'data: {"choices":\r[]}\n\n',
        b"data: half",
        b"data:\r\n\r\n",
        b"event: error\n",
        event({"object": "error", "message": "boom"}),
        b'data: {"choices":[{"delta":{"content":"\\ud83d"}}],"x":NaN}\n\n',
    ]
)
mixed = st.lists(parts, max_size=12).map(b"".join)


def state(watch: ChatWatch) -> tuple[object, ...]:
    return (watch.committed, watch.finished, watch.done, watch.usage, watch.failure, watch.contents)


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_good_stream_goes_on_byte_for_byte(name: str, hide: bool) -> None:
    """lbd forwards, it does not rewrite; only the usage event that it asked for and a byte order mark are taken out."""
    stream = TRANSCRIPTS[name]
    watch = ChatWatch(choices_of(name), hide)
    out, failure = run(watch, [stream])
    assert failure is None
    assert watch.done
    assert watch.committed
    assert watch.finished
    end = b"\r\n" if name == "CRLF" else b"\n"
    hidden = USAGE_EVENT.replace(b"\n", end).replace(b"data: ", b"data:" if name == "no space" else b"data: ")
    if name == "CR":
        hidden = USAGE_EVENT.replace(b"\n", b"\r")
    assert out == (stream.replace(hidden, b"") if hide else stream).removeprefix(loose.BOM)
    assert watch.usage == (SEEN if b'"prompt_tokens"' in stream else None)


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.booleans(), st.data())
def test_every_split_of_a_transcript_is_forwarded_alike(name: str, hide: bool, data: st.DataObject) -> None:
    """The client's answer must not depend on how the network cut the provider's."""
    stream = TRANSCRIPTS[name]
    whole, cut = ChatWatch(choices_of(name), hide), ChatWatch(choices_of(name), hide)
    assert run(cut, data.draw(cuts(stream))) == run(whole, [stream])
    assert state(cut) == state(whole)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_single_bytes_are_forwarded_alike(name: str) -> None:
    """The worst split of all."""
    stream = TRANSCRIPTS[name]
    whole, cut = ChatWatch(choices_of(name), True), ChatWatch(choices_of(name), True)
    assert run(cut, pieces(stream, range(len(stream)))) == run(whole, [stream])
    assert state(cut) == state(whole)


@given(mixed, st.sampled_from([1, 2]), st.booleans(), st.data())
@example(says("a") + b"\n" + DONE, 1, False, None)
def test_every_split_of_any_stream_ends_alike(
    stream: bytes, choices: int, hide: bool, data: st.DataObject | None
) -> None:
    """Also where events are broken, out of order or between stray blank lines: same bytes, same end."""
    split = pieces(stream, range(len(stream))) if data is None else data.draw(cuts(stream))
    whole, cut = ChatWatch(choices, hide), ChatWatch(choices, hide)
    assert run(cut, split) == run(whole, [stream])
    assert state(cut) == state(whole)


@given(mixed, st.data())
def test_nothing_is_forwarded_before_it_is_committed_or_after_it_is_over(stream: bytes, data: st.DataObject) -> None:
    """Until the first content the answer can still be another provider's; after the end nothing belongs to it."""
    watch = ChatWatch()
    for part in data.draw(cuts(stream)):
        over = watch.done or watch.failure is not None
        out = watch.feed(part)
        assert not out or watch.committed
        assert not (over and out)


@given(mixed)
def test_what_is_forwarded_stood_in_the_stream_in_that_order(stream: bytes) -> None:
    """Events may be left out, never changed: each is the provider's, from its first byte to its last."""
    out = ChatWatch(1, True).feed(stream)
    for frame in sse.frames(sse.Framer().feed(stream)):
        out = out.removeprefix(frame.raw)
    assert out == b""


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"content": " "},
        {"content": [{"type": "text", "text": "x"}]},
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"reasoning_details": [{"type": "reasoning.encrypted"}]},
        {"refusal": "x"},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "a"}},
    ],
    ids=lambda delta: next(iter(delta)),
)
def test_content_of_every_kind_commits_and_brings_what_was_held(delta: dict[str, object]) -> None:
    """The role frame and keep-alives before it belong to the answer that is now the client's."""
    watch = ChatWatch()
    assert watch.feed(ROLE) == b""
    assert watch.feed(COMMENT) == b""
    assert not watch.committed
    first = chunk(delta)
    assert watch.feed(first) == ROLE + COMMENT + first
    assert watch.committed
    assert watch.contents == 1
    assert not watch.finished
    assert watch.feed(COMMENT) == COMMENT


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "function_call"])
def test_a_finish_commits_also_without_content(reason: str) -> None:
    """An empty answer is an answer."""
    watch = ChatWatch()
    assert watch.feed(ROLE) == b""
    last = chunk(finish=reason)
    assert watch.feed(last) == ROLE + last
    assert watch.committed
    assert watch.finished
    assert watch.contents == 0


@pytest.mark.parametrize(
    "frame",
    [
        ROLE,
        says(""),
        chunk({}),
        chunk({"content": None, "tool_calls": None, "refusal": None}),
        chunk({"tool_calls": [], "reasoning_content": "", "reasoning_details": []}),
        event({**HEAD, "choices": []}),
        event({**HEAD, "choices": None}),
        event({**HEAD, "choices": [{"index": 0}]}),
        event({**HEAD, "choices": [{"index": 0, "delta": None, "finish_reason": ""}]}),
        event({**HEAD, "choices": [], "prompt_filter_results": [{}]}),
        USAGE_EVENT,
        COMMENT,
    ],
)
def test_frames_without_content_do_not_commit(frame: bytes) -> None:
    """A provider that has only said hello may still be left for another one."""
    watch = ChatWatch()
    assert watch.feed(frame) == b""
    assert not watch.committed
    assert watch.feed(says("x")) == frame + says("x")


def test_an_end_mark_alone_is_no_answer() -> None:
    """A provider that says nothing and then that it is done has failed, and nothing of it is shown."""
    watch = ChatWatch()
    assert watch.feed(ROLE + DONE) == b""
    assert watch.done
    assert not watch.committed
    more, failure = watch.end()
    assert more == b""
    assert failure is not None
    assert failure.kind is FailureKind.BAD_BODY


@pytest.mark.parametrize("split", [False, True])
def test_comments_before_the_content_are_held_within_bounds(split: bool) -> None:
    """A provider that keeps a connection alive for minutes must not fill the memory; its events are kept."""
    watch = ChatWatch()
    stream = COMMENT * (2 * HELD_COMMENTS // len(COMMENT)) + ROLE + COMMENT
    parts = pieces(stream, range(0, len(stream), 100)) if split else [stream]
    for part in parts:
        assert watch.feed(part) == b""
    kept = -(-HELD_COMMENTS // len(COMMENT))
    assert watch.feed(says("x")) == COMMENT * kept + ROLE + says("x")


READ = 256 * 1024  # bytes that one read brings at most


def flood(watch: ChatWatch, part: bytes) -> tuple[bytes, int]:
    """Feed ``part`` again and again until the watch has had enough: what it forwarded, and how much was fed."""
    out, fed = b"", 0
    while watch.failure is None:
        out += watch.feed(part)
        fed += len(part)
        assert fed <= MOST_HELD + 2 * len(part)
    return out, fed


@pytest.mark.parametrize(
    "part", [b"x" * READ, b"data: x\n" * (READ // 8), b"x" * 50_000 + b"\r"], ids=["no line", "lines", "CR"]
)
@pytest.mark.parametrize("begun", [False, True])
def test_an_event_without_end_ends_the_stream(begun: bool, part: bytes) -> None:
    """What a blank line never ends would fill the memory; nothing of it is kept."""
    watch = ChatWatch()
    if begun:
        assert watch.feed(says("x")) == says("x")
    out, fed = flood(watch, part)
    assert out == b"" and fed > sse.LARGEST_EVENT
    assert watch.failure is not None and watch.failure.kind is FailureKind.BAD_BODY
    assert str(sse.LARGEST_EVENT) in watch.failure.message
    assert watch.end() == (b"", watch.failure)
    assert not watch._framer.tail


@pytest.mark.parametrize("part", [event({"choices": [], "pad": "x" * 10_000}), ROLE * 100], ids=["one", "many"])
def test_events_without_content_are_held_within_bounds(part: bytes) -> None:
    """A stream may begin with events that say nothing, and must not go on so for ever."""
    watch = ChatWatch()
    out, _ = flood(watch, part)
    assert out == b"" and not watch.committed
    assert watch.failure is not None and watch.failure.kind is FailureKind.BAD_BODY
    assert not watch._held


def test_a_large_event_is_none_without_end() -> None:
    """An image goes on as it came."""
    large = says("x" * (sse.LARGEST_EVENT - 1000))
    watch = ChatWatch()
    assert b"".join([watch.feed(part) for part in pieces(large, range(0, len(large), READ))]) == large
    assert watch.failure is None


def test_what_comes_after_a_failure_is_not_kept() -> None:
    """Whoever feeds it on, bounded it stays."""
    watch = ChatWatch()
    watch.feed(BROKEN)
    failure = watch.failure
    for _ in range(MOST_HELD // READ + 2):
        assert watch.feed(b"x" * READ) == b""
    assert watch.failure is failure and len(watch._framer.tail) <= READ


def test_only_the_usage_event_that_was_not_asked_for_is_hidden() -> None:
    """Usage beside a choice, or an event with neither, is the provider's own and stays."""
    beside = chunk(finish="stop", usage=USAGE)
    other = event({**HEAD, "choices": [], "usage": None})
    watch = ChatWatch(1, True)
    assert watch.feed(says("x") + other + beside + USAGE_EVENT + DONE) == says("x") + other + beside + DONE
    assert watch.usage == SEEN
    alone = ChatWatch(1, True)
    assert alone.feed(says("x")) == says("x")
    assert alone.feed(USAGE_EVENT) == b""
    assert alone.feed(DONE) == DONE


@pytest.mark.parametrize(
    ("usage", "seen"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2}, Usage(3, 2)),
        ({}, None),
        ({"prompt_tokens": None, "prompt_tokens_details": {"cached_tokens": None}}, None),
        ({"prompt_tokens": 12.0, "completion_tokens": "7"}, Usage(12, 7)),
        ({"prompt_tokens": -1, "completion_tokens": 10**30}, None),
        ([], None),
        ("20", None),
        ({"prompt_tokens": 3, "completion_tokens": []}, Usage(3)),
        ({"prompt_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1, "x": 2}}, Usage(3, reasoning=1)),
        (USAGE, SEEN),
    ],
)
def test_usage_is_read_as_far_as_it_goes(usage: object, seen: Usage | None) -> None:
    """Providers leave out what they do not count, or write it in their own way; the answer is good all the same."""
    last = event({**HEAD, "choices": [], "usage": usage})
    watch = ChatWatch()
    assert run(watch, [says("x"), chunk(finish="stop"), last, DONE])[1] is None
    assert watch.usage == seen
    beside = ChatWatch()
    assert beside.feed(says("x", usage=usage)) == says("x", usage=usage)
    assert beside.usage == seen
    hidden = ChatWatch(1, True)
    assert run(hidden, [says("x"), chunk(finish="stop"), last, DONE])[0] == says("x") + chunk(finish="stop") + DONE


def test_the_last_usage_counts() -> None:
    """Some send a running count with every chunk."""
    watch = ChatWatch()
    watch.feed(says("a", usage={"prompt_tokens": 5, "completion_tokens": 1}))
    watch.feed(says("b", usage={"prompt_tokens": 5, "completion_tokens": 2}))
    assert watch.usage == Usage(5, 2)
    for unknown in (None, {}, [], {"prompt_tokens": None}):
        watch.feed(says("c", usage=unknown))
        assert watch.usage == Usage(5, 2)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_stream_cut_at_any_byte_never_looks_whole_when_it_is_not(name: str) -> None:
    """Cut before the finish: a failure and no end mark. After it: the whole answer and exactly one end mark."""
    stream = TRANSCRIPTS[name]
    full = content(stream)
    theirs = [data for _, data in spec_events(stream)]
    for at in range(len(stream) + 1):
        watch = ChatWatch(choices_of(name))
        out, failure = run(watch, [stream[:at]] if at else [])
        ours = [data for _, data in spec_events(out)]
        said = content(out)
        assert all(full[where].startswith(text) for where, text in said.items()), at
        if failure is None:
            assert watch.finished, at
            assert ours[-1] == "[DONE]", at
            assert ours.count("[DONE]") == 1, at
            assert said == full, at
            assert ours[:-1] == theirs[: len(ours) - 1], at
        else:
            assert "[DONE]" not in ours, at
            assert ours == theirs[: len(ours)], at
            assert failure.kind is FailureKind.BROKEN_STREAM, at
            assert not watch.finished, at


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_a_cut_of_a_split_stream_ends_as_the_cut_of_the_whole(name: str, data: st.DataObject) -> None:
    """Two ways in which the network hurts do not add up to a third."""
    stream = TRANSCRIPTS[name]
    stream = stream[: data.draw(st.integers(0, len(stream)))]
    whole, cut = ChatWatch(choices_of(name)), ChatWatch(choices_of(name))
    assert run(cut, data.draw(cuts(stream))) == run(whole, [stream] if stream else [])


def test_choices_finish_one_by_one() -> None:
    """With n > 1 the answer is whole only with the last of them."""
    watch = ChatWatch(2)
    before, after = TWO.split(chunk(finish="stop", index=0))
    watch.feed(before)
    assert not watch.finished
    watch.feed(chunk(finish="stop", index=1))
    assert not watch.finished
    watch.feed(chunk(finish="stop", index=0))
    assert watch.finished
    watch.feed(after)
    assert watch.done


def test_both_choices_may_finish_in_one_event() -> None:
    """vLLM sends each in an event of its own, others all in one."""
    watch = ChatWatch(2)
    watch.feed(event({"choices": [{"index": 0, "finish_reason": "stop"}, {"index": 1, "finish_reason": "length"}]}))
    assert watch.finished


def test_one_of_two_choices_is_not_the_answer() -> None:
    """A stream cut after the first finish lacks the other choice."""
    watch = ChatWatch(2)
    out, failure = run(watch, [says("a", 0) + says("b", 1) + chunk(finish="stop", index=0)])
    assert failure is not None
    assert failure.kind is FailureKind.BROKEN_STREAM
    assert b"[DONE]" not in out


def test_the_providers_end_mark_ends_also_an_answer_with_fewer_choices() -> None:
    """llama.cpp before n was built gave one whatever n; its own end mark is believed."""
    out, failure = run(ChatWatch(2), [OPENAI])
    assert (out, failure) == (OPENAI, None)


@pytest.mark.parametrize(
    "tail", [b"", b"\r", b"data: [DONE]", b"data: [DONE]\n", b"data: [DO", b"data:", b"da", b": x"]
)
def test_a_finished_answer_gets_its_end_mark_whatever_is_left_of_it(tail: bytes) -> None:
    """Some servers send none; of a torn one nothing is shown."""
    answer = says("x") + chunk(finish="stop")
    out, failure = run(ChatWatch(), [answer + tail])
    assert failure is None
    assert [data for _, data in spec_events(out)].count("[DONE]") == 1
    assert out == answer + DONE


@pytest.mark.parametrize("junk", [b'data: {"choices": [], "usa\n\n', b'data: {"error":{"message":"boom"}}\n\n'])
def test_what_goes_wrong_behind_a_whole_answer_takes_nothing_of_it(junk: bytes) -> None:
    """All of it in one read: whoever leaves at the first failure would leave without the answer that came before."""
    answer = ROLE + says("x") + chunk(finish="stop")
    for more in ((), (DONE,)):
        watch = ChatWatch()
        assert watch.feed(answer + junk) == answer and watch.failure is None
        for part in more:
            assert not watch.feed(part) and watch.failure is not None
        assert watch.end() == (DONE, None)
    lacking = ChatWatch(wants_usage=True)
    assert lacking.feed(answer + junk) == answer and lacking.failure is not None


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("last", [chunk(finish="stop"), USAGE_EVENT, says("!")], ids=["finish", "usage", "text"])
def test_a_last_event_without_its_blank_line_counts_if_it_is_whole(last: bytes, end: bytes) -> None:
    """A server that closes after the last byte of JSON has said all of it."""
    before = says("x") + (b"" if b'"stop"' in last else chunk(finish="stop"))
    watch = ChatWatch()
    out, failure = run(watch, [before + last.rstrip(b"\n") + end])
    assert failure is None
    assert out == before + last + DONE


def test_the_last_event_of_a_stream_of_crs_stays_as_it_is() -> None:
    """Its blank line is certain only with the end of the stream: an LF might have followed."""
    answer = (says("x") + chunk(finish="stop")).replace(b"\n", b"\r")
    assert run(ChatWatch(), [answer]) == (answer + DONE, None)
    cut = says("x").replace(b"\n", b"\r")
    out, failure = run(ChatWatch(), [cut])
    assert out == cut
    assert failure is not None and failure.kind is FailureKind.BROKEN_STREAM


def test_text_without_a_blank_line_is_shown_before_the_failure() -> None:
    """What the provider has said is the client's, though the answer broke after it."""
    out, failure = run(ChatWatch(), [says("x") + says("y")[:-2]])
    assert out == says("x") + says("y")
    assert failure is not None
    assert failure.kind is FailureKind.BROKEN_STREAM


ERRORS: dict[str, tuple[bytes, FailureKind]] = {
    "OpenAI": (
        event({"error": {"message": "The server had an error", "type": "server_error"}}),
        FailureKind.STREAM_ERROR,
    ),
    "OpenRouter, top level": (
        event(
            {
                **HEAD,
                "error": {"code": 502, "message": "Provider disconnected"},
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            }
        ),
        FailureKind.STREAM_ERROR,
    ),
    "in a choice, with its finish": (
        event(
            {
                "choices": [
                    {"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "slow"}}
                ]
            }
        ),
        FailureKind.RATE,
    ),
    "in a choice, without a finish": (
        event({"choices": [{"index": 0, "delta": {"content": "x"}, "error": {"code": 502, "message": "gone"}}]}),
        FailureKind.STREAM_ERROR,
    ),
    "in a choice that finished well": (
        event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "error": {"message": "gone"}}]}),
        FailureKind.STREAM_ERROR,
    ),
    "finish_reason alone": (chunk(finish="error"), FailureKind.STREAM_ERROR),
    "beside a good choice": (
        event({"choices": [{"index": 0, "delta": {"content": "x"}}, {"index": 1, "finish_reason": "error"}]}),
        FailureKind.STREAM_ERROR,
    ),
    "numeric code": (event({"error": {"message": "Too many", "code": 429}}), FailureKind.RATE),
    "code in digits": (event({"error": {"message": "Overloaded", "code": "503"}}), FailureKind.OVERLOADED),
    "filter": (event({"error": {"message": "no", "code": "content_filter"}}), FailureKind.CONTENT_FILTER),
    "money": (event({"error": {"message": "no", "type": "insufficient_quota"}}), FailureKind.MONEY),
    "Anthropic's event": (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        FailureKind.OVERLOADED,
    ),
    "TGI": (
        b'data:{"error":"Request failed during generation","error_type":"generation"}\n\n',
        FailureKind.STREAM_ERROR,
    ),
    "llama.cpp": (
        event({"error": {"code": 500, "message": "context shift is disabled", "type": "server_error"}}),
        FailureKind.STREAM_ERROR,
    ),
    "llama.cpp until September 2025": (
        b'error: {"code":500,"message":"context shift is disabled","type":"server_error"}\n\n',
        FailureKind.STREAM_ERROR,
    ),
    "llama.cpp until September 2025, the context": (
        b'error: {"code":400,"message":"the request exceeds the available context size. try increasing it"}\n\n',
        FailureKind.CONTEXT,
    ),
    "an error field around an error": (b'error:{"error":{"message":"slow","code":429}}\n\n', FailureKind.RATE),
    "an error field of text": (b"error: out of memory\n\n", FailureKind.STREAM_ERROR),
    "an error field of nothing": (b"error:\n\n", FailureKind.STREAM_ERROR),
    "an error field beside the end mark": (b"error: {}\ndata: [DONE]\n\n", FailureKind.STREAM_ERROR),
    "an error field in CRLF": (b'error: {"code":503,"message":"x"}\r\n\r\n', FailureKind.OVERLOADED),
    "vLLM's own object": (
        event({"object": "error", "message": "boom", "type": "InternalServerError", "code": 500}),
        FailureKind.STREAM_ERROR,
    ),
    "an object of type error": (
        event({"type": "error", "message": "x", "code": "content_filter"}),
        FailureKind.CONTENT_FILTER,
    ),
    "a message with a status": (event({"message": "boom", "code": 503}), FailureKind.OVERLOADED),
    "an error object that is odd": (
        b'data: {"object":"error","message":"\\ud83d","code":429}\n\n',
        FailureKind.RATE,
    ),
    "an error of nothing, alone": (event({"error": {}}), FailureKind.STREAM_ERROR),
    "an error event": (b'event: error\ndata: {"message":"boom","code":503}\n\n', FailureKind.OVERLOADED),
    "an error event in CRLF": (b'event: error\r\ndata: {"code":429,"message":"x"}\r\n\r\n', FailureKind.RATE),
    "an error event, its type last": (b'data: {"code":429,"message":"x"}\nevent: error\n\n', FailureKind.RATE),
    "an error event of text": (b"event: error\ndata: out of memory\n\n", FailureKind.STREAM_ERROR),
    "an error event of nothing": (b"event: error\ndata:\n\n", FailureKind.STREAM_ERROR),
    "an error event with an end mark": (b"event: error\ndata: [DONE]\n\n", FailureKind.STREAM_ERROR),
    "odd usage beside another shape": (b'data: {"choices":1,"usage":{"prompt_tokens":1.0}}\n\n', FailureKind.BAD_BODY),
    "odd usage beside an error": (
        event({"usage": [], "error": {"message": "Too many", "code": 429}}),
        FailureKind.RATE,
    ),
    "not JSON": (BROKEN, FailureKind.BAD_BODY),
    "another shape": (b'data: {"choices":{"a":1}}\n\n', FailureKind.BAD_BODY),
    "plain text": (b"data: upstream connect error\n\n", FailureKind.BAD_BODY),
    "control characters": (b'data: {"choices":[{"delta":{"content":"\x01"}}]}\n\n', FailureKind.BAD_BODY),
    "nested without end": (b'data: {"x":' + b"[" * 100_000 + b"\n\n", FailureKind.BAD_BODY),
}


@pytest.mark.parametrize("blank", [True, False], ids=["", "without blank line"])
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_before_the_content_leaves_nothing_to_see(name: str, blank: bool) -> None:
    """The request can still go elsewhere: also what stands beside the error in its event stays unseen."""
    raw, kind = ERRORS[name]
    if not blank:
        raw = raw.rstrip(b"\r\n")
        kind = FailureKind.BROKEN_STREAM if kind is FailureKind.BAD_BODY else kind
    watch = ChatWatch()
    out, failure = run(watch, [ROLE, COMMENT, raw])
    assert out == b""
    assert failure is not None
    assert failure.kind is kind
    assert not watch.committed


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_after_content_ends_the_answer(name: str) -> None:
    """What came before it goes on, the error and what follows do not: lbd ends the stream in its own words."""
    raw, kind = ERRORS[name]
    for parts in ([ROLE + says("x") + raw + says("y") + DONE], [ROLE, says("x"), raw, says("y"), DONE]):
        watch = ChatWatch()
        out, failure = run(watch, parts)
        assert out == ROLE + says("x")
        assert failure is not None
        assert failure is watch.failure
        assert failure.kind is kind
        assert not watch.done


@pytest.mark.parametrize(
    "content", [{"message": "x"}, {"object": "x", "code": 503}, {"message": "x", "code": 200}, {"x": 1}, {}]
)
def test_an_event_without_choices_need_not_be_an_error(content: dict[str, object]) -> None:
    """Only what plainly says so is one: the rest is a provider's own and goes on."""
    watch = ChatWatch()
    assert watch.feed(says("x") + event(content)) == says("x") + event(content)
    assert watch.failure is None


@pytest.mark.parametrize("nothing", [{}, None, "", [], 0, False])
def test_an_error_of_nothing_beside_something_is_none(nothing: object) -> None:
    """Some servers always write the field."""
    choice = {"index": 0, "delta": {"content": "x"}, "error": nothing}
    for raw in (
        says("x", error=nothing),
        event({**HEAD, "choices": [choice]}),
        chunk(finish="stop", error=nothing),
        event({**HEAD, "choices": [], "usage": USAGE, "error": nothing}),
        event({**HEAD, "usage": USAGE, "error": nothing}),
        event({**HEAD, "choices": [], "error": nothing}),
    ):
        watch = ChatWatch()
        assert watch.feed(says("x") + raw) == says("x") + raw
        assert watch.failure is None


@pytest.mark.parametrize(
    "beat", [b"data:\n\n", b"data: \n\n", b"data\n\n", b"data:\r\n\r\n", b"event: ping\ndata:\n\n"]
)
def test_a_heartbeat_of_empty_data_is_left_out(beat: bytes) -> None:
    """It says nothing, and clients that parse every event's data would fail on it."""
    parts = [beat, ROLE, beat, says("x"), beat, chunk(finish="stop"), beat, DONE]
    for reads in (parts, [b"".join(parts)]):
        watch = ChatWatch()
        assert run(watch, reads) == (ROLE + says("x") + chunk(finish="stop") + DONE, None)
        assert watch.contents == 1


@pytest.mark.parametrize(
    "odd",
    [rb'"\ud83d"', rb'"\ude00 x"', b"[NaN]", b"-Infinity", b"1e999", b"9" * 5000],
)
@pytest.mark.parametrize("field", [b"reasoning", b"x"])
def test_an_event_with_something_odd_in_it_goes_on_byte_for_byte(field: bytes, odd: bytes) -> None:
    """Servers cut characters in halves and write NaN; clients can do with it, and lbd only reads."""
    choice = b'{"index":0,"delta":{"content":"a","%b":%b}}' % (field, odd)
    raw = b'data: {"choices":[%b],"usage":{"prompt_tokens":3}}\n\n' % choice
    watch = ChatWatch()
    assert watch.feed(ROLE + raw) == ROLE + raw
    assert watch.failure is None
    assert watch.contents == 1
    assert watch.usage == Usage(3)


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\xbd", b"\xc3"])
@pytest.mark.parametrize("where", [b'"content":"%b"', b'"content":"a","x":"%b"'])
def test_an_event_that_is_not_utf8_is_none(bad: bytes, where: bytes) -> None:
    """OpenAI's own client fails at it with an exception of Python's: half of a whole, or corrupt on the way."""
    ill = b'data: {"choices":[{"index":0,"delta":{%b},"finish_reason":"stop"}]}\n\n' % (where % bad)
    for reads in (
        [ROLE, says("x"), ill, DONE],
        [ROLE + says("x"), ill + DONE],
        [ROLE, says("x"), ill[:-1], b"\n", DONE],
    ):
        watch = ChatWatch()
        out, failure = run(watch, reads)
        assert out == ROLE + says("x")
        assert failure is not None and failure.kind is FailureKind.BAD_BODY
        assert not watch.whole


@pytest.mark.parametrize("bad", [b"\xffdata: {}\n\n", b'data: {"choices":[],"x":"\xff"}\n\n', b"\xffdata: [DONE]\n\n"])
def test_what_is_not_utf8_behind_a_whole_answer_is_left_out(bad: bytes) -> None:
    """So is a comment wherever it stands."""
    stop = chunk(finish="stop")
    for reads in ([says("x"), stop, bad], [says("x"), b": \xff\n\n" + stop, bad]):
        assert run(ChatWatch(), reads) == (says("x") + stop + DONE, None)


def test_an_error_that_is_not_utf8_is_told_as_far_as_it_can_be_read() -> None:
    """What it is still decides what is tried next."""
    watch = ChatWatch()
    watch.feed(b'data: {"error":{"message":"no \xff","code":429}}\n\n')
    assert watch.failure is not None
    assert (watch.failure.kind, watch.failure.message) == (FailureKind.RATE, "no \ufffd")


def test_half_a_character_is_content() -> None:
    """Though nothing can be shown of it yet."""
    raw = b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n'
    watch = ChatWatch()
    assert watch.feed(raw) == raw
    assert watch.committed


@pytest.mark.parametrize(
    "raw",
    [
        rb'data: {"error":{"message":"no \ud83d"}}',
        b"event: error\n" + rb'data: {"message":"no \ud83d"}',
        rb'error: {"message":"no \ud83d"}',
    ],
)
def test_what_is_read_of_an_odd_event_can_be_written(raw: bytes) -> None:
    """An error's message goes to the client and into the log."""
    watch = ChatWatch()
    watch.feed(raw + b"\n\n")
    assert watch.failure is not None and watch.failure.message == "no \ufffd"


STOP = chunk(finish="stop")


@pytest.mark.parametrize("last", [b"", USAGE_EVENT[:30], COMMENT])
@pytest.mark.parametrize("before", [says("x"), says("x", usage=USAGE)], ids=["", "running count"])
def test_an_answer_whose_client_waits_for_usage_is_not_whole_without(before: bytes, last: bytes) -> None:
    """It takes an end mark for the provider's word that there is none; a count while it runs is not the answer's."""
    watch = ChatWatch(1, wants_usage=True)
    out, failure = run(watch, [before + STOP + last])
    assert out == before + STOP + (last if last == COMMENT else b"")
    assert watch.finished
    assert failure is not None and failure.kind is FailureKind.BROKEN_STREAM
    assert ("usage" in failure.message) is not last.startswith(b"data")
    assert run(ChatWatch(), [before + STOP + last])[1] is None
    assert run(ChatWatch(1, True), [before + STOP + last])[1] is None


@pytest.mark.parametrize(
    "ending",
    [
        STOP + USAGE_EVENT,
        STOP + USAGE_EVENT.rstrip(),
        STOP + chunk({"content": ""}, usage=USAGE),
        chunk(finish="stop", usage=USAGE),
        STOP + event({**HEAD, "choices": [], "usage": {}}),
    ],
    ids=["event", "without blank line", "beside a choice", "beside the finish", "of nothing"],
)
def test_with_its_usage_told_only_the_end_mark_is_missing(ending: bytes) -> None:
    """Wherever it stands, and whatever lbd can read of it."""
    out, failure = run(ChatWatch(1, wants_usage=True), [says("x") + ending])
    assert failure is None
    assert out == says("x") + ending.rstrip() + b"\n\n" + DONE


def test_usage_beside_the_first_of_two_finishes_is_not_yet_the_answers() -> None:
    """The other choice is still being written."""
    first, second = chunk(finish="stop", usage=USAGE), chunk(finish="stop", index=1)
    assert run(ChatWatch(2, wants_usage=True), [first + second])[1] is not None
    assert run(ChatWatch(2, wants_usage=True), [second + first])[1] is None


def test_a_provider_that_ends_without_usage_is_believed() -> None:
    """It does not know the option; its own end mark says that this was all."""
    stream = says("x") + STOP + DONE
    assert run(ChatWatch(1, wants_usage=True), [stream]) == (stream, None)


def test_an_error_field_says_what_went_wrong() -> None:
    """As an error object does, or as text."""
    for raw, message in (
        (b'error: {"code":500,"message":"no slot"}', "no slot"),
        (b"error: no \xff slot", "no \ufffd slot"),
    ):
        watch = ChatWatch()
        watch.feed(raw + b"\n\n")
        assert watch.failure is not None and watch.failure.message == message


def test_a_failure_says_what_the_provider_said() -> None:
    """Its words are the best explanation there is."""
    watch = ChatWatch()
    watch.feed(event({"error": {"message": "Please try again in 2s", "code": "rate_limit_exceeded"}}))
    assert watch.failure is not None
    assert watch.failure.message == "Please try again in 2s"
    assert watch.failure.retry_after_s == 2.0


def test_an_end_mark_may_have_white_space_around_it() -> None:
    """OpenAI's own client takes it so; a line end of CR LF LF leaves a CR there."""
    for mark in (b"data: [DONE]\r\n\n", b"data: [DONE] \n\n", b"data:[DONE]\n\n"):
        watch = ChatWatch()
        assert watch.feed(says("x") + mark) == says("x") + mark
        assert watch.done


def test_contents_are_counted_by_choice_and_event() -> None:
    """They stand for tokens where the provider tells no usage."""
    watch = ChatWatch()
    watch.feed(OPENROUTER)
    assert watch.contents == 3
    two = ChatWatch(2)
    two.feed(event({"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}))
    assert two.contents == 2


def test_unknown_fields_and_number_forms_go_on_untouched() -> None:
    """Decoding is for lbd's eyes only."""
    odd = b'data: { "choices":[{"delta":{"content":"x"},"n":1.00}],"big":18446744073709551617, "x":"\\u0041"}\n\n'
    assert ChatWatch().feed(odd) == odd


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_junk_ends_in_a_failure(junk: list[bytes]) -> None:
    """Whatever answers at a provider's address, an answer it is not."""
    watch = ChatWatch()
    out, failure = run(watch, junk)
    assert out == b""
    assert failure is not None
    assert failure.kind in (FailureKind.BAD_BODY, FailureKind.BROKEN_STREAM, FailureKind.STREAM_ERROR)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "content",
                        "error",
                        "usage",
                        "index",
                        "finish_reason",
                        "tool_calls",
                        "prompt_tokens",
                        "code",
                    ]
                ),
                x,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
def test_any_json_is_an_event_or_a_failure(value: object) -> None:
    """Fields of unexpected types must not raise in the middle of a read."""
    watch = ChatWatch()
    out = watch.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    assert watch.committed == bool(out)


def test_the_transcripts_of_llama_cpp_need_no_usage() -> None:
    """It sends none unless asked: the watch tells so, and the caller estimates."""
    watch = ChatWatch()
    assert run(watch, [LLAMACPP]) == (LLAMACPP, None)
    assert watch.usage is None
