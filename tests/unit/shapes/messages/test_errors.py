"""Errors as Anthropic's clients know them."""

from __future__ import annotations

import json

import anthropic
import httpx2
import pytest

from lbd.model.failure import TABLE, Failure, FailureKind
from lbd.shapes import sse
from lbd.shapes.clients.anthropic import SHAPE
from lbd.shapes.messages import errors

K = FailureKind


@pytest.mark.parametrize(
    ("failure", "status", "word", "kind"),
    [
        (Failure(K.BAD_REQUEST, "no"), 400, "invalid_request_error", anthropic.BadRequestError),
        (Failure(K.CONTEXT, "long"), 400, "invalid_request_error", anthropic.BadRequestError),
        (Failure(K.UNAUTHORIZED, "who"), 401, "authentication_error", anthropic.AuthenticationError),
        (Failure(K.FORBIDDEN, "not you"), 403, "permission_error", anthropic.PermissionDeniedError),
        (Failure(K.UNKNOWN_MODEL, "what"), 404, "not_found_error", anthropic.NotFoundError),
        (Failure(K.TOO_LARGE, "huge"), 413, "request_too_large", anthropic._exceptions.ContentTooLargeError),
        (Failure(K.RATE, "slow"), 429, "rate_limit_error", anthropic.RateLimitError),
        (Failure(K.RATE, "more than a minute's tokens", status=413), 429, "rate_limit_error", anthropic.RateLimitError),
        (Failure(K.LIMITED, "slow"), 429, "rate_limit_error", anthropic.RateLimitError),
        (Failure(K.INTERNAL, "oh"), 500, "api_error", anthropic.InternalServerError),
        (Failure(K.SERVER, "oh"), 502, "api_error", anthropic.InternalServerError),
        (Failure(K.UNAVAILABLE, "out"), 503, "overloaded_error", anthropic._exceptions.ServiceUnavailableError),
        (Failure(K.DEADLINE, "late"), 504, "timeout_error", anthropic._exceptions.GatewayTimeoutError),
        (Failure(K.OVERLOADED, "full"), 529, "overloaded_error", anthropic._exceptions.OverloadedError),
        (Failure(K.BUSY, "full"), 529, "overloaded_error", anthropic._exceptions.OverloadedError),
    ],
)
def test_the_official_client_raises_what_it_knows(
    failure: Failure, status: int, word: str, kind: type[Exception]
) -> None:
    """Applications catch these classes, and look at the type in the body."""
    assert errors.status(failure) == status
    body = errors.encode(failure)
    assert json.loads(body) == {"type": "error", "error": {"type": word, "message": failure.message}}

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(errors.status(failure), content=body, headers={"content-type": "application/json"})

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        anthropic.Anthropic(api_key="k", base_url="http://lbd.test", max_retries=0, http_client=http) as client,
        pytest.raises(kind) as raised,
    ):
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
    assert type(raised.value) is kind
    assert raised.value.body == json.loads(body)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", TABLE)
def test_every_failure_has_an_envelope(kind: FailureKind) -> None:
    """And one that may pass as the API's own, in a body as in a stream."""
    failure = Failure(kind, "why")
    assert errors.is_shaped(errors.encode(failure))
    ((name, _, data, _),) = ((f.event, f.raw, f.data, f.error) for f in sse.frames(SHAPE.error_event(failure)))
    assert name == b"error" and data == errors.encode(failure)


def test_a_client_s_fault_keeps_the_provider_s_status() -> None:
    """The type is the one of the status that the client sees."""
    told = json.loads(errors.encode(Failure(K.TOO_LARGE, "m", status=413)))
    assert told["error"]["type"] == "request_too_large"
    told = json.loads(errors.encode(Failure(K.AUTH, "m", status=401)))  # lbd's key, not the client's
    assert told["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("code", errors.THREADS)
def test_a_conversation_that_nobody_holds_is_told_so_that_the_sdk_sends_it_whole(code: str) -> None:
    """It goes by the details; other failures have none."""
    told = json.loads(errors.encode(Failure(K.UNSUPPORTED, "m", code=code)))
    assert told["error"]["details"] == {"error_code": code, "unsupported": ["thread"]}
    assert "details" not in json.loads(errors.encode(Failure(K.UNSUPPORTED, "m", code="unsupported_value")))["error"]


def test_the_message_names_the_place_once() -> None:
    """The shape has no field for it."""
    told = json.loads(errors.encode(Failure(K.BAD_REQUEST, "is wrong", param="/n")))
    assert told["error"]["message"] == "/n: is wrong"
    told = json.loads(errors.encode(Failure(K.BAD_REQUEST, "/n: is wrong", param="/n")))
    assert told["error"]["message"] == "/n: is wrong"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"error":{"message":"m","type":"t","param":null,"code":null}}',
        b'{"type":"error"}',
        b'{"type":"error","error":"m"}',
        b'{"type":"error","error":{"type":"t","message":1}}',
        b'{"type":"error","error":{"message":"m"}}',
    ],
)
def test_other_bodies_are_not_the_api_s(body: bytes) -> None:
    """They are told anew, in the client's shape."""
    assert not errors.is_shaped(body)
