"""Sums over the recent past, at several widths, from time slots that roll.

A ``Rolling`` keeps closed slots at a few resolutions (10 s for the last minutes, 60 s for the last hour,
half an hour for the last day). Adding touches only the open slot; reading merges the slots that a window
covers. A window is therefore right to one slot of its resolution.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from operator import methodcaller
from typing import Generic, Protocol, Self, TypeVar

from lbd.model.failure import COUNTS, FailureKind
from lbd.model.units import Instant, Seconds
from lbd.state.quantile import Sketch

MINUTE, FIVE_MINUTES, HALF_HOUR, HOUR, DAY = 60.0, 300.0, 1800.0, 3600.0, 86400.0
# (width of a slot in seconds, how many closed ones are kept)
FINE = (10.0, 31)
COARSE = (60.0, 61)
DAILY = (1800.0, 49)


class Mergeable(Protocol):
    """What a slot may hold."""

    def merge(self, other: Self) -> None:
        """Add another slot's content to this one."""

    def copy(self) -> Self:
        """Return an independent copy."""


M = TypeVar("M", bound=Mergeable)


class _Sum(Generic[M]):
    """What a window holds beside the open slot, until that is closed."""

    __slots__ = ("final", "last", "of", "since", "start")

    def __init__(self, start: float, since: float, last: float, final: M, of: M) -> None:
        self.start = start  # of the open slot
        self.since = since  # from when on slots count
        self.last = last  # the start of the last slot
        self.final = final  # the sum of those that do not change any more
        self.of = of  # and of the last one too, if it still grows


class Rolling(Generic[M]):
    """One quantity over time."""

    __slots__ = ("_closed", "_empty", "_keep", "_levels", "_start", "open")

    def __init__(
        self,
        empty: Callable[[], M],
        levels: tuple[tuple[float, int], ...] = (FINE, COARSE),
        *,
        keep: Callable[[M], M] | None = None,
    ) -> None:
        self._empty = empty
        self._keep = keep  # how a slot is kept that nothing is added to any more; None: as it is
        # per level: width, closed slots as (start, content), oldest first, and the slot being filled from below
        self._levels: list[tuple[float, deque[tuple[float, M]]]] = [(w, deque(maxlen=n)) for w, n in levels]
        self.open: M = empty()
        self._start = -math.inf  # nothing yet
        self._closed: dict[float, _Sum[M]] = {}  # by window

    def at(self, now: Instant) -> M:
        """Return the open slot for ``now``, closing older ones first. Time never runs backwards here."""
        width = self._levels[0][0]
        if now >= self._start + width:
            self._roll(now)
        return self.open

    def _roll(self, now: Instant) -> None:
        width, closed = self._levels[0]
        if self._start != -math.inf:
            self._promote(1, self._start, self.open)
            closed.append((self._start, self.open if self._keep is None else self._keep(self.open)))
        self.open = self._empty()
        self._start = now - now % width

    def _promote(self, level: int, start: float, content: M) -> None:
        for width, slots in self._levels[level:]:
            begin = start - start % width
            if slots and slots[-1][0] == begin:
                slots[-1][1].merge(content)
            else:
                self._close(slots)
                slots.append((begin, content.copy()))

    def _close(self, slots: deque[tuple[float, M]]) -> None:
        """Keep the last slot of a coarser level for good; it grew until now."""
        if slots and self._keep is not None:
            start, content = slots[-1]
            slots[-1] = start, self._keep(content)

    def amend(self, at: Instant, change: Callable[[M], object]) -> None:
        """Change what was added at ``at``, wherever it is kept by now."""
        if at >= self._start:
            change(self.open)
            return
        for width, slots in self._levels:
            begin = at - at % width
            for start, content in slots:
                if start == begin:
                    change(content)
        self._closed.clear()

    def over(self, window_s: Seconds, now: Instant) -> M:
        """Return the sum over the last ``window_s`` seconds, from the finest level that reaches back so far.

        Where none does, it is what the coarsest one still has.
        """
        closed, open_ = self.parts(window_s, now)
        out = closed.copy()
        out.merge(open_)
        return out

    def parts(self, window_s: Seconds, now: Instant) -> tuple[M, M]:
        """Return what ``over`` adds up, to be read only: the closed slots' sum, and the open one."""
        self.at(now)
        known = self._closed.get(window_s)
        if known is None or known.start != self._start:  # closed slots change only when one more is closed
            known = self._closed[window_s] = self._sum(window_s, known)
        return known.of, self.open

    def _sum(self, window_s: Seconds, before: _Sum[M] | None) -> _Sum[M]:
        reaching = (level for level in self._levels if level[0] * (level[1].maxlen or 0) >= window_s)
        width, slots = level = next(reaching, self._levels[-1])
        since = (self._start - window_s) // width * width
        last, content = slots[-1] if slots else (-math.inf, None)
        # slots of the coarser levels already hold what the fine level closed, so that the last of them still grows
        growing = content if level is not self._levels[0] else None
        if before is not None and (before.since, before.last) == (since, last):
            final = before.final
        else:
            final = self._empty()
            for start, closed in slots:
                if start >= since and closed is not growing:
                    final.merge(closed)
        if growing is None or last < since:
            return _Sum(self._start, since, last, final, final)
        of = final.copy()
        of.merge(growing)
        return _Sum(self._start, since, last, final, of)

    def series(self, level: int, count: int, now: Instant) -> list[tuple[Instant, M | None]]:
        """Return the last ``count`` closed slots of a level with their start, oldest first, None where empty."""
        self.at(now)
        width, slots = self._levels[level]
        last = now - now % width
        by_start = dict(slots)
        starts = [last - (count - i) * width for i in range(count)]
        return [(start, by_start.get(start)) for start in starts]

    def slots(self, now: Instant) -> list[list[tuple[Seconds, M]]]:
        """Return every closed slot and the open one as (age of its start, content), per level; to be saved."""
        self.at(now)
        # the coarser levels do not hold the open slot yet, so each gets it
        return [
            [*((now - start, content) for start, content in slots), (now - self._start, self.open)]
            for _, slots in self._levels
        ]

    def restore(self, slots: Iterable[Iterable[tuple[Seconds, M]]], now: Instant) -> None:
        """Put back what :meth:`slots` returned, the ages counted from ``now``."""
        for i, ((width, kept), saved) in enumerate(zip(self._levels, slots, strict=False)):
            kept.clear()
            for age, content in sorted(saved, key=lambda s: -s[0]):
                start = now - age
                begin = start - start % width
                whole = content
                if kept and kept[-1][0] == begin:
                    whole = kept.pop()[1].copy()
                    whole.merge(content)
                # what is kept as it is may be at several levels, each of which changes its own
                kept.append((begin, whole.copy() if self._keep is None else self._keep(whole)))
            if i and kept:  # the last slot of a coarser level goes on growing
                begin, content = kept[-1]
                kept[-1] = begin, content.copy()
        self._closed.clear()


