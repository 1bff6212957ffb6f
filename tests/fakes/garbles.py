"""What may come of a provider in place of an answer, or between two of its events: junk, news, errors.

Errors are in the forms that each provider documents, or that its server writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lbd.model.failure import FailureKind
from tests.fakes import golden
from tests.unit.shapes import amazon, streams
from tests.unit.shapes.gemini import answers as google
from tests.unit.shapes.messages import transcripts as claude

K = FailureKind

# Unknown events, which no client may be troubled with.
UNKNOWN: Mapping[str, tuple[bytes, ...]] = {
    "chat": (
        b": keep-alive\n\n",
        streams.event({"object": "x.future", "x_future": 1}),
        b"event: future\n" + streams.event({"x_future": [{}]}),
        b"id: 7\n\n",
        b"retry: 10\n\n",
        b"data: \n\n",
    ),
    "responses": (
        b": keep-alive\n\n",
        b'event: response.future\ndata: {"type":"response.future","x":{"y":1}}\n\n',
        b"retry: 10\n\n",
    ),
    "messages": (b": keep-alive\n\n", claude.PING, claude.event("future_event", x={"y": 1}), b"id: 7\n\n"),
    "gemini": (b": keep-alive\r\n\r\n", google.event({"xFuture": 1}), google.event({"usageMetadata": google.FIRST})),
    "bedrock": (amazon.event("futureEvent", {"x": {"y": 1}}), amazon.event("futureEvent", {})),
}
# Deltas that bring nothing, of the block that text stands in.
EMPTY: Mapping[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "chat": lambda _: (streams.chunk({}), streams.chunk({"content": ""}), streams.chunk({"content": None})),
    "completions": lambda _: (golden.older(""),),
    "responses": lambda raw: (_emptied(raw, "delta"),),
    "messages": lambda raw: (_emptied(raw, "text"),),
    "gemini": lambda _: (golden.part(google.text("")).raw, golden.part().raw),
    "bedrock": lambda raw: (amazon.delta(1 if b'"contentBlockIndex": 1' in raw else 0, text=""),),
}
# Bytes that are no event of anybody's; a page of a proxy on the way comes as it is, too.
PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
JUNK = (b"data: " + PAGE + b"\n\n", PAGE + b"\r\n\r\n", b"data: {]\n\n", b'data: "\xff\xfe"\n\n', b"data: 17\n\n")


def _emptied(raw: bytes, member: str) -> bytes:
    head, _, data = raw.partition(b"data: ")
    told = json.loads(data)
    (told["delta"] if isinstance(told["delta"], dict) else told)[member] = ""
    return head + b"data: " + json.dumps(told).encode() + b"\n\n"


def with_member(raw: bytes, tongue: str) -> bytes:
    """Return an event with members that nobody knows yet, and a field of the framing."""
    if tongue == "bedrock":
        [(headers, payload)] = amazon.decoded(raw)
        return amazon.event(str(headers[":event-type"]), {**json.loads(payload), "xFuture": {"y": [1]}})
    head, mark, data = raw.partition(b"data: ")
    if not data.startswith(b"{"):
        return raw
    told = {**json.loads(data), "x_future": {"y": [1]}}
    return b"x-field: 1\n" + head + mark + json.dumps(told).encode() + b"\n\n"


def truncated(raw: bytes, tongue: str, share: float) -> bytes:
    """Return an event whose JSON stops in its middle, well framed all the same."""
    if tongue == "bedrock":
        [(headers, payload)] = amazon.decoded(raw)
        return amazon.event(str(headers[":event-type"]), payload[: 1 + int(share * (len(payload) - 1))])
    head, mark, data = raw.partition(b"data: ")
    text = data.rstrip(b"\r\n")
    return head + mark + text[: 1 + int(share * (len(text) - 1))] + b"\n\n"


# --- errors in the middle of a 200, as each provider documents them -------------------------------------


def _error(message: str, type_: str | None = None, code: object = None, **more: Any) -> bytes:
    return streams.event({"error": {"message": message, "type": type_, "param": None, "code": code, **more}})


def _broken(word: str, **more: Any) -> bytes:
    return streams.chunk({"content": ""}, word, **more)


_TOO_LONG = "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens."
_OPENAI: tuple[tuple[bytes, FailureKind], ...] = (
    (
        _error("The server had an error while processing your request.", "server_error"),
        K.STREAM_ERROR,
    ),
    (_error("Rate limit reached for m in organization o on tokens per min", "tokens", "rate_limit_exceeded"), K.RATE),
    (_error("Our servers are overloaded.", "server_error", "server_is_overloaded"), K.OVERLOADED),
    (_error(_TOO_LONG, "invalid_request_error", "context_length_exceeded"), K.CONTEXT),
    (_error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), K.MONEY),
    (_error("The response was filtered due to the prompt", None, "content_filter", status=400), K.CONTENT_FILTER),
)
# By provider shape, where it has forms of its own beside those of its family.
_OWN: Mapping[str, tuple[tuple[bytes, FailureKind], ...]] = {
    # DeepSeek, which is asked as OpenAI is: "the request is interrupted due to insufficient resource"
    "openai": ((_broken("insufficient_system_resource"), K.OVERLOADED),),
    "azure": (
        (
            _error(
                "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                None,
                "content_filter",
                innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
            ),
            K.CONTENT_FILTER,
        ),
    ),
    "openrouter": (
        (_broken("error", error={"code": "server_error", "message": "Provider disconnected"}), K.STREAM_ERROR),
        (_broken("error", error={"code": 429, "message": "Rate limit exceeded"}), K.RATE),
        (_broken("error", error={"code": 503, "message": "No instances available"}), K.OVERLOADED),
    ),
    "vllm": (
        (_error("EngineCore encountered an issue.", "InternalServerError", 500), K.STREAM_ERROR),
        (
            streams.event({"object": "error", "message": _TOO_LONG, "type": "BadRequestError", "code": 400}),
            K.CONTEXT,
        ),
        (_broken("abort"), K.STREAM_ERROR),
        (_broken("error"), K.STREAM_ERROR),
    ),
    "sglang": (
        (_error("The request queue is full.", "SERVICE_UNAVAILABLE", 503, object="error"), K.OVERLOADED),
        (_error("Generation aborted.", "INTERNAL_SERVER_ERROR", 500, object="error"), K.STREAM_ERROR),
        (_broken("abort"), K.STREAM_ERROR),
    ),
    "tgi": (
        (streams.event({"error": "Model is overloaded", "error_type": "overloaded"}), K.OVERLOADED),
        (
            streams.event({"error": "Request failed during generation: Server error: x", "error_type": "generation"}),
            K.STREAM_ERROR,
        ),
        (
            streams.event(
                {
                    "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096.",
                    "error_type": "validation",
                }
            ),
            K.CONTEXT,
        ),
    ),
    "llamacpp": (
        (b'error: {"code":500,"message":"failed to decode","type":"server_error"}\n\n', K.STREAM_ERROR),
        (
            _error("the request exceeds the available context size", "exceed_context_size_error", 400, n_ctx=4),
            K.CONTEXT,
        ),
    ),
    "ollama": (
        (_error("an error was encountered while running the model: CUDA error", "api_error"), K.STREAM_ERROR),
        (streams.event({"error": "an error was encountered while running the model"}), K.STREAM_ERROR),
        (b'{"error":"an error was encountered while running the model"}\n\n', K.STREAM_ERROR),  # a line, and no event
    ),
    "mistral": (
        (_broken("error"), K.STREAM_ERROR),
        (
            streams.event(
                {
                    "object": "error",
                    "message": "Service tier capacity exceeded for this model.",
                    "type": "service_tier_capacity_exceeded",
                    "param": None,
                    "code": "3505",
                }
            ),
            K.RATE,
        ),
    ),
}


def _claude(type_: str, message: str) -> bytes:
    return claude.event("error", error={"type": type_, "message": message})


_ANTHROPIC = (
    (claude.ERROR, K.OVERLOADED),
    (_claude("rate_limit_error", "This request would exceed your organization's rate limit"), K.RATE),
    (_claude("api_error", "Internal server error"), K.STREAM_ERROR),
    (_claude("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), K.CONTEXT),
    (_claude("billing_error", "Your credit balance is too low to access the Anthropic API"), K.MONEY),
)


def _google(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}


_GOOGLE = (
    (google.event(google.OVERLOADED), K.OVERLOADED),
    (json.dumps(google.OVERLOADED, indent=2).encode() + b"\r\n\r\n", K.OVERLOADED),
    (google.event(_google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")), K.RATE),
    (google.event(_google(500, "INTERNAL", "An internal error has occurred.")), K.STREAM_ERROR),
    (google.event({"promptFeedback": {"blockReason": "SAFETY"}, **google.HEAD}), K.CONTENT_FILTER),
    (google.event(google.answer(google.candidate(finish="MALFORMED_FUNCTION_CALL"))), K.BAD_BODY),
)
_AMAZON = (
    (amazon.exception("throttlingException", "Too many requests, please wait before trying again."), K.RATE),
    (amazon.exception("serviceUnavailableException", "The service is unavailable."), K.OVERLOADED),
    (amazon.exception("internalServerException", "The system encountered an unexpected error."), K.STREAM_ERROR),
    (
        amazon.exception("modelStreamErrorException", "x", originalStatusCode=500, originalMessage="y"),
        K.STREAM_ERROR,
    ),
    (amazon.exception("validationException", "Input is too long for requested model."), K.CONTEXT),
    (amazon.exception("modelTimeoutException", "Model took too long."), K.PROVIDER_TIMEOUT),
    (amazon.event("messageStop", {"stopReason": "malformed_tool_use"}), K.BAD_BODY),
)


def _response(type_: str, **more: Any) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, 'sequence_number': 9, **more})}\n\n".encode()


def _failed(code: str, message: str) -> bytes:
    told = {"id": "resp_1", "object": "response", "status": "failed", "output": []}
    return _response("response.failed", response={**told, "error": {"code": code, "message": message}})


_RESPONSES = (
    (_response("error", code="ERR_SOMETHING", message="Something went wrong", param=None), K.STREAM_ERROR),
    (_response("error", code="rate_limit_exceeded", message="Rate limit reached", param=None), K.RATE),
    (_failed("server_error", "The model failed to generate a response."), K.STREAM_ERROR),
    (_failed("rate_limit_exceeded", "Rate limit reached for m"), K.RATE),
    (_failed("context_length_exceeded", "Your input exceeds the context window of this model."), K.CONTEXT),
    (
        _failed("image_content_policy_violation", "The image was rejected by the safety system."),
        K.CONTENT_FILTER,
    ),
)
_BY_LANGUAGE: Mapping[str, tuple[tuple[bytes, FailureKind], ...]] = {
    "chat": _OPENAI,
    "completions": _OPENAI,
    "responses": _RESPONSES,
    "messages": _ANTHROPIC,
    "gemini": _GOOGLE,
    "bedrock": _AMAZON,
}


def errors(tongue: str, shape: str) -> tuple[tuple[bytes, FailureKind], ...]:
    """Return the errors that a provider sends in the middle of an answer, and what each is."""
    own = _OWN.get(shape, ()) if tongue in ("chat", "completions") else ()
    return (*_BY_LANGUAGE[tongue], *own)


# --- whole answers that are none, or are not what was asked for -----------------------------------------


def _json(told: Any) -> bytes:
    return json.dumps(told).encode()


_chat_ended = partial(golden.chat_whole, {"content": "x"})
WRONG: Mapping[str, tuple[tuple[bytes, FailureKind], ...]] = {
    "chat": (
        (_json({**streams.HEAD, "choices": []}), K.BAD_BODY),
        (_json({**streams.HEAD, "choices": None}), K.BAD_BODY),
        (_json({**streams.HEAD, "choices": [{}]}), K.BAD_BODY),
        (_json({**streams.HEAD, "choices": [{"index": 0, "finish_reason": "stop"}]}), K.BAD_BODY),
        (_json({**streams.HEAD, "choices": [{"index": 0, "message": None, "finish_reason": "stop"}]}), K.BAD_BODY),
        (_chat_ended("abort"), K.STREAM_ERROR),
        (_chat_ended("error"), K.STREAM_ERROR),
        (_chat_ended("insufficient_system_resource"), K.OVERLOADED),
        (_json({"error": {"message": "Rate limit", "type": "x", "code": "rate_limit_exceeded"}}), K.RATE),
        (_json({"error": {"message": "x", "code": "content_filter"}}), K.CONTENT_FILTER),
        (_json({"error": "Model is overloaded", "error_type": "overloaded"}), K.OVERLOADED),
        (_json({"object": "error", "message": _TOO_LONG, "code": 400}), K.CONTEXT),
        (
            _json({"choices": [{"error": {"code": 429, "message": "Rate limit"}, "message": {"content": ""}}]}),
            K.RATE,
        ),
    ),
    "completions": (
        (_json({**streams.HEAD, "choices": []}), K.BAD_BODY),
        (_json({**streams.HEAD, "choices": [{}]}), K.BAD_BODY),
        (golden.older_whole("x", "abort"), K.STREAM_ERROR),
        (_json({"error": {"message": "x", "code": "rate_limit_exceeded"}}), K.RATE),
    ),
    "responses": (
        (_json({"object": "response", "status": "completed"}), K.BAD_BODY),
        (_json({"object": "response", "status": "in_progress", "output": []}), K.BAD_BODY),
        (_json({"object": "response", "status": "failed", "output": [], "error": None}), K.STREAM_ERROR),
        (
            _json({"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "x"}}),
            K.RATE,
        ),
        (_json({"error": {"message": "x", "code": "server_is_overloaded"}}), K.OVERLOADED),
    ),
    "messages": (
        (_json({**claude.HEAD, "content": None}), K.BAD_BODY),
        (_json({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), K.OVERLOADED),
        (_json({"error": {"type": "rate_limit_error", "message": "x"}}), K.RATE),
        (_json({"type": "message", "model": "m"}), K.BAD_BODY),
    ),
    "gemini": (
        (_json({"candidates": []}), K.BAD_BODY),
        (_json({"candidates": [{}]}), K.BAD_BODY),
        (_json({"candidates": [{"index": 0, "content": {"role": "model"}}], **google.HEAD}), K.BAD_BODY),
        (_json({"usageMetadata": google.USAGE, **google.HEAD}), K.BAD_BODY),
        (_json({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **google.HEAD}), K.CONTENT_FILTER),
        (_json(google.OVERLOADED), K.OVERLOADED),
        (_json([google.OVERLOADED]), K.OVERLOADED),
        (google.whole(google.candidate(finish="UNEXPECTED_TOOL_CALL")), K.BAD_BODY),
        (google.whole(google.candidate(google.text("x"), finish="MALFORMED_RESPONSE")), K.BAD_BODY),
    ),
    "bedrock": (
        (_json({"output": {}, "stopReason": "end_turn"}), K.BAD_BODY),
        (_json({"output": {"message": {"role": "assistant", "content": []}}}), K.BAD_BODY),
        (golden.converse({"text": "x"}, reason="malformed_model_output"), K.BAD_BODY),
        (_json({"__type": "ThrottlingException", "message": "Too many requests"}), K.RATE),
        (_json({"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}}), K.BAD_BODY),
    ),
}
