"""Answers of generateContent as pieces. A stream's events are of the same form as a whole answer, each with a part.

The ends come last, whatever comes after the first word of one: Google has been seen to tell the reason before the last
signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Token, Used
from lbd.model.outcome import Usage
from lbd.shapes import loose, tokens
from lbd.shapes.gather import NO_ARGUMENTS
from lbd.shapes.gemini import finish
from lbd.shapes.gemini.errors import in_band
from lbd.shapes.gemini.usage import Counts
from lbd.shapes.loose import items, members, string

FAMILY = "gemini"
MOST_CANDIDATES = 128  # beyond it an index is none
# What a client of another shape cannot be given. They come of models and tools that were made for them.
_UNSAYABLE = {
    "inlineData": "an image or a sound",
    "fileData": "a file",
    "executableCode": "code that Google ran",
    "codeExecutionResult": "what code gave that Google ran",
}
_ODD = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
_OF_ID = 22  # of a call's id, so that the whole keeps within the 40 characters that OpenAI takes


def _minted(part: dict[str, Any]) -> Token | None:
    value = part.get("thoughtSignature")
    return tokens.read(value, FAMILY) if isinstance(value, str) and value else None


class Reader:
    """Reads what comes of one answer, event by event or whole."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._counts = Counts()
        self._calls: dict[int, int] = {}  # candidate -> how many calls it has made
        self._ends: dict[int, Reason | None] = {}  # candidate -> why it ended, None while it has not
        self._closed = False

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, as far as they were told."""
        return self._counts.usage()

    @property
    def finished(self) -> int:
        """Count of candidates that have ended, 0 while one that was seen goes on."""
        ends = self._ends.values()
        return 0 if None in ends else len(ends)

    @property
    def candidates(self) -> int:
        """Count of candidates that were seen."""
        return len(self._ends)

    def take(self, answer: dict[str, Any]) -> list[Piece]:
        """Return the pieces of an answer or of one event. Raises LbdError for an error, a block, what is no answer."""
        if answer.get("error"):
            raise LbdError(in_band(answer["error"]))
        self._counts.add(answer.get("usageMetadata"))
        candidates = [c for c in items(answer.get("candidates")) if isinstance(c, dict)]
        block = finish.blocked(answer.get("promptFeedback"))
        if block is not None and not candidates:
            raise LbdError(block)
        out: list[Piece] = []
        if self._id is None and (candidates or answer.get("responseId")):
            self._id = string(answer.get("responseId"))
            out.append(Begin(self._id, string(answer.get("modelVersion")), usage=self.usage))
        for place, candidate in enumerate(candidates):
            out += self._candidate(candidate, place)
        return out

    def ends(self) -> list[Piece]:
        """Return what closes the answer, once: the reasons, and the usage."""
        if self._closed:
            return []
        self._closed = True
        out: list[Piece] = [
            Finished(reason, number) for number, reason in sorted(self._ends.items()) if reason is not None
        ]
        usage = self.usage
        return out if usage is None else [*out, Used(usage)]

    def _candidate(self, candidate: dict[str, Any], place: int) -> list[Piece]:
        number = candidate.get("index")
        if type(number) is not int or not 0 <= number < MOST_CANDIDATES:
            number = place
        self._ends.setdefault(number, None)
        out: list[Piece] = []
        for part in items(members(candidate.get("content")).get("parts")):
            if isinstance(part, dict):
                out += self._part(part, number)
        logprobs = _logprobs(candidate.get("logprobsResult"))
        if logprobs is not None:
            at = next((i for i, piece in enumerate(out) if isinstance(piece, Said)), None)
            if at is None:
                out.append(Said("", number, logprobs))
            else:
                out[at] = replace(out[at], logprobs=logprobs)
        self._end(candidate, number)
        return out

    def _end(self, candidate: dict[str, Any], number: int) -> None:
        word = string(candidate.get("finishReason"))
        if word in finish.OPEN:
            return
        failure = finish.failed(word, candidate.get("finishMessage"))
        if failure is not None:
            raise LbdError(failure)
        reason = finish.REASONS.get(word, Reason.STOP)
        self._ends[number] = Reason.CALLS if reason is Reason.STOP and self._calls.get(number) else reason

    def _part(self, part: dict[str, Any], number: int) -> Iterable[Piece]:
        """Return the pieces of a part. A signature beside text that is no thought is a token of its own after it."""
        token, text = _minted(part), string(part.get("text"))
        call = part.get("functionCall")
        if isinstance(call, dict):
            yield from self._call(call, number, token)
        elif part.get("thought") is True:
            if text or token is not None:
                yield Thought(text, number, token)
        else:
            for name, what in _UNSAYABLE.items():
                if part.get(name) is not None:
                    text_ = f"the answer holds {what}, which has no place in the client's shape"
                    raise LbdError(Failure(FailureKind.UNSUPPORTED, text_, status=200))
            if text:
                yield Said(text, number)
            if token is not None:
                yield Thought(choice=number, token=token, redacted=True)

    def _call(self, call: dict[str, Any], number: int, token: Token | None) -> Iterable[Piece]:
        index = self._calls.get(number, 0)
        self._calls[number] = index + 1
        id_ = string(call.get("id"))
        if not id_:  # older models give none: one that is the same however the answer comes
            of = _ODD.sub("", self._id or "")[-_OF_ID:]
            id_ = "_".join(["call", *([of] if of else []), str(number), str(index)])
        yield Calling(index, id_, string(call.get("name")), number, token)
        yield Argued(index, _arguments(call.get("args")), number)


def _arguments(args: object) -> str:
    if args is None:
        return NO_ARGUMENTS
    try:
        if isinstance(args, dict):
            return loose.written(args).decode()
    except TypeError:  # nested deeper than can be written
        pass
    raise LbdError(Failure(FailureKind.BAD_BODY, "the arguments of a call cannot be read", status=200))


def _logprobs(result: object) -> dict[str, Any] | None:
    """Return log-probabilities in OpenAI's form."""
    told = members(result)
    tops = list(items(told.get("topCandidates")))
    content = []
    for place, chosen in enumerate(items(told.get("chosenCandidates"))):
        top = items(members(tops[place]).get("candidates")) if place < len(tops) else ()
        content.append({**_likely(chosen), "top_logprobs": [_likely(t) for t in top]})
    return {"content": content, "refusal": None} if content else None


def _likely(token: object) -> dict[str, Any]:
    told = members(token)
    text, logprob = string(told.get("token")), told.get("logProbability")
    number = float(logprob) if isinstance(logprob, int | float) else 0.0
    return {"token": text, "logprob": number, "bytes": list(text.encode("utf-8", "replace"))}
