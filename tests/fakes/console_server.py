"""An admin API that answers as it is told, over TCP or a unix socket; and documents to answer with."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from lbd.model import report as out

TIME = "2026-11-24T09:20:00.000Z"


def quantiles(
    p50: float | None = None, p95: float | None = None, p99: float | None = None, n: int = 0
) -> out.QuantilesOut:
    return out.QuantilesOut(p50, p95, p99, n, 300.0)


def windows(q: out.QuantilesOut | None = None) -> out.WindowsOut:
    q = quantiles() if q is None else q
    return out.WindowsOut(q, q, q)


def row(name: str = "openai-eu/gpt-4.1", **more: Any) -> out.DeploymentOut:
    """Return a healthy row under traffic."""
    provider, _, model = name.partition("/")
    given: dict[str, Any] = {
        "id": name,
        "provider": provider,
        "model": model,
        "upstream_model": f"{model}-2025",
        "region": "eu",
        "shape": "openai",
        "base_url": "https://api.example/v1",
        "state": "up",
        "state_since": "2026-11-24T09:00:00.000Z",
        "reason": out.ReasonOut("ok"),
        "admin": out.AdminOut("ready", None, None),
        "health": health(),
        "breaker": out.BreakerOut("closed", None, 0, None, out.HalfOpenOut(0, 3)),
        "ttft_s": windows(quantiles(0.31, 0.82, 1.2, 1841)),
        "time_per_output_token_s": windows(),
        "latency_s": windows(),
        "predicted": [],
        "errors": out.ErrorsOut(0.004, 1841, {"timeout_first": 7}, 0.004),
        "uptime": out.UptimeOut(0.996, 0.998, 0.999),
        "inflight": 14,
        "limit": 64.0,
        "server_load": None,
        "rps": 6.1,
        "throughput_tps": 40.0,
        "quota": [out.QuotaOut("requests", 1000, 812, 21.0)],
        "quota_left": 0.81,
        "price": out.CostOut(2.0, 8.0, None),
        "cost": out.SpendingOut(0.42, 0.0031),
        "score": out.ScoreOut(0.81, 0.81),
        "share": out.ShareOut(0.6, 0.58),
        "quality": {"default": 0.92},
        "spent_usd": 0.31,
        "weight": 1.0,
        "fingerprints": [],
        "quality_failures": out.QualityOut(0, 0),
        "prompt": None,
        "probes": [out.ProbeOut("liveness", "up", 7.2, 41.0, "")],
        "probe_age_s": 7.2,
        "history": out.HistoryOut(60.0, [None] * 58 + [0.4, 0.8], [None] * 60, [0] * 58 + [10, 40]),
    }
    return out.DeploymentOut(**{**given, **more})


def health(**more: bool) -> out.HealthOut:
    names = [f.name for f in msgspec.structs.fields(out.HealthOut)]
    return out.HealthOut(**{**dict.fromkeys(names, False), **more})


def down(name: str = "local-a/smollm2") -> out.DeploymentOut:
    """Return a row that is down."""
    return row(
        name,
        state="down",
        state_since="2026-11-24T09:16:00.000Z",
        reason=out.ReasonOut("breaker_open", "opened by connect", 1.0),
        breaker=out.BreakerOut("open", "connect", 1, "2026-11-24T09:20:09.000Z", out.HalfOpenOut(0, 3)),
        ttft_s=windows(),
        errors=out.ErrorsOut(1.0, 4, {"connect": 4}, 0.0),
        quota=[],
        quota_left=1.0,
        limit=None,
        region=None,
    )


def providers(
    *rows: out.DeploymentOut, status: str = "pass", summary: str = "all deployments are well", **more: Any
) -> dict[str, Any]:
    """Return the document of GET /v1/providers with these rows in one tier."""
    tier = out.TierOut("primary", out.SloOut(1.5, 0.02), list(rows or (row(),)))
    document = out.ProvidersOut(
        schema=out.SCHEMA,
        generation=18231,
        time=TIME,
        data_age_ms=140.0,
        status=status,
        summary=summary,
        version="0.1.0",
        tiers=more.pop("tiers", [tier]),
        queue=more.pop("queue", 0),
        config=out.ConfigOut(3, "b7ae31e4e882f0c2", "2026-11-24T09:08:00.000Z", more.pop("last_error", None)),
        probe_spend=out.ProbeSpendOut(0.001, 0.05, 0.004),
    )
    return dict(msgspec.to_builtins(document))


def event(number: int, **more: Any) -> dict[str, Any]:
    """Return an event as the API writes it."""
    given = {
        "id": number,
        "time": 1795544568.5 + number,
        "kind": "state_changed",
        "subject": "local-a/smollm2",
        "reason": "breaker_open",
        "level": "warning",
        "before": "suspect",
        "after": "down",
        "evidence": {"openings": 1, "text": "opened by connect"},
        "by": None,
    }
    return {**given, **more}


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# what to answer: a document, a status with a document or bytes, or a function of the request that returns one
Answer = Mapping[str, Any] | tuple[int, Any] | Callable[[Asked], Any]


@dataclass
class ConsoleServer:
    """Answers by ``METHOD /path``; a list is answered one after the other, its last for ever."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        found = self.answers.get(f"{asked.method} {asked.path}")
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if callable(found):
            found = found(asked)
        if found is None:
            return 404, problem(404, f"there is no {asked.path} here")
        return found if isinstance(found, tuple) else (200, found)


def problem(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """Return a problem document (RFC 9457)."""
    return {"type": "about:blank", "title": "Problem", "status": status, "detail": detail, **more}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    console: ConsoleServer

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        query = {k: v[-1] for k, v in parse_qs(url.query).items()}
        headers = {k.lower(): v for k, v in self.headers.items()}
        status, document = self.console.answer(Asked(self.command, url.path, query, headers, body))
        if isinstance(document, Iterator):
            self.send_response(status)
            self.send_header("connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                for piece in document:
                    self.wfile.write(piece)
                    self.wfile.flush()
            return
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "client"


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def serving(answers: Mapping[str, Any], *, path: Path | None = None, port: int = 0) -> Iterator[ConsoleServer]:
    """Serve these answers while the block runs."""
    console = ConsoleServer(dict(answers))
    handler = type("Handler", (_Handler,), {"console": console})
    server = _Tcp(("127.0.0.1", port), handler) if path is None else _Unix(str(path), handler)
    console.url = f"http://127.0.0.1:{server.server_address[1]}" if path is None else f"unix:{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield console
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
