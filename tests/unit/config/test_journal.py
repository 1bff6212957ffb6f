"""Where the decision journal is, and what is wrong with its keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbd.config import journal
from lbd.config.journal import LEAST, JournalConfig


@pytest.mark.parametrize(
    ("given", "url", "expected"),
    [
        ({}, "sqlite:///var/lib/lbd/state.db", Path("/var/lib/lbd/state.journal")),
        ({}, "memory:", None),
        ({"path": "/x/j"}, "memory:", Path("/x/j")),
        ({"path": "/x/j", "max_bytes": 0}, "sqlite:///var/lib/lbd/state.db", None),
    ],
)
def test_it_is_beside_the_store_unless_it_is_told_otherwise(
    given: dict[str, object], url: str, expected: Path | None
) -> None:
    """And nowhere where nothing is kept on a disk, or the operator wants none."""
    assert journal.folder(JournalConfig(**given), url) == expected  # type: ignore[arg-type]


def test_a_relative_path_and_no_room_are_refused() -> None:
    told: list[tuple[str, str]] = []
    journal.check(JournalConfig(path="here", max_bytes=LEAST - 1), lambda key, why: told.append((key, why)))
    assert [key for key, _ in told] == ["path", "max_bytes"]
    told.clear()
    journal.check(JournalConfig(path="/here", max_bytes=0), lambda key, why: told.append((key, why)))
    assert not told
