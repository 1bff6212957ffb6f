"""From rows to the bytes of a weight file: forests, word tables and places for each kind of prompt."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbd.router.cues import FORESTED, NAMES
from lbd.router.judge import Router
from lbd.router.text import SLOTS, Kind
from lbd.router.trees import empty
from lbd.router.weights import LANES, pack
from lbd.train import boost, coarse, line, places
from lbd.train.corpus import Corpus, balanced, of_kind, targets

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST_SPREAD = 0.15  # of the log of a family's words
STEPS = 100  # of the ranks
RANKED = 600  # prompts of a set at most that the ranks are told from
FREE = (Kind.OPEN, Kind.SUMS)
MOST_FAMILIES = 12  # each costs about two microseconds a verdict


class Recipe(NamedTuple):
    """What was chosen by cross-validation that leaves families out; see the card for what it reached.

    ``shares``: what forest, words and places weigh in each kind. Trees on counts carry over between families of
    listed questions and mislead between those of open ones, which only differ in what they are about.
    """

    shares: tuple[tuple[Kind, tuple[float, float, float]], ...] = (
        (Kind.OPEN, (0.0, 0.3, 1.0)),
        (Kind.LISTED, (1.0, 0.5, 0.25)),
        (Kind.SUMS, (0.0, 0.0, 0.85)),
    )
    seeds: tuple[int, ...] = (0, 1)
    word_penalty: float = 4.0
    lane_penalty: float = 1.0
    place_penalty: float = 1.0
    place_share: float = 0.75  # of the points in telling families apart; the words have the rest
    sharpness: float = 12.0
    free_points: int = 40
    listed_points: int = 20
    sure: float = 0.5  # likeness from which on what each model did in a family is believed
    easy: float = 0.08  # gain up to which a cheaper model may answer where it is not
    bold: float = 1.5  # of the slack, which unseen families too must bear, where it is believed
    distrust: float = 0.3  # predictions at distance 1 are this much nearer to the mean
    margin: float = 0.2  # quality: added to a predicted loss at distance 1
    near: float = 0.3  # quantile of the training prompts' similarity to their nearest place: distance 0 from there
    far: float = 0.35  # cosine below it: distance 1


class Tuned(NamedTuple):
    """What only cross-validation can tell: slopes and slacks a kind, the spread of predicted qualities."""

    slopes: dict[Kind, float]
    slack: dict[Kind, list[tuple[float, float]]]
    spread: tuple[float, float]


UNTUNED = Tuned(dict.fromkeys(Kind, 1.0), {kind: [(1.0, 0.0)] for kind in Kind}, (0.2, 0.2))


def fit(data: Corpus, chosen: Ints, *, recipe: Recipe = Recipe(), tuned: Tuned = UNTUNED) -> bytes:  # noqa: B008
    """Return weights trained on the chosen rows."""
    y = targets(data, chosen)
    arrays: dict[str, array[Any]] = {
        "words": array("I", data.space.codes.tolist()),
        "vectors": array("b", data.space.vectors.ravel().tolist()),
    }
    parts: dict[str, Any] = {}
    for kind, shares in recipe.shares:
        said, held = _part(data, chosen, y, kind, shares, recipe)
        said["shares"] = [share * tuned.slopes[kind] for share in shares]
        said["slack"] = [list(step) for step in tuned.slack[kind]]
        parts[kind.name.lower()] = said
        arrays |= {f"{kind.name.lower()}.{name}": values for name, values in held.items()}
    around: dict[str, Any] = {}
    for name, kinds, count in (("free", FREE, recipe.free_points), ("listed", (Kind.LISTED,), recipe.listed_points)):
        said, held = _around(data, of_kind(data, chosen, *kinds), y, count, recipe)
        around[name] = said
        arrays |= {f"{name}.{key}": values for key, values in held.items()}
    pairs = [data.pairs[name] for name in data.names]
    head = {
        "measures": list(NAMES),
        "slots": SLOTS,
        "dims": data.space.vectors.shape[1],
        "width": places.WIDTH,
        "sharpness": recipe.sharpness,
        "parts": parts,
        "places": around,
        "ranks": [0.0, 1.0],
        "means": _means(data, chosen),
        "weak": sorted({p.weak for p in pairs}),
        "strong": sorted({p.strong for p in pairs}),
        "sure": recipe.sure,
        "easy": recipe.easy,
        "bold": recipe.bold,
        "distrust": recipe.distrust,
        "margin": recipe.margin,
        "spread": list(tuned.spread),
    }
    head["ranks"] = _ranks(data, chosen, Router.from_bytes(pack(head, arrays)))
    return pack(head, arrays)


def _part(
    data: Corpus, chosen: Ints, y: Array, kind: Kind, shares: tuple[float, float, float], recipe: Recipe
) -> tuple[dict[str, Any], dict[str, array[Any]]]:
    # what is known of open prompts is too little to leave the sums out
    rows = of_kind(data, chosen, *(FREE if kind is Kind.OPEN else (kind,)))
    weight = balanced(data, rows) if kind is Kind.OPEN else np.ones(len(rows))
    slope: list[tuple[int, float]] = []
    base = 0.0
    if kind is Kind.SUMS:  # the places tell the level of families; the line tells the prompts of a family apart
        y = y.copy()
        for family in sorted(set(data.families[rows].tolist())):
            here = rows[data.families[rows] == family]
            y[here] -= y[here].mean()
        slope = line.fit(data.measures[rows], y[rows])
        middle = line.middle(data.measures[rows])
        base = -sum(middle[at] * number for at, number in slope)
    held: dict[str, array[Any]] = {"table": array("b", bytes(SLOTS))}
    scale = 1.0
    if len(rows) and shares[1]:
        numbers = data.hashed.fit(rows, y[rows], weight, recipe.word_penalty)
        limit = float(np.abs(numbers).max()) or 1.0
        scale = limit / 127
        held["table"] = array("b", np.round(numbers / scale).astype(np.int8).tolist())
    if len(rows) and shares[0]:
        counted = data.measures[rows][:, :FORESTED]
        grown = boost.grow(counted, y[rows], weight, seeds=recipe.seeds, settings=boost.Settings())
        held |= grown.arrays()
    else:
        held |= empty()
    # the mean gain of the sets in which such prompts are, each set the same
    means = [data.gain[chosen[data.sets[chosen] == name]].mean() for name in sorted(set(data.sets[rows].tolist()))]
    said = {"scale": scale, "mean": float(np.mean(means)) if means else 0.0, "line": slope, "base": float(base)}
    return said, held


def _around(
    data: Corpus, rows: Ints, y: Array, count: int, recipe: Recipe
) -> tuple[dict[str, Any], dict[str, array[Any]]]:
    points = data.points[rows]
    families = groups(data.families[rows].tolist()) if len(rows) else np.array(["unknown"])
    names = sorted(set(families.tolist()))
    if not len(rows):
        points = np.zeros((1, data.space.vectors.shape[1]))
    around = places.centres(points[_even(families)], count, seed=0)
    weight = balanced(data, rows) if len(rows) else np.ones(1)
    near = places.nearness(points, around)
    fits = [places.ridge(near, np.asarray(families == name, float), weight, recipe.place_penalty) for name in names]
    told = recipe.place_share * np.array([numbers for numbers, _ in fits])
    lanes, bases, scale = _lanes(data, rows, [families == name for name in names], recipe)
    models = _many(data, rows)
    means = [[float(y[rows[families == name]].mean()) if len(rows) else 0.0 for name in names]]
    levels = _levels(data, rows)
    means.append([float(levels[families == name].mean()) if len(rows) else 0.0 for name in names])
    means += [_deviations(data, rows, families, names, model) for model in models]
    similar = (points @ around.T).max(1)
    from_here = float(np.quantile(similar, recipe.near))
    said = {
        "models": models,
        "families": names,
        "words": [coarse.word(name) for name in names],
        "intercepts": [recipe.place_share * base + b for (_, base), b in zip(fits, bases, strict=True)],
        "lengths": _lengths(data.measures[rows][:, NAMES.index("words")], families, names),
        "scale": scale,
        "near": from_here,
        "far": from_here - recipe.far,
    }
    return said, {
        "points": array("f", around.ravel().tolist()),
        "outputs": array("f", told.ravel().tolist()),
        "lanes": array("b", lanes.ravel().tolist()),
        "means": array("f", np.array(means).ravel().tolist()),
    }


def _lengths(words: Array, families: NDArray[np.str_], names: list[str]) -> list[tuple[float, float]]:
    """Return the mean of the log of each family's words, and its standard deviation."""
    parts = [words[families == name] if len(words) else np.zeros(1) for name in names]
    return [(float(part.mean()), max(LEAST_SPREAD, float(part.std()))) for part in parts]


