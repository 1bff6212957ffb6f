"""State transitions: what the timeline, the log and alerts tell an operator."""

from __future__ import annotations

import msgspec

from lbd.model.units import WallTime


class Event(msgspec.Struct, frozen=True):
    """One thing that happened, with its evidence.

    ``kind`` is a constant snake_case word, ``subject`` a deployment id, a provider's name or a part of
    the daemon, ``evidence`` the numbers behind it. ``by`` is set where a person or a tool acted.
    """

    id: int
    time: WallTime
    kind: str
    subject: str
    reason: str
    level: str = "info"  # debug, info, warning, error
    before: str | None = None
    after: str | None = None
    evidence: dict[str, object] = {}
    by: str | None = None
