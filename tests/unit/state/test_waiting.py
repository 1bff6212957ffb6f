"""The waiting room: bounded, in order, fair, and a free slot wakes only whom it serves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lbd.state.waiting import OUTDATED, Full, Place, WaitingRoom, expected_wait

ROWS = frozenset({1})


class Nobody:
    """A waiter that cannot be compared: the order must not ask it."""

    __lt__ = __eq__ = __hash__ = None  # type: ignore[assignment]


def called(room: WaitingRoom[str], row: int = 1) -> str | None:
    found = room.next_for(row)
    return None if found is None else found.waiter


def entered(room: WaitingRoom[str], name: str, deadline: float, rank: int = 0, client: str = "") -> Place:
    place = Place(deadline, rank=rank, client=client)
    assert room.enter(name, ROWS, place) is None
    return place


# --- order --------------------------------------------------------------------------------------------


def test_interactive_work_comes_first_then_the_nearest_deadline_then_who_came_first() -> None:
    """Of one client: order by class, deadline, arrival."""
    room: WaitingRoom[str] = WaitingRoom(10)
    entered(room, "background", 1.0, rank=1)
    entered(room, "late", 9.0)
    entered(room, "soon", 5.0)
    entered(room, "soon too", 5.0)
    before = [room.ahead(ROWS, Place(at, rank=rank)) for at, rank in ((5.0, 0), (9.0, 0), (0.5, 0), (0.5, 1))]
    assert before == [2, 3, 0, 3]
    assert [called(room) for _ in range(5)] == ["soon", "soon too", "late", "background", None]


def test_a_flood_of_one_client_makes_only_its_own_requests_wait() -> None:
    """Another's next one stands behind one of each client, however near the others' deadlines are."""
    room: WaitingRoom[str] = WaitingRoom(1000)
    for i in range(500):
        entered(room, f"a{i}", float(i), client="a")
    assert [called(room) for _ in range(3)] == ["a0", "a1", "a2"]
    assert room.ahead(ROWS, Place(900.0, client="b")) == 0  # its turn is the one under way
    for i in range(3):
        entered(room, f"b{i}", 900.0 + i, client="b")
    entered(room, "c0", 950.0, client="c")
    assert room.ahead(ROWS, Place(999.0, client="b")) == 7  # its own three, three of a, one of c
    order = [called(room) for _ in range(8)]
    assert order[:2] == ["b0", "c0"]
    assert [name for name in order if name[0] == "b"] == ["b0", "b1", "b2"]
    assert order[2:7:2] == ["a3", "a4", "a5"]


def test_an_idle_client_saves_up_no_turns() -> None:
    """After an hour of silence it gets its share, and not all that it did not use."""
    room: WaitingRoom[str] = WaitingRoom(1000)
    for i in range(100):
        entered(room, f"a{i}", float(i), client="a")
    for _ in range(50):
        called(room)
    for i in range(10):
        entered(room, f"b{i}", 1000.0 + i, client="b")
    order = [called(room) or "" for _ in range(12)]
    assert sum(name[0] == "b" for name in order) == 6


def test_who_gives_up_pays_for_no_turn() -> None:
    """A client whose requests ran out of time is not behind the others for it."""
    room: WaitingRoom[str] = WaitingRoom(1000)
    gone = [entered(room, f"a{i}", float(i), client="a") for i in range(100)]
    for i in range(20):
        entered(room, f"b{i}", 500.0, client="b")
    for place in gone[:-10]:
        room.leave(place)
    order = [called(room) or "" for _ in range(12)]
    assert sum(name[0] == "a" for name in order) == 6


def test_who_was_called_in_vain_keeps_its_place_and_its_turn() -> None:
    """The slot was gone when it came: it is the next again."""
    room: WaitingRoom[str] = WaitingRoom(10)
    first = entered(room, "a0", 1.0, client="a")
    entered(room, "a1", 2.0, client="a")
    entered(room, "b0", 3.0, client="b")
    assert called(room) == "a0"
    room.enter("a0", ROWS, first)
    assert [called(room) for _ in range(3)] == ["a0", "b0", "a1"]


def test_a_slot_wakes_only_whom_its_row_serves() -> None:
    """Who waits for other rows stays, in its place."""
    room: WaitingRoom[str] = WaitingRoom(10)
    room.enter("a", frozenset({1, 2}), Place(1.0))
    room.enter("b", frozenset({2}), Place(2.0))
    assert room.waits_for(2, rank=0) and not room.waits_for(3, rank=0)
    assert (room.waiting(1, rank=0), room.waiting(2, rank=1), room.waiting(3, rank=1)) == (1, 2, 0)
    assert called(room, 3) is None
    assert called(room, 1) == "a"
    assert called(room, 1) is None
    assert called(room, 2) == "b"
    assert len(room) == 0 and not room.waits_for(2, rank=1)


def test_only_who_waits_for_the_same_rows_is_ahead() -> None:
    """A queue for another model takes no slot of this one's."""
    room: WaitingRoom[str] = WaitingRoom(10)
    room.enter("a", frozenset({1, 2}), Place(1.0))
    room.enter("b", frozenset({2}), Place(2.0))
    assert [room.ahead(frozenset(r), Place(9.0)) for r in ({1}, {2}, {1, 3}, {3}, {1, 2})] == [1, 2, 1, 0, 2]


