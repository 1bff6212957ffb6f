"""What the admin API tells of the durable queue."""

from __future__ import annotations

from pathlib import Path

from lbd.ingress.queue import report
from lbd.model.batch import Batch, Counts, Fault, Status
from tests.fakes.house import House


def batch(name: str, status: Status, at: int = 5, **more: object) -> Batch:
    """Return a batch that came to its status at this time."""
    return Batch(name, "c", "/v1/embeddings", "file-1", "24h", 1, 99, status=status, stamps={status: at}, **more)  # type: ignore[arg-type]


def test_dead_letters_are_what_nobody_answered_the_latest_first() -> None:
    """Refused, out of time, or with lines that failed; what its client cancelled is none."""
    kept = [
        batch("good", Status.COMPLETED, counts=Counts(3, 3, 0)),
        batch("half", Status.COMPLETED, 6, counts=Counts(3, 2, 1), error_file_id="file-9"),
        batch("late", Status.EXPIRED, 8, counts=Counts(3, 0, 3)),
        batch("bad", Status.FAILED, 7, faults=(Fault("empty_file", "holds no request"),)),
        batch("resp", Status.COMPLETED, 9, counts=Counts(1, 0, 1), single=True),
        batch("gone", Status.CANCELLED, 9, counts=Counts(3, 0, 3)),
        batch("runs", Status.IN_PROGRESS, counts=Counts(4, 1, 1)),
    ]
    told = report(kept, 11.0)
    assert [letter["id"] for letter in told["dead_letters"]] == ["resp", "late", "bad", "half"]
    assert told["dead_letters"][0]["object"] == "response" and told["dead_letters"][3]["error_file_id"] == "file-9"
    assert told["dead_letters"][2]["fault"] == "holds no request"
    assert (told["waiting"], told["oldest_s"], told["by_status"]["in_progress"]) == (2, 10.0, 1)
    assert told["next_expires_at"] == 99 and report(kept[:2], 11.0)["next_expires_at"] is None


async def test_the_page_is_there(tmp_path: Path) -> None:
    """Of an empty queue, too."""
    async with House(tmp_path) as house, house.tcp.get("/v1/queue") as got:
        assert got.status == 200 and (await got.json())["dead_letters"] == []
