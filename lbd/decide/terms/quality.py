"""Quality: how good its answers are held to be."""

from __future__ import annotations

from lbd.decide import fitness
from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio

UNKNOWN: Ratio = 0.5


@TERMS.add("quality")
def quality(ask: Ask, row: DeploymentView, _predicted: Predicted) -> Ratio:
    """Return the row's quality for this prompt, 1/2 where nothing is known."""
    found = fitness.expected(row, ask)
    return UNKNOWN if found is None else found
