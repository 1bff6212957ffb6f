"""Experiments: arms, differences with intervals, verdicts."""

from __future__ import annotations

from lbd.page import experiments
from tests.fakes.scenes import Read, experiment


def test_each_metric_has_both_arms_and_its_interval() -> None:
    """With what is shown of it, and its limit."""
    told = Read(experiments.panel([experiment()])).text.replace("\u202f", " ")
    assert "cheap-first running, 20 % by session: the treatment is worse in errors" in told
    assert "errors0.01 (n 400)0.04 (n 100)+0.03+0.01 to +0.05worse limit 0.02" in told


def test_what_is_not_known_yet_is_no_zero() -> None:
    """No interval, no mean."""
    told = Read(experiments.panel([experiment()])).text
    assert "quality0.01 (n 400)0.04 (n 100)··worse" in told
    empty = experiment()
    empty["metrics"][0]["control"] = {"n": 0, "mean": None}
    assert "errors·" in Read(experiments.panel([empty])).text


def test_without_experiments_the_panel_is_hidden() -> None:
    """But there, so that one that begins can be shown."""
    read = Read(experiments.panel([]))
    assert "hidden" in read.all("section", id="experiments")[0]
    assert "hidden" not in Read(experiments.panel([experiment()])).all("section", id="experiments")[0]
