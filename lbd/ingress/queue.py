"""What ``/v1/queue`` of the admin API tells of the durable queue."""

from __future__ import annotations

from typing import Any

from lbd.model.batch import Batch
from lbd.model.units import WallTime
from lbd.state import batch as states

MOST = 100  # dead letters that are shown, the latest


def report(batches: list[Batch], now: WallTime) -> dict[str, Any]:
    """Return how the queue stands, and what in it could not be answered."""
    standing = states.standing(batches, now)
    return {
        "object": "lbd.queue",
        "by_status": {str(status): n for status, n in standing.by_status.items()},
        "waiting": standing.waiting,
        "oldest_s": round(standing.oldest_s, 3),
        "next_expires_at": min((b.expires_at for b in batches if not b.ended), default=None),
        "dead_letters": [_letter(batch) for batch in states.dead(batches)[:MOST]],
    }


def _letter(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "object": "response" if batch.single else "batch",
        "client": batch.client,
        "status": str(batch.status),
        "ended_at": batch.ended_at,
        "failed": batch.counts.failed,
        "of": batch.counts.total,
        "error_file_id": batch.error_file_id,
        "fault": batch.faults[0].message if batch.faults else None,
    }
