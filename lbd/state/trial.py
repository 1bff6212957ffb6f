"""What is known of one experiment: sums by arm and metric, and what follows from them.

Every unit falls into one of ``CLUSTERS`` clusters by its hash, and for each cluster the sums of its requests are kept,
so memory is bounded (300 KB) however many units there are. While they are few each has a cluster of its own; later
those that share one are counted as one, which is as valid: they are independent of all others.

Units are counted through one bitmap for both arms, a bit for a hash: two that share a bit are counted once, in either
arm with the same chance, so the ratio of the arms is not touched by it. A unit is counted where its first request
begins its flight, not where that ends: a slow arm's end later, and its units would be missing meanwhile. What is lost
between the assignment and the flight, in one arm more than in the other, shows in the ratio.

Where more than ``UNPRICED`` of an arm's requests were answered by somebody without a price, the others are no fair
sample of it, and costs are not compared.

Chance is shared by the metrics: with confidence 0.95 and five metrics each interval is one of 0.99, so that all hold
together, at all times, with 0.95.
"""

from __future__ import annotations

import math
from array import array
from enum import StrEnum
from typing import NamedTuple

from lbd.model.experiment import ExperimentSpec, Limits
from lbd.model.record import RequestRecord
from lbd.model.units import Ratio
from lbd.state.trial_bounds import FEWEST, Interval, Sums, interval, variance
from lbd.state.trial_ratio import log_evidence, mismatch
from lbd.state.trial_values import Metric, Spent, values

CLUSTERS = 2048
BITS = 1 << 20
UNPRICED: Ratio = 0.01  # of an arm's requests


HIGHER_IS_BETTER = frozenset({Metric.QUALITY})


class Tally:
    """The sums of one metric in one arm."""

    __slots__ = ("n", "s", "sums")

    def __init__(self) -> None:
        self.n = array("d", bytes(8 * CLUSTERS))
        self.s = array("d", bytes(8 * CLUSTERS))
        self.sums = Sums()

    def add(self, cluster: int, value: float, weight: int = 1) -> None:
        """Take in a value; with ``weight`` 0 the change of one that was taken in before."""
        n, s = self.n[cluster], self.s[cluster]
        to_n, to_s = n + weight, s + value
        self.n[cluster], self.s[cluster] = to_n, to_s
        sums = self.sums
        self.sums = Sums(
            sums.clusters + (n == 0 and to_n > 0),
            sums.n + weight,
            sums.s + value,
            sums.ss + to_s * to_s - s * s,
            sums.sn + to_s * to_n - s * n,
            sums.nn + to_n * to_n - n * n,
        )

    def anew(self) -> Sums:
        """Return the sums, computed from the clusters."""
        pairs = [(n, s) for n, s in zip(self.n, self.s, strict=True) if n > 0]
        return Sums(
            len(pairs),
            sum(n for n, _ in pairs),
            sum(s for _, s in pairs),
            sum(s * s for _, s in pairs),
            sum(s * n for n, s in pairs),
            sum(n * n for n, _ in pairs),
        )


class Side:
    """One arm."""

    def __init__(self) -> None:
        self.units = 0
        self.requests = 0
        self.unpriced = 0  # of the requests: somebody without a price answered
        self.tallies = {metric: Tally() for metric in Metric}


