"""Items of answers that a client may refer to later, as the Responses API has it: some SDKs send references always.

OpenAI keeps each response where nobody forbids it (``store``), and a client may then send an ``item_reference`` for
what an earlier answer said. That would bind a conversation to one provider. So the items are kept here, in memory, for
the client that got them; a reference is put back into the item before anything else looks at the request, which then
holds all that any provider needs. What was too long ago, or said by another daemon, is refused by name; where ``store``
is false nothing is kept.

Not every server's ids are its own: some draw them out of a thousand, others begin with the same in each answer. So an
item is known by what stood before it, too, and a reference means the one before which the same stands in its request.
Where none is, as the beginning of a conversation was left out or written anew, it means the newest of those that began
as the request does. If there are others only, it is refused by name: what another conversation was told is not said.

Of a stream only the end is held, for its last event says all of it again. An answer in the background is kept whenever
its client asks for it, for there it learns the ids, until it has it deleted.
"""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import ClientSpec
from lbd.model.units import Instant, Seconds
from lbd.ports import Reply
from lbd.shapes import asked, edit, loose
from lbd.shapes.responses import state
from lbd.upstream.tape import Overheard, Taping

KEPT: Seconds = 24 * 3600.0
ROOM = 32 * 1024 * 1024  # bytes of all items, where nothing else is configured
BESIDE = 800  # bytes that an item takes beside its text
_UNKEPT = re.compile(rb'"store"\s*:\s*false')
_LAST_EVENTS = 3  # the response as a whole is in one of them
_WHOLE = ("response.completed", "response.incomplete")
_MARKS = tuple(kind.encode() for kind in _WHOLE)
_SEAM = 64  # bytes before a piece in which such an event may have begun: its first line, or its data up to the type
_ALIKE = 64  # items of one id; the oldest goes
_DIGEST = 16  # bytes


class _Item(msgspec.Struct):
    type: str | None = None
    id: str | None = None


class _Response(msgspec.Struct):
    output: list[msgspec.Raw]


class _Event(msgspec.Struct):
    type: str
    response: _Response


class _Request(msgspec.Struct):
    input: msgspec.Raw


_response = msgspec.json.Decoder(_Response).decode
_event = msgspec.json.Decoder(_Event).decode
_request = msgspec.json.Decoder(_Request).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_item = msgspec.json.Decoder(_Item).decode


class _Kept(NamedTuple):
    """An item, until when it is kept, and how the request began that it was an answer to; nothing: unknown."""

    until: Instant
    raw: bytes
    root: bytes


class _Before:
    """What stands before an item: all of it, and how it began."""

    def __init__(self) -> None:
        self._all = blake2b(digest_size=_DIGEST)
        self.root = b""

    def add(self, raw: bytes) -> None:
        """Take one more item."""
        self._all.update(b"%d:" % len(raw))
        self._all.update(raw)
        self.root = self.root or self.digest

    @property
    def digest(self) -> bytes:
        """Tell one such history from all others."""
        return self._all.digest()


