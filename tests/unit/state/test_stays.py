"""Which requests were at a server together: when it began with one, and how long it worked, by its number of slots."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.moment import LASTS, Moment, joined
from lbd.state.stays import KEPT, MOST, ROUND, Served, Stay, Stays


class Server:
    """Sends requests, and lets them end; the lease's part in it."""

    def __init__(self) -> None:
        self.stays = Stays()
        self.moment = Moment(-math.inf, 0)
        self.inflight = 0

    def send(self, now: float) -> Stay:
        self.inflight += 1
        self.moment = joined(self.moment, self.inflight, now)
        stay = self.stays.came(self.moment, now)
        assert stay is not None
        return stay

    def end(self, stay: Stay, now: float, *, good: bool = True) -> None:
        self.inflight -= 1
        self.stays.ended(stay, now)
        before = stay.moment.ended() - 1
        if good:
            self.stays.answer(stay, before, 20, 100)


def test_who_finds_the_slots_taken_begins_when_enough_of_those_before_it_have_left() -> None:
    """Three of two seconds each, one after the other, at a server that has one slot, two, or three."""
    server = Server()
    first, second, third = (server.send(now) for now in (10.0, 11.0, 12.0))
    server.end(first, 13.0)
    server.end(second, 15.0)
    server.end(third, 17.0)
    last = server.stays.answered[-1]
    assert (last.before, last.left, last.beside) == (2, (13.0, 15.0), 1)
    assert [last.worked_s(slots) for slots in (1, 2, 3, 4)] == [2.0, 4.0, 5.0, 5.0]


def test_one_that_overtakes_cannot_have_waited_for_those_before_it() -> None:
    """It is complete while both others are there: at a server with two slots it would not have begun."""
    server = Server()
    for now in (10.0, 11.0):
        server.send(now)
    server.end(server.send(12.0), 13.0)
    assert [server.stays.answered[0].worked_s(slots) for slots in (1, 2, 3)] == [0.0, 0.0, 1.0]


def test_who_comes_later_or_fails_is_told_from_who_came_before_and_was_answered() -> None:
    """A slot is free whatever became of who held it; who came later held none that one waited for."""
    server = Server()
    first, second, third = (server.send(now) for now in (10.0, 11.0, 12.0))
    server.end(third, 12.5)
    server.end(first, 13.0, good=False)
    server.end(second, 14.0)
    assert [(answer.before, answer.left) for answer in server.stays.answered] == [(2, ()), (1, (13.0,))]


def test_of_those_sent_in_the_same_moment_who_is_answered_first_came_first() -> None:
    """Whichever was sent first."""
    server = Server()
    stays = [server.send(10.0 + i * LASTS / 4) for i in range(3)]
    for i, stay in enumerate(reversed(stays)):
        server.end(stay, 11.0 + i)
    assert [answer.before for answer in server.stays.answered] == [0, 1, 2]
    assert [answer.worked_s(1) for answer in server.stays.answered] == pytest.approx([1.0, 1.0, 1.0], abs=LASTS)


def test_of_many_that_are_there_a_part_is_kept_and_all_are_counted() -> None:
    """So that what is kept shows several rounds; the last are kept."""
    server = Server()
    there = [server.send(10.0 + i) for i in range(4 * ROUND)]
    for i in range(8 * ROUND):
        there.append(server.send(100.0 + i))
        server.end(there.pop(0), 100.5 + i)
    kept = server.stays.fresh
    assert ROUND <= kept <= 4 * ROUND
    assert server.stays.look(500.0) == (min(KEPT, kept), 8 * ROUND)
    assert (server.stays.fresh, server.stays.since, server.stays.looked_at) == (0, 0, 500.0)
    assert len(server.stays.answered) <= KEPT


def test_a_server_that_holds_very_many_is_not_looked_at() -> None:
    """Each end costs a little for each that is there."""
    stays, moment = Stays(), Moment(1.0, 0)
    assert all(stays.came(moment, 1.0) for _ in range(MOST))
    assert stays.came(moment, 1.0) is None


def test_what_is_tried_again_is_forgotten() -> None:
    """Answers that found fewer say what they said."""
    stays = Stays()
    stays.answered.extend(Served(1.0, 2.0, before, (), 1, 1, 1) for before in (0, 1, 2, 3))
    stays.forget(2)
    assert [answer.before for answer in stays.answered] == [0, 1]
    stays.forget(2)
    assert stays.answered.maxlen == KEPT


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0.06, 2.0), st.floats(0.1, 5.0)), min_size=1, max_size=20),
)
def test_with_the_right_number_of_slots_the_work_is_what_it_was(slots: int, asked: list[tuple[float, float]]) -> None:
    """At a server that takes them in the order in which they come; the more slots, the longer it seems to work."""
    server, now = Server(), 10.0
    free, ends = [0.0] * slots, list[tuple[float, int]]()
    sent, works = list[float](), list[float]()
    for i, (gap, work) in enumerate(asked):
        now += gap
        begin = max(now, min(free))
        free[free.index(min(free))] = begin + work
        ends.append((begin + work, i))
        sent.append(now)
        works.append(work)
    events = sorted([(at, 1, i) for i, at in enumerate(sent)] + [(at, 0, i) for at, i in ends])
    stays, order = dict[int, Stay](), list[int]()
    for at, kind, i in events:
        if kind:
            stays[i] = server.send(at)
        else:
            server.end(stays[i], at)
            order.append(i)
    for i, answer in zip(order, server.stays.answered, strict=True):
        assert math.isclose(answer.worked_s(slots), works[i], abs_tol=1e-6)
        worked = [answer.worked_s(n) for n in range(1, len(asked) + 1)]
        assert worked == sorted(worked)
