"""The operator's page on the admin listener: what a browser asks for, who is signed in, and orders by forms.

It shows the documents that the admin API tells anybody else; drawing them is :mod:`lbd.page`. A view calls no provider.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import orjson
from aiohttp import web

from lbd.ingress import silence
from lbd.ingress.alerts import Alarms
from lbd.ingress.assets import AssetPages
from lbd.ingress.door import Door, Keys, html, sign_in_path, to
from lbd.ingress.lately import Lately
from lbd.ingress.live import Clockwork, Hub
from lbd.ingress.money import Books
from lbd.ingress.problem import Problem
from lbd.page import decision, deployment, forms, home, shell, table, timeline
from lbd.page.numbers import epoch
from lbd.ports.turns import Turns
from lbd.state.orders import LONGEST
from lbd.state.row import Row
from lbd.table.trial_report import document as experiment
from lbd.table.trials import Trials

EVENTS = 200
OPEN = frozenset({"/sign-in", "/assets/{name}"})  # what may be seen before signing in
FORMS = frozenset({"/sign-in", "/sign-out", "/deployments/{provider}/{name}/{action}", silence.PATH})

Act = Callable[[str, Row, dict[str, Any], str], None]  # action, row, the body of an order, by whom
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scenery(Clockwork, Protocol):
    """What the page shows that the admin API does not tell as it is; the daemon's side of it."""

    def listen(self, call: Callable[[object], None]) -> None: ...

    def events(self, count: int) -> list[dict[str, Any]]: ...

    def one_deployment(self, row: Row) -> Mapping[str, Any]: ...

    def find(self, deployment: str) -> Row | None: ...


class Sources(Keys, Protocol):
    """Of the admin API's views those that the page shows."""

    accounts: Books
    trials: Trials
    alerts: Alarms
    scenery: Scenery

    async def providers(self, turns: Turns | None = None) -> tuple[str, bytes]: ...

    def queue(self) -> dict[str, Any]: ...

    def decision(self, request_id: str) -> dict[str, Any] | None: ...

    def decisions(self, count: int) -> list[dict[str, Any]]: ...

    def explain(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]: ...


