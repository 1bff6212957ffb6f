"""Records: every attempt of a request, and nothing of what was said in it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.plan import Decision, Query
from lbd.model.record import AttemptRecord, RequestRecord
from lbd.model.request import Ask

DECISION = Decision(3, 1000.0, Ask("auto"), Query(), 42, (), "p/a", "primary", "normal", "only")
RECORD = RequestRecord(
    id="r-1",
    time=1.7e9,
    client="bot",
    surface="support",
    asked="gpt-4o",
    target="auto",
    operation="openai.chat",
    stream=True,
    urgency="interactive",
    attempts=(
        AttemptRecord(DECISION, 0.0, 0.5, None, FailureKind.SERVER, "HTTP 500", 500),
        AttemptRecord(DECISION, 0.5, 2.0, 0.3, None, usage=Usage(10, 20), cost=70_000),
    ),
    outcome="ok",
    status=200,
    served_by="p/a",
    ttft_s=0.8,
    total_s=2.0,
    overhead_us=180.0,
    usage=Usage(10, 20),
    cost=70_000,
)


def test_a_record_survives_the_journal() -> None:
    """What is read back is what was written, decisions and failures included."""
    assert msgspec.json.decode(msgspec.json.encode(RECORD), type=RequestRecord) == RECORD


def _types(of: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """Yield every type that a value of this one may hold."""
    yield of
    for name in ("item_type", "key_type", "value_type"):
        if hasattr(of, name):
            yield from _types(getattr(of, name))
    for name in ("types", "item_types"):
        for inner in getattr(of, name, ()):
            yield from _types(inner)
    for field in getattr(of, "fields", ()):
        yield from _types(field.type)


def test_a_stream_that_went_on_is_counted() -> None:
    """Whatever else was tried."""
    tried = msgspec.structs.replace(RECORD, splices=("failed", "went_on", "went_on", "different"))
    assert (RECORD.spliced, tried.spliced) == (0, 2)


def test_no_record_can_hold_a_prompt() -> None:
    """No bytes and no free form anywhere below it: a prompt has no place to go to."""
    found = list(_types(msgspec.inspect.type_info(RequestRecord)))
    assert len(found) > 50
    free = (msgspec.inspect.BytesType, msgspec.inspect.AnyType, msgspec.inspect.DictType)
    assert not [t for t in found if isinstance(t, free)]
