"""How sampled answers are scored."""

from __future__ import annotations

from lbd.model.evaluation import EVALUATOR, EvaluateSpec, JudgeSpec
from lbd.model.provider import BudgetSpec


def test_a_value_counts_as_it_is_or_by_what_it_has_to_reach() -> None:
    """From the least value on, 1; under it, 0."""
    spec = EvaluateSpec(0.1, 0, "chrf", pass_from=(("chrf", 0.5),))
    assert (spec.of("chrf", 0.5), spec.of("chrf", 0.49), spec.of("bleu", 0.49)) == (1.0, 0.0, 0.49)


def test_who_sees_requests_beside_the_one_that_serves() -> None:
    """The reference and the judge."""
    assert EvaluateSpec(0.1, 0).outside == ()
    assert EvaluateSpec(0.1, 0, reference="m", judge=JudgeSpec("a/b")).outside == ("m", "a/b")


def test_no_configured_client_can_be_the_evaluator() -> None:
    """Its name is no slug; its budget has a key like any other's."""
    assert "/" in EVALUATOR
    assert BudgetSpec("client", EVALUATOR, "day", 1).key == f"client/{EVALUATOR}/day"
