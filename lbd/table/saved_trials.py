"""An experiment as bytes, to be kept across restarts, and back. What is damaged is left out: it begins anew."""

from __future__ import annotations

import math
from array import array
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lbd.model.experiment import ExperimentSpec
from lbd.state.trial import BITS, CLUSTERS, Side, Tally
from lbd.state.trial_values import Metric
from lbd.table.trials import Ending, Experiment

_FAR = 1e15  # what a damaged file may hold in place of a number must not get into the sums
_Number = Annotated[float, Meta(ge=0, le=_FAR)]
_Count = Annotated[int, Meta(ge=0)]


class _Side(msgspec.Struct):
    units: _Count
    requests: _Count
    unpriced: _Count
    tallies: dict[Metric, tuple[bytes, bytes]]


class Saved(msgspec.Struct):
    """What is kept of one experiment."""

    name: str
    share: Annotated[float, Meta(gt=0, lt=1)]
    since: _Number
    ran_s: _Number
    ending: Ending | None
    control: _Side
    treatment: _Side
    seen: Annotated[bytes, Meta(min_length=BITS // 8, max_length=BITS // 8)]
    first: dict[Metric, Annotated[float, Meta(gt=0, le=_FAR)]]


def dump(found: Experiment) -> bytes:
    """Return what is kept of an experiment."""
    trial = found.trial
    return msgspec.msgpack.encode(
        Saved(
            found.spec.name,
            found.spec.share,
            found.since,
            found.ran_s,
            found.ending,
            _kept(trial.control),
            _kept(trial.treatment),
            bytes(trial.seen),
            dict(trial.first),
        )
    )


def _kept(side: Side) -> _Side:
    tallies = {m: (t.n.tobytes(), t.s.tobytes()) for m, t in side.tallies.items() if t.sums.clusters}
    return _Side(side.units, side.requests, side.unpriced, tallies)


def restore(key: str, data: bytes) -> Experiment | None:
    """Return an experiment that was kept, None where it is damaged or an older version's."""
    try:
        saved = msgspec.msgpack.decode(data, type=Saved)
        control, treatment = _side(saved.control), _side(saved.treatment)
    except (msgspec.MsgspecError, ValueError):
        return None
    found = Experiment(ExperimentSpec(saved.name, saved.share, key=key), saved.since)
    trial = found.trial
    trial.control, trial.treatment = control, treatment
    trial.seen = bytearray(saved.seen)
    trial.first = saved.first
    found.ending, found.ran_s = saved.ending, saved.ran_s
    found.dirty = found.moved = False
    return found


def _side(saved: _Side) -> Side:
    side = Side()
    side.units, side.requests, side.unpriced = saved.units, saved.requests, saved.unpriced
    for metric, (n, s) in saved.tallies.items():
        side.tallies[metric] = _tally(n, s)
    return side


def _tally(n: bytes, s: bytes) -> Tally:
    tally = Tally()
    tally.n, tally.s = _numbers(n), _numbers(s)
    if min(tally.n) < 0:
        raise ValueError("a count below nothing")
    tally.sums = tally.anew()
    return tally


def _numbers(data: bytes) -> array[Any]:
    out = array("d", data)
    if len(out) != CLUSTERS or not all(math.isfinite(x) and abs(x) <= _FAR for x in out):
        raise ValueError("not the sums of clusters")
    return out
