"""The bounded queue of requests for which every eligible deployment is at its limit right now.

Ordered by class (interactive before background), then fairly by client, then by deadline. Fairness is start-time fair
queueing (Goyal, Vin and Cheng, 1996) at one request a turn: each client has the number of its next turn, a client that
comes anew starts at the turn under way, and the lowest is served. So a flood of one client makes its own requests wait,
and another's next one stands behind at most one of each client. A turn counts once it is served: who gives up, or is
put out, pays nothing.

Where the queue is full, a newcomer takes the place of the last of those who ought to give way: background before
interactive, then whoever has the most waiting.

Which deployments a waiter could use is part of its entry, so that a slot that frees wakes the first waiter it serves
and nobody else. Waiters are kept in lanes, by class and set of deployments, of which there are few; within a lane, to
find the first and to take it out costs the logarithm of the clients.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from lbd.model.units import Instant, Seconds

W = TypeVar("W")
OUTDATED = 64  # keys that a lane may hold beyond one for each client


class Full(Exception):
    """The queue has no room for this one."""


class Place:
    """A request's place in the queue; it keeps its order over all its waits. ``rank``: 0 interactive, 1 background."""

    __slots__ = ("called", "client", "deadline", "rank", "rows", "seq")

    def __init__(self, deadline: Instant, *, rank: int = 0, client: str = "") -> None:
        self.deadline = deadline
        self.rank = rank
        self.client = client
        self.seq: float = math.inf  # when it came; it has not yet
        self.rows: frozenset[int] | None = None  # what it waits for, None while it does not
        self.called = False  # its turn has come, and was counted

    @property
    def came(self) -> bool:
        """Tell whether it waits, or has waited."""
        return self.seq < math.inf


class Waiter(NamedTuple, Generic[W]):
    """Somebody who waits, and its place."""

    place: Place
    waiter: W


def _order(entry: Waiter[W]) -> tuple[Instant, float]:
    return entry.place.deadline, entry.place.seq


class _Lane(Generic[W]):
    """Those of one class who wait for the same deployments."""

    def __init__(self) -> None:
        self.clients: dict[str, list[Waiter[W]]] = {}
        self._heap: list[tuple[tuple[int, Instant, float], str]] = []
        self._keys: dict[str, tuple[int, Instant, float]] = {}  # which of a client's keys in the heap is not outdated

    def enter(self, entry: Waiter[W], turn: int) -> None:
        """Take somebody in, whose client's next turn this is."""
        client = entry.place.client
        insort(self.clients.setdefault(client, []), entry, key=_order)
        key = self._keys.get(client)
        if key is None or (turn, *_order(entry)) < key:
            self._push(client, turn)

    def _push(self, client: str, turn: int) -> None:
        key = self._keys[client] = (turn, *_order(self.clients[client][0]))
        heapq.heappush(self._heap, (key, client))
        if len(self._heap) > len(self._keys) + OUTDATED:
            self._heap = [(key, client) for client, key in self._keys.items()]
            heapq.heapify(self._heap)

    def leave(self, place: Place) -> Waiter[W]:
        """Take somebody out."""
        waiting = self.clients[place.client]
        entry = waiting.pop(bisect_left(waiting, (place.deadline, place.seq), key=_order))
        if not waiting:
            del self.clients[place.client], self._keys[place.client]
        return entry

    def first(self, turns: dict[str, int]) -> tuple[tuple[int, Instant, float], Place] | None:
        """Return the first of them and its key: the client with the lowest turn, its nearest deadline."""
        while self._heap:
            key, client = self._heap[0]
            if self._keys.get(client) is key:
                place = self.clients[client][0].place
                if key == (turns[client], place.deadline, place.seq):
                    return key, place
                heapq.heappop(self._heap)  # it stood for a turn that was served, or for somebody who left
                self._push(client, turns[client])
            else:
                heapq.heappop(self._heap)
        return None


class _Class:
    """The clients of one class: how many each has waiting, and whose turn it is."""

    def __init__(self) -> None:
        self.waiting: dict[str, int] = {}
        self.turns: dict[str, int] = {}
        self.now = 0  # the turn under way

    def turn(self, client: str) -> int:
        """Return the next turn of a client: one that has nobody waiting does not save up turns."""
        turn = self.turns.get(client, 0)
        return turn if client in self.waiting else max(turn, self.now)

    def enter(self, place: Place) -> int:
        """Count one that waits; return its client's turn."""
        self.recall(place)
        turn = self.turn(place.client)
        self.turns[place.client] = turn
        self.waiting[place.client] = self.waiting.get(place.client, 0) + 1
        return turn

    def leave(self, place: Place) -> None:
        """Count one less."""
        self.waiting[place.client] -= 1
        if not self.waiting[place.client]:
            del self.waiting[place.client]
            if not self.waiting:
                self.turns.clear()
                self.now = 0

    def call(self, place: Place) -> None:
        """Count a turn."""
        place.called = True
        turn = self.turns[place.client]
        self.now = max(self.now, turn)
        self.turns[place.client] = turn + 1

    def recall(self, place: Place) -> None:
        """Take back a turn that came to nothing."""
        if place.called and place.client in self.turns:
            self.turns[place.client] -= 1
        place.called = False


