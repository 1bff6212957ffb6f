"""lbd beside plain proxies in front of the same provider, as ratios in one run.

    python -m tests.bench.gateways                      # nginx, lbd, nginx again (the ratio is to their mean)
    python -m tests.bench.gateways --vllm-router PATH   # and the Rust router, where it is installed

Load and provider run on the first core, the gateway under test on the second. CPU is the gateway's own clock,
so it holds on a noisy machine; latencies are one connection's, less those of asking the provider directly.
"first content" is the first byte of text of a stream: lbd holds the role frame until there is content, since
until then it may still move the request without the client noticing, so a first byte says nothing here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

PROVIDER, NGINX, LBD, ROUTER = 18500, 18501, 18502, 18503
LOAD_CPU, GATEWAY_CPU = "0", "1"
CHUNKS = 30
NGINX_CONF = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.err warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; keepalive_requests 10000000; client_body_buffer_size 64k;
  upstream provider {{ server 127.0.0.1:{provider}; keepalive 128; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; }} }}
}}
"""


def payload(stream: bool) -> bytes:
    """Return a chat request of about 2 KB."""
    text = "Say how a load balancer finds out that a provider is unwell. " * 7
    roles = ("system", "user", "assistant", "user")
    body: dict[str, Any] = {
        "model": "bench",
        "messages": [{"role": r, "content": text} for r in roles],
        "max_tokens": 256,
    }
    if stream:
        body["stream"] = True
    raw = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


class Asker(asyncio.Protocol):
    """Asks again and again on one connection, and judges each answer."""

    def __init__(self, raw: bytes, stream: bool, until: float, stats: dict[str, Any]) -> None:
        self.raw, self.stream, self.until, self.stats = raw, stream, until, stats
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.buffer = b""
        self.first = 0.0
        self.began = time.perf_counter()
        self.transport.write(self.raw)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        now = time.perf_counter()
        if self.stream:
            if not self.first and b" word0" in self.buffer:
                self.first = now - self.began
            if not self.buffer.endswith(b"0\r\n\r\n"):
                return
            good = self.buffer.startswith(b"HTTP/1.1 200") and self.buffer.count(b'"content"') == CHUNKS - 1
            good = good and self.buffer.count(b"[DONE]") == 1
            self.stats["first"].append(self.first)
        else:
            head, _, body = self.buffer.partition(b"\r\n\r\n")
            lower = head.lower()
            at = lower.find(b"content-length:")
            if at < 0 or len(body) < int(lower[at + 15 :].split(b"\r\n", 1)[0]):
                return
            good = head.startswith(b"HTTP/1.1 200") and b"All is well here." in body
        self.stats["bad"] += not good
        self.stats["took"].append(now - self.began)
        if now < self.until:
            self.ask()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, raw: bytes, stream: bool, connections: int, seconds: float) -> dict[str, Any]:
    """Keep so many connections busy for so long."""
    stats: dict[str, Any] = {"took": [], "first": [], "bad": 0}
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    askers = []
    for _ in range(connections):
        _, asker = await loop.create_connection(lambda: Asker(raw, stream, until, stats), "127.0.0.1", port)
        askers.append(asker)
        await asyncio.sleep(0.003)
    await asyncio.gather(*(a.done for a in askers))
    return stats


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    out = [pid]
    for found in out:
        out += children.get(found, [])
    return out


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process tree, from each process's own clock."""
    total = 0.0
    for found in tree(pid):
        with contextlib.suppress(OSError):
            total += time.clock_gettime((~found << 3) | 2)
    return total


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process tree."""
    pages = 0
    for found in tree(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{found}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def first_200(port: int, process: subprocess.Popen[bytes], began: float) -> float:
    """Return how long a gateway took from its start to its first good answer."""
    while time.perf_counter() - began < 60:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
            sock.settimeout(5)
            sock.sendall(payload(False))
            if sock.recv(65536).startswith(b"HTTP/1.1 200"):
                return time.perf_counter() - began
        if process.poll() is not None:
            raise RuntimeError(f"the gateway on port {port} ended")
        time.sleep(0.005)
    raise RuntimeError(f"the gateway on port {port} was not ready")


@contextlib.contextmanager
def gateway(name: str, router: str | None) -> Iterator[tuple[int, int, float]]:
    """Start a gateway on its core; yields port, pid and seconds to the first 200."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "nginx":
            port = NGINX
            conf = Path(folder) / "nginx.conf"
            conf.write_text(NGINX_CONF.format(dir=folder, provider=PROVIDER, port=port))
            command = ["nginx", "-c", str(conf)]
        elif name == "lbd":
            port = LBD
            conf = Path(folder) / "lbd.yaml"
            conf.write_text(lbd_config(port, folder))
            command = [sys.executable, "-m", "lbd", "run", "-c", str(conf)]
        else:
            port = ROUTER
            command = [
                str(router),
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--worker-urls",
                f"http://127.0.0.1:{PROVIDER}",
            ]
        began = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", GATEWAY_CPU, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield port, process.pid, first_200(port, process, began)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)


