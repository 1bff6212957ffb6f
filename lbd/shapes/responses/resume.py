"""How a stream of the Responses API is taken up where it broke: the open item stays open, events and items count on.

What its client has is read strictly: items of other kinds than messages, thoughts and calls stand in the way, and so do
thoughts that are hidden, and an item of whose end a part was told.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Refused, Said, Thought
from lbd.shapes import tokens
from lbd.shapes.chat.resume import chunks
from lbd.shapes.loose import items, members, string
from lbd.shapes.responses.items import FAMILY
from lbd.shapes.responses.speak import ResponsesSpeaker
from lbd.shapes.responses.under_way import Call, Open, Part
from lbd.shapes.retold import Shown, Told
from lbd.shapes.splice import CannotSplice, Point, Resume

_KINDS: dict[str, type[Said | Refused]] = {"output_text": Said, "refusal": Refused}
_TEXTS: dict[str, type[Said | Refused | Thought]] = {
    "response.output_text.delta": Said,
    "response.refusal.delta": Refused,
    "response.reasoning_summary_text.delta": Thought,
}
# The item has begun to end: these say again what was said.
_ENDING = frozenset(
    {
        "response.output_text.done",
        "response.refusal.done",
        "response.content_part.done",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.function_call_arguments.done",
    }
)
_ENDS = ("response.completed", "response.incomplete")
_CUT = {"max_output_tokens": Reason.LENGTH, "content_filter": Reason.FILTER}


class _Reader:
    """Reads events one after the other, and knows which items are open."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self.begin = Begin("", "")
        self.number = 0  # of the next event
        self.output: list[dict[str, Any]] = []
        self.open: Open | None = None
        self.calls: dict[int, Call] = {}  # under way, by their number
        self.count = 0  # of all calls
        self.refused = False
        self.ending = False
        self._last: type[Told] | None = None  # what the last item or part held
        self._reads: dict[str, Callable[[dict[str, Any]], Iterable[Told]]] = {
            "response.created": self._begin,
            "response.in_progress": self._begin,
            "response.output_item.added": self._added,
            "response.output_item.done": self._done,
            "response.content_part.added": self._part,
            "response.reasoning_summary_part.added": self._part,
            "response.function_call_arguments.delta": self._argued,
        }

    def read(self, event: dict[str, Any]) -> Iterable[Told]:
        kind = string(event.get("type"))
        number = event.get("sequence_number")
        if isinstance(number, int):
            self.number = number + 1
        elif self._strict:
            raise CannotSplice("an event without its number")
        if kind in _TEXTS:
            yield from self._text(_TEXTS[kind], event)
        elif kind in _ENDING:
            self._ending(kind, event)
        elif (reads := self._reads.get(kind)) is not None:
            yield from reads(event)
        elif self._strict:
            raise CannotSplice(f"pieces do not carry {kind!r}")
        elif kind in _ENDS:
            cut = members(members(event.get("response")).get("incomplete_details")).get("reason")
            yield Finished(_CUT.get(string(cut), Reason.CALLS if self.count else Reason.STOP))

    def _ending(self, kind: str, event: dict[str, Any]) -> None:
        self.ending = True
        if kind == "response.content_part.done" and self.open is not None:
            self.open.done.append(members(event.get("part")))
            self.open.part = None

    def _begin(self, event: dict[str, Any]) -> Iterable[Told]:
        response = members(event.get("response"))
        id_, created = string(response.get("id")), response.get("created_at")
        if self._strict and not id_.startswith("resp_"):
            raise CannotSplice("the response has no id of this API")
        begun = int(created) if isinstance(created, int | float) else None
        self.begin = Begin(id_, string(response.get("model")), begun)
        return ()

    def _added(self, event: dict[str, Any]) -> Iterable[Told]:
        item = members(event.get("item"))
        place, id_, kind = len(self.output), string(item.get("id")), item.get("type")
        if self._strict and event.get("output_index") != place:
            raise CannotSplice("items do not follow one another")
        self.output.append({})
        if kind == "function_call":
            token = item.get("thought_signature")
            signed = tokens.read(token, FAMILY) if isinstance(token, str) and token else None
            head = Calling(self.count, string(item.get("call_id")), string(item.get("name")), token=signed)
            self.calls[self.count] = Call(head, id_, place)
            self.count, self._last = self.count + 1, Calling
            yield head
        elif kind == "message" and not items(item.get("content")):
            self.open = Open(Said, id_, place)
        elif kind == "reasoning":
            self.open = Open(Thought, id_, place)
        else:
            raise CannotSplice(f"pieces do not carry an item of {kind!r}")

    def _part(self, event: dict[str, Any]) -> Iterable[Told]:
        part = members(event.get("part"))
        kind = Thought if part.get("type") == "summary_text" else _KINDS.get(string(part.get("type")))
        if self.open is None or kind is None or part.get("annotations"):
            raise CannotSplice(f"pieces do not carry a part of {part.get('type')!r}")
        if self._strict and kind is self._last and kind is not Thought:
            raise CannotSplice("two texts behind one another")
        self.ending = self.ending and kind is Thought and event.get("summary_index") == 0
        self._last = kind
        if kind is not Thought:
            self.open.part = Part(Refused if kind is Refused else Said)
        yield kind("")

    def _text(self, kind: type[Said | Refused | Thought], event: dict[str, Any]) -> Iterable[Told]:
        text, open_ = string(event.get("delta")), self.open
        if open_ is None or (self._strict and event.get("logprobs")):
            raise CannotSplice("a text without its item, or with probabilities")
        if kind is Thought:
            open_.thoughts.append(text)
        elif open_.part is not None:
            open_.part.text.append(text)
        self.refused |= kind is Refused
        yield kind(text)

    def _argued(self, event: dict[str, Any]) -> Iterable[Told]:
        call = self._call(event)
        call.arguments.append(string(event.get("delta")))
        yield Argued(call.head.index, call.arguments[-1])

    def _call(self, event: dict[str, Any]) -> Call:
        place = event.get("output_index")
        for call in self.calls.values():
            if call.place == place:
                return call
        raise CannotSplice("arguments without their call")

    def _done(self, event: dict[str, Any]) -> Iterable[Told]:
        item = members(event.get("item"))
        place = event.get("output_index")
        if not isinstance(place, int) or not 0 <= place < len(self.output):
            raise CannotSplice("an item ends that was not begun")
        self.output[place], self.ending = item, False
        if item.get("type") == "function_call":
            call = self._call(event)
            if not call.arguments and (given := string(item.get("arguments"))):
                yield Argued(call.head.index, given)
            del self.calls[call.head.index]
            return
        open_, self.open = self.open, None
        token = item.get("encrypted_content")
        if open_ is not None and open_.kind is Thought and isinstance(token, str) and token:
            if self._strict and not any(open_.thoughts):
                raise CannotSplice("thoughts that are hidden")
            yield Thought(token=tokens.read(token, FAMILY), redacted=not items(item.get("summary")))


