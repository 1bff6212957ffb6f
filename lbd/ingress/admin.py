"""The admin API: one JSON API for page, command line and scripts. Reads are free, changes need the unix socket
or the token, and leave an event with who and why.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Protocol

import msgspec
import orjson
from aiohttp import web

from lbd.ingress import export, guard, pages
from lbd.ingress.alerts import Alarms, AlertPages
from lbd.ingress.experiments import ExperimentPages
from lbd.ingress.money import Books, MoneyPages
from lbd.ingress.page import FORMS, OPEN, Page, Scenery
from lbd.ingress.problem import Problem
from lbd.model.problem import ConfigError
from lbd.model.secret import Secret
from lbd.model.table import AdminState
from lbd.ports.turns import Turns
from lbd.state.orders import LONGEST
from lbd.state.row import Row
from lbd.table.owner import Owner
from lbd.table.trials import Trials

LARGEST_BODY = 64 * 1024  # of a change
FOLLOW_PING_S = 15.0

Answer = tuple[int, bytes, str]  # status, body, content type


class Views(Protocol):
    """What the admin API shows and does; the daemon's side of it."""

    owner: Owner
    accounts: Books
    trials: Trials
    alerts: Alarms
    scenery: Scenery

    @property
    def token(self) -> Secret | None: ...

    @property
    def local(self) -> bool: ...

    @property
    def max_body(self) -> int: ...

    @property
    def allowed_hosts(self) -> frozenset[str]: ...

    def ready(self) -> tuple[bool, str]: ...

    def health(self) -> tuple[str, dict[str, Any]]: ...

    async def providers(self, turns: Turns | None = None) -> tuple[str, bytes]: ...

    def events(self, *, after: int, count: int, subject: str | None) -> list[Any]: ...

    def follow(self) -> asyncio.Queue[Any]: ...

    def unfollow(self, follower: asyncio.Queue[Any]) -> None: ...

    def decision(self, request_id: str) -> dict[str, Any] | None: ...

    def decisions(self, count: int) -> list[dict[str, Any]]: ...

    def explain(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]: ...

    def config(self) -> dict[str, Any]: ...

    def evaluation(self) -> dict[str, Any]: ...

    def queue(self) -> dict[str, Any]: ...

    async def metrics(self, *, openmetrics: bool) -> tuple[bytes, str]: ...

    async def reload(self, *, by: str) -> dict[str, Any]: ...

    async def check(self) -> dict[str, Any]: ...

    def probe_now(self, row: Row) -> None: ...


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change."""

    reason: str = ""
    weight: float | msgspec.UnsetType | None = msgspec.UNSET
    for_s: Annotated[float, msgspec.Meta(gt=0, le=LONGEST)] | None = None  # until it ends by itself


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """The admin application."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self.app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_BODY)
        get, post = self.app.router.add_get, self.app.router.add_post
        get("/", self._index)
        get("/livez", self._livez)
        get("/readyz", self._readyz)
        get("/health", self._health)
        get("/metrics", self._metrics)
        get("/v1/providers", self._providers)
        get("/v1/events", self._events)
        get("/v1/decisions", self._decisions)
        get("/v1/decisions/{id}", self._decision)
        get("/v1/config", self._config)
        MoneyPages(views.accounts, self.app.router)
        ExperimentPages(views.trials, self.app.router, self._who)
        AlertPages(views.alerts, self.app.router, self._who)
        self.page = Page(views, self.app.router, self._by_form)
        self.app.on_shutdown.append(self._close)
        pages.add(self.app.router, {"/v1/evaluation": views.evaluation, "/v1/queue": views.queue})
        post("/v1/explain", self._explain)
        post("/v1/config/reload", self._reload)
        post("/v1/config/check", self._check)
        post("/v1/deployments/{provider}/{name}/{action}", self._order)

    # --- who may -------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._admit(request)
            return await handler(request)
        except Problem as e:
            problem = e
        except web.HTTPNotFound:
            problem = Problem(404, f"there is no {request.path} here; GET / lists what is")
        except web.HTTPMethodNotAllowed as e:
            problem = Problem(405, f"{request.path} takes {', '.join(sorted(e.allowed_methods))}")
        except web.HTTPRequestEntityTooLarge:
            problem = Problem(413, f"the body is larger than {LARGEST_BODY} bytes")
        return self.page.door.problem(request, problem) if self.page.wanted(request) else problem.response()

    def _admit(self, request: web.Request) -> None:
        views = self._views
        if _unix(request) is not None:
            return
        host = request.headers.get("host")
        if not guard.known_host(host, views.allowed_hosts):
            raise Problem(403, f"Host {host!r} is not known here; add it to allowed_hosts")
        origin = request.headers.get("origin")
        reads = request.method in ("GET", "HEAD")
        if not guard.known_origin(origin, host, views.allowed_hosts, secure=request.secure) or not guard.known_page(
            request.headers.get, reads=reads
        ):
            raise Problem(403, "requests of other sites' pages are refused")
        place = _place(request)
        changes = request.method not in ("GET", "HEAD") and request.path != "/v1/explain"
        form = changes and place in FORMS  # these look for themselves whether the session and the form are right
        free = form or place in OPEN or request.path in ("/livez", "/readyz")
        if not free and (changes or not views.local) and not self._may(request, changes=changes):
            if views.token is None:
                raise Problem(403, "changes need the unix socket (admin.socket), or a token (admin.token)")
            raise Problem(401, "send the admin token as Authorization: Bearer <token>")
        kind = request.headers.get("content-type")
        if form and not guard.is_page_form(kind):
            raise Problem(415, "send the form with Content-Type: application/x-www-form-urlencoded")
        if request.method == "POST" and not form and request.body_exists and not guard.is_json(kind):
            raise Problem(415, "send the body with Content-Type: application/json")

    def _may(self, request: web.Request, *, changes: bool) -> bool:
        """Tell whether the token was sent; a session of the page may read, and change by the page's forms alone."""
        return self._token(request) or (not changes and self.page.door.session(request) is not None)

    def _token(self, request: web.Request) -> bool:
        token = self._views.token
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        if token is None or scheme.lower() != "bearer":
            return False
        known = token.reveal().encode()
        return hmac.compare_digest(sent.strip().encode("utf-8", "surrogateescape"), known)

    def _who(self, request: web.Request) -> str:
        peer = _unix(request)
        if peer is None:
            return "token"
        try:
            return f"{pwd.getpwuid(peer).pw_name} (unix socket)"
        except KeyError:
            return f"uid {peer} (unix socket)"

    # --- reads ---------------------------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.Response:
        if self.page.wanted(request):
            return await self.page.index(request)
        paths = sorted({r.canonical for r in self.app.router.resources()})
        return _json({"service": "lbd", "paths": paths})

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready, why = self._views.ready()
        return web.Response(status=200 if ready else 503, text=why + "\n")

    async def _health(self, request: web.Request) -> web.Response:
        status, document = self._views.health()
        etag = _health_tag(document)
        headers = {"etag": etag, "cache-control": "max-age=1"}
        if status != "fail" and _known(request, etag):  # a 503 says more than that nothing has changed
            return web.Response(status=304, headers=headers)
        response = _json(document, status=503 if status == "fail" else 200)
        response.content_type = "application/health+json"
        response.headers.update(headers)
        return response

    async def _providers(self, request: web.Request) -> web.Response:
        etag, body = await self._views.providers()
        if request.query_string:  # another form is another entity
            etag = f'{etag[:-1]}-{hashlib.blake2b(request.query_string.encode(), digest_size=4).hexdigest()}"'
        headers = {"etag": etag, "cache-control": "no-cache"}
        if _known(request, etag):
            return web.Response(status=304, headers=headers)
        try:
            told, kind = export.shaped(body, request.query)
        except ValueError as e:
            raise Problem(422, str(e)) from None
        return web.Response(body=told, content_type=kind, headers=headers)

    async def _metrics(self, request: web.Request) -> web.Response:
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        body, kind = await self._views.metrics(openmetrics=openmetrics)
        return web.Response(body=body, headers={"content-type": kind})

    async def _config(self, _request: web.Request) -> web.Response:
        return _json(self._views.config())

    async def _decision(self, request: web.Request) -> web.Response:
        request_id = request.match_info["id"]
        found = self._views.decision(request_id)
        if found is None:
            raise Problem(404, f"no decision of {request_id!r} is kept: it is too old, or no request had that id")
        return _json(found)

    async def _decisions(self, request: web.Request) -> web.Response:
        return _json({"decisions": self._views.decisions(_number(request, "limit", 50, most=1000))})

    async def _explain(self, request: web.Request) -> web.Response:
        return _json(self._views.explain(await self._asked(request), request.headers))

    async def _asked(self, request: web.Request) -> bytes:
        """Read the body of a request to the API: what that takes must be explainable."""
        limit = self._views.max_body
        body = bytearray()
        if (request.content_length or 0) <= limit:
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > limit:
                    break
            else:
                return bytes(body)
        raise Problem(413, f"the body is larger than limits.max_body_bytes, {limit}")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        after = _number(request, "after", 0, most=2**62)
        count = _number(request, "limit", 200, most=1000)
        subject = request.query.get("subject")
        told = self._views.events(after=after, count=count, subject=subject)
        if request.query.get("follow", "0") in ("0", "false"):
            return _json({"events": told})
        if request.method == "HEAD":  # nothing follows its headers
            return web.Response(content_type="text/event-stream")
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
        )
        follower = self._views.follow()
        try:
            await response.prepare(request)
            for event in told:
                await response.write(_event(event))
            while True:
                try:
                    event = await asyncio.wait_for(follower.get(), FOLLOW_PING_S)
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                if event is None:
                    break
                if subject is None or event.subject == subject:
                    await response.write(_event(event))
        except ConnectionError:
            pass
        finally:
            self._views.unfollow(follower)
        return response

    # --- changes -------------------------------------------------------------------------------------

    async def _reload(self, request: web.Request) -> web.Response:
        try:
            return _json(await self._views.reload(by=self._who(request)))
        except ConfigError as e:
            raise Problem(422, str(e), problems=[_problem(p) for p in e.problems]) from None

    async def _check(self, _request: web.Request) -> web.Response:
        try:
            return _json(await self._views.check())
        except ConfigError as e:
            raise Problem(422, str(e), problems=[_problem(p) for p in e.problems]) from None

    async def _order(self, request: web.Request) -> web.Response:
        views = self._views
        row_id = f"{request.match_info['provider']}/{request.match_info['name']}"
        row = views.owner.find(row_id)
        if row is None:
            known = ", ".join(r.spec.id for r in views.owner.rows)
            raise Problem(404, f"there is no deployment {row_id!r}. Known: {known}")
        raw = await request.read()
        try:
            order = msgspec.json.decode(raw, type=Order) if raw else Order()
        except msgspec.MsgspecError as e:
            raise Problem(422, f'the body must be like {{"reason": "..."}}: {e}') from None
        self._act(request.match_info["action"], row, order, self._who(request))
        return _json({"deployment": row_id, "admin": row.admin, "weight": row.admin_weight, "state": row.state})

    def _by_form(self, action: str, row: Row, sent: dict[str, Any], by: str) -> None:
        """Give an order of the page's forms."""
        self._act(action, row, msgspec.convert(sent, Order), by)

    async def _close(self, _app: web.Application) -> None:
        await self.page.hub.close()

    def _act(self, action: str, row: Row, order: Order, by: str) -> None:
        owner = self._views.owner
        match action:
            case "drain" | "ready" | "maint":
                for_s = None if action == "ready" else order.for_s
                owner.order(row, AdminState(action), by=by, reason=order.reason, for_s=for_s)
            case "weight":
                weight = _weight(order)
                for_s = None if weight is None else order.for_s
                owner.weigh(row, weight, by=by, reason=order.reason, for_s=for_s)
            case "reset-breaker":
                owner.reset(row, by=by, reason=order.reason)
            case "probe-now":
                self._views.probe_now(row)
                owner.emit("probe_ordered", row.spec.id, order.reason or "ordered", by=by)
            case _:
                raise Problem(
                    404, f"no action {action!r}; there are drain, ready, maint, weight, reset-breaker, probe-now"
                )


