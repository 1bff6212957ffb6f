"""A budget: conserved, never over, and no accident makes it larger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lbd.state.purse import SLICES, Period, Purse, begins, ends

WALL = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
LIMIT = 640_000


def full(limit: int = LIMIT, *, hard: bool = True) -> Purse:
    """Return a purse that may spend everything."""
    purse = Purse(limit, "day", hard=hard)
    purse.roll(WALL)
    purse.grant(purse.window, limit)
    return purse


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        ("hour", 1_789_999_200, 1_790_002_800),
        ("day", 1_789_948_800, 1_790_035_200),
        ("month", 1_788_220_800, 1_790_812_800),
    ],
)
def test_windows_are_those_of_the_calendar(period: Period, begin: int, end: int) -> None:
    """In UTC; the next begins where one ends."""
    assert (begins(period, WALL), ends(period, WALL)) == (begin, end)
    assert begins(period, end) == end and begins(period, end - 1) == begin


def test_december_ends_with_the_year() -> None:
    """2026-12-31 23:59:59."""
    assert ends("month", 1_798_761_599.0) == 1_798_761_600


def test_what_is_reserved_cannot_be_reserved_twice() -> None:
    """And what a settled one did not use comes back."""
    purse = full()
    assert purse.asks(LIMIT) == "held"
    purse.reserve(LIMIT)
    assert purse.asks(1) == "over" and purse.left == 0
    purse.settle(purse.turn, LIMIT, 1000)
    assert (purse.spent, purse.reserved, purse.left) == (1000, 0, LIMIT - 1000)


def test_free_work_passes_an_empty_purse() -> None:
    """Rejected requests consume nothing, and free models stay usable at the cap."""
    purse = full(0)
    assert purse.asks(0) == "held" and purse.asks(1) == "over" and purse.used() == 1.0


def test_a_soft_one_only_knows() -> None:
    """It says how far it is over, and refuses nothing; what it knows is written down."""
    purse = full(100, hard=False)
    assert purse.asks(1000) == "held"
    purse.reserve(1000)
    purse.settle(purse.turn, 1000, 900)
    assert purse.left == -800 and purse.used() == 9.0 and purse.due() == 900
    purse.grant(purse.window, 900)
    assert purse.due() is None


def test_nothing_is_promised_that_is_not_written_down() -> None:
    """Dry is not over: it passes as soon as more is granted."""
    purse = Purse(LIMIT, "day")
    purse.roll(WALL)
    assert purse.asks(50_000) == "dry"
    assert purse.due() == 50_000 + LIMIT // SLICES
    purse.grant(purse.window, 60_000)
    assert purse.asks(50_000) == "held" and purse.due() is None


def test_a_crash_costs_what_was_granted() -> None:
    """Nobody knows how much of it was spent."""
    purse = Purse(LIMIT, "day")
    purse.restore(begins("day", WALL), 400_000)
    purse.roll(WALL)
    assert purse.left == LIMIT - 400_000
    purse.roll(WALL + 86400)
    assert purse.left == LIMIT
    purse.roll(WALL)  # the clock goes back
    assert purse.left == LIMIT


def test_what_belongs_to_an_old_window_is_past() -> None:
    """It was reserved in its own, where it still counts as spent."""
    purse = full()
    purse.reserve(10)
    old, turn = purse.window, purse.turn
    purse.roll(WALL + 86400)
    purse.settle(turn, 10, 10)
    purse.grant(old, LIMIT)
    assert (purse.spent, purse.reserved, purse.granted) == (0, 0, 0)


def test_the_wait_for_a_new_window_is_honest() -> None:
    """Also where the clock has gone back: the window that has begun has to end first."""
    purse = full()
    assert purse.back_in(WALL) == ends("day", WALL) - WALL
    purse.roll(WALL + 86400)
    assert purse.back_in(WALL) == ends("day", WALL + 86400) - WALL


def test_a_crowd_waits_for_a_few_grants_only() -> None:
    """Each time that somebody is kept waiting more is granted ahead; with nobody waiting it is a slice again."""
    purse = Purse(LIMIT, "day")
    purse.roll(WALL)
    taken = rounds = 0
    while taken < 50:
        rounds += 1
        due = purse.due()
        assert due is not None
        purse.grant(purse.window, due)
        while taken < 50 and purse.asks(LIMIT // 50) == "held":
            purse.reserve(LIMIT // 50)
            taken += 1
    assert rounds <= 8
    fresh = Purse(LIMIT, "day")
    fresh.roll(WALL)
    fresh.short = 5
    fresh.grant(fresh.window, 10)
    assert fresh.short == 0


def test_what_is_restored_late_adds_up() -> None:
    """What a soft budget has spent while the disk could not be read is not forgotten."""
    purse = full(hard=False)
    purse.reserve(30)
    purse.settle(purse.turn, 30, 30)
    purse.restore(purse.window, 500)
    assert purse.spent == 530
    purse.restore(purse.window + 86400, 500)
    assert purse.spent == 500


class Life(RuleBasedStateMachine):
    """Requests that reserve and settle, grants that reach the disk, and kills at any moment."""

    @initialize(limit=st.integers(0, 10_000))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.purse = Purse(limit, "hour")
        self.wall = WALL
        self.purse.roll(self.wall)
        self.disk = (self.purse.window, 0)
        self.flying: list[tuple[int, int, int]] = []
        self.truth: dict[int, int] = {}  # by window: what was really spent, whoever still knows of it

    @rule(amount=st.integers(0, 3000))
    def ask(self, amount: int) -> None:
        self.purse.roll(self.wall)
        if self.purse.asks(amount) == "held":
            self.purse.reserve(amount)
            self.flying.append((self.purse.window, self.purse.turn, amount))

    @rule(part=st.floats(0, 1))
    def settle(self, part: float) -> None:
        if self.flying:
            window, turn, amount = self.flying.pop()
            actual = int(amount * part)
            self.truth[window] = self.truth.get(window, 0) + actual
            self.purse.settle(turn, amount, actual)

    @rule()
    def keep(self) -> None:
        due = self.purse.due()
        if due is not None:
            self.disk = (self.purse.window, due)
            self.purse.grant(self.purse.window, due)

    @rule()
    def kill(self) -> None:
        for window, _, amount in self.flying:  # the provider worked on, and nobody heard how much
            self.truth[window] = self.truth.get(window, 0) + amount
        self.flying = []
        self.purse = Purse(self.limit, "hour")
        self.purse.restore(*self.disk)
        self.purse.roll(self.wall)

    @rule(seconds=st.integers(0, 2000))
    def time_goes(self, seconds: int) -> None:
        self.wall += seconds
        self.purse.roll(self.wall)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "purse"):
            p = self.purse
            assert p.left + p.reserved + p.spent == p.limit
            assert p.reserved >= 0 and p.spent + p.reserved <= max(p.granted, 0)
            assert p.granted <= p.limit
            assert all(spent <= self.limit for spent in self.truth.values())


TestLife = Life.TestCase


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_a_grant_is_never_more_than_the_limit(limit: int, amount: int) -> None:
    """And where something is due, granting it helps."""
    purse = Purse(limit, "month")
    purse.roll(WALL)
    answer = purse.asks(amount)
    due = purse.due()
    assert due is not None and due <= limit
    purse.grant(purse.window, due)
    assert (purse.asks(amount) == "held") == (answer != "over")


@given(
    st.sampled_from([("hour", 3600), ("day", 86400), ("month", 31 * 86400)]),
    st.lists(
        st.tuples(
            st.sampled_from([1, 1800, 80_000, 86_400, 40 * 86_400, 10**9]), st.integers(-3, 3), st.integers(0, 50)
        ),
        max_size=12,
    ),
)
def test_whatever_the_clock_says_a_purse_opens_again_soon(
    period: tuple[Period, int], steps: list[tuple[int, int, int]]
) -> None:
    """By the clock as it is now, and what is held and settled across the steps is conserved."""
    name, length = period
    purse, wall = Purse(100, name), WALL
    held: list[tuple[int, int]] = []
    for seconds, times, amount in steps:
        wall = max(0.0, wall + seconds * times)
        purse.roll(wall)
        due = purse.due()
        if due is not None:
            purse.grant(purse.stamp, due)
        if purse.asks(amount) == "held":
            purse.reserve(amount)
            held.append((purse.turn, amount))
        if held and times < 0:
            purse.settle(*held[0], held.pop(0)[1] // 2)
        assert purse.left + purse.reserved + purse.spent == purse.limit and purse.reserved >= 0
        assert purse.back_in(wall) <= 2 * length
    for far in (2, 4):  # the first may be the window that had begun before the clock was set back
        purse.roll(wall + far * length)
    assert purse.left == 100
