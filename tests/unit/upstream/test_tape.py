"""What a client is sent, kept beside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lbd.upstream import tape
from lbd.upstream.tape import Tape, Taping


class Client:
    """Notes what it is sent."""

    def __init__(self) -> None:
        self.started = False
        self.got: list[object] = []

    def send(self, *told: object) -> None:
        self.got.append(("send", *told))

    def start(self, *told: object) -> None:
        self.started = True
        self.got.append(("start", *told))

    def write(self, data: bytes) -> None:
        self.got.append(("write", data))

    def end(self, data: bytes = b"") -> None:
        self.got.append(("end", data))

    def flow(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        self.got.append(("flow", pause, resume))


def test_the_client_gets_what_it_would_get_and_it_is_kept() -> None:
    """A stream by pieces, with its flow; or an answer at once."""
    client = Client()
    kept = Tape(client, Taping(100))
    assert not kept.started
    kept.start(200, b"h")
    kept.flow(len, repr)  # type: ignore[arg-type]
    kept.write(b"a")
    kept.end(b"b")
    assert kept.started and kept.close() == b"ab"
    assert client.got == [("start", 200, b"h"), ("flow", len, repr), ("write", b"a"), ("end", b"b")]
    client = Client()
    kept = Tape(client, Taping(100))
    kept.send(200, b"h", b"all")
    assert kept.close() == b"all" and client.got == [("send", 200, b"h", b"all")]


def test_of_too_long_an_answer_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gets all of it."""
    monkeypatch.setattr(tape, "MOST", 3)
    client, taping = Client(), Taping(100)
    kept = Tape(client, taping)
    for piece in (b"ab", b"cd", b"e"):
        kept.write(piece)
    assert taping.bytes == 0 and kept.close() is None and len(client.got) == 3


def test_all_tapes_together_are_bounded() -> None:
    """Who is over gives up its own; what is closed makes room."""
    taping = Taping(5)
    one, other = Tape(Client(), taping), Tape(Client(), taping)
    one.write(b"abc")
    other.write(b"def")
    assert taping.bytes == 3 and other.close() is None
    assert one.close() == b"abc" and taping.bytes == 0
