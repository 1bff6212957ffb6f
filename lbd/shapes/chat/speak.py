"""Pieces as chat-completion answers, spoken to clients of the OpenAI family."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import (
    Answer,
    Argued,
    Begin,
    Call,
    Calling,
    Finished,
    Piece,
    Reason,
    Refusal,
    Refused,
    Said,
    Text,
    Thinking,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes import tokens
from lbd.shapes.gather import NO_ARGUMENTS

WORDS = {
    Reason.STOP: "stop",
    Reason.STOP_SEQUENCE: "stop",
    Reason.LENGTH: "length",
    Reason.CALLS: "tool_calls",
    Reason.FILTER: "content_filter",
    Reason.REFUSAL: "content_filter",
    Reason.PAUSE: "stop",
}


def _dumps(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # log-probabilities, which are the provider's as they are
        raise LbdError(Failure(FailureKind.BAD_BODY, "the answer is nested too deep", status=200)) from None


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Return token counts as OpenAI writes them."""
    written = {"cache_write_tokens": usage.written} if usage.written else {}
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached, **written},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _detail(index: int, text: str, token: Token, redacted: bool) -> dict[str, Any]:
    shown = tokens.shown(token, "")  # of whose a bare one is nobody knows: servers of many families speak this shape
    if redacted:
        return {"index": index, "type": "reasoning.encrypted", "data": shown}
    return {"index": index, "type": "reasoning.text", "text": text, "signature": shown}


class _Speaking:
    """One choice under way: what has to be remembered of it."""

    def __init__(self) -> None:
        self.thoughts: list[str] = []  # since the last token: a token is only good with the words that it signs
        self.details = 0
        self.called = self.finished = False
        self.unargued: dict[int, None] = {}  # calls that have no arguments so far
        self.ended: set[int] = set()  # those that were told to have none

    def call(self, piece: Calling | Argued) -> dict[str, Any]:
        if isinstance(piece, Calling):
            self.called, self.unargued[piece.index] = True, None
            return _call(piece.id, piece.name, "", piece.token)
        self.unargued.pop(piece.index, None)
        if piece.index in self.ended and piece.arguments.strip():
            why = "the arguments of a tool call go on behind their end"
            raise LbdError(Failure(FailureKind.BAD_BODY, why, status=200))
        return {"function": {"arguments": piece.arguments}}

    def detail(self, piece: Thought, token: Token) -> dict[str, Any]:
        text, self.thoughts, self.details = "".join(self.thoughts), [], self.details + 1
        return _detail(self.details - 1, text, token, piece.redacted)


