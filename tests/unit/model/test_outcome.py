"""Observations: how an attempt ended, and what a probe saw."""

from __future__ import annotations

import pytest

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Outcome, ProbeResult, Usage, Verdict


@pytest.mark.parametrize("kind", [None, *FailureKind])
def test_an_outcome_s_kind_is_its_failure_s_and_none_is_good(kind: FailureKind | None) -> None:
    """Counts are kept under it."""
    failure = None if kind is None else Failure(kind, "")
    assert Outcome(failure, 0, 1.0).kind is kind


def test_an_attempt_counts_unless_it_is_known_to_have_been_cut_early() -> None:
    """The safe default: only the driver knows better. Nothing else is made up."""
    outcome = Outcome(None, 0, 1.0)
    assert outcome.exceeded_own_p99
    assert (outcome.ttft_s, outcome.usage, outcome.quota) == (None, None, ())
    assert not Usage().estimated


def test_a_probe_that_spent_nothing_costs_nothing() -> None:
    """Free probes need not say so; busy is a verdict of its own."""
    result = ProbeResult("load", Verdict.BUSY, 5.0, 0.1)
    assert (result.cost, result.failure, result.models) == (0, None, None)
    assert {str(v) for v in Verdict} == {"up", "down", "busy"}
