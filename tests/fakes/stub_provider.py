"""An OpenAI-shaped provider as a process: fast, and it does what a request, or everybody before it, tells it.

What to do is a line of words, ``first=0.2 gap=0.05 tokens=10 status=500 after=30 cut=3 hang=1``: the answer's
first content after so many seconds, then so many tokens with a gap between; or an error status, with a
``retry-after``; or a cut after so many tokens; or silence. It comes in the request's ``user``, over the default
that ``POST /script`` sets. ``GET /seen`` tells what was asked.

    python -m tests.fakes.stub_provider PORT      (0: any; the port is printed)
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

import httptools

ROOT = Path(__file__).parents[2]
Script = dict[str, float]
pause = asyncio.sleep


def script(text: str) -> Script:
    """Read a line of words."""
    return {k: float(v) for k, _, v in (word.partition("=") for word in text.split())}


def text(tokens: int) -> str:
    """The right answer of so many tokens."""
    return "".join(f"w{i} " for i in range(tokens))


class State:
    """What the server knows."""

    def __init__(self) -> None:
        self.default: Script = {}
        self.seen = {"completions": 0, "paid_probes": 0, "probes": 0, "gone": 0}


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.transport: asyncio.Transport | None = None
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.body = b""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.task is not None:
            self.state.seen["gone"] += 1
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url = self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        match self.url:
            case b"/script":
                self.state.default = script(self.body.decode())
                self.send(200, {})
            case b"/seen":
                self.send(200, self.state.seen)
            case b"/v1/chat/completions":
                self.complete(json.loads(self.body))
            case _:
                self.state.seen["probes"] += 1
                self.send(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})

    def complete(self, request: dict[str, Any]) -> None:
        probe = b"Say: ok" in self.body
        self.state.seen["paid_probes" if probe else "completions"] += 1
        told = {**self.state.default, **script(str(request.get("user") or ""))}
        if told.get("status"):
            retry = {"retry-after": f"{told['after']:g}"} if "after" in told else {}
            self.send(int(told["status"]), {"error": {"message": "scripted", "type": "x", "code": None}}, retry)
        elif not request.get("stream") and not told.get("first") and not told.get("hang"):
            self.send(200, whole(request, int(told.get("tokens", 4))))
        else:
            self.task = asyncio.get_running_loop().create_task(self.slowly(request, told))

    async def slowly(self, request: dict[str, Any], told: Script) -> None:
        tokens = int(told.get("tokens", 4))
        if told.get("hang"):
            await asyncio.Event().wait()
        if told.get("first"):
            await pause(told["first"])
        if request.get("stream"):
            await self.stream(request, told, tokens)
        else:
            await pause(told.get("gap", 0) * tokens)
            self.send(200, whole(request, tokens))
        self.task = None

    async def stream(self, request: dict[str, Any], told: Script, tokens: int) -> None:
        self.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        gap, cut = told.get("gap", 0.0), told.get("cut")
        events = [event(request, {"role": "assistant"})]
        for i in range(tokens):
            if cut is not None and i >= cut:
                if self.transport is not None:
                    self.transport.abort()
                return
            events.append(event(request, {"content": f"w{i} "}))
            if gap:
                self.chunk(b"".join(events))
                events = []
                await pause(gap)
        usage = {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": tokens}}
        events += [event(request, {}, "stop"), b"data: " + json.dumps(usage).encode() + b"\n\n", b"data: [DONE]\n\n"]
        self.chunk(b"".join(events))
        self.write(b"0\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.write(b"%x\r\n%b\r\n" % (len(data), data))

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def send(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        more = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {len(raw)}\r\n\r\n"
        self.write(head.encode() + raw)


def whole(request: dict[str, Any], tokens: int) -> dict[str, Any]:
    """Return a unary answer."""
    return {
        "id": "x",
        "object": "chat.completion",
        "model": request.get("model"),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text(tokens)}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": tokens},
    }


def event(request: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> bytes:
    """Return one event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "model": request.get("model"), "choices": [choice]}).encode() + b"\n\n"


async def serve(port: int) -> None:
    """Serve until killed."""
    state = State()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(state), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class StubProvider:
    """The process, seen by a test."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; again on the same port after it was stopped."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.stub_provider", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def say(self, words: str) -> None:
        """Set what it does from now on."""
        urlopen(Request(f"http://127.0.0.1:{self.port}/script", words.encode()), timeout=5).close()

    def seen(self) -> dict[str, int]:
        """Return what it was asked."""
        with urlopen(f"http://127.0.0.1:{self.port}/seen", timeout=5) as response:
            return dict(json.load(response))

    def config(self, tier: str = "primary", model: str = "m", **more: Any) -> dict[str, Any]:
        """Return its entry in a configuration."""
        deployment = {"model": model, "upstream_model": "m", "tier": tier, **more.pop("deployment", {})}
        url = f"http://127.0.0.1:{self.port}/v1"
        return {"name": self.name, "shape": "openai", "base_url": url, "deployments": [deployment], **more}


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
