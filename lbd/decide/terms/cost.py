"""Cost: what this request is expected to cost there."""

from __future__ import annotations

from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio

HALF = 0.005  # USD a request that halves the term: about 1,000 tokens of a premium model


@TERMS.add("cost")
def cost(_ask: Ask, _row: DeploymentView, predicted: Predicted) -> Ratio:
    """Return 1 for free, 1/2 at half a cent, 0 where the price is not known."""
    return 0.0 if predicted.usd is None else HALF / (HALF + predicted.usd)