# --- bounds -------------------------------------------------------------------------------------------


def test_it_is_bounded_and_leaving_makes_room() -> None:
    """One more than the bound is refused at once; who left does not count."""
    room: WaitingRoom[str] = WaitingRoom(2)
    first = entered(room, "a", 1.0)
    entered(room, "b", 2.0)
    with pytest.raises(Full):
        room.enter("c", ROWS, Place(0.0))
    room.leave(first)
    entered(room, "c", 3.0)
    assert [called(room), called(room), called(room)] == ["b", "c", None]


def test_where_it_is_full_background_work_gives_way() -> None:
    """The last of it; background work itself does not push anybody out."""
    room: WaitingRoom[str] = WaitingRoom(2)
    entered(room, "soon", 1.0, rank=1)
    entered(room, "late", 9.0, rank=1)
    assert room.enter("user", ROWS, Place(5.0)) == "late"
    with pytest.raises(Full):
        room.enter("more", ROWS, Place(0.0, rank=1))
    assert [called(room), called(room), called(room)] == ["user", "soon", None]


def test_where_it_is_full_whoever_has_the_most_waiting_gives_way() -> None:
    """A flood that fills the queue does not keep others out of it; equals do not push each other out."""
    room: WaitingRoom[str] = WaitingRoom(4)
    for i in range(4):
        entered(room, f"a{i}", float(i), client="a")
    with pytest.raises(Full):
        room.enter("a4", ROWS, Place(0.0, client="a"))
    assert room.enter("b0", ROWS, Place(9.0, client="b")) == "a3"
    assert room.enter("b1", ROWS, Place(9.5, client="b")) == "a2"
    with pytest.raises(Full):
        room.enter("b2", ROWS, Place(9.9, client="b"))
    assert len(room) == 4


def test_leaving_twice_is_harmless() -> None:
    """Once given up, once cleaned up, once woken: the count stays right and nobody else is taken out."""
    room: WaitingRoom[str] = WaitingRoom(5)
    gone = entered(room, "a", 5.0)
    entered(room, "b", 1.0)
    woken = entered(room, "c", 0.0)
    assert called(room) == "c"
    for place in (gone, gone, woken, Place(3.0)):
        room.leave(place)
    assert len(room) == 1
    assert called(room) == "b"


def test_waiters_are_never_compared() -> None:
    """They are opaque (futures at the rim): equal class and deadline are told apart by arrival."""
    room: WaitingRoom[Nobody] = WaitingRoom(9)
    waiters = [Nobody() for _ in range(5)]
    for w in waiters:
        room.enter(w, ROWS, Place(1.0))
    for w in waiters:
        found = room.next_for(1)
        assert found is not None and found.waiter is w


def test_who_came_and_went_costs_no_memory() -> None:
    """Thousands that were overtaken by the next, and gave up, leave no more than a handful of keys behind."""
    room: WaitingRoom[int] = WaitingRoom(2000)
    last = Place(1e9)
    room.enter(-1, ROWS, last)
    for i in range(3000):
        place = Place(1e6 - i, client=f"c{i % 3}")
        room.enter(i, ROWS, place)
        room.leave(place)
    lane = room._lanes[0, ROWS]
    assert len(lane._heap) <= len(lane._keys) + OUTDATED + 1 and len(room) == 1
    room.leave(last)
    assert not room._lanes and not room._classes[0].turns


def test_the_expected_wait_is_the_queue_before_it() -> None:
    """Served ``slots`` at a time; fewer than one slot cannot be."""
    assert expected_wait(0, 4.0, 2.0) == 0.5
    assert expected_wait(7, 4.0, 2.0) == 4.0
    assert expected_wait(1, 0.0, 3.0) == 6.0