def _weight(order: Order) -> float | None:
    """Return the weight that is ordered; one that was forgotten must not take the override back."""
    weight = order.weight
    if weight is msgspec.UNSET:
        raise Problem(400, "the body needs the key weight: a number in 0..1000, or null to take the override back")
    if weight is not None and not 0 <= weight <= 1000:
        raise Problem(422, "weight must be in 0..1000, or null to take the override back")
    return weight


def _place(request: web.Request) -> str:
    """Return the pattern of the path that is asked for, empty where there is none."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _known(request: web.Request, etag: str) -> bool:
    """Tell whether the client has this very version; tags are compared weakly, as RFC 9110 wants it here."""
    told = request.headers.get("if-none-match", "")
    return told.strip() == "*" or etag.removeprefix("W/") in (t.strip().removeprefix("W/") for t in told.split(","))


def _unix(request: web.Request) -> int | None:
    """Return the user id behind a unix-socket connection, None for TCP."""
    transport = request.transport
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def _json(document: object, status: int = 200) -> web.Response:
    body = orjson.dumps(document, default=msgspec.to_builtins, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(status=status, body=body, content_type="application/json")


def _health_tag(document: dict[str, Any]) -> str:
    """Return a weak tag of what is found; when it was looked at, and a lag within its bound, are no news."""
    checks = {
        name: [{k: v for k, v in c.items() if k != "time" and (k, name) != ("observedValue", "loop:lag")} for c in of]
        for name, of in document["checks"].items()
    }
    body = orjson.dumps({**document, "checks": checks}, default=str)
    return f'W/"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'


def _event(event: Any) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.id, event.kind.encode(), msgspec.json.encode(event))


def _problem(problem: Any) -> dict[str, object]:
    place = problem.place
    return {
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
        "path": problem.path,
        "reason": problem.reason,
    }


def _number(request: web.Request, name: str, default: int, *, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or int(text) > most:
        raise Problem(422, f"{name} must be a whole number up to {most}")
    return int(text)
