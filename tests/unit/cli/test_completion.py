"""``lbd completion``: current, and right in a real shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from lbd.cli.completion import SHELLS, script
from lbd.cli.main import COMMANDS, main
from tests.fakes.configs import ETC

FILES = {"bash": "lbd.bash", "zsh": "_lbd", "fish": "lbd.fish"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shipped_files_are_up_to_date(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``lbd completion SHELL > etc/completion/...`` after every change of an option."""
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == script(shell) == (ETC / "completion" / FILES[shell]).read_text()


def completed(line: str, folder: Path) -> set[str]:
    """Return what bash offers at the end of a line."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    text = f"""
    complete() {{ :; }}
    source {shlex.quote(str(ETC / "completion" / "lbd.bash"))}
    COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
    _lbd; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-u", "-c", text], cwd=folder, capture_output=True, text=True, check=True)
    assert not done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lbd st", {"status"}),
        ("lbd check --for", {"--format"}),
        ("lbd check --format ", {"text", "json", "github"}),
        ("lbd adapt --from l", {"litellm"}),
        ("lbd adapt --from litellm con", {"config.yaml"}),
        ("lbd check -c con", {"config.yaml"}),
        ("lbd ctl pro", {"probe-now"}),
        ("lbd ctl drain a/b --rea", {"--reason"}),
        ("lbd ctl drain a/b --reason ", set()),
        ("lbd schema p", {"providers"}),
    ],
)
def test_bash_offers_what_fits(line: str, offered: set[str], tmp_path: Path) -> None:
    """Commands, options, words, files; nothing where only a person knows."""
    (tmp_path / "config.yaml").touch()
    assert completed(line, tmp_path) == offered


def test_bash_offers_every_command(tmp_path: Path) -> None:
    """And the options of lbd itself."""
    assert completed("lbd ", tmp_path) == {*COMMANDS, "--help", "--version"}


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_a_shell_that_is_here_can_read_its_script(shell: str, check: list[str]) -> None:
    """Its own parser says so."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, *check, str(ETC / "completion" / FILES[shell])], check=True, capture_output=True)
