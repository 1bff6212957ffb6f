"""Items of answers that a client may refer to later, as the Responses API has it: some SDKs send references always.

OpenAI keeps each response where nobody forbids it (``store``), and a client may then send an ``item_reference`` for
what an earlier answer said. That would bind a conversation to one provider. So the items are kept here, in memory, for
the client that got them; a reference is put back into the item before anything else looks at the request, which then
holds all that any provider needs. What was too long ago, or said by another daemon, is refused by name, and so is an id
that two different items bore (not every server's ids are its own); where ``store`` is false nothing is kept.

Of a stream only the end is held, for its last event says all of it again.
"""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import ClientSpec
from lbd.model.units import Instant, Seconds
from lbd.ports import Reply
from lbd.shapes import edit, loose
from lbd.shapes.responses import state
from lbd.upstream.tape import Overheard, Taping

KEPT: Seconds = 24 * 3600.0
ROOM = 32 * 1024 * 1024  # bytes of all items, where nothing else is configured
BESIDE = 300  # bytes that an item takes beside its text
_UNKEPT = re.compile(rb'"store"\s*:\s*false')
_LAST_EVENTS = 3  # the response as a whole is in one of them
_WHOLE = ("response.completed", "response.incomplete")
_MARKS = tuple(kind.encode() for kind in _WHOLE)
_SEAM = 64  # bytes before a piece in which such an event may have begun: its first line, or its data up to the type
_AMBIGUOUS = b""  # in place of an item whose id another one bore, too


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


class Recall:
    """The items of all clients, the one used longest ago first."""

    def __init__(self, most: int = ROOM) -> None:
        self.most = most
        self.bytes = 0
        self._of: OrderedDict[tuple[str, str], tuple[Instant, bytes]] = OrderedDict()
        self._taping = Taping(most)

    def configure(self, most: int) -> None:
        """Keep so many bytes from now on; 0: nothing."""
        self.most = self._taping.most = most
        self._make_room()

    def restored(self, client: ClientSpec | Failure, body: bytes, now: Instant, most: int) -> bytes | Failure:
        """Return a request with items in place of references to them; or why one of them cannot be.

        ``most``: bytes that a request may have; a reference is short, and what it stands for is not.
        """
        if b"item_reference" not in body or isinstance(client, Failure):
            return body
        try:
            given = _list(_request(body).input)
        except loose.UNREADABLE:
            return body  # whoever reads it says what is wrong with it
        found: list[bytes] = []
        size, changed = len(body), False
        for raw in given:
            item = _read(raw)
            if item is None or item.type != "item_reference" or item.id is None:
                found.append(bytes(raw))
                continue
            kept = self._of.get((client.name, item.id))
            if kept is None or kept[0] <= now:
                return state.forgotten(item.id)
            if kept[1] == _AMBIGUOUS:
                return state.ambiguous(item.id)
            size += len(kept[1])
            if size > most:
                text = f"with the items that it refers to the body is larger than limits.max_body_bytes, {most}"
                return Failure(FailureKind.TOO_LARGE, text, code="body_too_large")
            self._of.move_to_end((client.name, item.id))
            found.append(kept[1])
            changed = True
        return edit.with_members(body, {"input": b"[%b]" % b",".join(found)}) if changed else body

    @contextlib.contextmanager
    def listening(self, client: ClientSpec | Failure, body: bytes, reply: Reply, now: Instant) -> Iterator[Reply]:
        """Yield what to answer to; what it is told is kept at the end, if it may be."""
        if not self.most or isinstance(client, Failure) or _UNKEPT.search(body) is not None:
            yield reply
            return
        ear = _Ear(reply, self._taping)
        try:
            yield ear
        finally:
            told = ear.close()
            if told:
                self._keep(client.name, told, now)

    def _keep(self, client: str, told: bytes, now: Instant) -> None:
        for raw in _output(told):
            item = _read(raw)
            if item is None or not item.id:
                continue
            before, kept = self._of.pop((client, item.id), None), bytes(raw)
            if before is not None:
                self.bytes -= len(before[1]) + BESIDE
                if before[0] > now and before[1] != kept:
                    kept = _AMBIGUOUS  # of two conversations neither may be told what was said in the other
            self.bytes += len(kept) + BESIDE
            self._of[client, item.id] = (now + KEPT, kept)
        self._make_room()

    def _make_room(self) -> None:
        while self._of and self.bytes > self.most:
            _, (_, raw) = self._of.popitem(last=False)
            self.bytes -= len(raw) + BESIDE


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
