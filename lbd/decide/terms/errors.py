"""Errors: the share of attempts that failed lately."""

from __future__ import annotations

from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio

HALF: Ratio = 0.05  # this error ratio halves the term


@TERMS.add("errors")
def errors(_ask: Ask, row: DeploymentView, _predicted: Predicted) -> Ratio:
    """Return 1 without errors, 1/2 at 5 %."""
    return HALF / (HALF + row.error_ratio)
