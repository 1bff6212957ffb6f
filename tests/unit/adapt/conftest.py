"""Conversions, as the tests ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lbd.adapt import adapt
from lbd.adapt.draft import Choices, Result

EXAMPLES = Path(__file__).parent / "examples"
Convert = Callable[..., Result]


@pytest.fixture
def convert() -> Convert:
    """Convert an example by its name, or a text; ``models`` and ``providers`` are what a person said."""

    def run(
        of: str,
        text: str,
        *models: str,
        providers: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Result:
        path = EXAMPLES / text
        known = len(text) < 60 and path.is_file()
        body = path.read_text() if known else text
        return adapt(body, text if known else "source", of, Choices(models, providers or {}), environ or {})

    return run


@pytest.fixture
def levels() -> Callable[[Result], dict[str, list[str]]]:
    """Return the paths of a result's notes by level."""

    def by(result: Result) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for note in result.notes:
            found.setdefault(note.level, []).append(note.path)
        return found

    return by
