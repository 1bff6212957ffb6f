"""Limits of which nothing is known but their 429s: few attempts, all that there is is used, and its end is found."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.fakes.grudging import FORMS, WAY, Admit, Filling, Seen, Window, by_chance, driven, never

EVERY_FORM = list(FORMS)


def told(what: str, seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(
            f" {what}: {seen.amplification:.3f} attempts a request, {seen.refused} of {len(seen.arrivals)} refused,"
            f" {seen.served():.2f} served",
            end="",
        )


# --- everybody refuses --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", EVERY_FORM)
@pytest.mark.parametrize("rows", [1, 3])
def test_where_all_refuse_requests_wait_and_do_not_knock(
    rows: int, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most 1.1 attempts a request, those of calm times included; and all are served within a second after it."""
    seen = driven([never] * rows, form, 50, 6.0, since=1.0, until=5.0)
    told(f"{rows} at 429, {form}", seen, capsys)
    assert seen.amplification <= 1.1
    assert seen.refused <= 0.2 * 50 * 4
    assert seen.served() >= 0.95, "they wait for what returns in time"
    back = [at for at, _, refused in seen.arrivals if at > 5.0 and not refused]
    assert min(back) <= 6.0 + 2 * WAY + 0.05
    assert all(a.began + a.took_s <= seen.began + 7.5 for a in seen.asked if a.status == 200)


@pytest.mark.parametrize("demand", [2.0, 5.0])
def test_where_all_refuse_few_requests_do_not_knock_either(demand: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Waits of a second at three rows are three attempts a second, whoever asks: that is more than there are requests.

    So the ends of waits are not believed for ever; nor is an end of the limit missed for long.
    """
    seen = driven([never] * 3, "always 1 s", demand, 90.0, until=60.0)
    told(f"{demand} a second", seen, capsys)
    assert seen.refused <= 1.1 * sum(a.began - seen.began < 60.0 for a in seen.asked)
    assert seen.served(since=66.0) == 1.0


def test_a_second_429_makes_a_wait_longer(capsys: pytest.CaptureFixture[str]) -> None:
    """A request that is refused while others wait makes them wait for as long as it was told."""
    waits = iter((1.0, 4.0))
    seen = driven([lambda _now: next(waits, None)], "ms", 10, 8.0)
    told("a longer wait", seen, capsys)
    times = [at for at, _, refused in seen.arrivals if refused]
    later = [at for at, _, refused in seen.arrivals if not refused]
    assert len(times) == 2 and min(later) >= times[1] + 4.0


# --- limits that fill up ------------------------------------------------------------------------------


class Case(NamedTuple):
    """A limit, how many ask for it, and the least that must be used and the most attempts for one that is served."""

    rate: float
    demand: float
    used: float
    tried: float


CASES = [Case(2, 3, 0.85, 1.3), Case(2, 20, 0.8, 1.75), Case(20, 30, 0.9, 1.2)]


@pytest.mark.parametrize("form", ["ms", "s", "none"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rate} of {case.demand}")
def test_of_a_limit_below_demand_one_is_sent_for_each_that_comes_back(
    case: Case, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hardly less is used than there is, with few refusals; whoever has no turn in time is told so at once."""
    runs = [driven([Filling(case.rate)], form, case.demand, 40.0, seed=seed) for seed in range(1, 4)]
    for seen in runs:
        told(f"{case.rate} of {case.demand}, {form}", seen, capsys)
        assert all(a.took_s < 11.0 for a in seen.asked)
    used = sum(not refused for seen in runs for at, _, refused in seen.arrivals if at <= 40.0)
    assert used >= case.used * len(runs) * (max(1.0, case.rate) + case.rate * 40.0)
    assert sum(len(seen.arrivals) for seen in runs) <= case.tried * sum(seen.let_through for seen in runs)
    assert sum(seen.amplification for seen in runs) <= 1.0 * len(runs)


def test_three_limits_are_used_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its own pace."""
    seen = driven([Filling(2), Filling(4), Filling(8)], "ms", 30, 40.0)
    told("three", seen, capsys)
    for name, rate in zip("abc", (2, 4, 8), strict=True):
        through = sum(at == name and not refused for t, at, refused in seen.arrivals if t <= 40.0)
        assert through >= 0.9 * (rate + rate * 40.0), name
    assert seen.amplification <= 1.1


@pytest.mark.parametrize("form", ["ms", "s"])
def test_a_window_is_used_up_and_then_waited_for(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All of each window, and few refusals at its end."""
    seen = driven([Window(20, 10.0)], form, 5, 50.0)
    told(f"windows, {form}", seen, capsys)
    assert seen.let_through >= 100 and len(seen.arrivals) <= 1.3 * seen.let_through


@pytest.mark.parametrize("form", ["ms", "s", "none"])
def test_when_a_limit_is_lifted_all_is_used_again_soon(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty a second want it and two got it: within the wait that one more has cost, and a little, all do."""
    seen = driven([Filling(2)], form, 20, 45.0, until=30.0)
    told(f"lifted, {form}", seen, capsys)
    late = 1.0 if form == "ms" else 4.0
    assert seen.served(since=30.0 + late) == 1.0
    assert max(a.took_s for a in seen.asked if a.began - seen.began > 30.0 + late + 1.0) <= WHOLE + 0.01


WHOLE = 0.45

# --- no limits ----------------------------------------------------------------------------------------


class Chance(NamedTuple):
    """A share that is refused by chance, by so many rows, of so many requests a second; and the least to be served."""

    share: float
    rows: int
    demand: float
    served: float


@pytest.mark.parametrize(
    "chance",
    [Chance(0.1, 1, 20, 0.8), Chance(0.2, 1, 20, 0.75), Chance(0.66, 3, 5, 0.55), Chance(0.66, 3, 20, 0.55)],
    ids=lambda c: f"{c.share} of {c.demand} at {c.rows}",
)
def test_who_refuses_by_chance_is_asked_on(chance: Chance, capsys: pytest.CaptureFixture[str]) -> None:
    """To ask less often gains nothing there: no rate is found, and none is kept to."""
    admits: list[Admit] = [by_chance(chance.share, seed) for seed in range(chance.rows)]
    seen = driven(admits, "none", chance.demand, 60.0)
    told(f"{chance.share} by chance", seen, capsys)
    assert seen.served() >= chance.served
