"""How well predictions hold: what was foretold of each streamed attempt, beside what became of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lbd.app import App
from lbd.model.record import RequestRecord
from lbd.model.table import size_bucket
from lbd.observe.journal import Journal


class Foretold(NamedTuple):
    """One attempt: the chance that was told of its tier's target, and whether it was met."""

    chance: float
    met: bool


class Bin(NamedTuple):
    """Attempts of like chances."""

    n: int
    foretold: float
    came: float


def follow(app: App) -> list[Foretold]:
    """Return a list that grows with every request that ends, however many of them the journal forgets."""
    journal, foretold = app.journal, list[Foretold]()
    add = journal.add

    def added(record: RequestRecord) -> None:
        foretold.extend(_attempts(record, journal))
        add(record)

    journal.add = added  # type: ignore[method-assign]
    return foretold


def _attempts(record: RequestRecord, journal: Journal) -> Iterator[Foretold]:
    """Yield each attempt of a stream; one that failed before its first content has missed its target."""
    for attempt in record.attempts if record.stream else ():
        made = attempt.decision
        seen = journal.snapshot(made.generation)
        row = None if seen is None or made.chosen is None else seen.row(made.chosen)
        if row is None or attempt.refused is not None:
            continue
        met = attempt.ttft_s is not None and attempt.ttft_s <= row.tier_target_s
        yield Foretold(row.meets_target[size_bucket(made.ask.input_tokens)], met)


def binned(foretold: Iterable[Foretold], bins: int = 5) -> list[Bin]:
    """Return them by chance, in bins of equal width from 0 to 1; empty ones are left out."""
    members: list[list[Foretold]] = [[] for _ in range(bins)]
    for each in foretold:
        members[min(bins - 1, int(each.chance * bins))].append(each)
    return [
        Bin(len(those), sum(f.chance for f in those) / len(those), sum(f.met for f in those) / len(those))
        for those in members
        if those
    ]


def error(bins: Iterable[Bin]) -> float:
    """Return the expected calibration error: the mean distance of what came from what was foretold, by attempts."""
    bins = list(bins)
    return sum(b.n * abs(b.foretold - b.came) for b in bins) / sum(b.n for b in bins)


def error_of(b: Bin) -> float:
    """Return the standard error of what came in a bin."""
    return math.sqrt(b.came * (1 - b.came) / b.n)
