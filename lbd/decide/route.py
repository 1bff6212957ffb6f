"""Filter and score: from a snapshot and an Ask to a Ranking.

A ranking holds the stages in which candidates are tried: the target's own stages (tiers, or a rule's
groups), then what missed only a predicted latency, then suspects, then what stands out from its peers, then
open breakers for one last-resort trial. Background work has one stage per price level, cheapest first. Being
a pure function of (snapshot, ask), a ranking is remembered per generation by whoever calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, inf
from operator import attrgetter, itemgetter

from lbd.decide import eligible, fitness
from lbd.decide.experiment import under
from lbd.decide.terms import Predicted, Term
from lbd.model.plan import Candidate, Choice, Excluded, RankedStage, Ranking, Stage, Target
from lbd.model.request import Ask, Urgency
from lbd.model.table import DeploymentView, Snapshot, size_bucket
from lbd.model.units import Ratio, Seconds
from lbd.state import outlier
from lbd.state.hedge import due

# Weight of a candidate in the draw is exp(SHARPNESS * (score - best)): a tenth of a point less takes about a
# third of the share, three tenths a twentieth.
SHARPNESS = 10.0
# A row that has lost its standing still gets a trickle when its whole tier is chosen, so that it is measured.
LEAST_STANDING = 0.05
_score = attrgetter("score")
LAST_RESORT = "breaker_open"
ALIKE = 1.1  # times as long: no reason to prefer one to the other
ALIKE_COST = 1.02  # times as dear, likewise: twins that fail now and then share what comes
_first = itemgetter(0)


def rank(snapshot: Snapshot, ask: Ask, terms: Mapping[str, Term]) -> Ranking:
    """Return the ranking of ``ask``. Every deployment of its target is in a stage or excluded with a reason."""
    snapshot = under(snapshot, ask.variant)
    target = snapshot.catalogue.targets.get(ask.target)
    if target is None:  # a reload took the name away while the request was under way
        return Ranking(snapshot.generation, ask, (), ())
    sorting = _Sorting(snapshot, ask, target, terms)
    for stage in target.stages:
        for i in stage.rows:
            sorting.take(stage, i)
    out, staged, ejected = sorting.out, sorting.staged, sorting.ejected
    eligible_count = sum(len(chosen) for chosen in staged.values())
    obey = outlier.obeyed(eligible_count, len(ejected))
    if ejected and obey:
        for stage, candidate in ejected:
            staged[stage.name].remove(candidate)
            text = snapshot.rows[candidate.row].reason.text
            out.append(Excluded(candidate.row, candidate.id, "ejected", text, soft=True))
    if ask.urgency is Urgency.BACKGROUND:
        normal = _by_cost([c for chosen in staged.values() for c in chosen], snapshot.rows, ask)
    else:
        normal = _cheapest(sorting, ask) if ask.quality_share > 0 else []
        taken = {c.row for stage in normal for c in stage.candidates}
        tiers = {name: [c for c in chosen if c.row not in taken] for name, chosen in staged.items()}
        normal += [ranked(name, "normal", chosen) for name, chosen in tiers.items() if chosen]
    late = _alike(sorting.late, lambda c: c.predicted_s if ask.stream else c.total_s)
    # the better tier or group first, in it the better score; where a row stands in the configuration is no reason
    suspects, trials = sorted(sorting.suspects, key=_place), sorted(sorting.trials, key=_place)
    outliers = sorted(((target.stages.index(s), c) for s, c in ejected), key=_place) if obey else ()
    stages = [
        *normal,
        *(ranked("closest", "slo_missed", members, steered=False) for members in late),
        *(ranked("suspect", "suspect", [c], steered=False) for _, c in suspects),
        *(ranked("ejected", "ejected", [c], steered=False) for _, c in outliers),
        *(ranked("last resort", "trial", [c], steered=False) for _, c in trials),
    ]
    bonus = dict(snapshot.scorer.weights).get("affinity", 0.0) / sorting.total
    panic = bool(ejected) and not obey
    only = None
    count = sum(len(s.candidates) for s in stages)
    if len(stages) == 1 and len(stages[0].candidates) == 1:
        only = Choice(stages[0].candidates[0], stages[0].name, stages[0].manner, "only")
    return Ranking(snapshot.generation, ask, tuple(stages), tuple(out), bonus, panic, only, count)


def _alike(candidates: Iterable[Candidate], seconds: Callable[[Candidate], Seconds]) -> list[list[Candidate]]:
    """Return them from the soonest on, those together that differ by little: replicas share what comes."""
    groups: list[list[Candidate]] = []
    for c in sorted(candidates, key=seconds):
        if groups and seconds(c) <= seconds(groups[-1][0]) * ALIKE:
            groups[-1].append(c)
        else:
            groups.append([c])
    return groups


def _place(placed: tuple[int, Candidate]) -> tuple[int, Ratio]:
    return placed[0], -placed[1].score


class _Sorting:
    """Puts each row of a target where it belongs: excluded, or a candidate of some manner."""

    def __init__(self, snapshot: Snapshot, ask: Ask, target: Target, terms: Mapping[str, Term]) -> None:
        self.rows = snapshot.rows
        self._ask = ask
        self._target = target
        self._size = size_bucket(ask.input_tokens)
        self._bounded = eligible.bounded(ask, target)
        self._within_s = ask.first_content_s if ask.slo_s is None else min(ask.slo_s, ask.first_content_s)
        scorer = snapshot.scorer
        weights = scorer.peak if ask.peak and scorer.peak else scorer.weights
        self._weights = [(terms[name], weight) for name, weight in weights]
        self.total = sum(weight for _, weight in self._weights) or 1.0
        self.staged: dict[str, list[Candidate]] = {stage.name: [] for stage in target.stages}
        self.late: list[Candidate] = []
        self.suspects: list[tuple[int, Candidate]] = []  # with the place of their stage
        self.trials: list[tuple[int, Candidate]] = []
        self.ejected: list[tuple[Stage, Candidate]] = []
        self.out: list[Excluded] = []

    def take(self, stage: Stage, i: int) -> None:
        """Sort in row ``i``."""
        row = self.rows[i]
        predicted = eligible.predict(row, self._ask, self._size, stage.target_s)
        no = None
        if self._bounded or not eligible.plainly(row, self._ask, predicted, self._within_s):
            no = eligible.excluded(i, row, self._ask, self._target, predicted)
        if no is not None:
            self.out.append(no)
            if no.reason == LAST_RESORT:
                self.trials.append((self._target.stages.index(stage), self._candidate(i, stage, predicted)))
            if not no.soft:
                return
        candidate = self._candidate(i, stage, predicted)
        if row.suspect:  # late or not: being late as well is no recommendation
            self.suspects.append((self._target.stages.index(stage), candidate))
            return
        if no is not None:
            self.late.append(candidate)
            return
        if row.ejected:
            self.ejected.append((stage, candidate))
        self.staged[stage.name].append(candidate)

    def _candidate(self, i: int, stage: Stage, predicted: Predicted) -> Candidate:
        row = self.rows[i]
        spec = row.spec
        size, ask = self._size, self._ask
        values = []
        score = 0.0
        for term, weight in self._weights:
            value = term(ask, row, predicted)
            values.append(value)
            score += value * weight
        slow = 2 * (row.ttft_p99_s[size] + row.wait_s)
        target = row.tier_target_s
        wanted = target if ask.slo_s is None else ask.slo_s
        return Candidate(
            i,
            spec.id,
            spec.model,
            tuple(values),
            score / self.total,
            row.weight,
            row.standing[size] if stage.target_s is not None else 1.0,
            predicted.ttft_s,
            predicted.total_s,
            slow,
            slow if slow > target else target,
            predicted.usd,
            row.fresh[size],
            spec.context_tokens,
            wanted,
            due(predicted.ttft_s, slow / 2, wanted) if row.fresh[size] else inf,
        )


def ranked(name: str, manner: str, candidates: Iterable[Candidate], *, steered: bool = True) -> RankedStage:
    """Return a stage: candidates by score (ties in the table's order) and their cumulative weights in the draw.

    ``steered``: their standing against the tier's target counts.
    """
    ordered = sorted(candidates, key=_score, reverse=True)
    best = ordered[0].score
    highest = 0.0 if steered else 1.0
    cumulative: list[float] = []
    acc = 0.0
    for c in ordered:
        weight = c.weight * exp(SHARPNESS * (c.score - best))
        if steered:
            standing = c.standing
            if standing > highest:
                highest = standing
            weight *= standing if standing > LEAST_STANDING else LEAST_STANDING
        acc += weight
        cumulative.append(acc)
    return RankedStage(name, manner, tuple(ordered), tuple(cumulative), highest, steered)


def _cheapest(sorting: _Sorting, ask: Ask) -> list[RankedStage]:
    """Return those that are held to do well enough, by price: at least a share of what the best is expected to do.

    Nothing is known of some: they stay where their tier is.
    """
    rows = sorting.rows
    every = [c for chosen in sorting.staged.values() for c in chosen]
    best = max((q for c in every if (q := fitness.expected(rows[c.row], ask)) is not None), default=None)
    if best is None:
        return []
    enough = best * ask.quality_share
    good = [c for c in every if (q := fitness.least(rows[c.row], ask)) is not None and q >= enough]
    return _by_cost(good, rows, ask)


def usual_usd(candidate: Candidate, row: DeploymentView, ask: Ask) -> float | None:
    """Return what a request usually costs there: as much of its input comes from the provider's cache as usual.

    Bounds are held against the whole price (``candidate.usd``): nobody has promised a place in a cache.
    """
    usd, price = candidate.usd, row.spec.price
    if usd is None or price is None or price.cached_input_usd_per_mtok is None or not row.cached_share:
        return usd
    less = price.input_usd_per_mtok - price.cached_input_usd_per_mtok
    return max(0.0, usd - ask.input_tokens * row.cached_share * less / 1e6)


def _by_cost(candidates: Sequence[Candidate], rows: Sequence[DeploymentView], ask: Ask) -> list[RankedStage]:
    """Return stages of like expected cost, cheapest first; what has no known price comes last.

    Expected is ``usd + p x others``: with the chance ``p`` of a failed attempt a request costs once more, at the
    cheapest of the others.
    """
    usual = [(usual_usd(c, rows[c.row], ask), c) for c in candidates]
    known = sorted(usd for usd, _ in usual if usd is not None)
    priced = []
    for usd, c in usual:
        others = 0.0 if not known else known[1] if usd == known[0] and len(known) > 1 else known[0]
        priced.append((inf if usd is None else usd + rows[c.row].error_ratio * others, c))
    priced.sort(key=_first)
    out: list[RankedStage] = []
    level: list[Candidate] = []
    least = inf
    for usd, c in priced:
        if level and usd > least * ALIKE_COST:
            out.append(_level(least, level))
            level = []
        if not level:
            least = usd
        level.append(c)
    return [*out, _level(least, level)] if level else out


def _level(usd: float, members: list[Candidate]) -> RankedStage:
    # the price was the reason; a tier's target is no promise to background work
    name = "price unknown" if usd == inf else f"{usd:.6f} USD"
    return ranked(name, "normal", members, steered=False)
