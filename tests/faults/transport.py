"""Broken framing: chunk sizes and lengths that lie, compressions nobody asked for, heads that are none."""

from __future__ import annotations

import gzip
import zlib

from tests.faults.drive import Scenario
from tests.faults.upstream import JSON, Call, chunk, head, pause


def _body(call: Call) -> bytes:
    return b"".join(call.events) if call.stream else call.unary


async def bad_chunk_size(call: Call) -> None:
    """A chunk size that is no number, at any chunk."""
    body = _body(call)
    at = call.draw.randrange(len(body))
    await call.send(head(200, call.kind, chunked=True) + chunk(body[:at]) + b"xyz\r\n" + body[at:] + b"\r\n0\r\n\r\n")


async def chunk_too_long(call: Call) -> None:
    """A chunk that says to be longer than what comes before the connection ends."""
    body = _body(call)
    at = call.draw.randrange(len(body))
    await call.send(head(200, call.kind, chunked=True) + chunk(body[:at]) + b"ffff\r\n" + body[at:])
    await call.close()


async def chunk_too_short(call: Call) -> None:
    """A chunk that is longer than it says."""
    body = _body(call)
    at = call.draw.randrange(1, len(body))
    await call.send(head(200, call.kind, chunked=True) + b"%x\r\n" % at + body + b"\r\n0\r\n\r\n")


async def huge_chunk_size(call: Call) -> None:
    """A chunk size beyond 64 bits."""
    await call.send(head(200, call.kind, chunked=True) + b"f" * 40 + b"\r\n" + _body(call))


async def no_last_chunk(call: Call) -> None:
    """Everything but the last chunk, then the end."""
    await call.send(head(200, call.kind, chunked=True) + chunk(_body(call)))
    await call.close()


async def length_too_long(call: Call) -> None:
    """More is promised than comes before the connection ends."""
    body = _body(call)
    await call.send(head(200, call.kind, f"content-length: {len(body) + 100}") + body)
    await call.close()


async def length_too_long_and_kept(call: Call) -> None:
    """More is promised than ever comes, and the connection stays."""
    body = _body(call)
    await call.send(head(200, call.kind, f"content-length: {len(body) + 100}") + body)
    await call.hang()


async def length_too_short(call: Call) -> None:
    """Less is promised than comes: the answer is cut, and what follows is no answer to anybody."""
    body = _body(call)
    await call.send(head(200, call.kind, f"content-length: {len(body) - call.draw.randrange(1, 60)}") + body)


async def both_lengths(call: Call) -> None:
    """Chunks and a length, which is how requests are smuggled."""
    body = _body(call)
    told = head(200, call.kind, "content-length: 5", chunked=True)
    await call.send(told + chunk(body) + b"0\r\n\r\n")


async def two_lengths(call: Call) -> None:
    """Two lengths that differ."""
    body = _body(call)
    await call.send(head(200, call.kind, f"content-length: {len(body)}", "content-length: 7") + body)


async def until_close(call: Call) -> None:
    """No length at all: the end of the connection is the end of the answer."""
    await call.send(head(200, call.kind) + _body(call))
    await call.close()


async def until_close_cut(call: Call) -> None:
    """No length at all, and the end comes too soon: only the content can tell."""
    body = _body(call)
    await call.send(head(200, call.kind) + body[: call.draw.randrange(len(body))])
    await call.close()


async def second_answer(call: Call) -> None:
    """Another answer behind the right one, that nobody has asked for."""
    await call.send(call.whole() + head(200, JSON, "content-length: 2") + b"{}")


async def not_http(call: Call) -> None:
    """Bytes that are no HTTP."""
    await call.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    await call.close()


async def endless_head(call: Call) -> None:
    """Header fields without end."""
    await call.send(b"HTTP/1.1 200 OK\r\n")
    for i in range(400):
        await call.send(b"x-%d: %b\r\n" % (i, b"y" * 1000))
    await call.close()


async def interim_answers(call: Call) -> None:
    """Hints before the answer."""
    await call.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3 + call.whole())


async def http_1_0(call: Call) -> None:
    """An answer of HTTP/1.0."""
    await call.send(b"HTTP/1.0 200 OK\r\n%b\r\n\r\n" % call.kind.encode() + _body(call))
    await call.close()


async def gzipped(call: Call) -> None:
    """A compression nobody asked for; the content is right."""
    body = gzip.compress(_body(call))
    await call.send(head(200, call.kind, "content-encoding: gzip", f"content-length: {len(body)}") + body)


async def gzipped_in_pieces(call: Call) -> None:
    """The same, flushed event by event."""
    packer = zlib.compressobj(wbits=31)
    await call.send(head(200, call.kind, "content-encoding: gzip", chunked=True))
    for event in call.events if call.stream else [call.unary]:
        await call.send(chunk(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)))
        await pause(0)
    await call.send(chunk(packer.flush()) + b"0\r\n\r\n")


async def gzip_bomb(call: Call) -> None:
    """Some kilobytes that become a hundred megabytes."""
    body = _bomb()
    await call.send(head(200, call.kind, "content-encoding: gzip", f"content-length: {len(body)}") + body)


async def gzip_cut(call: Call) -> None:
    """A compression whose end is missing."""
    body = gzip.compress(_body(call))
    body = body[: call.draw.randrange(len(body))]
    await call.send(head(200, call.kind, "content-encoding: gzip", f"content-length: {len(body)}") + body)


async def gzip_junk(call: Call) -> None:
    """What calls itself gzip, and is none."""
    body = _body(call)
    await call.send(head(200, call.kind, "content-encoding: gzip", f"content-length: {len(body)}") + body)


async def brotli(call: Call) -> None:
    """A compression that lbd does not know."""
    await call.send(head(200, call.kind, "content-encoding: br", "content-length: 4") + b"\x8b\x01\x80\x03")


_made: list[bytes] = []


def _bomb() -> bytes:
    if not _made:
        packer = zlib.compressobj(wbits=31)
        _made.append(b"".join(packer.compress(b" " * 2**20) for _ in range(100)) + packer.flush())
    return _made[0]


HARMLESS = (until_close, second_answer, interim_answers, http_1_0, gzipped, gzipped_in_pieces, both_lengths)
BROKEN = (
    bad_chunk_size,
    chunk_too_long,
    chunk_too_short,
    huge_chunk_size,
    no_last_chunk,
    length_too_long,
    length_too_long_and_kept,
    length_too_short,
    two_lengths,
    until_close_cut,
    not_http,
    gzip_cut,
    gzip_junk,
    brotli,
)

SCENARIOS = [
    *(Scenario(f.__name__, f, cuts=False) for f in HARMLESS),
    *(Scenario(f.__name__, f) for f in BROKEN),
    *(
        Scenario(f"{f.__name__}_anthropic", f, shape="anthropic", client="anthropic")
        for f in (until_close_cut, gzip_cut)
    ),
    *(Scenario(f"{f.__name__}_folded", f, shape="llamacpp") for f in (until_close_cut, length_too_short, gzip_cut)),
]
