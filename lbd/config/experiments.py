"""The keys that say what is tried on a share of the requests before it holds for all of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from lbd.config.strict import Strict
from lbd.model.experiment import By
from lbd.shapes.providers import NonNegative, Positive, Ratio01, Slug


class StopIfConfig(Strict, frozen=True):
    """From which harm on an experiment is stopped, once the harm is shown; null: however much it is.

    quality_drop: by how much the mean score of answers is lower, of 0 to 1.
    error_rise: by how much the share of failed requests is higher.
    cost_rise: by what share of the control arm's mean a request costs more.
    ttft_rise: by what share of the control arm's mean the first content of streams comes later.
    """

    quality_drop: Ratio01 | None = None
    error_rise: Ratio01 | None = 0.02
    cost_rise: NonNegative | None = None
    ttft_rise: NonNegative | None = None


class ExperimentConfig(Strict, frozen=True):
    """A change of this configuration that a share of the requests gets, compared with the rest.

    name: what it is called in reports and events.
    share: of the units that get the change.
    by: what stays in one arm: the session that a request names (x-lbd-session; without one its client), the client, or
        the request alone.
    surfaces: whose requests take part; none: every request.
    change: what is different: dotted path, with lists' entries by their name, to value.
    stop_if: from which harm on it is stopped.
    confidence: with which all its intervals hold together, whenever one looks.
    max_days: after so many days of running it ends by itself.
    enabled: with false it is checked, and nobody gets it.
    """

    name: Slug
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    change: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]
    by: By = By.SESSION
    surfaces: list[str] = []
    stop_if: StopIfConfig = StopIfConfig()
    confidence: Annotated[float, msgspec.Meta(ge=0.5, le=0.999)] = 0.95
    max_days: Positive | None = None
    enabled: bool = True
