"""``lbd run``: a bad configuration is told before the daemon is even imported, a good one is handed to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lbd.daemon.run
from lbd.cli import main as cli
from lbd.config.compiled import Compiled

GOOD = {
    "providers": [
        {"name": "p", "shape": "openai", "base_url": "http://127.0.0.1:1/v1", "deployments": [{"model": "m"}]}
    ]
}


def test_a_good_configuration_goes_to_the_daemon_and_its_exit_status_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path goes with it: it is what a reload reads again."""
    path = tmp_path / "lbd.yaml"
    path.write_text(json.dumps(GOOD))
    given: list[tuple[Path, Compiled]] = []

    def daemon(path: Path, compiled: Compiled) -> int:
        given.append((path, compiled))
        return 7

    monkeypatch.setattr(lbd.daemon.run, "main", daemon)
    assert cli.main(["run", "-c", str(path)]) == 7
    ((told, compiled),) = given
    assert told == path
    assert [d.id for d in compiled.deployments] == ["p/m"]


@pytest.mark.parametrize("text", ["providers: [", "{}", '{"providers": [], "listne": 1}'])
def test_a_bad_configuration_is_exit_status_1_with_its_place(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As lbd check says it, on standard error."""
    path = tmp_path / "lbd.yaml"
    path.write_text(text)
    assert cli.main(["run", "-c", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{path}:") and "Traceback" not in told.err


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, one line."""
    assert cli.main(["run", "-c", str(tmp_path / "none.yaml")]) == 1
    told = capsys.readouterr().err
    assert str(tmp_path / "none.yaml") in told and len(told.splitlines()) == 1


def test_a_bad_configuration_does_not_wait_for_the_daemons_imports(tmp_path: Path) -> None:
    """They are most of the start-up time."""
    path = tmp_path / "lbd.yaml"
    path.write_text("providers: [")
    code = (
        "import sys\nfrom lbd.cli.main import main\n"
        f"assert main(['run', '-c', {str(path)!r}]) == 1\n"
        "heavy = {'lbd.daemon.run', 'uvloop', 'aiohttp'} & sys.modules.keys()\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
