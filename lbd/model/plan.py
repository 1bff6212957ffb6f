"""What a name means, how candidates were ranked, and what was chosen: decisions as data.

A ``Target`` is a resolved name: stages (tiers, or a rule's groups) of row indexes, best first. A
``Ranking`` is the outcome of filtering and scoring one Ask on one snapshot, remembered per generation. A
``Choice`` adds the draws and the live inputs that picked one candidate, so that it can be replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import inf
from typing import NamedTuple, TypeAlias

import msgspec

from lbd.model.request import Ask
from lbd.model.units import DeploymentId, Draw, Instant, Ratio, Seconds, Tokens


class TargetKind(StrEnum):
    """Which of the five meanings a name took."""

    PIN = "pin"
    RULE = "rule"
    MODEL = "model"
    AUTO = "auto"


class Stage(msgspec.Struct, frozen=True):
    """A tier, or a group of a rule. ``target_s`` is the tier's own TTFT target; rules have none."""

    name: str
    rows: tuple[int, ...]
    target_s: Seconds | None = None


class Target(msgspec.Struct, frozen=True):
    """A resolved name."""

    key: str  # "auto", "model:gpt-4.1", "rule:simple_queries", "pin:gpt-4.1"
    kind: TargetKind
    name: str
    stages: tuple[Stage, ...]
    max_latency_s: Seconds | None = None
    max_cost_per_1k: float | None = None


class Catalogue(msgspec.Struct, frozen=True):
    """All names of one configuration and what they mean. Belongs to a snapshot."""

    targets: dict[str, Target]
    aliases: tuple[tuple[str, str], ...]  # name pattern -> meaning, in order
    index: dict[DeploymentId, int]
    config_generation: int = 0


class Excluded(msgspec.Struct, frozen=True):
    """A deployment that was not eligible, and why. ``soft``: usable when nothing better is left."""

    row: int
    id: DeploymentId
    reason: str
    detail: str = ""
    soft: bool = False


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An eligible deployment with what it was judged by.

    ``terms`` follow the scorer's weights in order. ``weight`` is the operator's weight times slow start.
    ``predicted_s`` is the p95 of the first content, wait for a slot included; ``total_s`` of the whole answer.
    """

    row: int
    id: DeploymentId
    model: str
    terms: tuple[Ratio, ...]
    score: Ratio
    weight: float
    standing: Ratio
    predicted_s: Seconds
    total_s: Seconds
    slow_s: Seconds  # 2 x predicted p99, wait included: longer than this is not its normal way
    cutoff_s: Seconds  # the same, at least the tier's target
    usd: float | None
    fresh: bool
    context: Tokens | None
    target_s: Seconds = inf  # of the first content: the request's own, or its tier's
    hedge_s: Seconds = inf  # without content for so long, a second attempt beside it is worth its tokens


class Live(NamedTuple):
    """Live inputs of one candidate at the moment of the pick.

    ``inflight`` requests, ``capacity`` its limit (or a nominal one), ``peak_s`` peak EWMA of TTFT,
    ``penalty`` 0..1 for a recent single failure, decaying.
    """

    inflight: int
    capacity: float
    peak_s: Seconds
    penalty: Ratio


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One pick: who was chosen, from which stage and why, and the live inputs that were read for it."""

    candidate: Candidate
    stage: str
    manner: str
    reason: str  # "only", "weighted", "least_loaded", "best_of_two", "affinity", "explore"
    live: tuple[tuple[int, Live], ...] = ()
    others: int = 0  # candidates that were left besides


class RankedStage(msgspec.Struct, frozen=True):
    """A stage with its candidates, best score first. ``manner`` says when the stage may be used."""

    name: str
    manner: str  # "normal", "slo_missed", "suspect", "ejected", "trial"
    candidates: tuple[Candidate, ...]
    cumulative: tuple[float, ...]
    standing: Ratio  # highest of its candidates; 1 where no target steers
    steered: bool = True

    def shares(self) -> Iterator[tuple[Candidate, Ratio]]:
        """Yield each candidate with its chance to be drawn first, before live load is looked at."""
        before, total = 0.0, self.cumulative[-1] or 1.0
        for c, cum in zip(self.candidates, self.cumulative, strict=True):
            yield c, (cum - before) / total
            before = cum


class Ranking(msgspec.Struct, frozen=True):
    """The outcome of filter and score for one Ask on one generation."""

    generation: int
    ask: Ask
    stages: tuple[RankedStage, ...]
    excluded: tuple[Excluded, ...]
    affinity_bonus: Ratio = 0.0  # how much score a session's home may lack
    panic: bool = False  # statistical ejection was overridden for this request
    only: Choice | None = None  # the choice, where there is but one candidate
    count: int = 0  # of all candidates


Seed: TypeAlias = int  # 64 random bits: all the chance of one decision


DRAW = 0x10000  # a draw is 16 bits of the seed


def draw(seed: Seed, number: int) -> Draw:
    """Return draw ``number`` of a decision: 0 exploring or not, 1 standing of the tier, 2 and 3 the picks."""
    return (seed >> 16 * number & 0xFFFF) / DRAW


class Query(NamedTuple):
    """What one pick is restricted to.

    ``out`` were tried, or refused a lease. ``model``: only this model's deployments, and no last-resort ones
    (the first preference after a failure). ``larger_than``: only a larger or unknown context. ``affinity``:
    the session's or prompt prefix's key, 0 for none.
    """

    out: tuple[DeploymentId, ...] = ()
    model: str | None = None
    larger_than: Tokens | None = None
    affinity: int = 0


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The record of one decision: with the snapshot of its generation it executes again to the same choice.

    ``reason`` is the pick's, ``again`` where the same row was tried once more without a pick, or ``nobody``
    where nobody was left to be ``chosen``.
    """

    generation: int
    at: Instant
    ask: Ask
    query: Query
    seed: Seed
    live: tuple[tuple[int, Live], ...]
    chosen: DeploymentId | None
    stage: str
    manner: str
    reason: str
