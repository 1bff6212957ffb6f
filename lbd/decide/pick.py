"""Pick one candidate of a ranking, from given draws and live inputs.

The first candidate is drawn by weight; then live load decides. Up to ``COMPARE_ALL`` candidates are all
compared, since one process knows its own in-flight counts exactly; of more, the first and one other draw are
(best of two), which needs no scan and never herds on a count that is some milliseconds old. At equal load
the draw stands, so an idle fleet is shared in proportion to the weights, and an idle row always beats an
equal busy one.

A session or long prompt has a home among the candidates (rendezvous hashing). It goes there while the home's
score is within the affinity bonus of the best and its load is within ``HOME_LOAD`` of the average.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import TypeAlias

from lbd.decide.terms.affinity import preference
from lbd.model.plan import DRAW, Candidate, Choice, Live, Query, RankedStage, Ranking, Seed, draw
from lbd.model.units import DeploymentId, Draw, Ratio, Seconds

COMPARE_ALL = 4
EXPLORE: Ratio = 0.01  # share of requests that refresh a stale estimate, where a fallback exists
_EXPLORE = int(EXPLORE * DRAW)
HOME_LOAD = 1.25
# A fresh single failure weighs as much as this many requests in flight.
PENALTY_LOAD = 4.0
# How much worse a score may be for a lighter load to outweigh it: a row that is plainly worse does not win
# just because nobody uses it.
YIELD: Ratio = 0.1

SHORTEST = 1e-3  # seconds; a peak below it is noise

LiveReader: TypeAlias = Callable[[int], Live]


def choose(ranking: Ranking, query: Query, seed: Seed, live: LiveReader) -> Choice | None:
    """Return the choice, None when nothing is left."""
    if ranking.only is not None and not query.out and query.model is None and query.larger_than is None:
        return ranking.only
    stages, count = ranking.stages, ranking.count
    if query.out or query.model is not None or query.larger_than is not None:
        stages = tuple(s for s in (_restricted(s, query) for s in stages) if s is not None)
        count = sum(len(s.candidates) for s in stages)
    if not stages:
        return None
    if seed & 0xFFFF < _EXPLORE and count > 1:
        stale = _stale(stages[0])
        if stale is not None:
            return Choice(stale, stages[0].name, stages[0].manner, "explore", (), count - 1)
    stage = stages[0]
    if stage.standing < 1.0 or stage.manner != "normal":
        stage = _stage(stages, draw(seed, 1))
    if len(stage.candidates) == 1:
        return Choice(stage.candidates[0], stage.name, stage.manner, "only", (), count - 1)
    return _within(stage, seed, live, query.affinity, ranking.affinity_bonus, count - 1)


def chances(ranking: Ranking, query: Query, live: LiveReader) -> dict[DeploymentId, Ratio]:
    """Return each candidate's chance to be chosen, over all seeds; empty where nobody is left.

    Exact: a choice is the same for all seeds between two bounds, so one is made in each part, and counts for the number
    of seeds in it. ``live`` must know every candidate, since every one may be read.
    """
    sure = choose(ranking, query, DRAW - 1, live)
    if sure is None:
        return {}
    stages = tuple(s for s in (_restricted(s, query) for s in ranking.stages) if s is not None)
    out: dict[DeploymentId, Ratio] = {}
    rest = 1.0
    stale = choose(ranking, query, 0, live)
    if stale is not None and stale.reason == "explore":
        out[stale.candidate.id] = _EXPLORE / DRAW
        rest -= _EXPLORE / DRAW
    for stage, share in _stage_chances(stages):
        for id_, chance in _chances_within(stage, live, query.affinity, ranking.affinity_bonus):
            out[id_] = out.get(id_, 0.0) + rest * share * chance
    return out


def _stage_chances(stages: Sequence[RankedStage]) -> Iterator[tuple[RankedStage, Ratio]]:
    if stages[0].standing >= 1.0 and stages[0].manner == "normal":
        yield stages[0], 1.0
        return
    edges, rest = [0.0], 1.0
    for stage in stages:
        if stage.manner != "normal" or rest <= 0:
            break
        edges.append(edges[-1] + rest * stage.standing)
        rest *= 1 - stage.standing
    for number, share in _parts([*edges[1:], 1.0]):
        yield _stage(stages, number / DRAW), share


def _chances_within(
    stage: RankedStage, live: LiveReader, affinity: int, bonus: Ratio
) -> Iterator[tuple[DeploymentId, Ratio]]:
    candidates = stage.candidates
    if len(candidates) == 1:
        yield candidates[0].id, 1.0
        return
    at_home = _within(stage, 0, live, affinity, bonus, 0)
    if at_home.reason == "affinity":
        yield at_home.candidate.id, 1.0
        return
    others = len(candidates) - 1
    rivals = [(0, 1.0)] if others < COMPARE_ALL else list(_parts([(n + 1) / others for n in range(others)]))
    total = stage.cumulative[-1]
    for first, share in _parts([cum / total for cum in stage.cumulative] if total > 0 else [1.0]):
        for other, part in rivals:
            found = _within(stage, first << 32 | other << 48, live, affinity, bonus, 0)
            yield found.candidate.id, share * part


def _parts(bounds: Iterable[Ratio]) -> Iterator[tuple[int, Ratio]]:
    """Yield the first draw in each part of [0, 1) that ends at one of ``bounds``, and its share of all draws."""
    before = 0
    for bound in bounds:
        after = min(DRAW, max(before, ceil(bound * DRAW)))
        if after > before:
            yield before, (after - before) / DRAW
        before = after
    if before < DRAW:  # the last bound, short of 1 by rounding
        yield before, (DRAW - before) / DRAW


def left(ranking: Ranking, query: Query, *, trials: bool = True) -> int:
    """Count the candidates that a pick with this query could choose from."""
    return sum(1 for _ in remaining(ranking, query, trials=trials))


def remaining(ranking: Ranking, query: Query, *, trials: bool = True) -> Iterator[Candidate]:
    """Yield those candidates; without ``trials`` only those that are not tried as a last resort."""
    for stage in ranking.stages:
        restricted = _restricted(stage, query) if trials or stage.manner != "trial" else None
        if restricted is not None:
            yield from restricted.candidates


def following_s(ranking: Ranking, tried: Container[DeploymentId]) -> Seconds:
    """Return how soon whoever comes after those that were tried is held to begin, 0 where nobody is left."""
    for stage in ranking.stages:
        told = [c.predicted_s for c in stage.candidates if c.id not in tried]
        if told:
            return max(told)
    return 0.0


def _restricted(stage: RankedStage, query: Query) -> RankedStage | None:
    kept: list[Candidate] = []
    cumulative: list[float] = []
    before = acc = 0.0
    for c, cum in zip(stage.candidates, stage.cumulative, strict=True):
        weight, before = cum - before, cum
        if c.id in query.out:
            continue
        if query.model is not None and (c.model != query.model or stage.manner == "trial"):
            continue
        if query.larger_than is not None and c.context is not None and c.context <= query.larger_than:
            continue
        acc += weight
        kept.append(c)
        cumulative.append(acc)
    if not kept:
        return None
    standing = max(c.standing for c in kept) if stage.steered else 1.0
    return RankedStage(stage.name, stage.manner, tuple(kept), tuple(cumulative), standing, stage.steered)


def _stale(stage: RankedStage) -> Candidate | None:
    """Return a candidate whose estimate rests on the prior, or that has lost its standing."""
    if stage.manner != "normal":
        return None
    return next((c for c in stage.candidates if not c.fresh or c.standing < 1.0), None)


def _stage(stages: Sequence[RankedStage], drawn: Draw) -> RankedStage:
    """Return the best stage that is held to meet its target.

    A tier's standing is the share that it still gets of the requests that come to it. When no tier passes, the one
    that is predicted to answer soonest takes the request.
    """
    for stage in stages:
        if stage.manner != "normal":
            break
        if drawn < stage.standing:
            return stage
        drawn = (drawn - stage.standing) / (1 - stage.standing)  # a fresh draw for the next one
    normal = [s for s in stages if s.manner == "normal"]
    if normal:
        return min(normal, key=lambda s: min(c.predicted_s for c in s.candidates))
    return stages[0]


def _within(stage: RankedStage, seed: Seed, live: LiveReader, affinity: int, bonus: Ratio, others: int) -> Choice:
    candidates = stage.candidates
    count = len(candidates)
    at = min(bisect_right(stage.cumulative, (seed >> 32 & 0xFFFF) / DRAW * stage.cumulative[-1]), count - 1)
    first = candidates[at]
    seen: dict[int, Live] = {}
    if affinity and bonus > 0:
        home = _home(candidates, affinity, bonus)
        seen = {c.row: live(c.row) for c in candidates}
        if _bearable(seen[home.row], seen):
            return Choice(home, stage.name, stage.manner, "affinity", tuple(seen.items()), others)
        live = dict(seen).__getitem__  # each is read once: what was seen is what is recorded
    if count <= COMPARE_ALL:
        rivals, reason = [c for c in candidates if c is not first], "least_loaded"
    else:
        other = (seed >> 48 & 0xFFFF) * (count - 1) // DRAW
        rivals, reason = [candidates[other if other < at else other + 1]], "best_of_two"
    now = live(first.row)
    seen[first.row] = now
    best, least = first, _load(now, first.weight)
    for c in rivals:
        now = live(c.row)
        seen[c.row] = now
        load = _load(now, c.weight)
        if load < least and _comparable(c, first, stage):
            best, least = c, load
    why = "weighted" if best is first else reason
    return Choice(best, stage.name, stage.manner, why, tuple(seen.items()), others)


def _comparable(c: Candidate, first: Candidate, stage: RankedStage) -> bool:
    return stage.candidates[0].score - c.score <= YIELD or c.score >= first.score


def _load(now: Live, weight: float) -> float:
    """Return the live load that decides between two: requests in flight by how long they take, per weight."""
    inflight = now.inflight + PENALTY_LOAD * now.penalty
    if not inflight:
        return 0.0
    slow = now.peak_s if now.peak_s > SHORTEST else SHORTEST
    return inflight * slow / (weight if weight > 0 else 1e-6)


def _home(candidates: Sequence[Candidate], key: int, bonus: Ratio) -> Candidate:
    best = candidates[0].score
    near = [c for c in candidates if best - c.score <= bonus]
    return max(near, key=lambda c: preference(key, c.id))


def _bearable(mine: Live, inputs: Mapping[int, Live]) -> bool:
    mean = sum(now.inflight for now in inputs.values()) / len(inputs)
    return mine.inflight < mine.capacity and mine.penalty == 0 and mine.inflight <= HOME_LOAD * mean + 1
