"""The keys of the decision journal on disk, and where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from lbd.config.strict import Strict
from lbd.shapes.providers import Count

LEAST = 1024**2  # bytes: some 3,000 requests


class JournalConfig(Strict, frozen=True):
    """The decision journal on disk: what lbd replay reads. There are no prompts in it.

    path: absolute path of its folder; when not given, beside the store's file, and nowhere for one in memory.
    keep_days: how long it is kept.
    max_bytes: how much of it is kept; the oldest goes first. 0: none is written.
    """

    path: str | None = None
    keep_days: Count = 7
    max_bytes: Annotated[int, msgspec.Meta(ge=0)] = 256 * 1024 * 1024


def folder(journal: JournalConfig, store_url: str) -> Path | None:
    """Return the journal's folder: for a store at ``/x/state.db`` ``/x/state.journal``; None: it is not kept."""
    if not journal.max_bytes:
        return None
    if journal.path is not None:
        return Path(journal.path)
    kind, _, path = store_url.partition("://")
    return Path(path).with_suffix(".journal") if kind == "sqlite" else None


def check(journal: JournalConfig, error: Callable[[str, str], None]) -> None:
    """Tell ``error`` of each key that is wrong, and why."""
    if journal.path is not None and not Path(journal.path).is_absolute():
        error("path", "the journal's folder needs an absolute path")
    if 0 < journal.max_bytes < LEAST:
        error("max_bytes", f"a journal needs room for at least {LEAST} bytes; 0 keeps none")
