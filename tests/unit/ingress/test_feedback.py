"""The words of ``POST /v1/feedback``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.ingress import feedback
from lbd.model.failure import Failure, FailureKind


class Taken:
    def __init__(self, *known: str) -> None:
        self.known = known
        self.calls: list[tuple[str, str, float]] = []

    def __call__(self, request_id: str, client: str, score: float) -> bool:
        self.calls.append((request_id, client, score))
        return request_id in self.known


def told(taken: Taken, **body: Any) -> Any:
    found = feedback.answer(json.dumps(body).encode(), "bot", taken)
    return found if isinstance(found, Failure) else json.loads(found)


@pytest.mark.parametrize(
    ("how", "score"), [({"score": 0.25}, 0.25), ({"rating": "up"}, 1.0), ({"rating": "down"}, 0.0), ({"score": 1}, 1.0)]
)
def test_a_score_or_a_thumb_is_taken(how: dict[str, Any], score: float) -> None:
    """Under the client's name; the answer says what was taken."""
    taken = Taken("req_1")
    assert told(taken, request_id="req_1", comment="not kept", **how) == {
        "object": "lbd.feedback",
        "request_id": "req_1",
        "score": score,
    }
    assert taken.calls == [("req_1", "bot", score)]


def test_the_name_of_a_metric_is_told_back() -> None:
    """Where one was given."""
    assert told(Taken("r"), request_id="r", score=0, metric="style.v1")["metric"] == "style.v1"


@pytest.mark.parametrize(
    "body",
    [
        {"request_id": "r"},
        {"request_id": "r", "score": 1, "rating": "up"},
        {"request_id": "r", "score": 1.5},
        {"request_id": "r", "score": "1"},
        {"request_id": "r", "rating": "sideways"},
        {"request_id": "", "score": 1},
        {"score": 1},
        {"request_id": "r", "score": 1, "metric": "No Slug"},
        {"request_id": "r", "score": 1, "user": "x"},
        {"request_id": "r", "score": 1, "comment": "x" * 10_001},
    ],
)
def test_what_is_no_rating_is_refused(body: dict[str, Any]) -> None:
    """Nothing is taken."""
    taken = Taken("r")
    found = told(taken, **body)
    assert isinstance(found, Failure) and found.kind is FailureKind.BAD_REQUEST and not taken.calls


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b'{"request_id": "\xff", "score": 1}', b'{"request_id":"r","score":NaN}']
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    """With a reason, never by a crash."""
    found = feedback.answer(raw, "bot", Taken("r"))
    assert isinstance(found, Failure) and found.code == "invalid_feedback"


def test_an_unknown_request_is_not_found() -> None:
    """Its parameter is named."""
    found = told(Taken(), request_id="req_9", rating="up")
    assert isinstance(found, Failure) and (found.row.status, found.param) == (404, "request_id")
