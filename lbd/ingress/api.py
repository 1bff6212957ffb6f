"""The API's routes: matched on the raw path only, answered in the client's shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
import orjson

from lbd.decide import names
from lbd.ingress import guard
from lbd.ingress.server import HttpReply, Inbound
from lbd.model.failure import Failure, FailureKind
from lbd.model.plan import Catalogue
from lbd.model.provider import ClientSpec
from lbd.pipeline import Pipeline
from lbd.shapes.clients import ClientShape

MODELS = "/v1/models"


class Limits(msgspec.Struct, frozen=True):
    """What the API listener enforces; swapped as one on reload."""

    max_body_bytes: int = 32 * 1024 * 1024
    allowed_hosts: frozenset[str] = frozenset()


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
        self._posts = {"/v1/chat/completions": shapes["openai.chat"]}
        self._born = int(born)
        self.limits = Limits()

    async def handle(self, inbound: Inbound, reply: HttpReply) -> None:
        """Answer one request, whatever it is."""
        shape = self._posts.get(inbound.path, self._default)
        try:
            refusal = self._guard(inbound)
            if refusal is None and inbound.method == "POST" and inbound.path in self._posts:
                raw = await inbound.read(self.limits.max_body_bytes)
                if isinstance(raw, bytes):
                    await self._pipeline.handle(inbound, raw, shape, reply)
                    return
                reply.keep_alive = False
                refusal = raw
            elif refusal is None:
                refusal = self._get(inbound, reply)
        except Exception as e:
            request_id = self._pipeline.next_id()
            self._failed(request_id, e)
            refusal = Failure(FailureKind.INTERNAL, f"lbd itself failed; its log says more under {request_id}")
            if reply.started:
                if not reply.ended:
                    reply.end(shape.error_event(refusal))
                return
        if refusal is not None:
            self._pipeline.refuse(self._pipeline.next_id(), refusal, shape, reply)

    def _guard(self, inbound: Inbound) -> Failure | None:
        allowed = self.limits.allowed_hosts
        host = inbound.header("host")
        if not guard.known_host(host, allowed):
            return Failure(
                FailureKind.FORBIDDEN, f"Host {host!r} is not known here; add it to allowed_hosts", code="unknown_host"
            )
        origin = inbound.header("origin")
        if origin is not None and not guard.known_origin(origin, host, allowed):
            return Failure(
                FailureKind.FORBIDDEN, f"Origin {origin!r} is not known here; add its host to allowed_hosts"
            )
        if inbound.method == "POST" and not guard.is_json(inbound.header("content-type")):
            return Failure(
                FailureKind.BAD_REQUEST, "send the body with Content-Type: application/json", status=415
            )
        return None

    def _get(self, inbound: Inbound, reply: HttpReply) -> Failure | None:
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
                    FailureKind.UNKNOWN_MODEL, f"there is no model {name!r} for you", param="model", code="model_not_found"
                )
            body = listed[name]
        encoded = orjson.dumps(body)
        headers = [("x-request-id", self._pipeline.next_id()), ("content-type", "application/json")]
        reply.send(200, headers, encoded if inbound.method == "GET" else b"")
        return None

    def _listed(self, client: ClientSpec) -> dict[str, dict[str, Any]]:
        return {
            name: {"id": name, "object": "model", "created": self._born, "owned_by": "lbd"}
            for name in names.public_names(self._catalogue())
            if names.allowed(name, client.models)
        }
