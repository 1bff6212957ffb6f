"""Spans as OTLP puts them on the wire (protobuf), and what a collector says to them.

The messages are those of the package ``opentelemetry-proto``, which only a daemon that sends traces needs. A span
takes some 25 us.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lbd import __version__
from lbd.model.tracing import Span, SpanEvent, Value

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer as Repeated
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

MISSING = "sending traces needs the extra: pip install 'lbd[otlp]'"
LONGEST = 1024  # characters of a value, as collectors take it; the longest are ids that providers made up
_LARGEST = (1 << 63) - 1  # whole number that there is
CONTENT_TYPE = "application/x-protobuf"
SCOPE = "lbd"
# The conventions for generative AI that the attributes follow moved out of those that this names; it stands for the
# others, such as error.type.
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
_KNOWN, _REMOTE = 0x100, 0x200  # of a span's flags: whether its parent is remote is known; it is


def installed() -> bool:
    """Tell whether the messages are there, by importing them: that takes longer than requests should wait later."""
    try:
        importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    except ImportError:
        return False
    return True


class Parcel:
    """The body of one request to a collector, in the making; ``resource`` are the attributes of who sends it."""

    def __init__(self, resource: Iterable[tuple[str, str]]) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self._request = ExportTraceServiceRequest()
        of = self._request.resource_spans.add()
        _put(of.resource.attributes, dict(resource))
        scope = self._scope = of.scope_spans.add()
        scope.scope.name, scope.scope.version, scope.schema_url = SCOPE, __version__, SCHEMA

    def add(self, spans: Iterable[Span]) -> None:
        """Put in these spans."""
        for span in spans:
            _write(self._scope.spans.add(), span)

    def __len__(self) -> int:
        return len(self._scope.spans)

    def whole(self) -> bytes:
        """Return the body."""
        return bytes(self._request.SerializeToString())


def _write(out: Message, span: Span) -> None:
    out.trace_id, out.span_id = bytes.fromhex(span.trace), bytes.fromhex(span.id)
    out.trace_state = span.state
    if span.parent:
        out.parent_span_id = bytes.fromhex(span.parent)
    out.flags = span.flags | _KNOWN | (_REMOTE if span.remote else 0)
    out.name = _text(span.name)
    out.kind = span.kind  # type: ignore[assignment]  # the number, which is what goes out
    out.start_time_unix_nano, out.end_time_unix_nano = span.start_ns, span.end_ns
    _put(out.attributes, span.attributes)
    if span.failed:
        out.status.code = out.status.STATUS_CODE_ERROR
    for event in span.events:
        _event(out.events.add(), event)


def _event(out: Message.Event, event: SpanEvent) -> None:
    out.name, out.time_unix_nano = event.name, event.at_ns
    _put(out.attributes, event.attributes)


def _put(out: Repeated[KeyValue], attributes: Mapping[str, Value]) -> None:
    for key, value in attributes.items():
        pair = out.add()
        pair.key = key
        if isinstance(value, str):
            pair.value.string_value = _text(value)
        elif isinstance(value, bool):  # before int, of which it is one
            pair.value.bool_value = value
        elif isinstance(value, int):
            pair.value.int_value = max(-_LARGEST, min(value, _LARGEST))
        elif isinstance(value, float):
            pair.value.double_value = value
        else:
            pair.value.array_value.SetInParent()  # of nothing, too
            for one in value:
                pair.value.array_value.values.add().string_value = _text(one)


def _text(value: str) -> str:
    """Return a text as it can be put, whatever a client called its model."""
    return value[:LONGEST].encode("utf-8", "replace").decode()


def partial(body: bytes) -> tuple[int, str]:
    """Return how many spans a collector did not take of a request that it took, and what it says about it."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(body)
    except DecodeError:  # a proxy's own page, or JSON: 200 is what counts
        return 0, ""
    told = response.partial_success
    return max(0, told.rejected_spans), told.error_message
