"""A transport whose exchanges are played by the test: what the provider sends, when, and how it ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.ports import Endpoint, Env, Receiver

Act = Callable[["Taken"], object]


# --- what a chat provider says ------------------------------------------------------------------------


def event(delta: Mapping[str, object], finish: str | None = None, index: int = 0, **more: object) -> bytes:
    """Return one chunk of a chat stream."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return (
        b"data: " + orjson.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [choice], **more}) + b"\n\n"
    )


def content(text: str, index: int = 0) -> bytes:
    return event({"content": text}, index=index)


def error_in_band(code: str = "server_error", message: str = "out of luck") -> bytes:
    return b"data: " + orjson.dumps({"error": {"message": message, "type": "server_error", "code": code}}) + b"\n\n"


def usage(prompt: int = 20, completion: int = 3) -> bytes:
    told = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return b"data: " + orjson.dumps({"id": "x", "choices": [], "usage": told}) + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
STOP = event({}, "stop")
DONE = b"data: [DONE]\n\n"
ALIVE = b": still working\n\n"
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def stream(*texts: str, done: bool = True, role: bool = True) -> bytes:
    """Return a whole stream of these contents."""
    return (ROLE if role else b"") + b"".join(map(content, texts)) + STOP + (DONE if done else b"")


def whole(text: str = "hello", prompt: int = 20, completion: int = 3, **more: object) -> bytes:
    """Return a whole unary answer."""
    message = {"role": "assistant", "content": text}
    return orjson.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
            **more,
        }
    )


def refusal(message: str, code: str | None = None, kind: str = "server_error") -> bytes:
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


# --- acts: steps of a script --------------------------------------------------------------------------


def head(status: int = 200, **headers: str) -> Act:
    """Send the head; of a stream, if nothing else is said."""
    fields = {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda taken: taken.head(status, fields or SSE)


def say(*pieces: bytes) -> Act:
    """Send these pieces, each in a read of its own."""

    def act(taken: Taken) -> None:
        for piece in pieces:
            taken.say(piece)

    return act


def end(taken: Taken) -> None:
    """End the answer as it should end."""
    taken.end()


def cut(kind: FailureKind = FailureKind.BROKEN_STREAM) -> Act:
    """Break the connection."""
    return lambda taken: taken.fail(kind)


def answer(body: bytes, status: int = 200, **headers: str) -> tuple[Act, Act, Act]:
    """Send a whole answer with a JSON body."""
    fields = {"content_type": "application/json", **headers}
    return head(status, **fields), say(body), end


class Taken:
    """One exchange under way: the provider's side of it. Implements ``lbd.ports.Exchange``."""

    def __init__(self, env: Env, endpoint: Endpoint, body: bytes, receiver: Receiver, *, reused: bool) -> None:
        self.env = env
        self.endpoint = endpoint
        self.body = body
        self.receiver = receiver
        self.reused = reused
        self.opened_at = env.now()
        self.cancelled_at: float | None = None
        self.ended_at: float | None = None
        self.paused = False
        self.pauses = 0
        self.stuck = False  # nothing of it gets through its kept connection

    @property
    def open(self) -> bool:
        return self.cancelled_at is None and self.ended_at is None

    def head(self, status: int = 200, headers: Mapping[str, str] = SSE) -> None:
        if self.open:
            self.receiver.head(status, headers)

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            if self.open:
                self.receiver.data(piece)

    def end(self) -> None:
        if self.open:
            self.ended_at = self.env.now()
            self.receiver.end()

    def fail(self, kind: FailureKind = FailureKind.BROKEN_STREAM, message: str = "broken (simulated)") -> None:
        if self.open:
            self.ended_at = self.env.now()
            self.receiver.failed(Failure(kind, message))

    def cancel(self) -> None:
        if self.open:
            self.cancelled_at = self.env.now()

    def pause(self) -> None:
        self.paused = True
        self.pauses += 1

    def resume(self) -> None:
        self.paused = False

    def look(self) -> None:
        if self.stuck:
            self.fail(FailureKind.STALE, "the kept connection is lost (simulated)")


class Stage:
    """Implements ``lbd.ports.Transport``.

    ``plan`` gives the next exchange at a host its script: acts, and numbers of seconds to wait between them.
    Without a script an exchange waits for the test to play it. ``kept`` hosts have an idle connection.
    """

    def __init__(self, env: Env) -> None:
        self.env = env
        self.taken: list[Taken] = []
        self.kept: dict[str, int] = {}
        self.refusals: dict[str, deque[Failure]] = {}
        self.connecting: dict[str, list[asyncio.Event]] = {}
        self.bys: list[float] = []
        self.opens = 0
        self._plans: dict[str, deque[tuple[Any, ...]]] = {}
        self._always: dict[str, tuple[Any, ...]] = {}

    def plan(self, *steps: Any, host: str = "p") -> None:
        """Give the next exchange at ``host`` its script."""
        self._plans.setdefault(host, deque()).append(steps)

    def always(self, *steps: Any, host: str = "p") -> None:
        """Give every exchange at ``host`` that has no other script this one, and every GET."""
        self._always[host] = steps

    def refuse(self, kind: FailureKind = FailureKind.CONNECT, host: str = "p") -> None:
        """Make the next connection to ``host`` fail."""
        self.refusals.setdefault(host, deque()).append(Failure(kind, "refused (simulated)"))

    def hang(self, host: str = "p") -> asyncio.Event:
        """Make the next connection to ``host`` wait for the event that is returned."""
        event = asyncio.Event()
        self.connecting.setdefault(host, []).append(event)
        return event

    def at(self, host: str) -> list[Taken]:
        """Return the exchanges at a host."""
        return [t for t in self.taken if t.endpoint.origin.host == host]

    def reuse(self, endpoint: Endpoint, body: bytes, receiver: Receiver) -> Taken | None:
        host = endpoint.origin.host
        if not self.kept.get(host):
            return None
        self.kept[host] -= 1
        return self._take(endpoint, body, receiver, reused=True)

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: float) -> Taken:
        host = endpoint.origin.host
        self.opens += 1
        self.bys.append(by)
        if self.connecting.get(host):
            await self.connecting[host].pop(0).wait()
        if self.refusals.get(host):
            raise LbdError(self.refusals[host].popleft())
        return self._take(endpoint, body, receiver, reused=False)

    def _take(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, reused: bool) -> Taken:
        taken = Taken(self.env, endpoint, body, receiver, reused=reused)
        self.taken.append(taken)
        host = endpoint.origin.host
        always = self._always.get(host)
        # a probe's GET comes when it comes: it must not take the script that was meant for a request
        plans = None if always is not None and endpoint.method == "GET" else self._plans.get(host)
        steps = plans.popleft() if plans else always
        if steps is not None:
            self._play(taken, deque(steps))
        return taken

    def _play(self, taken: Taken, steps: deque[Any]) -> None:
        """Take the steps in order: acts in one go up to the next pause, and never within the call that began them."""
        pause = 0.0
        while steps and isinstance(steps[0], int | float):
            pause += steps.popleft()

        def run() -> None:
            while steps and not isinstance(steps[0], int | float):
                steps.popleft()(taken)
            if steps:
                self._play(taken, steps)

        if steps:
            self.env.call_at(self.env.now() + pause, run)

    async def close(self) -> None:
        pass
