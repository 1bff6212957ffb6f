"""Experiments as data."""

from __future__ import annotations

import msgspec

from lbd.decide.experiment import NOBODY
from lbd.model.experiment import Arm, Assigned, By, Change, ExperimentSpec, Limits


def test_it_goes_into_json_and_back() -> None:
    """As it is kept and told."""
    spec = ExperimentSpec(
        "x", 0.1, By.CLIENT, frozenset({"s"}), (Change("models.m", None, "auto"),), Limits(0.03), key="ab"
    )
    assert msgspec.json.decode(msgspec.json.encode(spec), type=ExperimentSpec) == spec
    arm = Arm("x", "ab", True, 2**64 - 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(arm), type=Arm) == arm


def test_nobody_is_treated_where_nothing_is_tried() -> None:
    """And counts nowhere."""
    assert Assigned() == NOBODY == ("", ())
