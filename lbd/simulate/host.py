"""A simulated provider: what it is like, and how it does now. What it knows of itself is the truth."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from lbd.model.failure import FailureKind
from lbd.model.units import Ratio, Seconds, Tokens


@dataclass
class Pace:
    """How one model of a host answers.

    ``ttft_s`` is for an empty prompt, ``input_token_s`` what each token of a prompt adds, ``token_s`` how long each of
    the answer takes. ``spread``: the standard deviation of the logarithm of all times. ``error_share`` of completions
    are answered with 500.
    """

    ttft_s: Seconds = 0.2
    input_token_s: Seconds = 0.0
    token_s: Seconds = 0.01
    tokens: Tokens = 8
    spread: float = 0.3
    error_share: Ratio = 0.0


@dataclass
class Weather:
    """How a host behaves now."""

    refuse: bool = False  # nobody listens
    frozen: bool = False  # connects, then never a byte; what runs stands still
    status: int = 0  # answer every completion with this status instead
    status_share: float = 1.0  # of completions that get ``status``
    retry_after_s: float | None = None
    slow: float = 1.0  # factor on all times
    cut_after: int | None = None  # close the connection after so many content events
    role_then_cut: bool = False
    loading: bool = False  # 503 on every path
    bad_key: bool = False


class Work(Protocol):
    """A completion at a host."""

    host: SimHost
    sent: int  # tokens of the answer so far

    def work(self) -> None:
        """Begin to compute."""

    def broken(self, kind: FailureKind) -> None:
        """Break the connection."""


@dataclass
class SimHost:
    """One server. Times in seconds; ``ttft`` for a short prompt, ``per_token`` decode time."""

    name: str
    ttft: float = 0.2
    per_token: float = 0.01
    tokens: int = 8
    slots: int = 1000
    noise: float = 0.2
    tells_load: bool = False
    per_minute: int | None = None  # completions in each whole minute; told in headers, over it 429
    minute: tuple[float, int] = (0.0, 0)  # the one under way, and how many it has seen
    refused: int = 0  # completions answered with 429 for it
    models: dict[str, Pace] = field(default_factory=dict)  # by the name that providers know; others are as above
    chunk: int = 1  # tokens of one event of a stream
    weather: Weather = field(default_factory=Weather)
    seen: int = 0  # completions that arrived
    probes: int = 0
    paid_probes: int = 0
    running: set[Work] = field(default_factory=set)
    queue: deque[Work] = field(default_factory=deque)
    arrivals: list[float] = field(default_factory=list)
    most_running: int = 0
    wasted_s: float = 0.0

    def rate_limit(self, now: float) -> tuple[bool, dict[str, str]]:
        """Count one completion; tell whether it is within the limit, and the headers that say how it stands."""
        if self.per_minute is None:
            return True, {}
        begin = now - now % 60
        used = self.minute[1] if self.minute[0] == begin else 0
        within = used < self.per_minute
        self.minute = (begin, used + within)
        self.refused += not within
        return within, {
            "x-ratelimit-limit-requests": str(self.per_minute),
            "x-ratelimit-remaining-requests": str(self.per_minute - self.minute[1]),
            "x-ratelimit-reset-requests": f"{begin + 60 - now:.3f}s",
        }

    def port(self) -> int:
        """Return the port that stands for it."""
        return 10_000 + sum(self.name.encode())
