"""Size, mirror, names, and what README says of the layout."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for top in ("lbd", "probes") for p in (ROOT / top).rglob("*.py"))
HARD = 500
SOFT = 300
# Longer than SOFT, each for one idea that does not fall apart into two.
LONG = {
    "lbd/table/owner.py": "the single writer",
    "lbd/upstream/run.py": "the driver of a flight",
    "lbd/state/limit.py": "each rule by which the limit moves, and by which it is drained",
    "lbd/state/row.py": "all state of one deployment, and what good answers move in it",
    "lbd/state/pace.py": "each event of an account that has refused",
    "lbd/upstream/acquire.py": "each way to have nobody, and what is said of it",
    "lbd/upstream/attempt.py": "one try, callbacks and timers",
    "lbd/upstream/connection.py": "an HTTP/1.1 client, each callback of its parser",
    "lbd/ingress/admin.py": "one route a method",
    "lbd/model/report.py": "the shape of one document",
    "lbd/config/compile.py": "one check a method",
    "lbd/loops/batch.py": "each status of a batch, and each way of a line through it",
    "lbd/console.py": "one view a method",
    "lbd/cli/explain_text.py": "a request and its decisions as one text",
    "lbd/app.py": "the composition root",
}
BANNED_NAMES = {"utils", "helpers", "common", "manager", "base", "misc", "util", "helper"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_module_stays_small(path: Path) -> None:
    """Soft ceiling 300 lines, hard ceiling 500."""
    lines = len(path.read_text().splitlines())
    assert lines <= (HARD if relative(path) in LONG else SOFT), lines


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_module_says_what_it_owns(path: Path) -> None:
    """Every module has a docstring; an __init__ holds a contract or nothing."""
    text = path.read_text()
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), relative(path)


def test_no_module_is_named_after_nothing() -> None:
    """utils, helpers, common, manager, base: a name that says what is in it, or another place."""
    assert not [relative(p) for p in SOURCES if p.stem in BANNED_NAMES]


def test_tests_mirror_the_sources_in_both_directions() -> None:
    """tests/unit has one file for each module, and none without."""
    unit = ROOT / "tests" / "unit"
    expected = set()
    for path in SOURCES:
        if path.stem in ("__init__", "__main__"):
            continue
        parts = path.relative_to(ROOT).parts
        folder = Path(*parts[1:-1]) if parts[0] == "lbd" else Path(*parts[:-1])
        expected.add(folder / f"test_{path.stem}.py")
    extra = {Path("daemon/test_unit_files.py")}  # systemd/*.service
    found = {p.relative_to(unit) for p in unit.rglob("test_*.py")}
    assert found - expected <= extra, sorted(found - expected)
    assert not expected - found, sorted(expected - found)


def test_the_readme_names_every_folder_of_the_layout() -> None:
    """Layout section and tree agree."""
    readme = (ROOT / "README.md").read_text()
    layout = readme.split("## Layout", 1)[1].split("\n## ", 1)[0]
    folders = {p.name for p in (ROOT / "lbd").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    missing = [f for f in sorted(folders | {"probes", "etc", "systemd", "tests"}) if f"{f}/" not in layout]
    assert not missing, missing
    named = set(re.findall(r"^ {2}([a-z]+)/", layout, re.MULTILINE))
    assert named <= folders, named - folders


def test_the_changelog_names_the_version() -> None:
    """A release without an entry is no release."""
    version = re.search(r'__version__ = "(.+)"', (ROOT / "lbd/__init__.py").read_text())
    assert version is not None and f"## {version[1]}" in (ROOT / "CHANGELOG.md").read_text()


def test_runtime_dependencies_are_few_and_have_a_floor() -> None:
    """Ten, each with a floor; the packages the project was asked to use are among them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[><=!~ ]", d)[0].lower() for d in project["dependencies"]}
    assert all(">=" in d for d in project["dependencies"])
    assert {"aiohttp", "orjson", "structlog", "cachetools", "msgspec"} <= names
    assert len(names) <= 10


def test_only_the_agreed_top_level_exists() -> None:
    """pyproject.toml README.md lbd/ probes/ etc/ tests/ systemd/, LICENSE, CHANGELOG.md and dot files."""
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not listed:  # an unpacked sdist
        return
    allowed = {"pyproject.toml", "README.md", "lbd", "probes", "etc", "tests", "systemd", "LICENSE", "CHANGELOG.md"}
    tops = {name.split("/")[0] for name in listed}
    assert {t for t in tops if not t.startswith(".")} <= allowed
