"""Rolling windows: right to one slot, whenever they are read, and over a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import COUNTS, FailureKind
from lbd.state import window
from lbd.state.quantile import Sketch
from lbd.state.window import COARSE, DAILY, DAY, FINE, FIVE_MINUTES, HALF_HOUR, HOUR, MINUTE, Counts, Rolling

WIDTHS = {MINUTE: FINE[0], FIVE_MINUTES: FINE[0], HALF_HOUR: COARSE[0], HOUR: COARSE[0], DAY: DAILY[0]}
SERVER, RATE = FailureKind.SERVER, FailureKind.RATE

# (time that passes, how many samples come then)
histories = st.lists(
    st.tuples(st.sampled_from((0.0, 0.5, 3.3, 9.99, 10.0, 61.0, 400.0, 1800.0, 5000.0, 90000.0)), st.integers(1, 3)),
    min_size=1,
    max_size=40,
)
starts = st.sampled_from((0.0, 3.0, 1000.0, 86399.5, 123456.789))


def filled(history: Sequence[tuple[float, int]], start: float) -> tuple[Rolling[Counts], list[float]]:
    """Return windows after ``history`` and the plain list of its instants."""
    rolling, times, now = window.counts(), [], start
    for gap, count in history:
        now += gap
        for _ in range(count):
            rolling.at(now).add(None)
            times.append(now)
    return rolling, times


def sums(rolling: Rolling[Counts], now: float) -> dict[float, int]:
    """Return the sum over every window."""
    return {w: rolling.over(w, now).good for w in WIDTHS}


def between(times: Sequence[float], after: float) -> int:
    return sum(t > after for t in times)


@given(histories, starts, st.floats(0, 4000))
def test_every_window_is_right_to_one_slot(history: list[tuple[float, int]], start: float, wait: float) -> None:
    """What is younger than the window counts; what is older by more than a slot does not."""
    rolling, times = filled(history, start)
    now = times[-1] + wait
    for w, width in WIDTHS.items():
        found = rolling.over(w, now).good
        assert between(times, now - w) <= found <= between(times, now - w - width)


@given(histories, starts, st.lists(st.tuples(st.integers(0, 39), st.sampled_from(sorted(WIDTHS))), max_size=20))
def test_cached_reads_equal_uncached_ones(
    history: list[tuple[float, int]], start: float, reads: list[tuple[int, float]]
) -> None:
    """Reading in between, any window at any time, changes no later sum."""
    read, unread = window.counts(), window.counts()
    now = start
    for i, (gap, count) in enumerate(history):
        now += gap
        for rolling in (read, unread):
            for _ in range(count):
                rolling.at(now).add(None)
        for at, w in reads:
            if at == i:
                first = read.over(w, now)
                assert first.by_kind == read.over(w, now).by_kind
                first.add(SERVER)  # what was read is the reader's own
    assert sums(read, now) == sums(unread, now)
    assert read.over(DAY, now).bad == 0


@given(histories, starts, st.floats(0, 100))
def test_what_was_saved_and_restored_keeps_every_sum(
    history: list[tuple[float, int]], start: float, wait: float
) -> None:
    """The open slot included, and sums go on being right afterwards."""
    rolling, times = filled(history, start)
    now = times[-1] + wait
    again = window.counts()
    again.restore(rolling.slots(now), now)
    assert sums(again, now) == sums(rolling, now)
    for later in (now + 1, now + 45, now + 700, now + 4000):
        for r in (rolling, again):
            r.at(later).add(SERVER)
        assert sums(again, later) == sums(rolling, later)
        assert again.over(HOUR, later).bad == rolling.over(HOUR, later).bad


@given(histories, st.floats(100_000, 200_000), st.floats(0, 4000))
def test_restored_on_another_clock_it_is_right_to_one_slot_more(
    history: list[tuple[float, int]], clock: float, down: float
) -> None:
    """The next run's monotonic clock began elsewhere, so slots fall between its slots."""
    rolling, times = filled(history, 1000.0)
    end = times[-1]
    again = window.counts()
    again.restore([[(age + down, c) for age, c in level] for level in rolling.slots(end)], clock)
    ages = [down + end - t for t in times]
    for w, width in WIDTHS.items():
        found = again.over(w, clock).good
        assert sum(a < w - width for a in ages) <= found <= sum(a < w + 2 * width for a in ages)


