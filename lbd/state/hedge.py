"""Hedging: a second attempt beside one that is late, where that is likely to save the target and costs little.

After Dean and Barroso (2013, "The Tail at Scale"): a request is hedged once it has waited for longer than 95 % of its
kind. Not each of those is worth it. The tail between the two percentiles that are known is taken for a Pareto one, so
that having waited ``t`` the chance to miss ``target`` is at least 1/5 from ``t = target * p95 / p99`` on; and from
``p99 * p99 / p95`` on, where only one in 500 is, it is held to be stuck, whatever the tail says. Before a quarter of
the target nothing is late: it could be hedged later and be in time all the same.

All hedges together take at most a share of the tokens that requests bring: each earns the budget its share, and what
nobody used is kept up to ``MOST``, so that a quiet hour does not pay for a storm of hedges.
"""

from __future__ import annotations

import math

from lbd.model.units import Ratio, Seconds, Tokens

SHARE: Ratio = 0.05  # of tokens
MOST: Tokens = 200_000
EARLY: Ratio = 0.25  # of the target
STUCK: Ratio = 1.25  # times p99, where the tail is so short that it says less
BUSY: Ratio = 0.7  # load from which a row takes no hedge: at saturation they would only add to it


def due(p95_s: Seconds, p99_s: Seconds, target_s: Seconds) -> Seconds:
    """Return after how long without a first content a hedge is worth it, ``inf`` where it is too late then.

    ``p95_s`` and ``p99_s`` are of the row that was asked.
    """
    p99_s = max(p95_s, p99_s)
    if p95_s <= 0 or target_s <= 0:
        return math.inf
    stuck = p99_s * max(STUCK, p99_s / p95_s)
    at = max(p95_s, EARLY * target_s, min(target_s * p95_s / p99_s, stuck))
    return at if at < target_s else math.inf


class HedgeBudget:
    """Input tokens that hedges may take: at most ``share`` of what requests bring."""

    __slots__ = ("earned", "left", "share", "taken")

    def __init__(self, share: Ratio = SHARE) -> None:
        self.share = share
        self.left = 0.0
        self.earned: Tokens = 0  # of all requests
        self.taken: Tokens = 0

    def request(self, tokens: Tokens) -> None:
        """Count a request of so many tokens: it earns its share."""
        self.earned += tokens
        left = self.left + self.share * tokens
        self.left = left if left < MOST else MOST

    def take(self, tokens: Tokens) -> bool:
        """Take the tokens of a hedge; False, and nothing taken, where they are not there."""
        if tokens > self.left:
            return False
        self.left -= tokens
        self.taken += tokens
        return True
