"""Errors as Anthropic's clients know them. Source: the API's "Errors" page and the SDK's exception classes."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lbd.model.failure import Blame, Failure, FailureKind

K = FailureKind
BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# One word for "come back later, there is no room", which SDKs have a class for.
CROWDED = frozenset({K.OVERLOADED, K.BUSY})
# Codes on which the official SDK sends the whole conversation in place of a reference to one that the server holds.
NO_THREAD, LOST_THREAD = THREADS = ("thread_unsupported_request", "thread_not_found")


def status(failure: Failure) -> int:
    """Return the status that a client of Anthropic's API gets."""
    return 529 if failure.kind in CROWDED else failure.row.status


def encode(failure: Failure) -> bytes:
    """Return the error envelope of a failure."""
    code = status(failure)
    if failure.row.blame is Blame.CLIENT and failure.status is not None and 400 <= failure.status < 500:
        code = failure.status
    where = f"{failure.param}: " if failure.param and not failure.message.startswith(failure.param) else ""
    error: dict[str, Any] = {"type": BY_STATUS.get(code, "api_error"), "message": f"{where}{failure.message}"}
    if failure.code in THREADS:
        error["details"] = {"error_code": failure.code, "unsupported": ["thread"]}
    return msgspec.json.encode({"type": "error", "error": error})


def is_shaped(body: bytes) -> bool:
    """Tell whether an error body can go to a client of Anthropic's API as it is."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    error = data.get("error") if isinstance(data, dict) and data.get("type") == "error" else None
    return isinstance(error, dict) and isinstance(error.get("type"), str) and isinstance(error.get("message"), str)
