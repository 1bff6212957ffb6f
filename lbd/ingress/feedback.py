"""``POST /v1/feedback``: how a client rates an answer that it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
import orjson
from msgspec import Meta

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Ratio

PATH = "/v1/feedback"
RATINGS: dict[str, Ratio] = {"up": 1.0, "down": 0.0}
MOST_COMMENT = 10_000  # characters

# Takes a rating to the table: request id, client, score; False where no such request of this client is known.
Take = Callable[[str, str, Ratio], bool]


class Rating(msgspec.Struct, forbid_unknown_fields=True):
    """The body. ``comment`` is for the client's own logs: it is not kept here, and neither is ``metric``."""

    request_id: Annotated[str, Meta(min_length=1, max_length=64)]
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    rating: Literal["up", "down"] | None = None
    comment: Annotated[str, Meta(max_length=MOST_COMMENT)] | None = None
    metric: Annotated[str, Meta(pattern=r"^[a-z0-9._-]{1,64}$")] | None = None


def answer(body: bytes, client: str, take: Take) -> bytes | Failure:
    """Take a rating; return the answer's body."""
    try:
        told = msgspec.json.decode(body, type=Rating)
    except (msgspec.MsgspecError, ValueError) as e:
        return Failure(FailureKind.BAD_REQUEST, f"this is no rating: {e}"[:300], code="invalid_feedback")
    if (told.score is None) is (told.rating is None):
        return Failure(
            FailureKind.BAD_REQUEST,
            "give either score, 0 to 1, or rating, up or down",
            param="score",
            code="invalid_value",
        )
    score = told.score if told.score is not None else RATINGS[str(told.rating)]
    if not take(told.request_id, client, score):
        return Failure(
            FailureKind.NOT_FOUND,
            f"none of your requests is known as {told.request_id!r}: only the latest can be rated",
            param="request_id",
            code="request_not_found",
        )
    echo: dict[str, object] = {"object": "lbd.feedback", "request_id": told.request_id, "score": score}
    return orjson.dumps(echo if told.metric is None else {**echo, "metric": told.metric})
