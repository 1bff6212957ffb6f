"""The provider table as readers see it: immutable rows in a generation-stamped Snapshot.

Rows hold only what a decision reads; everything that a dashboard shows beyond it is computed when it is
asked for (see :mod:`lbd.table.report`), so that publishing stays cheap under traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from lbd.model.plan import Catalogue
from lbd.model.provider import DeploymentSpec, ScorerSpec
from lbd.model.units import Instant, Ratio, Seconds, Tokens, WallTime

# Upper bounds in tokens of the prompt-size buckets: TTFT is mostly prefill, so a 30,000-token prompt
# must not be judged by, nor spoil, the percentile of short ones. Steps of 4 keep six buckets.
SIZE_BOUNDS: tuple[Tokens, ...] = (256, 1024, 4096, 16384, 65536)
SIZES = len(SIZE_BOUNDS) + 1


ALL = ""  # stands for all families of prompts


def size_bucket(tokens: Tokens) -> int:
    """Return the index of the prompt-size bucket that holds ``tokens``."""
    for i, bound in enumerate(SIZE_BOUNDS):
        if tokens <= bound:
            return i
    return SIZES - 1


class HealthState(StrEnum):
    """What lbd found; apart from what an operator ordered."""

    UNKNOWN = "unknown"  # never probed, never used
    UP = "up"
    DEGRADED = "degraded"  # works, but misses its targets or stands out from its peers
    SUSPECT = "suspect"  # the last sign was bad; out of first choice
    RECOVERING = "recovering"  # half-open trials or slow start
    DOWN = "down"  # breaker open
    LOCKED = "locked"  # credential, money or model: waits for a person


class AdminState(StrEnum):
    """What an operator ordered."""

    READY = "ready"
    DRAIN = "drain"  # no new requests; running ones finish
    MAINT = "maint"  # no new requests, no probes


class Reason(msgspec.Struct, frozen=True):
    """Why a state is what it is: a code, a sentence, the number and its limit."""

    code: str
    text: str = ""
    value: float | None = None
    limit: float | None = None


class DeploymentView(msgspec.Struct, frozen=True):
    """A row of the table as decisions see it.

    Tuples are indexed by prompt-size bucket. ``refusal`` is the reason code that keeps the row out
    (None: it may be used). ``standing`` is 0..1: how far the row may be held to meet its tier's target,
    moved by at most 0.1 a second. ``weight`` is the operator's weight times slow start.
    """

    spec: DeploymentSpec
    state: HealthState
    reason: Reason
    since: WallTime
    admin: AdminState
    refusal: str | None
    usable_at: Instant | None  # soonest time at which the refusal may go away by itself
    suspect: bool
    ejected: bool
    weight: float
    ttft_p95_s: tuple[Seconds, ...]
    ttft_p99_s: tuple[Seconds, ...]
    fresh: tuple[bool, ...]  # backed by recent samples, not by the prior
    standing: tuple[Ratio, ...]
    tier_target_s: Seconds
    tpot_s: Seconds
    error_ratio: Ratio
    load: Ratio  # in-flight and foreign queue over the limit
    wait_s: Seconds  # predicted wait for a slot, given the load at publishing
    quota_left: Ratio
    output_tokens: Tokens  # what an answer of this row usually has
    quality: Ratio | None
    tpot_fresh: bool = True  # ``tpot_s`` is backed by samples
    total_p95_s: Seconds | None = None  # of whole answers, None without enough samples
    meets_target: tuple[Ratio, ...] = (1.0,) * SIZES  # chance of a first content within the tier's target
    quality_low: Ratio | None = None  # lower bound of ``quality``, None where it is taken at its word
    families: Mapping[str, tuple[Ratio, Ratio]] = {}  # quality and lower bound, once answers were scored
    cached_share: Ratio = 0.0  # of a prompt, that usually comes from the provider's cache
    lost: frozenset[str] = frozenset()  # families in which its answers have become worse, ``ALL`` for every one


class Alternative(msgspec.Struct, frozen=True):
    """What the treated of an experiment have in place of a snapshot's own."""

    catalogue: Catalogue
    scorer: ScorerSpec
    targets: Mapping[str, Seconds] = {}  # of the tiers that have others


class Snapshot(msgspec.Struct, frozen=True):
    """The whole table at one generation. Everything that must agree is swapped in as one reference."""

    generation: int
    at: Instant
    wall: WallTime
    rows: tuple[DeploymentView, ...]
    catalogue: Catalogue
    scorer: ScorerSpec
    tokens_per_byte: float = 0.25
    variants: Mapping[str, Alternative] = {}  # by experiment

    def row(self, deployment_id: str) -> DeploymentView | None:
        """Return the row with this id."""
        i = self.catalogue.index.get(deployment_id)
        return None if i is None else self.rows[i]
