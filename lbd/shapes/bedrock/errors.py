"""Bedrock's error table: the type of an exception and its words become a Failure.

The same exceptions come as an answer of their own and in the middle of a stream. Sources: the exceptions of Converse
and ConverseStream in the service's model, "Troubleshooting Amazon Bedrock API error codes" in its guide, "Common
errors" of the AWS APIs, and messages as users reported them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import WallTime
from lbd.shapes import loose
from lbd.shapes.chat import errors
from lbd.shapes.limits import retry_after_s

K = FailureKind
LONGEST = 2000  # characters of a message that are kept

# By the exception's name: in lower case, without "exception" at its end.
BY_TYPE: dict[str, FailureKind] = {
    "throttling": K.RATE,
    "throttled": K.RATE,
    "toomanyrequests": K.RATE,
    "servicequotaexceeded": K.RATE,
    "modelnotready": K.LOADING,
    "modeltimeout": K.PROVIDER_TIMEOUT,
    "modelerror": K.DEPENDENCY,
    "modelstreamerror": K.DEPENDENCY,
    "internalserver": K.SERVER,
    "internalfailure": K.SERVER,
    "serviceunavailable": K.OVERLOADED,
    "validation": K.BAD_REQUEST,
    "serialization": K.BAD_REQUEST,
    "conflict": K.CONFLICT,
    "accessdenied": K.AUTH,
    "resourcenotfound": K.NO_MODEL,
    "unknownoperation": K.NO_MODEL,  # base_url points elsewhere
    "expiredtoken": K.AUTH,
    "unrecognizedclient": K.AUTH,
    "invalidsignature": K.AUTH,
    "incompletesignature": K.AUTH,
    "signaturedoesnotmatch": K.AUTH,
    "missingauthenticationtoken": K.AUTH,
    "invalidclienttokenid": K.AUTH,
    "notauthorized": K.AUTH,
    "optinrequired": K.AUTH,
    # this host's clock is out by more than five minutes: no key is refused, and it passes when the clock is set
    "requestexpired": K.DEPENDENCY,
    "requesttimetooskewed": K.DEPENDENCY,
}
# What the model itself answered to Bedrock, inside ModelErrorException and ModelStreamErrorException.
BY_ORIGINAL: dict[int, FailureKind] = {
    408: K.PROVIDER_TIMEOUT,
    429: K.RATE,
    503: K.OVERLOADED,
    504: K.PROVIDER_TIMEOUT,
    529: K.OVERLOADED,
}
# What is wrong with a request that did not validate, or which model a key has no access to.
BY_WORDS: tuple[tuple[str, FailureKind], ...] = (
    (r"payment instrument|INVALID_PAYMENT", K.MONEY),
    (r"^signature (?:expired|not yet current):", K.DEPENDENCY),  # the clock again
    (
        (
            r"input is too long|prompt is too long|too many input tokens|expected maxLength: \d+, actual"
            r"|input tokens exceed|exceeds? the (?:model'?s )?(?:context|maximum (?:context|input))"
            r"|exceeds? (?:the )?maximum (?:number of )?input tokens|maximum context length"
        ),
        K.CONTEXT,
    ),
    (
        (
            r"model identifier is invalid|doesn'?t support on-demand throughput"
            r"|on-demand throughput isn.t supported|doesn'?t support the model that you provided"
            r"|access to (?:the|this) model|model access|reached the end of its life|marked by provider as legacy"
            r"|:(?:foundation-model|inference-profile|application-inference-profile|provisioned-model|custom-model)"
            r"|^operation not allowed"
        ),
        K.NO_MODEL,
    ),
    (
        (
            r"doesn'?t support (?:tool|image|document|system|stop|the [\w.]+ field|streaming)"
            r"|(?:unsupported model|did not allow) .*caching|maximum tokens you requested exceeds"
            r"|cannot be provided in the same turn"
        ),
        K.UNSUPPORTED,
    ),
)
_OPEN_TO_WORDS = frozenset({K.BAD_REQUEST, K.AUTH, K.DEPENDENCY})
# In the middle of a stream these say no more than that it broke.
_BROKEN = frozenset({K.SERVER, K.DEPENDENCY, K.CONFLICT})


def classify(status: int, headers: Mapping[str, str], body: bytes, wall: WallTime) -> Failure:
    """Return the Failure that an answer with an error status (or a redirect) is."""
    told = read(body)
    name = _name(headers.get("x-amzn-errortype") or told.get("__type") or told.get("code"))
    text = message(told)
    kind = _kind(name, text, told)
    if kind is None or status < 400:
        known = errors.classify(status, headers, _plain(text) if told else body, wall)
        kind, text = known.kind, known.message
    return Failure(
        kind,
        (text or f"HTTP {status}: {name or 'no message'}")[:LONGEST],
        status=status,
        retry_after_s=retry_after_s(headers, wall, text),
    )


def in_stream(name: str, payload: bytes, words: str = "") -> Failure:
    """Return the Failure that an exception in the middle of a stream is: it came after a 200."""
    told = read(payload)
    name = _name(name)
    text = message(told) or words
    kind = _kind(name, text, told)
    if kind is None or kind in _BROKEN:
        kind = K.STREAM_ERROR
    return Failure(
        kind,
        (text or f"the provider ended the stream: {name or 'an exception without a name'}")[:LONGEST],
        status=200,
        retry_after_s=retry_after_s({}, 0.0, text),
    )


def in_answer(told: Mapping[str, Any], body: bytes) -> Failure | None:
    """Return the Failure that a body with a good status is where an answer should be, None where it names no error."""
    name = loose.string(told.get("__type"))
    return in_stream(name, body) if name or message(told) else None


def read(body: bytes) -> dict[str, Any]:
    """Return the members of an error body; none where it has none."""
    try:
        told = orjson.loads(body.removeprefix(loose.BOM))
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def message(told: Mapping[str, Any]) -> str:
    """Return what an error body says in words."""
    found = next((told[k] for k in ("message", "Message", "originalMessage", "errorMessage") if told.get(k)), "")
    return found[: errors.MOST_READ] if isinstance(found, str) else ""


def _plain(text: str) -> bytes:
    return orjson.dumps({"message": text})


def _name(told: object) -> str:
    """Return the bare name of a type: ``aws.protocol#ThrottlingException:http://...`` is a ThrottlingException."""
    return told.partition(":")[0].rpartition("#")[2].strip()[:100] if isinstance(told, str) else ""


def _kind(name: str, text: str, told: dict[str, Any]) -> FailureKind | None:
    kind = BY_TYPE.get(name.lower().removesuffix("exception"))
    if kind is K.DEPENDENCY:
        original = told.get("originalStatusCode")
        kind = BY_ORIGINAL.get(original, kind) if isinstance(original, int) else kind
    if kind in _OPEN_TO_WORDS:
        kind = next((k for words, k in BY_WORDS if re.search(words, text, re.IGNORECASE)), kind)
    return kind
