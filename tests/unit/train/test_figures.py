"""Figures: an oracle is better than random, floors are judged on other rows than they were calibrated on."""

from __future__ import annotations

import numpy as np

from lbd.train.figures import allowed, deployed, gates, lines, picked
from lbd.train.fit import Recipe
from tests.unit.train.made import data
from tests.unit.train.test_tune import foretold


def test_orders_are_told_beside_random_and_oracle() -> None:
    """For each set."""
    found = {(x.set, x.by): x for x in lines(data(), {"told": foretold(1.0)})}
    for name in data().names:
        assert abs(found[name, "random"].apgr - 0.5) < 1e-9
        assert found[name, "told"].apgr > found[name, "family oracle"].apgr > 0.5
        assert found[name, "told"].low <= found[name, "told"].apgr <= found[name, "told"].high


def test_a_perfect_forecast_keeps_its_floor_and_saves() -> None:
    """Between a pair, and among three."""
    held = foretold(1.0)
    slack = allowed(data(), (held, held), held, Recipe(margin=0.0))
    for found in deployed(data(), "told", held, slack):
        assert found.kept >= 0.94 and found.saved > 0.2
    pick, strict = picked(data(), "told", held, slack, Recipe())
    assert strict == pick._replace(by="told, means of others")  # all is sure: means are not asked
    assert pick.set == "open" and pick.best == "large" and pick.quality > 1 and pick.cost < 1


def test_without_slack_the_best_is_picked() -> None:
    """Nothing is given up."""
    held = foretold(1.0)
    pick, _ = picked(data(), "told", held, np.full(len(data().rows), -1.0), Recipe())
    assert pick.quality >= 1


def test_what_is_not_sure_is_answered_by_the_best_on_the_whole() -> None:
    """And by a cheaper one only where little is to be gained."""
    held = foretold(1.0)._replace(likeness=np.zeros(len(data().rows)))
    slack = np.full(len(data().rows), 0.9)
    pick, _ = picked(data(), "told", held, slack, Recipe(easy=-2.0))
    assert pick.quality == 1 and pick.cost == 1
    cheaper, _ = picked(data(), "told", held, slack, Recipe(easy=0.0))
    assert cheaper.cost < 1


def test_gates_are_told_from_all_to_none() -> None:
    """At the last, nothing is believed."""
    held = foretold(1.0)
    slack = np.zeros(len(data().rows))
    found = gates(data(), (held, slack), (held, slack), Recipe())
    assert [x.sure for x in found] == sorted(x.sure for x in found)
    assert found[0].known[0] > 1 and found[-1].known == found[-1].unseen == (1.0, 1.0)
