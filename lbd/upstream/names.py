"""Addresses of hosts' names: one lookup a name, shared by all who ask for it, each in a thread of its own.

A resolver may take half a minute for a name whose servers are silent, and nothing can stop it. The loop's own lookups
share a few threads, with uvloop two: two of them for one provider would keep all the others from being connected to,
and the daemon from ending.

Whoever connects later looks anew. What was found last is kept for when the resolver fails or is slow (RFC 8767): a
provider that is well is reached without it. That there is no such name is an answer, and believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lbd.model.units import Instant, Seconds
from lbd.ports import Env

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType

STUCK: Seconds = 2.0  # newcomers wait for no lookup that is under way for longer, they begin another one
MOST = 4  # lookups of one name at a time
SLOW: Seconds = 0.25  # what was found before serves whoever has waited for so long
KEPT: Seconds = 86400.0  # it may have become somebody else's address; RFC 8767 has one to three days
_NO_SUCH = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

Found = Sequence["AddrInfoType"]


class _Lookup(NamedTuple):
    began: Instant
    found: asyncio.Future[Found]


class Names:
    """See the module. For one loop."""

    def __init__(self, env: Env, loop: asyncio.AbstractEventLoop) -> None:
        self._env = env
        self._loop = loop
        self._running: dict[tuple[str, int], list[_Lookup]] = {}
        self._known: dict[tuple[str, int], tuple[Instant, Found]] = {}  # when it was found, and what

    async def of(self, host: str, port: int) -> Found:
        """Return where to connect to. Raises OSError, and UnicodeError for what cannot be a name."""
        with contextlib.suppress(socket.gaierror):  # an address needs no resolver
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        running = self._running.setdefault((host, port), [])
        now = self._env.now()
        if not running or (now - running[-1].began > STUCK and len(running) < MOST):
            self._begin(host, port, now, running)
        lookup = running[-1]
        if (host, port) in self._known:
            await asyncio.wait({lookup.found}, timeout=max(0.0, lookup.began + SLOW - now))
            known = self._known.get((host, port))  # which an answer has renewed, or taken away
            if known is not None and self._env.now() < known[0] + KEPT:
                return known[1]
        return await asyncio.shield(lookup.found)

    def _begin(self, host: str, port: int, now: Instant, running: list[_Lookup]) -> None:
        lookup = _Lookup(now, self._loop.create_future())
        lookup.found.add_done_callback(lambda found: found.cancelled() or found.exception())  # who asked may have left
        try:
            # a daemon: what a resolver still waits for does not keep the process from ending
            threading.Thread(target=self._look, args=(host, port, lookup), name="lbd-name", daemon=True).start()
        except RuntimeError:
            if not running:
                del self._running[host, port]
            raise OSError(errno.ENOMEM, "no thread can be started to look a name up in") from None
        running.append(lookup)

    def _look(self, host: str, port: int, lookup: _Lookup) -> None:
        found: Found | OSError | UnicodeError
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as e:
            found = e
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._over, (host, port), lookup, found)

    def _over(self, key: tuple[str, int], lookup: _Lookup, found: Found | OSError | UnicodeError) -> None:
        running = self._running[key]
        running.remove(lookup)
        if not running:
            del self._running[key]
        if not isinstance(found, OSError | UnicodeError):
            self._known[key] = (self._env.now(), found)
        elif isinstance(found, socket.gaierror) and found.errno in _NO_SUCH:
            self._known.pop(key, None)
        if lookup.found.done():
            return
        if isinstance(found, OSError | UnicodeError):
            lookup.found.set_exception(found)
        else:
            lookup.found.set_result(found)
