"""What stands behind a model's name, row by row: what each offers, and how it did in the last half hour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lbd.model.provider import Price
from lbd.model.table import AdminState, HealthState
from lbd.model.units import Instant, Ratio, Seconds, Tokens
from lbd.state.quantile import Sketch, merged
from lbd.state.row import Row
from lbd.state.window import DAY, FIVE_MINUTES, HALF_HOUR
from lbd.table.owner import Owner

POINTS = (0.5, 0.75, 0.9, 0.99)


class Offer(NamedTuple):
    """One deployment. Percentiles are at ``POINTS``, None without samples; uptimes are shares of the time, 0..1.

    ``carries``: what requests may ask of it, by the client shape in which they come.
    """

    deployment: str
    provider: str
    upstream_model: str
    context_tokens: Tokens | None
    price: Price | None
    carries: frozenset[str]
    serves: frozenset[str]
    state: HealthState
    admin: AdminState
    ttft_s: tuple[Seconds, ...] | None
    tpot_s: tuple[Seconds, ...] | None
    uptime_5m: Ratio | None
    uptime_30m: Ratio | None
    uptime_1d: Ratio | None


def offers(owner: Owner, rows: Iterable[int], now: Instant) -> list[Offer]:
    """Return what the rows of these numbers offer."""
    return [_offer(owner.rows[i], now) for i in rows]


def _offer(row: Row, now: Instant) -> Offer:
    spec = row.spec
    carried = (spec.carries or {}).get("openai.chat", frozenset())
    return Offer(
        spec.id,
        row.provider.name,
        spec.upstream_model,
        spec.context_tokens,
        spec.price,
        carried if spec.supports is None else carried & spec.supports,
        frozenset(spec.serves),
        row.state,
        row.admin,
        _points(merged(r.over(HALF_HOUR, now) for r in row.ttft)),
        _points(row.tpot.over(HALF_HOUR, now)),
        *(row.presence.over(window, now).share() for window in (FIVE_MINUTES, HALF_HOUR, DAY)),
    )


def _points(sketch: Sketch) -> tuple[Seconds, ...] | None:
    found = tuple(value for value in sketch.quantiles(POINTS) if value is not None)
    return found or None
