"""The API's routes: matched on the raw path only, answered in the client's shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import unquote

import msgspec
import orjson

from lbd.decide import names
from lbd.ingress import deferred, endpoints, feedback, files, guard, models
from lbd.ingress.connection import KEEPALIVE
from lbd.ingress.inbound import Inbound
from lbd.ingress.paths import MODELS, ROUTES, near, reroute
from lbd.ingress.recall import ROOM, Recall
from lbd.ingress.reply import Bare, HttpReply
from lbd.model.failure import Failure, FailureKind
from lbd.model.plan import Catalogue
from lbd.model.units import Seconds
from lbd.pipeline import Pipeline
from lbd.ports import Sends
from lbd.shapes import asked, edit, forms
from lbd.shapes.clients import ClientShape, openrouter
from lbd.table.offered import Offer
from lbd.upstream.inflate import BadEncoding, Inflate, TooMuch
from lbd.upstream.respond import JSON

# Nothing else is done while a body is unpacked, a second for 200 MiB or so. Text shrinks tenfold at most, and a bomb a
# thousandfold, so a small one is found out before it has cost much.
MOST_SHRUNK = 100
UNPACKED_FREELY = 1024 * 1024  # bytes


class Limits(msgspec.Struct, frozen=True):
    """What the API listener enforces; swapped as one on reload."""

    max_body_bytes: int = 32 * 1024 * 1024
    allowed_hosts: frozenset[str] = frozenset()
    recall_bytes: int = ROOM
    keepalive_s: Seconds = KEEPALIVE


def _allow(refusal: Failure, shape: object | None) -> bytes:
    """Return the header that a 405 owes its client (RFC 9110 15.5.6)."""
    if refusal.status != 405:
        return b""
    return b"allow: POST\r\n" if shape is not None else b"allow: GET, HEAD\r\n"


def _to(inbound: Inbound, reply: HttpReply) -> Sends:
    return Bare(reply) if inbound.method == "HEAD" else reply


class Api:
    """Routes requests of the API listener."""

    def __init__(
        self,
        pipeline: Pipeline,
        shapes: Mapping[str, ClientShape],
        catalogue: Callable[[], Catalogue],
        failed: Callable[[str, BaseException], None],
        *,
        born: float,
        filing: files.Filing | None = None,
        waiting: deferred.Deferred | None = None,
        rate: feedback.Take | None = None,
        offers: Callable[[Iterable[int]], Sequence[Offer]] = lambda _rows: (),
    ) -> None:
        self._pipeline = pipeline
        self._rate = rate
        self._offers = offers
        self._filing = filing
        self._deferred = waiting
        self._catalogue = catalogue
        self._failed = failed
        self._default = shapes["openai.chat"]
        self._anthropic = shapes["anthropic.messages"]
        self._posts = {path: shapes[name] for path, name in ROUTES.items() if name in shapes}
        self._openrouter = {path: openrouter.spoken(shape) for path, shape in self._posts.items()}
        self._born = int(born)
        self.limits = Limits()
        self.recall = Recall()
        if waiting is not None:
            waiting.recall = self.recall
        self._known_hosts: set[bytes | None] = set()

    def configure(self, limits: Limits) -> None:
        """Take a configuration."""
        self.limits = limits
        self.recall.configure(limits.recall_bytes)
        self._known_hosts.clear()

    async def handle(self, inbound: Inbound, reply: HttpReply) -> None:
        """Answer one request, whatever it is."""
        request_id, deployment, posts = "", None, self._posts
        shape = posts.get(inbound.path)
        if shape is None:
            deployment, openrouters = reroute(inbound)
            if openrouters:
                posts = self._openrouter
            shape = posts.get(inbound.path)
        try:
            refusal = inbound.refusal or self._guard(inbound, shape)
            if refusal is None and shape is not None and inbound.method == "POST":
                body = self._body(inbound, deployment, shape)
                if isinstance(body, Failure):
                    refusal = body
                elif inbound.path != deferred.PATH:
                    await self._pipeline.handle(inbound, body, shape, reply)
                else:
                    refusal = await self._respond(inbound, body, shape, reply)
            elif refusal is None:
                refusal = await self._other(inbound, reply)
        except Exception as e:  # noqa: BLE001  the outermost handler: a client gets an answer whatever happens
            request_id = self._pipeline.next_id()
            self._failed(request_id, e)
            refusal = Failure(FailureKind.INTERNAL, f"lbd itself failed; its log says more under {request_id}")
        if refusal is not None:
            self._refuse(inbound, reply, refusal, request_id, shape, posts)

    def _refuse(
        self,
        inbound: Inbound,
        reply: HttpReply,
        refusal: Failure,
        request_id: str,
        shape: ClientShape | None,
        posts: Mapping[str, ClientShape],
    ) -> None:
        """Answer with a failure; ``request_id``: "" where it has none yet."""
        known = shape or self._shape_of(inbound, posts)
        if reply.started:
            if not reply.ended:
                reply.end(known.error_event(refusal))
            return
        to, more = _to(inbound, reply), _allow(refusal, shape or (inbound.path == feedback.PATH or None))
        self._pipeline.refuse(request_id or self._pipeline.next_id(), inbound, refusal, known, to, more)

    async def _respond(self, inbound: Inbound, body: bytes, shape: ClientShape, reply: HttpReply) -> Failure | None:
        """Serve a request of an API that lets answers be asked for again, and later."""
        client, now = self._pipeline.who(inbound), inbound.arrived
        whole = self.recall.restored(client, body, now, self.limits.max_body_bytes)
        if isinstance(whole, Failure):
            return whole
        if whole is not body and (refusal := inbound.unpacked(whole)) is not None:
            return refusal
        taken = False if self._deferred is None else await self._deferred.begin(inbound, whole, reply)
        if taken is False:
            with self.recall.listening(client, whole, reply, now) as heard:
                await self._pipeline.handle(inbound, whole, shape, heard)
        return taken if isinstance(taken, Failure) else None

    async def _other(self, inbound: Inbound, reply: HttpReply) -> Failure | None:
        """Answer what is no request to a model."""
        to = _to(inbound, reply)
        if self._rate is not None and inbound.path == feedback.PATH:
            return self._feedback(inbound, to, self._rate)
        if self._deferred is not None and deferred.takes(inbound.path):
            return await self._deferred.handle(inbound, to)
        if self._filing is None or not files.takes(inbound.path):
            return self._get(inbound, to)
        body = self._body(inbound, None, None)
        return body if isinstance(body, Failure) else await self._filing.handle(inbound, to, reply)

    def _feedback(self, inbound: Inbound, to: Sends, rate: feedback.Take) -> Failure | None:
        if inbound.method != "POST":
            return Failure(FailureKind.BAD_REQUEST, f"{feedback.PATH} takes POST, not {inbound.method}", status=405)
        client = feedback.permitted(self._pipeline.who(inbound))
        if isinstance(client, Failure):
            return client
        body = self._body(inbound, None, None)
        told = body if isinstance(body, Failure) else feedback.answer(body, client.name, rate)
        if isinstance(told, Failure):
            return told
        to.send(200, self._pipeline.told(self._pipeline.next_id(), inbound) + JSON, told)
        return None

    def _shape_of(self, inbound: Inbound, posts: Mapping[str, ClientShape]) -> ClientShape:
        """Return whose clients ask, where the path does not tell."""
        return self._anthropic if _anthropics(inbound) else posts.get("/v1/chat/completions", self._default)

    def _guard(self, inbound: Inbound, shape: ClientShape | None) -> Failure | None:
        host, origin = inbound.field(b"host"), inbound.field(b"origin")
        if host not in self._known_hosts:
            name = None if host is None else host.decode("latin-1")
            if not guard.known_host(name, self.limits.allowed_hosts):
                text = f"Host {name!r} is not known here; add it to allowed_hosts"
                return Failure(FailureKind.FORBIDDEN, text, code="unknown_host")
            if len(self._known_hosts) < 64:
                self._known_hosts.add(host)
        if origin is not None:
            by, own = origin.decode("latin-1"), inbound.header("host")
            if not guard.known_origin(by, own, self.limits.allowed_hosts, secure=inbound.peer.secure):
                text = f"Origin {by!r} is not known here; add its host to allowed_hosts"
                return Failure(FailureKind.FORBIDDEN, text, code="unknown_origin")
        if not guard.known_page(inbound.header, reads=inbound.method in ("GET", "HEAD")):
            return Failure(FailureKind.FORBIDDEN, "requests of other sites' pages are refused", code="unknown_origin")
        ours = shape is not None or inbound.path == feedback.PATH or files.takes(inbound.path)
        if inbound.method == "POST" and ours:
            form = shape is not None and shape.named is not None
            if form or inbound.field(b"content-type") != b"application/json":
                return self._kind(inbound, form=form)
        return None

    def _kind(self, inbound: Inbound, *, form: bool) -> Failure | None:
        kind = inbound.header("content-type")
        form = form or (inbound.path == files.FILES and self._filing is not None)
        if guard.is_form(kind) if form else guard.is_json(kind):
            return None
        wanted = "multipart/form-data" if form else "application/json"
        return Failure(FailureKind.BAD_REQUEST, f"send the body with Content-Type: {wanted}", status=415)

    def _body(self, inbound: Inbound, deployment: str | None, shape: ClientShape | None) -> bytes | Failure:
        """Return the body as it was before it was packed, or why it cannot be read."""
        packed = inbound.field(b"content-encoding") is not None
        if packed or deployment is not None:  # work that nobody may be had to do who is not known
            client = self._pipeline.who(inbound)
            refusal = client if isinstance(client, Failure) else self._inflate(inbound) if packed else None
            if refusal is not None:
                return refusal
        if (
            shape is not None
            and shape.named is not None
            and not forms.agrees(inbound.header("content-type") or "", inbound.body)
        ):
            text = "the form must begin with the boundary that its Content-Type names"
            return Failure(FailureKind.BAD_REQUEST, text, code="invalid_multipart")
        if deployment is None:
            return inbound.body
        if asked.too_many(inbound.body, asked.MOST_NUMBERS):
            return asked.too_large(asked.MOST_NUMBERS)
        return _named(inbound.body, deployment, _in_json if shape is None or shape.named is None else shape.named)

    def _inflate(self, inbound: Inbound) -> Failure | None:
        encoding = (inbound.header("content-encoding") or "").strip().lower()
        if encoding in ("", "identity"):
            return None
        if encoding not in ("gzip", "x-gzip", "deflate"):
            return Failure(FailureKind.BAD_REQUEST, f"Content-Encoding {encoding!r} is not understood", status=415)
        limit = self.limits.max_body_bytes
        honest = max(UNPACKED_FREELY, MOST_SHRUNK * len(inbound.body))
        stream = Inflate(bare=encoding == "deflate", most=min(limit, honest))
        try:
            body = stream.feed(inbound.body)
        except TooMuch:
            what = f"limits.max_body_bytes, {limit}" if honest >= limit else f"{MOST_SHRUNK} times what was sent"
            return Failure(FailureKind.TOO_LARGE, f"the body, unpacked, is larger than {what}")
        except BadEncoding as e:
            return Failure(FailureKind.BAD_REQUEST, f"the body cannot be unpacked: {e}")
        return inbound.unpacked(body) if stream.ended else Failure(FailureKind.BAD_REQUEST, "the body is cut short")

    def _get(self, inbound: Inbound, reply: Sends) -> Failure | None:
        path = inbound.path
        if path in self._posts:
            return Failure(FailureKind.BAD_REQUEST, f"{path} takes POST, not {inbound.method}", status=405)
        asked = endpoints.named(path)
        if asked is None and path != MODELS and not path.startswith(MODELS + "/"):
            return Failure(FailureKind.NOT_FOUND, f"there is no {path} here{near(path)}", code="unknown_url")
        if inbound.method not in ("GET", "HEAD"):
            return Failure(FailureKind.BAD_REQUEST, f"{path} takes GET, not {inbound.method}", status=405)
        client = self._pipeline.who(inbound)
        if isinstance(client, Failure):
            return client
        shown = [n for n in names.public_names(self._catalogue()) if names.allowed(n, client.models)]
        name = unquote(path[len(MODELS) + 1 :]) if asked is None else asked
        if path != MODELS and name not in shown:
            text = f"there is no model {name!r} for you"
            return Failure(FailureKind.UNKNOWN_MODEL, text, param="model", code="model_not_found")
        if asked is not None:
            body = endpoints.document(asked, self._offers(names.rows(self._catalogue(), asked)), self._born)
        else:
            body = models.document(name, shown, self._born, anthropics=_anthropics(inbound))
        encoded = orjson.dumps(body)
        reply.send(200, self._pipeline.told(self._pipeline.next_id(), inbound) + JSON, encoded)
        return None


def _anthropics(inbound: Inbound) -> bool:
    return inbound.header("anthropic-version") is not None or inbound.path.startswith("/v1/messages")


def _named(body: bytes, model: str, put: Callable[[bytes, str], bytes]) -> bytes:
    """Return a body that names its model: the deployment in the path, whatever stands there."""
    try:
        return put(body, model)
    except ValueError:
        return body  # it cannot be read: whoever reads it says so


def _in_json(body: bytes, model: str) -> bytes:
    return edit.with_members(body, {"model": orjson.dumps(model)})
