"""Start, freeze, kill and bring back real model servers on loopback."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from lbd.demo.weights import DemoError

START_TIMEOUT_S = 120.0


class ModelSpec(msgspec.Struct):
    """One server. ``port`` 0 takes a free one; ``slots`` requests are decoded at once."""

    name: str
    port: int = 0
    slots: int = 2
    context: int = 2048
    key: str = ""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class ModelServers:
    """Several servers. Start it from a thread that lives as long as they: they end with it."""

    def __init__(self, specs: list[ModelSpec], weights: Path, logs: Path | None = None) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise DemoError("the package xllamacpp is missing: pip install 'lbd[demo]'")
        self.specs = {s.name: s for s in specs}
        self._weights = weights
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            for name in self.specs:
                self.start(name)
            for name in self.specs:
                self.wait_ready(name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def base_url(self, name: str) -> str:
        """Return where a server is."""
        return f"http://127.0.0.1:{self.specs[name].port}/v1"

    def pid(self, name: str) -> int:
        """Return a server's process id."""
        return self._running[name].pid

    def start(self, name: str) -> None:
        """Start a server, or start it again on its port after it was killed."""
        if (old := self._running.pop(name, None)) is not None:
            old.wait(START_TIMEOUT_S)
        spec = self.specs[name]
        spec.port = spec.port or free_port()
        told = {**msgspec.structs.asdict(spec), "weights": str(self._weights), "parent": os.getpid()}
        log = subprocess.DEVNULL
        if self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
            log = os.open(self._logs / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "lbd.demo.model_server", json.dumps(told)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        finally:
            if log != subprocess.DEVNULL:
                os.close(log)

    def health(self, name: str, timeout_s: float = 1.0) -> int:
        """Return the status of ``/health``: 200 ready, 503 loading, 0 nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.specs[name].port, timeout=timeout_s)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def wait_ready(self, name: str) -> None:
        """Wait until a server has loaded its weights. Raises DemoError."""
        end = time.monotonic() + START_TIMEOUT_S
        while self.health(name) != 200:
            code = self._running[name].poll()
            if code is not None:
                raise DemoError(f"model server {name} ended with {code} before it was ready")
            if time.monotonic() > end:
                raise DemoError(f"model server {name} was not ready within {START_TIMEOUT_S:g} s")
            time.sleep(0.05)

    def signal(self, name: str, signum: int) -> None:
        """SIGSTOP freezes a server, SIGCONT wakes it, SIGKILL crashes it."""
        self._running[name].send_signal(signum)

    def stop(self) -> None:
        """End every server."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
