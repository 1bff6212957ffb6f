"""Google's errors. Bodies are its own, as documented or as reported by users."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.shapes.gemini.errors import LONGEST_DAILY, classify, in_band

K = FailureKind
WALL = 1_700_000_000.0  # 22:13:20 UTC
RPC = "type.googleapis.com/google.rpc."
QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)
MINUTE = {"quotaId": "GenerateContentInputTokensPerModelPerMinute-FreeTier", "quotaValue": "250000"}
DAY = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}
NONE = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "0"}


def error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    """Return an error as Google writes it."""
    told: dict[str, Any] = {"code": code, "message": message, "status": status}
    return {"error": {**told, "details": list(details)} if details else told}


def info(reason: str) -> dict[str, Any]:
    return {"@type": f"{RPC}ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def quota(*violations: dict[str, Any]) -> dict[str, Any]:
    return {"@type": f"{RPC}QuotaFailure", "violations": list(violations)}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": f"{RPC}RetryInfo", "retryDelay": delay}


CASES: dict[str, tuple[dict[str, Any], FailureKind]] = {
    "key": (
        error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID")),
        K.AUTH,
    ),
    "key by words": (error(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), K.AUTH),
    "key by reason": (error(400, "INVALID_ARGUMENT", "Bad.", info("API_KEY_INVALID")), K.AUTH),
    "leaked key": (
        error(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."),
        K.AUTH,
    ),
    "suspended": (
        error(403, "PERMISSION_DENIED", "Consumer 'api_key:AI' has been suspended.", info("CONSUMER_SUSPENDED")),
        K.AUTH,
    ),
    "token": (error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), K.AUTH),
    "not here": (
        error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        K.AUTH,
    ),
    "free tier": (
        error(
            400,
            "FAILED_PRECONDITION",
            "Gemini API free tier is not available in your country. Please enable billing on your project in Google "
            "AI Studio.",
        ),
        K.MONEY,
    ),
    "billing off": (error(403, "PERMISSION_DENIED", "No.", info("BILLING_DISABLED")), K.MONEY),
    "Vertex billing": (
        error(403, "PERMISSION_DENIED", "This API method requires billing to be enabled. Please enable billing on x."),
        K.MONEY,
    ),
    "credits": (error(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to x."), K.MONEY),
    "other precondition": (
        error(400, "FAILED_PRECONDITION", "The File x is not in an ACTIVE state and usage is not allowed."),
        K.BAD_REQUEST,
    ),
    "a minute's quota": (error(429, "RESOURCE_EXHAUSTED", QUOTA, quota(MINUTE), retry("26s")), K.RATE),
    "a day's quota": (error(429, "RESOURCE_EXHAUSTED", QUOTA, quota(DAY), retry("47s")), K.RATE),
    "no quota at all": (error(429, "RESOURCE_EXHAUSTED", QUOTA, quota(NONE), retry("47s")), K.NO_MODEL),
    "Vertex 429": (
        error(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later. Please refer to x."),
        K.RATE,
    ),
    "context": (
        error(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
        ),
        K.CONTEXT,
    ),
    "context of embeddings": (
        error(
            400,
            "INVALID_ARGUMENT",
            "Unable to submit request because the input token count is 24145 but model only supports up to 20000. "
            "Reduce the input token count and try again.",
        ),
        K.CONTEXT,
    ),
    "size": (error(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."), K.TOO_LARGE),
    "model": (
        error(
            404,
            "NOT_FOUND",
            "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent. "
            "Call ListModels to see the list of available models and their supported methods.",
        ),
        K.NO_MODEL,
    ),
    "Vertex model": (
        error(
            404,
            "NOT_FOUND",
            "Publisher Model `projects/p/locations/global/publishers/google/models/x` was not found or your project "
            "does not have access to it. Please ensure you are using a valid model version.",
        ),
        K.NO_MODEL,
    ),
    "file": (
        error(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist."),
        K.BAD_REQUEST,
    ),
    "logprobs": (error(400, "INVALID_ARGUMENT", "Logprobs is not enabled for models/gemini-2.5-pro"), K.UNSUPPORTED),
    "penalty": (error(400, "INVALID_ARGUMENT", "Penalty is not enabled for this model"), K.UNSUPPORTED),
    "JSON beside tools": (
        error(400, "INVALID_ARGUMENT", "Function calling with a response mime type: 'application/json' is unsupported"),
        K.UNSUPPORTED,
    ),
    "signature": (
        error(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature in functionCall parts."),
        K.UNSUPPORTED,
    ),
    "no thinking": (
        error(400, "INVALID_ARGUMENT", "Budget 0 is invalid. This model only works in thinking mode."),
        K.UNSUPPORTED,
    ),
    "bad request": (
        error(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "x": Cannot find field.'),
        K.BAD_REQUEST,
    ),
    "called off": (error(499, "CANCELLED", "The operation was cancelled."), K.SERVER),
    "internal": (error(500, "INTERNAL", "An internal error has occurred. Please retry."), K.SERVER),
    "overloaded": (error(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), K.OVERLOADED),
    "deadline": (
        error(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        K.PROVIDER_TIMEOUT,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_google_says_is_told_apart(name: str) -> None:
    """By its details, where they say more than the status; a list around it changes nothing."""
    told, kind = CASES[name]
    status = told["error"]["code"]
    for body in (told, [told]):
        failure = classify(status, {}, json.dumps(body).encode(), WALL)
        assert failure.kind is kind
        assert failure.status == status
        assert failure.message == told["error"]["message"]


@pytest.mark.parametrize(
    ("details", "headers", "wall", "wait"),
    [
        ((retry("26s"),), {}, WALL, 26.0),
        ((retry("21599.96s"),), {}, WALL, 21599.96),
        ((quota(MINUTE), retry("26s")), {"retry-after": "5"}, WALL, 5.0),
        ((quota(DAY), retry("47s")), {}, WALL, LONGEST_DAILY),
        ((quota(MINUTE, DAY),), {}, WALL, LONGEST_DAILY),
        ((quota(DAY), retry("7200s")), {}, WALL, 7200.0),
        ((quota(DAY), retry("2s")), {}, 1_700_000_000.0 - 22 * 3600 + 8 * 3600 - 813, 13.0),
        ((), {}, WALL, None),
    ],
)
def test_a_wait_is_read_from_the_details(
    details: tuple[dict[str, Any], ...], headers: dict[str, str], wall: float, wait: float | None
) -> None:
    """A day's quota comes back at midnight Pacific time, whatever shorter wait is told; it is asked for each hour."""
    body = json.dumps(error(429, "RESOURCE_EXHAUSTED", QUOTA, *details)).encode()
    assert classify(429, headers, body, wall).retry_after_s == wait


