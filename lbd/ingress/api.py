"""The API's routes: matched on the raw path only, answered in the client's shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
import orjson

from lbd.decide import names
from lbd.ingress import guard
from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from lbd.model.failure import Failure, FailureKind
from lbd.model.plan import Catalogue
from lbd.model.provider import ClientSpec
from lbd.pipeline import Pipeline
from lbd.ports import Sends
from lbd.shapes.clients import ClientShape
from lbd.upstream.inflate import BadEncoding, Inflate, TooMuch
from lbd.upstream.respond import JSON

MODELS = "/v1/models"
ROUTES = {
    "/v1/chat/completions": "openai.chat",
    "/v1/completions": "openai.completions",
    "/v1/embeddings": "openai.embeddings",
    "/v1/moderations": "openai.moderations",
    "/v1/images/generations": "openai.images",
    "/v1/audio/speech": "openai.speech",
    "/v1/responses": "openai.responses",
    "/v1/messages": "anthropic.messages",
}


class Limits(msgspec.Struct, frozen=True):
    """What the API listener enforces; swapped as one on reload."""

    max_body_bytes: int = 32 * 1024 * 1024
    allowed_hosts: frozenset[str] = frozenset()


class _Bare:
    """Answers HEAD: everything but the body."""

    def __init__(self, reply: HttpReply) -> None:
        self._reply = reply

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send the head, with the length that the body has."""
        self._reply.send_head(status, headers, len(body))


def _allow(refusal: Failure, shape: object | None) -> bytes:
    """Return the header that a 405 owes its client (RFC 9110 15.5.6)."""
    if refusal.status != 405:
        return b""
    return b"allow: POST\r\n" if shape is not None else b"allow: GET, HEAD\r\n"


def _to(inbound: Inbound, reply: HttpReply) -> Sends:
    return _Bare(reply) if inbound.method == "HEAD" else reply


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
    ) -> None:
        self._pipeline = pipeline
        self._catalogue = catalogue
        self._failed = failed
        self._default = shapes["openai.chat"]
        self._posts = {path: shapes[name] for path, name in ROUTES.items() if name in shapes}
        self._born = int(born)
        self.limits = Limits()
        self._known_hosts: set[bytes | None] = set()

    def configure(self, limits: Limits) -> None:
        """Take a configuration."""
        self.limits = limits
        self._known_hosts.clear()

    async def handle(self, inbound: Inbound, reply: HttpReply) -> None:
        """Answer one request, whatever it is."""
        request_id = ""
        shape = self._posts.get(inbound.path)
        if shape is None and not inbound.path.startswith("/"):
            inbound.to_origin_form()
            shape = self._posts.get(inbound.path)
        try:
            refusal = inbound.refusal or self._guard(inbound)
            if refusal is None and shape is not None and inbound.method == "POST":
                body = inbound.body
                if inbound.field(b"content-encoding") is not None:
                    refusal = self._inflate(inbound)
                    body = inbound.body
                if refusal is None:
                    await self._pipeline.handle(inbound, body, shape, reply)
                    return
            elif refusal is None:
                refusal = self._get(inbound, _to(inbound, reply))
        except Exception as e:  # noqa: BLE001  the outermost handler: a client gets an answer whatever happens
            request_id = self._pipeline.next_id()
            self._failed(request_id, e)
            refusal = Failure(FailureKind.INTERNAL, f"lbd itself failed; its log says more under {request_id}")
            if reply.started:
                if not reply.ended:
                    reply.end((shape or self._default).error_event(refusal))
                return
        if refusal is not None:
            to, more = _to(inbound, reply), _allow(refusal, shape)
            request_id = request_id or self._pipeline.next_id()
            self._pipeline.refuse(request_id, inbound, refusal, shape or self._default, to, more)

    def _guard(self, inbound: Inbound) -> Failure | None:
        host, origin = inbound.field(b"host"), inbound.field(b"origin")
        if host not in self._known_hosts:
            name = None if host is None else host.decode("latin-1")
            if not guard.known_host(name, self.limits.allowed_hosts):
                return Failure(
                    FailureKind.FORBIDDEN,
                    f"Host {name!r} is not known here; add it to allowed_hosts",
                    code="unknown_host",
                )
            if len(self._known_hosts) < 64:
                self._known_hosts.add(host)
        if origin is not None and not guard.known_origin(
            origin.decode("latin-1"), inbound.header("host"), self.limits.allowed_hosts
        ):
            return Failure(
                FailureKind.FORBIDDEN,
                f"Origin {origin.decode('latin-1')!r} is not known here; add its host to allowed_hosts",
                code="unknown_origin",
            )
        kind = inbound.field(b"content-type")
        if (
            inbound.method == "POST"
            and kind != b"application/json"
            and not guard.is_json(inbound.header("content-type"))
        ):
            return Failure(FailureKind.BAD_REQUEST, "send the body with Content-Type: application/json", status=415)
        return None

    def _inflate(self, inbound: Inbound) -> Failure | None:
        encoding = (inbound.header("content-encoding") or "").strip().lower()
        if encoding not in ("gzip", "x-gzip", "deflate", "identity"):
            return Failure(FailureKind.BAD_REQUEST, f"Content-Encoding {encoding!r} is not understood", status=415)
        if encoding == "identity":
            return None
        stream = Inflate(bare=encoding == "deflate", most=self.limits.max_body_bytes)
        try:
            inbound.body = stream.feed(inbound.body)
        except TooMuch:
            text = f"the body is larger than limits.max_body_bytes, {self.limits.max_body_bytes}"
            return Failure(FailureKind.TOO_LARGE, text)
        except BadEncoding as e:
            return Failure(FailureKind.BAD_REQUEST, f"the body cannot be unpacked: {e}")
        return None if stream.ended else Failure(FailureKind.BAD_REQUEST, "the body's compression is cut short")

    def _get(self, inbound: Inbound, reply: Sends) -> Failure | None:
        path = inbound.path
        if path in self._posts:
            return Failure(FailureKind.BAD_REQUEST, f"{path} takes POST, not {inbound.method}", status=405)
        if path != MODELS and not path.startswith(MODELS + "/"):
            return Failure(FailureKind.NOT_FOUND, f"there is no {path} here", code="unknown_url")
        if inbound.method not in ("GET", "HEAD"):
            return Failure(FailureKind.BAD_REQUEST, f"{path} takes GET, not {inbound.method}", status=405)
        client = self._pipeline.rules.clients.who(
            inbound.header("authorization"), inbound.header("x-api-key") or inbound.header("api-key")
        )
        if isinstance(client, Failure):
            return client
        listed = self._listed(client)
        body: Any
        if path == MODELS:
            body = {"object": "list", "data": list(listed.values())}
        else:
            name = unquote(path[len(MODELS) + 1 :])
            if name not in listed:
                return Failure(
                    FailureKind.UNKNOWN_MODEL,
                    f"there is no model {name!r} for you",
                    param="model",
                    code="model_not_found",
                )
            body = listed[name]
        encoded = orjson.dumps(body)
        reply.send(200, self._pipeline.told(self._pipeline.next_id(), inbound) + JSON, encoded)
        return None

    def _listed(self, client: ClientSpec) -> dict[str, dict[str, Any]]:
        return {
            name: {"id": name, "object": "model", "created": self._born, "owned_by": "lbd"}
            for name in names.public_names(self._catalogue())
            if names.allowed(name, client.models)
        }
