"""What a request would have cost elsewhere: at the premium model, and at the cheapest that could have served it.

The premium is the baseline that the configuration names; else the model that the application asked for, where that is
one; else the best of the best tier (the highest quality, then the dearest), whatever rule sent it elsewhere. It is
priced with the token counts of the answer that was given: nobody knows how long another model's would have been.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from lbd.decide import eligible, fitness
from lbd.decide.experiment import under
from lbd.model.money import cost
from lbd.model.outcome import Usage
from lbd.model.plan import Stage, TargetKind
from lbd.model.provider import Price
from lbd.model.request import Ask
from lbd.model.table import DeploymentView, Snapshot
from lbd.model.units import DeploymentId, NanoUsd

# An everyday request, to tell which of two models is the dearer one: tokens in, tokens out.
_USUAL = Usage(1000, 300)


class Compared(msgspec.Struct, frozen=True):
    """The prices that requests of one kind are compared with."""

    baseline: DeploymentId | None = None
    premium: Price | None = None
    feasible: tuple[Price, ...] = ()

    def premium_of(self, usage: Usage) -> NanoUsd | None:
        """Return the cost at the baseline, None where there is none."""
        return None if self.premium is None else cost(self.premium, usage)

    def cheapest_of(self, usage: Usage) -> NanoUsd | None:
        """Return the least cost, None where no price is known."""
        least: NanoUsd | None = None
        for price in self.feasible:  # one or two, as a rule
            nano = cost(price, usage)
            if least is None or nano < least:
                least = nano
        return least


def compared(snapshot: Snapshot, ask: Ask, asked: str, baseline: str | None) -> Compared:
    """Return what a request for the name ``asked`` is compared with. ``baseline``: the model of the configuration."""
    snapshot = under(snapshot, ask.variant)
    target = snapshot.catalogue.targets.get(ask.target)
    stages = () if target is None else target.stages
    served = [row for stage in stages for row in _able(snapshot, stage, ask)]
    every = snapshot.catalogue.targets.get(TargetKind.AUTO)
    tiers = [] if every is None else [_able(snapshot, stage, ask) for stage in every.stages]
    found = _named(snapshot, ask, (baseline, asked)) or _best(tiers)
    return Compared(
        None if found is None else found.spec.id,
        None if found is None else found.spec.price,
        _undercut({row.spec.price for row in served if row.spec.price is not None and _good(row, ask)}),
    )


def _undercut(prices: set[Price]) -> tuple[Price, ...]:
    """Return the prices of which any may be the least, by what is asked: those that no other undercuts in all."""
    told = {price: _each(price) for price in prices}
    least = [p for p, own in told.items() if not any(o != own and _below(o, own) for o in told.values())]
    return tuple(least)


def _each(price: Price) -> tuple[float, ...]:
    """Return what a token costs: plain input, cached, written to the cache, output."""
    plain, cached, written = price.input_usd_per_mtok, price.cached_input_usd_per_mtok, price.cache_write_usd_per_mtok
    return (
        plain,
        plain if cached is None else cached,
        plain if written is None else written,
        price.output_usd_per_mtok,
    )


def _below(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _able(snapshot: Snapshot, stage: Stage, ask: Ask) -> list[DeploymentView]:
    return [row for row in (snapshot.rows[i] for i in stage.rows) if _can(row, ask)]


def _can(row: DeploymentView, ask: Ask) -> bool:
    return _fits(row, ask) and (not ask.allow or any(fnmatchcase(row.spec.model, p) for p in ask.allow))


def _fits(row: DeploymentView, ask: Ask) -> bool:
    context = row.spec.context_tokens
    return eligible.can(row.spec, ask) and (context is None or ask.input_tokens <= context)


def _good(row: DeploymentView, ask: Ask) -> bool:
    if ask.quality_floor <= 0:
        return True
    least = fitness.least(row, ask)
    return least is not None and least >= ask.quality_floor


def _named(snapshot: Snapshot, ask: Ask, names: Sequence[str | None]) -> DeploymentView | None:
    """Return the dearest deployment of the first of these models that has a price and could have served."""
    for name in names:
        target = snapshot.catalogue.targets.get(f"model:{name}")
        if target is not None:
            rows = [snapshot.rows[i] for stage in target.stages for i in stage.rows]
            found = max(_priced(row for row in rows if _fits(row, ask)), key=_dear, default=None)
            if found is not None:
                return found
    return None


def _best(stages: Sequence[Sequence[DeploymentView]]) -> DeploymentView | None:
    for rows in stages:
        found = max(_priced(iter(rows)), key=lambda row: (row.quality or 0.0, _dear(row)), default=None)
        if found is not None:
            return found
    return None


def _priced(rows: Iterator[DeploymentView]) -> Iterator[DeploymentView]:
    return (row for row in rows if row.spec.price is not None)


def _dear(row: DeploymentView) -> NanoUsd:
    return cost(row.spec.price, _USUAL)
