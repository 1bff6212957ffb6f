"""Experiments as data: what is tried on which share of the requests, and what of a configuration an arm decides by."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from lbd.model.provider import AutoSpec, Deadlines, RuleSpec, ScorerSpec, SurfaceSpec, TierSpec
from lbd.model.units import Ratio, Seconds


class By(StrEnum):
    """What stays in one arm."""

    SESSION = "session"  # that the request names; where it names none, its client
    CLIENT = "client"
    REQUEST = "request"  # each by itself


class Limits(msgspec.Struct, frozen=True):
    """From which harm on an experiment is stopped, once the harm is shown; None: however much it is."""

    quality_drop: Ratio | None = None  # absolute, of the mean score
    error_rise: Ratio | None = None  # absolute, of the share of requests that failed
    cost_rise: float | None = None  # relative to the control arm's mean
    ttft_rise: float | None = None  # likewise, of the time to the first content of streams


class Change(msgspec.Struct, frozen=True):
    """One changed place of a configuration, and what stands there for each arm."""

    path: str
    control: object
    treatment: object


class ExperimentSpec(msgspec.Struct, frozen=True):
    """An experiment. ``key`` is a hash of its definition and of what the control arm has in the changed places."""

    name: str
    share: Ratio  # of the units that are treated
    by: By = By.SESSION
    surfaces: frozenset[str] = frozenset()  # whose requests take part; none: every request
    changes: tuple[Change, ...] = ()
    stop_if: Limits = Limits()
    confidence: Ratio = 0.95
    max_s: Seconds | None = None
    enabled: bool = True
    key: str = ""


class Variant(msgspec.Struct, frozen=True):
    """All that decisions read of a configuration, as a treated request has it."""

    tiers: tuple[TierSpec, ...]
    rules: tuple[RuleSpec, ...]
    aliases: tuple[tuple[str, str], ...]
    surfaces: Mapping[str, SurfaceSpec]
    deadlines: Deadlines
    scorer: ScorerSpec
    auto: AutoSpec


class Arm(NamedTuple):
    """In which arm of an experiment a request counts. ``unit`` is a hash of what stays in the arm, 64 bits."""

    experiment: str
    key: str
    treated: bool
    unit: int


class Assigned(NamedTuple):
    """Whose treatment a request gets ("": nobody's), and in which arms it counts."""

    variant: str = ""
    arms: tuple[Arm, ...] = ()