class WaitingRoom(Generic[W]):
    """Waiters with what they wait for. ``W`` is opaque here (the rim keeps a future in it)."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._lanes: dict[tuple[int, frozenset[int]], _Lane[W]] = {}
        self._classes: dict[int, _Class] = {}
        self._size = 0
        self._came = 0

    def __len__(self) -> int:
        return self._size

    def enter(self, waiter: W, rows: frozenset[int], place: Place) -> W | None:
        """Queue ``waiter`` for any of ``rows``; returns whom it has put out, if anybody. Raises :class:`Full`."""
        out = self._put_out(place) if self._size >= self.bound else None
        if not place.came:
            self._came += 1
            place.seq = self._came
        place.rows = rows
        turn = self._classes.setdefault(place.rank, _Class()).enter(place)
        self._lanes.setdefault((place.rank, rows), _Lane()).enter(Waiter(place, waiter), turn)
        self._size += 1
        return out

    def leave(self, place: Place) -> None:
        """Take a waiter out: it gave up, or was woken and is done. Leaving twice is harmless."""
        if place.rows is not None:
            self._take(place)

    def _take(self, place: Place) -> Waiter[W]:
        rows, place.rows = place.rows or frozenset(), None
        lane = self._lanes[place.rank, rows]
        entry = lane.leave(place)
        if not lane.clients:
            del self._lanes[place.rank, rows]
        self._classes[place.rank].leave(place)
        self._size -= 1
        return entry

    def _put_out(self, place: Place) -> W:
        """Take out who gives way to a newcomer."""
        rank = max((rank for rank, of in self._classes.items() if of.waiting), default=-1)
        if rank >= place.rank:
            waiting = self._classes[rank].waiting
            client = max(waiting, key=waiting.__getitem__)
            if rank > place.rank or waiting[client] > waiting.get(place.client, 0) + 1:
                last = (lane.clients[client][-1] for lane in self._of(rank) if client in lane.clients)
                return self._take(max(last, key=_order).place).waiter
        raise Full

    def _of(self, rank: int, rows: frozenset[int] | None = None) -> Iterator[_Lane[W]]:
        for (of, served), lane in self._lanes.items():
            if of == rank and (rows is None or not rows.isdisjoint(served)):
                yield lane

    def next_for(self, row: int) -> Waiter[W] | None:
        """Take out and return the first waiter that row ``row`` serves, None when there is none."""
        best: tuple[tuple[int, tuple[int, Instant, float]], Place] | None = None
        for (rank, rows), lane in self._lanes.items():
            if row in rows and (found := lane.first(self._classes[rank].turns)) is not None:
                key, place = found
                if best is None or (rank, key) < best[0]:
                    best = (rank, key), place
        if best is None:
            return None
        self._classes[best[1].rank].call(best[1])
        return self._take(best[1])

    def recall(self, place: Place) -> None:
        """Take back the turn of one that was called and could not come: its client does not pay for it."""
        self._classes[place.rank].recall(place)

    def waits_for(self, row: int, *, rank: int) -> bool:
        """Tell whether anybody of this class, or of a better one, waits for row ``row``."""
        return any(of <= rank and row in rows for of, rows in self._lanes)

    def waiting(self, row: int, *, rank: int) -> int:
        """Count those of this class, and of better ones, who wait for row ``row``."""
        lanes = (lane for (of, rows), lane in self._lanes.items() if of <= rank and row in rows)
        return sum(len(waiting) for lane in lanes for waiting in lane.clients.values())

    def ahead(self, rows: frozenset[int], place: Place) -> int:
        """Count the waiters that one of ``rows`` would serve before this one, whether it waits already or not."""
        count = 0
        for rank in self._classes:
            if rank < place.rank:
                count += sum(len(waiting) for lane in self._of(rank, rows) for waiting in lane.clients.values())
        of = self._classes.get(place.rank)
        if of is None:
            return count
        clients: dict[str, list[Waiter[W]]] = {}
        for lane in self._of(place.rank, rows):
            for client, waiting in lane.clients.items():
                clients[client] = sorted(clients[client] + waiting, key=_order) if client in clients else waiting
        mine = place.deadline, place.seq
        own = bisect_left(clients.pop(place.client, []), mine, key=_order)
        turn = of.turn(place.client) + own
        for client, waiting in clients.items():
            before = turn - of.turns[client]  # how many turns it has before this one
            if 0 <= before < len(waiting) and _order(waiting[before]) < mine:
                before += 1  # at the same turn the nearer deadline goes first
            count += min(len(waiting), max(0, before))
        return count + own


def expected_wait(ahead: int, slots: float, service_s: Seconds) -> Seconds:
    """Estimate how long the next waiter waits: the queue before it, served ``slots`` at a time."""
    return (ahead + 1) * service_s / max(1.0, slots)
