"""The whole pipeline in virtual time: the real App on simulated providers, and clients that ask it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lbd import plugins
from lbd.app import App
from lbd.config.compile import compile_config
from lbd.config.compiled import Compiled
from lbd.config.load import typed
from lbd.config.tree import parse
from lbd.console import Console
from lbd.simulate.caller import Inbound as SimInbound
from tests.fakes.virtual import VirtualEnv
from tests.fakes.world import SimHost, World, text


def compiled(config: dict[str, Any]) -> Compiled:
    """Compile a configuration given as a value."""
    known = plugins.load()
    tree = parse(json.dumps({"store": {"url": "memory:"}, **config}), "test.yaml")
    loaded = typed(tree, {n: s.config for n, s in known.shapes.items()})
    return compile_config(loaded, tree, shapes=known.shapes, terms=set(known.terms), probes=set(known.probes))


def provider(host: SimHost, *, tier: str = "primary", model: str = "m", **more: Any) -> dict[str, Any]:
    """Return the configuration of a provider with one deployment on ``host``."""
    shape = more.pop("shape", "openai")
    deployment = {
        "model": model,
        "upstream_model": "m",
        "tier": tier,
        "price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2},
    }
    deployment.update(more.pop("deployment", {}))
    return {
        "name": host.name,
        "shape": shape,
        "base_url": f"http://127.0.0.1:{host.port()}/v1",
        "deployments": [deployment],
        **more,
    }


@dataclass
class Asked:
    """What one client saw."""

    began: float
    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    first_s: float | None = None
    took_s: float = 0.0
    ended: bool = False
    expected: str = ""
    stream: bool = False

    @property
    def error(self) -> dict[str, Any] | None:
        if not self.stream or self.status != 200:
            data = json.loads(self.body) if self.body else {}
            return data.get("error")
        for line in self.body.split(b"\n\n"):
            if line.startswith(b"data: {") and b'"error"' in line:
                return dict(json.loads(line[6:])["error"])
        return None

    @property
    def text(self) -> str:
        if not self.stream:
            return str(json.loads(self.body)["choices"][0]["message"]["content"])
        out = ""
        for line in self.body.split(b"\n\n"):
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:]).get("choices", ()):
                    out += choice["delta"].get("content") or ""
        return out

    @property
    def fate(self) -> str:
        """ok, typed_error (after content), refused (before it), corrupt."""
        if not self.ended:
            return "corrupt"
        if self.status != 200:
            return "refused" if self.error else "corrupt"
        if self.error is not None:
            if not self.expected.startswith(self.text):
                return "corrupt"
            return "typed_error" if self.text else "refused"
        whole = self.text == self.expected and (not self.stream or self.body.count(b"[DONE]") == 1)
        return "ok" if whole else "corrupt"


class SimReply:
    """Implements ``lbd.ports.Reply`` into an ``Asked``."""

    def __init__(self, env: VirtualEnv, asked: Asked) -> None:
        self._env = env
        self.asked = asked
        self.started = False

    def _head(self, status: int, headers: bytes) -> None:
        assert not self.started, "two answers to one request"
        self.started = True
        self.asked.status = status
        for line in headers.decode().split("\r\n"):
            if line:
                name, _, value = line.partition(": ")
                self.asked.headers[name] = value

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        self._head(status, headers)
        self.asked.first_s = self._env.now() - self.asked.began
        self.asked.body = body
        self.asked.ended = True

    def start(self, status: int, headers: bytes) -> None:
        self._head(status, headers)

    def write(self, data: bytes) -> None:
        assert self.started and not self.asked.ended, "written outside an answer"
        if self.asked.first_s is None and b'"content"' in data:
            self.asked.first_s = self._env.now() - self.asked.began
        self.asked.body += data

    def end(self, data: bytes = b"") -> None:
        if data:
            self.write(data)
        self.asked.ended = True

    def flow(self, pause: object, resume: object) -> None:
        pass


class Sim:
    """The daemon in virtual time."""

    def __init__(
        self, env: VirtualEnv, hosts: Sequence[SimHost], config: dict[str, Any], world: World | None = None
    ) -> None:
        self.env = env
        self.world = world or World(env, list(hosts))
        self.app = App(Path("test.yaml"), compiled(config), env, self.world)
        self.console = Console(self.app)
        self.asked: list[Asked] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self.app.start()
        await self.env.sleep(0.1)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.app.stop()

    async def ask(
        self,
        model: str = "auto",
        *,
        stream: bool = False,
        headers: dict[str, str] | None = None,
        said: str = "hello",
        **more: Any,
    ) -> Asked:
        """Make one request and wait for its end."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": said}], **more}
        tokens = max(h.tokens for h in self.world.hosts.values())
        asked = Asked(self.env.now(), expected=text(min(tokens, more.get("max_tokens", tokens))), stream=stream)
        self.asked.append(asked)
        reply = SimReply(self.env, asked)
        shape = self.app.plugins.clients["openai.chat"]
        try:
            await self.app.pipeline.handle(
                SimInbound(self.env.now(), headers or {}), json.dumps(body).encode(), shape, reply
            )
        finally:
            asked.took_s = self.env.now() - asked.began
        return asked

    def start(self, *args: Any, **more: Any) -> asyncio.Task[Asked]:
        """Start one request."""
        task = asyncio.get_running_loop().create_task(self.ask(*args, **more))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def traffic(self, rate: float, seconds: float, model: str = "auto", **more: Any) -> None:
        """Send Poisson traffic, half of it streams, and wait for the last answer."""
        end = self.env.now() + seconds
        number = 0
        while self.env.now() < end:
            self.start(model, stream=bool(number % 2), **more)
            number += 1
            await self.env.sleep(self.env.random.expovariate(rate))
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def opened(self) -> int:
        """Count how often any breaker opened."""
        return sum(r.breaker.opened_total for r in self.app.owner.rows)

    def fates(self, since: float = 0.0) -> Counter[str]:
        """Count what became of the requests."""
        return Counter(a.fate for a in self.asked if a.began >= since)

    def state(self, name: str) -> str:
        """Return the health state of a host's deployment."""
        return next(str(r.state) for r in self.app.owner.rows if r.provider.name == name)
