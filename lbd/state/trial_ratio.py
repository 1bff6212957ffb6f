"""Whether the arms have as many units as they should: a sample-ratio test at which one may always look.

Against "each new unit is treated with chance s" stands a mixture, a beta distribution around s as narrow as ``WEIGHT``
units (Lindon and Malek: "Anytime-valid inference for multinomial count data"). The Bayes factor is a martingale under
the null, so it comes to ``1 / ALPHA`` at any time with a chance of at most ``ALPHA`` (Ville).

A ratio that is off says that units of one arm get lost on the way, or are counted twice: whatever the metrics say is
not to be believed then.
"""

from __future__ import annotations

import math

from lbd.model.units import Ratio

WEIGHT = 100.0
ALPHA: Ratio = 0.001


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def log_evidence(control: int, treated: int, share: Ratio) -> float:
    """Return the logarithm of the Bayes factor against the share."""
    a, b = WEIGHT * share, WEIGHT * (1 - share)
    mixture = _log_beta(a + treated, b + control) - _log_beta(a, b)
    return mixture - treated * math.log(share) - control * math.log1p(-share)


def mismatch(control: int, treated: int, share: Ratio) -> bool:
    """Tell whether the arms are not as they should be."""
    return log_evidence(control, treated, share) >= -math.log(ALPHA)
