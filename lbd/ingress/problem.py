"""Errors of the admin API: RFC 9457 problem details."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from aiohttp import web


class Problem(Exception):
    """Answers a request with a problem document."""

    def __init__(self, status: int, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more

    def response(self) -> web.Response:
        """Return the answer."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return web.Response(status=self.status, body=orjson.dumps(body), content_type="application/problem+json")
