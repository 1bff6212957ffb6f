"""The budgets in force: all that bear on an attempt or none, settled once, told once, and kept over a reload."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.provider import BudgetSpec
from lbd.model.units import NANO_PER_USD, NanoUsd
from lbd.table.purses import SOON, Hold, Purses, Short

WALL = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
DAY = 86400
USD = NANO_PER_USD
Told = list[tuple[str, str, dict[str, object]]]


def spec(scope: Any = "client", name: str = "c", period: Any = "day", limit: float = 10, **more: Any) -> BudgetSpec:
    return BudgetSpec(scope, name, period, round(limit * USD), **more)


def made(*specs: BudgetSpec, granted: bool = True) -> tuple[Purses, Told]:
    """Return budgets, written down in full unless said otherwise, and what is told of them."""
    told: Told = []
    purses = Purses(lambda *event: told.append(event))
    purses.configure(specs, WALL)
    if granted:
        purses.granted({key: (purse.window, purse.limit) for key, purse in purses._purses.items()})
    return purses, told


def hold(purses: Purses, amount: NanoUsd | None, wall: float = WALL, who: str = "c", provider: str = "p") -> Hold:
    found = purses.hold(who, "s", provider, amount, wall)
    assert isinstance(found, Hold), found
    return found


def short(purses: Purses, amount: NanoUsd | None, wall: float = WALL, who: str = "c") -> Short:
    found = purses.hold(who, "s", "p", amount, wall)
    assert isinstance(found, Short), found
    return found


def stand(purses: Purses, wall: float = WALL) -> dict[str, tuple[object, ...]]:
    """Return what is spent, reserved and left, in USD, by whose it is."""
    rows = purses.report(wall)
    return {f"{r['scope']}/{r['period']}": (r["spent_usd"], r["reserved_usd"], r["left_usd"]) for r in rows}


# --- holding ------------------------------------------------------------------------------------------


def test_nothing_is_held_where_nobody_has_a_budget() -> None:
    """Nor is a budget of somebody else touched."""
    purses, _ = made()
    assert not purses.active and hold(purses, 5 * USD).purses == ()
    purses, _ = made(spec(name="other"))
    assert purses.active and hold(purses, 5 * USD).purses == ()
    assert stand(purses) == {"client/day": (0, 0, 10)}


def test_a_hold_takes_from_every_budget_that_bears_on_it_or_from_none() -> None:
    """The client's, the surface's, the provider's, in each of their windows."""
    purses, _ = made(spec(), spec(period="hour", limit=6), spec("surface", "s"), spec("provider", "p", "month", 4))
    held = hold(purses, 3 * USD)
    expected = {
        "client/day": (0, 3, 7),
        "client/hour": (0, 3, 3),
        "surface/day": (0, 3, 7),
        "provider/month": (0, 3, 1),
    }
    assert stand(purses) == expected
    assert "provider p: 4 USD a month" in short(purses, 2 * USD).budget
    assert stand(purses) == expected, "what is refused consumes nothing"
    purses.settle(held, USD)
    assert stand(purses)["provider/month"] == (1, 0, 3)


def test_a_hold_is_settled_once() -> None:
    """Whatever happens, and whoever comes last."""
    purses, _ = made(spec())
    held = hold(purses, 3 * USD)
    purses.settle(held, USD)
    purses.settle(held, 3 * USD)
    purses.settle(None, USD)
    assert stand(purses) == {"client/day": (1, 0, 9)}


def test_free_work_passes_a_spent_budget() -> None:
    """Also one of nothing."""
    purses, _ = made(spec(limit=0))
    assert hold(purses, 0).amount == 0
    assert short(purses, 1).wait_s == pytest.approx(DAY - WALL % DAY)


