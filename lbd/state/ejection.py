"""Review of all rows for statistical ejection: who stands out from the deployments of its tier.

What a row was set aside for is over with that: it is not set aside once more for what it did before.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbd.model.units import Instant, Seconds
from lbd.state import outlier
from lbd.state.row import Row
from lbd.state.window import MINUTE

STEP: Seconds = 10.0  # by which it is told since when evidence counts


def review(rows: Sequence[Row], now: Instant) -> set[int]:
    """Step every row's ejection; return the rows for which one began. Once a second; an end comes with time alone."""
    changed: set[int] = set()
    tiers: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        tiers.setdefault(row.spec.tier, []).append(i)
    for members in tiers.values():
        if len(members) < outlier.MIN_PEERS:
            continue
        peers = [_peer(rows[i], now) for i in members]
        for place, i in enumerate(members):
            row = rows[i]
            was = outlier.active(row.ejection, now)
            row.ejection = outlier.step(row.ejection, outlier.judge(peers, place), now)
            if outlier.active(row.ejection, now) and not was:
                changed.add(i)
    return changed


def _peer(row: Row, now: Instant) -> outlier.Peer:
    window = min(MINUTE, (now - row.ejection.until) // STEP * STEP)
    if window <= 0:
        return outlier.Peer(0.0, None, 0)
    recent = row.outcomes.over(window, now)
    ttft = row.ttft[0].over(window, now)
    p50 = ttft.quantile(0.5) if ttft.n >= outlier.MIN_TRAFFIC else None
    return outlier.Peer(recent.ratio() or 0.0, p50, recent.judged)
