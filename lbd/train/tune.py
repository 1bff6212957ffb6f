"""What only held-out verdicts can tell: what a predicted gain is worth, and how much loss a floor allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lbd.router.text import Kind
from lbd.train.corpus import Corpus
from lbd.train.cross import Held
from lbd.train.fit import Recipe

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Slack = list[tuple[float, float]]
FLOORS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 1.0)
# a floor is aimed at with so much to spare, as a share of the strong model's quality: about the standard error of
# what was kept on a thousand prompts
SPARE = 0.011
FEW = 20


def slopes(data: Corpus, held: Held) -> dict[Kind, float]:
    """Return for each kind how much gain one unit of predicted excess was worth."""
    return {kind: _slope(data, held, np.flatnonzero(data.kinds == int(kind))) for kind in Kind}


def slacks(
    data: Corpus, helds: Sequence[Held], recipe: Recipe, among: NDArray[np.bool_] | None = None
) -> dict[Kind, Slack]:
    """Return for each kind the loss that may be taken at each floor, so that it is kept in all of ``helds``.

    ``among``: some of the rows, or all. A kind that no set has more than ``FEW`` prompts of gets none: there only the
    best model keeps a floor.
    """
    mask = np.ones(len(data.rows), bool) if among is None else among
    found: dict[Kind, Slack] = {}
    for kind in Kind:
        rows = _largest(data, np.flatnonzero(mask & (data.kinds == int(kind))))
        if len(rows) <= FEW:
            found[kind] = [(1.0, 0.0)]
            continue
        steps = [dict(_slack(data, held, rows, recipe)) for held in helds]
        found[kind] = [(floor, min(step[floor] for step in steps)) for floor in FLOORS]
    return found


def spread(data: Corpus, known: Held, unseen: Held) -> tuple[float, float]:
    """Return the standard deviation of a predicted quality at distance 0, and what distance 1 adds."""
    near, far = _error(data, known), _error(data, unseen)
    step = max(0.05, float(unseen.distance.mean() - known.distance.mean()))
    return near, max(0.0, (far - near) / step)


def _slope(data: Corpus, held: Held, rows: Ints) -> float:
    """Return how much gain one unit of predicted excess was worth, by least squares within sets; 0.5 to 1.5."""
    top = bottom = 0.0
    for name in data.names:
        here = rows[data.sets[rows] == name]
        if len(here) > 1:
            x = held.plain[here] - held.plain[here].mean()
            top += float(x @ (data.gain[here] - data.gain[here].mean()))
            bottom += float(x @ x)
    return min(1.5, max(0.5, top / bottom)) if bottom else 1.0


def _largest(data: Corpus, rows: Ints) -> Ints:
    """Return the rows of the set that has most of them: slack is calibrated on one pair of models."""
    counts = {name: int((data.sets[rows] == name).sum()) for name in data.names}
    most = max(counts, key=lambda n: (counts[n], n))
    return np.asarray(rows[data.sets[rows] == most])


def _slack(data: Corpus, held: Held, rows: Ints, recipe: Recipe) -> Slack:
    # what is lost for the part of the strong model's price that the weak one saves
    part = 1.0 - float(data.weak_usd[rows].mean() / data.strong_usd[rows].mean())
    asked = held.loss[rows] / part + recipe.margin * held.distance[rows]
    order = np.argsort(asked, kind="stable")
    lost = np.concatenate(([0.0], np.cumsum(data.gain[rows][order]))) / len(rows)
    strong = float(data.strong[rows].mean())
    # prompts that ask for the same go together, or not at all
    whole = np.concatenate(([True], asked[order][1:] > asked[order][:-1], [True]))
    found: Slack = []
    for floor in FLOORS:
        aim = min(1.0, floor + SPARE)
        good = np.flatnonzero(whole & (strong - lost >= aim * strong - 1e-12))
        last = int(good[-1])
        found.append((floor, float(asked[order[last - 1]]) if last else float(asked.min()) - 1.0))
    return found


def _error(data: Corpus, held: Held) -> float:
    """Return the root mean square error of the predicted mean quality of a model on a family."""
    errors: list[float] = []
    for name in data.names:
        here = np.flatnonzero(data.sets == name)
        for family in sorted(set(data.families[here].tolist())):
            rows = here[data.families[here] == family]
            for model in sorted(data.rows[rows[0]].quality):
                told = np.mean([held.qualities[i][model] for i in rows])
                came = np.mean([data.rows[i].quality[model] for i in rows])
                errors.append(float(told - came))
    return float(np.sqrt(np.mean(np.square(errors))))
