"""What a batch is, as data."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from lbd.model.batch import ENDED, ENDPOINTS, Batch, Counts, Fate, Fault, Status
from lbd.model.outcome import Usage

BATCH = Batch("batch_1", "c", ENDPOINTS[0], "file-1", "24h", 100, 86500, {"a": "b"})


@pytest.mark.parametrize("status", Status)
def test_an_end_has_its_time(status: Status) -> None:
    """And what goes on has none."""
    batch = replace(BATCH, status=status, stamps={status: 7})
    assert batch.ended is (status in ENDED)
    assert batch.ended_at == (7 if status in ENDED else None)


def test_a_batch_survives_being_kept() -> None:
    """All of it: it is read again after a restart."""
    stamps = {Status.IN_PROGRESS: 5, Status.FAILED: 6}
    whole = replace(BATCH, stamps=stamps, counts=Counts(3, 2, 1), faults=(Fault("x", "y", 3, "p"),), output_id="file-2")
    whole = replace(whole, model="m", usage=Usage(7, 2, 1, 1))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Batch) == whole


def test_a_batch_of_an_earlier_version_can_be_read() -> None:
    """What it does not say is not known."""
    kept = {k: v for k, v in msgspec.to_builtins(BATCH).items() if k not in ("model", "usage")}
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Batch)
    assert again == BATCH and again.model is None and again.usage is None


def test_the_ends_of_a_line_are_words() -> None:
    """They are labels of a metric."""
    assert [str(fate) for fate in Fate] == ["completed", "failed", "expired", "cancelled"]
