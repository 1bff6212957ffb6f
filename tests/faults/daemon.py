"""The daemon, in this process or as one of its own, with a tap: what it did for each request comes out here.

As a process it is ``lbd run`` in everything but the tap:

    python -m tests.faults.daemon CONFIG RECORDS
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import msgspec
import structlog

from lbd import plugins
from lbd.app import App, RealEnv
from lbd.daemon import run as service
from lbd.daemon.listen import BACKLOG
from lbd.demo.servers import free_port
from lbd.ingress.server import Server
from lbd.model.record import RequestRecord
from lbd.upstream.client import Client
from tests.fakes.harness import compiled

ROOT = Path(__file__).parents[2]


class Tried(NamedTuple):
    """One attempt, or a lease that was refused. Times are Unix times."""

    row: str
    manner: str
    began: float
    ended: float
    failure: str | None
    refused: str | None
    resent: bool


class Flown(NamedTuple):
    """What the daemon has written down of one request."""

    id: str
    outcome: str
    tried: tuple[Tried, ...]
    splices: tuple[str, ...]


def flown(record: RequestRecord) -> Flown:
    """Return what of a record the driver reads."""
    arrived = record.time - record.total_s
    tried = tuple(
        Tried(
            a.decision.chosen or "",
            a.decision.manner,
            arrived + a.started_s,
            arrived + a.ended_s,
            a.failure,
            a.refused,
            a.resent,
        )
        for a in record.attempts
    )
    return Flown(record.id, record.outcome, tried, record.splices)


class House(Protocol):
    """A running daemon."""

    port: int

    def take(self) -> list[Flown]:
        """Return the records since the last time."""

    def crashes(self) -> list[str]:
        """Return what broke in it."""


def tap(app: App, to: Callable[[Flown], object]) -> None:
    """Have every record."""
    done = app.flights.done

    def both(record: RequestRecord) -> None:
        done(record)
        to(flown(record))

    app.flights.done = both


class InProcess:
    """The application and its listener on this loop."""

    def __init__(self, config: dict[str, Any]) -> None:
        env = RealEnv()
        self.app = App(Path("faults.yaml"), compiled(config), env, Client(env))
        self.port = 0
        self._records: list[Flown] = []
        self._crashes: list[str] = []
        self.app.log = self.app.telling.log = structlog.wrap_logger(
            None, processors=[self._log], wrapper_class=structlog.BoundLogger
        )
        tap(self.app, self._records.append)
        self._listener: asyncio.Server | None = None

    def _log(self, _logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
        if method == "error":
            self._crashes.append(f"{event['event']}: {event.get('exc_info') or event}")
        raise structlog.DropEvent

    async def __aenter__(self) -> Self:
        app = self.app
        await app.start()
        self._server = Server(app.api.handle, app.env, lambda: app.api.limits.max_body_bytes)
        app.tasks.loop("sweep", self._server.sweep)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", 0, backlog=BACKLOG)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self._server.abort()
        await asyncio.sleep(0)
        await self.app.stop()
        await asyncio.sleep(0.01)

    def take(self) -> list[Flown]:
        """Return the records since the last time."""
        out = self._records.copy()
        self._records.clear()
        return out

    def crashes(self) -> list[str]:
        """Return what broke in it."""
        return self._crashes


class OwnProcess:
    """The daemon as a process."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.port = free_port()
        self.config, self.records, self.log = folder / "lbd.json", folder / "records", folder / "log"
        admin = {"listen": f"127.0.0.1:{free_port()}", "socket": str(folder / "admin.sock")}
        store = {"url": f"sqlite://{folder}/state.db"}
        whole = {"listen": f"127.0.0.1:{self.port}", "admin": admin, "store": store, **config}
        self.config.write_text(json.dumps(whole))
        self.records.write_bytes(b"")
        self._read = 0
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __spec__.name if __spec__ else __name__, str(self.config), str(self.records)),
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        end = time.monotonic() + 20
        while b'"listening"' not in self.log.read_bytes():
            if self._process.returncode is not None or time.monotonic() > end:
                raise AssertionError(self.log.read_text())
            await asyncio.sleep(0.05)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), 15)
        except TimeoutError:
            os.kill(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self._folder.cleanup()

    def take(self) -> list[Flown]:
        """Return the records since the last time."""
        with self.records.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [msgspec.json.decode(line, type=Flown) for line in whole.splitlines()]

    def crashes(self) -> list[str]:
        """Return what broke in it."""
        return [line for line in self.log.read_text().splitlines() if "Traceback" in line or '"error"' in line]


def main() -> int:
    """Run the daemon; its records go to a file."""
    path, records = Path(sys.argv[1]), Path(sys.argv[2])

    class Tapped(service.Daemon):
        def __init__(self, path: Path, compiled: Any) -> None:
            super().__init__(path, compiled)
            file = records.open("ab", buffering=0)
            tap(self._app, lambda told: file.write(msgspec.json.encode(told) + b"\n"))

    service.Daemon = Tapped  # type: ignore[misc]
    return service.main(path, plugins.read_config(path))


if __name__ == "__main__":
    sys.exit(main())