def _even(families: NDArray[np.str_]) -> Ints:
    """Return rows of each family, at most as many as the median one has: no family may take all the points."""
    _, inverse, counts = np.unique(families, return_inverse=True, return_counts=True)
    most = int(np.median(counts))
    return np.sort(np.concatenate([np.flatnonzero(inverse == i)[:most] for i in range(len(counts))]))


def groups(families: list[str]) -> NDArray[np.str_]:
    """Return what prompts are told apart by: their families, or the coarse words for them where they are many."""
    if len(set(families)) <= MOST_FAMILIES:
        return np.array(families)
    words = [coarse.word(family) for family in families]
    usual = {word for word, _ in Counter(words).most_common(MOST_FAMILIES - 1)}
    return np.array([word if word in usual else "other" for word in words])


def _lanes(
    data: Corpus, rows: Ints, members: list[NDArray[np.bool_]], recipe: Recipe
) -> tuple[NDArray[np.int8], list[float], float]:
    """Return what each hash of a word says for each family, as bytes, and the families' intercepts."""
    if not len(rows):
        return np.zeros((LANES, len(members)), np.int8), [0.0] * len(members), 1.0
    share = 1.0 - recipe.place_share
    weight = balanced(data, rows)
    means = [float(np.average(member, weights=weight)) for member in members]
    said = np.stack(
        [
            share * data.single.fit(rows, np.asarray(member, float) - mean, weight, recipe.lane_penalty)
            for member, mean in zip(members, means, strict=True)
        ],
        1,
    )
    limit = float(np.abs(said).max()) or 1.0
    bases = [share * mean for mean in means]
    return np.round(said / limit * 127).astype(np.int8), bases, limit / 127


