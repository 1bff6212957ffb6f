"""The command line as data, read from the parsers themselves: what completions and manual pages are made of."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Option(NamedTuple):
    """An option, or with no flags an argument by its place. ``takes`` names its value, None for a switch."""

    flags: tuple[str, ...]
    takes: str | None
    choices: tuple[str, ...]
    text: str
    file: bool = False
    repeated: bool = False
    required: bool = False


class Command(NamedTuple):
    """A command, or a command of a command; ``epilog`` says what stands below its help."""

    words: tuple[str, ...]
    text: str
    epilog: str
    options: tuple[Option, ...]
    arguments: tuple[Option, ...]
    commands: tuple[Command, ...] = ()

    def every(self) -> Iterator[Command]:
        """Yield it and all below it."""
        yield self
        for one in self.commands:
            yield from one.every()


def read(parser: argparse.ArgumentParser, words: tuple[str, ...], text: str = "") -> Command:
    """Return what a parser takes, and the parsers below it."""
    options: list[Option] = []
    arguments: list[Option] = []
    below: list[Command] = []
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            said = {str(c.dest): c.help or "" for c in action._choices_actions}  # noqa: SLF001
            below += [read(sub, (*words, name), said.get(name, "")) for name, sub in action.choices.items()]
        elif action.help is not argparse.SUPPRESS:
            (options if action.option_strings else arguments).append(_option(action))
    return Command(
        words, text or parser.description or "", parser.epilog or "", tuple(options), tuple(arguments), tuple(below)
    )


def _option(action: argparse.Action) -> Option:
    choices = tuple(map(str, action.choices)) if action.choices is not None else ()
    takes: str | None = None
    if action.nargs != 0:
        named = action.metavar if isinstance(action.metavar, str) else None
        takes = named or ("|".join(choices) if choices else action.dest.upper())
    shown = {**vars(action), "prog": "lbd"}
    text = (action.help or "") % shown if "%(" in (action.help or "") else (action.help or "").replace("%%", "%")
    return Option(
        tuple(action.option_strings),
        takes,
        choices,
        " ".join(text.split()),
        file=action.type is Path or takes in ("FILE", "F"),
        repeated=action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction),  # noqa: SLF001
        required=action.required,
    )
