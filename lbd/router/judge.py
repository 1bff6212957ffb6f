"""The judge: a prompt's text in, a verdict out, with what spoke for it.

Opinions are weighed for each kind of prompt (``text.Kind``): trees on what can be counted (in stories with numbers a
straight line), a number for each word and pair of words, and the families of training prompts that it is like. All
were trained to tell the *gain*: quality of the strong model minus that of the weak one. What is far from all that was
seen is pulled to the mean, and its uncertainty grows. What graded exams do not hold is told by ``lean``.
"""

from __future__ import annotations

import bisect
import math
import struct
from collections.abc import Sequence
from operator import mul

import msgspec

from lbd.model.units import Ratio
from lbd.router.cues import CUE, NAMES
from lbd.router.lean import lean
from lbd.router.models import strength
from lbd.router.rank import difficulty, gain, leant
from lbd.router.text import Kind, Reading, read, said
from lbd.router.weights import LANES, Part, Places, Weights, load

FIRED = 5
_LANE_SUMS = 256
_LANE_MASK = LANES - 1
_GAIN, _LEVEL = 0, 1  # the first two outputs of places
_CUE_TOKENS = 12  # what a prompt asks for is said in its first words
# standard deviations of a family's lengths: a prompt of another length than the family's is none of it
_OTHER_LENGTH = 2.0


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
    ``leaning``: -1 everyday talk, 1 open-ended work, 0 neither. ``likeness``: how sure it is that the prompt is of its
    nearest family; 0 where it is of another length than that. ``fired``: empty where nobody asked for it.
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
    leaning: float = 0.0
    likeness: Ratio = 0.0


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
        """Judge a prompt, and say what fired."""
        reading = read(text)
        counted, owed = self.weights.parts[reading.kind].forest.owed(reading.measures)
        found, likeness, nearest = self._judged(reading, counted)
        return msgspec.structs.replace(found, fired=self._fired(reading, owed, (likeness, nearest)))

    def verdict(self, reading: Reading) -> Verdict:
        """Judge what was read of a prompt, without saying what fired: that costs a third more."""
        return self._judged(reading, self.weights.parts[reading.kind].forest.judge(reading.measures))[0]

    def _judged(self, reading: Reading, counted: float) -> tuple[Verdict, Ratio, int]:
        """Return the verdict, the likeness to the nearest family, and which that is."""
        held = self.weights
        part = held.parts[reading.kind]
        places = held.places[reading.kind]
        likeness, similarity = self._likeness(reading, places)
        outputs = [sum(map(mul, row, likeness)) for row in places.means]
        top = max(likeness)
        nearest = likeness.index(top)
        distance = _distance(places, similarity)
        trust = 1.0 - held.distrust * distance
        excess = _excess(reading, part, (counted, outputs[_GAIN]), trust)
        gained = part.mean + excess
        hard = difficulty(held.ranks, gained)
        leaning = lean(reading)
        if leaning:
            hard = leant(hard, leaning)
            gained = gain(held.ranks, hard)
            excess = min(0.0, gained - part.mean) if leaning < 0 else max(0.0, gained - part.mean)
        family, by = _family(reading, places, nearest)
        usual, spread = places.lengths[nearest]
        found = Verdict(
            gain=gained,
            difficulty=hard,
            family=family,
            by=by,
            distance=distance,
            kind=reading.kind.name.lower(),
            fired=(),
            level=trust * outputs[_LEVEL],
            excess=excess,
            levels=tuple([trust * x for x in outputs[2:]]),
            leaning=leaning,
            likeness=top if abs(reading.measures[0] - usual) <= _OTHER_LENGTH * spread else 0.0,
        )
        return found, top, nearest

    def plain(self, reading: Reading) -> float:
        """Return the gain as trained, without any leaning: what the ranks are told from."""
        part, places = self.weights.parts[reading.kind], self.weights.places[reading.kind]
        likeness, similarity = self._likeness(reading, places)
        trust = 1.0 - self.weights.distrust * _distance(places, similarity)
        placed = sum(map(mul, places.means[_GAIN], likeness))
        return part.mean + _excess(reading, part, (part.forest.judge(reading.measures), placed), trust)

    def mean(self, model: str, prior: Ratio | None = None) -> Ratio:
        """Return the quality expected of a model on the whole; see ``quality``."""
        return prior if prior is not None else self.weights.means.get(model, 0.45 + 0.4 * self.stands(model))

    def quality(self, verdict: Verdict, model: str, prior: Ratio | None = None) -> tuple[Ratio, float]:
        """Return the quality expected of a model, and its standard deviation.

        ``prior`` is what is known of the model on the whole: measured, or configured. Without one it is the mean
        where the model was seen in training, or is guessed from its name.
        """
        held = self.weights
        places = held.places[Kind[verdict.kind.upper()]]
        if model in places.models:
            moved = verdict.levels[places.models.index(model)]
        else:
            moved = verdict.level + (self.stands(model) - 0.5) * verdict.excess
        spread, more = held.spread
        return min(1.0, max(0.0, self.mean(model, prior) + moved)), spread + more * verdict.distance

    def sure(self, verdict: Verdict) -> bool:
        """Tell whether to believe what each model did on prompts like this one.

        Where no model was seen beside others of its set, there is nothing to doubt: only the gain tells them apart.
        """
        return not verdict.levels or verdict.likeness >= self.weights.sure

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

    def _fired(self, reading: Reading, owed: dict[int, float], near: tuple[Ratio, int]) -> tuple[Fired, ...]:
        """Return what spoke loudest, for or against."""
        part, places = self.weights.parts[reading.kind], self.weights.places[reading.kind]
        by_measure, by_word, by_place = part.shares
        measures = reading.measures
        told = [(abs(x) * by_measure, NAMES[i], x * by_measure) for i, x in owed.items()]
        told += [(abs(x * measures[i]), NAMES[i], x * measures[i]) for i, x in part.line]
        likeness, nearest = near
        placed = by_place * likeness * places.means[_GAIN][nearest]
        told.append((abs(placed), f"like {places.families[nearest]}", placed))
        told.sort(reverse=True)
        del told[FIRED:]
        step = by_word * part.scale / math.sqrt(len(reading.slots) or 1)
        if step:
            table = part.table
            bar = told[-1][0] / step if len(told) == FIRED else 0
            loud = [(abs(table[s]), s) for s in reading.slots if not -bar <= table[s] <= bar]
            loud.sort(reverse=True)
            told += [(size * step, repr(said(reading, s)), table[s] * step) for size, s in loud[:FIRED]]
            told.sort(reverse=True)
        return tuple([Fired(name, round(gained, 4)) for size, name, gained in told[:FIRED] if size])

    def _likeness(self, reading: Reading, places: Places) -> tuple[list[float], float]:
        """Return how like each family a prompt is (they sum to 1), and its cosine to the nearest point."""
        held = self.weights
        point = self._point(reading)
        cosines = [sum(map(mul, point, other)) for other in places.points]
        width, exp = held.width, math.exp
        nearness = [exp(width * (c - 1.0)) for c in cosines]
        lanes = places.lanes
        words = reading.words
        heard = _summed([lanes[word & _LANE_MASK] for word in words], len(places.families))
        unit = places.scale / math.sqrt(len(words) or 1)
        scores = [
            base + sum(map(mul, row, nearness)) + unit * said
            for row, base, said in zip(places.outputs, places.intercepts, heard, strict=True)
        ]
        top = max(scores)
        powers = [exp(held.sharpness * (score - top)) for score in scores]
        total = sum(powers)
        return [power / total for power in powers], max(cosines)

    def _point(self, reading: Reading) -> list[float]:
        """Return the unit vector of a prompt's words; zeros where none is known."""
        held = self.weights
        point = _summed([found for found in map(held.words.get, reading.words) if found is not None], held.dims)
        norm = math.sqrt(sum(map(mul, point, point)))
        return [x / norm for x in point] if norm else [0.0] * held.dims


