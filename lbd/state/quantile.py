"""A mergeable log-bucket sketch of positive numbers.

Bucket ``i`` holds values in ``(GAMMA**(i-1), GAMMA**i]``; its representative ``2 * GAMMA**i / (GAMMA + 1)``
is within ``ALPHA`` of every value in it (Masson, Rim, Lee: DDSketch, VLDB 2019). Counts are sparse, so a
sketch of a well-behaved latency takes some dozens of entries, and merging is adding counts.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence

ALPHA = 0.01  # relative error bound of a quantile
GAMMA = (1 + ALPHA) / (1 - ALPHA)
_SCALE = 1 / math.log(GAMMA)
_MIDDLE = 2 / (GAMMA + 1)
# Values are clamped into 1 us .. 10^6 s, so that a wild clock cannot grow the table without bound.
SMALLEST, LARGEST = 1e-6, 1e6
_KEYS = math.ceil(math.log(LARGEST) * _SCALE)  # keys lie within +- this: the range is symmetric about 1

MOST = 2**48  # in a bucket that is believed when it is loaded
_BOUNDS = {"B": 2**8 - 1, "H": 2**16 - 1, "I": 2**32 - 1, "Q": 2**64 - 1}  # of the tallies of an array

_log = math.log
_ceil = math.ceil


class Sketch:
    """Counts per logarithmic bucket."""

    __slots__ = ("counts", "n", "total")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.n = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value; anything outside the range is clamped into it."""
        if not value > SMALLEST:  # NaN too
            value = SMALLEST
        elif value > LARGEST:
            value = LARGEST
        key = _ceil(_log(value) * _SCALE)
        counts = self.counts
        counts[key] = counts.get(key, 0) + 1
        self.n += 1
        self.total += value

    def merge(self, other: Sketch) -> None:
        """Add the counts of ``other``."""
        counts = self.counts
        if not counts:
            counts.update(other.items())
            self.n, self.total = other.n, other.total
            return
        for key, count in other.items():
            counts[key] = counts.get(key, 0) + count
        self.n += other.n
        self.total += other.total

    def items(self) -> Iterable[tuple[int, int]]:
        """Return each bucket with its count."""
        return self.counts.items()

    def copy(self) -> Sketch:
        """Return an independent copy."""
        new = Sketch()
        new.counts = dict(self.counts)
        new.n = self.n
        new.total = self.total
        return new

    def closed(self) -> Sketch:
        """Return it as it is kept once nothing more is added: in a fifth of the memory."""
        return Closed.of(self)

    def quantile(self, q: float) -> float | None:
        """Return the value at quantile ``q`` (0..1), None when empty."""
        return self.quantiles((q,))[0]

    def quantiles(self, qs: Sequence[float]) -> list[float | None]:
        """Return the values at several quantiles, given in ascending order, in one pass."""
        n = self.n
        if not n:
            return [None] * len(qs)
        # rank as in the nearest-rank definition: the smallest value with at least q*n values at or below it
        ranks = [max(1, math.ceil(q * n)) for q in qs]
        if 2 * ranks[0] > n:  # nearer to the top: what is told of a latency, as a rule
            return self._from_the_top(ranks)
        counts = self.counts
        out: list[float | None] = []
        seen, rank = 0, ranks[0]
        for key in sorted(counts):
            seen += counts[key]
            while seen >= rank:
                out.append(_MIDDLE * GAMMA**key)
                if len(out) == len(ranks):
                    return out
                rank = ranks[len(out)]
        return out

    def _from_the_top(self, ranks: list[int]) -> list[float | None]:
        counts = self.counts
        out: list[float | None] = []
        above, rank = self.n, ranks.pop()
        for key in sorted(counts, reverse=True):
            above -= counts[key]  # now what lies below this bucket
            while above < rank:
                out.append(_MIDDLE * GAMMA**key)
                if not ranks:
                    return out[::-1]
                rank = ranks.pop()
        return out[::-1]

    def share_within(self, value: float) -> float | None:
        """Return the share of values at or below ``value`` (0..1), right to a bucket; None when empty."""
        if not self.n:
            return None
        last = _ceil(_log(min(max(value, SMALLEST), LARGEST)) * _SCALE)
        counts = self.counts
        return sum([counts[key] for key in counts if key <= last]) / self.n

    def mean(self) -> float | None:
        """Return the arithmetic mean (exact but for clamped values), None when empty."""
        return self.total / self.n if self.n else None


