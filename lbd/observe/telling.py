"""What the daemon says of itself: events on the timeline, lines in the log."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from lbd.batch.shelf import Strays
from lbd.model.batch import Batch, Status
from lbd.model.event import Event
from lbd.model.record import RequestRecord


class Telling:
    """One for the daemon; ``emit`` puts an event on the timeline (:meth:`lbd.table.owner.Owner.emit`)."""

    def __init__(self, emit: Callable[..., object], log: structlog.typing.FilteringBoundLogger) -> None:
        self._emit = emit
        self.log = log

    def request(self, record: RequestRecord) -> None:
        """Write the line of a request."""
        tell = self.log.info if record.status < 500 else self.log.warning
        tell(
            "request",
            id=record.id,
            client=record.client,
            asked=record.asked[:100],
            outcome=record.outcome,
            status=record.status,
            deployment=record.served_by,
            attempts=sum(a.refused is None for a in record.attempts),
            ttft_s=None if record.ttft_s is None else round(record.ttft_s, 4),
            total_s=round(record.total_s, 4),
            trace=record.trace,
            failures=[a.failure for a in record.attempts if a.failure is not None],
        )

    def event(self, event: Event) -> None:
        """Write the line of an event."""
        told = {
            **event.evidence,
            "subject": event.subject,
            "reason": event.reason,
            "before": event.before,
            "after": event.after,
            "by": event.by,
        }
        getattr(self.log, event.level)(event.kind, **told)

    def task_failed(self, kind: str, name: str, error: BaseException) -> None:
        """Tell that a task broke."""
        self.log.error(kind, task=name, exc_info=error)
        self._emit(kind, name, type(error).__name__, level="error", evidence={"error": str(error)[:500]})

    def request_failed(self, request_id: str, error: BaseException) -> None:
        """Tell that lbd itself failed a request."""
        self.log.error("request_crashed", id=request_id, exc_info=error)

    def batch_ended(self, batch: Batch) -> None:
        """Tell the end of a batch."""
        told: dict[str, object] = {
            "client": batch.client,
            **msgspec.structs.asdict(batch.counts),
            "took_s": (batch.ended_at or batch.created_at) - batch.created_at,
        }
        if batch.faults:
            told["fault"] = msgspec.to_builtins(batch.faults[0])
        level = "warning" if batch.status in (Status.FAILED, Status.EXPIRED) else "info"
        self._emit("batch_ended", batch.id, str(batch.status), level=level, evidence=told)

    def peak_changed(self, begun: bool, why: str) -> None:
        """Tell the begin or end of peak hours."""
        self._emit("peak_begun" if begun else "peak_over", "peak", why)

    def swept(self, strays: Strays) -> None:
        """Tell what a crash had left behind."""
        told: dict[str, object] = {"contents": strays.contents, "bytes": strays.bytes}
        if strays.why_kept is None:
            self._emit("strays_dropped", "files", "left by a crash", evidence=told)
        else:
            told["why"] = strays.why_kept
            self._emit("strays_kept", "files", "not swept", level="warning", evidence=told)

    def kept_changed(self, what: str, up: bool, error: str) -> None:
        """Tell that what is kept on disk cannot be written, or can again."""
        if up:
            self._emit(f"{what}_up", what, "recovered")
        else:
            self._emit(f"{what}_down", what, "failed", level="error", evidence={"error": error})
