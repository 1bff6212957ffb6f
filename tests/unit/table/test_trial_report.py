"""What is told of experiments."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from lbd.model.experiment import By, Change, ExperimentSpec, Limits
from lbd.state.trial_values import Spent
from lbd.table.trial_report import document
from lbd.table.trials import Ending, Experiment
from tests.fakes.records import record


def note(found: Experiment, unit: int, *, treated: bool, priced: bool = True, **of: Any) -> None:
    ended = record(**of)
    found.trial.enter(unit, treated=treated)
    found.trial.note(ended, unit, treated=treated, spent=Spent(ended.cost if priced else None, not priced))


def made(control: int = 0, treated: int = 0, *, scores: bool = False, by: By = By.SESSION, **of: Any) -> Experiment:
    spec = ExperimentSpec(
        "x", 0.5, by, changes=(Change("scorer.weights.cost", 0.5, 1.0),), stop_if=Limits(0.03, 0.02), key="k"
    )
    found = Experiment(spec, 1_700_000_000.0)
    for unit in range(control + treated):
        is_treated = unit >= control
        note(found, unit, treated=is_treated, total_s=0.5 + unit % 3, **(of if is_treated else {}))
        if scores:
            found.trial.score(float(unit % 3 > 0), unit, treated=is_treated)
    found.trial.look()
    return found


def test_the_whole_of_it_is_json() -> None:
    """Definition, arms, metrics, ratio, verdict."""
    told = orjson.loads(orjson.dumps(document(made(100, 100, scores=True, cost=100_000))))
    assert told["name"] == "x" and told["state"] == "running" and told["ended"] is None
    assert told["changes"] == [{"path": "scorer.weights.cost", "control": 0.5, "treatment": 1.0}]
    assert told["ran_days"] == 0.0 and told["max_days"] is None
    assert told["stop_if"] == {"quality_drop": 0.03, "error_rise": 0.02, "cost_rise": None, "ttft_rise": None}
    assert told["arms"] == {
        "control": {"units": 100, "requests": 100, "unpriced": 0, "scores": 100},
        "treatment": {"units": 100, "requests": 100, "unpriced": 0, "scores": 100},
    }
    by_name = {m["metric"]: m for m in told["metrics"]}
    assert list(by_name) == ["quality", "errors", "cost_usd", "ttft_s", "total_s"]
    cost = by_name["cost_usd"]
    assert cost["control"] == {"n": 100, "mean": pytest.approx(0.00014)}
    assert cost["difference"] == pytest.approx(-0.00004) and cost["relative"] == pytest.approx(-2 / 7)
    low, high = cost["interval"]
    assert low < cost["difference"] < high < 0 and cost["shown"] == "better"
    assert by_name["quality"]["shown"] == "open" and by_name["quality"]["limit"] == 0.03
    assert by_name["total_s"] | {"metric": ""} == by_name["total_s"] | {
        "metric": "",
        "difference": None,
        "interval": None,
        "relative": None,
        "relative_interval": None,
        "shown": "too_few",
    }
    ratio = told["sample_ratio"]
    assert (ratio["expected"], ratio["seen"], ratio["mismatch"]) == (0.5, 0.5, False)
    assert ratio["log_evidence"] < 0 < ratio["mismatch_from"]
    assert told["verdict"] == "the treatment is better in cost; not sure yet that it keeps its limit of quality"


def test_a_control_arm_that_costs_nothing_has_no_relative_difference() -> None:
    """It would be a division by zero."""
    found = made(0, 100)
    for unit in range(200, 300):
        note(found, unit, treated=False, cost=0)
    found.trial.look()
    cost = next(m for m in document(found)["metrics"] if m["metric"] == "cost_usd")
    assert cost["difference"] == pytest.approx(0.00014) and cost["relative"] is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (made(5, 5), "too early: nothing is said before each arm has 30 units; requests that name no x-lbd-session"),
        (made(5, 5, by=By.CLIENT), "each client is one unit"),
        (made(5, 5, by=By.REQUEST), "has 30 units"),
        (made(100, 100, priced=False), "open: no difference is shown yet; costs are not compared: too much was"),
        (made(100, 100, priced=False, ttft_s=0.4), "worse in time to the first content; costs are not compared"),
        (made(100, 100), "open: no difference is shown yet"),
        (made(100, 100, cost=280_000), "the treatment is worse in cost"),
        (made(100, 100, cost=70_000), "better in cost; not sure yet that it keeps its limit of quality"),
        (made(9000, 9000, scores=True, cost=70_000), "won: the treatment is better in cost, and keeps every limit"),
        (
            made(100, 100, cost=280_000, ttft_s=0.1),
            "mixed: the treatment is better in time to the first content, worse",
        ),
        (made(100, 100, cost=280_000, ttft_s=0.4), "worse in cost and time to the first content"),
    ],
)
def test_how_it_stands_is_told_in_words(found: Experiment, words: str) -> None:
    """What is missing, too."""
    assert words in document(found)["verdict"]


@pytest.mark.parametrize(
    ("reason", "by", "words"),
    [
        ("lunch", "me", "stopped by me: lunch; everybody has what the control arm has"),
        ("quality worse", None, "stopped by its guardrail: quality worse"),
        ("sample_ratio_mismatch", None, "invalid, stopped"),
        ("time_over", None, "its time is over"),
    ],
)
def test_how_it_ended_is_told_in_words(reason: str, by: str | None, words: str) -> None:
    """And by whom."""
    found = made(50, 50)
    found.ending = Ending(1_700_000_000.0, reason, {"low": 0.1}, by)
    told = document(found)
    assert words in told["verdict"] and told["state"] == "stopped"
    assert told["ended"]["reason"] == reason and told["ended"]["evidence"] == {"low": 0.1}


def test_a_disabled_one_says_so() -> None:
    """Whatever was known of it."""
    found = made(100, 100)
    found.spec = replace(found.spec, enabled=False)
    told = document(found)
    assert (told["state"], told["verdict"]) == ("disabled", "disabled: nobody is treated")