def _deviations(data: Corpus, rows: Ints, families: NDArray[np.str_], names: list[str], model: str) -> list[float]:
    """Return how much better than on the whole a model does on each family; 0 where it was not asked."""
    asked = np.array([model in data.rows[i].quality for i in rows])
    quality = np.array([data.rows[i].quality.get(model, 0.0) for i in rows])
    mean = quality[asked].mean()
    return [
        float(quality[asked & (families == name)].mean() - mean) if (asked & (families == name)).any() else 0.0
        for name in names
    ]


def _many(data: Corpus, rows: Ints) -> list[str]:
    """Return the models of sets that have more than a pair: where two models differ, the gain already says it."""
    found: set[str] = set()
    for name in data.names:
        here = rows[data.sets[rows] == name]
        if len(here) and len(data.rows[here[0]].quality) > 2:
            found |= set(data.rows[here[0]].quality)
    return sorted(found)


def _levels(data: Corpus, rows: Ints) -> Array:
    level = (data.weak[rows] + data.strong[rows]) / 2
    for name in data.names:
        here = data.sets[rows] == name
        if here.any():
            level[here] -= level[here].mean()
    return np.asarray(level)


def _means(data: Corpus, chosen: Ints) -> dict[str, float]:
    """Return each model's mean quality, the mean over the sets that have it."""
    found: dict[str, list[float]] = {}
    for name in data.names:
        here = chosen[data.sets[chosen] == name]
        for model in sorted(data.rows[here[0]].quality) if len(here) else ():
            found.setdefault(model, []).append(float(np.mean([data.rows[i].quality[model] for i in here])))
    return {model: sum(means) / len(means) for model, means in sorted(found.items())}


def _ranks(data: Corpus, chosen: Ints, router: Router) -> list[float]:
    """Return the gains at equal steps of the share of training prompts below, each set counting the same."""
    gains: list[Array] = []
    for name in data.names:
        here = chosen[data.sets[chosen] == name]
        some = here[:: len(here) // RANKED + 1]  # rows are in the order of their ids, which says nothing of gains
        gains.append(np.array([router.plain(data.readings[i]) for i in some]))
    weight = np.concatenate([np.full(len(g), 1.0 / max(1, len(g))) for g in gains])
    each = np.concatenate(gains)
    order = np.argsort(each, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    return [float(g) for g in np.interp(np.linspace(0, 1, STEPS + 1), below, each[order])]
