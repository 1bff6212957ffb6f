"""The command line as data."""

from __future__ import annotations

import argparse
from pathlib import Path

from lbd.cli import grammar
from lbd.cli.completion import tree
from lbd.cli.main import COMMANDS


def test_options_arguments_and_commands_are_told_apart() -> None:
    """With what each takes, and what it means."""
    parser = argparse.ArgumentParser(description="top", epilog="below")
    parser.add_argument("-c", "--config", type=Path, help="a file (%(default)s)", default=Path("x"))
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    parser.add_argument("what", choices=("a", "b"), nargs="?")
    sub = parser.add_subparsers().add_parser("do", help="does it")
    sub.add_argument("--yes", action="store_true", help="100%% sure")
    sub.add_argument("--many", action="append", metavar="N")
    found = grammar.read(parser, ("x",))
    assert (found.text, found.epilog) == ("top", "below")
    config = next(o for o in found.options if "--config" in o.flags)
    assert config == grammar.Option(("-c", "--config"), "CONFIG", (), "a file (x)", file=True)
    assert "--hidden" not in [f for o in found.options for f in o.flags]
    assert found.arguments[0].choices == ("a", "b") and not found.arguments[0].required
    do = found.commands[0]
    assert (do.words, do.text) == (("x", "do"), "does it")
    yes, many = (next(o for o in do.options if flag in o.flags) for flag in ("--yes", "--many"))
    assert yes.takes is None and yes.text == "100% sure" and many.repeated


def test_the_whole_command_line_is_there() -> None:
    """Every command, and every action of ctl."""
    words = {c.words for c in tree().every()}
    assert {("lbd", name) for name in COMMANDS} <= words and ("lbd", "ctl", "drain") in words


def test_every_command_says_its_exit_statuses() -> None:
    """Scripts depend on them."""
    assert not [c.words for c in tree().commands if "exit status" not in c.epilog]


def test_every_command_that_shows_data_has_json() -> None:
    """The others print a document by themselves, run something, or draw on a terminal."""
    without = {
        c.words[1] for c in tree().commands if not c.commands and not any("--json" in o.flags for o in c.options)
    }
    assert without <= {"run", "demo", "top", "schema", "gen", "completion", "manual"}
    actions = next(c for c in tree().commands if c.words[1] == "ctl").commands
    assert all(any("--json" in o.flags for o in a.options) for a in actions)


def test_every_option_says_what_it_does() -> None:
    """Help without words is none."""
    assert not [(c.words, o.flags) for c in tree().every() for o in c.options if not o.text]
