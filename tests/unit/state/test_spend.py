"""The budget of paid probes: never over it, paced over the day, with a reserve for recovery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state import spend
from lbd.state.spend import DAY, RESERVE, ProbeSpend

MIDNIGHT = 19_700 * DAY
BUDGET = 1_000_000


def test_free_probes_always_pass() -> None:
    """Without a price there is nothing to budget, even with no budget at all."""
    assert spend.allows(ProbeSpend(19_700, 5, 5), 0, 0, MIDNIGHT, recovery=False)


@pytest.mark.parametrize(("hour", "most"), [(0, 0), (6, BUDGET // 8), (12, BUDGET // 4), (24, BUDGET // 2)])
def test_idle_rows_get_the_share_of_the_day_that_has_passed(hour: float, most: int) -> None:
    """Half of the day's money is refreshed with, spread evenly; at midnight there is none yet."""
    wall = MIDNIGHT + hour * 3600 - (1e-3 if hour == 24 else 0)
    assert not spend.allows(ProbeSpend(), most + 1, BUDGET, wall, recovery=False)
    if most > 100:
        assert spend.allows(ProbeSpend(), most - 100, BUDGET, wall, recovery=False)


def test_recovery_may_use_everything_that_is_left() -> None:
    """Bringing a row back is what the reserve is for, at any time of the day."""
    half = ProbeSpend(19_700, BUDGET // 2, BUDGET // 2)
    assert spend.allows(half, BUDGET // 2, BUDGET, MIDNIGHT, recovery=True)
    assert not spend.allows(half, BUDGET // 2 + 1, BUDGET, MIDNIGHT, recovery=True)


def test_a_new_day_starts_at_nothing_and_the_total_goes_on() -> None:
    """The budget is per UTC day; the total is for the report."""
    first = spend.add(ProbeSpend(), 300, MIDNIGHT + 10)
    assert first == ProbeSpend(19_700, 300, 300)
    assert spend.at(first, MIDNIGHT + DAY - 1) is first
    assert spend.at(first, MIDNIGHT + DAY) == ProbeSpend(19_701, 0, 300)
    assert spend.add(first, 5, MIDNIGHT + DAY) == ProbeSpend(19_701, 5, 305)


probes = st.lists(st.tuples(st.floats(0, 30_000), st.integers(1, BUDGET // 5), st.booleans()), max_size=60)


@given(probes)
def test_the_budget_is_never_exceeded_on_any_day_and_the_reserve_stays(
    probes: list[tuple[float, int, bool]],
) -> None:
    """Probes as the loop sends them: idle ones alone never touch the reserve, all together never exceed the day."""
    state, wall = ProbeSpend(), float(MIDNIGHT)
    by_day: dict[int, int] = {}
    idle_by_day: dict[int, int] = {}
    for gap, cost, recovery in probes:
        wall += gap
        if not spend.allows(state, cost, BUDGET, wall, recovery=recovery):
            continue
        before = state.total
        state = spend.add(state, cost, wall)
        assert state.total == before + cost
        day = int(wall // DAY)
        by_day[day] = by_day.get(day, 0) + cost
        assert state.spent == by_day[day] <= BUDGET
        if not recovery:
            idle_by_day[day] = idle_by_day.get(day, 0) + cost
            assert by_day[day] <= BUDGET * (1 - RESERVE) * (wall % DAY) / DAY
        assert idle_by_day.get(day, 0) <= BUDGET * (1 - RESERVE)
