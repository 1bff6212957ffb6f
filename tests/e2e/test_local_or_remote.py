"""A real daemon whose own host fails it: out of descriptors, stopped for a while. No provider is blamed for either."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.load import body
from tests.fakes.service_manager import Service, Unix
from tests.fakes.stub_provider import StubProvider

CLIENTS = 200  # more than the descriptors that are held back for such a time can serve
HEADERS = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def providers() -> Iterator[list[StubProvider]]:
    with StubProvider("a") as a, StubProvider("b") as b:
        yield [a, b]


@pytest.fixture
def service(tmp_path: Path, providers: list[StubProvider]) -> Iterator[Service]:
    for stub in providers:
        stub.say("")
    config = {"providers": [p.config() for p in providers], "probes": {"every_s": 1, "completion": "never"}}
    with Service(tmp_path, config) as running:
        running.start()
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.log(), running.log()[-5000:]


class Caller(threading.Thread):
    """A client on a connection that stands already."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(*address, timeout=30)
        self.said: list[tuple[int, Any]] = []
        self.script = ""
        self.ask()

    def ask(self) -> None:
        """Ask; once more where an idle connection was closed just then, as SDKs do."""
        try:
            response = self._sent()
        except ConnectionError:
            self.connection.close()
            response = self._sent()
        self.said.append((response.status, json.loads(response.read())))

    def _sent(self) -> http.client.HTTPResponse:
        self.connection.request("POST", "/v1/chat/completions", body(user=self.script), HEADERS)
        return self.connection.getresponse()

    def run(self) -> None:
        self.ask()


@contextlib.contextmanager
def crowd(service: Service, count: int) -> Iterator[list[Caller]]:
    """So many clients, each of which has had an answer already."""
    callers: list[Caller] = []
    try:
        callers += [Caller(service.listening()) for _ in range(count)]
        yield callers
    finally:
        for caller in callers:
            caller.connection.close()


def admin(connection: Unix, path: str) -> str:
    """Ask the admin API on a connection that stands already."""
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def health_of(rows: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str, float]]:
    return {i: (r["state"], r["breaker"]["state"], r["errors"]["ratio"]) for i, r in rows.items()}


def together(callers: list[Caller], script: str) -> None:
    for caller in callers:
        caller.script = script
        caller.start()


def test_without_descriptors_no_provider_is_blamed_and_it_is_said_how_to_get_some(service: Service) -> None:
    """The limit falls nearly to what is open while a crowd asks: who gets no connection waits, or is told so."""
    with crowd(service, CLIENTS) as callers, contextlib.closing(Unix(service.admin)) as inside:
        assert admin(inside, "/readyz") == "ready\n"
        limits = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
        highest = max(int(fd) for fd in os.listdir(f"/proc/{service.pid}/fd"))
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (highest + 3, limits[1]))
        together(callers, "first=0.6")  # probes go on meanwhile, each on a connection of its own
        time.sleep(0.6)
        ready, health = admin(inside, "/readyz"), json.loads(admin(inside, "/health"))
        for caller in callers:
            caller.join(30)
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, limits)
        assert "out of file descriptors: raise LimitNOFILE=" in ready
        assert any("LimitNOFILE=" in note for note in health["notes"])
        ended = [caller.said[1] for caller in callers]
        refused = [told["error"] for status, told in ended if status != 200]
        assert len(refused) < CLIENTS
        assert {(e["code"], "LimitNOFILE=" in e["message"]) for e in refused} <= {("local_fault", True)}
        assert len(service.events("local_fault")) == 1
        told = [e["remedy"] for e in map(json.loads, service.log().splitlines()) if e["event"] == "newcomers_wait"]
        assert told and all("LimitNOFILE=" in text for text in told)
        assert set(health_of(service.rows()).values()) == {("up", "closed", 0.0)}
        assert not service.events("state_changed") or all(
            e["after"] == "up" for e in service.events("state_changed")
        ), service.events("state_changed")
        callers[0].ask()
        assert callers[0].said[-1][0] == 200


def test_a_daemon_that_was_stopped_blames_nobody_and_serves_what_came_meanwhile(service: Service) -> None:
    """All attempts are overdue when it runs again; the answers lie in its sockets."""
    with crowd(service, 20) as callers:
        together(callers, "first=0.5")
        time.sleep(0.3)
        service.send(signal.SIGSTOP)
        time.sleep(4.0)
        service.send(signal.SIGCONT)
        for caller in callers:
            caller.join(30)
        assert {caller.said[1][0] for caller in callers} == {200}
        assert set(health_of(service.rows()).values()) == {("up", "closed", 0.0)}
        (stalled,) = service.events("loop_stalled")
        assert stalled["for_s"] > 3.5
