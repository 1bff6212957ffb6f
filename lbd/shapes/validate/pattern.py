"""Regular expressions that cannot hold the daemon up: how long a text each may look at.

Python's engine tries one way after the other and cannot be stopped. So the steps of the worst text are counted from the
expression itself: each open-ended repeat multiplies them by the length, each bounded one by its width, and searching
from every place multiplies once more, which a leading ``^`` saves. The window is the length at which the worst text
still takes ``STEPS``; a longer text is not looked at. A repeat within a repeat, as in ``(a+)+``, has no such length.
"""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

STEPS = 3e7  # of the engine: some tenths of a second, and only for a text that is made for it
LEAST = 500  # characters; what may look at less is of no use
MOST = 100_000
_FEW = 16  # a bounded repeat up to here may hold another one

# The parser of the standard library itself: public up to 3.10, and of the same form in every version since.
_parser: Any = importlib.import_module("re._parser")
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_ANCHORS = frozenset({"AT_BEGINNING", "AT_BEGINNING_STRING"})


class Pattern(NamedTuple):
    """A compiled expression and the longest text that it is asked about, in characters."""

    found: re.Pattern[str]
    window: int


class _Cost(NamedTuple):
    """Open-ended repeats, the logarithm of the ways of everything bounded, and whether there is more than one way."""

    loops: int = 0
    ways: float = 0.0
    varies: bool = False


@lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """Return a pattern. Raises ValueError with the reason where it is none, or may take too long."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what may mean something else in Python's next version
            found = re.compile(text)
            tree = _parser.parse(text)
        cost = _sum(tree)
    except re.error as e:
        raise ValueError(f"is no regular expression: {e}") from None
    except (RecursionError, OverflowError):
        raise ValueError("is too large for a regular expression") from None
    first, where = tree.data[0] if tree.data else ("", "")
    anchored = str(first) == "AT" and str(where) in _ANCHORS and not found.flags & re.MULTILINE
    window = _window(cost.loops + (not anchored), cost.ways)
    if window < LEAST:
        raise ValueError(
            "may take too long on a long text: begin it with ^, bound its repeats, as in {0,20}, or use fewer of them"
        )
    return Pattern(found, window)


def _window(loops: int, ways: float) -> int:
    left = math.log(STEPS) - ways
    if loops == 0:
        return MOST if left >= 0 else 0
    return int(min(MOST, math.exp(min(50.0, (left + math.lgamma(loops + 1)) / loops))))


def _sum(items: Iterable[tuple[Any, Any]]) -> _Cost:
    """Return the cost of what stands one after the other."""
    loops, ways, varies = 0, 0.0, False
    for op, argument in items:
        cost = _one(str(op), argument)
        loops, ways, varies = loops + cost.loops, ways + cost.ways, varies or cost.varies
    return _Cost(loops, ways, varies)


def _one(op: str, argument: Any) -> _Cost:
    if op in _REPEATS:
        return _repeat(*argument, backs=op != "POSSESSIVE_REPEAT")
    if op == "SUBPATTERN":
        return _sum(argument[-1])
    if op == "BRANCH":
        costs = [_sum(branch) for branch in argument[1]]
        return _Cost(sum(c.loops for c in costs), math.log(len(costs)) + sum(c.ways for c in costs), varies=True)
    if op == "GROUPREF_EXISTS":
        return _sum(item for branch in argument[1:] if branch is not None for item in branch)
    if op == "ATOMIC_GROUP":
        return _sum(argument)._replace(varies=False)
    if op in ("ASSERT", "ASSERT_NOT"):  # what looked around does not look again
        return _sum(argument[1])._replace(varies=False)
    return _Cost(varies=op == "GROUPREF")


def _repeat(low: int, high: int, inner: Any, *, backs: bool) -> _Cost:
    within = _sum(inner)
    if within.varies and high > _FEW:
        raise ValueError("has a repeat within a repeat, which may take for ever: as in (a+)+ or (a|ab)*")
    times = min(high, _FEW) if within.varies else 1
    loops, ways = within.loops * times, within.ways * times
    if high == _parser.MAXREPEAT:
        return _Cost(loops + 1, ways, varies=backs or within.varies)
    if high > low:
        return _Cost(loops, ways + math.log(high - low + 1), varies=backs or within.varies)
    return _Cost(loops, ways, within.varies)
