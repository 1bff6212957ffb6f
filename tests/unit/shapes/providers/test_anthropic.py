"""Anthropic's own API."""

from __future__ import annotations

from lbd.model.failure import FailureKind
from lbd.model.outcome import QuotaReading
from lbd.shapes.messages.voice import DIALECT
from lbd.shapes.providers.anthropic import SHAPE


def test_it_is_probed_without_cost() -> None:
    """The model list is free, and tells of a wrong key."""
    assert SHAPE.probes.liveness == "models"
    assert SHAPE.probes.models == "models?limit=1000"
    body = b'{"data":[{"type":"model","id":"claude-sonnet-4-5","display_name":"x"}],"has_more":false}'
    assert SHAPE.read_models(body) == {"claude-sonnet-4-5"}


def test_its_limits_are_read_from_every_answer() -> None:
    """Steering away before the first 429 needs them; their resets are instants."""
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "1000",
        "anthropic-ratelimit-input-tokens-remaining": "5",
        "anthropic-ratelimit-input-tokens-reset": "2025-01-01T00:00:30Z",
    }
    (reading,) = SHAPE.limits(headers, 1735689600.0)
    assert isinstance(reading, QuotaReading)
    assert (reading.limit, reading.remaining, reading.reset_s) == (1000, 5, 30.0)
    assert reading.fixed
    assert all(name.encode().startswith(SHAPE.limit_prefix) for name in headers)


def test_its_errors_are_classified() -> None:
    """By the type in its envelope."""
    said = b'{"type":"error","error":{"type":"%b","message":"m"}}'
    for status, word, kind in (
        (529, b"overloaded_error", FailureKind.OVERLOADED),
        (429, b"rate_limit_error", FailureKind.RATE),
        (401, b"authentication_error", FailureKind.AUTH),
        (400, b"invalid_request_error", FailureKind.BAD_REQUEST),
        (500, b"api_error", FailureKind.SERVER),
    ):
        assert SHAPE.classify(status, {}, said % word, 0.0).kind is kind
    body = said.replace(b'"m"', b'"prompt is too long: 210000 tokens > 200000 maximum"') % b"invalid_request_error"
    assert SHAPE.classify(400, {}, body, 0.0).kind is FailureKind.CONTEXT
    body = said.replace(b'"m"', b'"Your credit balance is too low"') % b"invalid_request_error"
    assert SHAPE.classify(400, {}, body, 0.0).kind is FailureKind.MONEY


def test_every_client_reaches_it() -> None:
    """Its own as they are, all others through its dialect; the version goes with every request."""
    assert "anthropic.messages" in SHAPE.speaks and SHAPE.dialect is DIALECT
    assert ("anthropic-version", "2023-06-01") in SHAPE.headers("k")
    assert ("x-api-key", "k") in SHAPE.headers("k")


def test_the_bound_that_lbd_sets_an_answer_is_known() -> None:
    """The API demands one, and the rate limit of output tokens may count it."""
    assert SHAPE.longest("claude-opus-4-1") == 32_000
    assert SHAPE.longest("something") == 8192
