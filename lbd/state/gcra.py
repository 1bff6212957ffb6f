"""Rate limits by the generic cell rate algorithm: one number a limit, exact, and no work when nobody asks.

Source: ATM Forum TM 4.0, virtual scheduling. ``tat`` is the theoretical arrival time: the instant at which everything
taken so far has drained at the allowed rate. A request conforms while the bucket, which holds ``burst``, has room.
"""

from __future__ import annotations

from lbd.model.units import Instant, Seconds

EMPTY: Instant = 0.0  # of a limit that nobody has asked yet; monotonic clocks begin later


def wait(tat: Instant, now: Instant, amount: float, rate: float, burst: float) -> Seconds:
    """Return how long ``amount`` has to wait, 0 where it conforms now.

    ``rate`` is per second. What is larger than the whole burst conforms when the bucket is empty: else it never would.
    """
    room = max(0.0, burst - amount) / rate
    return max(0.0, tat - now - room)


def take(tat: Instant, now: Instant, amount: float, rate: float) -> Instant:
    """Return the new time after ``amount`` was taken; a negative one gives back what was not used."""
    return max(tat, now) + amount / rate if amount >= 0 else max(now, tat + amount / rate)


def left(tat: Instant, now: Instant, rate: float, burst: float) -> float:
    """Return how much conforms now."""
    return max(0.0, burst - max(0.0, tat - now) * rate)
