"""A real daemon for the commands, with one provider that answers and one that does not exist."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.fakes.console_server import free_port


class _Provider(BaseHTTPRequestHandler):
    """A provider that always says hi."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
        self._send(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        )

    def _send(self, document: object) -> None:
        raw = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Daemon:
    """A running lbd."""

    config: Path
    socket: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def admin(self) -> list[str]:
        return ["--admin", f"unix:{self.socket}"]

    def ask(self, model: str) -> tuple[int, str]:
        """Send a request; return status and request id."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]})
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            return response.status, response.headers["x-request-id"]
        finally:
            connection.close()


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests."""
    with running(tmp_path_factory.mktemp("lbd")) as daemon:
        yield daemon


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Daemon]:
    """``good/big`` answers; nobody listens where ``gone/big`` should be."""
    provider = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    provider.daemon_threads = True
    serving = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    api = free_port()
    config = folder / "lbd.yaml"
    config.write_text(
        f"""listen: 127.0.0.1:{api}
admin: {{listen: 127.0.0.1:{free_port()}, socket: {folder}/a.sock, token: not-so-secret}}
allow_inline_secrets: true
store: {{url: 'memory:'}}
providers:
  - {{name: good, shape: openai, base_url: 'http://127.0.0.1:{provider.server_address[1]}/v1',
     deployments: [{{model: big, upstream_model: m, tier: primary}}]}}
  - {{name: gone, shape: openai, base_url: 'http://127.0.0.1:{free_port()}/v1',
     deployments: [{{model: big, upstream_model: m, tier: secondary}}]}}
"""
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "lbd", "run", "-c", str(config)], stdout=log, stderr=log)
    daemon = Daemon(config, folder / "a.sock", api, process)
    try:
        _wait(daemon, folder / "log")
        yield daemon
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        provider.shutdown()
        provider.server_close()
        serving.join()


def _wait(daemon: Daemon, log: Path) -> None:
    """Wait until it serves and has found out that one provider is gone."""
    from lbd.cli.admin_address import AdminError, Where
    from lbd.cli.admin_client import Client

    client = Client(Where(path=str(daemon.socket)))
    for _ in range(400):
        assert daemon.process.poll() is None, log.read_text()
        try:
            rows = [r for t in client.get("/v1/providers")["tiers"] for r in t["deployments"]]
            if [r["state"] for r in rows] == ["up", "down"]:
                return
        except AdminError:
            pass
        time.sleep(0.05)
    raise AssertionError(log.read_text())
