"""Scoring terms, one a file: each judges one deployment for one Ask by a number in [0, 1], 1 is best.

A term is monotone in its own input and does not look at other rows. To add one, create a module here that
calls ``TERMS.add("<name>")`` on its function; its weight in the configuration, its column in the decision
record and its contract tests follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio, Seconds
from lbd.registry import Registry


class Predicted(msgspec.Struct, frozen=True, gc=False):
    """What was predicted for this Ask at this row, computed once and handed to every term."""

    ttft_s: Seconds  # p95 of the first content, wait included
    target_s: Seconds  # what it is held against: the tier's target, else the request's SLO, else its deadline
    usd: float | None  # expected cost, None where the price is not known
    total_s: Seconds = 0.0  # of the whole answer: ttft_s, and the usual time of as many tokens as are expected
    whole_target_s: Seconds | None = None  # where the client waits for the whole: what total_s is held against


Term: TypeAlias = Callable[[Ask, DeploymentView, Predicted], Ratio]
TERMS: Registry[Term] = Registry("scoring term", __name__)

DEFAULT_WEIGHTS: dict[str, float] = {
    "latency": 1.0,
    "errors": 1.0,
    "load": 0.5,
    "cost": 0.5,
    "quality": 0.5,
    "affinity": 0.3,
}
