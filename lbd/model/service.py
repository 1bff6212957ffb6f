"""Parts of the dashboard's JSON: the daemon itself, which ways requests took, and uptime in pieces."""

from __future__ import annotations

import msgspec


class CellsOut(msgspec.Struct, rename={"m5": "5m", "m30": "30m", "d1": "1d"}):
    """Uptime in pieces, oldest first: ten of 30 s, ten of 3 min, twelve of 2 h; null where its state was not known."""

    m5: list[float | None]
    m30: list[float | None]
    d1: list[float | None]


class OverheadOut(msgspec.Struct):
    """What lbd itself added to a request of the last five minutes, in microseconds."""

    p50: float | None
    p95: float | None
    p99: float | None
    n: int
    window_s: float = 300.0


class AttainmentOut(msgspec.Struct):
    """How many requests of the last hour came as they should, by class.

    One keeps its promise that ends well, and, streamed, begins within its own target or else that of the tier it was
    served by. What the client itself is to blame for counts in neither. ``budget_left`` is the part of what may be
    missed (1 - ``objective``) that is left, below 0 where more was missed.
    """

    urgency: str
    kept: int
    n: int
    attainment: float | None
    objective: float
    budget_left: float | None
    window_s: float = 3600.0


class StoreOut(msgspec.Struct):
    """Where state is kept."""

    kind: str
    up: bool


class ServiceOut(msgspec.Struct):
    """The daemon itself."""

    rps: float  # requests that ended, over the last minute
    inflight: int
    overhead_us: OverheadOut
    slo: list[AttainmentOut]
    store: StoreOut
    loop_lag_s: float


class FlowOut(msgspec.Struct):
    """Requests of the last five minutes that took one way; ``deployment`` null where nobody served them."""

    surface: str | None
    urgency: str
    tier: str | None
    deployment: str | None
    rps: float
    usd_per_h: float
    moved: bool  # it was not the first that was asked
    treated: bool  # by an experiment
    outcome: str | None = None  # what it came to, where nobody served it
