"""Cross-validation: by families left out whole, and by rows at random; every held-out prompt is judged by the router.

What is judged is what is shipped: bytes are packed, loaded, and the pure router reads the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbd.router.judge import Router, Verdict
from lbd.train.corpus import Corpus
from lbd.train.fit import UNTUNED, Recipe, Tuned, fit

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
FAMILY_FOLDS = 8
RANDOM_FOLDS = 5
Say = Callable[[str], None]


class Held(NamedTuple):
    """What routers said of prompts that they had not seen; one entry a row of the corpus."""

    gain: Array
    excess: Array
    distance: Array
    loss: Array  # of taking the weak model of the set's pair, predicted
    qualities: list[dict[str, float]]  # of each of the set's models, predicted
    means: list[dict[str, float]]  # of each of these, on the whole of what was trained on
    likeness: Array  # to the nearest family; 2 where no model was seen beside others, and there is nothing to doubt
    plain: Array  # the gain before any leaning


def family_folds(data: Corpus, seed: int = 0, folds: int = FAMILY_FOLDS) -> Iterator[tuple[Ints, Ints]]:
    """Yield training and held-out rows; a family is left out of every set that has it."""
    draw = np.random.Generator(np.random.PCG64(seed))
    fold: dict[str, int] = {}
    for name in sorted(data.names, key=lambda n: (len(set(data.families[data.sets == n].tolist())), n), reverse=True):
        fresh = [f for f in sorted(set(data.families[data.sets == name].tolist())) if f not in fold]
        for i, at in enumerate(draw.permutation(len(fresh))):
            fold[fresh[int(at)]] = i % folds
    each = np.array([fold[f] for f in data.families.tolist()])
    for i in sorted(set(fold.values())):
        yield np.flatnonzero(each != i), np.flatnonzero(each == i)


def random_folds(data: Corpus, seed: int = 0, folds: int = RANDOM_FOLDS) -> Iterator[tuple[Ints, Ints]]:
    """Yield training and held-out rows, drawn at random."""
    each = np.random.Generator(np.random.PCG64(seed)).integers(0, folds, len(data.rows))
    for i in range(folds):
        yield np.flatnonzero(each != i), np.flatnonzero(each == i)


def held_out(
    data: Corpus,
    folds: Iterator[tuple[Ints, Ints]],
    say: Say,
    *,
    recipe: Recipe = Recipe(),  # noqa: B008
    tuned: Tuned = UNTUNED,
) -> Held:
    """Train once a fold and judge what was held out."""
    size = len(data.rows)
    verdicts: dict[int, tuple[Router, Verdict]] = {}
    plain = np.zeros(size)
    for number, (train, test) in enumerate(folds, 1):
        router = Router.from_bytes(fit(data, train, recipe=recipe, tuned=tuned))
        for i in test.tolist():
            verdict = router.verdict(data.readings[i])
            verdicts[i] = (router, verdict)
            plain[i] = router.plain(data.readings[i]) if verdict.leaning else verdict.gain
        say(f"fold {number}: {len(train)} rows trained, {len(test)} judged")
    gain, excess, distance, loss, likeness = (np.zeros(size) for _ in range(5))
    qualities: list[dict[str, float]] = []
    means: list[dict[str, float]] = []
    for i, row in enumerate(data.rows):
        router, verdict = verdicts[i]
        gain[i], excess[i], distance[i] = verdict.gain, verdict.excess, verdict.distance
        likeness[i] = verdict.likeness if verdict.levels else 2.0
        qualities.append({m: router.quality(verdict, m)[0] for m in sorted(row.quality)})
        means.append({m: router.mean(m) for m in sorted(row.quality)})
        pair = data.pairs[row.set]
        loss[i] = qualities[-1][pair.strong] - qualities[-1][pair.weak]
    return Held(gain, excess, distance, loss, qualities, means, likeness, plain)
