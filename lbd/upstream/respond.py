"""What a client is told beside the answer itself: lbd's own headers, and failures in the client's shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lbd.model.failure import Blame, Failure, FailureKind
from lbd.model.units import Seconds
from lbd.shapes.clients import ClientShape

# After a 429 without a word of how long: the shortest wait that is not a hammer.
UNNAMED_WAIT: Seconds = 1.0
# SDKs wait no longer than this before they ask again by themselves.
LONGEST_WAIT: Seconds = 60.0
LONGEST_ID = 256  # characters of a provider's own id of a request; a longer one is none


def answer(failure: Failure, shape: ClientShape) -> tuple[int, bytes, bytes]:
    """Return status, header fields and body that tell a client of ``failure``.

    A fault of the client's own goes back as the provider put it, where the client's shape can read that.
    """
    row = failure.row
    headers = [("content-type", "application/json")]
    status = shape.status(failure)
    body = shape.error_body(failure)
    if row.blame is Blame.CLIENT and failure.status is not None and 400 <= failure.status < 500:
        status = failure.status
        if failure.body is not None and shape.passes(failure.body):
            body = failure.body
    wait = failure.retry_after_s
    # until its window ends, which no SDK waits for
    hopeless = failure.kind is FailureKind.BUDGET and (wait is None or wait > LONGEST_WAIT)
    if wait is None and status == 429 and not hopeless:
        wait = UNNAMED_WAIT
    helps = wait is not None and status in (429, 503, 504, 529)
    if wait is not None and helps:
        ms = max(1, math.ceil(wait * 1000))
        headers += [("retry-after-ms", str(ms)), ("retry-after", str(math.ceil(ms / 1000)))]
    if hopeless or (not helps and (status >= 500 or status in (408, 409))):
        # every candidate was tried: an SDK's own retries would only repeat that
        headers.append(("x-should-retry", "false"))
    return status, fields(headers), body


JSON = b"content-type: application/json\r\n"
# of a stream; the second asks nginx not to gather it, as it does unless it is configured not to
STREAMED = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"


def fields(headers: Sequence[tuple[str, str]]) -> bytes:
    """Encode header fields as a reply takes them."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1", "replace")


def own_fields(
    request_id: str,
    attempts: int,
    overhead_us: float,
    deployment: bytes = b"",
    upstream_id: str | None = None,
    *,
    slo_at_risk: bool = False,
) -> bytes:
    """Return the header fields that every answer carries. ``deployment`` is the line's own encoded field.

    The id stands there twice: OpenAI's SDKs look for it under the first name, Anthropic's under the second.
    """
    id_ = request_id.encode()
    out = b"x-request-id: %b\r\nrequest-id: %b\r\nx-lbd-attempts: %d\r\nx-lbd-overhead-us: %d\r\n%b" % (
        id_,
        id_,
        attempts,
        round(overhead_us),
        deployment,
    )
    if upstream_id is not None and len(upstream_id) <= LONGEST_ID and upstream_id.isprintable():
        out += b"x-lbd-upstream-request-id: %b\r\n" % upstream_id.encode("latin-1", "replace")
    return out + b"x-lbd-slo: at-risk\r\n" if slo_at_risk else out
