"""What another configuration would have done with the requests of a journal, and what would have come of it.

A request's action is its first choice that got a lease. Its chances under both configurations are exact
(:func:`lbd.decide.pick.chances`), on the same table and the same live load; of a row whose load was not read for the
decision, the load that was read last holds. What follows is :mod:`lbd.replay.estimate`'s, with the table's own
predictions as the model. Rewards: the cost of all attempts, for the other configuration by its own prices; whether the
request was served in time (a stream's first content within the request's own target, else within that of the best tier
it could have had); and the quality that the table held whoever answered to have, 0 where nobody did. Nobody has read
the answers.

What one request's choice does to the load that the next one meets is not in it: for that, there is lbd simulate.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from statistics import NormalDist
from typing import NamedTuple

import msgspec

from lbd.decide import fitness, pick, route
from lbd.decide.experiment import under
from lbd.decide.terms import Term
from lbd.decide.terms.quality import UNKNOWN
from lbd.model.failure import FailureKind
from lbd.model.money import cost
from lbd.model.plan import Candidate, Decision, Live, Ranking
from lbd.model.record import RequestRecord
from lbd.model.request import Ask
from lbd.model.table import DeploymentView, Snapshot, size_bucket
from lbd.model.units import NANO_PER_USD, DeploymentId, Ratio, Seconds, WallTime
from lbd.observe.archive import Kept
from lbd.replay.estimate import Estimate, Overlap, Sample, Side, difference, doubly_robust, logged, overlap
from lbd.replay.other import Other

METRICS = ("cost_usd", "slo", "quality")
UNIT = frozenset({"slo", "quality"})  # within 0..1
_UNSEEN = Live(0, 1.0, 0.0, 0.0)
_NORMAL = NormalDist()
_Z95, _Z99 = _NORMAL.inv_cdf(0.95), _NORMAL.inv_cdf(0.99)
_NARROW = 0.05  # of ln seconds: a distribution is never held to be narrower
# Nothing of what became of these depends on who was chosen.
_NOBODYS = frozenset({FailureKind.CLIENT_GONE, FailureKind.BAD_REQUEST, FailureKind.TOO_LARGE, FailureKind.DRAINING})


class Compared(msgspec.Struct, frozen=True):
    """One metric: under the logged configuration, under the other, and the difference, a request."""

    before: Estimate
    after: Estimate
    change: Estimate


class WhatIf(msgspec.Struct, frozen=True):
    """What came of it. ``moved``: the share of first choices that would have been another row.

    ``compared`` is empty where no request could be judged. ``unknown_names``: requests whose name means nothing in the
    other configuration; ``nobody``: those for whom it has no row. Both count as not served, at no cost.
    """

    requests: int
    left_out: dict[str, int]
    since: WallTime | None
    until: WallTime | None
    overlap: Overlap
    moved: Ratio
    share_before: dict[DeploymentId, Ratio]
    share_after: dict[DeploymentId, Ratio]
    new_rows: dict[DeploymentId, Ratio]  # without measurements, with the share that they would have had
    unknown_names: int
    nobody: int
    text_rules: tuple[str, ...]
    compared: dict[str, Compared]


class _Policy(NamedTuple):
    """What one configuration does with one request."""

    table: Snapshot
    ask: Ask
    ranking: Ranking
    chances: dict[DeploymentId, Ratio]

    def modelled(self, chosen: DeploymentId, limit: Seconds | None, *, stream: bool) -> dict[str, float]:
        """Return what the table predicts of it at a row."""
        found = next(c for stage in self.ranking.stages for c in stage.candidates if c.id == chosen)
        return _modelled(found, self.table, self.ask, limit, stream=stream)

    def expected(self, limit: Seconds | None, *, stream: bool) -> dict[str, float]:
        """Return what it predicts over all rows that might be chosen."""
        out = dict.fromkeys(METRICS, 0.0)
        for id_, share in self.chances.items():
            for name, value in self.modelled(id_, limit, stream=stream).items():
                out[name] += share * value
        return out


class WhatIfs:
    """Takes a journal, one request after the other."""

    def __init__(self, other: Other, terms: Mapping[str, Term]) -> None:
        self._other = other
        self._terms = terms
        self._live: dict[DeploymentId, Live] = {}  # as it was read last
        self._samples: dict[str, list[Sample]] = {name: [] for name in METRICS}
        self._weights: list[float] = []
        self._covered: list[Ratio] = []
        self._before: Counter[DeploymentId] = Counter()
        self._after: Counter[DeploymentId] = Counter()
        self._moved = 0.0
        self._out: Counter[str] = Counter()
        self._fresh: set[DeploymentId] = set()
        self._unknown = self._nobody = 0
        self._period: tuple[WallTime | None, WallTime | None] = (None, None)
        self._rankings: dict[tuple[int, Ask], Ranking] = {}
        self._at: Snapshot | None = None

    def take(self, kept: Kept) -> None:
        """Take one request."""
        record = kept.record
        first = next((a for a in record.attempts if a.refused is None and a.decision.chosen is not None), None)
        if record.outcome in _NOBODYS:
            self._out["ended_by_the_client"] += 1
            return
        if first is None:
            self._out["nobody_was_chosen"] += 1
            return
        made = first.decision
        snapshot = kept.tables.get(made.generation)
        if snapshot is None:
            self._out["table_is_missing"] += 1
            return
        self._period = (record.time if self._period[0] is None else self._period[0], record.time)
        before = under(snapshot, made.ask.variant)
        self._see(before, made)
        if snapshot is not self._at:
            self._at = snapshot
            self._rankings.clear()
        old = self._policy(snapshot, before, made.ask, made)
        if not old.chances.get(made.chosen or ""):
            self._out["not_to_be_explained"] += 1
            return
        after = self._other.table(snapshot)
        self._fresh |= self._other.new_rows(snapshot)
        asked = self._other.ask(record, made.ask, after, kept.opened)
        new = None if asked is None else self._policy(after, after, asked, made)
        self._unknown += asked is None
        self._nobody += new is not None and not new.chances
        self._sample(record, made.chosen or "", old, new)

    def _policy(self, snapshot: Snapshot, seen: Snapshot, ask: Ask, made: Decision) -> _Policy:
        key = (id(snapshot), ask)
        ranking = self._rankings.get(key)
        if ranking is None:
            ranking = self._rankings[key] = route.rank(snapshot, ask, self._terms)
        return _Policy(seen, ask, ranking, pick.chances(ranking, made.query, partial(self._read, seen)))

    def _sample(self, record: RequestRecord, chosen: DeploymentId, old: _Policy, new: _Policy | None) -> None:
        limit, stream = _limit(old.table, old.ask), record.stream
        was = _rewards(record, old.table, old.ask, limit)
        was_modelled, was_expected = old.modelled(chosen, limit, stream=stream), old.expected(limit, stream=stream)
        policy: Mapping[DeploymentId, Ratio] = {} if new is None else new.chances
        weight = policy.get(chosen, 0.0) / old.chances[chosen]
        got, modelled, expected = was, was, dict.fromkeys(METRICS, 0.0)
        if new is not None:
            expected = new.expected(limit, stream=stream)
            if weight:  # by the same prices and qualities as what is expected
                got = _repriced(record, new.table, new.ask, limit)
                modelled = new.modelled(chosen, limit, stream=stream)
        minute = int(record.time // 60)
        for name in METRICS:
            side = Side(got[name], modelled[name], expected[name])
            its = Side(was[name], was_modelled[name], was_expected[name])
            self._samples[name].append(Sample(weight, side, its, minute))
        self._weights.append(weight)
        self._covered.append(sum(share for id_, share in policy.items() if old.chances.get(id_)))
        self._before.update(old.chances)
        self._after.update(policy)
        self._moved += 1.0 - sum(min(share, policy.get(id_, 0.0)) for id_, share in old.chances.items())

    def _see(self, snapshot: Snapshot, made: Decision) -> None:
        for row, live in made.live:
            self._live[snapshot.rows[row].spec.id] = live

    def _read(self, snapshot: Snapshot, row: int) -> Live:
        return self._live.get(snapshot.rows[row].spec.id, _UNSEEN)

    def told(self) -> WhatIf:
        """Return what came of it."""
        n = len(self._weights)
        compared = {}
        if n:
            for name, samples in self._samples.items():
                unit = name in UNIT
                compared[name] = Compared(*(of(samples, unit=unit) for of in (logged, doubly_robust, difference)))
        share_after = {id_: share / n for id_, share in sorted(self._after.items())}
        return WhatIf(
            n,
            dict(self._out),
            *self._period,
            overlap(self._weights, self._covered),
            self._moved / n if n else 0.0,
            {id_: share / n for id_, share in sorted(self._before.items())},
            share_after,
            {id_: share_after.get(id_, 0.0) for id_ in sorted(self._fresh)},
            self._unknown,
            self._nobody,
            self._other.text_rules,
            compared,
        )


def what_if(journal: Iterable[Kept], other: Other, terms: Mapping[str, Term]) -> WhatIf:
    """Return what another configuration would have done with a journal's requests."""
    told = WhatIfs(other, terms)
    for kept in journal:
        told.take(kept)
    return told.told()


