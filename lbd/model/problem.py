"""What can be wrong with a configuration: where, at which path, and why."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(NamedTuple):
    """One thing that is wrong: where, at which path, and why."""

    place: Place | None
    path: str
    reason: str
    level: str = "error"

    def __str__(self) -> str:
        at = f"{self.place}: " if self.place is not None else ""
        mark = "warning: " if self.level == "warning" else ""
        return f"{at}{mark}{self.path + ': ' if self.path else ''}{self.reason}"


class ConfigError(Exception):
    """The configuration cannot be used."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
