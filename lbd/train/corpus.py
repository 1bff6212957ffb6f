"""Training rows as arrays: what was read of each prompt, what each model made of it, and the targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbd.router.text import SLOTS, Kind, Reading, read
from lbd.router.weights import LANES
from lbd.train.places import Space, space
from lbd.train.ridge import Hashed
from lbd.train.rows import Row, RowError
from lbd.train.vectors import Vectors

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class Pair(NamedTuple):
    """The two models of a set that its gain lies between."""

    weak: str
    strong: str


class Corpus(NamedTuple):
    """All rows; arrays have one entry a row. ``points`` are unit vectors in ``space``."""

    rows: Sequence[Row]
    readings: Sequence[Reading]
    sets: NDArray[np.str_]
    families: NDArray[np.str_]
    kinds: Ints
    measures: Array
    hashed: Hashed
    single: Hashed  # words alone, in as many slots as the lanes have
    space: Space
    points: Array
    pairs: dict[str, Pair]
    weak: Array
    strong: Array
    weak_usd: Array
    strong_usd: Array

    @property
    def gain(self) -> Array:
        """Return the quality of the strong model minus that of the weak one."""
        return self.strong - self.weak

    @property
    def names(self) -> list[str]:
        """Return the names of the sets."""
        return sorted(self.pairs)


def pair(rows: Sequence[Row]) -> Pair:
    """Return the cheapest model of a set, and the best one of those that cost more. Raises RowError."""
    models = sorted(rows[0].quality)
    usd = {m: sum(r.cost_usd[m] for r in rows) / len(rows) for m in models}
    quality = {m: sum(r.quality[m] for r in rows) / len(rows) for m in models}
    weak = min(models, key=lambda m: (usd[m], -quality[m]))
    dearer = [m for m in models if usd[m] > usd[weak]]
    if not dearer:
        raise RowError(f"set {rows[0].set!r}: all models cost the same: nothing can be saved, leave the set out")
    return Pair(weak, max(dearer, key=lambda m: (quality[m], -usd[m])))


def corpus(rows: Sequence[Row], source: Vectors) -> Corpus:
    """Read all prompts and return them as arrays."""
    readings = [read(row.prompt) for row in rows]
    sets = np.array([row.set for row in rows])
    pairs = {name: pair([r for r in rows if r.set == name]) for name in sorted(set(sets.tolist()))}
    texts = [{r.codes[t]: t for t in r.codes if t.isalpha()} for r in readings]
    found = space(source, texts, sets.tolist())
    weak = np.array([r.quality[pairs[r.set].weak] for r in rows])
    strong = np.array([r.quality[pairs[r.set].strong] for r in rows])
    return Corpus(
        rows=rows,
        readings=readings,
        sets=sets,
        families=np.array([row.family for row in rows]),
        kinds=np.array([int(r.kind) for r in readings]),
        measures=np.array([r.measures for r in readings]),
        hashed=Hashed([r.slots for r in readings], SLOTS),
        single=Hashed([{word & LANES - 1 for word in r.words} for r in readings], LANES),
        space=found,
        points=found.points([sorted(r.words) for r in readings]),
        pairs=pairs,
        weak=weak,
        strong=strong,
        weak_usd=np.array([r.cost_usd[pairs[r.set].weak] for r in rows]),
        strong_usd=np.array([r.cost_usd[pairs[r.set].strong] for r in rows]),
    )


def targets(data: Corpus, chosen: Ints) -> Array:
    """Return for each row the gain, centred per set by the chosen rows; others may not be used.

    Format gives a set away, and what a model spends on telling sets apart it does not have for prompts. A set whose
    families another, broader set has too is put at the level that they have there.
    """
    y = data.gain.copy()
    mask = np.zeros(len(y), bool)
    mask[chosen] = True
    broad = {name: len(set(data.families[mask & (data.sets == name)].tolist())) for name in data.names}
    for name in sorted(data.names, key=lambda n: (-broad[n], n)):
        here = data.sets == name
        if not (mask & here).any():
            continue
        y[here] -= y[mask & here].mean()
        y[here] += _level(data, y, mask, (name, broad))
    return y


def _level(data: Corpus, y: Array, mask: NDArray[np.bool_], of: tuple[str, dict[str, int]]) -> float:
    name, broad = of
    broader = [other for other in data.names if broad[other] > broad[name]]
    there = mask & np.isin(data.sets, broader)
    here = mask & (data.sets == name)
    total = 0.0
    for family in sorted(set(data.families[here].tolist())):
        same = there & (data.families == family)
        if same.any():
            total += float(y[same].mean()) * float((here & (data.families == family)).sum())
    return total / float(here.sum())


def balanced(data: Corpus, chosen: Ints) -> Array:
    """Return a weight for each chosen row, so that every family counts the same; their mean is 1."""
    names, inverse, counts = np.unique(data.families[chosen], return_inverse=True, return_counts=True)
    return np.asarray(len(chosen) / len(names) / counts[inverse])


def of_kind(data: Corpus, chosen: Ints, *kinds: Kind) -> Ints:
    """Return the chosen rows of these kinds."""
    return chosen[np.isin(data.kinds[chosen], [int(kind) for kind in kinds])]
