"""What all clients together may make the listener hold."""

from __future__ import annotations

import resource
from dataclasses import dataclass

import pytest

from lbd.ingress.crowd import (
    CLOSED_AT_ONCE,
    GRACE,
    LARGE_BODIES,
    LEAST_CONNECTIONS,
    OTHERS,
    SLOW,
    SMALL,
    Room,
    Standing,
    longest_idle,
    most_connections,
    silent,
    superfluous,
)
from lbd.model.failure import FailureKind

MIB = 1 << 20


@dataclass
class Client:
    idle_since: float | None
    standing: Standing = Standing.IDLE


def test_connections_leave_descriptors_for_the_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what the process may open, and never so few that nobody is served."""
    for soft, expected in ((20_000, (20_000 - OTHERS) // 2), (100, LEAST_CONNECTIONS)):
        monkeypatch.setattr(resource, "getrlimit", lambda _of, soft=soft: (soft, soft))
        assert most_connections() == expected
    monkeypatch.setattr(resource, "getrlimit", lambda _of: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert most_connections() == 1 << 20


def test_those_that_have_been_idle_for_longest_are_closed() -> None:
    """As many as there are too many and a few more; nobody who is being answered."""
    clients = [Client(None if i % 2 else float(i)) for i in range(1002)]
    assert superfluous(clients, 1002, 2000.0) == []
    closed = superfluous(clients, 1000, 2000.0)
    assert [c.idle_since for c in closed] == [2.0 * i for i in range(2 + int(1000 * CLOSED_AT_ONCE))]
    assert superfluous([Client(None)] * 9, 3, 2000.0) == []
    assert [c.idle_since for c in longest_idle(clients, 3, 2000.0)] == [0.0, 2.0, 4.0]
    assert len(longest_idle(clients, 2000, 2000.0)) == 501


def test_those_with_which_least_is_lost_are_closed_first() -> None:
    """A newcomer has a moment to ask, and a request some seconds to arrive, before somebody else has their place."""
    begun, new, idle = Client(1.0, Standing.BEGUN), Client(2.0, Standing.NEW), Client(2.0)
    of = [begun, new, idle, Client(None, Standing.NEW), Client(None, Standing.BEGUN)]
    assert longest_idle(of, 9, 2.0) == [idle] and silent(of, 2.0) == []
    assert longest_idle(of, 9, 2.0 + GRACE) == [idle, new] and silent(of, 2.0 + GRACE) == [new]
    assert longest_idle(of, 9, 1.0 + SLOW) == [idle, new, begun] and silent(of, 1.0 + SLOW) == [new]
    assert longest_idle(of, 1, 99.0) == [idle]


def test_small_bodies_are_not_counted() -> None:
    """Whatever the large ones take, an ordinary prompt passes."""
    room = Room(lambda: MIB)
    for _ in range(1000):
        assert room.grow(0, SMALL) is None
    assert room.held == 0


def test_large_bodies_have_a_room_together() -> None:
    """The one that finds none is to come again; what is given back can be taken again."""
    room = Room(lambda: MIB)
    for _ in range(LARGE_BODIES):
        assert room.grow(0, MIB // 2) is None
        assert room.grow(MIB // 2, MIB) is None
    assert room.held == LARGE_BODIES * (MIB - SMALL)
    sizes = iter(range(SMALL, 2 * MIB, SMALL))
    before, refusal = 0, None
    while refusal is None:
        size = next(sizes)
        refusal = room.grow(before, size)
        before = size if refusal is None else before
    assert refusal.kind is FailureKind.BUSY and refusal.code == "too_many_large_bodies"
    assert refusal.retry_after_s is not None and refusal.row.status == 503
    assert room.held <= LARGE_BODIES * MIB
    assert room.grow(0, SMALL) is None
    room.release(before)
    for _ in range(LARGE_BODIES):
        room.release(MIB)
    assert room.held == 0
    room.release(SMALL)
    assert room.held == 0


def test_a_body_that_shrinks_takes_nothing() -> None:
    """Packed, it was larger than unpacked: what it has is kept until it is given back."""
    room = Room(lambda: MIB)
    assert room.grow(0, 3 * SMALL) is None
    assert room.grow(3 * SMALL, SMALL + 1) is None
    assert room.held == 2 * SMALL
