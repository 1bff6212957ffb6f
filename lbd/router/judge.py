"""The judge: a prompt's text in, a verdict out, with what spoke for it.

Three opinions are weighed for each kind of prompt (``text.Kind``): trees on what can be counted, a number for each
word and pair of words, and the prompts of the training data that are near in meaning (static word vectors, summed).
All three were trained to tell the *gain*: quality of the strong model minus that of the weak one. What is far from
all that was seen is pulled to the mean, and its uncertainty grows.
"""

from __future__ import annotations

import bisect
import math
import struct
from operator import mul

import msgspec

from lbd.model.units import Ratio
from lbd.router.cues import CUE, NAMES
from lbd.router.models import strength
from lbd.router.text import Kind, Reading, read
from lbd.router.weights import LANES, Part, Places, Weights, load

FIRED = 5
_LANE_SUMS = 256
_LANE_MASK = LANES - 1
_GAIN, _LEVEL = 0, 1  # the first two outputs of places
_CUE_TOKENS = 12  # what a prompt asks for is said in its first words


class Fired(msgspec.Struct, frozen=True):
    """A measure, word, pair of words or neighbourhood, and what it added to the gain."""

    name: str
    gain: float


class Verdict(msgspec.Struct, frozen=True):
    """What a prompt is held to be.

    ``gain``: expected quality of a strong model minus that of a weak one. ``difficulty``: the share of usual prompts
    with a lower gain, 0..1. ``family``: a coarse word, ``by`` a cue in its first words or the nearest prompts
    seen. ``distance``: 0 like what was seen, 1 like nothing of it. ``level``: how much better (or worse) than
    usual any model is held to do. ``levels``: the same for each of the models that were seen, which ``seen`` names.
    """

    gain: float
    difficulty: Ratio
    family: str
    by: str
    distance: Ratio
    kind: str
    fired: tuple[Fired, ...]
    level: float
    excess: float  # of the gain over the mean gain of its kind
    levels: tuple[float, ...] = ()


