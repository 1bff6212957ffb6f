"""Tuning: slopes of what was foretold, slack that keeps its floor, and none where too little is known."""

from __future__ import annotations

import numpy as np

from lbd.router.text import Kind
from lbd.train.cross import Held
from lbd.train.fit import Recipe
from lbd.train.tune import FLOORS, slacks, slopes, spread
from tests.unit.train.made import data


def foretold(scale: float) -> Held:
    """Return verdicts that know the gain, but say it ``scale`` times as large."""
    gain = data().gain * scale
    qualities = [dict(row.quality) for row in data().rows]
    zeros, ones = np.zeros(len(gain)), np.ones(len(gain))
    return Held(gain, gain, zeros, gain, qualities, [dict.fromkeys(q, 0.5) for q in qualities], ones, gain)


def test_a_slope_undoes_the_scale() -> None:
    """Within 0.5 to 1.5."""
    assert np.isclose(slopes(data(), foretold(0.8))[Kind.OPEN], 1.25)
    assert slopes(data(), foretold(10.0))[Kind.OPEN] == 0.5
    assert slopes(data(), foretold(0.0))[Kind.OPEN] == 1.0


def test_slack_keeps_its_floor_and_falls_as_it_rises() -> None:
    """Where no prompt of a kind is known, there is none."""
    found = slacks(data(), [foretold(1.0), foretold(1.1)], Recipe(margin=0.0))
    for kind in (Kind.OPEN, Kind.LISTED):
        steps = [loss for _, loss in found[kind]]
        assert steps == sorted(steps, reverse=True) and len(steps) == len(FLOORS)
    assert found[Kind.SUMS] == [(1.0, 0.0)]
    rows = np.flatnonzero(data().kinds == int(Kind.OPEN))
    part = 1 - data().weak_usd[rows].mean() / data().strong_usd[rows].mean()
    weak = data().gain[rows] <= dict(found[Kind.OPEN])[0.95] * part
    kept = np.where(weak, data().weak[rows], data().strong[rows]).mean()
    assert kept >= 0.95 * data().strong[rows].mean()


def test_a_perfect_forecast_has_no_spread() -> None:
    """And what is worse on unseen prompts grows with distance."""
    good = foretold(1.0)
    bad = good._replace(qualities=[dict.fromkeys(q, 0.5) for q in good.qualities], distance=good.distance + 0.5)
    assert spread(data(), good, good) == (0.0, 0.0)
    near, more = spread(data(), good, bad)
    assert near == 0.0 and more > 0.1
