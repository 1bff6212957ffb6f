"""Quality: how good its answers are known to be."""

from __future__ import annotations

from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio

UNKNOWN: Ratio = 0.5


@TERMS.add("quality")
def quality(_ask: Ask, row: DeploymentView, _predicted: Predicted) -> Ratio:
    """Return the row's quality, 1/2 where nothing is known."""
    return UNKNOWN if row.quality is None else row.quality
