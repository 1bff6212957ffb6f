"""Long work rests between its pieces, and knows what it took without the rests."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from lbd.ports.turns import PIECE, REST, SHARE, Turns, at_once


class Clock:
    """Time that passes by work and by sleep alone."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def steps(clock: Clock, each: float, count: int) -> Generator[None, None, str]:
    for _ in range(count):
        clock.time += each
        yield
    return "done"


async def test_small_steps_make_up_a_piece_together() -> None:
    """No rest before a piece is full: each costs a turn of the loop."""
    clock = Clock()
    turns = Turns(clock)
    assert await turns.all(steps(clock, PIECE / 4.001, 20)) == "done"
    assert len(clock.slept) == 4 and set(clock.slept) == {REST}
    assert turns.worked == pytest.approx(20 * PIECE / 4.001)


async def test_a_large_step_is_followed_by_a_long_rest() -> None:
    """So that the work holds no more than its share of the loop."""
    clock = Clock()
    turns = Turns(clock)
    await turns.all(steps(clock, 0.01, 3))
    assert clock.slept == pytest.approx([SHARE * 0.01] * 3)
    assert turns.worked == pytest.approx(0.03) and clock.time == pytest.approx(100.03 + 3 * SHARE * 0.01)


async def test_what_is_not_rested_from_yet_counts_as_work() -> None:
    """The last piece is seldom full."""
    clock = Clock()
    turns = Turns(clock)
    clock.time += PIECE / 2
    await turns.rest()
    assert not clock.slept and turns.worked == pytest.approx(PIECE / 2)


async def test_a_failure_comes_through() -> None:
    """As if it had been done at once."""

    def broken() -> Generator[None, None, None]:
        yield
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Turns(Clock()).all(broken())
    with pytest.raises(KeyError):
        at_once(broken())


def test_where_nobody_waits_it_is_done_at_once() -> None:
    """With the same result."""
    clock = Clock()
    assert at_once(steps(clock, 1.0, 5)) == "done" and not clock.slept


async def test_waiting_for_others_is_no_work() -> None:
    """A slow query makes no long rest after it, and the work looks no dearer; what was done before still counts."""
    clock = Clock()
    turns = Turns(clock)

    async def query() -> str:
        clock.time += 5.0
        return "rows"

    clock.time += 0.01
    assert await turns.wait(query()) == "rows"
    await turns.rest()
    assert not clock.slept and turns.worked == pytest.approx(0.01)

    async def broken() -> None:
        clock.time += 5.0
        raise KeyError("x")

    with pytest.raises(KeyError):
        await turns.wait(broken())
    assert turns.worked == pytest.approx(0.01)
