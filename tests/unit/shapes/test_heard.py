"""Hearing a provider out whose stream a watch follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Piece, Said
from lbd.shapes.heard import WatchedListener, arguments, loads
from lbd.shapes.held import HeldStream

DEEP: Any = {}
for _ in range(2000):
    DEEP = {"a": DEEP}


class Watch(HeldStream):
    """Passes everything on; ``finish`` ends the answer, and nothing the stream."""

    END = b""

    def _event(self, payload: bytes) -> bool:
        self.committed = True
        self.finished = self.finished or b"finish" in payload
        return True

    @property
    def whole(self) -> bool:
        return False


class Listener(WatchedListener):
    """Reads one member."""

    def __init__(self) -> None:
        super().__init__(Watch())

    def _event(self, event: dict[str, Any]) -> Iterable[Piece]:
        if "bad" in event:
            raise LbdError(Failure(FailureKind.BAD_BODY, "bad"))
        yield Said(event["said"])


def test_what_the_watch_lets_pass_is_read() -> None:
    """Event by event, the end mark of others and comments aside."""
    listener = Listener()
    told = listener.feed(b': wait\n\ndata: {"said":"a"}\n\ndata: {"said":"b"}\n\ndata: [DONE]\n\n')
    assert [*told] == [Said("a"), Said("b")]
    assert listener.failure is None and not listener.done and not listener.whole and listener.usage is None


@pytest.mark.parametrize("event", [b'{"bad":1}', b"{", b'{"a":' * 3000 + b"1" + b"}" * 3000])
def test_what_came_before_a_fault_was_good(event: bytes) -> None:
    """And nothing after it is read."""
    listener = Listener()
    assert [*listener.feed(b'data: {"said":"a"}\n\ndata: %b\n\ndata: {"said":"b"}\n\n' % event)] == [Said("a")]
    assert listener.failure is not None and listener.failure.kind is FailureKind.BAD_BODY
    assert [*listener.feed(b'data: {"said":"c"}\n\n')] == []
    assert listener.end()[1] == listener.failure


def test_an_answer_is_whole_though_its_count_is_missing() -> None:
    """Without a finish it was cut."""
    done, cut = Listener(), Listener()
    done.feed(b'data: {"said":"finish"}\n\n')
    cut.feed(b'data: {"said":"a"}\n\n')
    assert done.end() == ([], None)
    failure = cut.end()[1]
    assert failure is not None and failure.kind is FailureKind.BROKEN_STREAM


def test_an_answer_with_a_part_that_cannot_be_read_is_not_finished() -> None:
    """Whatever end came in the same read."""
    listener = Listener()
    listener.feed(b'data: {"bad":1}\n\ndata: {"said":"finish"}\n\n')
    assert not listener.finished and not listener.whole
    assert listener.end()[1] == listener.failure is not None


def test_half_a_character_is_read_all_the_same() -> None:
    """As the watch does."""
    assert loads(b'{"a":"\\ud83d"}') == {"a": "\ufffd"}


def test_arguments_that_cannot_be_written_are_a_fault_of_the_answer() -> None:
    """They are nested deeper than JSON is written."""
    assert arguments({"a": "é"}) == '{"a":"é"}'
    with pytest.raises(LbdError) as caught:
        arguments(DEEP)
    assert caught.value.failure.kind is FailureKind.BAD_BODY
