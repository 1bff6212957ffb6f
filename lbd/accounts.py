"""The daemon's side of the admin API on money: savings, the ledger's entries, budgets."""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lbd.app import App
from lbd.model.ledger import Kind
from lbd.model.units import Seconds, WallTime
from lbd.observe import savings
from lbd.table.report import rfc3339


class Accounts:
    """Implements :class:`lbd.ingress.money.Books`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._born = app.env.wall()

    def wall(self) -> WallTime:
        """Return the time that periods are counted back from."""
        return self._app.env.wall()

    async def savings(self, since: WallTime, until: WallTime, by: Sequence[str]) -> dict[str, Any]:
        """Return what was saved, in all and by group. Raises ValueError, StoreError."""
        app = self._app
        await app.money.keep()
        books = app.books
        whole = await books.totals(since, until, where={"kind": str(Kind.CLIENT)})
        kinds = await books.totals(since, until, ("kind",))
        groups = await books.totals(since, until, by, {"kind": str(Kind.CLIENT)}) if by else []
        ledger = app.compiled.config.ledger
        return {
            "object": "lbd.savings",
            "since": rfc3339(since // 3600 * 3600),
            "until": rfc3339(until),
            "baseline": ledger.baseline,
            **savings.facts(whole[0]),
            "overhead": savings.overhead(kinds, self._cpu_s(until - since), ledger.cpu_usd_per_hour),
            "lost_entries": app.ledger.lost,
            "by": [{**dict(zip(by, total.of, strict=True)), **savings.facts(total)} for total in groups],
        }

    def _cpu_s(self, period_s: Seconds) -> Seconds:
        """Return the processor time of a period that ends now: of this run alone, spread evenly over it."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        run = max(1e-3, self._app.env.wall() - self._born)
        return (used.ru_utime + used.ru_stime) * min(1.0, period_s / run)

    async def entries(
        self, since: WallTime, until: WallTime, limit: int, where: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Return entries, the youngest first, with their money in USD beside. Raises ValueError, StoreError."""
        await self._app.money.keep()
        found = await self._app.books.entries(since, until, limit=limit, where=where)
        return [{**msgspec.to_builtins(e), "time": rfc3339(e.time), "cost_usd": savings.usd(e.cost)} for e in found]

    def budgets(self) -> list[dict[str, Any]]:
        """Return every budget with where it stands."""
        return self._app.flights.purses.report(self._app.env.wall())
