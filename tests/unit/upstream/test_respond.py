"""What a client is told of a failure: status, when asking again helps, and whose words it reads."""

from __future__ import annotations

import json

import pytest

from lbd.model.failure import TABLE, Blame, Failure, FailureKind
from lbd.shapes.clients import CLIENTS
from lbd.upstream import respond
from lbd.upstream.respond import UNNAMED_WAIT, answer, fields, own_fields

SHAPE = CLIENTS.load()["openai.chat"]


def told(failure: Failure) -> tuple[int, dict[str, str], dict[str, object]]:
    status, headers, body = answer(failure, SHAPE)
    return status, parse(headers), json.loads(body)["error"]


def parse(headers: bytes) -> dict[str, str]:
    assert headers.endswith(b"\r\n") or not headers
    lines = headers.decode("latin-1").split("\r\n")[:-1]
    out = dict(line.split(": ", 1) for line in lines)
    assert len(out) == len(lines), "a header twice"
    return out


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_is_answered_in_the_clients_shape(kind: FailureKind) -> None:
    """The table's status, OpenAI's four members, and JSON as the type."""
    status, headers, error = told(Failure(kind, "why"))
    assert status == TABLE[kind].status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] == "why" and error["type"] == TABLE[kind].type
    assert isinstance(error["code"], str)
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", FailureKind)
def test_an_answer_says_when_to_ask_again_or_that_asking_again_is_no_use(kind: FailureKind) -> None:
    """SDKs retry 408, 409, 429 and 5xx by themselves: each of those carries a wait or x-should-retry: false."""
    status, headers, _ = told(Failure(kind, "why"))
    waits, never = "retry-after-ms" in headers, headers.get("x-should-retry") == "false"
    assert not (waits and never)
    assert (waits or never) == (status in (408, 409, 429) or status >= 500)


@pytest.mark.parametrize("kind", [FailureKind.LIMITED, FailureKind.RATE])
def test_a_429_always_names_a_wait(kind: FailureKind) -> None:
    """Without a word of the provider's it is the shortest one that is no hammer."""
    _, headers, _ = told(Failure(kind, "why"))
    assert headers["retry-after-ms"] == f"{UNNAMED_WAIT * 1000:.0f}"
    assert headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("wait", "ms", "seconds"),
    [(0.0, "1", "1"), (0.0004, "1", "1"), (0.25, "250", "1"), (1.2, "1200", "2"), (60.0, "60000", "60")],
)
def test_a_wait_is_exact_in_milliseconds_and_rounded_up_in_seconds(wait: float, ms: str, seconds: str) -> None:
    """Never 0: that would be an invitation to hammer."""
    _, headers, _ = told(Failure(FailureKind.UNAVAILABLE, "why", retry_after_s=wait))
    assert (headers["retry-after-ms"], headers["retry-after"]) == (ms, seconds)
    assert "x-should-retry" not in headers


def test_a_wait_is_not_told_with_a_status_that_waiting_does_not_help() -> None:
    """A provider's retry-after on a 500 would make SDKs repeat what lbd has already repeated elsewhere."""
    _, headers, _ = told(Failure(FailureKind.SERVER, "why", retry_after_s=3))
    assert "retry-after" not in headers and headers["x-should-retry"] == "false"
    _, headers, _ = told(Failure(FailureKind.BAD_REQUEST, "why", retry_after_s=3))
    assert "retry-after" not in headers and "x-should-retry" not in headers


PROVIDERS_OWN = b'{"error" : {"message":"no \\u00fc","type":"invalid_request_error","param":"n","code":null},  "x":1}'


def test_a_clients_fault_comes_back_byte_for_byte() -> None:
    """With the provider's own status: applications look for its words."""
    failure = Failure(FailureKind.BAD_REQUEST, "no", status=422, body=PROVIDERS_OWN)
    status, _, body = answer(failure, SHAPE)
    assert (status, body) == (422, PROVIDERS_OWN)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"code":400,"message":"no","type":"invalid_request_error"}}',  # llama.cpp: a number, no param
        b'{"detail":"no"}',
        b"<html>",
        b"",
    ],
)
def test_a_body_that_the_client_could_not_read_is_written_anew(body: bytes) -> None:
    """In OpenAI's shape, with the provider's message and status."""
    status, _, error = told(Failure(FailureKind.BAD_REQUEST, "no", status=422, body=body, param="messages"))
    assert status == 422
    assert error["message"] == "no" and error["param"] == "messages"


