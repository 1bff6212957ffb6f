"""Pages of the admin API that show one document each, as it is now. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

View = Callable[[], dict[str, Any]]


def add(router: web.UrlDispatcher, views: Mapping[str, View]) -> None:
    """Add a page for each path."""
    for path, view in views.items():
        router.add_get(path, _page(view))


def _page(view: View) -> Callable[[web.Request], Any]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(view()), content_type="application/json")

    return answer
