"""A world of simulated providers: queues with slots, prefill and decode times, and every way to fail.

``World`` is a transport. Each host is a ``SimHost`` whose weather can be changed at any time; what a host
knows of itself (requests seen, slots taken, work done for nobody) is the truth that tests compare with.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.ports import Endpoint, Receiver
from tests.fakes.virtual import VirtualEnv


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
    weather: Weather = field(default_factory=Weather)
    seen: int = 0  # completions that arrived
    probes: int = 0
    paid_probes: int = 0
    running: set[_Job] = field(default_factory=set)
    queue: deque[_Job] = field(default_factory=deque)
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
        return 10_000 + sum(self.name.encode())


class _Job:
    """One exchange under way."""

    def __init__(self, world: World, host: SimHost, endpoint: Endpoint, body: bytes, receiver: Receiver) -> None:
        self.world, self.host, self.endpoint, self.receiver = world, host, endpoint, receiver
        self.request = json.loads(body) if body else {}
        self.over = False
        self.limits: dict[str, str] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.began = world.env.now()
        self.sent = 0
        self.committed_head = False
        self.stalled: Callable[[], None] | None = None

    # lbd's side
    def cancel(self) -> None:
        self._end()

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    # the server's side
    def _end(self) -> None:
        if self.over:
            return
        self.over = True
        if self.timer is not None:
            self.timer.cancel()
        self.host.running.discard(self)
        if self in self.host.queue:
            self.host.queue.remove(self)
        self.world.next(self.host)

    def later(self, delay: float, call: Callable[[], None]) -> None:
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
        if self.over:
            return
        receiver = self.receiver
        self._end()
        receiver.head(status, {"content-type": "application/json", **self.limits, **(headers or {})})
        receiver.data(json.dumps(body).encode())
        receiver.end()

    def broken(self, kind: FailureKind) -> None:
        if not self.over:
            receiver = self.receiver
            self._end()
            receiver.failed(Failure(kind, self.world.words))

    def work(self) -> None:
        """Begin to compute: the slot is taken."""
        host = self.host
        noise = 1 + host.noise * (2 * self.world.env.random.random() - 1)
        tokens = min(int(self.request.get("max_tokens") or host.tokens), host.tokens)
        if self.request.get("stream"):
            self.later(host.ttft * noise, lambda: self._first(tokens))
        else:
            self.later(host.ttft * noise + tokens * host.per_token, lambda: self.whole(200, self._answer(tokens)))

    def _answer(self, tokens: int) -> dict[str, object]:
        return {
            "id": "x",
            "object": "chat.completion",
            "model": self.request["model"],
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text(tokens)}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 20, "completion_tokens": tokens},
        }

    def _event(self, delta: dict[str, object], finish: str | None = None) -> bytes:
        chunk = {
            "id": "x",
            "model": self.request["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    def _first(self, tokens: int) -> None:
        self.receiver.head(200, {"content-type": "text/event-stream", **self.limits})
        self.receiver.data(self._event({"role": "assistant"}))
        if self.host.weather.role_then_cut:
            self.broken(FailureKind.BROKEN_STREAM)
            return
        self._token(tokens)

    def _token(self, tokens: int) -> None:
        if self.over:
            return
        cut = self.host.weather.cut_after
        if cut is not None and self.sent >= cut:
            self.broken(FailureKind.BROKEN_STREAM)
            return
        if self.sent == tokens:
            usage = {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": tokens}}
            self.receiver.data(
                self._event({}, "stop") + b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n"
            )
            receiver = self.receiver
            self._end()
            receiver.end()
            return
        self.receiver.data(self._event({"content": f"w{self.sent} "}))
        self.sent += 1
        self.later(self.host.per_token, lambda: self._token(tokens))


def text(tokens: int) -> str:
    """The right answer of so many tokens."""
    return "".join(f"w{i} " for i in range(tokens))


class World:
    """Implements ``lbd.ports.Transport`` over simulated hosts."""

    def __init__(self, env: VirtualEnv, hosts: list[SimHost]) -> None:
        self.env = env
        self.hosts = {h.name: h for h in hosts}
        self.by_port = {h.port(): h for h in hosts}
        self.stalled: dict[str, list[_Job]] = {}
        self.attempts = 0
        self.words = "simulated"  # what every error says

    def reuse(self, endpoint: Endpoint, body: bytes, receiver: Receiver) -> None:
        return None

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: float) -> _Job:
        host = self.by_port[endpoint.origin.port]
        await asyncio.sleep(0.0005)
        if host.weather.refuse:
            if endpoint.method == "POST":
                host.seen += 1
                host.arrivals.append(self.env.now())
            raise LbdError(Failure(FailureKind.CONNECT, f"refused ({self.words})"))
        job = _Job(self, host, endpoint, body, receiver)
        if endpoint.method == "GET":
            host.probes += 1
            job.later(0.001, lambda: self._probe(job))
        else:
            self.attempts += 1
            host.seen += 1
            host.arrivals.append(self.env.now())
            if body.find(b"Say: ok") >= 0:
                host.paid_probes += 1
            job.later(0.0, lambda: self._arrive(job))
        return job

    def _probe(self, job: _Job) -> None:
        host = job.host
        path = job.endpoint.path
        if host.weather.loading:
            job.whole(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
        elif path.endswith("/metrics"):
            receiver = job.receiver
            job._end()
            receiver.head(200, {"content-type": "text/plain"})
            load = f"llamacpp:requests_processing {len(host.running)}\nllamacpp:requests_deferred {len(host.queue)}\n"
            receiver.data(load.encode())
            receiver.end()
        elif path.endswith("/props"):
            job.whole(200, {"total_slots": host.slots} if host.tells_load else {})
        elif host.weather.bad_key and path.endswith("/models"):
            job.whole(
                401, {"error": {"message": self.words, "type": "invalid_request_error", "code": "invalid_api_key"}}
            )
        else:
            job.whole(200, {"object": "list", "data": [{"id": "m"}]})

    def _arrive(self, job: _Job) -> None:
        weather = job.host.weather
        within, job.limits = job.host.rate_limit(self.env.now())
        if weather.loading:
            job.whole(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
        elif weather.bad_key:
            job.whole(401, {"error": {"message": self.words, "code": "invalid_api_key", "type": "x", "param": None}})
        elif weather.status and self.env.random.random() < weather.status_share:
            headers = {} if weather.retry_after_s is None else {"retry-after": f"{weather.retry_after_s:g}"}
            job.whole(weather.status, {"error": {"message": self.words, "type": "x", "code": None}}, headers)
        elif not within:
            job.whole(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded", "type": "requests"}})
        elif len(job.host.running) < job.host.slots:
            self._begin(job)
        else:
            job.host.queue.append(job)

    def _begin(self, job: _Job) -> None:
        job.host.running.add(job)
        job.host.most_running = max(job.host.most_running, len(job.host.running))
        job.work()

    def next(self, host: SimHost) -> None:
        while host.queue and len(host.running) < host.slots and not host.weather.frozen:
            self._begin(host.queue.popleft())

    def freeze(self, name: str) -> None:
        self.hosts[name].weather.frozen = True

    def thaw(self, name: str) -> None:
        host = self.hosts[name]
        host.weather.frozen = False
        for job in self.stalled.pop(name, []):
            if job.stalled is not None and not job.over:
                job.stalled()
        self.next(host)

    def kill(self, name: str) -> None:
        host = self.hosts[name]
        host.weather.refuse = True
        for job in [*host.running, *host.queue]:
            job.broken(FailureKind.BROKEN_STREAM if job.sent else FailureKind.RESET)

    def revive(self, name: str) -> None:
        self.hosts[name].weather.refuse = False

    async def close(self) -> None:
        pass


def percentile(values: list[float], q: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]
