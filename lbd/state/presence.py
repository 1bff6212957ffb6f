"""How long a row was there: the time in which anything was known of it, and what of that it was out."""

from __future__ import annotations

from lbd.model.units import Ratio, Seconds


class Presence:
    """Seconds in which the state of a row was known, and those of them in which it was out (down or locked)."""

    __slots__ = ("known_s", "out_s")

    def __init__(self, known_s: Seconds = 0.0, out_s: Seconds = 0.0) -> None:
        self.known_s = known_s
        self.out_s = out_s

    def merge(self, other: Presence) -> None:
        """Add another slot's seconds."""
        self.known_s += other.known_s
        self.out_s += other.out_s

    def copy(self) -> Presence:
        """Return an independent copy."""
        return Presence(self.known_s, self.out_s)

    def share(self) -> Ratio | None:
        """Return the share of the known time in which it was not out, None without any."""
        return 1 - self.out_s / self.known_s if self.known_s > 0 else None