@pytest.mark.parametrize("kind", [k for k, row in TABLE.items() if row.blame is not Blame.CLIENT])
def test_what_is_not_the_clients_fault_never_shows_the_providers_body_or_status(kind: FailureKind) -> None:
    """A provider's 401 is not the client's, and its error page is nobody's business."""
    status, _, body = answer(Failure(kind, "why", status=401, body=PROVIDERS_OWN), SHAPE)
    assert status == TABLE[kind].status
    assert body != PROVIDERS_OWN


def test_a_clients_fault_found_inside_a_200_has_the_tables_status() -> None:
    """The status that came before it says nothing."""
    status, _, _ = answer(Failure(FailureKind.CONTENT_FILTER, "no", status=200), SHAPE)
    assert status == 400
    status, _, _ = answer(Failure(FailureKind.UNSUPPORTED, "no", status=500), SHAPE)
    assert status == 400


def test_fields_are_encoded_line_by_line() -> None:
    """What latin-1 cannot carry is replaced, never an exception."""
    assert fields([("a", "1"), ("b", "\u20ac")]) == b"a: 1\r\nb: ?\r\n"
    assert fields([]) == b""


@pytest.mark.parametrize(("wait", "never"), [(1.0, False), (60.0, False), (60.1, True), (40_000.0, True), (None, True)])
def test_a_spent_budget_names_its_wait_and_stops_an_sdks_own_retries(wait: float | None, never: bool) -> None:
    """Until the window ends no SDK waits; what others have only reserved may be back in a second."""
    status, headers, error = told(Failure(FailureKind.BUDGET, "why", retry_after_s=wait))
    assert status == 429 and error["type"] == "insufficient_quota"
    assert headers.get("retry-after-ms") == (None if wait is None else f"{wait * 1000:.0f}")
    assert (headers.get("x-should-retry") == "false") is never


def test_a_clients_rate_limit_names_its_own_wait() -> None:
    """To the millisecond; SDKs obey it."""
    status, headers, error = told(Failure(FailureKind.RATE_LIMIT, "why", retry_after_s=1.2341))
    assert (status, headers["retry-after-ms"], error["type"]) == (429, "1235", "rate_limit_error")
    assert "x-should-retry" not in headers


def test_own_fields_name_the_request_the_attempts_and_the_time() -> None:
    """On every answer; the rest where it is known."""
    plain = parse(own_fields("req_1", 2, 123.6))
    assert plain == {
        "x-request-id": "req_1",
        "request-id": "req_1",
        "x-lbd-attempts": "2",
        "x-lbd-overhead-us": "124",
    }
    full = parse(own_fields("req_1", 1, 0, b"x-lbd-deployment: p/m\r\n", "up-\u20ac", slo_at_risk=True))
    assert full["x-lbd-deployment"] == "p/m"
    assert full["x-lbd-upstream-request-id"] == "up-?"
    assert full["x-lbd-slo"] == "at-risk"


def test_the_module_promises_no_wait_that_is_a_hammer() -> None:
    """At least a second where nothing was said."""
    assert respond.UNNAMED_WAIT >= 1.0


@pytest.mark.parametrize("told", ["a\r\nset-cookie: b", "a\x01b", "a\x85b", "a\0", "x" * 257])
def test_a_provider_s_id_that_is_none_is_not_passed_on(told: str) -> None:
    """It becomes a field of the answer."""
    assert b"upstream" not in own_fields("req_1", 1, 1.0, upstream_id=told)
    assert b"x-lbd-upstream-request-id: x\r\n" in own_fields("req_1", 1, 1.0, upstream_id="x")
