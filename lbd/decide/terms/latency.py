"""Latency: predicted p95 of what the client waits for, the first content or the whole, against its target."""

from __future__ import annotations

from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio


@TERMS.add("latency")
def latency(_ask: Ask, _row: DeploymentView, predicted: Predicted) -> Ratio:
    """Return 1 for an instant answer, 1/2 at the target, towards 0 beyond it."""
    whole = predicted.whole_target_s
    if whole is not None:
        return whole / (whole + predicted.total_s)
    return predicted.target_s / (predicted.target_s + predicted.ttft_s)
