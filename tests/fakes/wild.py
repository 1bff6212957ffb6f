"""Requests of every kind over real sockets, as fast as they are answered: for soaks of the daemon as a process.

Streams and whole answers, providers told to fail, cut or dawdle, clients that hang up at any moment, background work,
bodies that are none. Each answer that is read to its end is judged; those who left have nothing to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

from tests.fakes.load import TOKENS, body, streamed
from tests.fakes.stub_provider import text

# (share, what the provider is told, streamed, what may become of it)
KINDS: tuple[tuple[float, str, bool, frozenset[str]], ...] = (
    (0.30, "", True, frozenset({"ok"})),
    (0.24, "", False, frozenset({"ok"})),
    (0.05, "first=0.05", True, frozenset({"ok"})),
    (0.01, "cut=3", True, frozenset({"error", "refused"})),  # each provider cuts it: a typed error in the end
    (0.05, "status=400", False, frozenset({"refused"})),
    (0.05, "background", False, frozenset({"ok"})),
    (0.05, "junk", False, frozenset({"refused"})),
    (0.25, "leaves", True, frozenset({"left"})),
)
_BUSY = frozenset({"busy"})  # three cut streams at once may open a breaker; then others are told so


class Wild:
    """See the module. ``fates`` counts what became of them, ``wrong`` keeps some of what should not have."""

    def __init__(self, address: tuple[str, int], *, workers: int = 8, seed: int = 1, faults: bool = True) -> None:
        self.address = address
        self.fates: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._draw = random.Random(seed)
        self._workers = workers
        self._kinds = [k for k in KINDS if faults or k[1] in ("", "first=0.05", "background", "leaves", "junk")]

    async def run(self, seconds: float, *, pause_s: float = 0.0) -> None:
        """Ask for so long, each worker with a pause between."""
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work(end, pause_s))

    async def _work(self, end: float, pause_s: float) -> None:
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(pause_s)
            _, told, stream, may = self._draw.choices(self._kinds, [k[0] for k in self._kinds])[0]
            try:
                fate = await asyncio.wait_for(self._one(told, stream), 30)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as e:
                fate = f"{type(e).__name__}: {e}"
            self.fates[fate] += 1
            if fate not in may | _BUSY and len(self.wrong) < 20:
                self.wrong.append(f"{told or 'plain'}, {'stream' if stream else 'whole'}: {fate}")

    async def _one(self, told: str, stream: bool) -> str:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            scripted = {"user": told} if "=" in told else {"user": "gap=0.01"} if told == "leaves" else {}
            raw = b"{]" if told == "junk" else body(stream=stream, **scripted)
            more = b"x-lbd-class: background\r\n" if told == "background" else b""
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                b"connection: close\r\n%bcontent-length: %d\r\n\r\n%b" % (more, len(raw), raw)
            )
            if told == "leaves":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(self._draw.choice((1, 400, 9000))), self._draw.random() / 20)
                return "left"
            head, _, answer = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.transport.abort()
        return _judged(int(head.split(b" ", 2)[1]), head, answer, stream=stream)


def _judged(status: int, head: bytes, answer: bytes, *, stream: bool) -> str:
    if status in (429, 503):
        return "busy" if b"retry-after" in head or b"x-should-retry" in head else f"{status} without a word"
    if status != 200:
        return "refused" if b'"error"' in answer else f"{status} without an error"
    if not stream:
        return "ok" if text(TOKENS).encode() in answer else f"another answer: {answer[:200]!r}"
    words, error, done = streamed(_dechunked(answer) if b"chunked" in head.lower() else answer)
    if error is not None:
        return "error" if text(TOKENS).startswith(words) and not done else f"an error behind {words!r}"
    return "ok" if words == text(TOKENS) and done else f"a stream that is not whole: {answer[-200:]!r}"


def _dechunked(answer: bytes) -> bytes:
    out, at = [], 0
    while at < len(answer):
        line = answer.index(b"\r\n", at)
        size = int(answer[at:line], 16)
        if not size:
            break
        out.append(answer[line + 2 : line + 2 + size])
        at = line + size + 4
    return b"".join(out)
