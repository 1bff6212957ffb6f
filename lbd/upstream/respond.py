"""What a client is told beside the answer itself: lbd's own headers, and failures in the client's shape."""

from __future__ import annotations

import math

from lbd.model.failure import Blame, Failure
from lbd.model.units import Seconds
from lbd.shapes.clients import ClientShape

# After a 429 without a word of how long: the shortest wait that is not a hammer.
UNNAMED_WAIT: Seconds = 1.0


def answer(failure: Failure, shape: ClientShape) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return status, body and headers that tell a client of ``failure``.

    A fault of the client's own goes back as the provider put it, where the client's shape can read that.
    """
    row = failure.row
    headers = [("content-type", "application/json")]
    status = row.status
    body = shape.error_body(failure)
    if row.blame is Blame.CLIENT and failure.status is not None and 400 <= failure.status < 500:
        status = failure.status
        if failure.body is not None and shape.passes(failure.body):
            body = failure.body
    wait = failure.retry_after_s
    if wait is None and status == 429:
        wait = UNNAMED_WAIT
    if wait is not None and status in (429, 503, 504):
        ms = max(1, math.ceil(wait * 1000))
        headers += [("retry-after-ms", str(ms)), ("retry-after", str(math.ceil(ms / 1000)))]
    elif status >= 500 or status in (408, 409):
        # every candidate was tried: an SDK's own retries would only repeat that
        headers.append(("x-should-retry", "false"))
    return status, body, headers


def own_headers(
    request_id: str,
    *,
    attempts: int,
    overhead_us: float,
    deployment: str | None = None,
    upstream_id: str | None = None,
    slo_missed: bool = False,
) -> list[tuple[str, str]]:
    """Return the headers that every answer carries."""
    headers = [
        ("x-request-id", request_id),
        ("x-lbd-attempts", str(attempts)),
        ("x-lbd-overhead-us", str(round(overhead_us))),
    ]
    if deployment is not None:
        headers.append(("x-lbd-deployment", deployment))
    if upstream_id is not None:
        headers.append(("x-lbd-upstream-request-id", upstream_id))
    if slo_missed:
        headers.append(("x-lbd-slo", "missed"))
    return headers
