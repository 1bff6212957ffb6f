"""Google's errors, where their details say more than their status.

Sources: the API's page on errors, google.rpc's error details (ErrorInfo, QuotaFailure, RetryInfo), and bodies as users
of the Gemini API and of Vertex AI have reported them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Seconds, WallTime
from lbd.shapes import limits, loose
from lbd.shapes.chat import errors

K = FailureKind
KEY_REASONS = frozenset(
    {
        "ACCESS_TOKEN_EXPIRED",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "API_KEY_HTTP_REFERRER_BLOCKED",
        "API_KEY_INVALID",
        "API_KEY_IP_ADDRESS_BLOCKED",
        "API_KEY_SERVICE_BLOCKED",
        "CONSUMER_INVALID",
        "CONSUMER_SUSPENDED",
        "SERVICE_DISABLED",
    }
)
_KEY = r"api key (?:not (?:valid|found)|expired)|pass a valid api key|reported as leaked|user location is not supported"
# Not "check your plan and billing details", which every quota's message says.
_MONEY = (
    r"enable billing|billing (?:account )?(?:is |has been )?(?:disabled|not (?:active|enabled))"
    r"|(?:credits?|balance)\b.{0,40}\b(?:depleted|exhausted)|spend(?:ing)? cap"
)
# A file that is not there is told as one that may not be read; the key is in order.
_FILE = r"access the file|file .{0,80}may not exist"
_SIZE = r"payload size exceeds|text fields that are too large|request entity too large"
_CONTEXT = r"input token count is \d+ but (?:the )?model (?:only )?supports up to"
_UNSUPPORTED = (
    r"\bis not (?:enabled|supported) (?:for|by|in|with|on) |\bis unsupported\b|unsupported mime type"
    r"|only works in thinking mode|thought_?\s?signature|does not support|thinking level|thinking budget"
)
# Daily quotas begin anew at midnight Pacific time, which is 8:00 UTC in winter and an hour earlier in summer.
_MIDNIGHT: Seconds = 8 * 3600.0
_DAY: Seconds = 86400.0
# A daily quota can be raised within the day: it is asked for once an hour, whatever short wait stands beside it.
LONGEST_DAILY: Seconds = 3600.0


class _Told(NamedTuple):
    word: str  # of google.rpc.Code
    reasons: frozenset[str]
    quotas: tuple[tuple[str, str], ...]  # (id, value) of those that are used up
    delay: Seconds | None


def _unwrapped(error: object) -> dict[str, Any]:
    for _ in range(errors.DEEPEST_ERROR):
        if isinstance(error, list) and error:
            error = error[0]
        elif isinstance(error, dict) and isinstance(error.get("error"), dict):
            error = error["error"]
        else:
            break
    return error if isinstance(error, dict) else {}


def _objects(value: object) -> Iterable[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _told(error: object) -> _Told:
    error = _unwrapped(error)
    reasons: set[str] = set()
    quotas: list[tuple[str, str]] = []
    delay = None
    for detail in _objects(error.get("details")):
        reasons.add(str(detail.get("reason")))
        quotas += [(str(v.get("quotaId")), str(v.get("quotaValue"))) for v in _objects(detail.get("violations"))]
        if isinstance(detail.get("retryDelay"), str):
            delay = limits.duration_s(detail["retryDelay"])
    return _Told(str(error.get("status")), frozenset(reasons), tuple(quotas), delay)


def classify(status: int, headers: Mapping[str, str], body: bytes, wall: WallTime) -> Failure:
    """Return the Failure that an answer with an error status is."""
    failure = errors.classify(status, headers, body, wall)
    try:
        told = _told(orjson.loads(body.removeprefix(loose.BOM)))
    except orjson.JSONDecodeError:
        return failure
    return _refined(failure, told, status, wall)


def in_band(error: object) -> Failure:
    """Return the Failure that an error object inside a 200 is."""
    code = _unwrapped(error).get("code")
    status = code if type(code) is int and 400 <= code < 600 else 500
    return _refined(errors.in_band(error), _told(error), status, 0.0)


def _refined(failure: Failure, told: _Told, status: int, wall: WallTime) -> Failure:
    wait = failure.retry_after_s if failure.retry_after_s is not None else told.delay
    if any("PerDay" in name for name, _ in told.quotas):
        wait = max(wait or 0.0, min(LONGEST_DAILY, (_MIDNIGHT - wall) % _DAY))
    if wait is not None:
        wait = min(wait, limits.LONGEST_WAIT)
    return replace(failure, kind=_kind(failure, told, status), retry_after_s=wait)


def _says(words: str, failure: Failure) -> bool:
    return re.search(words, failure.message, re.IGNORECASE) is not None


def _kind(failure: Failure, told: _Told, status: int) -> FailureKind:
    if status >= 500:
        return failure.kind
    if "BILLING_DISABLED" in told.reasons or _says(_MONEY, failure):
        return K.MONEY
    if told.reasons & KEY_REASONS or (status in (400, 403) and _says(_KEY, failure)):
        return K.AUTH
    if status == 429 and told.quotas and all(value == "0" for _, value in told.quotas):
        return K.NO_MODEL  # not in this account's plan: no wait will help
    if status == 499:
        return K.SERVER  # Google called it off itself
    return _of_request(failure, status)


def _of_request(failure: Failure, status: int) -> FailureKind:
    if status == 403 and _says(_FILE, failure):
        return K.BAD_REQUEST
    if status == 400 and failure.kind is K.BAD_REQUEST:
        if _says(_SIZE, failure):
            return K.TOO_LARGE
        if _says(_CONTEXT, failure):
            return K.CONTEXT
        if _says(_UNSUPPORTED, failure):
            return K.UNSUPPORTED
    return failure.kind
