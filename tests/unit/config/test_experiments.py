"""The keys of experiments: the example of the contract, the bounds, what is usual."""

from __future__ import annotations

import pytest

from lbd.config.experiments import ExperimentConfig, StopIfConfig
from lbd.model.experiment import By, Limits
from tests.fakes.configs import LOCAL, checked, problems

CONTRACT = """\
experiments: [{name: cheap-first, share: 0.1, change: {scorer.weights.cost: 1.0}, stop_if: {quality_drop: 0.03}}]
"""


def test_the_example_of_the_contract_is_one() -> None:
    """As it stands."""
    compiled = checked(LOCAL + CONTRACT)
    (spec,) = compiled.experiments
    assert (spec.name, spec.share, spec.by, spec.enabled) == ("cheap-first", 0.1, By.SESSION, True)
    assert spec.stop_if == Limits(quality_drop=0.03, error_rise=0.02)
    assert dict(compiled.variants["cheap-first"].scorer.weights)["cost"] == 1.0
    assert dict(compiled.scorer.weights)["cost"] == 0.5


def test_what_fails_more_often_is_stopped_unless_one_says_otherwise() -> None:
    """Errors are guarded by themselves; null switches that off."""
    assert StopIfConfig().error_rise == 0.02
    text = LOCAL + CONTRACT.replace("quality_drop: 0.03", "error_rise: null")
    assert checked(text).experiments[0].stop_if == Limits()
    assert ExperimentConfig(name="x", share=0.1, change={"a": 1}).confidence == 0.95


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("share: 0.1", "share: 0", "expected a number > 0"),
        ("share: 0.1", "share: 1", "expected a number < 1"),
        ("share: 0.1", "share: 10%", "write 10"),
        ("share: 0.1", "by: user", "'user' is not known"),
        ("{scorer.weights.cost: 1.0}", "{}", "length >= 1"),
        ("quality_drop: 0.03", "quality_drop: 3", "<= 1"),
        ("quality_drop", "quality_dorp", "did you mean quality_drop?"),
        ("name: cheap-first", "name: Cheap First", "must be made of letters"),
        ("share: 0.1", "share: 0.1, confidence: 0.3", ">= 0.5"),
        ("share: 0.1", "share: 0.1, max_days: 0", "> 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(old: str, new: str, reason: str) -> None:
    """With its place."""
    found = problems(LOCAL + CONTRACT.replace(old, new))
    assert any(reason in p and "experiments[0]" in p for p in found), found
