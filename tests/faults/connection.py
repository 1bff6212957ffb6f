"""Connections that do not come about, end where they must not, or are TLS in name only."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import tempfile
from pathlib import Path

from tests.fakes.trust import Authority
from tests.faults.drive import Scenario
from tests.faults.upstream import Call, Upstream, pause, reset, well

# --- doors: before any request ---------------------------------------------------------------------------


async def refuse(upstream: Upstream) -> None:
    """Nobody listens."""
    await upstream.shut()


async def black_hole(upstream: Upstream) -> None:
    """Nobody accepts, and the kernel's queue is full: no answer to a SYN."""
    await upstream.shut()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", upstream.port))
    sock.listen(0)
    upstream.hold(sock)
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect(("127.0.0.1", upstream.port))
        upstream.hold(filler)


async def accept_and_hang(upstream: Upstream) -> None:
    """The connection stands, and nothing is ever read."""

    async def serve(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await pause(3600)

    await upstream.listen(serve)


async def accept_and_close(upstream: Upstream) -> None:
    """The connection is closed as soon as it stands."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    await upstream.listen(serve)


async def accept_and_reset(upstream: Upstream) -> None:
    """The same, with RST."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    await upstream.listen(serve)


# --- calls: in the middle of an exchange -----------------------------------------------------------------


async def close_before_head(call: Call) -> None:
    """The request is read, and the connection closed."""
    await call.close()


async def reset_before_head(call: Call) -> None:
    """The same, with RST."""
    await call.reset()


async def close_anywhere(call: Call) -> None:
    """Closed after any byte of head or body but the last."""
    whole = call.whole()
    await call.send(whole[: call.draw.randrange(len(whole))])
    await pause(0.005)
    await call.close()


async def reset_anywhere(call: Call) -> None:
    """The same, with RST."""
    whole = call.whole()
    await call.send(whole[: call.draw.randrange(len(whole))])
    await pause(0.005)
    await call.reset()


async def reset_in_head(call: Call) -> None:
    """RST in the head."""
    whole = call.whole()
    await call.send(whole[: call.draw.randrange(whole.index(b"\r\n\r\n") + 4)])
    await pause(0.005)
    await call.reset()


async def reset_at_the_end(call: Call) -> None:
    """RST within the last bytes: the finish, the usage, the end mark, the last chunk."""
    whole = call.whole()
    await call.send(whole[: len(whole) - call.draw.randrange(1, 60)])
    await pause(0.005)
    await call.reset()


async def reset_behind_the_end(call: Call) -> None:
    """The answer is whole; then RST."""
    await well(call)
    await pause(0.002)
    await call.reset()


async def reset_when_reused(call: Call) -> None:
    """A kept connection is reset by the next request on it, as a middlebox does that forgot it."""
    await (call.reset() if call.used else well(call))


async def close_when_reused(call: Call) -> None:
    """A kept connection is closed by the next request on it."""
    await (call.close() if call.used else well(call))


# --- TLS -------------------------------------------------------------------------------------------------


@functools.cache
def authority() -> Authority:
    """Return the authority that rows trust; made once, gone with the process."""
    folder = tempfile.TemporaryDirectory()
    made = Authority(Path(folder.name))
    made.kept = folder  # type: ignore[attr-defined]
    return made


@functools.cache
def certified(name: str, san: str, expired: bool = False) -> ssl.SSLContext:
    """Return the context of a server with this certificate."""
    return authority().server(name, san, expired=expired)


@functools.cache
def stranger() -> ssl.SSLContext:
    """Return the context of a server whose authority nobody knows."""
    folder = tempfile.TemporaryDirectory()
    made = Authority(Path(folder.name)).server("stranger", "IP:127.0.0.1")
    folder.cleanup()
    return made


def right() -> ssl.SSLContext:
    """Return the context of a server as it should be."""
    return certified("right", "IP:127.0.0.1")


async def wrong_host(upstream: Upstream) -> None:
    """A certificate for somebody else."""
    await upstream.listen(upstream._serve, certified("other", "DNS:other.example"))


async def expired(upstream: Upstream) -> None:
    """A certificate of long ago."""
    await upstream.listen(upstream._serve, certified("old", "IP:127.0.0.1", expired=True))


async def unknown_authority(upstream: Upstream) -> None:
    """A certificate of an authority that nobody knows."""
    await upstream.listen(upstream._serve, stranger())


async def plain_on_tls(upstream: Upstream) -> None:
    """Plain HTTP where TLS should be."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()

    await upstream.listen(serve)


async def cut_in_handshake(upstream: Upstream) -> None:
    """The beginning of a handshake, then RST."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x16\x03\x03\x00\x7a\x02\x00")
        await writer.drain()
        await pause(0.005)
        reset(writer)

    await upstream.listen(serve)


async def silent_handshake(upstream: Upstream) -> None:
    """The greeting is read, and never answered."""

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        await pause(3600)

    await upstream.listen(serve)


DOORS = (refuse, black_hole, accept_and_hang, accept_and_close, accept_and_reset)
TLS = (wrong_host, expired, unknown_authority, plain_on_tls, cut_in_handshake, silent_handshake)
CALLS = (close_before_head, reset_before_head, close_anywhere, reset_anywhere, reset_in_head, reset_at_the_end)
HARMLESS = (reset_behind_the_end, reset_when_reused, close_when_reused)


def _trusting() -> dict[str, object]:
    return {"ca_file": str(authority().ca)}


SCENARIOS = [
    *(Scenario(f.__name__, door=f) for f in DOORS),
    *(Scenario(f.__name__, f) for f in CALLS),
    *(Scenario(f"{f.__name__}_anthropic", f, shape="anthropic") for f in CALLS),
    *(Scenario(f"{f.__name__}_translated", f, shape="anthropic", client="openai") for f in CALLS[2:4]),
    *(Scenario(f"{f.__name__}_folded", f, shape="llamacpp") for f in CALLS[2:]),
    *(Scenario(f.__name__, f, cuts=False) for f in HARMLESS),
    Scenario("idle_connections_closed", idle_s=0.01, cuts=False),
    *(Scenario(f"tls_{f.__name__}", door=f, tls=right, rows=_trusting) for f in TLS),
    *(Scenario(f"tls_{f.__name__}", f, tls=right, rows=_trusting) for f in (reset_anywhere, close_anywhere)),
]
