"""One exchange with a simulated provider: its wait, its answer as a whole or in pieces, and how it breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Protocol

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import BYTES_PER_TOKEN, Seconds, Tokens
from lbd.ports import Endpoint, Receiver
from lbd.simulate.clock import VirtualEnv
from lbd.simulate.host import Pace, SimHost

LENGTH = b"#answer-tokens="  # in a prompt: how long the answer to it is
PROMPT: Tokens = 20  # what every prompt is said to have, where a host is not told of models


class Around(Protocol):
    """The world that a job is in."""

    env: VirtualEnv
    stalled: dict[str, list[Job]]
    words: str

    def next(self, host: SimHost) -> None:
        """Begin what waits at a host, as far as it has slots."""


class Job:
    """See the module. Implements :class:`lbd.ports.Exchange`."""

    def __init__(self, world: Around, host: SimHost, endpoint: Endpoint, body: bytes, receiver: Receiver) -> None:
        self.world, self.host, self.endpoint, self.receiver = world, host, endpoint, receiver
        self.request = json.loads(body) if body else {}
        self.over = False
        self.limits: dict[str, str] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.began = world.env.now()
        self.sent = 0
        self.committed_head = False
        self.stalled: Callable[[], None] | None = None
        self._asked = length(body)
        self._prompt = PROMPT if self.pace is None else max(1, len(body) // BYTES_PER_TOKEN)
        self._token_s = host.per_token

    @property
    def pace(self) -> Pace | None:
        """Return how the model that was asked answers, None where the host has but one manner."""
        return self.host.models.get(str(self.request.get("model")))

    # --- lbd's side ----------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop at once."""
        self.end()

    def pause(self) -> None:
        """Go on all the same: nothing is kept."""

    def resume(self) -> None:
        """Go on."""

    def look(self) -> None:
        """Find it well: a simulated connection is never lost."""

    # --- the server's side ---------------------------------------------------------------------------

    def end(self) -> None:
        """Be over: the slot is free."""
        if self.over:
            return
        self.over = True
        if self.timer is not None:
            self.timer.cancel()
        self.host.running.discard(self)
        if self in self.host.queue:
            self.host.queue.remove(self)
        self.world.next(self.host)

    def later(self, delay: Seconds, call: Callable[[], None]) -> None:
        """Go on after so long, at the host's pace now; not while it stands still."""

        def run() -> None:
            if self.over:
                return
            if self.host.weather.frozen:
                self.stalled = call
                self.world.stalled.setdefault(self.host.name, []).append(self)
                return
            call()

        slow = self.host.weather.slow
        self.timer = self.world.env.call_at(self.world.env.now() + delay * slow, run)

    def whole(self, status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> None:
        """Answer as a whole."""
        if self.over:
            return
        receiver = self.receiver
        self.end()
        receiver.head(status, {"content-type": "application/json", **self.limits, **(headers or {})})
        receiver.data(json.dumps(body).encode())
        receiver.end()

    def broken(self, kind: FailureKind) -> None:
        """Break the connection."""
        if not self.over:
            receiver = self.receiver
            self.end()
            receiver.failed(Failure(kind, self.world.words))

    def work(self) -> None:
        """Begin to compute: the slot is taken."""
        host, pace, chance = self.host, self.pace, self.world.env.random
        if pace is None:
            first = host.ttft * (1 + host.noise * (2 * chance.random() - 1))
            usual = host.tokens
        else:
            noise = chance.lognormvariate(0.0, pace.spread)
            first = (pace.ttft_s + pace.input_token_s * self._prompt) * noise
            self._token_s = pace.token_s * noise
            usual = pace.tokens if self._asked is None else self._asked
        tokens = min(int(self.request.get("max_tokens") or usual), usual)
        if pace is not None and chance.random() < pace.error_share:
            self.later(first, lambda: self.whole(500, {"error": {"message": self.world.words, "type": "server_error"}}))
        elif self.request.get("stream"):
            self.later(first, lambda: self._first(tokens))
        else:
            self.later(first + tokens * self._token_s, lambda: self.whole(200, self._answer(tokens)))

    def _usage(self, tokens: Tokens) -> dict[str, int]:
        return {"prompt_tokens": self._prompt, "completion_tokens": tokens}

    def _answer(self, tokens: Tokens) -> dict[str, object]:
        said = text(tokens) if self.pace is None else "w "
        return {
            "id": "x",
            "object": "chat.completion",
            "model": self.request["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
            "usage": self._usage(tokens),
        }

    def _event(self, delta: dict[str, object], finish: str | None = None) -> bytes:
        chunk = {
            "id": "x",
            "model": self.request["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    def _first(self, tokens: Tokens) -> None:
        self.receiver.head(200, {"content-type": "text/event-stream", **self.limits})
        self.receiver.data(self._event({"role": "assistant"}))
        if self.host.weather.role_then_cut:
            self.broken(FailureKind.BROKEN_STREAM)
            return
        self._token(tokens)

    def _token(self, tokens: Tokens) -> None:
        if self.over:
            return
        cut = self.host.weather.cut_after
        if cut is not None and self.sent >= cut:
            self.broken(FailureKind.BROKEN_STREAM)
            return
        if self.sent >= tokens:
            usage = {"choices": [], "usage": self._usage(tokens)}
            self.receiver.data(
                self._event({}, "stop") + b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n"
            )
            receiver = self.receiver
            self.end()
            receiver.end()
            return
        self.receiver.data(self._event({"content": f"w{self.sent} "}))
        # the first event brings one token, so that what it says is when the answer began
        some = min(self.host.chunk if self.sent else 1, tokens - self.sent)
        self.sent += some
        self.later(self._token_s * some, lambda: self._token(tokens))


def text(tokens: Tokens) -> str:
    """Return the right answer of so many tokens."""
    return "".join(f"w{i} " for i in range(tokens))


def length(body: bytes) -> Tokens | None:
    """Return how long the answer to a prompt is, None where it does not say."""
    at = body.rfind(LENGTH)
    if at < 0:
        return None
    digits = body[at + len(LENGTH) : at + len(LENGTH) + 8].split(b"#", 1)[0]
    return int(digits) if digits.isdigit() else None
