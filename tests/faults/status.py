"""Every status that is no 200, with every way to say how long to wait."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

from tests.faults.drive import Scenario
from tests.faults.upstream import Call, Fault

# Of the client's own request (a 404 of a file that it names): handed back as they came, whoever else is there.
CLIENTS = (400, 404, 413, 422)
RETRIED = (401, 402, 403, 408, 409, 424, 425, 429, 500, 501, 502, 503, 504, 520, 524, 529, 599)
REDIRECTS = (301, 302, 304, 307, 308)
ODD = (101, 204, 205, 206)  # good by their first digit, or interim; what comes with them is no answer


def answering(status: int, *fields: str, body: bytes | None = None, date_in_s: float | None = None) -> Fault:
    """Return the fault that answers so. ``date_in_s``: asks to wait until a time so far ahead."""

    async def act(call: Call) -> None:
        error = {"message": f"this is a {status}", "type": "some_error", "param": None, "code": None}
        told = json.dumps({"error": error}).encode() if body is None else body
        if status == 304:
            told = b""
        more = () if date_in_s is None else (f"retry-after: {formatdate(time.time() + date_in_s, usegmt=True)}",)
        await call.body(told, "content-type: application/json", *fields, *more, status=status)

    return act


# what a 429 or a 503 says beside itself, by a name
HINTS: dict[str, tuple[str, ...]] = {
    "seconds": ("retry-after: 2",),
    "nothing": (),
    "zero": ("retry-after: 0",),
    "fraction": ("retry-after: 0.5",),
    "ms": ("retry-after-ms: 700",),
    "both": ("retry-after-ms: 300", "retry-after: 20"),
    "openai": (
        "x-ratelimit-limit-requests: 100",
        "x-ratelimit-remaining-requests: 0",
        "x-ratelimit-reset-requests: 1s",
        "x-ratelimit-limit-tokens: 10000",
        "x-ratelimit-remaining-tokens: 0",
        "x-ratelimit-reset-tokens: 6m0s",
    ),
    "anthropic": (
        "anthropic-ratelimit-requests-limit: 50",
        "anthropic-ratelimit-requests-remaining: 0",
        "anthropic-ratelimit-requests-reset: 2030-01-01T00:00:00Z",
        "retry-after: 1",
    ),
    "century": ("retry-after: 3155760000",),
    "negative": ("retry-after: -5",),
    "nan": ("retry-after: nan", "x-ratelimit-remaining-requests: nan", "x-ratelimit-reset-requests: nan"),
    "infinite": ("retry-after: inf", "x-ratelimit-remaining-tokens: 1e999", "x-ratelimit-reset-tokens: inf"),
    "words": ("retry-after: soon", "retry-after-ms: later", "x-ratelimit-reset-requests: tomorrow"),
    "exponent": ("retry-after: 1e400", "x-ratelimit-reset-tokens: 99999999999999999999999999999d"),
    "overflow": ("retry-after: Fri, 31 Dec 99999 23:59:59 GMT",),
    "empty": ("retry-after:", "retry-after-ms:"),
}

BODIES: dict[str, bytes] = {
    "html": b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    "empty": b"",
    "text": b"upstream connect error or disconnect/reset before headers",
    "truncated": b'{"error": {"message": "The ser',
    "list": b'[{"error": {"code": 500, "message": "x", "status": "INTERNAL"}}]',
    "string": b'{"error": "overloaded"}',
    "nested": b'{"error":' * 200 + b"1" + b"}" * 200,
    "large": b'{"error": {"message": "' + b"x" * 200_000 + b'"}}',
    "junk": b"\x00\xff\xfe" * 100,
}

MODEL = json.dumps({"error": {"message": "The model 'm' does not exist", "code": "model_not_found"}}).encode()
MONEY = json.dumps({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}).encode()
LOW = json.dumps(
    {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}
).encode()
BUSY = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}).encode()

SCENARIOS = [
    *(Scenario(f"status_{s}", answering(s)) for s in (*RETRIED, *REDIRECTS, *ODD)),
    *(Scenario(f"status_{s}", answering(s), statuses=frozenset({s}), strict=False) for s in CLIENTS),
    Scenario("404_model", answering(404, body=MODEL)),
    Scenario("404_path", answering(404, body=b"404 page not found")),
    *(Scenario(f"429_{name}", answering(429, *hints)) for name, hints in HINTS.items()),
    *(Scenario(f"503_{name}", answering(503, *HINTS[name])) for name in ("seconds", "century", "nan", "words")),
    *(Scenario(f"500_body_{name}", answering(500, body=body)) for name, body in BODIES.items()),
    *(Scenario(f"429_body_{name}", answering(429, body=body)) for name, body in list(BODIES.items())[:4]),
    *(Scenario(f"429_date_{s:+}_s", answering(429, date_in_s=s)) for s in (3, -1000)),
    Scenario("503_date", answering(503, date_in_s=3)),
    Scenario("429_money", answering(429, body=MONEY)),
    Scenario("400_money_anthropic", answering(400, body=LOW), shape="anthropic", client="anthropic"),
    Scenario("529_anthropic", answering(529, body=BUSY), shape="anthropic", client="anthropic"),
    Scenario("529_translated", answering(529, body=BUSY), shape="anthropic"),
    Scenario("429_of_anthropic", answering(429, *HINTS["anthropic"]), shape="anthropic", client="anthropic"),
]