class Closed(Sketch):
    """A sketch that nothing is added to any more: two short arrays, where a dictionary takes some 30 bytes a bucket.

    The slots of an hour of a busy deployment hold tens of thousands of buckets.
    """

    __slots__ = ("_keys", "_tallies")

    def __init__(self, keys: array[int], tallies: array[int], n: int, total: float) -> None:
        self._keys = keys
        self._tallies = tallies
        self.n = n
        self.total = total

    @classmethod
    def of(cls, sketch: Sketch) -> Closed:
        """Close a sketch."""
        counts = sketch.counts
        most = max(counts.values(), default=0)
        code = next((code for code, bound in _BOUNDS.items() if most <= bound), "Q")  # which refuses what is over it
        return cls(array("h", counts), array(code, counts.values()), sketch.n, sketch.total)

    @property
    def counts(self) -> dict[int, int]:  # type: ignore[override]
        """Return the counts, made anew."""
        return dict(zip(self._keys, self._tallies, strict=True))

    def items(self) -> Iterable[tuple[int, int]]:
        """Return each bucket with its count."""
        return zip(self._keys, self._tallies, strict=True)

    def packed(self) -> bytes:
        """Return the counts as bytes, for :func:`unpack`: the width of a tally, all keys, all tallies; little-endian.

        Thousands of slots are saved every few seconds: as numbers, an object each, they would take milliseconds.
        """
        keys, tallies = _little(self._keys), _little(self._tallies)
        return b"".join((tallies.typecode.encode(), keys.tobytes(), tallies.tobytes()))

    def add(self, _value: float) -> None:
        """Refuse: its time is over."""
        raise TypeError("a closed sketch takes no more values")

    def merge(self, _other: Sketch) -> None:
        """Refuse: its time is over."""
        raise TypeError("a closed sketch takes no more values")

    def copy(self) -> Sketch:
        """Return an independent copy that is open."""
        new = Sketch()
        new.merge(self)
        return new

    def closed(self) -> Sketch:
        """Return itself."""
        return self


def pack(sketch: Sketch) -> bytes:
    """Return the counts of a sketch as bytes, some 3 for a bucket."""
    return (sketch if isinstance(sketch, Closed) else Closed.of(sketch)).packed()


def unpack(data: bytes, total: float) -> Sketch:
    """Restore a sketch, closed, from what :func:`pack` wrote and its total. Raises ValueError for anything else."""
    code = data[:1].decode("latin-1")
    if code not in _BOUNDS:
        raise ValueError("not a packed sketch")
    keys, tallies = array("h"), array(code)
    buckets, rest = divmod(len(data) - 1, keys.itemsize + tallies.itemsize)
    if rest:
        raise ValueError("a packed sketch of another length")
    middle = 1 + buckets * keys.itemsize
    keys.frombytes(data[1:middle])
    tallies.frombytes(data[middle:])
    keys, tallies = _little(keys), _little(tallies)
    if keys:
        _check(min(keys), max(keys), min(tallies), max(tallies))
        if len(set(keys)) < buckets:
            raise ValueError("a packed sketch with a bucket twice")
    return Closed(keys, tallies, sum(tallies), total)


def _check(lowest: int, highest: int, least: int, most: int) -> None:
    """Raise ValueError for buckets or tallies of which a quantile would have no value, or none that fits a float."""
    if lowest < -_KEYS or highest > _KEYS or least <= 0 or most > MOST:
        raise ValueError("not a sketch")


def _little(numbers: array[int]) -> array[int]:
    """Return numbers as a little-endian machine holds them, or from there."""
    if sys.byteorder == "little":
        return numbers
    turned = numbers[:]
    turned.byteswap()
    return turned


def load(counts: Mapping[int, int], total: float) -> Sketch:
    """Restore a sketch from its counts and its total. Raises ValueError for what :meth:`Sketch.add` never makes."""
    if counts:
        _check(min(counts), max(counts), min(counts.values()), max(counts.values()))
    sketch = Sketch()
    sketch.counts = dict(counts)
    sketch.n = sum(counts.values())
    sketch.total = total
    return sketch


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """Return the union of several sketches."""
    out = Sketch()
    for sketch in sketches:
        out.merge(sketch)
    return out