def test_an_unknown_price_is_not_spent_from_a_hard_budget() -> None:
    """Nobody could tell when it is used up; a soft one does not mind."""
    purses, told = made(spec())
    found = short(purses, None)
    assert found.wait_s == math.inf and not found.dry and "its price is not known" in found.budget
    assert found.failure().kind is FailureKind.BUDGET and found.failure().retry_after_s is None
    purses, _ = made(spec(hard=False))
    purses.settle(hold(purses, None), 0)
    assert not told


# --- who is short, and for how long -------------------------------------------------------------------


def test_a_spent_budget_names_itself_and_the_wait_for_its_next_window() -> None:
    """As a failure of its own kind."""
    purses, _ = made(spec(period="hour"))
    purses.settle(hold(purses, 9 * USD), 9 * USD)
    found = short(purses, 2 * USD)
    failure = found.failure()
    assert failure.kind is FailureKind.BUDGET and "client c: 10 USD an hour" in failure.message
    assert failure.retry_after_s == found.wait_s == 3600 - WALL % 3600 and not found.dry
    later = WALL + found.wait_s
    assert short(purses, 2 * USD, later).dry
    purses.granted(purses.due(later))
    assert hold(purses, 2 * USD, later)


def test_what_others_have_reserved_may_be_back_soon() -> None:
    """Most of it is not used: that is no reason to be sent away until tomorrow, and the budget is not exhausted."""
    purses, told = made(spec())
    held = hold(purses, 9 * USD)
    assert short(purses, 2 * USD).wait_s == SOON and not told
    purses.settle(held, USD)
    assert hold(purses, 2 * USD)


def test_the_budget_that_stands_in_the_way_for_longest_is_told() -> None:
    """Waiting for a shorter one would be in vain; and one that is dry is no obstacle beside one that is spent."""
    purses, _ = made(spec(period="hour", limit=5), spec(period="day", limit=5))
    purses.settle(hold(purses, 5 * USD), 5 * USD)
    assert "a day" in short(purses, 1).budget
    purses, _ = made(spec(period="hour", limit=5), spec("surface", "s", limit=1), granted=False)
    found = short(purses, 2 * USD)
    assert "surface s" in found.budget and not found.dry


def test_dry_is_a_matter_of_the_disk() -> None:
    """It passes with the next grant; where none comes, nobody is told that the budget is spent."""
    purses, told = made(spec(), granted=False)
    found = short(purses, USD)
    assert found.dry and found.failure().kind is FailureKind.UNAVAILABLE and found.failure().retry_after_s == SOON
    purses.granted(purses.due(WALL))
    assert hold(purses, USD) and not told


def test_of_two_that_are_short_the_sooner_is_remembered() -> None:
    """Where several deployments are out, the first that may come back counts."""
    one, two = Short("a", False, 5.0), Short("b", False, 9.0)
    assert one.sooner(None) is one and one.sooner(two) is one and two.sooner(one) is one


# --- what is told -------------------------------------------------------------------------------------


def test_events_are_told_once_in_each_window() -> None:
    """Low, exhausted, passed: with the numbers."""
    purses, told = made(spec(warn_at=0.5))
    purses.settle(hold(purses, 5 * USD), 5 * USD)
    purses.settle(hold(purses, USD), USD)
    short(purses, 5 * USD)
    short(purses, 5 * USD)
    purses.settle(hold(purses, USD), 7 * USD)  # nobody can hold a provider to what was asked for
    purses.settle(hold(purses, 0), 0)
    assert [kind for kind, _, _ in told] == ["budget_low", "budget_exhausted", "budget_passed"]
    assert told[0][1:] == ("client c: 10 USD a day", {"limit_usd": 10, "spent_usd": 5, "reserved_usd": 0})
    told.clear()
    later = WALL + DAY
    short_then = purses.hold("c", "s", "p", 11 * USD, later)
    assert isinstance(short_then, Short) and [kind for kind, _, _ in told] == ["budget_exhausted"]