def test_restoring_takes_copies_and_replaces_what_was_there() -> None:
    """The saved slots belong to their owner; what the windows held before is gone."""
    rolling, _ = filled([(0.0, 2), (15.0, 1)], 1000.0)
    saved = rolling.slots(1015.0)
    again, _ = filled([(0.0, 5), (30.0, 0)], 900.0)
    again.over(MINUTE, 930.0)
    again.at(1015.0)
    again.restore(saved, 1015.0)
    assert again.over(FIVE_MINUTES, 1015.0).good == 3
    again.at(1016.0).add(None)
    again.over(HOUR, 1100.0)
    assert [c.good for _, c in saved[1]] == [2, 1]


def test_levels_that_were_not_saved_start_empty() -> None:
    """An older version's state has fewer levels: what is there is used."""
    rolling, _ = filled([(0.0, 2)], 1000.0)
    again = window.counts()
    again.restore(rolling.slots(1000.0)[:1], 1000.0)
    assert again.over(MINUTE, 1000.0).good == 2
    assert again.over(HOUR, 1000.0).good == 0


def test_before_anything_came_all_sums_are_empty() -> None:
    """At any instant, the clock's first seconds included."""
    for now in (0.0, 5.0, 1e6):
        assert window.counts().over(HOUR, now).by_kind == {}
        assert window.sketches().over(MINUTE, now).n == 0


def test_a_slot_within_the_clocks_first_seconds_is_kept() -> None:
    """A container's monotonic clock may begin at nothing."""
    rolling = window.counts()
    rolling.at(0.0).add(None)
    rolling.at(4.0).add(None)
    assert rolling.over(MINUTE, 4.0).good == 2
    assert rolling.over(MINUTE, 12.0).good == 2
    assert rolling.over(HOUR, 12.0).good == 2


def test_the_series_shows_closed_minutes_oldest_first() -> None:
    """None where there was no traffic; the minute under way is not in it."""
    rolling = window.counts()
    for now, count in ((600.0, 1), (650.0, 2), (730.0, 3), (800.0, 4)):
        for _ in range(count):
            rolling.at(now).add(None)
    seen = rolling.series(1, 4, 845.0)
    assert [(start, None if c is None else c.good) for start, c in seen] == [
        (600.0, 3),
        (660.0, None),
        (720.0, 3),
        (780.0, 4),
    ]


@pytest.mark.parametrize("clock", [2000.0, 777.7])
def test_the_series_goes_on_after_a_restart(clock: float) -> None:
    """On the same clock and on another one: no minute's traffic is lost between the new slots."""
    rolling = window.counts()
    for minute in range(5):
        for _ in range(minute + 1):
            rolling.at(1700.0 + 60 * minute).add(None)
    rolling.at(1985.0).add(None)  # closed already, in the minute that goes on after the restart
    rolling.at(1995.0).add(None)  # open
    again = window.counts()
    again.restore([[(age + 5.0, c) for age, c in level] for level in rolling.slots(1995.0)], clock)
    again.at(clock + 1).add(None)
    seen = [0 if c is None else c.good for _, c in again.series(1, 12, clock + 120)]
    assert seen == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 3, 0]


def test_a_window_that_no_level_reaches_gets_what_there_is() -> None:
    """A latency is kept for an hour: asked for a day, that hour is the answer, not nothing."""
    rolling = window.sketches()
    for i in range(100):
        rolling.at(1000.0 + 60 * i).add(0.5)
    assert 60 <= rolling.over(DAY, 7000.0).n <= 62


