"""Read training rows: one JSON object a line, from ``.jsonl`` and ``.jsonl.gz``; what is wrong is told by line."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

SUFFIXES = (".jsonl", ".jsonl.gz")
_EXAMPLE = (
    '{"id": "r1", "set": "ledger", "family": "support", "split": "train", "prompt": "...", '
    '"quality": {"small": 0.7, "large": 1.0}, "cost_usd": {"small": 0.00002, "large": 0.0009}}'
)


class RowError(ValueError):
    """A row cannot be used; the message begins with file:line and ends with what to do."""


class Row(msgspec.Struct, frozen=True):
    """One prompt, and per model the quality of its answer (0..1) and its cost in USD."""

    id: str
    set: str
    family: str
    split: str
    prompt: str
    quality: dict[str, float]
    cost_usd: dict[str, float]


def files(places: Iterable[Path]) -> list[Path]:
    """Return the files that are named, or lie in a folder that is, by name. Raises RowError."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(p for p in place.iterdir() if p.name.endswith(SUFFIXES))
            if not inside:
                raise RowError(f"{place}: no {' or '.join(SUFFIXES)} in this folder: name the files")
            found += inside
        elif not place.name.endswith(SUFFIXES):
            raise RowError(f"{place}: neither {' nor '.join(SUFFIXES)}: write one JSON object a line, as {_EXAMPLE}")
        elif not place.is_file():
            raise RowError(f"{place}: no such file: check the path")
        else:
            found.append(place)
    return found


def load(places: Iterable[Path]) -> list[Row]:
    """Return all rows, ordered by their set and id whatever the order of the files. Raises RowError."""
    rows: list[Row] = []
    seen: dict[str, str] = {}
    models: dict[str, tuple[frozenset[str], str]] = {}
    for path in files(places):
        for number, line in _lines(path):
            where = f"{path}:{number}"
            row = parse(line, where)
            if row.id in seen:
                raise RowError(f"{where}: id {row.id!r} was used at {seen[row.id]}: give each row its own")
            seen[row.id] = where
            first, at = models.setdefault(row.set, (frozenset(row.quality), where))
            if first != frozenset(row.quality):
                raise RowError(
                    f"{where}: set {row.set!r} has the models {sorted(first)} at {at} and {sorted(row.quality)} here: "
                    "name the same ones in every row of a set, or call this another set"
                )
            rows.append(row)
    if not rows:
        raise RowError("no rows in these files: name files with rows")
    rows.sort(key=lambda row: (row.set, row.id))
    return rows


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError) as e:
        raise RowError(f"{path}: cannot be read ({e}): check that it is whole") from e


def parse(line: bytes, where: str) -> Row:
    """Return the row in a line. Raises RowError, which names ``where``."""
    try:
        value = json.loads(line)
    except ValueError as e:
        raise RowError(f"{where}: no JSON ({e}): write one object a line, as {_EXAMPLE}") from e
    if not isinstance(value, dict):
        raise RowError(f"{where}: not an object: write it as {_EXAMPLE}")
    for key in ("id", "set", "family", "prompt"):
        if not isinstance(value.get(key), str):
            raise RowError(f"{where}: {key!r} must be a text: write it as in {_EXAMPLE}")
    quality = _numbers(value.get("quality"), "quality", where, most=1.0)
    cost = _numbers(value.get("cost_usd"), "cost_usd", where, most=math.inf)
    if len(quality) < 2:
        raise RowError(f"{where}: one model's quality says nothing of which to choose: give at least two")
    if quality.keys() != cost.keys():
        odd = sorted(quality.keys() ^ cost.keys())
        raise RowError(f"{where}: {odd} in one of quality and cost_usd only: give both for each model")
    split = value.get("split", "train")
    return Row(value["id"], value["set"], value["family"], str(split), value["prompt"], quality, cost)


def _numbers(value: object, key: str, where: str, *, most: float) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise RowError(f"{where}: {key!r} must map models to numbers: write it as in {_EXAMPLE}")
    for model, number in value.items():
        good = isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= most
        if not good:
            raise RowError(f"{where}: {key} of {model!r} must be a number in 0..{most:g}, not {number!r}: scale it")
    return {str(model): float(number) for model, number in value.items()}
