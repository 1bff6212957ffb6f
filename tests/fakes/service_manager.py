"""A service manager for one ``lbd run`` process: what systemd does for it, and what systemd would see of it.

It listens on NOTIFY_SOCKET and keeps every datagram with its time, holds the listening sockets and passes them
(LISTEN_FDS) again and again while processes come and go, and asks for watchdog pings.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
# becomes the daemon: sockets from descriptor 3 on, and LISTEN_PID of the process that will have them
_SHIM = (
    "import os, sys\n"
    "fds = [int(fd) for fd in sys.argv[1].split(',') if fd]\n"
    "spare = [os.dup(os.dup(os.dup(fd))) for fd in fds]\n"
    "for i, fd in enumerate(spare): os.dup2(fd, 3 + i)\n"
    "os.closerange(3 + len(fds), 256)\n"
    "if fds: os.environ['LISTEN_PID'] = str(os.getpid())\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
)


@dataclass(frozen=True)
class Datagram:
    """One message of the daemon."""

    at: float
    pid: int
    fields: dict[str, str]


class Service:
    """The daemon under supervision."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        *,
        sockets: dict[str, socket.socket] | None = None,
        watchdog_s: float | None = None,
    ) -> None:
        self.folder = folder
        self.sockets = sockets or {}
        self.watchdog_s = watchdog_s
        self.path = folder / "lbd.yaml"
        self.admin = folder / "admin.sock"
        self.log_path = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.datagrams: list[Datagram] = []
        self._news = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(folder / "notify"))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._config = config
        self.write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)
                self.process.kill()
                self.process.wait()
        finally:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._socket.close()
            for sock in self.sockets.values():
                sock.close()

    def _listen(self) -> None:
        while True:
            data, extra, _, _ = self._socket.recvmsg(65536, 256)
            if not data:
                return
            pid = int.from_bytes(extra[0][2][:4], sys.byteorder) if extra else 0
            fields = dict(line.split("=", 1) for line in data.decode().split("\n"))
            with self._news:
                self.datagrams.append(Datagram(time.perf_counter(), pid, fields))
                self._news.notify_all()

    # --- configuration -------------------------------------------------------------------------------

    def write(self, **more: Any) -> None:
        """Write the configuration file, with these keys changed."""
        self._config = {**self._config, **more}
        api = "127.0.0.1:0" if "api" not in self.sockets else "127.0.0.1:1"
        whole = {
            "listen": api,
            "admin": {"listen": None, "socket": str(self.admin)},
            "store": {"url": f"sqlite://{self.folder}/state.db"},
            **self._config,
        }
        self.write_text(json.dumps(whole, indent=1))

    def write_text(self, text: str) -> None:
        """Write any text as the configuration, in one step."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    # --- the process ---------------------------------------------------------------------------------

    def spawn(self, **environ: str) -> None:
        """Start it without waiting."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(self.folder / "notify"), **environ}
        env.pop("JOURNAL_STREAM", None)
        if self.sockets:
            env |= {"LISTEN_FDS": str(len(self.sockets)), "LISTEN_FDNAMES": ":".join(self.sockets)}
        if self.watchdog_s is not None:
            env["WATCHDOG_USEC"] = str(int(self.watchdog_s * 1e6))
        fds = [s.fileno() for s in self.sockets.values()]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-S", "-E", "-c", _SHIM, ",".join(map(str, fds))),
                    *("-m", "lbd", "run", "-c", str(self.path)),
                ],
                stdout=log,
                stderr=log,
                env=env,
                pass_fds=fds,
            )

    def start(self) -> float:
        """Start it and wait for READY=1; returns how long that took."""
        began = time.perf_counter()
        self.spawn()
        self.wait(lambda d: d.fields.get("READY") == "1" and d.pid == self.pid, since=began)
        return time.perf_counter() - began

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def send(self, signum: int) -> float:
        """Send a signal; returns when."""
        assert self.process is not None
        at = time.perf_counter()
        self.process.send_signal(signum)
        return at

    def ended(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; returns the exit status."""
        assert self.process is not None
        return self.process.wait(timeout)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """End it; returns the exit status."""
        self.send(signum)
        return self.ended()

    def log(self) -> str:
        """Return everything it logged."""
        return self.log_path.read_text()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the log lines of one kind."""
        lines = (json.loads(line) for line in self.log().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == kind]

    def started(self) -> dict[str, Any]:
        """Return what the running process logged when it began to listen."""
        end = time.perf_counter() + PATIENCE
        while time.perf_counter() < end:
            for line in self.events("listening"):
                if line["pid"] == self.pid:
                    return line
            time.sleep(0.01)  # a thread writes the log
        raise AssertionError(self.log()[-3000:])

    def listening(self) -> tuple[str, int]:
        """Return where the API of the running process is."""
        host, _, port = self.started()["api"][0].rpartition(":")
        return host, int(port)

    # --- what it said --------------------------------------------------------------------------------

    def wait(self, test: Callable[[Datagram], bool], *, since: float, timeout: float = PATIENCE) -> Datagram:
        """Wait for a datagram that came after ``since``."""
        end = time.perf_counter() + timeout
        with self._news:
            while True:
                for datagram in self.datagrams:
                    if datagram.at >= since and test(datagram):
                        return datagram
                left = end - time.perf_counter()
                assert left > 0, f"never said\n{self.log()[-3000:]}"
                assert self.process is None or self.process.poll() is None, f"it ended\n{self.log()[-3000:]}"
                self._news.wait(min(left, 0.2))

    def said(self, key: str, since: float = 0.0) -> list[Datagram]:
        """Return the datagrams with this key."""
        with self._news:
            return [d for d in self.datagrams if key in d.fields and d.at >= since]

    # --- the admin API, and the command line that speaks to it ---------------------------------------

    def ask(self, path: str, method: str = "GET", body: object = None) -> tuple[int, Any]:
        """Ask the admin API over its unix socket; returns status and document (text, where it is none)."""
        connection = Unix(self.admin)
        try:
            raw = None if body is None else json.dumps(body)
            connection.request(method, path, raw, {"content-type": "application/json"} if raw else {})
            response = connection.getresponse()
            data = response.read().decode()
        finally:
            connection.close()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(data) if "json" in kind else data

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the provider table by id."""
        _, document = self.ask("/v1/providers")
        return {r["id"]: r for t in document["tiers"] for r in t["deployments"]}

    def metric(self, name: str) -> float:
        """Return one sample of the metrics page, of this very second."""
        _, page = self.ask("/metrics")
        return next(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.rpartition(" ")[0] == name)

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``lbd ctl``, as ExecReload= does."""
        return subprocess.run(
            [sys.executable, "-m", "lbd", "ctl", "--admin", f"unix:{self.admin}", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )


class Unix(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def api_socket() -> socket.socket:
    """Return a listening socket, as a socket unit makes it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(4096)
    return sock


def readable(sock: socket.socket, timeout: float) -> bool:
    """Tell whether something is there to read within so long."""
    return bool(select.select((sock,), (), (), timeout)[0])


def said(sock: socket.socket) -> list[str]:
    """Return every datagram that came."""
    out = []
    sock.setblocking(False)
    while True:
        try:
            out.append(sock.recv(65536).decode())
        except BlockingIOError:
            sock.settimeout(5)
            return out
