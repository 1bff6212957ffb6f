"""Rate limiters as OpenAI's and Anthropic's: token buckets with continuous refill, their headers, and their 429s.

OpenAI (its rate-limit guide): requests and tokens a minute; tokens are counted when a request comes in, as the larger
of ``max_tokens`` and an estimate from the number of characters; a request that is refused for its tokens counts as a
request all the same; resets are durations to the full bucket.

Anthropic (its rate-limit page): requests, input and output tokens a minute, and the sum of both. Of output,
``max_tokens`` is taken when a request comes in and what was not used is given back at the end; or, ``produced``, what
the answer has is taken at its end: the page has said both. What is left of tokens is told in whole thousands, resets
as RFC 3339 times, which are whole seconds.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

MINUTE = 60.0


class Sizes(NamedTuple):
    """What a request is to a limiter: tokens of its prompt, its ``max_tokens``, and what its answer will have."""

    prompt: int
    most: int | None
    answer: int


@dataclass
class Bucket:
    """``limit`` a minute, full at first."""

    limit: float
    at: float
    level: float = -1.0
    taken: float = 0.0
    foreign: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.limit

    def now(self, now: float) -> float:
        """Return the level, filled up to now."""
        self.level = min(self.limit, self.level + (now - self.at) * self.limit / MINUTE)
        self.at = max(self.at, now)
        return self.level

    def take(self, amount: float, *, foreign: bool) -> None:
        self.level -= amount
        self.taken += amount
        if foreign:
            self.foreign += amount

    def give_back(self, amount: float, *, foreign: bool) -> None:
        self.take(-min(amount, self.limit - self.level), foreign=foreign)

    def full_in(self) -> float:
        return (self.limit - self.level) / self.limit * MINUTE


@dataclass
class Limiter:
    """One account. ``admit`` answers a request: None and the headers, or the wait that a 429 asks for with them."""

    kind: str  # openai or anthropic
    limits: dict[str, float]
    began: float
    buckets: dict[str, Bucket] = field(default_factory=dict)
    produced: bool = False  # Anthropic: output counts when it is there, not by ``max_tokens``
    asked: Counter[bool] = field(default_factory=Counter)  # lbd's own requests, by whether they were refused
    foreign: Counter[bool] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.buckets = {what: Bucket(limit, self.began) for what, limit in self.limits.items()}

    def _cost(self, what: str, sizes: Sizes) -> float:
        if what == "requests":
            return 1.0
        if what == "tokens":
            return float(max(sizes.prompt, sizes.most or 0))
        if what == "input-tokens":
            return float(sizes.prompt)
        return 1.0 if self.produced else float(sizes.answer if sizes.most is None else sizes.most)

    def admit(
        self, sizes: Sizes, now: float, wall: float, *, foreign: bool = False
    ) -> tuple[float | None, dict[str, str]]:
        """Take in one request."""
        costs = {what: self._cost(what, sizes) for what in self.buckets}
        waits = [
            (costs[what] - b.now(now)) / b.limit * MINUTE
            for what, b in self.buckets.items()
            if b.now(now) < costs[what]
        ]
        refused = bool(waits)
        (self.foreign if foreign else self.asked)[refused] += 1
        for what, b in self.buckets.items():
            if not refused:
                b.take(costs[what], foreign=foreign)
            elif self.kind == "openai" and what == "requests" and b.level >= 1:
                b.take(1.0, foreign=foreign)
        return (max(waits) if refused else None), self._headers(wall)

    def ended(self, sizes: Sizes, now: float, *, foreign: bool = False) -> None:
        """An answer is complete: what it was held to have and did not have is given back."""
        out = self.buckets.get("output-tokens")
        if out is not None:
            out.now(now)
            out.give_back(self._cost("output-tokens", sizes) - sizes.answer, foreign=foreign)

    def _headers(self, wall: float) -> dict[str, str]:
        if self.kind == "openai":
            told = {}
            for what, b in self.buckets.items():
                told[f"x-ratelimit-limit-{what}"] = str(int(b.limit))
                told[f"x-ratelimit-remaining-{what}"] = str(max(0, int(b.level)))
                told[f"x-ratelimit-reset-{what}"] = duration(b.full_in())
            return told
        told = {}
        both = [b for what, b in self.buckets.items() if what.endswith("-tokens")]
        total = Bucket(sum(b.limit for b in both), 0.0)
        total.level = sum(max(0.0, b.level) for b in both)
        for what, b in [*self.buckets.items(), ("tokens", total)]:
            left = max(0, int(b.level)) if what == "requests" else round(max(0.0, b.level) / 1000) * 1000
            told[f"anthropic-ratelimit-{what}-limit"] = str(int(b.limit))
            told[f"anthropic-ratelimit-{what}-remaining"] = str(left)
            told[f"anthropic-ratelimit-{what}-reset"] = stamp(wall + b.full_in())
        return told

    def headers(self, now: float, wall: float) -> dict[str, str]:
        """Return how things stand now, as headers tell it."""
        for b in self.buckets.values():
            b.now(now)
        return self._headers(wall)

    def share(self, now: float) -> float:
        """Return the share that was used, by all, of what the scarcest limit had to give until now."""
        return max(b.taken / (b.limit + (now - self.began) * b.limit / MINUTE) for b in self.buckets.values())

    def refused(self) -> float:
        """Return the share of lbd's requests that got a 429."""
        return self.asked[True] / max(1, self.asked.total())


def duration(seconds: float) -> str:
    """Write it as Go does, OpenAI's form: ``6m0s``, ``1.2s``, ``17ms``."""
    ms = math.ceil(seconds * 1000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, ms = divmod(ms, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{ms / 1000:g}s"


def stamp(wall: float) -> str:
    """Write a time as Anthropic does: RFC 3339, whole seconds."""
    return datetime.fromtimestamp(math.ceil(wall), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waits(kind: str, wait: float) -> dict[str, str]:
    """Return a 429's own headers."""
    if kind == "openai":
        return {"retry-after-ms": str(math.ceil(wait * 1000)), "retry-after": str(math.ceil(wait))}
    return {"retry-after": str(math.ceil(wait))}
