"""The door of the page: who looks, signing in and out, what proves that a form is this page's own; and its answers."""

from __future__ import annotations

import gzip
import secrets
from typing import Protocol
from urllib.parse import urlencode

from aiohttp import web

from lbd.ingress.problem import Problem
from lbd.ingress.session import LASTS, Session, Sessions, own_form
from lbd.model.secret import Secret
from lbd.model.units import Instant
from lbd.page import forms, shell


class Keys(Protocol):
    """Where the token is told, which a reload may change."""

    @property
    def token(self) -> Secret | None: ...


class Clock(Protocol):
    """The monotonic time."""

    def now(self) -> Instant: ...


class Door:
    """Adds its routes to the admin application."""

    def __init__(self, keys: Keys, clock: Clock, router: web.UrlDispatcher, assets: shell.Assets) -> None:
        self._keys = keys
        self.assets = assets
        self.sessions = Sessions(clock.now, lambda: secrets.token_urlsafe(24))
        router.add_get("/sign-in", self._sign_in)
        router.add_post("/sign-in", self._signed_in)
        router.add_post("/sign-out", self._sign_out)

    def session(self, request: web.Request) -> Session | None:
        """Return whose session a request carries."""
        return self.sessions.find(request.cookies.get(_cookie(request)), self._keys.token)

    def visitor(self, request: web.Request) -> shell.Visitor:
        """Return who looks."""
        found = self.session(request)
        if found is None:
            return shell.Visitor(may_sign_in=self._keys.token is not None)
        return shell.Visitor(found.name, found.csrf, may_sign_in=True)

    def problem(self, request: web.Request, problem: Problem) -> web.Response:
        """Return a problem as a page."""
        if problem.status == 401 and request.method in ("GET", "HEAD"):
            return to(sign_in_path(request))
        title = problem.response().reason
        body = shell.problem(title, problem.detail, assets=self.assets, visitor=self.visitor(request))
        return html(request, body, status=problem.status)

    async def form(self, request: web.Request) -> tuple[dict[str, str], Session]:
        """Return the fields of a form, and whose it is; it must be this page's own."""
        session = self.session(request)
        sent = await _fields(request)
        if session is None:
            raise Problem(401, "sign in first: the session is over, or was another daemon's")
        if not own_form(session, sent.get("csrf", "")):
            raise Problem(403, "the form is not this session's: load the page again")
        return sent, session

    async def _sign_in(self, request: web.Request) -> web.Response:
        return self._ask(request, request.query.get("next", "/"))

    def _ask(self, request: web.Request, next_: str, told: str | None = None, status: int = 200) -> web.Response:
        parts = forms.sign_in(_own(next_), told=told, possible=self._keys.token is not None)
        body = shell.document("Sign in · lbd", parts, assets=self.assets, visitor=self.visitor(request), at="/sign-in")
        return html(request, body, status=status)

    async def _signed_in(self, request: web.Request) -> web.Response:
        token, sent = self._keys.token, await _fields(request)
        next_ = _own(sent.get("next", "/"))
        if token is None:
            raise Problem(403, "there is no token to sign in with: set admin.token")
        wait = self.sessions.waits()
        if wait > 0:
            return self._ask(request, next_, f"Too many wrong tokens: wait {wait:.0f} s.", 429)
        key = self.sessions.open(sent.get("token", ""), sent.get("name", ""), token)
        if key is None:
            return self._ask(request, next_, "That is not the token.", 403)
        response = to(next_)
        response.set_cookie(
            _cookie(request), key, max_age=int(LASTS), httponly=True, samesite="Strict", secure=request.secure
        )
        return response

    async def _sign_out(self, request: web.Request) -> web.Response:
        await self.form(request)
        self.sessions.close(request.cookies.get(_cookie(request)))
        response = to("/")
        response.del_cookie(_cookie(request))
        return response


def _cookie(request: web.Request) -> str:
    """Return the cookie's name: cookies know no ports, and two daemons may be on one host."""
    name = None if request.transport is None else request.transport.get_extra_info("sockname")
    return f"lbd_session_{name[1]}" if isinstance(name, tuple) else "lbd_session"


def _own(path: str) -> str:
    """Return a path of this page, so that nobody is sent elsewhere after signing in."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and path.isascii()
    return path if plain and len(path) < 500 else "/"


async def _fields(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def to(path: str) -> web.Response:
    """Return the way to another page, after a form."""
    return web.Response(status=303, headers={"location": path, **shell.HEADERS})


def html(request: web.Request, body: bytes, status: int = 200) -> web.Response:
    """Return a page as an answer, packed where that is taken."""
    headers = dict(shell.HEADERS)
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 4, mtime=0)
        headers |= {"content-encoding": "gzip", "vary": "accept-encoding, accept"}
    return web.Response(status=status, body=body, content_type="text/html", charset="utf-8", headers=headers)


def sign_in_path(request: web.Request) -> str:
    """Return where to sign in, and come back from."""
    return f"/sign-in?{urlencode({'next': request.path})}"
