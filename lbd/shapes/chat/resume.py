"""How a chat-completion stream is taken up where it broke.

What its client has is read strictly: members that hold something and that pieces do not carry stand in the way, since
they could neither be compared nor gone on with. What is told again is read for its pieces alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import orjson

from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Refused, Said, Thought
from lbd.shapes import sse, tokens
from lbd.shapes.chat.hear import REASONS
from lbd.shapes.chat.speak import ChatSpeaker
from lbd.shapes.loose import string
from lbd.shapes.retold import Shown, Told
from lbd.shapes.splice import CannotSplice, Point, Resume

# Members of a choice that say something of it, and nothing that belongs to the answer itself.
_ASIDE = frozenset({"content_filter_results", "native_finish_reason", "stop_reason", "matched_stop"})
_CHOICE = _ASIDE | {"index", "delta", "finish_reason"}
_DELTA = frozenset({"role", "content", "reasoning_content", "reasoning", "reasoning_details", "refusal", "tool_calls"})
_CALL = frozenset({"index", "id", "type", "function", "extra_content"})
_FUNCTION = frozenset({"name", "arguments"})
_THOUGHTS = ("reasoning_content", "reasoning")
_DONE = b"[DONE]"


def chunks(sent: bytes) -> Iterable[dict[str, Any]]:
    """Yield the events of a stream that was read once. Raises CannotSplice for what strict JSON cannot say."""
    for data in _payloads(sent):
        if not data or data == _DONE:
            continue
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:  # half a character: the other one is in another event
            raise CannotSplice("an event holds half a character, or no strict JSON") from None
        if isinstance(chunk, dict):
            yield chunk


def _payloads(sent: bytes) -> Iterable[bytes]:
    """Yield the data of each event. Most are one line, and there may be thousands: those need no parser."""
    for block in sent.split(b"\n\n"):
        if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
            yield block[6:].strip()
        elif block:
            yield from ((frame.data or b"").strip() for frame in sse.frames(block + b"\n\n"))


def only(told: dict[str, Any], known: Iterable[str]) -> None:
    """Raise CannotSplice for a member that holds something and is not among ``known``."""
    for name, value in told.items():
        if value and name not in known:
            raise CannotSplice(f"pieces do not carry {name!r}")


def begin(chunk: dict[str, Any]) -> Begin:
    """Return what stands at the top of a chunk. Which build answered is each run's own."""
    created = chunk.get("created")
    return Begin(string(chunk.get("id")), string(chunk.get("model")), created if isinstance(created, int) else None)