class Trial:
    """Both arms. ``first``: the variance of each metric's difference when it was looked at first."""

    def __init__(self) -> None:
        self.control = Side()
        self.treatment = Side()
        self.seen = bytearray(BITS // 8)
        self.first: dict[Metric, float] = {}

    def side(self, *, treated: bool) -> Side:
        """Return an arm."""
        return self.treatment if treated else self.control

    def enter(self, unit: int, *, treated: bool) -> None:
        """Take in a request that begins its flight: count its unit, where it is the unit's first."""
        bit = unit % BITS
        if not self.seen[bit >> 3] >> (bit & 7) & 1:
            self.seen[bit >> 3] |= 1 << (bit & 7)
            self.side(treated=treated).units += 1

    def note(self, record: RequestRecord, unit: int, *, treated: bool, spent: Spent) -> None:
        """Take in a request that ended."""
        side = self.side(treated=treated)
        side.requests += 1
        side.unpriced += spent.unpriced
        for metric, value in values(record, spent):
            side.tallies[metric].add(unit % CLUSTERS, value)

    def score(self, score: Ratio, unit: int, *, treated: bool, before: Ratio | None = None) -> None:
        """Take in a score of an answer; ``before``: the one that it takes the place of, which was taken in, too."""
        tally = self.side(treated=treated).tallies[Metric.QUALITY]
        if before is None:
            tally.add(unit % CLUSTERS, score)
        elif tally.n[unit % CLUSTERS]:
            tally.add(unit % CLUSTERS, score - before, 0)

    def look(self) -> None:
        """Note of each metric when there is enough to look at for the first time."""
        for metric in Metric:
            if metric not in self.first:
                found = variance(*self._sums(metric))
                if found is not None:
                    self.first[metric] = found

    def _sums(self, metric: Metric) -> tuple[Sums, Sums]:
        return self.control.tallies[metric].sums, self.treatment.tallies[metric].sums


class Shown(StrEnum):
    """What the intervals say of the treatment by one metric."""

    BETTER = "better"
    WORSE = "worse"
    OPEN = "open"  # it may be either
    ALIKE = "alike"  # every value of both arms is the same so far
    TOO_FEW = "too_few"
    UNPRICED = "unpriced"  # too much of what an arm cost is not known


class Reading(NamedTuple):
    """One metric as it stands.

    ``harm`` is how much worse the treatment is, absolute or relative as the limit is; ``worst`` how much worse it may
    be by its interval; ``limit`` the harm from which the experiment is stopped.
    """

    metric: Metric
    control: Sums
    treatment: Sums
    interval: Interval | None
    shown: Shown
    harm: float | None
    worst: float | None
    limit: float | None

    @property
    def over(self) -> bool:
        """Tell whether harm is shown, and as great as the limit."""
        return self.shown is Shown.WORSE and self.limit is not None and (self.harm or 0.0) >= self.limit

    @property
    def safe(self) -> bool:
        """Tell whether it is shown that the harm, if any, is less than its limit."""
        if self.limit is None or self.shown is Shown.ALIKE:
            return True
        return self.worst is not None and self.worst < self.limit


def read(trial: Trial, spec: ExperimentSpec) -> list[Reading]:
    """Return every metric as it stands."""
    alpha = (1 - spec.confidence) / len(Metric)
    return [_reading(trial, metric, spec.stop_if, alpha) for metric in Metric]


def _reading(trial: Trial, metric: Metric, limits: Limits, alpha: Ratio) -> Reading:
    control, treatment = (side.tallies[metric].sums for side in (trial.control, trial.treatment))
    found = None
    unpriced = metric is Metric.COST and any(_unpriced(side) for side in (trial.control, trial.treatment))
    if metric in trial.first and not unpriced:
        found = interval(control, treatment, trial.first[metric], alpha)
    limit, relative = {
        Metric.QUALITY: (limits.quality_drop, False),
        Metric.ERRORS: (limits.error_rise, False),
        Metric.COST: (limits.cost_rise, True),
        Metric.TTFT: (limits.ttft_rise, True),
        Metric.TOTAL: (None, True),
    }[metric]
    if found is None:
        few = min(control.clusters, treatment.clusters) < FEWEST
        why = Shown.UNPRICED if unpriced else Shown.TOO_FEW if few else Shown.ALIKE
        return Reading(metric, control, treatment, None, why, None, None, limit)
    if metric in HIGHER_IS_BETTER:
        least, harm, worst = -found.high, -found.difference, -found.low
    else:
        least, harm, worst = found.low, found.difference, found.high
    shown = Shown.WORSE if least > 0 else Shown.BETTER if worst < 0 else Shown.OPEN
    if relative:
        harm, worst = (_relative(amount, control.mean) for amount in (harm, worst))
    return Reading(metric, control, treatment, found, shown, harm, worst, limit)


def _unpriced(side: Side) -> bool:
    return side.unpriced > UNPRICED * side.requests


def _relative(amount: float, to: float) -> float:
    return amount / to if to > 0 else math.inf if amount > 0 else 0.0


class Ended(NamedTuple):
    """Why an experiment is to end."""

    reason: str
    evidence: dict[str, object]


def verdict(trial: Trial, spec: ExperimentSpec) -> Ended | None:
    """Return why the treatment must end now, None where it may go on."""
    control, treated = trial.control.units, trial.treatment.units
    if mismatch(control, treated, spec.share):
        evidence: dict[str, object] = {
            "expected": spec.share,
            "control_units": control,
            "treatment_units": treated,
            "log_bayes_factor": round(log_evidence(control, treated, spec.share), 3),
        }
        return Ended("sample_ratio_mismatch", evidence)
    for reading in read(trial, spec):
        if reading.over and reading.interval is not None:
            return Ended(
                f"{reading.metric} worse",
                {
                    "metric": str(reading.metric),
                    "control": round(reading.control.mean, 9),
                    "treatment": round(reading.treatment.mean, 9),
                    "low": round(reading.interval.low, 9),
                    "high": round(reading.interval.high, 9),
                    "harm": None if reading.harm is None else round(reading.harm, 6),
                    "limit": reading.limit,
                    "control_n": round(reading.control.n),
                    "treatment_n": round(reading.treatment.n),
                },
            )
    return None


def enough(trial: Trial) -> bool:
    """Tell whether each arm has as many units as anything can be said from, by any metric."""
    control, treatment = trial.control.tallies, trial.treatment.tallies
    return any(min(control[m].sums.clusters, treatment[m].sums.clusters) >= FEWEST for m in Metric)
