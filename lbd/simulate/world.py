"""A world of simulated providers: queues with slots, prefill and decode times, and every way to fail.

``World`` is a transport. Each host is a ``SimHost`` whose weather can be changed at any time; what a host
knows of itself (requests seen, slots taken, work done for nobody) is the truth that tests compare with. They speak
the shape of OpenAI.
"""

from __future__ import annotations

import asyncio

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.units import Instant
from lbd.ports import Endpoint, Receiver
from lbd.simulate.clock import VirtualEnv
from lbd.simulate.host import SimHost, Work
from lbd.simulate.job import Job


class World:
    """Implements :class:`lbd.ports.Transport` over simulated hosts, which are found by name, else by port."""

    def __init__(self, env: VirtualEnv, hosts: list[SimHost]) -> None:
        self.env = env
        self.hosts = {h.name: h for h in hosts}
        self.by_port = {h.port(): h for h in hosts}
        self.stalled: dict[str, list[Job]] = {}
        self.attempts = 0
        self.words = "simulated"  # what every error says

    def reuse(self, endpoint: Endpoint, body: bytes, receiver: Receiver) -> None:
        """Return None: no connection is kept."""

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: Instant) -> Job:  # noqa: ARG002  it stands at once
        """Send. Raises LbdError where nobody listens."""
        host = self.hosts.get(endpoint.origin.host) or self.by_port[endpoint.origin.port]
        await asyncio.sleep(0.0005)
        if host.weather.refuse:
            if endpoint.method == "POST":
                host.seen += 1
                host.arrivals.append(self.env.now())
            raise LbdError(Failure(FailureKind.CONNECT, f"refused ({self.words})"))
        job = Job(self, host, endpoint, body, receiver)
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

    def _probe(self, job: Job) -> None:
        host = job.host
        path = job.endpoint.path
        if host.weather.loading:
            job.whole(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
        elif path.endswith("/metrics"):
            receiver = job.receiver
            job.end()
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
            job.whole(200, {"object": "list", "data": [{"id": name} for name in host.models or ("m",)]})

    def _arrive(self, job: Job) -> None:
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

    def _begin(self, job: Work) -> None:
        job.host.running.add(job)
        job.host.most_running = max(job.host.most_running, len(job.host.running))
        job.work()

    def next(self, host: SimHost) -> None:
        """Begin what waits at a host, as far as it has slots."""
        while host.queue and len(host.running) < host.slots and not host.weather.frozen:
            self._begin(host.queue.popleft())

    def freeze(self, name: str) -> None:
        """Make a host stand still: it connects, and never says a byte."""
        self.hosts[name].weather.frozen = True

    def thaw(self, name: str) -> None:
        """Let it go on."""
        host = self.hosts[name]
        host.weather.frozen = False
        for job in self.stalled.pop(name, []):
            if job.stalled is not None and not job.over:
                job.stalled()
        self.next(host)

    def kill(self, name: str) -> None:
        """End a host, with all that runs there."""
        host = self.hosts[name]
        host.weather.refuse = True
        for job in [*host.running, *host.queue]:
            job.broken(FailureKind.BROKEN_STREAM if job.sent else FailureKind.RESET)

    def revive(self, name: str) -> None:
        """Let it listen again."""
        self.hosts[name].weather.refuse = False

    async def close(self) -> None:
        """Let go of nothing."""