def test_memory_is_bounded() -> None:
    """A busy week keeps as many slots as a busy day."""
    rolling = window.counts()
    for i in range(7 * 24 * 12):
        rolling.at(i * 300.0).add(None)
    assert [len(level) for level in rolling.slots(7 * 86400.0)] == [FINE[1] + 1, COARSE[1] + 1, DAILY[1] + 1]


# --- counts ----------------------------------------------------------------------------------------------

outcomes = st.lists(st.none() | st.sampled_from(FailureKind), max_size=40)


def counted(kinds: Sequence[FailureKind | None]) -> Counts:
    counts = Counts()
    for kind in kinds:
        counts.add(kind)
    return counts


@given(outcomes)
def test_only_what_speaks_against_the_deployment_is_bad(kinds: list[FailureKind | None]) -> None:
    """Client faults and 429s are counted, but judge nobody."""
    counts = counted(kinds)
    good, bad = kinds.count(None), sum(k in COUNTS for k in kinds)
    assert (counts.good, counts.bad, counts.judged) == (good, bad, good + bad)
    assert counts.ratio() == (None if good + bad == 0 else pytest.approx(bad / (good + bad)))


@given(outcomes, outcomes)
def test_merging_counts_is_counting_together(a: list[Any], b: list[Any]) -> None:
    """And a copy is independent of what it was taken from."""
    together = counted(a)
    copy = together.copy()
    together.merge(counted(b))
    assert together.by_kind == counted([*a, *b]).by_kind
    assert copy.by_kind == counted(a).by_kind


def test_counts_may_be_given() -> None:
    """As restoring does."""
    assert Counts({None: 3, SERVER: 1, RATE: 9}).ratio() == 0.25


@given(histories, starts, st.data())
def test_what_was_counted_can_be_taken_back_whenever_and_wherever_it_is_kept(
    history: list[tuple[float, int]], start: float, data: st.DataObject
) -> None:
    """All windows are then as if it had never come."""
    rolling, times = filled(history, start)
    now = times[-1]
    gone = data.draw(st.sampled_from(times))
    sums(rolling, now)
    rolling.amend(gone, lambda counts: counts.by_kind.update({None: counts.by_kind[None] - 1}))
    times.remove(gone)
    fresh = window.counts()
    for at in times:
        fresh.at(at).add(None)
    assert sums(rolling, now) == sums(fresh, now)


@given(
    histories,
    starts,
    st.lists(st.tuples(st.integers(0, 39), st.sampled_from((MINUTE, FIVE_MINUTES, HOUR))), max_size=9),
)
def test_how_closed_slots_are_kept_changes_nothing(
    history: list[tuple[float, int]], start: float, reads: list[tuple[int, float]]
) -> None:
    """Latencies in their small form: the same sums, series and saved slots, whenever read and after a restart."""
    small, plain = window.sketches(), Rolling(Sketch, (FINE, COARSE))
    now = start
    for i, (gap, count) in enumerate(history):
        now += gap
        for rolling in (small, plain):
            for k in range(count):
                rolling.at(now).add(0.001 * (1 + (7 * i + k) % 40))
        for at, w in reads:
            if at == i:
                assert small.over(w, now).counts == plain.over(w, now).counts
    assert told(small, now) == told(plain, now)
    again = window.sketches()
    again.restore(small.slots(now), now)
    for later in (now, now + 1, now + 45, now + 700, now + 4000):
        for rolling in (small, plain, again):
            rolling.at(later).add(2.0)
        assert told(again, later)[0] == told(small, later)[0]
        assert told(small, later) == told(plain, later)


def told(rolling: Rolling[Sketch], now: float) -> list[Any]:
    """Return all that can be read of a latency's windows."""
    sums = [(s.counts, s.n, round(s.total, 9)) for s in (rolling.over(w, now) for w in (MINUTE, FIVE_MINUTES, HOUR))]
    series = [
        (at, s and s.counts) for level, count in ((0, 30), (1, 60)) for at, s in rolling.series(level, count, now)
    ]
    return [sums, series, [[(round(age, 6), s.counts) for age, s in level] for level in rolling.slots(now)]]
