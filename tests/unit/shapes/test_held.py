"""Following an event stream whose bytes go on as they came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind
from lbd.shapes import sse
from lbd.shapes.held import HELD_COMMENTS, MOST_HELD, HeldStream
from tests.unit.shapes.streams import cuts, run

COMMENT = b": wait\n\n"
HOLD = b"data: hold\n\n"
SAY = b"data: say\n\n"
HIDE = b"data: hide\n\n"
FINISH = b"data: finish\n\n"
DONE = b"data: done\n\n"
JUNK = b"data: junk\n\n"
ERROR = b'event: error\ndata: {"error":{"message":"boom"}}\n\n'


class Plain(HeldStream):
    """A shape of one word an event."""

    END = b"data: the end\n\n"

    def _event(self, payload: bytes) -> bool:
        if payload == b"junk":
            self.failure = Failure(FailureKind.BAD_BODY, "junk")
            return False
        self.done = self.done or payload == b"done"
        self.finished = self.finished or payload == b"finish"
        self.committed = self.committed or payload in (b"say", b"finish")
        return payload != b"hide"


events = st.sampled_from([COMMENT, HOLD, SAY, HIDE, FINISH, DONE, JUNK, ERROR, b"\n", b"error: old\n\n", SAY[:-1]])
streams = st.lists(events, max_size=8).map(b"".join)


@given(streams, st.data())
def test_every_split_ends_alike(stream: bytes, data: st.DataObject) -> None:
    """Same bytes, same failure; and nothing before the content."""
    whole, cut, out = Plain(), Plain(), b""
    for part in data.draw(cuts(stream)):
        more = cut.feed(part)
        assert not more or cut.committed
        out += more
    more, failure = cut.end()
    assert (out + more, failure) == run(whole, [stream])
    assert (cut.done, cut.committed, cut.failure) == (whole.done, whole.committed, whole.failure)


def test_what_was_held_comes_with_the_content() -> None:
    """Byte for byte; what is hidden is taken out."""
    watch = Plain()
    assert watch.feed(COMMENT + HOLD) == b""
    assert watch.feed(HIDE) == b""
    assert watch.feed(SAY) == COMMENT + HOLD + SAY
    assert watch.feed(HOLD + HIDE + SAY) == HOLD + SAY


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (ERROR, FailureKind.STREAM_ERROR),
        (SAY + ERROR, FailureKind.STREAM_ERROR),
        (SAY + ERROR[:-2], FailureKind.STREAM_ERROR),
        (b"error: boom\n\n", FailureKind.STREAM_ERROR),
        (SAY + JUNK, FailureKind.BAD_BODY),
        (SAY + JUNK[:-2], FailureKind.BROKEN_STREAM),
        (SAY, FailureKind.BROKEN_STREAM),
        (b"", FailureKind.BROKEN_STREAM),
        (HOLD + DONE, FailureKind.BAD_BODY),
    ],
)
def test_what_is_no_whole_stream_is_a_failure(stream: bytes, kind: FailureKind) -> None:
    """And its end mark does not go out."""
    out, failure = run(Plain(), [stream])
    assert failure is not None and failure.kind is kind
    assert Plain.END not in out


@pytest.mark.parametrize("tail", [b"", DONE, DONE[:-1], b"data: ju", b"dat", ERROR, JUNK])
def test_a_finish_makes_it_whole(tail: bytes) -> None:
    """Also where the end mark is lost, or something else stands in its place: the client gets one."""
    out, failure = run(Plain(), [SAY + FINISH + tail])
    assert failure is None
    assert out.startswith(SAY + FINISH) and out.endswith((Plain.END, DONE))


def test_after_the_end_nothing_goes_on() -> None:
    """Whatever still comes belongs to no answer."""
    watch = Plain()
    assert watch.feed(SAY + DONE + SAY) == SAY + DONE
    assert watch.feed(SAY) == b"" and watch.end() == (b"", None)


def test_comments_are_held_only_so_far() -> None:
    """A server may keep a connection alive for long."""
    watch = Plain()
    for _ in range(2 * HELD_COMMENTS // len(COMMENT)):
        watch.feed(COMMENT)
    out = watch.feed(SAY)
    assert HELD_COMMENTS <= len(out) <= HELD_COMMENTS + len(COMMENT) + len(SAY)


def test_what_says_so_much_and_nothing_is_given_up() -> None:
    """It would fill the memory."""
    watch, big = Plain(), b"data: " + b"x" * (1 << 20) + b"\n\n"
    for _ in range(MOST_HELD // (1 << 20) + 1):
        watch.feed(big)
    assert watch.failure is not None and watch.failure.kind is FailureKind.BAD_BODY


def test_an_event_without_end_is_given_up() -> None:
    """It would fill the memory too."""
    watch = Plain()
    for _ in range(sse.LARGEST_EVENT // (1 << 20) + 1):
        watch.feed(b"x" * (1 << 20))
    assert watch.failure is not None and watch.failure.kind is FailureKind.BAD_BODY


def test_a_shape_has_to_say_what_an_event_means() -> None:
    """The framing alone does not know."""
    with pytest.raises(TypeError, match="_event"):
        HeldStream()  # type: ignore[abstract]


@pytest.mark.parametrize("first", [HOLD, SAY])
def test_a_byte_order_mark_does_not_go_on(first: bytes) -> None:
    """The standard ignores one; the official SDKs take it for a part of the first field's name, and lose the event."""
    stream = b"\xef\xbb\xbf" + first + SAY + DONE
    for parts in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        assert run(Plain(), parts)[0] == first + SAY + DONE


@pytest.mark.parametrize("silent", [b"id: 4\n\n", b"retry: 5\r\n\r\n", b": c\nid: 4\n\n", b"event: odd\n\n"])
def test_fields_without_data_do_not_go_on(silent: bytes) -> None:
    """They are no event; OpenAI's own client takes some of them for one, and fails. Comments go on."""
    stream = silent + SAY + silent + COMMENT + silent[:-1] + DONE
    assert run(Plain(), [SAY + silent + COMMENT + DONE])[0] == SAY + COMMENT + DONE
    assert run(Plain(), [silent + SAY + DONE])[0] == SAY + DONE
    assert run(Plain(), [stream])[1] is None


@pytest.mark.parametrize(
    ("stray", "kind"),
    [
        (b"<html>502 Bad Gateway</html>\r\n\r\n", FailureKind.BAD_BODY),
        (b'{"error":{"message":"slow","code":429}}\n\n', FailureKind.RATE),
        (b'{\n  "error": {\n    "message": "full",\n    "code": 503\n  }\n}\n\n', FailureKind.OVERLOADED),
        (b'[{"error":{"message":"slow","code":"rate_limit_exceeded"}}]\n\n', FailureKind.RATE),
        (b'{"said":"x"}\n\n', FailureKind.BAD_BODY),
    ],
)
def test_what_stands_where_an_event_should_is_not_passed_over(stray: bytes, kind: FailureKind) -> None:
    """The standard would ignore it as fields that nobody knows; but an event is missing there."""
    for stream in (stray, SAY + stray + FINISH, SAY + stray.rstrip()):
        out, failure = run(Plain(), [stream])
        assert out == (SAY if stream.startswith(SAY) else b"")
        assert failure is not None
        assert failure.kind is (kind if stream != SAY + stray.rstrip() or kind is not FailureKind.BAD_BODY else BROKEN)
    assert run(Plain(), [SAY + FINISH + stray])[1] is None


BROKEN = FailureKind.BROKEN_STREAM
