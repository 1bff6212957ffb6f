"""What a configuration says of money: budgets and prices, as the specs that requests are counted by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal

from lbd.config.callers import LimitConfig
from lbd.model.provider import BudgetSpec, Price
from lbd.model.units import NANO_PER_USD, Tokens, WallTime
from lbd.shapes.providers import BudgetConfig, DatedPriceConfig, PriceConfig

ALWAYS: WallTime = 0.0  # from when on a price without a day holds


def budgets(
    scope: Literal["client", "surface", "provider"],
    name: str,
    given: BudgetConfig | None,
    error: Callable[[str], None],
) -> tuple[BudgetSpec, ...]:
    """Return the budgets of a client, a surface or a provider; ``error`` is told what is wrong with them."""
    if given is None:
        return ()
    out = []
    limits: tuple[tuple[Literal["hour", "day", "month"], float | None], ...] = (
        ("hour", given.usd_per_hour),
        ("day", given.usd_per_day),
        ("month", given.usd_per_month),
    )
    for period, usd in limits:
        if usd is not None:
            out.append(BudgetSpec(scope, name, period, round(usd * NANO_PER_USD), given.hard, given.warn_at))
    if not out:
        error("names no limit: usd_per_hour, usd_per_day or usd_per_month")
    return tuple(out)


def prices(
    base: PriceConfig | None, changes: Iterable[DatedPriceConfig], error: Callable[[int, str], None]
) -> tuple[tuple[WallTime, Price | None], ...]:
    """Return from when on which price holds, the earliest first; ``error`` is told the number of a change and why."""
    out: list[tuple[WallTime, Price]] = []
    for i, change in enumerate(changes):
        try:
            since = datetime.fromisoformat(change.since)
        except ValueError:
            error(i, f"{change.since!r} is no day or instant: write 2026-12-01 or 2026-12-01T06:00:00Z")
            continue
        since = since if since.tzinfo is not None else since.replace(tzinfo=UTC)
        out.append((since.timestamp(), price(change)))
    return ((ALWAYS, None if base is None else price(base)), *sorted(out, key=lambda p: p[0]))


def price(given: PriceConfig) -> Price:
    """Return the price alone."""
    return Price(**{name: getattr(given, name) for name in Price.__struct_fields__})


def rates(given: LimitConfig | None, error: Callable[[str], None]) -> tuple[int | None, Tokens | None]:
    """Return the requests and tokens a minute that a client may have; ``error`` is told what is wrong with them."""
    if given is None:
        return None, None
    if given.requests_per_min is None and given.tokens_per_min is None:
        error("names no limit: requests_per_min or tokens_per_min")
    return given.requests_per_min, given.tokens_per_min
