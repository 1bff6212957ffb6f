"""An experiment as bytes and back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.experiment import ExperimentSpec
from lbd.state.trial_values import Metric, Spent
from lbd.table import saved_trials
from lbd.table.trials import Ending, Experiment
from tests.fakes.records import record


def full() -> Experiment:
    found = Experiment(ExperimentSpec("x", 0.1, key="k"), 1_700_000_000.0)
    for unit in range(200):
        found.trial.enter(unit, treated=unit % 2 == 0)
        found.trial.note(record(), unit, treated=unit % 2 == 0, spent=Spent(unit * 1000))
        found.trial.score(unit % 3 / 2, unit, treated=unit % 2 == 0)
    found.trial.enter(999, treated=True)  # under way
    found.trial.note(record(), 3, treated=False, spent=Spent(None, unpriced=True))
    found.trial.look()
    found.ran_s = 77.5
    found.ending = Ending(1_700_000_100.0, "errors worse", {"low": 0.1, "metric": "errors"})
    return found


def test_it_comes_back_as_it_was() -> None:
    """Sums, units seen, how long it ran, its end."""
    before = full()
    after = saved_trials.restore("k", saved_trials.dump(before))
    assert after is not None
    assert (after.spec.name, after.spec.key, after.since, after.ending) == ("x", "k", before.since, before.ending)
    assert after.trial.seen == before.trial.seen and after.trial.first == before.trial.first
    assert after.ran_s == 77.5 and after.trial.control.unpriced == 1
    for one, other in ((before.trial.control, after.trial.control), (before.trial.treatment, after.trial.treatment)):
        assert (one.units, one.requests, one.unpriced) == (other.units, other.requests, other.unpriced)
        for metric in Metric:
            assert other.tallies[metric].n == one.tallies[metric].n
            assert tuple(other.tallies[metric].sums) == pytest.approx(tuple(one.tallies[metric].sums))
    assert not after.dirty and not after.moved


def _nan(saved: Any) -> None:
    n, s = saved["control"]["tallies"]["cost_usd"]
    saved["control"]["tallies"]["cost_usd"] = (n, b"\xff" * len(s))


def _short(saved: Any) -> None:
    n, s = saved["treatment"]["tallies"]["cost_usd"]
    saved["treatment"]["tallies"]["cost_usd"] = (n[:-8], s)


def _below(saved: Any) -> None:
    n, s = saved["treatment"]["tallies"]["cost_usd"]
    saved["treatment"]["tallies"]["cost_usd"] = (b"\x00\x00\x00\x00\x00\x00\xf0\xbf" + n[8:], s)


@pytest.mark.parametrize(
    "spoil",
    [
        _nan,
        _short,
        _below,
        lambda s: s.update(seen=b""),
        lambda s: s.update(share=0.0),
        lambda s: s["control"].update(units=-1),
        lambda s: s["control"]["tallies"].update(beauty=(b"", b"")),
        lambda s: s.update(ran_s=-1.0),
        lambda s: s.update(first={"cost_usd": 0.0}),
        lambda s: s.pop("since"),
    ],
)
def test_what_is_damaged_is_left_out(spoil: Any) -> None:
    """It begins anew: nothing of it could be believed."""
    saved = msgspec.msgpack.decode(saved_trials.dump(full()))
    spoil(saved)
    assert saved_trials.restore("k", msgspec.msgpack.encode(saved)) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_left_out(data: bytes) -> None:
    """And never an exception."""
    assert saved_trials.restore("k", data) is None
