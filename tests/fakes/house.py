"""The application with its admin API on real sockets, over scripted providers."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import structlog
from aiohttp import web

from lbd import plugins
from lbd.app import App, RealEnv
from lbd.console import Console
from lbd.ingress.admin import Admin
from tests.fakes.harness import Asked as Heard
from tests.fakes.harness import SimInbound, SimReply
from tests.fakes.relay import row
from tests.fakes.stage import Stage, answer

MODELS = answer(b'{"object":"list","data":[{"id":"up-m"}]}')


class House:
    """See the module. ``tcp`` and ``unix`` are clients of the two listeners."""

    def __init__(self, folder: Path, *rows: dict[str, Any], **config: Any) -> None:
        self.path = folder / "lbd.yaml"
        self.socket = folder / "admin.sock"
        self.rows = list(rows or (row("a", model="m-a"), row("b", model="m-b", tier="secondary")))
        self.config = {"store": {"url": "memory:"}, "allow_inline_secrets": True, **config}
        self.write()
        self.env = RealEnv()
        self.stage = Stage(self.env)
        for made in self.rows:
            self.stage.always(0.001, *MODELS, host=made["base_url"].split("/")[2])
        self.app = App(self.path, plugins.read_config(self.path), self.env, self.stage)
        self.logged: list[dict[str, Any]] = []
        self.app.log = self.app.telling.log = structlog.wrap_logger(
            None, processors=[self._log], wrapper_class=structlog.BoundLogger
        )
        self.console = Console(self.app)
        self.admin = Admin(self.console)
        self.port = 0
        self._runner = web.AppRunner(self.admin.app, access_log=None, handle_signals=False)
        self._clients: list[aiohttp.ClientSession] = []

    def _log(self, _logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
        self.logged.append({**event, "level": method})
        raise structlog.DropEvent

    def write(self, **more: Any) -> None:
        """Write the configuration file."""
        self.config.update(more)
        self.path.write_text(json.dumps({"providers": self.rows, **self.config}))

    async def __aenter__(self) -> Self:
        await self.app.start()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        await web.UnixSite(self._runner, str(self.socket)).start()
        self.tcp = self._client(aiohttp.TCPConnector(), f"http://127.0.0.1:{self.port}")
        self.unix = self._client(aiohttp.UnixConnector(str(self.socket)), "http://lbd")
        return self

    def _client(self, connector: aiohttp.BaseConnector, base: str) -> aiohttp.ClientSession:
        client = aiohttp.ClientSession(base, connector=connector)
        self._clients.append(client)
        return client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            await client.close()
        self.app.timeline.close()
        await self._runner.cleanup()
        await self.app.stop()
        await self.env.sleep(0)

    async def ask(
        self, model: str = "auto", *, stream: bool = False, headers: dict[str, str] | None = None, **more: Any
    ) -> Heard:
        """Make one request of a client."""
        heard = Heard(self.env.now(), stream=stream)
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}], **more}
        shape = self.app.plugins.clients["openai.chat"]
        reply = SimReply(self.env, heard)  # type: ignore[arg-type]
        await self.app.pipeline.handle(
            SimInbound(self.env.now(), headers or {}), json.dumps(body).encode(), shape, reply
        )
        return heard
