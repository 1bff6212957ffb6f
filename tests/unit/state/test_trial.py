"""What is known of one experiment."""

from __future__ import annotations

import heapq
from random import Random  # noqa: TID251  seeded: the same runs each time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.experiment import ExperimentSpec, Limits
from lbd.model.failure import FailureKind
from lbd.state.trial import (
    BITS,
    CLUSTERS,
    UNPRICED,
    Reading,
    Shown,
    Tally,
    Trial,
    enough,
    read,
    verdict,
)
from lbd.state.trial_bounds import FEWEST
from lbd.state.trial_ratio import mismatch
from lbd.state.trial_values import Metric, Spent
from tests.fakes.records import record


def spec(share: float = 0.5, **limits: Any) -> ExperimentSpec:
    return ExperimentSpec("x", share, stop_if=Limits(**limits))


def note(trial: Trial, unit: int, *, treated: bool, unpriced: bool = False, **of: Any) -> None:
    """Take in a request from its beginning to its end."""
    made = record(total_s=1.0, **of)
    trial.enter(unit, treated=treated)
    trial.note(made, unit, treated=treated, spent=Spent(None if unpriced else made.cost, unpriced))


def ran(control: int, treated: int, *, scores: tuple[float, float] | None = None, **of: Any) -> Trial:
    """Return a trial with so many units of one request each; ``of``: what of the treated's records differs."""
    trial = Trial()
    for unit in range(control + treated):
        is_treated = unit >= control
        note(trial, unit, treated=is_treated, **(of if is_treated else {}))
        if scores is not None:
            trial.score(float(unit % 10 < 10 * scores[is_treated]), unit, treated=is_treated)
    trial.look()
    return trial


def reading(trial: Trial, of: ExperimentSpec, metric: Metric) -> Reading:
    return next(r for r in read(trial, of) if r.metric is metric)


# --- sums ---------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.integers(0, CLUSTERS - 1), st.floats(-5, 5, width=16), st.sampled_from([1, 1, 0])), max_size=40
)


@given(STEPS)
def test_what_is_added_up_is_what_is_computed_from_scratch(steps: list[tuple[int, float, int]]) -> None:
    """Whatever comes in which order; changes of what came before, too."""
    tally = Tally()
    for cluster, value, weight in steps:
        tally.add(cluster % 5, value, weight if tally.n[cluster % 5] else 1)
    assert tuple(tally.sums) == pytest.approx(tuple(tally.anew()), abs=1e-9)


@given(STEPS, st.randoms(use_true_random=False))
def test_the_order_is_no_matter(steps: list[tuple[int, float, int]], random: Any) -> None:
    """Sums are sums."""
    one, other = Tally(), Tally()
    for cluster, value, _ in steps:
        one.add(cluster, value)
    random.shuffle(steps)
    for cluster, value, _ in steps:
        other.add(cluster, value)
    assert tuple(one.sums) == pytest.approx(tuple(other.sums), abs=1e-9)


# --- units --------------------------------------------------------------------------------------------


def test_a_unit_counts_once_and_when_its_first_flight_begins() -> None:
    """However many requests it makes, and however long they take; their ends count no unit."""
    trial = Trial()
    for _ in range(3):
        trial.enter(7, treated=True)
    trial.enter(8, treated=False)
    assert (trial.control.units, trial.treatment.units, trial.treatment.requests) == (1, 1, 0)
    trial.note(record(), 7, treated=True, spent=Spent(5))
    trial.note(record(), 9, treated=True, spent=Spent(5))
    assert (trial.treatment.units, trial.treatment.requests) == (1, 2)


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize(("control_s", "treated_s"), [(20.0, 150.0), (20.0, 600.0), (600.0, 20.0)])
def test_a_slow_arm_is_no_wrong_ratio(share: float, control_s: float, treated_s: float) -> None:
    """20 runs of a quarter of an hour, one request a second, looked at each second: none is held to be invalid."""
    random = Random(1)
    for _ in range(20):
        trial, now = Trial(), 0.0
        under_way: list[tuple[float, int, bool]] = []
        for second in range(1, 900):
            while now < second:
                unit, treated = random.getrandbits(64), random.random() < share
                trial.enter(unit, treated=treated)
                heapq.heappush(under_way, (now + (treated_s if treated else control_s), unit, treated))
                now += random.expovariate(1.0)
            while under_way and under_way[0][0] < second:
                _, unit, treated = heapq.heappop(under_way)
                trial.note(record(), unit, treated=treated, spent=Spent(5))
            assert not mismatch(trial.control.units, trial.treatment.units, share)
        assert trial.control.units + trial.treatment.units > 700


def test_units_beyond_the_clusters_share_them() -> None:
    """Memory is bounded; two units of one bit are one."""
    trial = Trial()
    for unit in (1, 1 + CLUSTERS, 1 + BITS):
        note(trial, unit, treated=False)
    assert trial.control.units == 2
    assert trial.control.tallies[Metric.COST].sums.clusters == 1
    assert trial.control.tallies[Metric.COST].sums.n == 3


# --- what follows -------------------------------------------------------------------------------------


def test_a_score_that_is_changed_counts_as_it_is_now() -> None:
    """Once."""
    trial = Trial()
    trial.score(0.0, 5, treated=True)
    trial.score(1.0, 5, treated=True, before=0.0)
    sums = trial.treatment.tallies[Metric.QUALITY].sums
    assert (sums.n, sums.s, sums.ss) == (1, 1.0, 1.0)


