"""The page kept as it is now: what has changed is drawn and encoded once a tick, however many look.

Nobody looks: nothing is drawn. The more a tick costs, by rows and by viewers, the longer it is: the page takes no more
than its share of a core, while a transition is drawn at once. A viewer that does not read is passed over, and gets the
whole once it reads again, so that no more than one picture waits for anybody. The bytes go to each connection as they
are: already in the chunk of the transfer coding that HTTP/1.1 wants, shared by all.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import orjson
from aiohttp import web

from lbd.ingress.problem import Problem
from lbd.model.units import Instant, Seconds, WallTime
from lbd.page.home import Drawn, grid, steady
from lbd.ports.turns import Turns

TICK: Seconds = 1.0
SLOWEST: Seconds = 5.0  # of ticks, whatever they cost
BUDGET = 0.005  # of a core, for drawing and sending; turning to it and back comes on top
AT_ONCE: Seconds = 0.15  # after a transition; what comes with it is drawn together
BUSY = 0.1  # of a core, for drawing while one transition follows the other; a tick is the longest that one waits
STILL: Seconds = 10.0  # the longest time without a message: the page's script tells a quiet daemon from a lost one
FRESH: Seconds = 0.5  # a picture this young is not drawn again for who opens the page
KEPT = 16  # messages that somebody who comes back may have missed
MOST_WAITING = 256 * 1024  # bytes in a connection's buffer beyond which it is passed over
MOST_VIEWERS = 2000


class Clockwork(Protocol):
    """What the hub needs of the daemon."""

    def now(self) -> Instant: ...

    def wall(self) -> WallTime: ...

    async def sleep(self, seconds: Seconds) -> None: ...

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...


class Viewer:
    """One open connection."""

    __slots__ = ("behind", "gone", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.behind = False
        self.gone = asyncio.Event()


class Hub:
    """See the module."""

    def __init__(self, clock: Clockwork, draw: Callable[[Turns], Awaitable[Drawn]]) -> None:
        self._clock = clock
        self._draw = draw
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._kicked = asyncio.Event()
        self._looking = asyncio.Lock()
        self._pictures = 0  # that were begun
        self._closed = False
        self._tick = int(clock.wall() * 1000)  # beyond all of the daemon's before: who saw one of those gets the whole
        self._drawn: Drawn | None = None
        self._steady: dict[str, str] = {}
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._whole: bytes | None = None
        self._drawn_at: Instant = -math.inf
        self._told_at: Instant = -math.inf
        self.encoded = 0  # messages that were made

    @property
    def viewers(self) -> int:
        """Return how many look."""
        return len(self._viewers)

    def kick(self, _event: object = None) -> None:
        """Draw soon: something has happened."""
        self._kicked.set()

    @property
    def last(self) -> Drawn | None:
        """Return the last picture, None before the first."""
        return self._drawn

    async def look(self) -> tuple[Drawn, int]:
        """Return the picture of now, and the number of the message after which it is so."""
        before = self._pictures
        if not self._young:
            async with self._looking:  # many who open the page at once look at one picture
                if self._pictures == before and not self._young:
                    await self._show(Turns(self._clock))
        if self._drawn is None:
            raise Problem(503, "nothing is drawn yet")
        return self._drawn, self._tick

    @property
    def _young(self) -> bool:
        """Tell whether the picture may be shown: nothing has happened since, and it is not of before a long pause."""
        return not self._kicked.is_set() and self._clock.now() - self._drawn_at <= (SLOWEST if self._running else FRESH)

    @property
    def _running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the stream, until either side ends it."""
        if request.version < (1, 1):
            raise Problem(505, "the stream needs HTTP/1.1")
        if len(self._viewers) >= MOST_VIEWERS:
            raise Problem(503, f"{MOST_VIEWERS} already look; the page itself can still be loaded again")
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
        )
        response.enable_chunked_encoding()
        viewer: Viewer | None = None
        try:
            await response.prepare(request)
            transport = request.transport
            if transport is None or self._closed:
                return response
            viewer = Viewer(transport)
            self._viewers.add(viewer)
            transport.write(_chunk(b"retry: 2000\n\n"))
            self._catch_up(viewer, _seen(request))
            if not self._running:
                self._task = self._clock.spawn("page", self._run())
            await viewer.gone.wait()
        except ConnectionError:
            pass  # it has left
        finally:
            if viewer is not None:
                self._viewers.discard(viewer)
        return response

    async def close(self) -> None:
        """Let every viewer go."""
        self._closed = True
        self._kicked.set()
        for viewer in self._viewers:
            viewer.gone.set()

    # --- drawing -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._viewers and not self._closed:
                await self._turn()
        finally:
            for viewer in self._viewers:  # where it failed: they come back, and it is tried again
                viewer.gone.set()

    async def _turn(self) -> None:
        began = self._clock.now()
        async with self._looking:
            turns = Turns(self._clock)
            await self._show(turns)
        try:
            rest = began + pace(turns.worked) - self._clock.now()
            await asyncio.wait_for(self._kicked.wait(), max(0.05, rest))
        except TimeoutError:
            return
        rest = began + min(TICK, turns.worked / BUSY) - self._clock.now()
        await self._clock.sleep(max(AT_ONCE, rest))

    async def _show(self, turns: Turns) -> None:
        """Draw, and send what has changed; one at a time, since each message tells the difference from the last."""
        self._pictures += 1
        self._kicked.clear()
        await self._send(await self._changes(turns), turns)

    async def _changes(self, turns: Turns) -> bytes | None:
        """Return the message of what has changed since the last one, None where nothing has."""
        now, at = await self._draw(turns), self._clock.now()
        calm = {}
        for name, part in now.parts.items():
            calm[name] = steady(part)
            await turns.rest()
        before = self._drawn
        if before is None or before.rows != now.rows:
            parts = _all(now)
        else:
            parts = {name: str(now.parts[name]) for name, text in calm.items() if text != self._steady.get(name)}
        self._drawn, self._steady, self._whole, self._drawn_at = now, calm, None, at
        if not parts and at - self._told_at < STILL:
            return None
        self._told_at = at
        self._tick += 1
        message = self._encode(now, parts)
        self._recent.append((self._tick, message))
        return message

    def _encode(self, drawn: Drawn, parts: dict[str, str]) -> bytes:
        self.encoded += 1
        told = {
            "tick": self._tick,
            "time": round(self._clock.wall(), 3),
            "title": f"{drawn.status.upper()} · lbd",
            "parts": parts,
        }
        return _chunk(b"id: %d\ndata: %b\n\n" % (self._tick, orjson.dumps(told)))

    # --- sending -------------------------------------------------------------------------------------

    async def _send(self, message: bytes | None, turns: Turns) -> None:
        for viewer in tuple(self._viewers):
            await turns.rest()
            transport = viewer.transport
            if transport.is_closing():
                viewer.gone.set()
            elif transport.get_write_buffer_size() > MOST_WAITING:
                viewer.behind = True
            elif viewer.behind:
                viewer.behind = False
                transport.write(self._everything())
            elif message is not None:
                transport.write(message)

    def _catch_up(self, viewer: Viewer, seen: int | None) -> None:
        """Send what a viewer has missed since it saw message ``seen``, the whole where that is not known any more."""
        if seen is None or self._drawn is None:
            return
        missed = [message for tick, message in self._recent if tick > seen]
        if seen <= self._tick and len(missed) == self._tick - seen:
            for message in missed:
                viewer.transport.write(message)
        else:
            viewer.transport.write(self._everything())

    def _everything(self) -> bytes:
        if self._whole is None and self._drawn is not None:
            self._whole = self._encode(self._drawn, _all(self._drawn))
        return self._whole or b""


def pace(worked: Seconds) -> Seconds:
    """Return how long a tick is that took so much work."""
    return min(SLOWEST, max(TICK, worked / BUDGET))


def _all(drawn: Drawn) -> dict[str, str]:
    """Return the whole page's parts, the table as one: its rows may be others."""
    rows = {name for group, names in drawn.rows for name in (group, *names)}
    table = f'<div class="scroll" id="table" tabindex="0" role="region" aria-label="Provider table">{grid(drawn)}</div>'
    return {**{name: str(part) for name, part in drawn.parts.items() if name not in rows}, "table": table}


def _seen(request: web.Request) -> int | None:
    told = request.headers.get("last-event-id") or request.query.get("since", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
