"""What scored answers say of one row, over all prompts and by family of prompts.

Every score counts over all and, where the prompt's family is known, for that family. A family begins at its configured
quality (else at that of the deployment), moved by as much as the deployment as a whole was found to be better or worse
than configured: the level of a model that was described wrongly is corrected for families without scores, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from lbd.model.table import ALL
from lbd.model.units import Instant, Ratio
from lbd.state import quality
from lbd.state.quality import Held, Phase, Standing
from lbd.state.row import Row

DEFAULT = "default"  # the configured quality of families that none is configured for
EVERY = "all"  # how the family that stands for all is called where people read
DIGITS = 4  # finer steps are no news to anybody who decides


class Seen(NamedTuple):
    """What decisions see of it."""

    value: Ratio | None
    low: Ratio | None
    families: Mapping[str, tuple[Ratio, Ratio]]
    lost: frozenset[str]


class Told(NamedTuple):
    """One family as people see it."""

    family: str
    level: Held | None
    standing: Standing


class Change(NamedTuple):
    """A family that was lost or has come back."""

    family: str
    before: Standing
    after: Standing


_NONE: Mapping[str, tuple[Ratio, Ratio]] = {}
_NOWHERE: frozenset[str] = frozenset()


def _prior(row: Row, family: str) -> Ratio | None:
    configured = row.spec.quality
    return configured.get(family or DEFAULT, configured.get(DEFAULT))


def _standing(row: Row, family: str) -> Standing | None:
    """Return what is known of a family, under the quality that is configured now."""
    known = row.scores.get(family)
    return None if known is None else quality.told(known, _prior(row, family))


def take(row: Row, family: str, score: Ratio, now: Instant, *, shadow: bool = False, scale: str = "") -> list[Change]:
    """Take in a score; return the families that were lost or have come back by it."""
    changes = []
    for name in {ALL, family}:
        before = _standing(row, name) or quality.begun(_prior(row, name))
        if scale:
            before = quality.rescaled(before, scale)
        after = quality.scored(before, score, now, shadow=shadow)
        row.scores[name] = after
        if (before.phase is Phase.IN_USE) is not (after.phase is Phase.IN_USE):
            changes.append(Change(name, before, after))
    return changes


def swap(row: Row, family: str, old: Ratio, new: Ratio) -> None:
    """Put a score in the place of another. A bet that was made on it stands: nobody may take one back."""
    for name in {ALL, family}:
        known = row.scores.get(name)
        if known is not None:
            row.scores[name] = replace(known, level=quality.swapped(known.level, old, new))


def _held(row: Row, family: str, moved: Ratio, now: Instant) -> Held | None:
    prior = _prior(row, family)
    base = None if prior is None else min(1.0, max(0.0, prior + moved))
    standing = row.scores.get(family)
    return quality.held(quality.Level() if standing is None else standing.level, base, now)


def level(row: Row, family: str, now: Instant) -> Held | None:
    """Return how good its answers to a family of prompts are held to be."""
    return _held(row, family, _moved(row, _held(row, ALL, 0.0, now)) if family else 0.0, now)


def told(row: Row, now: Instant) -> list[Told]:
    """Return every family that has scores, all of them first."""
    overall = _held(row, ALL, 0.0, now)
    moved = _moved(row, overall)
    found = []
    for family in sorted(row.scores):
        standing = _standing(row, family)
        if standing is not None:
            found.append(Told(family, _held(row, family, moved if family else 0.0, now), standing))
    return found


def _moved(row: Row, overall: Held | None) -> Ratio:
    prior = _prior(row, ALL)
    return 0.0 if overall is None or prior is None else overall.value - prior


def seen(row: Row, now: Instant) -> Seen:
    """Return what decisions see."""
    configured = row.spec.quality
    if not row.scores:
        return Seen(configured.get(DEFAULT), None, _NONE, _NOWHERE)
    overall = _held(row, ALL, 0.0, now)
    moved = _moved(row, overall)
    doubt = 0.0 if overall is None else overall.value - overall.low
    families = {}
    for family in sorted((configured.keys() - {DEFAULT}) | (row.scores.keys() - {ALL})):
        level = _held(row, family, moved, now)
        if level is not None:
            low = level.low if family in row.scores else max(0.0, level.value - doubt)
            families[family] = (round(level.value, DIGITS), round(low, DIGITS))
    gone = [name for name in row.scores if (found := _standing(row, name)) and found.phase is not Phase.IN_USE]
    value, low_ = (None, None) if overall is None else (round(overall.value, DIGITS), round(overall.low, DIGITS))
    return Seen(value, low_, families, frozenset(gone))
