"""The timeline: the last events, and whoever follows them."""

from __future__ import annotations

import asyncio
from collections import deque

from lbd.model.event import Event

KEPT = 1000
BEHIND = 256  # events a follower may be behind before it is let go


class Timeline:
    """Keeps events and hands them to followers."""

    def __init__(self, kept: int = KEPT) -> None:
        self._events: deque[Event] = deque(maxlen=kept)
        self._followers: set[asyncio.Queue[Event | None]] = set()

    def add(self, event: Event) -> None:
        """Take in an event."""
        self._events.append(event)
        for follower in tuple(self._followers):
            try:
                follower.put_nowait(event)
            except asyncio.QueueFull:
                self.leave(follower)

    def last(self, count: int = KEPT, *, after: int = 0, subject: str | None = None) -> list[Event]:
        """Return the last events, oldest first: those with an id above ``after`` and, if given, of ``subject``."""
        found = [e for e in self._events if e.id > after and (subject is None or e.subject == subject)]
        return found[-count:] if count else []

    def follow(self) -> asyncio.Queue[Event | None]:
        """Return a queue that gets every event from now on; None in it means the end."""
        follower: asyncio.Queue[Event | None] = asyncio.Queue(BEHIND)
        self._followers.add(follower)
        return follower

    def leave(self, follower: asyncio.Queue[Event | None]) -> None:
        """Stop following."""
        self._followers.discard(follower)
        if follower.full():
            follower.get_nowait()
        follower.put_nowait(None)

    def close(self) -> None:
        """Let every follower go."""
        for follower in tuple(self._followers):
            self.leave(follower)
