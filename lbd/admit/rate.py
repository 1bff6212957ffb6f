"""Rate limits of clients: requests and tokens a minute, taken together or not at all; what is refused takes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import ClientSpec
from lbd.model.request import Ask
from lbd.model.units import Instant, Tokens
from lbd.state import gcra

MINUTE = 60.0
# Tokens of an answer that has no bound of its own; what it really had is made good when it has ended.
USUAL_ANSWER: Tokens = 256


def expected(ask: Ask) -> Tokens:
    """Return how many tokens a request is counted for when it comes."""
    answer = USUAL_ANSWER if ask.output_tokens is None else min(ask.output_tokens, USUAL_ANSWER)
    return ask.input_tokens + answer * ask.choices


class Rates:
    """The state of every client's limits; it outlives a reload."""

    def __init__(self) -> None:
        self._requests: dict[str, Instant] = {}
        self._tokens: dict[str, Instant] = {}
        self._counted: dict[str, Tokens] = {}  # by request under way: what is to be made good when it ends

    def admit(self, client: ClientSpec, ask: Ask, now: Instant, request_id: str) -> Failure | None:
        """Take a request and its tokens, or say how long to wait until both are there."""
        if client.requests_per_min is None and client.tokens_per_min is None:
            return None
        tokens = expected(ask)
        limits = (
            ("requests", self._requests, 1, client.requests_per_min),
            ("tokens", self._tokens, tokens, client.tokens_per_min),
        )
        wait, said = 0.0, ""
        for word, taken, amount, limit in limits:
            if limit is not None:
                its = gcra.wait(taken.get(client.name, gcra.EMPTY), now, amount, limit / MINUTE, limit)
                if its > wait:
                    wait, said = its, f"client {client.name!r} may use {limit} {word} a minute"
        if wait > 0:
            return Failure(FailureKind.RATE_LIMIT, said, retry_after_s=wait)
        for _, taken, amount, limit in limits:
            if limit is not None:
                taken[client.name] = gcra.take(taken.get(client.name, gcra.EMPTY), now, amount, limit / MINUTE)
        if client.tokens_per_min is not None:
            self._counted[request_id] = tokens
        return None

    @property
    def owes(self) -> bool:
        """Tell whether anything is to be made good at all."""
        return bool(self._counted)

    def settle(self, request_id: str, client: ClientSpec | None, usages: Iterable[Usage | None], now: Instant) -> None:
        """Make good the difference between what a request was counted for and what its attempts used."""
        counted = self._counted.pop(request_id, None)
        if counted is not None and client is not None and client.tokens_per_min is not None:
            used = sum(u.prompt + u.completion for u in usages if u is not None)
            tat = self._tokens.get(client.name, gcra.EMPTY)
            self._tokens[client.name] = gcra.take(tat, now, used - counted, client.tokens_per_min / MINUTE)
