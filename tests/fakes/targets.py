"""Whom a probe asks, under a test's control: answers by path, and a log of what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.ports import Endpoint, Receiver
from lbd.shapes.providers import PROVIDERS, Shape
from probes import Answer, Completed
from tests.fakes import tables
from tests.fakes.env import FakeEnv
from tests.fakes.virtual import VirtualEnv

TOOK = 0.25  # every answer takes so long


def shape(name: str = "openai") -> Shape:
    """Return a registered shape."""
    return PROVIDERS.load()[name]


def failing(kind: FailureKind, message: str = "told so", **more: Any) -> LbdError:
    """Return what a target raises."""
    return LbdError(Failure(kind, message, **more))


class FakeTarget:
    """Implements ``probes.Target``. What is given is answered; what is an exception is raised."""

    def __init__(
        self,
        shape_name: str = "openai",
        answers: Mapping[str, Answer | Exception] | None = None,
        *,
        completed: Completed | Exception | None = None,
        certificate: float | Exception = 0.0,
        provider: ProviderSpec | None = None,
    ) -> None:
        self.env = FakeEnv()
        self.provider = provider or tables.provider(shape=shape_name)
        self.shape = shape(shape_name)
        self.deployment: DeploymentSpec | None = tables.deployment()
        self.answers = dict(answers or {})
        self.completed = completed or Completed(Usage(20, 4), 28_000, 0.1, TOOK)
        self.certificate = certificate
        self.asked: list[str] = []

    def now(self) -> float:
        return self.env.now()

    def wall(self) -> float:
        return self.env.wall()

    async def get(self, path: str) -> Answer:
        self.asked.append(path)
        self.env.advance(TOOK)
        found = self.answers[path]
        if isinstance(found, Exception):
            raise found
        return found

    async def complete(self, *, stream: bool) -> Completed:
        self.asked.append("stream" if stream else "unary")
        self.env.advance(TOOK)
        if isinstance(self.completed, Exception):
            raise self.completed
        return self.completed

    async def certificate_end(self) -> float:
        self.asked.append("certificate")
        self.env.advance(TOOK)
        if isinstance(self.certificate, Exception):
            raise self.certificate
        return self.certificate


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """Return an endpoint's answer; ``x_y`` names the header ``x-y``."""
    return Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, body, TOOK)


@dataclass
class Play:
    """How a scripted server answers one exchange, in virtual time."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[bytes] = (b"{}",)
    after_s: float = 0.01  # before the head
    between_s: float = 0.0  # before each chunk
    hang: str = ""  # "connect", "head", "body": silent from there on
    fails: FailureKind | None = None  # connecting fails so; with ``hang`` "head" or "body" the exchange does


class _Played:
    """Implements ``lbd.ports.Exchange``."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task

    def cancel(self) -> None:
        self.task.cancel()

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def look(self) -> None:
        pass


class Scripted:
    """Implements ``lbd.ports.Transport``: asks the script how each exchange goes, and notes what was sent."""

    def __init__(self, env: VirtualEnv, script: Callable[[Endpoint, bytes], Play]) -> None:
        self.env = env
        self.script = script
        self.sent: list[tuple[Endpoint, bytes]] = []
        self.under_way = 0
        self.most = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def paths(self) -> list[str]:
        return [endpoint.path for endpoint, _ in self.sent]

    def reuse(self, endpoint: Endpoint, body: bytes, receiver: Receiver) -> None:
        return None

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: float) -> _Played:
        self.sent.append((endpoint, body))
        play = self.script(endpoint, body)
        if play.hang == "connect":
            await self.env.sleep(by - self.env.now())
            raise LbdError(Failure(FailureKind.CONNECT_TIMEOUT, "no connection in time"))
        if play.fails is not None and not play.hang:
            raise LbdError(Failure(play.fails, "scripted"))
        task = asyncio.get_running_loop().create_task(self._answer(play, receiver))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return _Played(task)

    async def _answer(self, play: Play, receiver: Receiver) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.env.sleep(play.after_s)
            if play.hang == "head":
                await self._silence(play, receiver)
                return
            receiver.head(play.status, play.headers)
            for chunk in play.chunks:
                await self.env.sleep(play.between_s)
                receiver.data(chunk)
            if play.hang == "body":
                await self._silence(play, receiver)
                return
            receiver.end()
        finally:
            self.under_way -= 1

    async def _silence(self, play: Play, receiver: Receiver) -> None:
        if play.fails is None:
            await asyncio.Event().wait()
        else:
            receiver.failed(Failure(play.fails, "scripted"))

    async def close(self) -> None:
        pass
