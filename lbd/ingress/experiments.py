"""The admin API's pages on experiments: ``GET /v1/experiments``, ``POST /v1/experiments/<name>/<stop|start>``."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import orjson
from aiohttp import web

from lbd.ingress.problem import Problem
from lbd.table.trial_report import document
from lbd.table.trials import Experiment, Trials


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change."""

    reason: str = ""


class ExperimentPages:
    """Adds its pages to the admin application; ``who`` says who makes a request."""

    def __init__(self, trials: Trials, router: web.UrlDispatcher, who: Callable[[web.Request], str]) -> None:
        self._trials = trials
        self._who = who
        router.add_get("/v1/experiments", self._list)
        router.add_get("/v1/experiments/{name}", self._one)
        router.add_post("/v1/experiments/{name}/{action}", self._order)

    async def _list(self, _request: web.Request) -> web.Response:
        return _json({"object": "list", "data": [document(e) for e in self._trials.listed]})

    async def _one(self, request: web.Request) -> web.Response:
        return _json(document(self._found(request)))

    def _found(self, request: web.Request) -> Experiment:
        name = request.match_info["name"]
        found = self._trials.find(name)
        if found is None:
            known = ", ".join(e.spec.name for e in self._trials.listed) or "none is configured"
            raise Problem(404, f"there is no experiment {name!r}. Known: {known}")
        return found

    async def _order(self, request: web.Request) -> web.Response:
        action = request.match_info["action"]
        if action not in ("stop", "start"):
            raise Problem(404, f"no action {action!r}; there are stop and start")
        found = self._found(request)
        raw = await request.read()
        try:
            order = msgspec.json.decode(raw, type=Order) if raw else Order()
        except (msgspec.MsgspecError, ValueError) as e:
            raise Problem(422, f'the body must be like {{"reason": "..."}}: {e}') from None
        if action == "stop":
            self._trials.stop(found, order.reason, by=self._who(request))
        elif not found.spec.enabled:
            raise Problem(409, f"{found.spec.name} is disabled in the configuration: set enabled to true, and reload")
        else:
            self._trials.start(found, order.reason, by=self._who(request))
        return _json(document(found))


def _json(document_: object) -> web.Response:
    return web.Response(body=orjson.dumps(document_, default=msgspec.to_builtins), content_type="application/json")
