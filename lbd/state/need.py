"""What requests take of rate limits, by lbd's own estimate, and what a limit of a given name counts of it."""

from __future__ import annotations

from typing import NamedTuple


class Need(NamedTuple):
    """What requests take: of one, or summed over many. Tokens are lbd's estimate.

    ``output`` is what their answers usually have, ``spare`` how much more they may have at most. ``either`` is the
    larger of the prompt and the longest answer that the client asked for.
    """

    requests: float = 1
    input: float = 0
    output: float = 0
    spare: float = 0
    either: float = 0

    def plus(self, other: Need) -> Need:
        """Return the sum."""
        a, b, c, d, e = other
        return Need(self.requests + a, self.input + b, self.output + c, self.spare + d, self.either + e)

    def minus(self, other: Need) -> Need:
        """Return the difference."""
        a, b, c, d, e = other
        return Need(self.requests - a, self.input - b, self.output - c, self.spare - d, self.either - e)


NOTHING = Need(0)


class Ahead(NamedTuple):
    """What those take who go before a request: together, and the most that a single one of them needs at once."""

    total: Need = NOTHING
    one: Need = NOTHING


NOBODY = Ahead()


def amount(what: str, need: Need) -> float:
    """Return what a need is to a limit of this name; of one of all tokens, what OpenAI counts."""
    if what.startswith("requests"):
        return need.requests
    if what.startswith("input"):
        return need.input
    return need.output if what.startswith("output") else need.either


class Open(NamedTuple):
    """Answers that are not complete, as a limit of output tokens counts them: what they usually have, and at most."""

    usual: float = 0.0
    most: float = 0.0


NONE_OPEN = Open()


def answers(what: str, need: Need) -> Open:
    """Return what a limit of this name may count only when answers are complete: of output tokens, all."""
    return Open(need.output, need.output + need.spare) if what.startswith("output") else NONE_OPEN
