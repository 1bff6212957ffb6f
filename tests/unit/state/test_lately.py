"""What the latencies of a row tell is added up anew when that may say something new, and not all rows at once."""

from __future__ import annotations

import math

import pytest

from lbd.model.provider import TierSpec
from lbd.model.table import SIZES
from lbd.state import health
from lbd.state.evidence import observe
from lbd.state.lately import ENOUGH, FEW, MORE, STALE, added_up
from lbd.state.quota import Quota
from lbd.state.row import Row
from tests.fakes.tables import deployment, good, provider

NOW = 1000.0
TARGET = 2.0


def row(n: int = 0, ttft: float = 1.0, *, index: int = 0) -> Row:
    made = Row(deployment(), provider(), TierSpec("primary", TARGET), 1.7e9)
    made.index = index
    return more(made, n, ttft)


def more(made: Row, n: int, ttft: float, at: float = NOW) -> Row:
    for _ in range(n):
        observe(made, good(ttft, ttft + 3.0, size=1), at)
    return made


def test_it_tells_percentiles_by_size_and_of_whole_answers() -> None:
    """Of a size that was never asked for nothing is known."""
    made = row(ENOUGH, 1.0)
    told = added_up(made.ttft, made.last_sample, made.tpot, made.total, made.samples, TARGET, NOW)
    first = told.firsts[1]
    assert (first.p95_s, first.p99_s) == (pytest.approx(1.0, rel=0.02), pytest.approx(1.0, rel=0.02))
    assert first.within == 1.0
    assert told.total_p95_s == pytest.approx(4.0, rel=0.02)
    assert told.tpot_s == pytest.approx(3.0 / 49, rel=0.02)
    assert all(told.firsts[size].p95_s is None for size in range(SIZES) if size != 1)


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (200.0, True), (1800.0, True), (3800.0, False)])
def test_where_the_last_minutes_tell_nothing_the_hour_does(age: float, known: bool) -> None:
    """Its windows are a minute, five, and an hour."""
    made = row(3)
    told = added_up(made.ttft, made.last_sample, made.tpot, made.total, made.samples, TARGET, NOW + age)
    assert (told.firsts[1].p95_s is not None) is known


@pytest.mark.parametrize(("n", "known"), [(FEW - 1, False), (FEW, True)])
def test_a_few_whole_answers_are_needed(n: int, known: bool) -> None:
    """Of fewer nobody could tell how long they usually take."""
    made = row(n)
    told = added_up(made.ttft, made.last_sample, made.tpot, made.total, made.samples, TARGET, NOW)
    assert (told.total_p95_s is not None) is known


def test_a_single_sample_counts_at_once_while_there_are_few() -> None:
    """A row that is asked twice a minute has no second to lose."""
    made = row(10, 1.0)
    before = health.estimate(made, 1, NOW).p95_s
    more(made, 1, 9.0, NOW + 0.01)
    assert health.estimate(made, 1, NOW + 0.01).p95_s > before


def test_of_many_samples_some_more_are_awaited_or_a_second() -> None:
    """What they tell would hardly move; nobody waits for longer than twice ``STALE``."""
    made = row(1000, 1.0)
    held = health.lately(made, NOW)
    few = int(MORE * 1000)
    more(made, few, 9.0, NOW + 0.1)
    assert health.lately(made, NOW + 0.1) is held
    more(made, 1, 9.0, NOW + 0.1)
    assert health.lately(made, NOW + 0.1).at == NOW + 0.1
    again = health.lately(made, NOW + 0.2)
    assert health.lately(made, NOW + 0.1 + STALE) is not again


def test_rows_take_turns() -> None:
    """Ten that are added up in the same moment are due in ten different ones."""
    dues = {health.lately(row(ENOUGH, index=i), NOW).until for i in range(10)}
    assert len(dues) == 10
    assert all(NOW + STALE <= due <= NOW + 2 * STALE for due in dues)


def test_another_target_holds_at_once() -> None:
    """A reload moves a row to another tier; its samples are the same."""
    made = row(ENOUGH, 1.0)
    assert health.estimate(made, 1, NOW).within == 1.0
    made.tier = TierSpec("primary", 0.5)
    assert health.estimate(made, 1, NOW).within == 0.0


def test_standing_goes_by_what_was_told_anew_alone() -> None:
    """Two publishes of the same percentiles are one word of the row, not two."""
    made = row(1000, 3.0)
    for i in range(4):
        assert health.view(made, Quota(), NOW + i / 10, steered=True).standing[1] == 1.0
    health.view(made, Quota(), NOW + STALE + 0.1, steered=True)
    assert health.view(made, Quota(), NOW + STALE + 0.2, steered=True).standing[1] < 1.0


def test_of_nothing_nothing_is_known() -> None:
    """A new row."""
    told = health.lately(row(), NOW)
    assert (told.total_p95_s, told.tpot_s, told.n) == (None, None, 0)
    assert all(math.isclose(first.within, 0.0) for first in told.firsts)
