"""The waiting room: bounded, in order, and a free slot wakes only whom it serves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lbd.state.waiting import Full, WaitingRoom, expected_wait

ROWS = frozenset({1})


class Nobody:
    """A waiter that cannot be compared: the order must not ask it."""

    __lt__ = __eq__ = __hash__ = None  # type: ignore[assignment]


def test_interactive_work_comes_first_then_the_nearest_deadline_then_who_came_first() -> None:
    """Order by class, deadline, arrival."""
    room: WaitingRoom[str] = WaitingRoom(10)
    room.enter("background", ROWS, 1.0, rank=1)
    room.enter("late", ROWS, 9.0)
    room.enter("soon", ROWS, 5.0)
    room.enter("soon too", ROWS, 5.0)
    assert (room.ahead(ROWS, 5.0), room.ahead(ROWS, 9.0), room.ahead(ROWS, 0.5, rank=1)) == (2, 3, 3)
    assert [room.next_for(1) for _ in range(5)] == ["soon", "soon too", "late", "background", None]


def test_a_slot_wakes_only_whom_its_row_serves() -> None:
    """Who waits for other rows stays, in its place."""
    room: WaitingRoom[str] = WaitingRoom(10)
    room.enter("a", frozenset({1, 2}), 1.0)
    room.enter("b", frozenset({2}), 2.0)
    assert room.next_for(3) is None
    assert room.next_for(1) == "a"
    assert room.next_for(1) is None
    assert room.next_for(2) == "b"
    assert len(room) == 0


def test_only_who_waits_for_the_same_rows_is_ahead() -> None:
    """A queue for another model takes no slot of this one's."""
    room: WaitingRoom[str] = WaitingRoom(10)
    room.enter("a", frozenset({1, 2}), 1.0)
    room.enter("b", frozenset({2}), 2.0)
    assert [room.ahead(frozenset(rows), 9.0) for rows in ({1}, {2}, {1, 3}, {3}, {1, 2})] == [1, 2, 1, 0, 2]


def test_it_is_bounded_and_leaving_makes_room() -> None:
    """One more than the bound is refused at once; who left does not count."""
    room: WaitingRoom[str] = WaitingRoom(2)
    first = room.enter("a", ROWS, 1.0)
    room.enter("b", ROWS, 2.0)
    with pytest.raises(Full):
        room.enter("c", ROWS, 0.0)
    room.leave(first)
    room.enter("c", ROWS, 3.0)
    assert [room.next_for(1), room.next_for(1)] == ["b", "c"]
    assert room.next_for(1) is None


def test_leaving_twice_is_harmless() -> None:
    """Once given up, once cleaned up, once woken: the count stays right and nobody else is taken out."""
    room: WaitingRoom[str] = WaitingRoom(5)
    gone = room.enter("a", ROWS, 5.0)
    room.enter("b", ROWS, 1.0)
    woken = room.enter("c", ROWS, 0.0)
    assert room.next_for(1) == "c"
    for ticket in (gone, gone, woken, 999):
        room.leave(ticket)
    assert len(room) == 1
    assert room.next_for(1) == "b"


def test_waiters_are_never_compared() -> None:
    """They are opaque (futures at the rim): equal class and deadline are told apart by arrival."""
    room: WaitingRoom[Nobody] = WaitingRoom(9)
    waiters = [Nobody() for _ in range(5)]
    for w in waiters:
        room.enter(w, ROWS, 1.0)
    assert all(room.next_for(1) is w for w in waiters)


def test_many_who_gave_up_are_swept_out() -> None:
    """A thousand late deadlines that left behind one early waiter cost no memory for ever."""
    room: WaitingRoom[int] = WaitingRoom(2000)
    room.enter(-1, ROWS, 0.0)
    tickets = [room.enter(i, ROWS, 10.0 + i) for i in range(1000)]
    for ticket in tickets[:990]:
        room.leave(ticket)
    assert len(room) == 11
    assert len(room._heap) < 200
    assert [room.next_for(1) for _ in range(12)] == [-1, *range(990, 1000), None]


def test_the_expected_wait_is_the_queue_before_it() -> None:
    """Served ``slots`` at a time; fewer than one slot cannot be."""
    assert expected_wait(0, 4.0, 2.0) == 0.5
    assert expected_wait(7, 4.0, 2.0) == 4.0
    assert expected_wait(1, 0.0, 3.0) == 6.0


class AnyOrder(RuleBasedStateMachine):
    """Waiters come, leave and are woken, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.room: WaitingRoom[int] = WaitingRoom(6)
        self.model: list[tuple[int, float, int, frozenset[int]]] = []
        self.tickets: list[int] = []

    @rule(
        rank=st.integers(0, 1),
        deadline=st.sampled_from((1.0, 2.0, 3.0)),
        rows=st.frozensets(st.integers(0, 3), min_size=1),
    )
    def enter(self, rank: int, deadline: float, rows: frozenset[int]) -> None:
        name = len(self.tickets)
        if len(self.model) >= 6:
            with pytest.raises(Full):
                self.room.enter(name, rows, deadline, rank=rank)
            return
        ticket = self.room.enter(name, rows, deadline, rank=rank)
        assert ticket not in self.tickets
        self.tickets.append(ticket)
        self.model.append((rank, deadline, name, rows))

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.tickets:
            name = data.draw(st.integers(0, len(self.tickets) - 1))
            self.room.leave(self.tickets[name])
            self.model = [m for m in self.model if m[2] != name]

    @rule(row=st.integers(0, 4))
    def a_slot_frees(self, row: int) -> None:
        served = sorted(m for m in self.model if row in m[3])
        expected = served[0] if served else None
        assert self.room.next_for(row) == (None if expected is None else expected[2])
        if expected is not None:
            self.model.remove(expected)

    @invariant()
    def the_counts_agree(self) -> None:
        assert len(self.room) == len(self.model)
        for rank in (0, 1):
            for deadline in (0.5, 2.0, 9.0):
                for rows in (frozenset({0}), frozenset({1, 3})):
                    before = sum(m[:2] <= (rank, deadline) and bool(m[3] & rows) for m in self.model)
                    assert self.room.ahead(rows, deadline, rank=rank) == before


TestAnyOrder = AnyOrder.TestCase


@given(st.integers(0, 100), st.floats(0, 64), st.floats(0, 60))
def test_the_expected_wait_grows_with_the_queue(ahead: int, slots: float, service: float) -> None:
    """Never negative, and one more before it never makes it shorter."""
    assert 0 <= expected_wait(ahead, slots, service) <= expected_wait(ahead + 1, slots, service)
