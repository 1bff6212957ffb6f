"""Spans on the wire: read back with OpenTelemetry's own messages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd import __version__
from lbd.model.tracing import CLIENT, SERVER, Span, SpanEvent
from lbd.observe import otlp
from tests.fakes.collector import in_part, read

EVENT = SpanEvent("lbd.lease_refused", 1_700_000_000_000_000_001, {"lbd.refused": "at_limit"})
OWN = Span(
    "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "1" * 16, True, 1, "chat auto", SERVER,
    1_700_000_000_000_000_000, 1_700_000_001_000_000_000,
    {"text": "é", "yes": True, "no": False, "whole": 3, "part": 0.25, "many": ("a", "b"), "none": ()},
    True, (EVENT,),
)  # fmt: skip
FIRST = OWN._replace(id="2" * 16, parent="", remote=False, kind=CLIENT, failed=False, events=(), attributes={})


def body(*spans: Span) -> bytes:
    parcel = otlp.Parcel((("service.name", "lbd"), ("deployment.environment.name", "test")))
    parcel.add(spans)
    assert len(parcel) == len(spans)
    return parcel.whole()


def test_a_span_is_read_as_it_was_meant() -> None:
    """Ids, times to the nanosecond, attributes of every kind, status, events, and whose it is."""
    own, first = read(body(OWN, FIRST))
    assert (own.trace, own.id, own.parent, own.name, own.kind) == (OWN.trace, OWN.id, "1" * 16, "chat auto", "server")
    assert (own.message.start_time_unix_nano, own.message.end_time_unix_nano) == (OWN.start_ns, OWN.end_ns)
    assert own.attributes == {**OWN.attributes, "none": ()} and own.attributes["yes"] is True
    assert type(own["whole"]) is int and type(own["part"]) is float
    assert own.failed and own.events == [("lbd.lease_refused", {"lbd.refused": "at_limit"})]
    assert own.message.events[0].time_unix_nano == EVENT.at_ns
    assert own.resource == {"service.name": "lbd", "deployment.environment.name": "test"}
    assert (first.parent, first.kind, first.failed, first.message.status.message) == ("", "client", False, "")


def test_whether_the_parent_is_of_another_process_is_told() -> None:
    """In the flags, beside those of the trace."""
    own, first = read(body(OWN, FIRST))
    assert own.message.flags == 0x301 and first.message.flags == 0x101


def test_who_wrote_it_is_told() -> None:
    """The scope, with its version and what its names follow."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    (of,) = ExportTraceServiceRequest.FromString(body(OWN)).resource_spans
    (scope,) = of.scope_spans
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("lbd", __version__, otlp.SCHEMA)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", (0, "")),
        (in_part(3, "too old"), (3, "too old")),
        (in_part(0, "a word of advice"), (0, "a word of advice")),
        (in_part(-3, ""), (0, "")),
        (b"<html>ok</html>", (0, "")),
        (b'{"partialSuccess":{}}', (0, "")),
    ],
)
def test_what_was_not_taken_is_read_from_the_answer(answer: bytes, expected: tuple[int, str]) -> None:
    """What is none of the protocol's is a plain yes."""
    assert otlp.partial(answer) == expected


@given(text=st.text(max_size=3000), number=st.integers(-(2**80), 2**80))
def test_whatever_a_client_or_a_provider_says_can_be_sent(text: str, number: int) -> None:
    """Texts that are none, and numbers that are too large, are told as far as they can be."""
    (got,) = read(body(OWN._replace(name=text or "x", attributes={"a": text, "n": number, "m": (text,)})))
    assert got["n"] == max(1 - 2**63, min(number, 2**63 - 1)) and len(got["a"]) <= otlp.LONGEST
    assert got["a"] == got["m"][0] == text.encode("utf-8", "replace").decode()[: otlp.LONGEST]


def test_half_a_character_is_told_as_a_question() -> None:
    """JSON may hold one."""
    assert read(body(OWN._replace(attributes={"a": "x\ud800y"})))[0]["a"] == "x?y"


def test_nothing_is_imported_before_it_is_needed() -> None:
    """A daemon that sends no traces starts without the extra, and as fast as before."""
    code = (
        "import sys, lbd.app, lbd.observe.otlp, lbd.loops.tracing;"
        " print([m for m in sys.modules if 'protobuf' in m or m.startswith('opentelemetry')])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
    assert otlp.installed()


def test_whether_the_extra_is_there_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """By importing it: what is half there is not there."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    assert not otlp.installed()