def _limit(snapshot: Snapshot, ask: Ask) -> Seconds | None:
    """Return what the first content of a request is held against, None where it has no target."""
    if ask.slo_s is not None:
        return ask.slo_s
    target = snapshot.catalogue.targets.get(ask.target)
    stages = () if target is None else target.stages
    return next((stage.target_s for stage in stages if stage.target_s is not None), None)


def _rewards(record: RequestRecord, snapshot: Snapshot, ask: Ask, limit: Seconds | None) -> dict[str, float]:
    served = record.outcome == "ok"
    row = None if record.served_by is None else snapshot.row(record.served_by)
    late = record.ttft_s is not None and limit is not None and record.ttft_s > limit
    return {
        "cost_usd": record.cost / NANO_PER_USD,
        "slo": float(served and not late),
        "quality": _quality(row, ask) if served else 0.0,
    }


def _repriced(record: RequestRecord, snapshot: Snapshot, ask: Ask, limit: Seconds | None) -> dict[str, float]:
    """Return the same by the prices and qualities of another table, as far as it knows who was asked."""
    spent = 0
    for attempt in record.attempts:
        row = None if attempt.decision.chosen is None else snapshot.row(attempt.decision.chosen)
        known = row is not None and row.spec.price is not None and attempt.usage is not None
        spent += cost(row.spec.price, attempt.usage) if known else attempt.cost  # type: ignore[union-attr]
    return {**_rewards(record, snapshot, ask, limit), "cost_usd": spent / NANO_PER_USD}


