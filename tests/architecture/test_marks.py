"""Marks of tests that go by whole files."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
MARK = "mark." + "alone"


def test_alone_is_a_mark_of_whole_files() -> None:
    """``tests/conftest.py`` does not read a file of the other kind: a single test marked so would be run by nobody."""
    single = [str(p.relative_to(TESTS)) for p in sorted(TESTS.rglob("test_*.py")) if MARK in p.read_text()]
    assert not single, "name the file in tests/conftest.py instead"