class Recall:
    """The items of all clients, the one used longest ago first."""

    def __init__(self, most: int = ROOM) -> None:
        self.most = most
        self.bytes = 0
        self._of: OrderedDict[tuple[str, str, bytes], _Kept] = OrderedDict()  # by client, id, and what stood before
        self._alike: dict[tuple[str, str], dict[bytes, None]] = {}  # what stood before those of one id, the newest last
        self._taping = Taping(most)

    def configure(self, most: int) -> None:
        """Keep so many bytes from now on; 0: nothing."""
        self.most = self._taping.most = most
        self._make_room()

    def restored(self, client: ClientSpec | Failure, body: bytes, now: Instant, most: int) -> bytes | Failure:
        """Return a request with items in place of references to them; or why one of them cannot be.

        ``most``: bytes that a request may have; a reference is short, and what it stands for is not.
        """
        if b"item_reference" not in body or isinstance(client, Failure) or asked.too_many(body):
            return body
        try:
            given = _list(_request(body).input)
        except loose.UNREADABLE:
            return body  # whoever reads it says what is wrong with it
        found: list[bytes] = []
        before = _Before()
        size, changed = len(body), False
        for given_raw in given:
            item, raw = _read(given_raw), bytes(given_raw)
            if item is not None and item.type == "item_reference" and item.id is not None:
                kept = self._meant(client.name, item.id, before, now)
                if isinstance(kept, Failure):
                    return kept
                size += len(kept)
                if size > most:
                    text = f"with the items that it refers to the body is larger than limits.max_body_bytes, {most}"
                    return Failure(FailureKind.TOO_LARGE, text, code="body_too_large")
                raw, changed = kept, True
            found.append(raw)
            before.add(raw)
        return edit.with_members(body, {"input": b"[%b]" % b",".join(found)}) if changed else body

    def _meant(self, client: str, id_: str, before: _Before, now: Instant) -> bytes | Failure:
        """Return the item that a reference stands for where so much stands before it; or why it stands for none."""
        there = {
            at: kept for at in self._alike.get((client, id_), ()) if (kept := self._of[client, id_, at]).until > now
        }
        at = before.digest
        if at not in there:
            same = [at for at, kept in there.items() if before.root and kept.root == before.root]
            if not there:
                return state.forgotten(id_)
            if not same and len({kept.raw for kept in there.values()}) > 1:
                return state.ambiguous(id_)
            at = (same or list(there))[-1]
        self._of.move_to_end((client, id_, at))
        return there[at].raw

    @contextlib.contextmanager
    def listening(self, client: ClientSpec | Failure, body: bytes, reply: Reply, now: Instant) -> Iterator[Reply]:
        """Yield what to answer to; what it is told is kept at the end, if it may be.

        ``body``: the request, with items in place of references.
        """
        if not self.most or isinstance(client, Failure) or _UNKEPT.search(body) is not None:
            yield reply
            return
        ear = _Ear(reply, self._taping)
        try:
            yield ear
        finally:
            told = ear.close()
            if told:
                self.keep(client.name, told, body, now)

    def keep(self, client: str, told: bytes, body: bytes, now: Instant) -> None:
        """Keep the items of an answer to a request, which that client was told."""
        items = _output(told)
        if not items or not self.most:
            return
        before = _history(body)
        root = before.root
        for given_raw in items:
            item, raw, at = _read(given_raw), bytes(given_raw), before.digest
            before.add(raw)
            if item is None or not item.id:
                continue
            self._drop(client, item.id, at)
            alike = self._alike.setdefault((client, item.id), {})
            alike[at] = None
            self._of[client, item.id, at] = _Kept(now + KEPT, raw, root)
            self.bytes += len(raw) + BESIDE
            if len(alike) > _ALIKE:
                self._drop(client, item.id, next(iter(alike)))
        self._make_room()

    def forget(self, client: str, told: bytes) -> None:
        """Keep the items of an answer no more, which its client has had deleted."""
        for given_raw in _output(told):
            item, raw = _read(given_raw), bytes(given_raw)
            if item is not None and item.id:
                for at in list(self._alike.get((client, item.id), ())):
                    if self._of[client, item.id, at].raw == raw:
                        self._drop(client, item.id, at)

    def _drop(self, client: str, id_: str, at: bytes) -> None:
        kept = self._of.pop((client, id_, at), None)
        if kept is not None:
            self.bytes -= len(kept.raw) + BESIDE
            alike = self._alike[client, id_]
            del alike[at]
            if not alike:
                del self._alike[client, id_]

    def _make_room(self) -> None:
        while self._of and self.bytes > self.most:
            self._drop(*next(iter(self._of)))


class _Ear(Overheard):
    """Holds what may say the whole answer: of a stream its end."""

    def __init__(self, reply: Reply, taping: Taping) -> None:
        super().__init__(reply, taping)
        self._seam = b""

    def _hear(self, data: bytes, *, whole: bool = False) -> None:
        if whole or self._kept:
            self._keep(data)
            if whole or self._kept:
                return
        data = self._seam + data
        if _MARKS[0] in data or _MARKS[1] in data:  # said in a text it is a mark, too: then more is held
            self._keep(data)
        self._seam = data[-_SEAM:]

    def close(self) -> bytes:
        """Return what is held, and forget it."""
        return self._forget()


def _read(raw: msgspec.Raw) -> _Item | None:
    try:
        return _item(raw)
    except loose.UNREADABLE:
        return None


def _history(body: bytes) -> _Before:
    """Return what stands in a request: its items, or the text that stands for one of them."""
    out = _Before()
    with contextlib.suppress(*loose.UNREADABLE):
        given = _request(body).input
        for raw in _list(given) if bytes(given).lstrip()[:1] == b"[" else (given,):
            out.add(bytes(raw))
    return out


def _output(told: bytes) -> list[msgspec.Raw]:
    """Return the items of an answer: of a whole one, or of a stream's last event."""
    with contextlib.suppress(*loose.UNREADABLE):
        if told.lstrip()[:1] == b"{":
            return _response(told).output
    end = len(told)
    for _ in range(_LAST_EVENTS):
        start = told.rfind(b"\ndata:", 0, end)
        if start < 0:
            break
        with contextlib.suppress(*loose.UNREADABLE):
            event = _event(told[start + len(b"\ndata:") : end].partition(b"\n")[0])
            if event.type in _WHOLE:
                return event.response.output
        end = start
    return []
