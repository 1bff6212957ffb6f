"""Slow start: a deployment that came back takes its share in small steps.

The share grows linearly from ``START`` to 1 over ``SPAN`` seconds, as Envoy's slow-start mode does with
aggression 1.
"""

from __future__ import annotations

from lbd.model.units import Instant, Ratio, Seconds

SPAN: Seconds = 30.0
START: Ratio = 0.1


def factor(since: Instant | None, now: Instant) -> Ratio:
    """Return the factor on the weight of a row that came back at ``since`` (None: it never was away)."""
    if since is None:
        return 1.0
    return min(1.0, START + (1 - START) * max(0.0, now - since) / SPAN)


def over(since: Instant | None, now: Instant) -> bool:
    """Tell whether slow start has ended."""
    return since is None or now - since >= SPAN