class Page:
    """Adds its routes to the admin application; ``act`` gives an order."""

    def __init__(self, sources: Sources, router: web.UrlDispatcher, act: Act) -> None:
        self._sources = sources
        self._act = act
        self._scenery = sources.scenery
        self._lately = Lately(sources, sources.scenery)
        self.hub = Hub(self._scenery, self._draw)
        self._scenery.listen(self.hub.kick)
        self.assets = AssetPages(router).paths
        self.door = Door(sources, self._scenery, router, self.assets)
        silence.SilencePages(sources.alerts, router, self.door)
        get, post = router.add_get, router.add_post
        get("/live", self.hub.serve, allow_head=False)
        get("/decisions", self._decisions)
        get("/decisions/{id}", self._decision)
        get("/events", self._events)
        get("/events/{id}", self._event)
        get("/deployments/{provider}/{name}", self._deployment)
        get("/deployments/{provider}/{name}/{action}", self._order)
        post("/deployments/{provider}/{name}/{action}", self._ordered)
        get("/v1/deployments/{provider}/{name}", self._history)

    @staticmethod
    def wanted(request: web.Request) -> bool:
        """Tell whether a browser asks: it wants a page, where a script takes anything."""
        return "text/html" in request.headers.get("accept", "")

    # --- the first screen ----------------------------------------------------------------------------

    async def index(self, request: web.Request) -> web.Response:
        """Return the first screen."""
        drawn, tick = await self.hub.look()
        live = f"/live?since={tick}"
        return html(request, home.page(drawn, assets=self.assets, visitor=self.door.visitor(request), live=live))

    async def _draw(self, turns: Turns) -> home.Drawn:
        sources, clock = self._sources, self._scenery
        saved = await turns.wait(self._lately.savings())
        _, told = await sources.providers(turns)
        await turns.rest()
        document = orjson.loads(told)
        await turns.rest()
        trials = [experiment(e) for e in sources.trials.listed]
        await turns.rest()
        waiting = self._lately.queue()
        scene = home.Scene(document, saved, sources.accounts.budgets(), trials, clock.events(timeline.SHOWN), waiting)
        return await turns.all(home.drawing(scene, self.hub.last))

    # --- a row ---------------------------------------------------------------------------------------

    async def _document(self) -> dict[str, Any]:
        told: dict[str, Any] = orjson.loads((await self._sources.providers())[1])
        return told

    async def _row(self, request: web.Request) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], Row]:
        """Return the document, the tier, the row in it, and the row itself."""
        id_ = f"{request.match_info['provider']}/{request.match_info['name']}"
        document = await self._document()
        row = self._scenery.find(id_)
        for tier in document["tiers"]:
            for told in tier["deployments"]:
                if told["id"] == id_ and row is not None:
                    return document, tier, told, row
        raise Problem(404, f"there is no deployment {id_!r}")

    def _told_of(self, deployment_id: str) -> list[dict[str, Any]]:
        return [event for event in self._scenery.events(2**31) if event["subject"] == deployment_id]

    async def _history(self, request: web.Request) -> web.Response:
        _, tier, told, row = await self._row(request)
        document = {
            "object": "lbd.deployment",
            "tier": tier["name"],
            "deployment": told,
            **self._scenery.one_deployment(row),
            "events": self._told_of(told["id"])[-EVENTS:],
        }
        return web.Response(body=orjson.dumps(document), content_type="application/json")

    async def _deployment(self, request: web.Request) -> web.Response:
        document, tier, told, row = await self._row(request)
        kept = self._scenery.one_deployment(row)
        try:
            asked = {"model": told["model"], "messages": [{"role": "user", "content": "?"}], "stream": True}
            plan = self._sources.explain(orjson.dumps(asked), {})
        except Problem:
            plan = None
        opened = deployment.Opened(
            document, tier, told, kept["history"], kept["failures"], self._told_of(told["id"]), plan
        )
        visitor = self.door.visitor(request)
        done = request.query.get("done")
        words = None
        if visitor.name is not None and done in forms.ACTIONS:
            words = f"{forms.ACTIONS[done][0]}: done. It stands in the timeline with its reason."
        body = shell.document(
            f"{told['id']} · lbd",
            deployment.page(opened, visitor=visitor, told=words),
            assets=self.assets,
            visitor=visitor,
            chart=True,
            live=f"/live?since={(await self.hub.look())[1]}",
        )
        return html(request, body)

    # --- orders --------------------------------------------------------------------------------------

    def _action(self, request: web.Request) -> str:
        action = request.match_info["action"]
        if action not in forms.ACTIONS:
            raise Problem(404, f"no action {action!r}; there are {', '.join(forms.ACTIONS)}")
        return action

    async def _order(self, request: web.Request) -> web.Response:
        action = self._action(request)
        document, _, told, _ = await self._row(request)
        if self.door.session(request) is None:
            return to(sign_in_path(request))
        return self._confirm(request, action, document["time"], told)

    def _confirm(
        self,
        request: web.Request,
        action: str,
        time: str,
        row: dict[str, Any],
        wrong: Problem | None = None,
        reason: str = "",
    ) -> web.Response:
        visitor = self.door.visitor(request)
        told = None if wrong is None else wrong.detail
        parts = forms.order(row, action, time, visitor=visitor, told=told, reason=reason)
        title = f"{forms.ACTIONS[action][0]} {row['id']} · lbd"
        body = shell.document(title, parts, assets=self.assets, visitor=visitor)
        return html(request, body, status=200 if wrong is None else wrong.status)

    async def _ordered(self, request: web.Request) -> web.Response:
        action = self._action(request)
        document, _, told, row = await self._row(request)
        sent, who = await self.door.form(request)
        reason = " ".join(sent.get("reason", "").split())[:500]
        try:
            order: dict[str, Any] = {"reason": _said(reason), "for_s": _span(sent.get("for_s", ""), action)}
            if action == "weight":
                order["weight"] = _weight(sent.get("weight", ""))
            self._act(action, row, order, f"{who.name} (page)")
        except Problem as e:
            return self._confirm(request, action, document["time"], told, e, reason)
        return to(f"{table.path(told['id'])}?done={action}")

    # --- decisions and events ------------------------------------------------------------------------

    async def _decisions(self, request: web.Request) -> web.Response:
        parts = decision.listed(self._sources.decisions(100), self._scenery.wall())
        visitor = self.door.visitor(request)
        body = shell.document("Decisions · lbd", parts, assets=self.assets, visitor=visitor, at="/decisions")
        return html(request, body)

    async def _decision(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        found = self._sources.decision(id_)
        if found is None:
            raise Problem(404, f"no decision of {id_!r} is kept: it is too old, or no request had that id")
        parts = decision.page(found, self._scenery.wall())
        body = shell.document(f"{id_} · lbd", parts, assets=self.assets, visitor=self.door.visitor(request))
        return html(request, body)

    async def _events(self, request: web.Request) -> web.Response:
        found = self._scenery.events(EVENTS)
        subject = request.query.get("subject")
        if subject is not None:
            found = [event for event in found if event["subject"] == subject]
        return await self._told(request, found, f"The last {len(found)} events, the youngest first.", None)

    async def _event(self, request: web.Request) -> web.Response:
        told = request.match_info["id"]
        number = int(told) if told.isascii() and told.isdigit() and len(told) < 16 else -1
        found = self._scenery.events(2**31)
        if all(event["id"] != number for event in found):
            raise Problem(404, f"event {told} is not kept any more, or there was none")
        near = [event for event in found if abs(event["id"] - number) <= 20]
        return await self._told(request, near, f"Event {number}, and what happened around it.", number)

    async def _told(
        self, request: web.Request, found: list[dict[str, Any]], words: str, shown: int | None
    ) -> web.Response:
        document = await self._document()
        parts = timeline.page(document, found, words, shown=shown, now=epoch(document["time"]))
        title = "Events · lbd" if shown is None else f"Event {shown} · lbd"
        body = shell.document(title, parts, assets=self.assets, visitor=self.door.visitor(request), at="/events")
        return html(request, body)


def _said(reason: str) -> str:
    if not reason:
        raise Problem(422, "Say why: the reason stands in the record.")
    return reason


def _weight(text: str) -> float | None:
    try:
        weight = float(text) if text.strip() else None
    except ValueError:
        weight = -1.0
    if weight is None or 0 <= weight <= 1000:
        return weight
    raise Problem(422, "The weight must be a number in 0..1000, or empty to take the override back.")


def _span(text: str, action: str) -> float | None:
    if action not in forms.TIMED or not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9) or not 0 < int(text) <= LONGEST:
        raise Problem(422, f"The time must be in 1..{LONGEST:.0f} seconds, or empty.")
    return float(text)
