"""What a request says of each metric."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.record import AttemptRecord
from lbd.state.trial_values import Metric, Spent, spent, values
from tests.fakes.records import attempt, record


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {Metric.COST: 0.00014, Metric.ERRORS: 0.0, Metric.TTFT: 0.2}),
        ({"stream": False}, {Metric.COST: 0.00014, Metric.ERRORS: 0.0, Metric.TOTAL: 0.8}),
        ({"urgency": "background"}, {Metric.COST: 0.00014, Metric.ERRORS: 0.0}),
        ({"ttft_s": None}, {Metric.COST: 0.00014, Metric.ERRORS: 0.0}),
        ({"outcome": FailureKind.SERVER}, {Metric.COST: 0.00014, Metric.ERRORS: 1.0}),
        ({"outcome": FailureKind.DEADLINE}, {Metric.COST: 0.00014, Metric.ERRORS: 1.0}),
        ({"outcome": FailureKind.NO_CANDIDATE, "cost": 0}, {Metric.COST: 0.0, Metric.ERRORS: 1.0}),
        ({"outcome": FailureKind.CLIENT_GONE}, {Metric.COST: 0.00014}),
        ({"outcome": FailureKind.BAD_REQUEST}, {Metric.COST: 0.00014}),
        ({"outcome": FailureKind.BUDGET, "cost": 0}, {Metric.COST: 0.0}),
    ],
)
def test_a_request_says_what_it_can(more: dict[str, Any], expected: dict[Metric, float]) -> None:
    """What is the client's fault, or its budget's, is no error; what failed has no latency."""
    made = record(**more)
    assert dict(values(made, Spent(made.cost))) == expected
    assert dict(values(made, Spent(None))) == {m: v for m, v in expected.items() if m is not Metric.COST}


def test_every_outcome_is_one_it_knows() -> None:
    """No record can break the count."""
    for kind in FailureKind:
        assert Metric.COST in dict(values(record(outcome=str(kind)), Spent(0)))


REFUSED = attempt("p/a", failure=FailureKind.SERVER)
NEVER_SENT = attempt("p/free", usage=None, cost=0, refused="at_limit")
UNCOUNTED = attempt("p/a", usage=None, cost=0)
GIVEN_UP = attempt("p/a", failure=FailureKind.CLIENT_GONE)
BROKEN = attempt("p/free", failure=FailureKind.TIMEOUT_IDLE, usage=Usage(100, 3, estimated=True))


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ((attempt("p/a"),), Spent(140_000)),
        ((), Spent(140_000)),
        ((REFUSED, attempt("p/a")), Spent(140_000)),
        ((attempt("p/free", failure=FailureKind.SERVER), attempt("p/a")), Spent(140_000)),
        ((NEVER_SENT, attempt("p/a")), Spent(140_000)),
        ((attempt("p/free"),), Spent(None, unpriced=True)),
        ((BROKEN, attempt("p/a")), Spent(None, unpriced=True)),
        ((UNCOUNTED,), Spent(None)),
        ((UNCOUNTED, attempt("p/a")), Spent(None)),
        ((GIVEN_UP,), Spent(None)),
        ((UNCOUNTED, attempt("p/free")), Spent(None, unpriced=True)),
    ],
)
def test_what_a_request_cost_is_known_where_all_its_attempts_are(
    attempts: tuple[AttemptRecord, ...], expected: Spent
) -> None:
    """Each answer has a price and a usage; what was refused or never sent cost nothing, priced or not."""
    assert spent(record(attempts=attempts), lambda deployment: deployment != "p/free") == expected