@pytest.mark.parametrize(
    ("told", "kind", "wait"),
    [
        (CASES["overloaded"][0], K.OVERLOADED, None),
        (CASES["a minute's quota"][0], K.RATE, 26.0),
        (CASES["a day's quota"][0], K.RATE, LONGEST_DAILY),
        (CASES["credits"][0], K.MONEY, None),
        (CASES["context"][0], K.CONTEXT, None),
        (CASES["key"][0], K.AUTH, None),
        (CASES["internal"][0], K.STREAM_ERROR, None),
        ({"error": "no"}, K.STREAM_ERROR, None),
        ({"error": [5]}, K.STREAM_ERROR, None),
    ],
)
def test_an_error_in_a_stream_is_told_apart_too(told: dict[str, Any], kind: FailureKind, wait: float | None) -> None:
    """It stands inside a 200."""
    failure = in_band(told["error"])
    assert (failure.kind, failure.retry_after_s, failure.status) == (kind, wait, 200)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"5", b'{"error":{"details":5}}', b'{"error":{"details":[5]}}']
)
def test_a_body_without_details_is_judged_by_its_status(body: bytes) -> None:
    """A proxy may have answered."""
    assert classify(503, {}, body, WALL).kind is K.OVERLOADED
    assert classify(429, {}, body, WALL).kind is K.RATE


details = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["1s", "1e999s", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["retryDelay", "violations", "quotaId", "reason", "error", "details", "code", "status"]),
            inner,
        )
    ),
    max_leaves=10,
)


@given(details, st.sampled_from([400, 403, 429, 500]), st.floats(0, 4e9))
def test_any_details_raise_nothing(value: object, status: int, wall: float) -> None:
    """A wait is a number within a day."""
    body = json.dumps({"error": {"message": "m", "details": value}}).encode()
    for failure in (classify(status, {}, body, wall), in_band({"details": value, "code": status}), in_band(value)):
        assert failure.retry_after_s is None or 0 <= failure.retry_after_s <= 86400
