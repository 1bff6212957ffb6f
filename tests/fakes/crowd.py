"""Clients that a listener must bear, on real sockets: they say nothing, hardly anything, too much, or do not listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from pathlib import Path
from typing import Self

CHAT = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def resident(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


class Crowd:
    """Open connections to one listener; all end with it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for _, writer in self.open:
            writer.transport.abort()
        await asyncio.sleep(0.05)  # what is closed, by either side, is let go of a turn or two later

    async def connect(self, first: bytes = b"", *, receives: int | None = None) -> bool:
        """Open one more connection and send something; ``receives``: its kernel buffer, in bytes. False: refused."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=receives or 2**16)
        except OSError:
            return False
        self.open.append((reader, writer))
        if first:
            writer.write(first)
            with contextlib.suppress(OSError):
                await writer.drain()
        return True

    async def many(self, count: int, first: bytes = b"") -> int:
        """Open so many; returns how many came through."""
        done = 0
        for begin in range(0, count, 200):
            done += sum(await asyncio.gather(*(self.connect(first) for _ in range(begin, min(count, begin + 200)))))
        return done

    def closed(self) -> int:
        """Count the connections that the other side has ended."""
        return sum(reader.at_eof() or reader.exception() is not None for reader, _ in self.open)


def chat(stream: bool = False, user: str = "", **more: object) -> bytes:
    """Return a request; ``user`` tells the stub provider what to do."""
    messages = [{"role": "user", "content": "hello"}]
    body = json.dumps({"model": "m", "stream": stream, "messages": messages, "user": user, **more}).encode()
    return f"{CHAT}content-length: {len(body)}\r\n\r\n".encode() + body


async def ask(port: int, sent: bytes | None = None, *, tls: ssl.SSLContext | None = None) -> tuple[int, float]:
    """Make one request on a connection of its own; returns its status and how long it took, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        writer.write(sent or chat())
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        await reader.readexactly(int(fields[b"content-length"]))
        return int(head[9:12]), loop.time() - began
    finally:
        if tls is None:
            writer.close()
        else:  # to end it in order takes the other side, for which no test waits
            writer.transport.abort()


async def others(port: int, count: int = 50) -> list[float]:
    """Make so many ordinary requests, one after the other; returns how long each took."""
    out = []
    for _ in range(count):
        status, took = await ask(port)
        assert status == 200, status
        out.append(took)
    return sorted(out)
