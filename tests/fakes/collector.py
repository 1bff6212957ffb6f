"""A collector of traces that reads what it gets with OpenTelemetry's own messages, and answers as it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from lbd.loops.exporting import Answered
from lbd.model.tracing import TracesSpec
from lbd.ports import Env

TAKEN = Answered(200)


def plain(value: Any) -> Any:
    """Return the value of an attribute."""
    kind = value.WhichOneof("value")
    return tuple(plain(v) for v in value.array_value.values) if kind == "array_value" else getattr(value, kind)


def attributes(of: Any) -> dict[str, Any]:
    """Return attributes; a key that is there twice is a mistake."""
    found = {pair.key: plain(pair.value) for pair in of}
    assert len(found) == len(of)
    return found


class Got:
    """One span as a collector reads it."""

    def __init__(self, message: Any, resource: dict[str, Any]) -> None:
        self.message = message
        self.resource = resource
        self.trace, self.id, self.parent = (
            one.hex() for one in (message.trace_id, message.span_id, message.parent_span_id)
        )
        self.name = message.name
        self.kind = {2: "server", 3: "client"}[message.kind]
        self.attributes = attributes(message.attributes)
        self.failed = message.status.code == 2
        self.events = [(e.name, attributes(e.attributes)) for e in message.events]
        assert len(message.trace_id) == 16 and len(message.span_id) == 8, "other lengths are no ids"
        assert any(message.trace_id) and any(message.span_id) and message.name
        assert 0 < message.start_time_unix_nano <= message.end_time_unix_nano

    def __getitem__(self, key: str) -> Any:
        return self.attributes[key]


def read(body: bytes) -> list[Got]:
    """Return the spans of a request; what is empty should not have been sent."""
    request = ExportTraceServiceRequest.FromString(body)
    out = []
    for of in request.resource_spans:
        assert of.resource.attributes and of.scope_spans
        for scope in of.scope_spans:
            assert scope.scope.name == "lbd" and scope.spans
            out += [Got(span, attributes(of.resource.attributes)) for span in scope.spans]
    assert out
    return out


def words(body: bytes) -> str:
    """Return everything that a request says."""
    return repr(MessageToDict(ExportTraceServiceRequest.FromString(body)))


def in_part(rejected: int, text: str) -> bytes:
    """Return the answer of a collector that did not take all."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans, response.partial_success.error_message = rejected, text
    return bytes(response.SerializeToString())


class Collector:
    """Implements :class:`lbd.loops.exporting.Exports`. Gives the next of ``answers``, then ``always``."""

    def __init__(self, env: Env, always: Answered = TAKEN, takes_s: float = 0.01) -> None:
        self.env = env
        self.always = always
        self.takes_s = takes_s
        self.answers: deque[Answered] = deque()
        self.bodies: list[bytes] = []  # taken
        self.tries: list[float] = []
        self.to: list[TracesSpec] = []
        self.closed = False

    async def __call__(self, to: TracesSpec, body: bytes, wall: float, within_s: float) -> Answered:
        self.tries.append(self.env.now())
        self.to.append(to)
        if self.takes_s > within_s:
            await self.env.sleep(within_s)
            return Answered(0, error=f"no answer within {within_s:g} s")
        await self.env.sleep(self.takes_s)
        answered = self.answers.popleft() if self.answers else self.always
        if answered.taken:
            self.bodies.append(body)
        return answered

    async def close(self) -> None:
        self.closed = True

    @property
    def got(self) -> list[Got]:
        return [span for body in self.bodies for span in read(body)]

    def traces(self) -> Iterator[tuple[Got, list[Got]]]:
        """Yield each request's span with those of its attempts."""
        got = self.got
        clients: dict[str, list[Got]] = {}
        for span in got:
            if span.kind == "client":
                clients.setdefault(span.parent, []).append(span)
        for span in got:
            if span.kind == "server":
                yield span, clients.pop(span.id, [])
        assert not clients, "attempts of no request"