def read(sent: bytes) -> Point:
    """Return where a client's stream stands. Raises CannotSplice."""
    reader = _Reader(strict=True)
    told = [piece for event in chunks(sent) for piece in reader.read(event)]
    open_ = reader.open
    begun = open_ is None or open_.part is not None or any(isinstance(piece, Thought) for piece in told)
    if reader.ending or not begun:  # what is told next is either's: nobody knows which
        raise CannotSplice("it broke within the beginning or within the end of an item")
    closed = open_ is None and not reader.calls and bool(told)
    return Point(Shown(tuple(told), closed=closed), partial(_speaker, reader))


def _speaker(reader: _Reader, wants_usage: bool, asked: bytes) -> ResponsesSpeaker:
    speaker = ResponsesSpeaker(wants_usage, asked)
    under_way = copy.deepcopy((reader.open, reader.calls))  # each attempt goes on by itself
    known, refused = reader.count, reader.refused
    speaker.take_up(reader.begin, reader.number, reader.output, *under_way, known=known, refused=refused)
    return speaker


def hear() -> Callable[[bytes], Sequence[Piece]]:
    """Return what reads the pieces that are told again."""
    reader = _Reader(strict=False)
    return lambda told: [piece for event in chunks(told) for piece in reader.read(event)]


RESUME = Resume(read, hear)
