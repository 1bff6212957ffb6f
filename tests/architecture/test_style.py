"""Lint, format and types are part of the tests: one command says whether the tree is good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {
    "ruff": ["-m", "ruff", "check", "lbd", "probes", "tests"],
    "format": ["-m", "ruff", "format", "--check", "lbd", "probes", "tests"],
    "mypy": ["-m", "mypy"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tree_is_clean(tool: str) -> None:
    """ruff, ruff format and mypy --strict have nothing to say."""
    done = subprocess.run([sys.executable, *TOOLS[tool]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
