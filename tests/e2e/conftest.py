"""Real model servers and a real daemon for the end-to-end tests, started once."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from lbd.demo.servers import ModelServers, ModelSpec, free_port
from tests.fakes.strict_provider import StrictProvider
from tests.fakes.stub_provider import StubProvider


class Daemon:
    """An ``lbd run`` process."""

    def __init__(self, folder: Path, config: dict[str, Any], env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.api, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.api}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        self.socket = folder / "admin.sock"
        self.path = folder / "lbd.yaml"
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.write(config)

    def write(self, config: dict[str, Any]) -> None:
        """Write the configuration file."""
        whole = {
            "listen": f"127.0.0.1:{self.api}",
            "admin": {"listen": f"127.0.0.1:{self.admin_port}", "socket": str(self.socket)},
            "store": {"url": f"sqlite://{self.folder}/state.db"},
            **config,
        }
        self.path.write_text(json.dumps(whole, indent=1))

    def start(self) -> None:
        """Start it and wait until it is ready."""
        log = (self.folder / "lbd.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lbd", "run", "-c", str(self.path)], stdout=log, stderr=log, env=self.env
        )
        log.close()
        end = time.monotonic() + 15
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(URLError, OSError), urlopen(f"{self.admin}/livez", timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(self.log())

    def log(self) -> str:
        """Return its log."""
        return (self.folder / "lbd.log").read_text()

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """End it; returns its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def get(self, path: str) -> Any:
        """Ask the admin API."""
        with urlopen(f"{self.admin}{path}", timeout=5) as response:
            return json.load(response)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the provider table by id."""
        return {r["id"]: r for t in self.get("/v1/providers")["tiers"] for r in t["deployments"]}

    def wait_row(self, row: str, wanted: Callable[[dict[str, Any]], bool], timeout: float = 40.0) -> float:
        """Wait until a row is as wanted; returns how long it took."""
        began = time.monotonic()
        while not wanted(now := self.rows()[row]):
            assert time.monotonic() - began < timeout, (row, now["state"], now["reason"], now["limit"])
            time.sleep(0.05)
        return time.monotonic() - began

    def wait_state(self, row: str, *states: str, timeout: float = 40.0) -> float:
        """Wait until a row is in one of these states; returns how long it took."""
        return self.wait_row(row, lambda now: now["state"] in states, timeout)

    def chat(self, **more: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Make one unary request; returns status, headers, body."""
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        body = {"model": "auto", "messages": MESSAGES, "max_tokens": 12, "temperature": 0, **more}
        request = Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers)
        try:
            with urlopen(request, timeout=60) as response:
                return response.status, {k.lower(): v for k, v in response.headers.items()}, json.load(response)
        except HTTPError as e:
            return e.code, {k.lower(): v for k, v in e.headers.items()}, json.load(e)


MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Name three colours."},
]
NAMES = ("a", "b", "c")


@pytest.fixture(scope="session")
def weights() -> Path:
    """The model's weights, fetched once."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the package xllamacpp is not installed: nothing was tested on real model servers")
    from lbd.demo.weights import fetch

    return fetch(print)


@pytest.fixture(scope="session")
def servers(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServers]:
    """Three real model servers; tests that break one bring it back."""
    specs = [ModelSpec(name, context=1024) for name in NAMES]
    with ModelServers(specs, weights, tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def mended(servers: ModelServers) -> Iterator[ModelServers]:
    """The servers, brought back whatever a test did to them."""
    yield servers
    for name in servers.specs:
        servers.signal(name, signal.SIGCONT) if servers.health(name, 0.3) != 200 else None
        if servers.health(name, 1.0) != 200:
            servers.start(name)
        servers.wait_ready(name)


def tiers(servers: ModelServers, **more: Any) -> dict[str, Any]:
    """Configure one server a tier."""
    names = ("primary", "secondary", "tertiary")
    providers = [
        {
            "name": name,
            "shape": "llamacpp",
            "base_url": servers.base_url(name),
            "deployments": [{"model": "smollm2" if name != "c" else "other", "tier": tier, "name": "m"}],
        }
        for name, tier in zip(NAMES, names, strict=True)
    ]
    return {"providers": providers, **more}


@contextlib.contextmanager
def started(folder: Path, config: dict[str, Any]) -> Iterator[Daemon]:
    """Run a daemon; it ends well, and nothing in it broke."""
    running = Daemon(folder, config)
    running.start()
    try:
        yield running
    finally:
        assert running.stop() == 0
        assert "Traceback" not in running.log()


@pytest.fixture
def daemon(servers: ModelServers, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon before the three servers."""
    with started(tmp_path, tiers(servers, probes={"every_s": 15})) as running:
        yield running


@pytest.fixture(scope="session")
def strict_provider() -> Iterator[StrictProvider]:
    """A provider of every shape, as strict as the SDKs' own types."""
    with StrictProvider() as running:
        yield running


@pytest.fixture(scope="session")
def strict_daemon(strict_provider: StrictProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon before it."""
    config = {"providers": strict_provider.config(), "probes": {"completion": "never"}}
    running = Daemon(tmp_path_factory.mktemp("strict"), config, {"STRICT_KEY": "strict"})
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def stubs() -> Iterator[dict[str, StubProvider]]:
    """Two providers, as processes."""
    with StubProvider("a") as a, StubProvider("b") as b:
        yield {"a": a, "b": b}


@pytest.fixture
def providers(stubs: dict[str, StubProvider]) -> dict[str, StubProvider]:
    """The providers, answering at once."""
    for stub in stubs.values():
        if stub.process is None:
            stub.start()
        stub.say("")
    return stubs