class AnyOrder(RuleBasedStateMachine):
    """Waiters come, leave and are woken, against plain lists and counters."""

    BOUND = 6

    def __init__(self) -> None:
        super().__init__()
        self.room: WaitingRoom[int] = WaitingRoom(self.BOUND)
        self.places: list[Place] = []
        self.rows: dict[int, frozenset[int]] = {}  # of those who wait
        self.turns: dict[tuple[int, str], int] = {}
        self.now = {0: 0, 1: 0}

    def of(self, rank: int, client: str | None = None) -> list[int]:
        places = self.places
        return [n for n in self.rows if places[n].rank == rank and client in (None, places[n].client)]

    def key(self, name: int) -> tuple[int, int, float, int]:
        place = self.places[name]
        return place.rank, self.turns[place.rank, place.client], place.deadline, name

    def forget(self, name: int) -> None:
        del self.rows[name]
        rank = self.places[name].rank
        if not self.of(rank):
            self.turns = {k: v for k, v in self.turns.items() if k[0] != rank}
            self.now[rank] = 0

    @rule(
        rank=st.integers(0, 1),
        client=st.sampled_from("abc"),
        deadline=st.sampled_from((1.0, 2.0, 3.0)),
        rows=st.frozensets(st.integers(0, 3), min_size=1),
    )
    def enter(self, rank: int, client: str, deadline: float, rows: frozenset[int]) -> None:
        name, place = len(self.places), Place(deadline, rank=rank, client=client)
        self.places.append(place)
        if len(self.rows) == self.BOUND:
            worst = max(self.places[n].rank for n in self.rows)
            most = max(len(self.of(worst, c)) for c in "abc")
            if worst < rank or (worst == rank and most <= len(self.of(rank, client)) + 1):
                with pytest.raises(Full):
                    self.room.enter(name, rows, place)
                return
            out = self.room.enter(name, rows, place)
            assert out is not None
            gone = self.places[out]
            mine = self.of(worst, gone.client)
            assert gone.rank == worst and len(mine) == most
            assert out == max(mine, key=lambda n: (self.places[n].deadline, n))
            self.forget(out)
        else:
            assert self.room.enter(name, rows, place) is None
        if not self.of(rank, client):
            self.turns[rank, client] = max(self.turns.get((rank, client), 0), self.now[rank])
        self.rows[name] = rows

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.places:
            name = data.draw(st.integers(0, len(self.places) - 1))
            self.room.leave(self.places[name])
            if name in self.rows:
                self.forget(name)

    @rule(row=st.integers(0, 4))
    def a_slot_frees(self, row: int) -> None:
        served = [n for n, rows in self.rows.items() if row in rows]
        # of each client the nearest deadline among those whom the row serves; then the lowest turn
        found = self.room.next_for(row)
        if not served:
            assert found is None
            return
        expected = min(served, key=self.key)
        assert found is not None and found.waiter == expected
        rank, client = self.places[expected].rank, self.places[expected].client
        self.now[rank] = max(self.now[rank], self.turns[rank, client])
        self.turns[rank, client] += 1
        self.forget(expected)

    @invariant()
    def the_counts_agree(self) -> None:
        assert len(self.room) == len(self.rows)
        for row in range(4):
            for rank in (0, 1):
                count = sum(row in rows for n, rows in self.rows.items() if self.places[n].rank <= rank)
                assert self.room.waiting(row, rank=rank) == count
                assert self.room.waits_for(row, rank=rank) == (count > 0)

    @invariant()
    def as_many_are_ahead_as_are_served_before(self) -> None:
        everywhere = frozenset(range(4))
        names = sorted(self.rows)
        for name in names:
            turns = dict(self.turns)
            left, order = set(names), []
            while left:  # served one after the other, all by one row
                n = min(left, key=lambda n: (self.places[n].rank, turns[self.places[n].rank, self.places[n].client],
                                             self.places[n].deadline, n))  # fmt: skip
                turns[self.places[n].rank, self.places[n].client] += 1
                left.remove(n)
                order.append(n)
            assert self.room.ahead(everywhere, self.places[name]) == order.index(name)


TestAnyOrder = AnyOrder.TestCase


@given(st.integers(0, 100), st.floats(0, 64), st.floats(0, 60))
def test_the_expected_wait_grows_with_the_queue(ahead: int, slots: float, service: float) -> None:
    """Never negative, and one more before it never makes it shorter."""
    assert 0 <= expected_wait(ahead, slots, service) <= expected_wait(ahead + 1, slots, service)
