"""What of a configuration takes effect: rows as they are now, what the pipeline goes by; and how loads went."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from lbd import __version__, router
from lbd.admit.auth import Clients
from lbd.admit.judge import Judge
from lbd.config.compiled import Compiled
from lbd.config.journal import folder
from lbd.decide import names
from lbd.loops.journaling import Place
from lbd.model import money
from lbd.model.experiment import Variant
from lbd.model.provider import DeploymentSpec, RuleSpec
from lbd.model.table import Alternative
from lbd.model.units import WallTime
from lbd.observe.archive import Bounds, Opened
from lbd.pipeline import Rules
from lbd.router.judge import Router
from lbd.router.weights import WeightsError


class Reloads(msgspec.Struct):
    """How loads of the configuration went."""

    generation: int = 1
    ok: int = 0
    failed: int = 0
    last_ok: bool = True
    last_at: WallTime = 0.0
    last_error: str | None = None
    loaded_at: WallTime = 0.0


def known(compiled: Compiled, wall: WallTime, judge: Judge | None, before: Iterable[DeploymentSpec] = ()) -> Compiled:
    """Return a configuration with the prices that hold now, and how strong each model is held to be.

    A deployment that is as it was ``before`` is the same object: the journal remembers the tables of many reloads.
    """
    rows = [money.priced(spec, wall) for spec in compiled.deployments]
    if judge is not None:
        rows = [msgspec.structs.replace(spec, strength=judge.strength(spec.model)) for spec in rows]
    old = {spec.id: spec for spec in before}
    rows = [kept if (kept := old.get(spec.id)) is not None and kept == spec else spec for spec in rows]
    return msgspec.structs.replace(compiled, deployments=tuple(rows))


def shipped_judge() -> Judge | str:
    """Return the judge of prompts that is shipped, or why there is none."""
    try:
        return Judge(Router.from_bytes(Path(router.__file__).with_name("weights.bin").read_bytes()))
    except (OSError, WeightsError) as e:
        return str(e)


def journal_place(compiled: Compiled, terms: Iterable[str]) -> Place | None:
    """Return where the decision journal is written to, and what its segments say of this lbd; None where it is not."""
    config = compiled.config
    where = folder(config.journal, config.store.url)
    if where is None:
        return None
    surfaces = compiled.surfaces.values()
    bounds = {s.name: Bounds(s.ttft_p95_s, s.quality_floor, s.max_usd_per_request) for s in surfaces}
    head = Opened(__version__, "", 0.0, tuple(terms), compiled.hash, bounds)
    return Place(where, config.journal.keep_days, config.journal.max_bytes, head)


def rules(clients: Clients, of: Compiled | Variant) -> Rules:
    """Return what the pipeline goes by."""
    choosing: tuple[RuleSpec, ...] = tuple(rule for rule in of.rules if rule.when is not None)
    return Rules(clients, of.surfaces, of.deadlines, choosing, of.auto)


def alternative(base: Compiled, variant: Variant, generation: int) -> Alternative:
    """Return what the treated of an experiment have in place of the table's own."""
    own = {t.name: t.ttft_p95_s for t in base.tiers}
    return Alternative(
        names.build(base.deployments, variant.tiers, variant.rules, variant.aliases, generation),
        variant.scorer,
        {t.name: t.ttft_p95_s for t in variant.tiers if t.ttft_p95_s != own[t.name]},
    )
