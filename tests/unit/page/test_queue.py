"""Background work on the page: states, the next deadline, dead letters; nothing where there is nothing."""

from __future__ import annotations

from typing import Any

from lbd.ingress.queue import report
from lbd.model.batch import Batch, Counts, Fault, Status
from lbd.page import queue
from tests.fakes.scenes import NOW, Read

AT = int(NOW)


def batch(name: str, status: Status, **more: Any) -> Batch:
    """Return a batch that came to its status an hour ago, and ends in two."""
    given = {"stamps": {status: AT - 3600}, **more}
    return Batch(name, "team", "/v1/embeddings", "file-1", "24h", AT - 7200, AT + 7200, status=status, **given)


def shown(*batches: Batch) -> Read:
    return Read(queue.panel(report(list(batches), NOW), NOW))


def told(read: Read) -> str:
    return read.text.replace("\u202f", " ")


def test_work_under_way_is_told_with_its_next_deadline() -> None:
    """How many stand where, how many requests wait for how long, and when the first of them is due."""
    read = shown(
        batch("b1", Status.IN_PROGRESS, counts=Counts(10, 4, 1)),
        batch("b2", Status.VALIDATING),
        batch("b3", Status.COMPLETED),
    )
    assert "hidden" not in read.all("section", id="queue")[0]
    assert "1 validating, 1 in progress, 1 completed; 5 requests wait, the oldest for 2 h" in told(read)
    assert "the next deadline is in 2 h" in told(read) and "Without an answer" not in told(read)


def test_what_got_no_answer_says_where_its_errors_are() -> None:
    """By status, client and how much of it; a batch that was refused says why."""
    read = shown(
        batch("late", Status.EXPIRED, counts=Counts(3, 1, 2), error_file_id="file-9"),
        batch("bad", Status.FAILED, faults=(Fault("empty_file", "holds <no> request"),)),
    )
    read.harmless()
    text = told(read)
    assert (
        "✕ expired 1 h ago: late of team, 2 of 3 unanswered, why with its client's key: GET /v1/files/file-9/content"
        in text
    )
    assert "✕ failed 1 h ago: bad of team: holds <no> request" in text
    assert read.all("a", href="/v1/queue")


def test_of_many_dead_letters_the_latest_are_shown() -> None:
    """And how many more there are."""
    read = shown(*[batch(f"b{n}", Status.EXPIRED, counts=Counts(1, 0, 1)) for n in range(queue.LETTERS + 3)])
    assert len(read.all("li")) == queue.LETTERS and "3 more" in told(read)


def test_without_work_and_losses_the_panel_is_hidden() -> None:
    """But there, so that work that begins can be shown; what ended well is no news."""
    for panel in (shown(), shown(batch("b", Status.COMPLETED)), Read(queue.panel(None, NOW))):
        assert "hidden" in panel.all("section", id="queue")[0] and not panel.all("p")
