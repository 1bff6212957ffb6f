"""A provider on a loopback socket, every byte and the way its connections end in the hands of the fault it has.

``fault`` is what it does to a request for a completion, ``well`` when nothing is wrong. What is wrong before any
request (nobody listens, nobody accepts, TLS) is the ``door``: another listener on the same port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from functools import cached_property
from random import Random
from types import TracebackType
from typing import Any, Self

from tests.faults import renderings, signed
from tests.faults.answer import Answer

pause = asyncio.sleep
_NONCE = re.compile(rb"nonce=(\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
JSON = "content-type: application/json"
EVENTS = "content-type: text/event-stream"
FRAMES = "content-type: application/vnd.amazon.eventstream"
HEAD_LIMIT = 2**20
# the shape that is spoken at a path, by its end
PATHS = (
    (b"/chat/completions", "openai"),
    (b"/completions", "completions"),
    (b"/responses", "responses"),
    (b"/messages", "anthropic"),
    (b":generateContent", "gemini"),
    (b":streamGenerateContent?alt=sse", "gemini"),
    (b"/converse", "bedrock"),
    (b"/converse-stream", "bedrock"),
)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: what was on its way is lost."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):  # it may be closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class Call:
    """One request for a completion, and what its fault may do about it."""

    def __init__(self, upstream: Upstream, writer: asyncio.StreamWriter, path: bytes, body: bytes, used: int) -> None:
        found = _NONCE.search(body)
        self.upstream = upstream
        self.shape = next((shape for end, shape in PATHS if path.endswith(end)), "openai")
        self.writer = writer
        self.nonce = int(found[1]) if found else 0  # a probe's
        self.used = used  # requests that came over this connection before
        self.number = upstream.calls
        self.stream = b'"stream":true' in body or b":stream" in path or path.endswith(b"-stream")
        self.draw = Random(self.nonce * 7919 + self.number)  # where this fault strikes this time
        self.closing = False  # the connection ends with this answer
        self.answer = Answer(self.nonce, f"{upstream.port}-{self.number}")
        self._usage = b'"include_usage":true' in body

    @cached_property
    def rendered(self) -> renderings.Rendered:
        """Return the right stream."""
        return renderings.stream(self.answer, self.shape, usage=self._usage)

    @property
    def events(self) -> list[bytes]:
        """Return the events of the right stream."""
        return self.rendered.events.copy()

    @property
    def unary(self) -> bytes:
        """Return the body of the right whole answer."""
        return json.dumps(renderings.whole(self.answer, self.shape)).encode()

    @property
    def contents(self) -> int:
        """Return how many events of the stream come before the first content."""
        return self.rendered.begin

    @property
    def finish(self) -> int:
        """Return the number of the first event behind the content."""
        return self.rendered.finish

    def middle(self) -> int:
        """Return a place among the events of the stream, behind the first content and before the finish."""
        return self.draw.randrange(self.contents + 1, max(self.contents + 2, self.finish - 1))

    @property
    def kind(self) -> str:
        """Return the content type of the right answer."""
        return (FRAMES if self.shape == "bedrock" else EVENTS) if self.stream else JSON

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, *fields: str, status: int = 200, chunked: bool = True) -> None:
        """Send a head."""
        await self.send(head(status, *fields, chunked=chunked))

    def whole(self) -> bytes:
        """Return the bytes of the right answer, head and all."""
        if not self.stream:
            body = self.unary
            return head(200, JSON, f"content-length: {len(body)}") + body
        return head(200, self.kind, chunked=True) + b"".join(map(chunk, self.events)) + b"0\r\n\r\n"

    async def body(self, data: bytes, *fields: str, status: int = 200) -> None:
        """Send an answer with this body."""
        await self.send(head(status, *(fields or (JSON,)), f"content-length: {len(data)}") + data)

    async def pieces(self, *pieces: bytes) -> None:
        """Send these pieces as a whole chunked stream."""
        await self.send(head(200, self.kind, chunked=True) + b"".join(map(chunk, pieces)) + b"0\r\n\r\n")

    async def close(self) -> None:
        """End the connection in the usual way."""
        self.closing = True

    async def reset(self) -> None:
        """End it at once."""
        reset(self.writer)
        self.closing = True

    async def hang(self) -> None:
        """Say nothing for longer than anybody waits."""
        await pause(3600)


Fault = Callable[[Call], Awaitable[None]]
Door = Callable[["Upstream"], Awaitable[None]]


def head(status: int, *fields: str, chunked: bool = False) -> bytes:
    """Return the head of an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", *fields]
    if chunked:
        lines.append("transfer-encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def well(call: Call) -> None:
    """Answer as it should be."""
    await call.send(call.whole())


class Upstream:
    """See the module."""

    def __init__(self, shape: str = "openai", tls: ssl.SSLContext | None = None, ttft_s: float = 0.0) -> None:
        self.shape = shape
        self.tls = tls
        self.ttft_s = ttft_s  # of a right answer
        self.fault: Fault = well
        self.probes_too = False  # the fault has the free probes, too
        self.idle_s: float | None = None  # after which a kept connection is closed
        self.port = 0
        self.calls = 0  # requests for completions
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[socket.socket] = []  # of the door
        self._door = False  # another one than the usual is open

    # --- listening -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def open(self) -> None:
        """Listen, with nothing wrong at the door."""
        await self.listen(self._serve, self.tls)
        self._door = False

    async def listen(
        self,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Let ``serve`` have every connection from now on."""
        await self.shut()
        self._door = True
        server = await asyncio.start_server(
            lambda reader, writer: self._hold(serve, reader, writer),
            "127.0.0.1",
            self.port,
            ssl=tls,
            limit=HEAD_LIMIT,
            backlog=1024,
        )
        self._server = server
        self.port = server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Listen no more, and end every connection with RST."""
        for held in self._held:
            held.close()
        self._held.clear()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await pause(0)

    def hold(self, *socks: socket.socket) -> None:
        """Keep sockets open until the door changes."""
        self._held.extend(socks)

    async def mend(self) -> None:
        """Be well again."""
        self.fault, self.probes_too, self.idle_s = well, False, None
        if self._server is None or self._held or self._door:
            await self.open()

    async def _hold(
        self,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await serve(reader, writer)
            writer.close()
        except (EOFError, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            writer.close()
        except asyncio.CancelledError:
            reset(writer)
        finally:
            self._tasks.discard(task)

    # --- serving -------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        used = 0
        while True:
            try:
                async with asyncio.timeout(self.idle_s if used else None):
                    top = await reader.readuntil(b"\r\n\r\n")
            except TimeoutError:
                return
            found = _LENGTH.search(top)
            body = await reader.readexactly(int(found[1]) if found else 0)
            path = top.split(b" ", 2)[1]
            call = Call(self, writer, path, body, used)
            if top.startswith(b"GET") and not self.probes_too:
                await self._probed(call, path)
            elif self.shape == "bedrock" and (why := signed.wrong(top, body)) is not None:
                told = json.dumps({"message": why}).encode()
                await call.body(told, JSON, "x-amzn-errortype: InvalidSignatureException", status=403)
            else:
                self.calls += not top.startswith(b"GET")
                fault = asyncio.ensure_future(self._faulty(call))
                gone = asyncio.ensure_future(self._gone(reader))
                try:
                    await asyncio.wait((fault, gone), return_when=asyncio.FIRST_COMPLETED)
                    if not fault.done():
                        return
                    fault.result()
                finally:
                    for task in (fault, gone):
                        task.cancel()
                    await asyncio.gather(fault, gone, return_exceptions=True)
            if call.closing:
                return
            used += 1

    async def _faulty(self, call: Call) -> None:
        if self.ttft_s:
            await pause(self.ttft_s)
        await self.fault(call)

    @staticmethod
    async def _gone(reader: asyncio.StreamReader) -> None:
        """Return when the peer has closed: what the fault still means to do has nobody to be done to."""
        while not reader.at_eof() and reader.exception() is None:
            await pause(0.05)

    async def _probed(self, call: Call, path: bytes) -> None:
        if path.partition(b"?")[0].endswith(b"/models"):
            told: dict[str, Any] = {"object": "list", "data": [{"id": "m", "object": "model", "type": "model"}]}
            if self.shape == "gemini":
                told = {"models": [{"name": "models/m", "supportedGenerationMethods": ["generateContent"]}]}
            await call.body(json.dumps(told).encode())
        elif path.endswith(b"/health"):
            await call.body(b'{"status":"ok"}')
        else:
            await call.body(b'{"error":{"message":"no such page","type":"x","param":null,"code":404}}', status=404)