def test_what_belongs_to_a_window_that_is_past_tells_nothing() -> None:
    """It was held in its own."""
    purses, told = made(spec())
    held = hold(purses, 9 * USD)
    assert stand(purses, WALL + DAY) == {"client/day": (0, 0, 10)}
    purses.settle(held, 9 * USD)
    assert stand(purses, WALL + DAY) == {"client/day": (0, 0, 10)} and not told


def test_a_clock_that_goes_back_opens_no_new_window() -> None:
    """Nor the old one again."""
    purses, _ = made(spec())
    purses.report(WALL + DAY)
    purses.granted(purses.due(WALL + DAY))
    purses.settle(hold(purses, USD // 200, WALL), USD // 200)
    assert stand(purses, WALL) == stand(purses, WALL + DAY) == {"client/day": (0.005, 0, 9.995)}
    (row,) = purses.report(WALL)
    assert row["resets_in_s"] == 2 * DAY - WALL % DAY


def test_a_clock_that_was_far_ahead_shuts_no_budget_until_then() -> None:
    """What was spent meanwhile counts now, also where lbd was killed before the clock was set right."""
    purses, _ = made(spec(), granted=False)
    year = WALL + 365 * DAY
    assert short(purses, 4 * USD).dry
    purses.granted(purses.due(WALL))
    purses.settle(hold(purses, 4 * USD), 4 * USD)
    assert short(purses, 3 * USD, year).dry
    written = purses.due(year)
    purses.granted(written)
    held = hold(purses, 3 * USD, year)
    (row,) = purses.report(WALL)
    assert (row["spent_usd"], row["reserved_usd"]) == (7, 0), "what is under way counts as spent"
    assert row["resets_in_s"] == DAY - WALL % DAY
    purses.settle(held, 0)
    assert stand(purses, WALL + DAY) == {"client/day": (0, 0, 10)}
    again, _ = made(spec(), granted=False)
    again.restore(written, WALL)
    assert 3 <= again.report(WALL)[0]["spent_usd"] < 3.2 and again.report(WALL)[0]["resets_in_s"] == DAY - WALL % DAY
    assert stand(again, WALL + DAY) == {"client/day": (0, 0, 10)}


def test_a_clock_that_is_behind_at_the_start_gives_no_budget_twice() -> None:
    """A machine without a battery begins in the past, and learns the time later."""
    purses, _ = made(spec(), granted=False)
    day = int(WALL // DAY) * DAY
    purses.restore({"client/c/day": (day, 4 * USD)}, 86400.0 * 7)
    assert stand(purses, 86400.0 * 7) == {"client/day": (4, 0, 6)}
    assert short(purses, 2 * USD, 86400.0 * 7).dry
    written = purses.due(86400.0 * 7)
    assert {window for window, _ in written.values()} == {day}, "a crash now finds it under its own time"
    purses.granted(written)
    purses.settle(hold(purses, 2 * USD, 86400.0 * 7), 2 * USD)
    assert stand(purses, WALL) == {"client/day": (6, 0, 4)}
    assert stand(purses, WALL + DAY) == {"client/day": (0, 0, 10)}


# --- reloads and restarts -----------------------------------------------------------------------------


def test_a_budget_that_stays_keeps_what_was_spent_of_it() -> None:
    """With its new limit; what is held is settled there."""
    purses, _ = made(spec())
    held = hold(purses, 3 * USD)
    purses.configure([spec(limit=20, warn_at=0.9)], WALL)
    purses.settle(held, 2 * USD)
    assert stand(purses) == {"client/day": (2, 0, 18)}
    purses.configure([spec(limit=1)], WALL)
    assert stand(purses) == {"client/day": (2, 0, -1)} and short(purses, 1)
    assert not purses.due(WALL)


def test_a_budget_may_be_taken_away_while_something_is_held_of_it() -> None:
    """The attempt ends as it would have; nothing is told of what is no more."""
    purses, told = made(spec(), spec("surface", "s"))
    held = hold(purses, 9 * USD)
    purses.configure([spec("surface", "s")], WALL)
    purses.settle(held, 11 * USD)
    assert stand(purses) == {"surface/day": (11, 0, -1)}
    assert {budget for _, budget, _ in told} == {"surface s: 10 USD a day"}


def test_a_budget_that_comes_back_has_spent_what_it_was_granted() -> None:
    """Taking it away for a moment makes it no larger; what is still held of the old one is in it."""
    purses, told = made(spec(), granted=False)
    assert short(purses, 3 * USD).dry
    purses.granted(purses.due(WALL))
    granted = purses._purses["client/c/day"].granted
    held = hold(purses, 3 * USD)
    purses.configure([], WALL)
    purses.configure([spec()], WALL)
    assert purses._purses["client/c/day"].spent == granted >= 3 * USD
    purses.settle(held, 3 * USD)
    assert purses._purses["client/c/day"].spent == granted
    purses.configure([], WALL)
    purses.configure([spec()], WALL + DAY)
    assert stand(purses, WALL + DAY) == {"client/day": (0, 0, 10)} and not told


def test_after_a_restart_what_was_written_is_spent() -> None:
    """Of its own window only; what is not configured any more waits for its return."""
    purses, _ = made(spec(), spec(period="hour"), granted=False)
    day, hour = int(WALL // DAY) * DAY, int(WALL // 3600) * 3600
    kept = {"client/c/day": (day, 4 * USD), "client/c/hour": (hour - 3600, 4 * USD), "surface/s/day": (day, 5 * USD)}
    purses.restore(kept, WALL)
    assert stand(purses) == {"client/day": (4, 0, 6), "client/hour": (0, 0, 10)}
    purses.configure([spec("surface", "s")], WALL)
    assert stand(purses) == {"surface/day": (5, 0, 5)}


def test_at_an_end_in_peace_only_what_was_spent_is_written() -> None:
    """Soft budgets too, and those that were passed: a limit may be raised again."""
    purses, _ = made(spec(), spec("surface", "s", limit=1, hard=False))
    purses.settle(hold(purses, 3 * USD), 2 * USD)
    day = int(WALL // DAY) * DAY
    assert purses.spent() == {"client/c/day": (day, 2 * USD), "surface/s/day": (day, 2 * USD)}


def test_a_soft_budget_is_written_down_as_it_is_spent() -> None:
    """It waits for nothing, and a restart does not make it forget more than a slice."""
    purses, told = made(spec(limit=6.4, hard=False), granted=False)
    purses.settle(hold(purses, USD), USD)
    day = int(WALL // DAY) * DAY
    assert purses.due(WALL) == {"client/c/day": (day, USD)}
    purses.granted(purses.due(WALL))
    assert purses.due(WALL) == {}
    purses.settle(hold(purses, 9 * USD), 9 * USD)
    assert [kind for kind, _, _ in told] == ["budget_low", "budget_passed"]


@given(st.lists(st.tuples(st.integers(0, 4 * USD), st.integers(0, 4 * USD)), max_size=30), st.randoms())
def test_a_hard_budget_is_conserved_and_never_passed(asked: list[tuple[int, int]], chance: Any) -> None:
    """limit = left + reserved + spent, in whatever order holds are settled."""
    purses, _ = made(spec(), spec("surface", "s", limit=7))
    held: list[tuple[Hold, int]] = []
    for most, actual in asked:
        found = purses.hold("c", "s", "p", most, WALL)
        if isinstance(found, Hold):
            held.append((found, min(most, actual)))
        if held and chance.random() < 0.6:
            one, spent = held.pop(chance.randrange(len(held)))
            purses.settle(one, spent)
        for purse in purses._purses.values():
            assert purse.limit == purse.left + purse.reserved + purse.spent
            assert purse.left >= 0 and purse.reserved == sum(h.amount for h, _ in held)