def _summed(rows: Sequence[int], width: int) -> Sequence[int]:
    """Return the sums of rows of signed bytes, each row one integer (``weights``)."""
    found = [0] * width
    # 16 bits hold the sum of 256 bytes
    for begin in range(0, len(rows), _LANE_SUMS):
        part = rows[begin : begin + _LANE_SUMS]
        lanes = struct.unpack(f"<{width}H", sum(part).to_bytes(2 * width, "little"))
        shift = 128 * len(part)
        found = [x + lane - shift for x, lane in zip(found, lanes, strict=True)]
    return found


def _excess(reading: Reading, part: Part, said_by: tuple[float, float], trust: float) -> float:
    """Return the gain over the mean of the kind; ``said_by``: forest and places."""
    by_measure, by_word, by_place = part.shares
    found = by_measure * said_by[0] + by_place * said_by[1]
    measures = reading.measures
    if by_word:
        table = part.table
        found += by_word * sum([table[s] for s in reading.slots]) * part.scale / math.sqrt(len(reading.slots) or 1)
    return trust * found + part.base + sum([number * measures[at] for at, number in part.line])


def _distance(places: Places, similarity: float) -> Ratio:
    return min(1.0, max(0.0, (places.near - similarity) / (places.near - places.far)))


def _family(reading: Reading, places: Places, nearest: int) -> tuple[str, str]:
    if reading.kind is Kind.OPEN:
        for token in reading.tokens[:_CUE_TOKENS]:
            if token in CUE:
                return CUE[token], "cue"
    return places.words[nearest], "nearest"
