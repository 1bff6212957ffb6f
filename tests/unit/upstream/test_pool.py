"""Idle connections: the youngest first, none beyond its time, never two owners of one."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lbd.ports import Origin
from lbd.upstream import pool
from lbd.upstream.pool import Pool

A, B = Origin("http", "a", 80), Origin("http", "b", 80)


def test_the_youngest_is_used_first() -> None:
    """The others age out, so a pool shrinks to what is needed."""
    idle: Pool[str] = Pool()
    idle.put(A, "old", 100)
    idle.put(A, "young", 100)
    assert [idle.take(A, 0), idle.take(A, 0), idle.take(A, 0)] == ["young", "old", None]


def test_a_connection_is_not_used_from_its_last_instant_on() -> None:
    """What the server may have closed already is left for the sweep."""
    idle: Pool[str] = Pool()
    idle.put(A, "x", 10)
    assert idle.take(A, 10) is None
    assert idle.expired(9.9) == []
    assert idle.expired(10) == ["x"]
    assert len(idle) == 0


def test_origins_do_not_share() -> None:
    """A connection is to one place, and trust and time-outs are part of which place it is."""
    idle: Pool[str] = Pool()
    idle.put(A, "x", 10)
    assert idle.take(B, 0) is None
    assert idle.take(Origin("http", "a", 80, ca_file="/other"), 0) is None
    assert idle.take(A, 0) == "x"


def test_too_many_idle_close_the_oldest() -> None:
    """The bound is an origin's own."""
    idle: Pool[int] = Pool()
    surplus = [idle.put(A, n, 10) for n in range(pool.MOST_IDLE + 2)]
    assert [s for s in surplus if s is not None] == [0, 1]
    assert len(idle) == pool.MOST_IDLE
    assert idle.put(B, 999, 10) is None


def test_dropping_what_is_not_there_is_harmless() -> None:
    """A connection may close after it was taken out."""
    idle: Pool[str] = Pool()
    idle.drop(A, "x")
    idle.put(A, "x", 10)
    idle.drop(A, "x")
    idle.drop(A, "x")
    assert idle.take(A, 0) is None


class Model(RuleBasedStateMachine):
    """Any history: what goes in comes out once, and nothing is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.pool: Pool[int] = Pool()
        self.inside: dict[int, tuple[Origin, float]] = {}
        self.serial = 0
        self.now = 0.0

    @rule(origin=st.sampled_from([A, B]), keep=st.floats(0, 10))
    def put(self, origin: Origin, keep: float) -> None:
        self.serial += 1
        assert self.pool.put(origin, self.serial, self.now + keep) is None
        self.inside[self.serial] = (origin, self.now + keep)

    @rule(origin=st.sampled_from([A, B]))
    def take(self, origin: Origin) -> None:
        taken = self.pool.take(origin, self.now)
        if taken is not None:
            where, until = self.inside.pop(taken)
            assert where == origin and self.now < until

    @rule(by=st.floats(0, 3))
    def pass_time(self, by: float) -> None:
        self.now += by

    @rule()
    def sweep(self) -> None:
        out = self.pool.expired(self.now)
        assert sorted(out) == sorted(n for n, (_, until) in self.inside.items() if until <= self.now)
        for n in out:
            del self.inside[n]

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        if self.inside:
            n = data.draw(st.sampled_from(sorted(self.inside)))
            self.pool.drop(self.inside.pop(n)[0], n)

    @rule()
    def clear(self) -> None:
        assert sorted(self.pool.clear()) == sorted(self.inside)
        self.inside.clear()

    @invariant()
    def counts(self) -> None:
        assert len(self.pool) == len(self.inside)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