class ChatSpeaker:
    """See :class:`lbd.shapes.dialect.Speaker`: one id, the role once, the usage last, one end mark.

    ``side_by_side``: arguments may come for a call when the next has begun; elsewhere it has ended then.
    """

    def __init__(
        self,
        wants_usage: bool,
        _asked: bytes = b"",
        *,
        thoughts: Sequence[str] = ("reasoning_content",),
        side_by_side: bool = False,
    ) -> None:
        self._wants_usage = wants_usage
        self._side_by_side = side_by_side
        self._thoughts = thoughts  # the members that thoughts stand in
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Speaking] = {}
        self._usage: Usage | None = None

    def say(self, pieces: Iterable[Piece]) -> bytes:
        """Return the chunks of these pieces."""
        out: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, Begin):
                self._head = self._head or head(piece, "chat.completion.chunk")
            elif isinstance(piece, Used):
                self._usage = piece.usage
            else:
                out += self._piece(piece)
        return b"".join(out)

    def _piece(self, piece: Said | Thought | Refused | Calling | Argued | Finished) -> Iterable[bytes]:
        """Yield the chunk of a piece, behind the arguments of calls that have ended without any."""
        state = self._choices.get(piece.choice)
        if state is not None:
            if isinstance(piece, Finished) and state.finished:
                return
            if isinstance(piece, Finished) or (isinstance(piece, Calling) and not self._side_by_side):
                for index in list(state.unargued):
                    yield self._choice(Argued(index, NO_ARGUMENTS, piece.choice))
                    state.ended.add(index)
        yield self._choice(piece)

    def _choice(self, piece: Said | Thought | Refused | Calling | Argued | Finished) -> bytes:
        number = piece.choice
        delta: dict[str, Any] = {}
        state = self._choices.get(number)
        if state is None:
            state = self._choices[number] = _Speaking()
            delta["role"] = "assistant"
        choice: dict[str, Any] = {"index": number, "delta": delta, "finish_reason": None}
        if isinstance(piece, Calling) or (isinstance(piece, Said | Refused) and piece.text):
            state.thoughts = []  # as in gather: they have ended
        if isinstance(piece, Said):
            delta["content"] = piece.text
            if piece.logprobs is not None:
                choice["logprobs"] = piece.logprobs
        elif isinstance(piece, Thought):
            if piece.text:
                delta |= dict.fromkeys(self._thoughts, piece.text)
                state.thoughts.append(piece.text)
            if piece.token is not None:
                delta["reasoning_details"] = [state.detail(piece, piece.token)]
        elif isinstance(piece, Refused):
            delta["refusal"] = piece.text
        elif isinstance(piece, Calling | Argued):
            delta["tool_calls"] = [{"index": piece.index, **state.call(piece)}]
        else:
            state.finished = True
            choice["finish_reason"] = WORDS[piece.reason]
        return self._chunk({"choices": [choice]})

    def _chunk(self, more: dict[str, Any]) -> bytes:
        if not self._head:
            self._head = head(Begin("", ""), "chat.completion.chunk")
        return b"data: %b\n\n" % _dumps(self._head | more)

    def end(self) -> bytes:
        """Return the finish of what has none, the usage, where it is wanted, and the end mark."""
        open_ = [Finished(Reason.CALLS if s.called else Reason.STOP, n) for n, s in self._choices.items()]
        finish, usage = self.say(f for f in open_ if not self._choices[f.choice].finished), b""
        if self._wants_usage:
            usage = self._chunk({"choices": [], "usage": usage_fields(self._usage or Usage())})
        return finish + usage + b"data: [DONE]\n\n"


def head(begin: Begin, kind: str) -> dict[str, Any]:
    """Return what stands at the top of every chunk and answer."""
    told: dict[str, Any] = {
        "id": begin.id or "chatcmpl-lbd",
        "object": kind,
        "created": begin.created or 0,
        "model": begin.model,
    }
    return told if begin.fingerprint is None else {**told, "system_fingerprint": begin.fingerprint}


def _call(id_: str, name: str, arguments: str, token: Token | None) -> dict[str, Any]:
    call: dict[str, Any] = {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    if token is not None:
        call["extra_content"] = {"google": {"thought_signature": tokens.shown(token, "")}}
    return call


def whole(answer: Answer) -> bytes:
    """Return a unary answer."""
    begin = Begin(answer.id, answer.model, answer.created, answer.fingerprint)
    body = head(begin, "chat.completion")
    body["choices"] = [_message(i, choice) for i, choice in enumerate(answer.choices)]
    body["usage"] = usage_fields(answer.usage or Usage())
    return _dumps(body)


def _message(number: int, choice: Any) -> dict[str, Any]:
    texts = [p.text for p in choice.parts if isinstance(p, Text)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": None}
    refusals = [p.text for p in choice.parts if isinstance(p, Refusal)]
    if refusals:
        message["refusal"] = "".join(refusals)
    thoughts = [p for p in choice.parts if isinstance(p, Thinking)]
    if any(t.text for t in thoughts):
        message["reasoning_content"] = "".join(t.text for t in thoughts)
    signed = [(t, t.token) for t in thoughts if t.token is not None]
    if signed:
        message["reasoning_details"] = [_detail(i, t.text, token, t.redacted) for i, (t, token) in enumerate(signed)]
    calls = [_call(p.id, p.name, p.arguments, p.token) for p in choice.parts if isinstance(p, Call)]
    if calls:
        message["tool_calls"] = calls
    return {
        "index": number,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": WORDS[choice.reason],
    }
