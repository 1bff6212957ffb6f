"""Following streams of the Responses API that pass through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.shapes.responses.stream import ResponsesWatch
from tests.unit.shapes.responses.answers import NATIVE, STREAMS, USAGE, event, events
from tests.unit.shapes.streams import cuts, run

every_stream = pytest.mark.parametrize("stream", list(STREAMS.values()), ids=list(STREAMS))


@every_stream
@given(data=st.data())
def test_a_whole_stream_goes_on_as_it_came_however_it_is_cut(stream: bytes, data: st.DataObject) -> None:
    """Byte for byte, and its end is its last event."""
    watch = ResponsesWatch()
    assert run(watch, data.draw(cuts(stream))) == (stream, None)
    assert watch.done and watch.committed and watch.whole and watch.failure is None


def test_what_was_counted() -> None:
    """Usage from the last event, contents one by one."""
    watch = ResponsesWatch()
    run(watch, [STREAMS["text"]])
    assert (watch.usage, watch.contents) == (USAGE, 3)  # two deltas and the item as a whole
    watch = ResponsesWatch()
    run(watch, [NATIVE])
    assert watch.usage == Usage(20, 7)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("text", "response.output_text.delta"),
        ("refused", "response.refusal.delta"),
        ("thoughts", "response.reasoning_summary_text.delta"),
        ("thoughts that are not shown", "response.output_item.done"),
        ("two calls", "response.output_item.added"),
        ("nothing", "response.completed"),
    ],
)
def test_nothing_goes_out_before_the_first_content(name: str, first: str) -> None:
    """And then all that was held does."""
    watch = ResponsesWatch()
    whole = STREAMS[name]
    parts = [part + b"\n\n" for part in whole.split(b"\n\n")[:-1]]
    came = [watch.feed(part) for part in parts]
    at = next(i for i, out in enumerate(came) if out)
    assert came[at] == b"".join(parts[: at + 1])
    assert events(parts[at])[0]["type"] == first


@every_stream
@given(data=st.data())
def test_a_stream_that_is_cut_is_broken(stream: bytes, data: st.DataObject) -> None:
    """Nothing can stand for its last event, which holds the answer."""
    watch = ResponsesWatch()
    end = data.draw(st.integers(0, stream.rfind(b"event: response.")))
    out, failure = run(watch, [stream[:end]])
    assert stream.startswith(out)
    assert failure is not None and failure.kind is FailureKind.BROKEN_STREAM
    assert not watch.done


FAILED = {"id": "resp_1", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (event("response.failed", 2, response=FAILED), FailureKind.RATE, "slow down"),
        (event("response.failed", 2, response={"status": "failed"}), FailureKind.STREAM_ERROR, "the response failed"),
        (event("error", 2, code="server_error", message="oh", param=None), FailureKind.STREAM_ERROR, "oh"),
        (b'data: {"type":"error","code":"server_error","message":"oh"}\n\n', FailureKind.STREAM_ERROR, "oh"),
        (b'data: {"error":{"message":"oh","type":"server_error"}}\n\n', FailureKind.STREAM_ERROR, "oh"),
        (
            event("error", 2, error={"code": "context_length_exceeded", "message": "too long"}),
            FailureKind.CONTEXT,
            "too long",
        ),
        (b"data: oops\n\n", FailureKind.BAD_BODY, "cannot be read"),
        (b"data: []\n\n", FailureKind.BAD_BODY, "cannot be read"),
    ],
)
@pytest.mark.parametrize("before", [b"", event("response.output_text.delta", 1, delta="Hi")])
def test_an_error_is_a_failure_and_does_not_go_out(before: bytes, bad: bytes, kind: FailureKind, message: str) -> None:
    """What stood before it does."""
    watch = ResponsesWatch()
    assert watch.feed(before) + watch.feed(bad) == before
    assert watch.failure is not None
    assert watch.failure.kind is kind
    assert message in watch.failure.message
    assert watch.end() == (b"", watch.failure)


def test_heartbeats_and_foreign_end_marks_are_dropped() -> None:
    """The official client would take them for events."""
    watch = ResponsesWatch()
    start, end = NATIVE.split(b"event: response.output_text.delta")
    mark = b"data: [DONE]\n\n"
    noisy = start + b"data: \n\n" + mark + b"event: response.output_text.delta" + end + mark
    assert run(watch, [noisy]) == (NATIVE, None)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "response", "usage", "status", "error", "item", "delta"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.binary(max_size=30)
        | _JSON.map(lambda found: b"data: " + json.dumps(found).encode() + b"\n\n")
        | st.dictionaries(st.sampled_from(["response", "item", "delta", "error"]), _JSON).flatmap(
            lambda found: st.sampled_from(["response.completed", "response.output_text.delta", "response.failed"]).map(
                lambda kind: event(kind, **found)
            )
        ),
        max_size=6,
    )
)
def test_junk_is_followed_or_a_failure_and_raises_nothing(parts: list[Any]) -> None:
    """Whatever a provider sends."""
    watch = ResponsesWatch()
    out, failure = run(watch, parts)
    assert failure is not None or out
