"""The error table of the OpenAI family: a provider's status, headers and body become a Failure.

Sources: the providers' error pages as listed in their documentation (OpenAI "Error codes", Azure OpenAI
"Content filtering", Groq and OpenRouter "Errors"), vLLM's and llama.cpp's servers as observed. Derived
shapes extend the tables instead of copying the function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import WallTime
from lbd.shapes import loose
from lbd.shapes.limits import retry_after_s

K = FailureKind
KEEP_BODY = 64 * 1024
MOST_READ = 4 * 1024  # characters of a message: what is looked for in it takes as long as it is
# Gateways wrap an error in an error, two or three deep; what is nested deeper is junk.
DEEPEST_ERROR = 8

BY_STATUS: dict[int, FailureKind] = {
    401: K.AUTH,
    402: K.MONEY,
    403: K.AUTH,
    **dict.fromkeys((404, 405, 410, 451), K.NO_MODEL),  # a wrong path is base_url's fault; gone, or not in this region
    408: K.PROVIDER_TIMEOUT,
    409: K.CONFLICT,
    **dict.fromkeys((413, 414, 431), K.TOO_LARGE),  # for this server, or for what stands before it
    421: K.CONFLICT,  # the connection led to the wrong server; another one may not (RFC 9110, 15.5.20)
    424: K.DEPENDENCY,
    425: K.OVERLOADED,
    426: K.DEPENDENCY,  # it wants another protocol than HTTP/1.1
    429: K.RATE,
    498: K.OVERLOADED,  # Groq: flex capacity exceeded
    499: K.SERVER,  # Google's CANCELLED, and proxies: called off on the way, and not by lbd
    501: K.UNSUPPORTED,
    **dict.fromkeys((503, 529), K.OVERLOADED),
    **dict.fromkeys((504, 524), K.PROVIDER_TIMEOUT),  # the latter is Cloudflare's
}

# A word of the provider says more than the status: 429 may be money, 400 may be the context or the filter.
BY_CODE: dict[str, FailureKind] = {
    "context_length_exceeded": K.CONTEXT,
    "exceed_context_size_error": K.CONTEXT,
    "string_above_max_length": K.CONTEXT,
    "content_filter": K.CONTENT_FILTER,
    "content_policy_violation": K.CONTENT_FILTER,
    "image_content_policy_violation": K.CONTENT_FILTER,
    "responsibleaipolicyviolation": K.CONTENT_FILTER,
    "insufficient_quota": K.MONEY,
    "credit_balance_exhausted": K.MONEY,
    "billing_hard_limit_reached": K.MONEY,
    "billing_not_active": K.MONEY,
    "enforced_spend_limit_reached": K.MONEY,
    "insufficient_balance": K.MONEY,
    "account_deactivated": K.AUTH,
    "invalid_api_key": K.AUTH,
    "model_not_found": K.NO_MODEL,
    "deploymentnotfound": K.NO_MODEL,
    "model_not_available": K.NO_MODEL,
    **dict.fromkeys(("unsupported_parameter", "unsupported_value"), K.UNSUPPORTED),  # by this model
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "slow_down"), K.RATE),
    "billing_error": K.MONEY,
    "authentication_error": K.AUTH,
    "permission_error": K.AUTH,
    "timeout_error": K.PROVIDER_TIMEOUT,
    "api_error": K.SERVER,
    "resource_exhausted": K.RATE,  # Gemini: its message speaks of plan and billing also where a minute helps
    "service_tier_capacity_exceeded": K.RATE,  # Mistral
    "server_is_overloaded": K.OVERLOADED,
    **dict.fromkeys(("overloaded_error", "overloaded", "engine_overloaded"), K.OVERLOADED),  # the second is TGI's
    **dict.fromkeys(("server_error", "internal_server_error"), K.SERVER),
    "invalid_request_error": K.BAD_REQUEST,
}

# Compiled when the first error asks for them: most commands that import this never meet one.
BY_WORDS: tuple[tuple[str, FailureKind], ...] = (
    (
        (
            r"maximum context length|context (?:length|window|size) (?:exceeded|of)"
            r"|exceeds? the (?:available|maximum|model'?s) context|longer than the model'?s context"
            r"|longer than the maximum model length|too long to fit into the model|maximum prompt length"
            r"|prompt is too long|input is too long|too many (?:input )?tokens in the (?:prompt|request)"
            r"|exceeds? the maximum number of tokens|exceeds? context limit|`inputs` (?:tokens \+|must have less than)"
        ),
        K.CONTEXT,
    ),
    (r"credit balance is too low|exceeded your current quota|insufficient (?:credits|balance|funds)", K.MONEY),
    (r"billing (?:hard limit|is not active)|payment required|spend(?:ing)? limit", K.MONEY),
    (
        (
            r"content management policy|flagged (?:by|as|for)|input was flagged"
            r"|violates? (?:our|the) (?:usage|content) polic"
        ),
        K.CONTENT_FILTER,
    ),
    (r"loading model|model is (?:currently )?loading", K.LOADING),
    (  # by this model, or nobody there: another may
        (
            r"image input is not supported|does not support (?:image|audio|vision|tool)|endpoints found that support"
            r"|^(?:unsupported|unknown) (?:parameter|value)\b|^unrecognized request argument|does not support oneOf"
            r"|\bis (?:not supported|deprecated) (?:by|for|on|with) this model|^this model does not support"
            r"|^invalid schema for |supports at most \d+ completion tokens|maximum allowed number of output tokens"
            r"|extra inputs are not permitted"
        ),
        K.UNSUPPORTED,
    ),
    (r"is not a valid model id|model not exist", K.NO_MODEL),
)
# A 404 that is about the path: the configuration is wrong, not the request.
NO_PATH = re.compile(
    r"^(?:(?:file|resource|page) )?not found\.?$|invalid url|unknown request url|no route|no endpoints found",
    re.IGNORECASE,
)


class Said(NamedTuple):
    """What an error body says."""

    message: str
    code: str
    type: str
    param: str | None


def read_error(error: object) -> Said:
    """Read an error object, or whatever stands in its place."""
    for _ in range(DEEPEST_ERROR):
        if isinstance(error, list) and error:
            error = error[0]
        elif isinstance(error, dict) and isinstance(error.get("error"), dict | str):
            error = error["error"]
        else:
            break
    if not isinstance(error, dict):
        return Said(error[:MOST_READ] if isinstance(error, str) else "", "", "", None)
    innererror = error.get("innererror")
    codes = (innererror.get("code") if isinstance(innererror, dict) else None, error.get("code"))
    message = next((error[k] for k in ("message", "detail", "error_description", "msg") if error.get(k)), "")
    param = error.get("param")
    return Said(
        _text(message)[:MOST_READ],
        _first_word(codes),
        _first_word((error.get("type"), error.get("status"))),
        param if isinstance(param, str) else None,
    )


def _text(message: object) -> str:
    if isinstance(message, str):
        return message
    try:
        return orjson.dumps(message).decode()
    except TypeError:  # nested too deep to be a message
        return ""


def _first_word(words: Iterable[object]) -> str:
    return next((word for word in words if isinstance(word, str) and word), "")


def classify(status: int, headers: Mapping[str, str], body: bytes, wall: WallTime) -> Failure:
    """Return the Failure that an answer with an error status (or a redirect) is."""
    try:
        error = orjson.loads(body.removeprefix(loose.BOM))
        said, shaped = read_error(error), isinstance(error, dict)
    except orjson.JSONDecodeError:
        said, shaped = Said(body[:200].decode("utf-8", "replace").strip(), "", "", None), False
    kind = _kind(status, said, shaped=shaped)
    # a page for people (a proxy's on the way) says nothing to programs, and names hosts
    text = ("" if not shaped and said.message.startswith("<") else said.message) or f"HTTP {status} without a message"
    if 300 <= status < 400:
        text = f"HTTP {status} redirect; lbd does not follow redirects: check base_url"
    wait = retry_after_s(headers, wall, text)
    if wait is None and (at := body.find(b"retryDelay")) >= 0:  # Gemini: beside the message, in its details
        wait = retry_after_s({}, wall, body[at : at + MOST_READ].decode("utf-8", "replace"))
    return Failure(
        kind,
        text[:2000],
        status=status,
        retry_after_s=wait,
        body=body if len(body) <= KEEP_BODY and shaped else None,
        code=said.code or None,
        param=said.param,
    )


def _kind(status: int, said: Said, *, shaped: bool) -> FailureKind:
    by_code = BY_CODE.get(said.code.lower()) or BY_CODE.get(said.type.lower())
    by_words = next((kind for words, kind in BY_WORDS if re.search(words, said.message, re.IGNORECASE)), None)
    if status >= 500:
        # a 5xx is the provider's own word of being unwell, except where it plainly speaks of the request
        plain = by_words in (K.LOADING, K.UNSUPPORTED, K.CONTEXT)
        return by_words if by_words and plain else BY_STATUS.get(status, K.SERVER)
    if status == 404:
        return _not_found(said, by_code, by_words, shaped=shaped)
    if status in (413, 429) and by_code is K.RATE:
        return K.RATE  # a 413 of Groq: more than this account's tokens a minute, not more than others take
    if status == 429:
        return K.MONEY if K.MONEY in (by_code, by_words) else K.RATE
    if status == 403 and "model" in said.message.lower() and "access" in said.message.lower():
        return K.NO_MODEL
    if by_words is not None and by_words is not K.LOADING:
        return by_words
    if status in (400, 403) and by_code in (K.CONTEXT, K.CONTENT_FILTER, K.MONEY, K.AUTH, K.NO_MODEL, K.UNSUPPORTED):
        return by_code
    return BY_STATUS.get(status, K.BAD_REQUEST if 400 <= status < 500 else K.SERVER)


def _not_found(said: Said, by_code: FailureKind | None, by_words: FailureKind | None, *, shaped: bool) -> FailureKind:
    """An unknown file or response id is the client's; an unknown model or path is the deployment's."""
    if by_words is K.UNSUPPORTED:
        return by_words
    if by_code is K.NO_MODEL or not said.message or not shaped:
        return K.NO_MODEL
    about_row = "model" in said.message.lower() or NO_PATH.search(said.message)
    return K.NO_MODEL if about_row else K.BAD_REQUEST


def in_band(error: object) -> Failure:
    """Return the Failure that an error object inside a 200 is.

    A status or code in it is believed as if the answer had come with it, with one exception: whatever it is,
    it came after the provider had accepted the request, so only a filter, the context or money are told apart.
    """
    said = read_error(error)
    raw_code = error.get("code") if isinstance(error, dict) else None
    status = raw_code if isinstance(raw_code, int) and 400 <= raw_code < 600 else 500
    if len(said.code) == 3 and said.code.isdecimal() and 400 <= int(said.code) < 600:
        status = int(said.code)
    kind = BY_CODE.get(said.code.lower()) or BY_CODE.get(said.type.lower())
    if kind not in (K.CONTENT_FILTER, K.CONTEXT, K.MONEY, K.RATE, K.OVERLOADED, K.AUTH):
        guess = _kind(status, said, shaped=True)
        kind = guess if guess in (K.CONTENT_FILTER, K.CONTEXT, K.MONEY, K.RATE, K.OVERLOADED) else K.STREAM_ERROR
    return Failure(
        kind,
        (said.message or "the provider sent an error in its answer")[:2000],
        status=200,
        code=said.code or None,
        retry_after_s=retry_after_s({}, 0.0, said.message),
    )


# OpenAI's own words, where it has one: applications look for them.
OPENAI_CODE: dict[FailureKind, str] = {
    K.CONTEXT: "context_length_exceeded",
    K.CONTENT_FILTER: "content_filter",
    K.RATE: "rate_limit_exceeded",
    K.LIMITED: "rate_limit_exceeded",
    K.RATE_LIMIT: "rate_limit_exceeded",
    K.BUDGET: "insufficient_quota",
    K.UNKNOWN_MODEL: "model_not_found",
}


# What is wrong with lbd's own account: the provider's word would tell the client that its key, or its money, is.
_OF_OPERATOR = frozenset({K.AUTH, K.MONEY})


def fields(failure: Failure) -> dict[str, str | None]:
    """Return what an OpenAI client is told of a failure."""
    row = failure.row
    code = failure.code or OPENAI_CODE.get(failure.kind, str(failure.kind))
    if failure.kind in _OF_OPERATOR:
        code = str(failure.kind)
    if failure.kind is K.CONTEXT:
        code = OPENAI_CODE[K.CONTEXT]  # applications go by it, whatever a provider calls it
    return {"message": failure.message, "type": row.type, "param": failure.param, "code": code}


def encode(failure: Failure) -> bytes:
    """Return the OpenAI-shaped error body of a failure."""
    return msgspec.json.encode({"error": fields(failure)})


def worded(body: bytes) -> dict[str, Any] | None:
    """Return the error of a body that has one with a message, as OpenAI's and OpenRouter's have."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = data.get("error") if isinstance(data, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("message"), str) else None


def is_openai_shaped(body: bytes) -> bool:
    """Tell whether an error body can go to an OpenAI client as it is."""
    error = worded(body)
    return (
        error is not None
        and {"type", "param", "code"} <= error.keys()
        and (error["code"] is None or isinstance(error["code"], str))
    )
