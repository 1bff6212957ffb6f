"""``lbd report --experiments`` and ``lbd ctl experiment``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.cli import experiments
from lbd.cli.main import main
from lbd.display.paint import Paint
from tests.fakes.console_server import problem, serving


def metric(name: str, shown: str = "open", **more: Any) -> dict[str, Any]:
    return {
        "metric": name,
        "control": {"n": 1000, "mean": 0.9},
        "treatment": {"n": 100, "mean": 0.85},
        "difference": -0.05,
        "interval": [-0.08, -0.02],
        "relative": -0.0556,
        "relative_interval": [-0.0889, -0.0222],
        "shown": shown,
        "limit": 0.03,
        **more,
    }


NOTHING = {"difference": None, "interval": None, "relative": None, "relative_interval": None, "limit": None}


def document(**more: Any) -> dict[str, Any]:
    return {
        "name": "cheap-first",
        "state": "running",
        "since": "2026-11-24T09:00:00.000Z",
        "share": 0.1,
        "by": "session",
        "surfaces": ["support"],
        "changes": [{"path": "scorer.weights.cost", "control": None, "treatment": 1.0}],
        "confidence": 0.95,
        "arms": {
            "control": {"units": 900, "requests": 1000, "scores": 10},
            "treatment": {"units": 99, "requests": 100, "scores": 1},
        },
        "metrics": [
            metric("quality", "worse"),
            metric("cost_usd", "better", limit=0.2),
            metric("ttft_s", "too_few", treatment={"n": 0, "mean": None}, **NOTHING),
        ],
        "sample_ratio": {"expected": 0.1, "seen": 0.099, "mismatch": False},
        "verdict": "mixed: the treatment is better in cost, worse in quality",
        **more,
    }


def test_an_experiment_is_a_sentence_and_a_table() -> None:
    """What is relative is shown so."""
    lines = experiments.lines(document(), Paint(False), None)
    assert lines[0] == "cheap-first: running, mixed: the treatment is better in cost, worse in quality."
    assert lines[1] == "  scorer.weights.cost: not set -> 1.0"
    assert (
        "0.1 of all by session of support (9.90% seen)" in lines[2] and "treatment 99 units, 100 requests" in lines[2]
    )
    table = "\n".join(lines[4:])
    assert "METRIC" in table and "-0.0500" in table and "-0.0800 .. -0.0200" in table
    assert "-5.6%" in table and "-8.9% .. -2.2%" in table and "20.0%" in table and "too few" in table
    assert "0.95 at all times" in lines[-1]


def test_costs_that_cannot_be_compared_are_told_so() -> None:
    """With a word that stands out."""
    told = document(metrics=[metric("cost_usd", "unpriced", treatment={"n": 0, "mean": None}, **NOTHING)])
    lines = experiments.lines(told, Paint(True), None)
    assert any("\x1b[33munpriced" in line for line in lines)


def test_arms_with_a_wrong_ratio_are_not_to_be_believed() -> None:
    """Said before the numbers."""
    told = document(sample_ratio={"expected": 0.1, "seen": None, "mismatch": True}, surfaces=[])
    lines = experiments.lines(told, Paint(False), None)
    assert "nothing below is to be believed" in lines[3]


def test_the_report_shows_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Or the document as it came; or that there is none."""
    answers: dict[str, Any] = {"GET /v1/experiments": {"object": "list", "data": [document(), document(name="b")]}}
    with serving(answers) as console:
        assert main(["report", "--experiments", "--admin", console.url]) == 0
        out = capsys.readouterr().out
        assert "cheap-first: running" in out and "\nb: running" in out
        assert main(["report", "--experiments", "--json", "--admin", console.url]) == 0
        assert json.loads(capsys.readouterr().out)["data"][0]["name"] == "cheap-first"
        answers["GET /v1/experiments"]["data"].clear()
        assert main(["report", "--experiments", "--admin", console.url]) == 0
        assert capsys.readouterr().out == "no experiment is configured\n"


@pytest.mark.parametrize("what", ["stop", "start"])
def test_an_experiment_is_stopped_and_started(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a reason; answered with how it stands."""
    with serving({f"POST /v1/experiments/cheap-first/{what}": document(state="stopped")}) as console:
        args = ["ctl", "experiment", what, "cheap-first", "--reason", "lunch", "--admin", console.url]
        assert main(args) == 0
        assert main([*args, "--json"]) == 0
    assert console.asked[0].json == {"reason": "lunch"}
    out = capsys.readouterr().out
    assert out.startswith("cheap-first (stopped): mixed") and '"name": "cheap-first"' in out


def test_a_refusal_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """By the daemon's own words."""
    answer = (404, problem(404, "there is no experiment 'y'. Known: x"))
    with serving({"POST /v1/experiments/y/stop": answer}) as console:
        assert main(["ctl", "experiment", "stop", "y", "--admin", console.url]) == 1
    assert "Known: x" in capsys.readouterr().err
