"""The ledger: one entry for each attempt that went out, what it cost, and what its request would have cost elsewhere.

Money is in integer nano-USD everywhere, so that sums are exact however they are grouped. An entry's id names it for
ever: writing it twice is writing it once.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lbd.model.units import DeploymentId, NanoUsd, Tokens, WallTime

HOUR = 3600


class Kind(StrEnum):
    """Whose wish an attempt was: a client's, or lbd's own (its overhead)."""

    CLIENT = "client"
    PROBE = "probe"
    EVALUATION = "evaluation"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One attempt.

    ``premium`` and ``cheapest``: what the request would have cost at the baseline and at the cheapest deployment that
    could have served it, with the same token counts; ``saved`` is the premium less the cost of all attempts of the
    request. These stand on the attempt that served, where a baseline with a price is known. ``compared``: the request
    has such an attempt, so that premium - cost over compared entries is what was saved.
    """

    id: str  # "<request id>/<number of the attempt>"
    time: WallTime
    request: str
    kind: Kind
    client: str
    surface: str
    rule: str  # the target that the name took: "auto", "model:gpt-4.1", "rule:simple_queries"
    model: str
    provider: str
    deployment: DeploymentId
    urgency: str
    outcome: str  # "ok", a failure's kind
    input: Tokens = 0
    cached: Tokens = 0  # of the input
    written: Tokens = 0  # of the input, to the provider's cache
    output: Tokens = 0
    reasoning: Tokens = 0  # of the output
    cost: NanoUsd = 0
    estimated: bool = False  # the provider told no usage
    unpriced: bool = False  # no price is known: the cost is not nothing, it is unknown
    served: bool = False
    compared: bool = False
    baseline: DeploymentId | None = None
    premium: NanoUsd | None = None
    cheapest: NanoUsd | None = None
    saved: NanoUsd | None = None

    @property
    def hour(self) -> int:
        """The hour in which it ended, in seconds since the epoch."""
        return int(self.time // HOUR) * HOUR


# What a total may be grouped by, beside the hour.
GROUPS = ("kind", "client", "surface", "rule", "model", "provider", "deployment", "urgency")


class Total(msgspec.Struct, frozen=True):
    """Entries added up; ``of`` are the values of what it is grouped by, in the order asked for."""

    of: tuple[str | int, ...] = ()
    requests: int = 0  # served
    attempts: int = 0
    failed: int = 0  # attempts
    input: Tokens = 0
    cached: Tokens = 0
    written: Tokens = 0
    output: Tokens = 0
    reasoning: Tokens = 0
    cost: NanoUsd = 0
    failed_cost: NanoUsd = 0  # of attempts that did not serve
    estimated: int = 0  # entries
    unpriced: int = 0
    compared: int = 0  # requests
    compared_cost: NanoUsd = 0
    premium: NanoUsd = 0
    cheapest: NanoUsd = 0
    saved: NanoUsd = 0
    saved_square: float = 0.0  # sum of the squares, in USD^2: what an interval is made of


SUMS = tuple(name for name in Total.__struct_fields__ if name != "of")
