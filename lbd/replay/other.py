"""A table as it would have been under another configuration, and what a request would have asked of it.

Rows are matched by their id: what was measured goes with them, what is configured is the new configuration's. A row
that was not there has no measurements; it is taken for what lbd takes a new row for, the prior of its tier. What a
request set for itself stays; where its bound was its surface's, the surface's new one holds.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from msgspec.structs import replace

from lbd import effect
from lbd.config.compiled import Compiled
from lbd.decide import classify, eligible, names
from lbd.decide.experiment import retargeted
from lbd.decide.rules import Traits, match
from lbd.model.failure import Failure
from lbd.model.plan import Target, TargetKind
from lbd.model.provider import RuleSpec, SurfaceSpec
from lbd.model.record import RequestRecord
from lbd.model.request import Ask
from lbd.model.table import DeploymentView, Snapshot
from lbd.model.units import DeploymentId, Instant, Seconds, WallTime
from lbd.observe.archive import Bounds, Opened
from lbd.table.owner import Owner


class _Never:
    """A timer that does not go off."""

    def cancel(self) -> None:
        """Forget it."""


class _Still:
    """Implements :class:`lbd.ports.Env`: one moment, without chance."""

    def __init__(self, now: Instant, wall: WallTime) -> None:
        self._now = now
        self._wall = wall

    def now(self) -> Instant:
        """Return the moment."""
        return self._now

    def wall(self) -> WallTime:
        """Return the moment."""
        return self._wall

    def uniform(self) -> float:
        """Return no chance."""
        return 0.5

    def bits(self) -> int:
        """Return no chance."""
        return 0

    def call_at(self, when: Instant, call: Callable[[], object]) -> _Never:  # noqa: ARG002  time stands still
        """Call nothing."""
        return _Never()

    def sleep(self, seconds: Seconds) -> Coroutine[Any, Any, None]:
        """Refuse: time stands still."""
        raise NotImplementedError(f"{seconds} s pass for nobody here")


class Other:
    """See the module. ``text_rules``: rules that look at a prompt or a header, which no journal holds."""

    def __init__(self, compiled: Compiled, at: Instant, wall: WallTime) -> None:
        judge = effect.shipped_judge() if compiled.judges else None
        new = effect.known(compiled, wall, None if isinstance(judge, str) else judge)
        catalogue = names.build(new.deployments, new.tiers, new.rules, new.aliases)
        owner = Owner(_Still(at, wall))
        owner.configure(new.deployments, new.providers, new.tiers, catalogue, new.scorer)
        self._new = new
        self._fresh = owner.snapshot
        self._tiers = {t.name: t.ttft_p95_s for t in new.tiers}
        self._choosing: tuple[RuleSpec, ...] = tuple(r for r in new.rules if r.when is not None)
        self._merged: dict[tuple[int, int], DeploymentView] = {}
        self._of: tuple[Snapshot | None, Snapshot | None] = (None, None)
        self._unmeasured = frozenset[DeploymentId]()
        self._kept: list[DeploymentView] = []
        self.text_rules = tuple(
            r.name for r in self._choosing if r.when is not None and (r.when.text is not None or r.when.headers)
        )
        self.ids = tuple(d.id for d in new.deployments)

    def table(self, old: Snapshot) -> Snapshot:
        """Return the table as it would have been."""
        if self._of[0] is old and self._of[1] is not None:
            return self._of[1]
        merged: dict[tuple[int, int], DeploymentView] = {}
        rows = []
        for i, fresh in enumerate(self._fresh.rows):
            before = old.row(fresh.spec.id)
            if before is None or before.spec.upstream_model != fresh.spec.upstream_model:
                rows.append(fresh)
                continue
            key = (i, id(before))
            merged[key] = self._merged.get(key) or self._row(before, fresh)
            rows.append(merged[key])
        self._unmeasured = frozenset(f.spec.id for f, row in zip(self._fresh.rows, rows, strict=True) if f is row)
        self._merged, self._kept = merged, list(old.rows)  # which keeps their ids from being given away
        made = Snapshot(
            old.generation,
            old.at,
            old.wall,
            tuple(rows),
            self._fresh.catalogue,
            self._fresh.scorer,
            old.tokens_per_byte,
        )
        self._of = (old, made)
        return made

    def _row(self, before: DeploymentView, fresh: DeploymentView) -> DeploymentView:
        spec = fresh.spec
        if spec.model == before.spec.model:
            spec = replace(spec, strength=before.spec.strength)
        share = before.weight / before.spec.weight if before.spec.weight else 1.0  # an operator's, and slow start
        quality = fresh.quality if before.quality_low is None else before.quality  # measured, it stays
        made = replace(before, spec=spec, weight=spec.weight * share, quality=quality)
        return retargeted(made, self._tiers)

    def new_rows(self, old: Snapshot) -> frozenset[DeploymentId]:
        """Return the rows without any measurements."""
        self.table(old)
        return self._unmeasured

    def ask(self, record: RequestRecord, ask: Ask, table: Snapshot, opened: Opened) -> Ask | None:
        """Return what a request would have asked; None where its name means nothing any more."""
        surface = self._new.surfaces.get(record.surface)
        target = self._target(record, ask, table, surface)
        if target is None:
            return None
        auto = target.kind is TargetKind.AUTO
        made = replace(
            ask,
            target=target.key,
            variant="",
            quality_share=classify.share(surface, self._new.auto) if auto else 0.0,
            allow=ask.allow if auto or target.kind is TargetKind.PIN else (),
        )
        if target.max_latency_s is not None and made.slo_s is None:
            made = replace(made, slo_s=target.max_latency_s)
        if surface is None:
            return made
        return _bounded(made, opened.surfaces.get(record.surface, Bounds()), surface)

    def _target(self, record: RequestRecord, ask: Ask, table: Snapshot, surface: SurfaceSpec | None) -> Target | None:
        catalogue = table.catalogue
        if ask.target.startswith(f"{TargetKind.PIN}:"):
            pin = ask.target if surface is None or surface.pin is None else f"pin:{surface.pin}"
            return catalogue.targets.get(pin)
        found = names.resolve(
            catalogue,
            record.asked,
            pin=None if surface is None else surface.pin,
            surface_aliases=() if surface is None else surface.models,
        )
        if isinstance(found, Failure):
            return None
        if found.kind is not TargetKind.AUTO or not self._choosing:
            return found
        traits = Traits(
            record.asked,
            record.client,
            record.surface,
            ask.urgency,
            ask.input_tokens,
            ask.needs,
            ask.peak,
            None if record.judged is None else record.judged.difficulty,
            ask.family,
        )
        rule, _ = match(self._able(table, ask), traits, str, lambda _name: None)
        return found if rule is None else catalogue.targets.get(f"rule:{rule.name}", found)

    def _able(self, table: Snapshot, ask: Ask) -> Sequence[RuleSpec]:
        out = []
        for rule in self._choosing:
            target = table.catalogue.targets.get(f"rule:{rule.name}")
            rows = [] if target is None else [table.rows[i] for stage in target.stages for i in stage.rows]
            if rule.name not in self.text_rules and any(eligible.can(row.spec, ask) for row in rows):
                out.append(rule)
        return out


def _bounded(ask: Ask, before: Bounds, now: SurfaceSpec) -> Ask:
    """Return an Ask whose bounds that were the surface's are the surface's new ones."""
    slo = now.ttft_p95_s if ask.slo_s == before.ttft_p95_s else ask.slo_s
    floor = (
        now.quality_floor if ask.quality_floor == before.quality_floor else max(ask.quality_floor, now.quality_floor)
    )
    cap = now.max_usd_per_request if ask.max_usd == before.max_usd else ask.max_usd
    return replace(ask, slo_s=slo, quality_floor=floor, max_usd=cap, fallback=now.fallback)
