"""What is kept free for interactive work, learned from its arrivals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.reserve import FORGOTTEN, GONE, HALF_LIFE, HARMED, LATE, MOST_TAKEN, QUIET, Reserve, admits, taken


def seen(levels: list[int], gap: float = 1.0) -> tuple[Reserve, float]:
    reserve, now = Reserve(), 100.0
    for level in levels:
        now += gap
        reserve.arrived(level, now)
    return reserve, now


def test_nothing_is_kept_for_whom_nobody_has_seen() -> None:
    """Background work fills an idle deployment."""
    assert Reserve().kept(5.0) == 0
    assert Reserve().lull(5.0, 4)
    assert admits(4, 3, 0, lull=False) and not admits(4, 4, 0, lull=True)


def test_what_all_but_a_few_arrivals_needed_is_kept() -> None:
    """One arrival in a hundred may find its slot taken, not two."""
    reserve, now = seen(([1] * 50 + [2] * 49 + [3]) * 4, gap=0.0)
    assert reserve.kept(now) == 2
    assert reserve.kept(now, 0.001) == 3
    assert reserve.kept(now, 0.6) == 1
    assert admits(4, 1, 2, lull=False) and not admits(4, 2, 2, lull=False)


def test_poisson_arrivals_find_what_they_need() -> None:
    """Against the truth: with the kept slots, no more than the given share would have found none."""
    reserve, now, ends, levels = Reserve(), 0.0, list[float](), []
    for i in range(4000):
        gap, stay = (-math.log(1 - (i * step) % 1.0) for step in (0.6180339887498949, 0.41421356237309515))
        now += gap
        ends = [e for e in ends if e > now]
        ends.append(now + 2 * stay)
        reserve.arrived(len(ends), now)
        levels.append(len(ends))
    kept = reserve.kept(now, 0.02)
    assert 5 <= kept <= 7
    assert sum(level > kept for level in levels[-500:]) <= 0.04 * 500


def test_what_was_learned_fades() -> None:
    """After a rush the slots come back; after a day nothing is known any more."""
    reserve, now = seen([8] * 100)
    for _ in range(100):
        now += HALF_LIFE / 10
        reserve.arrived(1, now)
    assert reserve.kept(now, 0.02) == 1
    assert reserve.kept(now + 40 * HALF_LIFE) == 0


def test_weights_stay_within_bounds_for_ever() -> None:
    """They grow with time, and are brought back before they are too large to add to."""
    reserve, now = Reserve(), 0.0
    for _ in range(2000):
        now += HALF_LIFE
        reserve.arrived(2, now)
    assert reserve.kept(now) == 2
    assert 1 < reserve._total < 2.0**42
    reserve.arrived(5, now + 500 * HALF_LIFE)
    assert reserve.kept(now + 500 * HALF_LIFE) == 5


def test_interactive_work_is_gone_after_a_long_pause() -> None:
    """Half a minute, or ten times its usual gap; where none ever came it is."""
    assert Reserve().gone(0.0)
    for gap, pause in ((1.0, GONE), (10.0, 100.0)):
        reserve, now = seen([1] * 200, gap=gap)
        now -= gap  # the last came then
        assert not reserve.gone(now + 0.9 * pause) and reserve.gone(now + 1.1 * pause + gap)


def test_a_lull_lets_background_work_run_but_for_one_slot() -> None:
    """Where interactive work needs all of them at times; the only slot, too."""
    reserve, now = seen([4] * 20)
    assert not reserve.lull(now + QUIET - 0.1, 4)
    assert reserve.lull(now + QUIET, 4)
    assert admits(4, 2, 4, lull=True) and not admits(4, 3, 4, lull=True)
    assert admits(1, 0, 1, lull=True) and not admits(1, 1, 1, lull=True)


def test_no_lull_is_used_again_before_its_harm_is_made_good() -> None:
    """An interactive request that had to wait beside background work closes it until enough others did not."""
    reserve, now = seen([1] * 100, gap=2.0)
    reserve.arrived(2, now, waits=True)
    assert reserve.lull(now + QUIET, 4), "no background work was there"
    reserve.background = 1
    reserve.arrived(2, now, waits=True)
    assert not reserve.lull(now + QUIET, 4)
    for _ in range(round(1.2 / HARMED)):
        now += 2.0
        reserve.arrived(1, now)
    assert reserve.lull(now + QUIET, 4)


def test_when_interactive_work_has_ceased_no_harm_is_to_be_expected() -> None:
    """A pause of five times the usual one opens the slots, whatever was done before."""
    reserve, now = seen([2] * 100, gap=4.0)
    reserve.background = 1
    reserve.arrived(2, now + 4, waits=True)
    assert not reserve.lull(now + 4 + 4.5 * 4, 4)
    assert reserve.lull(now + 4 + 5.1 * 4, 4)


def test_at_a_single_slot_background_work_waits_for_a_long_pause() -> None:
    """Whoever comes beside it has to wait: a short pause says nothing."""
    reserve, now = seen([1] * 100, gap=4.0)
    assert reserve.lull(now + QUIET, 2) and not reserve.lull(now + QUIET, 1)
    assert reserve.lull(now + 20.1, 1)


def test_many_slots_and_short_answers_let_more_be_taken() -> None:
    """Whoever finds none has the next one soon."""
    assert taken(1, 60.0) == pytest.approx(LATE, rel=0.02)
    assert taken(2, 2.0) < taken(4, 2.0) < taken(8, 2.0)
    assert taken(64, 0.0) == MOST_TAKEN


@given(st.lists(st.tuples(st.floats(0, 5000), st.integers(1, 40)), min_size=1, max_size=40), st.floats(0.001, 0.5))
def test_no_more_than_the_share_found_more(history: list[tuple[float, int]], share: float) -> None:
    """Whatever came when: what is kept was seen, and a larger share keeps no more."""
    reserve, now = Reserve(), 0.0
    for gap, level in history:
        now += gap
        reserve.arrived(level, now)
    kept = reserve.kept(now, share)
    assert kept in {level for _, level in history} | {0}
    assert reserve.kept(now, min(1.0, 2 * share)) <= kept
    assert reserve._total > FORGOTTEN
