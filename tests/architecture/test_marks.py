"""Marks of tests that go by whole files."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent


def test_alone_is_a_mark_of_whole_files() -> None:
    """``tests/conftest.py`` does not read a file of another kind: a single test marked so would be run by nobody."""
    single = [str(p.relative_to(TESTS)) for p in sorted(TESTS.rglob("test_*.py")) if "mark.al" + "one" in p.read_text()]
    assert not single, "name the file in tests/conftest.py instead"


def test_the_parts_of_a_run_are_all_tests() -> None:
    """README's command chooses by every expression that there is a part for, and by no other."""
    readme = (ROOT / "README.md").read_text()
    (command,) = [line for line in readme.splitlines() if line.startswith("python3 -m venv") and "pytest" in line]
    chosen = [part.partition(" -m ")[2].strip("'") for part in command.split(" && ") if "/pytest" in part]
    assert sorted(chosen) == ["alone", "not alone"]
