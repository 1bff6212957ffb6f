"""What a router reached on held-out prompts, beside random, length, and what knowing the family would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbd.router.text import Kind
from lbd.train.corpus import Corpus
from lbd.train.cross import Held
from lbd.train.fit import Recipe
from lbd.train.measure import apgr, interval, saving
from lbd.train.tune import slacks

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
FLOOR = 0.95
GATES = (0.0, 0.3, 0.5, 0.7, 0.9, 1.01)  # all are believed, ..., none is


class Line(NamedTuple):
    """One order of one set's prompts."""

    set: str
    by: str
    prompts: int
    apgr: float
    low: float  # 95 % interval
    high: float
    saving: float  # at FLOOR of the strong model's quality, peeking at the curve


class Deployed(NamedTuple):
    """What a floor kept and saved, with slack from other rows than those it is judged on."""

    set: str
    by: str
    kept: float  # share of the strong model's quality
    saved: float  # share of its cost


class Gate(NamedTuple):
    """What picking gives where models are believed from so much likeness on."""

    sure: float
    known: tuple[float, float]  # quality and cost, as shares of the best single model's
    unseen: tuple[float, float]


class Picked(NamedTuple):
    """What picking among all models of a set gave, as shares of the best single model's quality and cost."""

    set: str
    by: str
    best: str
    quality: float
    cost: float


def lines(data: Corpus, verdicts: dict[str, Held]) -> list[Line]:
    """Return the table of orders, set by set."""
    found: list[Line] = []
    lengths = np.array([float(len(row.prompt)) for row in data.rows])
    oracle = _family_means(data)
    for name in data.names:
        here = np.flatnonzero(data.sets == name)
        ways: dict[str, Array] = {"random": np.zeros(len(data.rows)), "length": lengths}
        ways |= {by: held.gain for by, held in verdicts.items()}
        ways["family oracle"] = oracle
        found += [_line(data, name, by, here, score) for by, score in ways.items()]
    return found


def _line(data: Corpus, name: str, by: str, here: Ints, score: Array) -> Line:
    weak, strong = data.weak[here], data.strong[here]
    low, high = interval(score[here], weak, strong)
    saved = saving(score[here], weak, strong, (data.weak_usd[here], data.strong_usd[here]), FLOOR)
    return Line(name, by, len(here), apgr(score[here], weak, strong), low, high, saved)


def _family_means(data: Corpus) -> Array:
    found = np.zeros(len(data.rows))
    for name in data.names:
        for family in sorted(set(data.families[data.sets == name].tolist())):
            here = (data.sets == name) & (data.families == family)
            found[here] = data.gain[here].mean()
    return found


def _halves(data: Corpus) -> NDArray[np.bool_]:
    """Return a half of the rows: every other family of a set, or every other row where there is one family."""
    half = np.zeros(len(data.rows), bool)
    for name in data.names:
        here = np.flatnonzero(data.sets == name)
        families = sorted(set(data.families[here].tolist()))
        half[here] = np.isin(data.families[here], families[::2]) if len(families) > 1 else np.arange(len(here)) % 2 == 0
    return half


def allowed(data: Corpus, helds: Sequence[Held], judged: Held, recipe: Recipe) -> Array:
    """Return the loss that may be taken on each row: slack from the other half's verdicts, less the margin."""
    half = _halves(data)
    found = np.zeros(len(data.rows))
    for side in (half, ~half):
        steps = slacks(data, helds, recipe, ~side)
        for kind in Kind:
            rows = side & (data.kinds == int(kind))
            found[rows] = dict(steps[kind]).get(FLOOR, 0.0)
    return found - recipe.margin * judged.distance


def deployed(data: Corpus, by: str, held: Held, slack: Array) -> list[Deployed]:
    """Return what the floor kept between the pair of each set."""
    found: list[Deployed] = []
    for name in data.names:
        here = data.sets == name
        part = 1 - data.weak_usd[here].mean() / data.strong_usd[here].mean()
        weak = held.loss[here] <= np.maximum(slack[here], 0.0) * part
        quality = np.where(weak, data.weak[here], data.strong[here]).mean() / data.strong[here].mean()
        cost = np.where(weak, data.weak_usd[here], data.strong_usd[here]).sum() / data.strong_usd[here].sum()
        found.append(Deployed(name, by, float(quality), float(1 - cost)))
    return found


def picked(data: Corpus, by: str, held: Held, slack: Array, recipe: Recipe) -> list[Picked]:
    """Return what picking among all models gave, for sets with more than two; as ``router.score`` does it.

    What models are on the whole is told by all of a set, as the best single one is; and, in a second line, only by the
    families that were trained on.
    """
    found: list[Picked] = []
    for name in data.names:
        here = np.flatnonzero(data.sets == name).tolist()
        models = sorted(data.rows[here[0]].quality)
        if len(models) < 3:
            continue
        came, usd, told, means = (
            np.array([[each[m] for m in models] for each in part])
            for part in (
                [data.rows[i].quality for i in here], [data.rows[i].cost_usd for i in here],
                [held.qualities[i] for i in here], [held.means[i] for i in here],
            )
        )  # fmt: skip
        sure = held.likeness[here] >= recipe.sure
        given = np.where(sure | (held.gain[here] <= recipe.easy), np.maximum(slack[here], 0.0), 0.0)
        given *= np.where(sure & (held.likeness[here] <= 1.0), recipe.bold, 1.0)
        best = int(came.mean(0).argmax())
        prices = usd.mean(0)
        every = np.arange(len(here))
        for way, whole in ((by, came.mean(0)), (f"{by}, means of others", means)):
            expected = np.where(sure[:, None], told, whole)
            chosen = (expected - given[:, None] * prices / prices.max()).argmax(1)
            quality, cost = came[every, chosen].mean(), usd[every, chosen].mean()
            share = (float(quality / came[:, best].mean()), float(cost / usd[:, best].mean()))
            found.append(Picked(name, way, models[best], *share))
    return found


def gates(data: Corpus, known: tuple[Held, Array], unseen: tuple[Held, Array], recipe: Recipe) -> list[Gate]:
    """Return what picking gives at other gates than the recipe's, for the first set with more than two models."""
    found: list[Gate] = []
    for sure in GATES:
        other = recipe._replace(sure=sure)
        both = [picked(data, "", held, slack, other)[:1] for held, slack in (known, unseen)]
        found += [Gate(sure, (k.quality, k.cost), (u.quality, u.cost)) for k, u in zip(*both, strict=True)]
    return found