class _Choice:
    """One choice under way."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._calls: dict[object, int] = {}  # the provider's index of a call, or its id -> its number
        self._thoughts: list[str] = []  # since the last signature
        self._finished = False

    def read(self, choice: dict[str, Any], *, strict: bool) -> Iterable[Told]:
        delta = choice.get("delta")
        told: dict[str, Any] = delta if isinstance(delta, dict) else {}
        if strict:
            only(choice, _CHOICE)
            only(told, _DELTA)
        elif not told and isinstance(choice.get("message"), dict):
            raise CannotSplice("the answer comes whole, not in pieces")
        yield from self._thought(told, strict=strict)
        if isinstance(text := told.get("content"), str) and text:
            self._thoughts = []
            yield Said(text, self.number)
        elif text and strict:
            raise CannotSplice("pieces do not carry 'content' that is no text")
        if isinstance(text := told.get("refusal"), str) and text:
            self._thoughts = []
            yield Refused(text, self.number)
        calls = told.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield from self._call(call, strict=strict)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason and not self._finished:
            self._finished = True
            known = REASONS.get(reason, Reason.STOP)
            # some servers say "stop" after a call
            yield Finished(Reason.CALLS if self._calls and known is Reason.STOP else known, self.number)

    def _thought(self, delta: dict[str, Any], *, strict: bool) -> Iterable[Thought]:
        said = [text for name in _THOUGHTS if isinstance(text := delta.get(name), str) and text]
        if len(said) > 1 and said[0] != said[1]:
            raise CannotSplice("two members say different thoughts")
        if said:
            self._thoughts.append(said[0])
            yield Thought(said[0], self.number)
        details = delta.get("reasoning_details")
        for detail in details if isinstance(details, list) else ():
            signature = detail.get("signature") if isinstance(detail, dict) else None
            whole = "".join(self._thoughts)
            # as lbd itself writes them: the signature behind the thoughts, with all of them
            if not said and isinstance(signature, str) and signature and whole and detail.get("text") == whole:
                self._thoughts = []
                yield Thought("", self.number, tokens.read(signature, ""))
            elif strict or not said:
                raise CannotSplice("reasoning_details, which only their maker can read")

    def _call(self, call: dict[str, Any], *, strict: bool) -> Iterable[Told]:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        if strict:
            only(call, _CALL)
            only(function, _FUNCTION)
        key = call.get("index")
        if not isinstance(key, int):
            raise CannotSplice("a piece of a tool call does not say of which")
        self._thoughts = []
        if key not in self._calls:
            number = self._calls[key] = len(self._calls)
            if strict and key != number:
                raise CannotSplice("tool calls are not counted from 0 on")
            extra = call.get("extra_content")
            google = extra.get("google") if isinstance(extra, dict) else None
            value = google.get("thought_signature") if isinstance(google, dict) else None
            token = tokens.read(value, "gemini") if isinstance(value, str) else None
            id_ = string(call.get("id")) or f"call_{self.number}_{number}"
            yield Calling(number, id_, string(function.get("name")), self.number, token)
        given = function.get("arguments")
        if isinstance(given, str) and given:
            yield Argued(self._calls[key], given, self.number)
        elif given and not isinstance(given, str):
            raise CannotSplice("the arguments of a tool call are no text")


class _Reader:
    """Reads chunks one after the other."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._choices: dict[int, _Choice] = {}

    def choices(self, chunk: dict[str, Any]) -> Iterable[Told]:
        for choice in chunk.get("choices") or ():
            index = choice.get("index", 0) if isinstance(choice, dict) else None
            if not isinstance(index, int):
                raise CannotSplice("a choice does not say which it is")
            known = self._choices.setdefault(index, _Choice(index))
            yield from known.read(choice, strict=self._strict)


def read(sent: bytes) -> Point:
    """Return where a client's stream stands. Raises CannotSplice."""
    reader, head, told = _Reader(strict=True), Begin("", ""), list[Told]()
    members, choices = set[str](), set[int]()
    for chunk in chunks(sent):
        if not head.id:
            head = begin(chunk)
        told += reader.choices(chunk)
        for choice in chunk.get("choices") or ():
            choices.add(choice.get("index", 0))
            members |= {name for name in _THOUGHTS if (choice.get("delta") or {}).get(name)}
    names = tuple(name for name in _THOUGHTS if name in members) or _THOUGHTS[:1]
    return Point(Shown(tuple(told)), partial(_speaker, head, _joined(told), frozenset(choices), names))


def _joined(told: Iterable[Told]) -> list[Told]:
    """Return the same with pieces of one text as one: a speaker has said them sooner."""
    out: list[Told] = []
    for piece in told:
        last = out[-1] if out else None
        if isinstance(last, Said) and isinstance(piece, Said) and last.choice == piece.choice:
            out[-1] = Said(last.text + piece.text, piece.choice)
        else:
            out.append(piece)
    return out


def _speaker(
    head: Begin, told: Sequence[Told], choices: frozenset[int], names: Sequence[str], wants_usage: bool, asked: bytes
) -> ChatSpeaker:
    """Return a speaker that has said all this."""
    speaker = ChatSpeaker(wants_usage, asked, thoughts=names, side_by_side=True)
    speaker.say((head, *told))
    silent = choices - {piece.choice for piece in told}
    speaker.say(Said("", number) for number in silent)  # whose role was told, and nothing else
    return speaker


def hear() -> Callable[[bytes], Sequence[Piece]]:
    """Return what reads the pieces that are told again."""
    reader = _Reader(strict=False)
    return lambda told: [piece for chunk in chunks(told) for piece in reader.choices(chunk)]


RESUME = Resume(read, hear)
