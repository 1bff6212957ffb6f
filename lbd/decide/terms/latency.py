"""Latency: predicted p95 of the first content against its target."""

from __future__ import annotations

from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio


@TERMS.add("latency")
def latency(_ask: Ask, _row: DeploymentView, predicted: Predicted) -> Ratio:
    """Return 1 for an instant answer, 1/2 at the target, towards 0 beyond it."""
    return predicted.target_s / (predicted.target_s + predicted.ttft_s)