def test_a_change_of_a_score_that_was_never_taken_in_is_none() -> None:
    """A difference without its count would be a mean beyond any score."""
    trial = Trial()
    trial.score(0.0, 5, treated=True, before=1.0)
    trial.score(0.9, 6, treated=True)
    assert trial.treatment.tallies[Metric.QUALITY].sums.mean == pytest.approx(0.9)


def test_what_has_no_price_is_not_the_cheapest() -> None:
    """Nothing is said of costs, better or worse; a few in a hundred leave the others a fair sample."""
    trial = Trial()
    for unit in range(400):
        note(trial, unit, treated=unit % 2 == 1, unpriced=unit % 2 == 1, cost=140_000 + unit)
    trial.look()
    assert (trial.treatment.unpriced, trial.control.unpriced) == (200, 0)
    found = reading(trial, spec(cost_rise=0.1), Metric.COST)
    assert found.shown is Shown.UNPRICED and found.interval is None and not found.over and not found.safe
    assert found.treatment.n == 0 and enough(trial), "of other metrics there is enough"
    assert verdict(trial, spec(cost_rise=0.0, error_rise=0.0)) is None
    for share, shown in ((UNPRICED / 2, Shown.BETTER), (UNPRICED * 2, Shown.UNPRICED)):
        trial = Trial()
        for unit in range(4000):
            treated = unit % 2 == 1
            note(trial, unit, treated=treated, unpriced=treated and unit % (2 / share) == 1, cost=unit - 900 * treated)
        trial.look()
        assert reading(trial, spec(), Metric.COST).shown is shown


def test_before_there_are_enough_units_nothing_is_said() -> None:
    """Of any metric, however bad it looks."""
    trial = ran(FEWEST - 1, 200, outcome=FailureKind.SERVER)
    assert not enough(trial) and {r.shown for r in read(trial, spec())} == {Shown.TOO_FEW}
    assert verdict(trial, spec(share=0.87, error_rise=0.0)) is None
    assert enough(ran(FEWEST, FEWEST))


def test_arms_that_are_all_the_same_are_told_so() -> None:
    """It is not that there are too few."""
    told = {r.metric: r.shown for r in read(ran(100, 100), spec())}
    assert told[Metric.ERRORS] is told[Metric.COST] is Shown.ALIKE
    assert told[Metric.QUALITY] is told[Metric.TOTAL] is Shown.TOO_FEW


@pytest.mark.parametrize(
    ("limits", "of", "metric"),
    [
        ({"error_rise": 0.02}, {"outcome": FailureKind.SERVER}, Metric.ERRORS),
        ({"cost_rise": 0.5}, {"cost": 280_000}, Metric.COST),
        ({"ttft_rise": 0.5}, {"ttft_s": 0.4}, Metric.TTFT),
    ],
)
def test_harm_that_is_shown_and_great_enough_ends_it(limits: Any, of: Any, metric: Metric) -> None:
    """With the numbers; where the limit is higher, or is none, it goes on."""
    trial = ran(200, 200, **of)
    ended = verdict(trial, spec(**limits))
    assert ended is not None and ended.reason == f"{metric} worse"
    assert ended.evidence["metric"] == metric and ended.evidence["treatment_n"] == 200
    assert verdict(trial, spec(**dict.fromkeys(limits, 1.5))) is None
    assert verdict(trial, spec()) is None
    assert reading(trial, spec(), metric).shown is Shown.WORSE


def test_of_quality_less_is_worse() -> None:
    """Where more scores of the treated are bad."""
    trial = ran(300, 300, scores=(0.9, 0.5))
    of = spec(quality_drop=0.03)
    found = reading(trial, of, Metric.QUALITY)
    assert found.shown is Shown.WORSE and found.harm == pytest.approx(0.4) and found.over
    ended = verdict(trial, of)
    assert ended is not None and ended.reason == "quality worse"
    better = ran(300, 300, scores=(0.5, 0.9))
    assert reading(better, of, Metric.QUALITY).shown is Shown.BETTER and verdict(better, of) is None
    assert found.worst is not None and found.worst > 0.4 and not found.safe
    assert reading(better, of, Metric.QUALITY).safe, "it is shown to be no worse"
    alike = ran(300, 300, scores=(0.9, 0.9))
    assert not reading(alike, of, Metric.QUALITY).safe, "it may be worse by more than the limit"
    assert reading(alike, spec(quality_drop=0.2), Metric.QUALITY).safe
    assert reading(alike, of, Metric.COST).safe and reading(alike, spec(error_rise=0.0), Metric.ERRORS).safe
    assert reading(alike, of, Metric.QUALITY).shown is Shown.OPEN and verdict(alike, of) is None


def test_what_costs_nothing_for_the_control_arm_is_infinitely_dearer() -> None:
    """And not a division by zero."""
    trial = ran(200, 200)
    trial.control.tallies[Metric.COST] = Tally()
    for unit in range(200):
        trial.control.tallies[Metric.COST].add(unit, 0.0)
    trial.look()
    found = reading(trial, spec(cost_rise=5.0), Metric.COST)
    assert found.shown is Shown.WORSE and found.harm == float("inf") and found.over


def test_arms_with_the_wrong_ratio_end_it_before_anything_else() -> None:
    """Whatever the metrics say is not to be believed then."""
    ended = verdict(ran(500, 100, outcome=FailureKind.SERVER), spec(error_rise=0.01))
    assert ended is not None and ended.reason == "sample_ratio_mismatch"
    assert (ended.evidence["control_units"], ended.evidence["treatment_units"]) == (500, 100)
    assert verdict(ran(500, 100), spec(share=1 / 6)) is None
