"""Timers in slots: late by a tick at most, never early, never for what was taken out."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from lbd.state.stall import Stall
from lbd.upstream.wheel import GRACE, TICK, Wheel
from tests.fakes.env import FakeEnv

START = 1000.0
EPSILON = 1e-6


class Item:
    """Notes when it was called, and may do something then."""

    def __init__(self, env: FakeEnv, then: Callable[[float], object] = lambda _now: None) -> None:
        self.env = env
        self.calls: list[float] = []
        self.then = then

    def on_time(self, now: float) -> None:
        assert now == self.env.now()
        self.calls.append(now)
        self.then(now)


def wheel() -> tuple[FakeEnv, Wheel]:
    env = FakeEnv(START)
    return env, Wheel(env)


@given(st.lists(st.floats(0, 700), min_size=1, max_size=40))
def test_every_deadline_is_met_never_early_and_at_most_one_tick_late(offsets: list[float]) -> None:
    """A deadline costs its number and a tick, whatever else is in the wheel."""
    env, timers = wheel()
    items = [(START + offset, Item(env)) for offset in offsets]
    for at, item in items:
        timers.add(at, item)
    env.advance(701)
    for at, item in items:
        assert len(item.calls) == 1
        assert at - EPSILON <= item.calls[0] <= at + TICK + EPSILON


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.floats(0, 5)), max_size=40))
def test_what_is_discarded_is_not_called(plan: list[tuple[float, bool, float]]) -> None:
    """An item that was taken out before its slot came is not called; everything else is, once."""
    env, timers = wheel()
    called = []
    for offset, taken_out, when in plan:
        item = Item(env)
        slot = timers.add(START + offset, item)
        gone = taken_out and when < offset
        if gone:
            env.call_at(START + when, lambda slot=slot, item=item: timers.discard(slot, item))
        called.append((item, not gone))
    env.advance(6)
    assert all(len(item.calls) == int(expected) for item, expected in called)


def test_discarding_twice_or_after_the_call_is_harmless() -> None:
    """Whoever cleans up need not know whether the time had come."""
    env, timers = wheel()
    item = Item(env)
    slot = timers.add(START + 1, item)
    timers.discard(slot, item)
    timers.discard(slot, item)
    slot = timers.add(START + 2, item)
    env.advance(3)
    timers.discard(slot, item)
    assert len(item.calls) == 1


def test_an_item_may_add_itself_again_from_inside_its_call() -> None:
    """Attempts move their own bounds: the next one is met like the first."""
    env, timers = wheel()
    item = Item(env)
    item.then = lambda now: timers.add(now + 0.5, item) if len(item.calls) < 5 else None
    timers.add(START + 0.5, item)
    env.advance(10)
    assert len(item.calls) == 5
    gaps = [b - a for a, b in zip(item.calls, item.calls[1:], strict=False)]
    assert all(0.5 - EPSILON <= gap <= 0.5 + TICK + EPSILON for gap in gaps)


def test_an_item_that_adds_itself_for_now_is_called_in_the_next_tick_and_not_for_ever() -> None:
    """A bound that lies in the past costs a tick, not the process."""
    env, timers = wheel()
    item = Item(env)
    item.then = lambda now: timers.add(now - 5, item) if len(item.calls) < 3 else None
    timers.add(START, item)
    env.advance(0.2)
    assert len(item.calls) == 3


def test_a_deadline_in_the_past_is_met_at_once() -> None:
    """The slot of a time that is over is the earliest there is."""
    env, timers = wheel()
    item = Item(env)
    timers.add(START - 100, item)
    env.advance(TICK)
    assert len(item.calls) == 1


def test_slots_are_called_in_the_order_of_their_times() -> None:
    """Earlier bounds come first, however they were added."""
    env, timers = wheel()
    order: list[int] = []
    for n in (3, 1, 4, 2, 5):
        timers.add(START + n, Item(env, lambda _now, n=n: order.append(n)))
    env.advance(10)
    assert order == [1, 2, 3, 4, 5]


def test_an_earlier_deadline_rearms_the_one_timer() -> None:
    """One timer of the loop serves the earliest slot, also when that one came last."""
    env, timers = wheel()
    late, early = Item(env), Item(env)
    timers.add(START + 60, late)
    timers.add(START + 1, early)
    env.advance(1 + TICK + EPSILON)
    assert len(early.calls) == 1 and not late.calls
    env.advance(60)
    assert len(late.calls) == 1


def test_items_may_take_each_other_out() -> None:
    """One bound that ends another attempt must not call it afterwards in a later slot."""
    env, timers = wheel()
    second = Item(env)
    slot = timers.add(START + 2, second)
    timers.add(START + 1, Item(env, lambda _now: timers.discard(slot, second)))
    env.advance(5)
    assert not second.calls


def test_nothing_is_left_armed_when_everything_was_discarded() -> None:
    """An idle wheel costs nothing: after the last slot no timer is armed any more."""
    env, timers = wheel()
    slots = [(timers.add(START + n, item), item) for n in range(1, 20) for item in (Item(env),)]
    for slot, item in slots:
        timers.discard(slot, item)
    env.advance(30)
    assert not [t for _, _, t in env._timers if not t.cancelled]
    assert not timers._slots and not timers._order


def test_a_timer_that_comes_a_little_early_loses_nothing() -> None:
    """Loops may call a timer within their clock's resolution too early: the slot is armed again."""
    env, timers = wheel()
    item = Item(env)
    timers.add(START + 1, item)
    env.advance(1 - TICK)
    timers._run()
    assert not item.calls
    env.advance(3 * TICK)
    assert len(item.calls) == 1


# --- a process that did not run --------------------------------------------------------------------------


def stand_still(env: FakeEnv, seconds: float) -> None:
    """Let time pass in which nothing runs; what is due runs after it."""
    env._now += seconds
    env.advance(0.0)


def test_after_a_stall_what_lies_in_the_sockets_is_read_before_anything_is_overdue() -> None:
    """The stall is told at once; the deadline is met a short grace later, and what was answered meanwhile is gone."""
    env, timers = wheel()
    told: list[Stall] = []
    timers.late = told.append
    late, answered = Item(env), Item(env)
    timers.add(START + 1, late)
    slot = timers.add(START + 1.5, answered)
    stand_still(env, 5.0)
    assert [stall.until for stall in told] == [START + 5.0]
    assert not late.calls
    env.call_at(START + 5.0 + GRACE / 2, lambda: timers.discard(slot, answered))
    env.advance(GRACE)
    assert late.calls == [START + 5.0 + GRACE]
    assert not answered.calls
    env.advance(60.0)
    assert len(told) == len(late.calls) == 1


def test_a_deadline_that_was_past_when_it_was_set_is_no_stall() -> None:
    """It is met at once."""
    env, timers = wheel()
    told: list[Stall] = []
    timers.late = told.append
    item = Item(env)
    timers.add(START - 100, item)
    env.advance(TICK)
    assert item.calls == [START] and not told