def lbd_config(port: int, folder: str) -> str:
    """Return lbd's configuration for one provider, everything on."""
    return json.dumps(
        {
            "listen": f"127.0.0.1:{port}",
            "admin": {"listen": None, "socket": f"{folder}/admin.sock"},
            "store": {"url": f"sqlite://{folder}/state.db"},
            "providers": [
                {
                    "name": "bench",
                    "shape": "openai",
                    "base_url": f"http://127.0.0.1:{PROVIDER}/v1",
                    "deployments": [
                        {
                            "model": "bench",
                            "tier": "primary",
                            "price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2},
                            "quality": {"default": 0.9},
                        }
                    ],
                }
            ],
        }
    )


def quantile(values: list[float], q: float) -> float:
    """Return the value at quantile q, in microseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1e6


def measure(name: str, seconds: float, router: str | None) -> dict[str, float]:
    """Measure one gateway."""
    unary, stream = payload(False), payload(True)
    with gateway(name, router) as (port, pid, start_s):
        uvloop.run(load(port, unary, False, 16, 1.0))  # warm up
        direct = uvloop.run(load(PROVIDER, unary, False, 1, seconds / 3))
        alone = uvloop.run(load(port, unary, False, 1, seconds / 3))
        before = cpu_s(pid)
        many = uvloop.run(load(port, unary, False, 32, seconds))
        per_request = (cpu_s(pid) - before) / len(many["took"]) * 1e6
        uvloop.run(load(port, stream, True, 2, 0.5))
        before = cpu_s(pid)
        streams = uvloop.run(load(port, stream, True, 16, seconds))
        per_stream = (cpu_s(pid) - before) / len(streams["took"]) * 1e6
        straight = uvloop.run(load(PROVIDER, stream, True, 16, seconds / 2))
        served = len(many["took"])
        while served < 5000:
            served += len(uvloop.run(load(port, unary, False, 32, 0.5))["took"])
        return {
            "cpu_us_per_request": per_request,
            "cpu_us_per_stream": per_stream,
            "added_p50_us": quantile(alone["took"], 0.5) - quantile(direct["took"], 0.5),
            "added_p99_us": quantile(alone["took"], 0.99) - quantile(direct["took"], 0.99),
            "added_first_content_p50_us": quantile(streams["first"], 0.5) - quantile(straight["first"], 0.5),
            "first_content_p50_us": quantile(streams["first"], 0.5),
            "requests_per_s": len(many["took"]) / seconds,
            "rss_mib": rss_mib(pid),
            "start_s": start_s,
            "bad": float(many["bad"] + streams["bad"] + alone["bad"]),
        }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=1, help="repeat; the median is printed")
    parser.add_argument("--vllm-router", metavar="PATH")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    names = (["nginx"] if shutil.which("nginx") else []) + ["lbd"] + (["vllm-router"] if told.vllm_router else [])
    if "nginx" not in names:
        print("nginx is not installed: no ratios", file=sys.stderr)
    os.sched_setaffinity(0, {int(LOAD_CPU)})
    provider = subprocess.Popen(
        ["taskset", "-c", LOAD_CPU, sys.executable, "-m", "tests.bench.provider", "--port", str(PROVIDER)]
    )
    seen: dict[str, list[dict[str, float]]] = {}
    try:
        time.sleep(0.5)
        for _ in range(told.rounds):
            for name in [*names, *names[:1]]:  # the reference before and after
                seen.setdefault(name, []).append(measure(name, told.seconds, told.vllm_router))
    finally:
        provider.terminate()
        provider.wait()
    figures = {n: {k: statistics.median(r[k] for r in rows) for k in rows[0]} for n, rows in seen.items()}
    if told.json:
        print(json.dumps(figures))
        return 0
    print(f"{'':28}" + "".join(f"{n:>14}" for n in figures) + ("   lbd / nginx" if "nginx" in figures else ""))
    for key in figures["lbd"]:
        line = f"{key:28}" + "".join(
            f"{figures[n][key]:14.1f}" if key != "start_s" else f"{figures[n][key]:14.3f}" for n in figures
        )
        if "nginx" in figures and figures["nginx"][key] > 0 and key not in ("bad", "start_s", "rss_mib"):
            line += f"{figures['lbd'][key] / figures['nginx'][key]:14.2f}"
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
