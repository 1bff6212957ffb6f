"""The admin API's page on evaluation: ``/v1/evaluation``. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web


class QualityPages:
    """Adds its page to the admin application."""

    def __init__(self, report: Callable[[], dict[str, Any]], router: web.UrlDispatcher) -> None:
        self._report = report
        router.add_get("/v1/evaluation", self._evaluation)

    async def _evaluation(self, _request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self._report()), content_type="application/json")