class Counts:
    """Attempts by how they ended. The good are under None."""

    __slots__ = ("by_kind",)

    def __init__(self, by_kind: dict[FailureKind | None, int] | None = None) -> None:
        self.by_kind: dict[FailureKind | None, int] = by_kind or {}

    def add(self, kind: FailureKind | None) -> None:
        """Count one attempt."""
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1

    def merge(self, other: Counts) -> None:
        """Add another slot's counts."""
        for kind, count in other.by_kind.items():
            self.by_kind[kind] = self.by_kind.get(kind, 0) + count

    def copy(self) -> Counts:
        """Return an independent copy."""
        return Counts(dict(self.by_kind))

    @property
    def good(self) -> int:
        """Count of good answers."""
        return self.by_kind.get(None, 0)

    @property
    def bad(self) -> int:
        """Count of failures that speak against the deployment."""
        return sum(n for kind, n in self.by_kind.items() if kind in COUNTS)

    @property
    def judged(self) -> int:
        """Count of attempts that say something about the deployment."""
        return self.good + self.bad

    def verdicts(self) -> tuple[int, int]:
        """Return the bad and the judged, counted once."""
        bad = self.bad if len(self.by_kind) > (None in self.by_kind) else 0
        return bad, self.good + bad

    def ratio(self) -> float | None:
        """Return bad over judged attempts, None when there were none."""
        judged = self.judged
        return self.bad / judged if judged else None


def sketches() -> Rolling[Sketch]:
    """Make the windows of a latency: 1 m, 5 m and 1 h."""
    return Rolling(Sketch, (FINE, COARSE), keep=methodcaller("closed"))


def counts() -> Rolling[Counts]:
    """Make the windows of outcome counts, for error ratios and uptime up to a day."""
    return Rolling(Counts, (FINE, COARSE, DAILY))
