"""Records of requests that ended, as the pipeline leaves them."""

from __future__ import annotations

from typing import Any

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.plan import Decision, Query
from lbd.model.record import AttemptRecord, RequestRecord
from tests.fakes import tables


def attempt(deployment: str = "p/a", *, failure: str | None = None, **more: Any) -> AttemptRecord:
    """Return one attempt; good where no failure is named."""
    decision = Decision(1, tables.START, tables.ask(), Query(), 7, (), deployment, "primary", "normal", "weighted")
    kind = None if failure is None else FailureKind(failure)
    given: dict[str, Any] = {"usage": None if failure else Usage(100, 20), "cost": 0 if failure else 140_000, **more}
    return AttemptRecord(decision, 0.0, 0.5, None if failure else 0.2, kind, **given)


def record(**more: Any) -> RequestRecord:
    """Return a request that went as it should: one attempt, an answer."""
    given: dict[str, Any] = {
        "id": "req_1",
        "time": tables.WALL,
        "client": "local",
        "surface": "support",
        "asked": "auto",
        "target": "auto",
        "operation": "openai.chat",
        "stream": True,
        "urgency": "interactive",
        "attempts": (attempt(),),
        "outcome": "ok",
        "status": 200,
        "served_by": "p/a",
        "ttft_s": 0.2,
        "total_s": 0.8,
        "overhead_us": 90.0,
        "usage": Usage(100, 20),
        "cost": 140_000,
        **more,
    }
    return RequestRecord(**given)
