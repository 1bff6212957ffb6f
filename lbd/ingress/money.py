"""The admin API's pages on money: ``/v1/savings``, ``/v1/ledger``, ``/v1/budgets``. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from aiohttp import web

from lbd.ingress.problem import Problem
from lbd.model.moment import instant
from lbd.model.units import WallTime
from lbd.ports import StoreError

MOST = 10_000
_TIMES = frozenset({"since", "until", "limit", "by"})


class Books(Protocol):
    """What the pages show; the daemon's side of them."""

    def wall(self) -> WallTime: ...

    async def savings(self, since: WallTime, until: WallTime, by: Sequence[str]) -> dict[str, Any]: ...

    async def entries(
        self, since: WallTime, until: WallTime, limit: int, where: Mapping[str, str]
    ) -> list[dict[str, Any]]: ...

    def budgets(self) -> list[dict[str, Any]]: ...


class MoneyPages:
    """Adds its pages to the admin application."""

    def __init__(self, books: Books, router: web.UrlDispatcher) -> None:
        self._books = books
        router.add_get("/v1/savings", self._savings)
        router.add_get("/v1/ledger", self._ledger)
        router.add_get("/v1/budgets", self._budgets)

    def _period(self, request: web.Request, usual: str) -> tuple[WallTime, WallTime]:
        now = self._books.wall()
        out = []
        for name, default in (("since", usual), ("until", "")):
            text = request.query.get(name, default)
            try:
                out.append(instant(text, now) if text else now + 1)
            except (ValueError, OverflowError):
                why = "90m, 24h, 7d, 4w, seconds since the epoch, or 2026-12-01T06:00:00Z"
                raise Problem(422, f"{name}: {text[:40]!r} is no time: write {why}") from None
        return out[0], out[1]

    async def _savings(self, request: web.Request) -> web.Response:
        since, until = self._period(request, "30d")
        by = [word for word in request.query.get("by", "").split(",") if word]
        try:
            return _json(await self._books.savings(since, until, by))
        except ValueError as e:
            raise Problem(422, f"by: {e}") from None
        except StoreError as e:
            raise Problem(503, f"the ledger cannot be read: {e}") from None

    async def _ledger(self, request: web.Request) -> web.Response:
        since, until = self._period(request, "24h")
        limit = request.query.get("limit", "1000")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 7) or int(limit) > MOST:
            raise Problem(422, f"limit must be a whole number up to {MOST}")
        where = {name: value for name, value in request.query.items() if name not in _TIMES}
        try:
            found = await self._books.entries(since, until, int(limit), where)
        except ValueError as e:
            raise Problem(422, str(e)) from None
        except StoreError as e:
            raise Problem(503, f"the ledger cannot be read: {e}") from None
        return _json({"object": "list", "data": found, "has_more": len(found) == int(limit)})

    async def _budgets(self, _request: web.Request) -> web.Response:
        return _json({"object": "list", "data": self._books.budgets()})


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
