"""``POST /v1/feedback``: how a client rates an answer that it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from lbd.model.evaluation import Compare
from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import ClientSpec, Permission
from lbd.model.units import Ratio
from lbd.quality import metrics

PATH = "/v1/feedback"
RATINGS: dict[str, Ratio] = {"up": 1.0, "down": 0.0}
MOST_COMMENT = 10_000  # characters

MOST_TEXT = 100_000  # characters of an answer or a reference
USUAL = "chrf"

# Takes a rating to the table: request id, client, score; False where no such request of this client is known.
Rate: TypeAlias = Callable[[str, str, Ratio], bool]


class Take(NamedTuple):
    """Where ratings go: such as are scores, and such as are still to be computed."""

    rate: Rate
    compare: Callable[[Compare], Literal["taken", "unknown", "busy"]]


class Rating(msgspec.Struct, forbid_unknown_fields=True):
    """The body. ``comment`` is for the client's own logs: it is not kept here.

    ``score`` or ``rating``; or ``answer`` and ``reference``, which are compared by ``metric``.
    """

    request_id: Annotated[str, Meta(min_length=1, max_length=64)]
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    rating: Literal["up", "down"] | None = None
    comment: Annotated[str, Meta(max_length=MOST_COMMENT)] | None = None
    metric: Annotated[str, Meta(pattern=r"^[a-z0-9._-]{1,64}$")] | None = None
    answer: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)] | None = None
    reference: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)] | None = None


def permitted(client: ClientSpec | Failure) -> ClientSpec | Failure:
    """Return a client that may rate, or why it may not."""
    if isinstance(client, Failure) or Permission.FEEDBACK in client.may:
        return client
    return Failure(
        FailureKind.FORBIDDEN, "this client may not rate answers: its `may` lacks feedback", code="not_allowed"
    )


def answer(body: bytes, client: str, take: Take) -> bytes | Failure:
    """Take a rating; return the answer's body."""
    try:
        told = msgspec.json.decode(body, type=Rating)
    except (msgspec.MsgspecError, ValueError) as e:
        return Failure(FailureKind.BAD_REQUEST, f"this is no rating: {e}"[:300], code="invalid_feedback")
    if sum(given is not None for given in (told.score, told.rating, told.reference)) != 1:
        return Failure(
            FailureKind.BAD_REQUEST,
            "give one of score, 0 to 1; rating, up or down; or answer and reference, to be compared",
            param="score",
            code="invalid_value",
        )
    echo: dict[str, object] = {"object": "lbd.feedback", "request_id": told.request_id}
    if told.reference is not None:
        metric = told.metric or USUAL
        refused = _compare(told, client, metric, told.reference, take)
        return orjson.dumps({**echo, "metric": metric, "status": "queued"}) if refused is None else refused
    score = told.score if told.score is not None else RATINGS[str(told.rating)]
    if not take.rate(told.request_id, client, score):
        return _unknown(told.request_id)
    echo["score"] = score
    return orjson.dumps(echo if told.metric is None else {**echo, "metric": told.metric})


def _compare(told: Rating, client: str, metric: str, reference: str, take: Take) -> Failure | None:
    if told.answer is None:
        text = "a reference needs the answer that it is compared with: lbd keeps none"
        return Failure(FailureKind.BAD_REQUEST, text, param="answer", code="missing_value")
    if not metrics.usable(metric):
        known = sorted({*metrics.BUILT_IN, *metrics.installed()})
        text = f"no metric is called {metric!r}. Known: {', '.join(known)}"
        return Failure(FailureKind.BAD_REQUEST, text, param="metric", code="invalid_value")
    became = take.compare(Compare(told.request_id, client, told.answer, reference, metric))
    if became == "unknown":
        return _unknown(told.request_id)
    if became == "busy":
        return Failure(FailureKind.BUSY, "too many answers wait to be compared", retry_after_s=10.0)
    return None


def _unknown(request_id: str) -> Failure:
    return Failure(
        FailureKind.NOT_FOUND,
        f"none of your requests is known as {request_id!r}: only the latest can be rated",
        param="request_id",
        code="request_not_found",
    )
