"""How much traffic this machine can take: measured, so that the outage tests lbd and not the machine.

While one server is frozen and another is dead, the third answers everybody. It gets half of what it can do: the other
half is for lbd and the client, for servers that load their weights again, and for a machine that becomes busier.
"""

from __future__ import annotations

import msgspec

from lbd.demo.weights import DemoError

LENGTHS = (24, 12, 6)  # tokens of an answer; the longest with which the rate is worth watching
MOST = 3.0  # requests a second; more says nothing more
LEAST = 1.0  # requests a second; with fewer, hardly anybody is there when a server breaks
SHARE = 0.5  # of what one server can do
SHARE_MOST = 0.9  # the same, where even the shortest answers take long; with more, the queue would only grow
USUAL_S = 0.4  # for an answer, on a machine for which lbd's usual targets are right
TARGETS_S = (1.5, 3.0, 10.0)  # lbd's usual ones


class Load(msgspec.Struct, frozen=True):
    """Traffic that one server can answer alone. ``answer_s`` is what it takes for one answer of ``tokens`` tokens."""

    rate: float = MOST
    tokens: int = LENGTHS[0]
    answer_s: float = USUAL_S

    def targets_s(self) -> tuple[float, ...]:
        """Return the tiers' targets: a server of a slow machine is not left for being as slow as all are."""
        return tuple(round(t * max(1.0, self.answer_s / USUAL_S), 2) for t in TARGETS_S)

    def first_content_s(self) -> float:
        """Return lbd's deadline: time for a queue of 60 answers, and less than the client's own patience."""
        return round(min(45.0, max(20.0, 60 * self.answer_s)), 1)

    def told(self) -> str:
        """Say what was chosen, and from what."""
        share = self.rate * self.answer_s
        return (
            f"one server takes {self.answer_s:.2f} s for an answer of {self.tokens} tokens: "
            f"{self.rate:.1f} requests a second keep it {share:.0%} busy once the two others are gone"
        )


def fitting(tokens: int, answer_s: float) -> Load | None:
    """Return the load where an answer takes so long (seconds), None if shorter answers should be tried.

    Raises DemoError where there are no shorter ones and this machine cannot show the outage.
    """
    rate = min(MOST, SHARE / answer_s)
    if rate >= LEAST:
        return Load(rate, tokens, answer_s)
    if tokens > LENGTHS[-1]:
        return None
    if LEAST * answer_s <= SHARE_MOST:
        return Load(LEAST, tokens, answer_s)
    raise DemoError(
        f"this machine is too slow, or too busy now, to show the outage: a model server takes {answer_s:.2f} s for an "
        f"answer of {tokens} tokens, and the last one left would be asked once a second. Nothing is known of lbd by "
        "that. Try again when less is running here, or run `lbd demo` without --outage."
    )