class Router:
    """Judges prompts by one set of weights; holds no state, and may be shared."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    @classmethod
    def from_bytes(cls, data: bytes) -> Router:
        """Return the router of a weight file's bytes. Raises WeightsError."""
        return cls(load(data))

    @property
    def sha256(self) -> str:
        """The hash of its weights: in every record of what it decided."""
        return self.weights.sha256

    def judge(self, text: str) -> Verdict:
        """Judge a prompt."""
        return self.verdict(read(text))

    def verdict(self, reading: Reading) -> Verdict:
        """Judge what was read of a prompt."""
        held = self.weights
        part = held.parts[reading.kind]
        places = held.places[reading.kind]
        likeness, similarity = self._likeness(reading, places)
        outputs = [sum(map(mul, row, likeness)) for row in places.means]
        nearest = likeness.index(max(likeness))
        counted, owed = part.forest.judge(reading.measures)
        table = part.table
        unit = part.scale / math.sqrt(len(reading.slots) or 1)
        worded = sum([table[s] for s in reading.slots]) * unit
        by_measure, by_word, by_place = part.shares
        distance = _distance(places, similarity)
        trust = 1.0 - held.distrust * distance
        excess = trust * (by_measure * counted + by_word * worded + by_place * outputs[_GAIN])
        gain = part.mean + excess
        family, by = _family(reading, places, nearest)
        return Verdict(
            gain=gain,
            difficulty=_rank(held.ranks, gain),
            family=family,
            by=by,
            distance=distance,
            kind=reading.kind.name.lower(),
            fired=self._fired(
                reading, part, owed, unit, (places.families[nearest], likeness[nearest] * places.means[_GAIN][nearest])
            ),
            level=trust * outputs[_LEVEL],
            excess=excess,
            levels=tuple([trust * x for x in outputs[2:]]),
        )

    def quality(self, verdict: Verdict, model: str, prior: Ratio | None = None) -> tuple[Ratio, float]:
        """Return the quality expected of a model, and its standard deviation.

        ``prior`` is what is known of the model on the whole: measured, or configured. Without one it is the mean
        where the model was seen in training, or is guessed from its name.
        """
        held = self.weights
        places = held.places[Kind[verdict.kind.upper()]]
        stands = self.stands(model)
        mean = prior if prior is not None else held.means.get(model, 0.45 + 0.4 * stands)
        if model in places.models:
            moved = verdict.levels[places.models.index(model)]
        else:
            moved = verdict.level + (stands - 0.5) * verdict.excess
        spread, more = held.spread
        return min(1.0, max(0.0, mean + moved)), spread + more * verdict.distance

    def slack(self, verdict: Verdict, floor: Ratio) -> float:
        """Return how much predicted quality may be given up on this prompt, so that a floor is kept on the whole.

        ``floor`` is a share of the strongest model's quality. Shrinks with distance: below zero nothing but the best
        may answer.
        """
        steps = self.weights.parts[Kind[verdict.kind.upper()]].slack
        at = bisect.bisect_left(steps, (floor, -math.inf))
        if at == len(steps):
            return 0.0
        if at == 0 or steps[at][0] == floor:
            found = steps[at][1]
        else:
            (f0, s0), (f1, s1) = steps[at - 1], steps[at]
            found = s0 + (s1 - s0) * (floor - f0) / (f1 - f0)
        return found - self.weights.margin * verdict.distance

    def stands(self, model: str) -> Ratio:
        """Return where a model stands between the weak ones (0) and the strong ones (1)."""
        held = self.weights
        if model in held.weak:
            return 0.0
        return 1.0 if model in held.strong else strength(model)

    def _likeness(self, reading: Reading, places: Places) -> tuple[list[float], float]:
        """Return how like each family a prompt is (they sum to 1), and its cosine to the nearest point."""
        held = self.weights
        point = self._point(reading)
        cosines = [sum(map(mul, point, other)) for other in places.points]
        width, exp = held.width, math.exp
        nearness = [exp(width * (c - 1.0)) for c in cosines]
        lanes, count = places.lanes, len(places.families)
        starts = [(word & _LANE_MASK) * count for word in reading.words]
        said = memoryview(b"".join([lanes[at : at + count] for at in starts])).cast("b")
        unit = places.scale / math.sqrt(len(starts) or 1)
        scores = [
            base + sum(map(mul, row, nearness)) + unit * sum(said[i::count])
            for i, (row, base) in enumerate(zip(places.outputs, places.intercepts, strict=True))
        ]
        top = max(scores)
        powers = [exp(held.sharpness * (score - top)) for score in scores]
        total = sum(powers)
        return [power / total for power in powers], max(cosines)

    def _point(self, reading: Reading) -> list[float]:
        """Return the unit vector of a prompt's words; zeros where none is known."""
        held = self.weights
        size = 2 * held.dims
        vectors, index, number = held.vectors, held.words, int.from_bytes
        found = [at for word in reading.words if (at := index.get(word)) is not None]
        point = [0.0] * held.dims
        # lanes of 16 bits hold the sum of 256 bytes
        for begin in range(0, len(found), _LANE_SUMS):
            part = found[begin : begin + _LANE_SUMS]
            total = sum([number(vectors[at : at + size], "little") for at in part])
            lanes = struct.unpack(f"<{held.dims}H", total.to_bytes(size, "little"))
            shift = 128 * len(part)
            point = [x + lane - shift for x, lane in zip(point, lanes, strict=True)]
        norm = math.sqrt(sum(map(mul, point, point)))
        return [x / norm for x in point] if norm else point

    def _fired(
        self, reading: Reading, part: Part, owed: dict[int, float], unit: float, near: tuple[str, float]
    ) -> tuple[Fired, ...]:
        """Return what spoke loudest, for or against. ``unit``: gain of one step of the word table."""
        by_measure, by_word, by_place = part.shares
        told = [(abs(gain) * by_measure, NAMES[i], gain * by_measure) for i, gain in owed.items()]
        told.append((abs(near[1]) * by_place, f"like {near[0]}", near[1] * by_place))
        told.sort(reverse=True)
        del told[FIRED:]
        step = unit * by_word
        if step:
            table = part.table
            bar = told[-1][0] / step if len(told) == FIRED else 0
            loud = [(abs(table[s]), s) for s in reading.slots if not -bar <= table[s] <= bar]
            loud.sort(reverse=True)
            told += [(size * step, _words(reading, s), table[s] * step) for size, s in loud[:FIRED]]
            told.sort(reverse=True)
        return tuple([Fired(name, round(gain, 4)) for size, name, gain in told[:FIRED] if size])


def _words(reading: Reading, slot: int) -> str:
    """Return the word or the two words of a slot, in quotes; where two share a slot, the first."""
    if slot in reading.singles:
        return repr(reading.tokens[reading.singles.index(slot)])
    at = reading.pairs.index(slot)
    return repr(f"{reading.tokens[at]} {reading.tokens[at + 1]}")


def _distance(places: Places, similarity: float) -> Ratio:
    return min(1.0, max(0.0, (places.near - similarity) / (places.near - places.far)))


def _rank(ranks: list[float], gain: float) -> Ratio:
    """Return the share of usual prompts with a lower gain, straight lines between the steps; strictly rising."""
    steps = len(ranks) - 1
    at = bisect.bisect_right(ranks, gain)
    if at == 0:
        return 0.01 * math.exp(gain - ranks[0])
    if at > steps:
        return 1.0 - 0.01 * math.exp(ranks[-1] - gain)
    low, high = ranks[at - 1], ranks[at]
    share = (at - 1 + (gain - low) / (high - low)) / steps if high > low else at / steps
    return 0.01 + 0.98 * share


def _family(reading: Reading, places: Places, nearest: int) -> tuple[str, str]:
    for token in reading.tokens[:_CUE_TOKENS]:
        if token in CUE and reading.kind is Kind.OPEN:
            return CUE[token], "cue"
    return places.words[nearest], "nearest"
