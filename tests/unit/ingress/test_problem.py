"""Errors of the admin API are RFC 9457 problem details."""

from __future__ import annotations

import json

import pytest

from lbd.ingress.problem import Problem


@pytest.mark.parametrize(
    ("status", "title"), [(404, "Not Found"), (422, "Unprocessable Entity"), (503, "Service Unavailable")]
)
def test_a_problem_has_type_title_status_and_detail(status: int, title: str) -> None:
    """And its own media type."""
    response = Problem(status, "why").response()
    assert response.status == status and response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {"type": "about:blank", "title": title, "status": status, "detail": "why"}


def test_a_problem_may_say_more() -> None:
    """Extension members, beside the four."""
    response = Problem(422, "why", code="x", problems=[{"line": 1}]).response()
    assert isinstance(response.body, bytes)
    body = json.loads(response.body)
    assert body["code"] == "x" and body["problems"] == [{"line": 1}] and body["status"] == 422


def test_a_problem_reads_as_its_detail() -> None:
    """In a traceback or a log."""
    assert str(Problem(404, "nothing here")) == "nothing here"
