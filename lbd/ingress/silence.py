"""The page's form that silences an alert for a time, or lets it be heard again."""

from __future__ import annotations

from aiohttp import web

from lbd.ingress.alerts import LONGEST, Alarms
from lbd.ingress.door import Door, html, sign_in_path, to
from lbd.ingress.problem import Problem
from lbd.page import forms, shell

PATH = "/alerts/{id}/silence"


class SilencePages:
    """Adds its routes to the admin application."""

    def __init__(self, alarms: Alarms, router: web.UrlDispatcher, door: Door) -> None:
        self._alarms = alarms
        self._door = door
        router.add_get("/alerts/{id:.+}/silence", self._ask)
        router.add_post("/alerts/{id:.+}/silence", self._silence)

    def _id(self, request: web.Request) -> str:
        id_ = request.match_info["id"]
        if not self._alarms.knows(id_):
            raise Problem(404, f"no alert {id_!r} is there, nor is such a thing watched")
        return id_

    async def _ask(self, request: web.Request) -> web.Response:
        id_ = self._id(request)
        return self._form(request, id_) if self._door.session(request) is not None else to(sign_in_path(request))

    def _form(self, request: web.Request, id_: str, told: str | None = None, status: int = 200) -> web.Response:
        visitor = self._door.visitor(request)
        parts = forms.silence(id_, visitor=visitor, told=told)
        body = shell.document(f"Silence {id_} · lbd", parts, assets=self._door.assets, visitor=visitor)
        return html(request, body, status=status)

    async def _silence(self, request: web.Request) -> web.Response:
        id_ = self._id(request)
        sent, who = await self._door.form(request)
        reason, text = " ".join(sent.get("reason", "").split())[:500], sent.get("for_s", "")
        if not reason:
            return self._form(request, id_, "Say why: the reason stands in the record.", 422)
        if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= LONGEST):
            return self._form(request, id_, f"The time must be in 0..{LONGEST:.0f} seconds.", 422)
        self._alarms.silence(id_, float(text), by=f"{who.name} (page)", reason=reason)
        return to("/")
