"""The whole of training: cross-validate, tune, fit on all rows, and say what was reached. Deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lbd.train import cross, figures, tune
from lbd.train.corpus import Corpus, corpus
from lbd.train.cross import Held, Say
from lbd.train.fit import UNTUNED, Recipe, Tuned, fit
from lbd.train.rows import Row, RowError
from lbd.train.vectors import Vectors, best

KNOWN, UNSEEN = "known families", "unseen families"
BARE_KNOWN, BARE_UNSEEN = "known, not leant", "unseen, not leant"
FEWEST = 100  # rows; below, not even a fold's mean is known


class Trained(NamedTuple):
    """Weights, and what was reached on held-out prompts on the way."""

    weights: bytes
    vectors: str
    recipe: Recipe
    data: Corpus
    lines: list[figures.Line]
    deployed: list[figures.Deployed]
    picked: list[figures.Picked]
    gates: list[figures.Gate]


class Validated(NamedTuple):
    """Held-out verdicts, and the tuning that follows from them."""

    known: Held
    unseen: Held
    lines: list[figures.Line]
    deployed: list[figures.Deployed]
    picked: list[figures.Picked]
    gates: list[figures.Gate]


def bare(held: Held) -> Held:
    """Return the verdicts as they were before any leaning."""
    return held._replace(gain=held.plain)


def validate(data: Corpus, say: Say, recipe: Recipe) -> tuple[Validated, Tuned]:
    """Cross-validate both ways: by rows at random and by families left out whole."""
    say("cross-validation by rows, to learn what a predicted gain is worth")
    first = cross.held_out(data, cross.random_folds(data, seed=1), say, recipe=recipe)
    tuned = UNTUNED._replace(slopes=tune.slopes(data, first))
    say("cross-validation by families left out")
    unseen = cross.held_out(data, cross.family_folds(data), say, recipe=recipe, tuned=tuned)
    say("cross-validation by rows")
    known = cross.held_out(data, cross.random_folds(data), say, recipe=recipe, tuned=tuned)
    tuned = tuned._replace(slack=tune.slacks(data, (known, unseen), recipe), spread=tune.spread(data, known, unseen))
    verdicts = {KNOWN: known, UNSEEN: unseen}
    floors: list[figures.Deployed] = []
    picks: list[figures.Picked] = []
    slack = {by: figures.allowed(data, (known, unseen), held, recipe) for by, held in verdicts.items()}
    for by, held in verdicts.items():
        floors += figures.deployed(data, by, held, slack[by])
        picks += figures.picked(data, by, held, slack[by], recipe)
    gates = figures.gates(data, (known, slack[KNOWN]), (unseen, slack[UNSEEN]), recipe)
    lines = figures.lines(data, verdicts | {BARE_KNOWN: bare(known), BARE_UNSEEN: bare(unseen)})
    return Validated(known, unseen, lines, sorted(floors), sorted(picks), gates), tuned


def train(rows: Sequence[Row], say: Say, *, source: Vectors | None = None, recipe: Recipe = Recipe()) -> Trained:  # noqa: B008
    """Train on all rows. Raises RowError where they are too few."""
    if len(rows) < FEWEST:
        raise RowError(f"{len(rows)} rows are too few to learn from and to check it: give at least {FEWEST}")
    source = source or best()
    say(f"{len(rows)} rows; vectors of words: {source.name}")
    data = corpus(rows, source)
    found, tuned = validate(data, say, recipe)
    say("training on all rows")
    weights = fit(data, np.arange(len(rows)), recipe=recipe, tuned=tuned)
    return Trained(weights, source.name, recipe, data, found.lines, found.deployed, found.picked, found.gates)
