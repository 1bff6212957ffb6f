"""A configuration that can be run: what everybody else reads of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from lbd.config import schema
from lbd.decide.rules import judges
from lbd.model.alert import AlertsSpec
from lbd.model.evaluation import EvaluateSpec
from lbd.model.experiment import ExperimentSpec, Variant
from lbd.model.problem import Problem
from lbd.model.provider import (
    AutoSpec,
    ClientSpec,
    Deadlines,
    DeploymentSpec,
    PeakSpec,
    ProviderSpec,
    RuleSpec,
    ScorerSpec,
    SurfaceSpec,
    TierSpec,
)
from lbd.model.secret import Secret
from lbd.model.tracing import TracesSpec

if TYPE_CHECKING:
    from ssl import SSLContext


class Compiled(msgspec.Struct, frozen=True):
    """A configuration that can be run."""

    config: schema.Config
    providers: tuple[ProviderSpec, ...]
    deployments: tuple[DeploymentSpec, ...]
    tiers: tuple[TierSpec, ...]
    rules: tuple[RuleSpec, ...]
    aliases: tuple[tuple[str, str], ...]
    surfaces: dict[str, SurfaceSpec]
    clients: tuple[ClientSpec, ...]
    deadlines: Deadlines
    scorer: ScorerSpec
    auto: AutoSpec
    peak: PeakSpec | None
    evaluate: EvaluateSpec | None
    alerts: AlertsSpec
    probe_kinds: tuple[str, ...]
    admin_token: Secret | None
    provenance_key: Secret | None
    hash: str
    warnings: tuple[Problem, ...]
    experiments: tuple[ExperimentSpec, ...] = ()
    variants: Mapping[str, Variant] = {}  # what the treated of each experiment have
    tls: SSLContext | None = None  # of the API listener
    admin_tls: SSLContext | None = None  # of the admin listener
    traces: TracesSpec | None = None  # None: they are sent nowhere

    @property
    def judges(self) -> bool:
        """Tell whether prompts are judged: a rule, a surface or ``auto`` asks for it, an experiment's included."""
        return _judges(self) or any(map(_judges, self.variants.values()))


def _judges(of: Compiled | Variant) -> bool:
    shares = [of.auto.quality_share, *(s.quality_share for s in of.surfaces.values())]
    return of.auto.judge and (judges(of.rules) or any(shares))