def _quality(row: DeploymentView | None, ask: Ask) -> Ratio:
    found = None if row is None else fitness.expected(row, ask)
    return UNKNOWN if found is None else found


def _modelled(
    candidate: Candidate, snapshot: Snapshot, ask: Ask, limit: Seconds | None, *, stream: bool
) -> dict[str, float]:
    """Return what the table predicts of a request at a row. A failed attempt is moved, so that two must fail."""
    row = snapshot.rows[candidate.row]
    failing = row.error_ratio
    served = 1.0 - failing * failing
    in_time = _within(row, ask, limit) * (1.0 - failing) if stream and limit is not None else served
    usd = route.usual_usd(candidate, row, ask)
    return {"cost_usd": usd or 0.0, "slo": in_time, "quality": _quality(row, ask) * served}


def _within(row: DeploymentView, ask: Ask, limit: Seconds) -> Ratio:
    """Return the chance of a first content within ``limit``: log-normal, through the two percentiles that are known."""
    size = size_bucket(ask.input_tokens)
    p95, p99 = row.ttft_p95_s[size] + row.wait_s, row.ttft_p99_s[size] + row.wait_s
    if p95 <= 0 or limit <= 0:
        return 1.0
    spread = max(_NARROW, (math.log(max(p95, p99)) - math.log(p95)) / (_Z99 - _Z95))
    return _NORMAL.cdf((math.log(limit) - math.log(p95)) / spread + _Z95)
