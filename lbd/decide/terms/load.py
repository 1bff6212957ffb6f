"""Load: the scarcer of free slots and quota left."""

from __future__ import annotations

from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio


@TERMS.add("load")
def load(_ask: Ask, row: DeploymentView, _predicted: Predicted) -> Ratio:
    """Return the headroom: 1 idle with all its quota, 0 full or at the end of the quota."""
    free = 1.0 - row.load  # a row's load is within 0..1
    left = row.quota_left
    return free if free < left else left
