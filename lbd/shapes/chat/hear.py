"""Chat-completion answers as pieces, heard from providers of the OpenAI family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lbd.model.failure import LbdError
from lbd.model.messages import (
    Argued,
    Begin,
    Calling,
    Finished,
    Piece,
    Reason,
    Refused,
    Said,
    Thought,
    Used,
)
from lbd.shapes import loose, tokens
from lbd.shapes.chat import passing, usage
from lbd.shapes.chat.halves import Halves
from lbd.shapes.chat.parted import flat
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.heard import WatchedListener, arguments, loads
from lbd.shapes.loose import string

FAMILY = "openai"
REASONS = {
    "stop": Reason.STOP,
    "length": Reason.LENGTH,
    "model_length": Reason.LENGTH,  # Mistral: the model's context is full
    "repetition": Reason.LENGTH,  # vLLM has stopped what went round in circles
    "tool_calls": Reason.CALLS,
    "function_call": Reason.CALLS,
    "content_filter": Reason.FILTER,
}


class _Reader:
    """Reads chunks and whole messages: where a call begins, and which it is, has to be remembered."""

    def __init__(self) -> None:
        self._begun = False
        self._calls: dict[int, dict[object, int]] = {}  # choice -> the provider's index or id of a call -> its number
        self._finished: set[int] = set()

    def begin(self, top: dict[str, Any]) -> Iterable[Piece]:
        if self._begun or not (top.get("id") or top.get("choices")):  # Azure's first chunk is about the prompt
            return
        self._begun = True
        created = top.get("created")
        yield Begin(
            string(top.get("id")),
            string(top.get("model")),
            created if isinstance(created, int) else None,
            string(top.get("system_fingerprint")) or None,
        )

    def choice(self, choice: dict[str, Any], place: int = 0) -> Iterable[Piece]:
        """Yield the pieces of a choice. ``place`` speaks for an index that is none."""
        index = choice.get("index", place)
        number = index if isinstance(index, int) else place
        for part in ("delta", "message"):  # servers that cannot stream send a whole message in one chunk
            told = choice.get(part)
            if isinstance(told, dict) and told:
                yield from self._delta(told, number, choice.get("logprobs"), whole=part == "message")
                break
        else:
            yield from self._delta({}, number, choice.get("logprobs"), whole=True)
        reason = choice.get("finish_reason")
        if reason and number not in self._finished:
            self._finished.add(number)
            yield Finished(self._reason(reason, number), number)

    def _reason(self, word: object, number: int) -> Reason:
        known = REASONS.get(word, Reason.STOP) if isinstance(word, str) else Reason.STOP
        # some servers say "stop" after a call, and clients that go by the word would never answer it
        return Reason.CALLS if known is Reason.STOP and self._calls.get(number) else known

    def _delta(self, delta: dict[str, Any], number: int, logprobs: object, *, whole: bool) -> Iterable[Piece]:
        if isinstance(delta.get("content"), list):
            delta = flat(delta)
        yield from _thoughts(delta, number)
        content = delta.get("content")
        logprobs = logprobs if isinstance(logprobs, dict) and logprobs else None
        if (isinstance(content, str) and content) or logprobs:
            yield Said(string(content), number, logprobs)
        if isinstance(delta.get("refusal"), str) and delta["refusal"]:
            yield Refused(delta["refusal"], number)
        calls = delta.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                yield from self._call(call, f"{place} of a whole" if whole else self._key(call, number), number)
        old = delta.get("function_call")
        if isinstance(old, dict):
            yield from self._call({"function": old, "id": "call_0"}, 0, number)

    def _key(self, call: dict[str, Any], number: int) -> object:
        """Return what a piece of a call calls it by: its index, else its id, else it goes on with the last one."""
        index, id_, known = call.get("index"), call.get("id"), self._calls.get(number, {})
        if isinstance(index, int):
            return index
        if isinstance(id_, str) and id_:
            return id_
        function = call.get("function")
        begins = isinstance(function, dict) and string(function.get("name"))
        return f"{len(known)} without id" if begins or not known else list(known)[-1]

    def _call(self, call: dict[str, Any], key: object, number: int) -> Iterable[Piece]:
        known = self._calls.setdefault(number, {})
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        if key not in known:
            known[key] = len(known)
            extra = call.get("extra_content")
            google = extra.get("google") if isinstance(extra, dict) else None
            value = google.get("thought_signature") if isinstance(google, dict) else None
            token = tokens.read(value, "gemini") if isinstance(value, str) else None
            id_ = string(call.get("id")) or f"call_{number}_{known[key]}"
            yield Calling(known[key], id_, string(function.get("name")), number, token)
        given = function.get("arguments")
        if isinstance(given, dict):  # servers that do not write them as a string
            given = arguments(given)
        if isinstance(given, str) and given:
            yield Argued(known[key], given, number)


def _thoughts(delta: dict[str, Any], number: int) -> Iterable[Piece]:
    """Yield what was thought: the details where they hold more than the bare text, which is a token."""
    told = delta.get("reasoning_details")
    details = [_detail(d, number) for d in told if isinstance(d, dict)] if isinstance(told, list) else []
    bare = string(delta.get("reasoning_content")) or string(delta.get("reasoning"))
    if bare and all(d.token is None for d in details):
        yield Thought(bare, number)
    else:
        yield from (d for d in details if d.text or d.token is not None)


def _detail(detail: dict[str, Any], number: int) -> Thought:
    value = detail.get("signature") or detail.get("data")
    token = tokens.read(value, "") if isinstance(value, str) and value else None
    text = string(detail.get("text")) or string(detail.get("summary"))
    return Thought(text, number, token, redacted=token is not None and value == detail.get("data"))


class ChatListener(WatchedListener):
    """See :class:`lbd.shapes.dialect.Listener`."""

    def __init__(self, _model: str, choices: int) -> None:
        super().__init__(ChatWatch(choices, False, wants_usage=True))
        self._reader = _Reader()
        self._halves = Halves()

    def _load(self, data: bytes) -> dict[str, Any]:
        return loads(data, self._halves.read)

    def _event(self, chunk: dict[str, Any]) -> Iterable[Piece]:
        yield from self._reader.begin(chunk)
        for choice in chunk.get("choices") or ():
            yield from self._reader.choice(choice)
        counted = usage.odd(chunk.get("usage"))
        told = None if counted is None else counted.usage()
        if told is not None:
            yield Used(told)


def read(body: bytes, _model: str) -> list[Piece]:
    """Return the pieces of a unary answer. Raises LbdError."""
    facts = passing.facts(body)
    if facts.failure is not None:
        raise LbdError(facts.failure)
    answer, reader = loads(body.removeprefix(loose.BOM)), _Reader()
    out = list(reader.begin(answer))
    for place, choice in enumerate(answer["choices"]):
        out += reader.choice(choice, place)
    if facts.usage is not None:
        out.append(Used(facts.usage))
    return out
