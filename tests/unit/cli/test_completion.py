"""``lbd completion``: current, and right in a real shell."""

from __future__ import annotations

import os
import re
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


CASES: list[tuple[str, set[str]]] = [
    ("lbd st", {"status"}),
    ("lbd check --for", {"--format"}),
    ("lbd check --format ", {"text", "json", "github"}),
    ("lbd adapt --from l", {"litellm"}),
    ("lbd adapt --from litellm con", {"config.yaml"}),
    ("lbd check -c con", {"config.yaml"}),
    ("lbd ctl pro", {"probe-now"}),
    ("lbd ctl drain a/b --rea", {"--reason"}),
    ("lbd ctl drain a/b --reason ", set()),
    ("lbd ctl drain a/b --fo", {"--for"}),
    ("lbd schema p", {"providers"}),
]


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_bash_offers_what_fits(line: str, offered: set[str], tmp_path: Path) -> None:
    """Commands, options, words, files; nothing where only a person knows."""
    (tmp_path / "config.yaml").touch()
    assert completed(line, tmp_path) == offered


# An interactive zsh that says what it would offer: compadd is told to list its matches before it takes them. What is
# waited for stands in two pieces where it is typed: a shell shows that, too.
_ZSH = r"""
zmodload zsh/zpty || exit 9
zpty shell zsh -f -i
tell() { zpty -w shell "$1" }
tell 'PROMPT=; stty -echo'
tell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' complete-word"
tell 'compadd() {
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] { builtin compadd "$@"; return }
  local -a hits; builtin compadd -A hits "$@"; local hit; for hit in $hits; print -r -- "<$hit>"
  builtin compadd "$@" }'
tell 'finish() { print -r -- "<E""ND>"; exit }; comppostfuncs=(finish); print REA""DY'
zpty -r -m shell out "*READY*"
zpty -n -w shell "$2"$'\t'
zpty -r -m shell out "*<END>*"
print -r -- $out
"""


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_zsh_offers_the_same(line: str, offered: set[str], tmp_path: Path) -> None:
    """As somebody who types it and presses the tabulator."""
    if shutil.which("zsh") is None:
        pytest.skip("no zsh here")
    (tmp_path / "config.yaml").touch()
    command = ["zsh", "-f", "-c", _ZSH, "zsh", str(ETC / "completion"), line]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    *told, end = re.findall(r"<([^>\s]+)>", done.stdout)
    assert (set(told), end) == (offered, "END")


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_fish_offers_the_same(line: str, offered: set[str], tmp_path: Path) -> None:
    """Asked by its own ``complete -C``."""
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    (tmp_path / "config.yaml").touch()
    text = f"source {shlex.quote(str(ETC / 'completion' / 'lbd.fish'))}; complete -C {shlex.quote(line)}"
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    command = ["fish", "--no-config", "-c", text]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert {word.split("\t")[0] for word in done.stdout.splitlines()} == offered


def test_bash_offers_every_command(tmp_path: Path) -> None:
    """And the options of lbd itself."""
    assert completed("lbd ", tmp_path) == {*COMMANDS, "--help", "--version"}


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_a_shell_that_is_here_can_read_its_script(shell: str, check: list[str]) -> None:
    """Its own parser says so."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, *check, str(ETC / "completion" / FILES[shell])], check=True, capture_output=True)
