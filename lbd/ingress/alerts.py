"""The admin API's pages on alerts: ``GET /v1/alerts``, ``POST /v1/alerts/<id>/silence``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import orjson
from aiohttp import web

from lbd.ingress.problem import Problem
from lbd.model.alert import AlertOut
from lbd.model.units import Seconds

LONGEST: Seconds = 30 * 86400.0  # longer than this is to be switched off in the configuration


class Alarms(Protocol):
    """What the pages show and do; the daemon's side of it."""

    def listed(self) -> list[AlertOut]:
        """Return every alert."""

    def document(self) -> dict[str, Any]:
        """Return alerts, silences, receivers and rules."""

    def knows(self, id_: str) -> bool:
        """Tell whether there is such an alert, or might be."""

    def silence(self, id_: str, for_s: Seconds, *, by: str, reason: str) -> None:
        """Tell nobody of it for so long; 0: from now on again."""


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change."""

    for_s: float
    reason: str = ""


class AlertPages:
    """Adds its pages to the admin application; ``who`` says who makes a request."""

    def __init__(self, alarms: Alarms, router: web.UrlDispatcher, who: Callable[[web.Request], str]) -> None:
        self._alarms = alarms
        self._who = who
        router.add_get("/v1/alerts", self._list)
        router.add_post("/v1/alerts/{id:.+}/silence", self._silence)

    async def _list(self, _request: web.Request) -> web.Response:
        return _json(self._alarms.document())

    async def _silence(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        if not self._alarms.knows(id_):
            known = ", ".join(alert.id for alert in self._alarms.listed()) or "none is there"
            raise Problem(404, f"no alert {id_!r} is there, nor is such a thing watched. Alerts: {known}")
        try:
            order = msgspec.json.decode(await request.read(), type=Order)
        except (msgspec.MsgspecError, ValueError) as e:
            raise Problem(422, f'the body must be like {{"for_s": 3600, "reason": "..."}}: {e}') from None
        if not 0 <= order.for_s <= LONGEST:
            raise Problem(422, f"for_s must be in 0..{LONGEST:.0f} seconds; 0 ends the silence")
        self._alarms.silence(id_, order.for_s, by=self._who(request), reason=order.reason)
        return _json({"id": id_, "silences": self._alarms.document()["silences"]})


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document, default=msgspec.to_builtins), content_type="application/json")
