"""The OpenAI family's chat completions, provider side: what its shapes share.

Same shape in and out: the client's bytes pass through, and only the model name, and in streams the wish for
usage, are put in their places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import QuotaReading
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.shapes import edit, limits, loose
from lbd.shapes.chat import usage
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.foreign import without_foreign
from lbd.shapes.chat.plain import cut, plain_error, typed
from lbd.shapes.chat.usage import UsageFields
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.wire import NOTHING, Facts

CAPABILITIES = frozenset(
    {
        "tools",
        "parallel_tools",
        "images",
        "audio",
        "files",
        "json_schema",
        "json_object",
        "logprobs",
        "n",
        "seed",
        "reasoning",
        "sampling",
        "top_k",
        "penalties",
        "logit_bias",
        "names",
        "server_tools",
    }
)

_WITH_USAGE = b'{"include_usage":true}'
# The members of a message that say something.
_SAYING = (
    "content",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "refusal",
    "tool_calls",
    "function_call",
    "audio",
)


def encode(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
    """Return the bytes to send: the client's own, but for what must change.

    ``stream`` may differ from what the client asked (a unary request sent as a stream); ``ask_usage`` adds
    ``stream_options.include_usage`` where the client did not.
    """
    raw = body.raw
    head = body.head
    if head.marked:
        raw = without_foreign(raw)
    members: dict[str, bytes] = {}
    if stream and not head.stream:
        members["stream"] = b"true"
    if stream and ask_usage and not head.include_usage:
        members["stream_options"] = _usage_option(raw)
    if members:
        if row.upstream_model != head.model:
            members["model"] = orjson.dumps(row.upstream_model)
        return edit.with_members(raw, members)
    return raw if row.upstream_model == head.model else edit.with_model(raw, row.upstream_model)


class _Options(msgspec.Struct):
    stream_options: msgspec.Raw = msgspec.Raw(b"null")


def _usage_option(raw: bytes) -> bytes:
    if b'"stream_options"' not in raw:
        return _WITH_USAGE
    options = bytes(msgspec.json.decode(raw, type=_Options).stream_options)
    return _WITH_USAGE if options == b"null" else edit.with_members(options, {"include_usage": b"true"})


def bearer(key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the credential as an ``Authorization: Bearer`` header."""
    return () if key is None else (("authorization", f"Bearer {key}"),)


class _UnaryChoice(msgspec.Struct):
    finish_reason: object = None
    error: object = None
    message: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()  # of the older text completions

    @property
    def says(self) -> bool:
        return bytes(memoryview(self.message)[:1]) == b"{" or bytes(memoryview(self.text)[:1]) == b'"'

    @property
    def empty(self) -> bool:
        try:
            return _empty(*(loose.value(bytes(told) or b"null") for told in (self.message, self.text)))
        except UNREADABLE:
            return False


class _Unary(msgspec.Struct):
    choices: list[_UnaryChoice] | None = None
    usage: UsageFields | None = None
    model: str | None = None
    error: object = None
    error_type: object = None


class _OddChoice(msgspec.Struct):
    finish_reason: object = None
    error: object = None
    message: object = None
    text: object = None

    @property
    def says(self) -> bool:
        return isinstance(self.message, dict) or isinstance(self.text, str)

    @property
    def empty(self) -> bool:
        return _empty(self.message, self.text)


class _OddUnary(msgspec.Struct):
    choices: list[_OddChoice] | None = None
    usage: Any = None
    model: str | None = None
    error: object = None
    error_type: object = None


def _empty(message: object, text: object) -> bool:
    """Tell whether nothing is said in a choice."""
    return not text and not any(map(loose.members(message).get, _SAYING))


_decode_unary = msgspec.json.Decoder(_Unary).decode


def _unary(body: bytes) -> _Unary | _OddUnary:
    """Read a whole answer; one that is not in order is read a second time, as far as it can be."""
    try:
        return _decode_unary(body)
    except UNREADABLE:
        answer = loose.read(body, _OddUnary)
        answer.usage = usage.odd(answer.usage)
        return answer


def facts(body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read a whole answer. Anything that is no chat completion is a failure in spite of its 200."""
    try:
        answer = _unary(body.removeprefix(loose.BOM))
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer is not a chat completion: {e}", status=200))
    if not answer.choices:
        error = plain_error(body) if answer.error is None else typed(answer.error, answer.error_type)
        if error is not None:
            return Facts(failure=in_band(error))
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer has no choices", status=200))
    silent, nothing = False, True
    for choice in answer.choices:
        failure = cut(choice.finish_reason, choice.error)
        if failure is not None:
            return Facts(failure=failure)
        silent = silent or not choice.says
        nothing = nothing and not choice.finish_reason and choice.empty
    if silent:
        return Facts(failure=Failure(FailureKind.BAD_BODY, "a choice of the answer has no message", status=200))
    if nothing:
        return Facts(failure=Failure(FailureKind.BAD_BODY, NOTHING, status=200))
    return Facts(answer.usage.usage() if answer.usage else None, answer.model)


def quota(headers: Mapping[str, str], wall: WallTime) -> tuple[QuotaReading, ...]:
    """Read ``x-ratelimit-*`` headers."""
    return limits.readings(headers, "x-ratelimit", wall)


class _Listed(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Listed]


def read_models(body: bytes) -> frozenset[str] | None:
    """Return the ids of a model list, None where the body is none."""
    try:
        return frozenset(m.id for m in msgspec.json.decode(body, type=_Models).data)
    except UNREADABLE:
        return None
