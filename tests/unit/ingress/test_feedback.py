"""The words of ``POST /v1/feedback``."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from lbd.ingress import feedback
from lbd.ingress.feedback import Take
from lbd.model.evaluation import Compare
from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import ClientSpec, Permission


class Taken:
    def __init__(self, *known: str) -> None:
        self.known = known
        self.calls: list[tuple[str, str, float]] = []
        self.compared: list[Compare] = []
        self.busy = False
        self.take = Take(self.rate, self.compare)

    def compare(self, wanted: Compare) -> Literal["taken", "unknown", "busy"]:
        self.compared.append(wanted)
        return "unknown" if wanted.request not in self.known else "busy" if self.busy else "taken"

    def rate(self, request_id: str, client: str, score: float) -> bool:
        self.calls.append((request_id, client, score))
        return request_id in self.known


def told(taken: Taken, **body: Any) -> Any:
    found = feedback.answer(json.dumps(body).encode(), "bot", taken.take)
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
        {"request_id": "r", "score": 1, "answer": "a", "reference": "b"},
        {"request_id": "r", "reference": "b"},
        {"request_id": "r", "answer": "a"},
        {"request_id": "r", "answer": "a", "reference": "b", "metric": "blue"},
        {"request_id": "r", "answer": "", "reference": "b"},
        {"request_id": "r", "answer": "a", "reference": "b" * 100_001},
    ],
)
def test_what_is_no_rating_is_refused(body: dict[str, Any]) -> None:
    """Nothing is taken."""
    taken = Taken("r")
    found = told(taken, **body)
    assert isinstance(found, Failure) and found.kind is FailureKind.BAD_REQUEST
    assert not taken.calls and not taken.compared


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b'{"request_id": "\xff", "score": 1}', b'{"request_id":"r","score":NaN}']
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    """With a reason, never by a crash."""
    found = feedback.answer(raw, "bot", Taken("r").take)
    assert isinstance(found, Failure) and found.code == "invalid_feedback"


def test_an_unknown_request_is_not_found() -> None:
    """Its parameter is named."""
    found = told(Taken(), request_id="req_9", rating="up")
    assert isinstance(found, Failure) and (found.row.status, found.param) == (404, "request_id")


def test_an_answer_with_a_reference_is_queued() -> None:
    """By the usual metric, or the one that is named."""
    taken = Taken("r")
    echo = told(taken, request_id="r", answer="Bonn", reference="Berlin")
    assert echo == {"object": "lbd.feedback", "request_id": "r", "metric": "chrf", "status": "queued"}
    assert told(taken, request_id="r", answer="Bonn", reference="Berlin", metric="exact")["metric"] == "exact"
    assert taken.compared[1] == Compare("r", "bot", "Bonn", "Berlin", "exact") and not taken.calls


def test_where_too_many_wait_the_client_is_told_when_to_ask_again() -> None:
    """And an unknown request is not found, as with a rating."""
    taken = Taken("r")
    taken.busy = True
    found = told(taken, request_id="r", answer="Bonn", reference="Berlin")
    assert isinstance(found, Failure) and found.kind is FailureKind.BUSY and found.retry_after_s
    found = told(taken, request_id="x", answer="Bonn", reference="Berlin")
    assert isinstance(found, Failure) and found.row.status == 404


def test_who_may_not_rate_is_told_so() -> None:
    """Ratings move decisions for everybody: an operator may keep them from a client."""
    kept = ClientSpec("bot", b"", may=frozenset(Permission) - {Permission.FEEDBACK})
    found = feedback.permitted(kept)
    assert isinstance(found, Failure) and found.row.status == 403 and "feedback" in found.message
    free = ClientSpec("bot", b"")
    assert feedback.permitted(free) is free
    refused = Failure(FailureKind.UNAUTHORIZED, "who?")
    assert feedback.permitted(refused) is refused


def test_a_metric_whose_extra_is_missing_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after it was queued."""
    monkeypatch.setattr("lbd.quality.embedding.available", lambda: False)
    found = told(Taken("r"), request_id="r", answer="a", reference="b", metric="embedding")
    assert isinstance(found, Failure) and found.param == "metric"
