"""``lbd``: commands are found by their first word, and only the one that is asked for is imported."""

from __future__ import annotations

import gc
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbd import __version__
from lbd.cli import main as command_line
from lbd.cli.main import BRIEF, COMMANDS, main, parser
from tests.fakes.configs import LOCAL

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _collection_goes_on() -> Iterator[None]:
    yield
    assert gc.isenabled()


def stopped(*words: str) -> int | str | None:
    """Return the exit status with which argparse ended the command line."""
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return caught.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_module_with_arguments_and_run(name: str) -> None:
    """One command a file."""
    module = importlib.import_module(f"lbd.cli.{COMMANDS[name][0]}")
    assert callable(module.arguments) and callable(module.run)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``lbd COMMAND --help``."""
    assert stopped(name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: lbd {name} ")


def test_help_lists_every_command_and_imports_none() -> None:
    """A command that is broken, or lacks an extra, does not break the others."""
    code = "import sys, lbd.cli.main as m\ntry: m.main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(re.search(rf"\n    {name}\s", done.stdout) for name in COMMANDS), done.stdout
    assert {m for m in done.stderr.split() if m.startswith("lbd.cli.")} == {"lbd.cli.main"}


def test_one_command_imports_no_other() -> None:
    """Start-up time is user-visible."""
    code = "import sys; from lbd.cli.main import parser; parser('check'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = {m.removeprefix("lbd.cli.") for m in done.stdout.split() if m.startswith("lbd.cli.")}
    assert found == {"main", "check"}


def test_a_parser_of_all_commands_has_all_arguments() -> None:
    """For completions and manual pages."""
    args = parser(*COMMANDS).parse_args(["check", "-c", "x", "--strict"])
    assert (args.command, str(args.config), args.strict, args.format) == ("check", "x", True, "text")


@pytest.mark.parametrize(
    "words", [[], ["frobnicate"], ["--frobnicate"], ["check", "--frobnicate"], ["check", "x"], ["-c", "check"]]
)
def test_a_wrong_command_line_is_2_with_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's own status; nothing was done."""
    assert stopped(*words) == 2
    assert capsys.readouterr().err.startswith("usage: lbd")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", "--frobnicate"], "lbd check: error: unrecognized arguments: --frobnicate"),
        (["status", "--jsn", "x"], "lbd status: error: unrecognized arguments: --jsn x"),
        (
            ["ctl", "drain", "p/m", "--reason", "r", "--fore", "1h"],
            "lbd ctl drain: error: unrecognized arguments: --fore",
        ),
        (["ctl", "--admin", "http://h:1", "alerts", "more"], "lbd ctl: error: unrecognized arguments: more"),
        (["stauts"], "lbd: error: there is no command 'stauts' (did you mean status?); lbd --help says what there is"),
        (["frobnicate"], "lbd: error: there is no command 'frobnicate'; lbd --help says what there is"),
    ],
)
def test_what_nobody_takes_is_told_by_the_command_that_got_it(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With that command's usage, where the right word stands; and a command that was mistyped is guessed."""
    assert stopped(*words) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.startswith(f"usage: {told.partition(': error')[0]}")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The package's own."""
    assert stopped("--version") == 0
    assert capsys.readouterr().out == f"lbd {__version__}\n"


def test_words_come_from_the_process_where_none_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the installed script does it."""
    (tmp_path / "lbd.yaml").write_text(LOCAL)
    monkeypatch.setattr(sys, "argv", ["lbd", "check", "-c", str(tmp_path / "lbd.yaml")])
    assert main() == 0
    assert "good" in capsys.readouterr().out


def test_an_interrupt_is_130_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """As shells expect it of SIGINT."""

    def interrupted(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("lbd.cli.check.run", interrupted)
    assert main(["check"]) == 130


def unread(*words: str, unbuffered: bool) -> tuple[int, str]:
    """Run a command whose output nobody reads; return its exit status and errors."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if unbuffered:
        environ["PYTHONUNBUFFERED"] = "1"
    out, into = os.pipe()
    os.close(out)
    command = [sys.executable, "-m", "lbd", *words]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environ, stdout=into, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(into)
    return done.returncode, done.stderr


def test_a_reader_that_goes_away_brings_no_traceback(tmp_path: Path) -> None:
    """``lbd schema | head -1``: no complaint, neither while printing nor at the end of the interpreter.

    Less than a buffer holds is written when the outcome is known; else the status is SIGPIPE's, never a false 0.
    """
    (tmp_path / "lbd.yaml").write_text("x: 1\n")
    check = ("check", "--format", "json", "-c", str(tmp_path / "lbd.yaml"))
    assert unread("schema", unbuffered=False) == (141, "")
    assert unread(*check, unbuffered=False) == (1, "")
    assert unread(*check, unbuffered=True) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", [["schema"], ["schema", "providers"]])
def test_a_full_disk_is_told_in_a_line(words: list[str]) -> None:
    """``lbd report --csv > /full/report.csv``: whoever reads the file later must not take half of it for all."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lbd", *words]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "lbd: cannot write: No space left on device\n")


def test_closed_output_brings_no_traceback(tmp_path: Path) -> None:
    """``lbd check >&-``: for its exit status alone."""
    (tmp_path / "lbd.yaml").write_text("x: 1\n")
    command = f'"{sys.executable}" -m lbd check --format json -c "{tmp_path}/lbd.yaml" >&-'
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(("columns", "width"), [("40", 38), ("", 78), ("junk", 78), ("0", 78)])
def test_help_is_as_wide_as_the_terminal(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS, else the terminal's width, else 80."""

    def no_terminal(*_: object) -> os.terminal_size:
        raise OSError

    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    assert command_line._formatter("lbd")._width == width  # type: ignore[attr-defined]


def test_only_commands_that_end_by_themselves_do_without_collection() -> None:
    """The daemon and what follows it live for days."""
    assert set(COMMANDS) > BRIEF
    assert not BRIEF & {"run", "demo", "top", "events"}
