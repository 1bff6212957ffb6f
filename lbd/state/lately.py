"""What the latencies of a row tell, added up: its percentiles by prompt size, its speed, its whole answers.

Adding up takes some hundred buckets a window. A large table that is busy would spend half its time on that if it were
done for each publish, so what was found holds for a while: see :func:`lbd.state.health.lately`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lbd.model.units import Instant, Ratio, Seconds
from lbd.state.quantile import Sketch
from lbd.state.window import FIVE_MINUTES, HOUR, MINUTE, Rolling

ENOUGH = 20  # samples of the last minute; where there are fewer, those of five count
FEW = 5  # whole answers from which their usual time can be told
STALE: Seconds = 1.0  # it is added up anew after this, or up to twice that: not all rows at once
MORE = 0.02  # or when there are so many more samples, as a share of the last minute's


class First(NamedTuple):
    """The times to the first content that tell of one prompt size, and their percentiles; None without any.

    ``within``: the share of them that met the target.
    """

    of: Sketch
    p95_s: Seconds | None
    p99_s: Seconds | None
    within: Ratio


class Lately(NamedTuple):
    """What was added up at ``at``, when a row had had ``samples``, ``n`` of them in the last minute."""

    at: Instant
    until: Instant
    samples: int
    n: int
    target_s: Seconds
    firsts: tuple[First, ...]  # by prompt size
    tpot_s: Seconds | None  # the median of five minutes
    total_p95_s: Seconds | None  # of whole answers, None where there are too few to tell

    def holds(self, samples: int, now: Instant) -> bool:
        """Tell whether it need not be added up anew, now that there are so many samples."""
        return now < self.until and samples - self.samples <= MORE * self.n


_NONE = First(Sketch(), None, None, 0.0)


def added_up(
    ttft: Sequence[Rolling[Sketch]],
    last: Sequence[Instant],
    tpot: Rolling[Sketch],
    total: Rolling[Sketch],
    samples: int,
    target_s: Seconds,
    now: Instant,
    turn: int = 0,
) -> Lately:
    """Return what they tell now. ``last``: when the last sample of each prompt size came, if ever.

    ``turn``: the place of the row among others.
    """
    firsts = tuple(_first(of, target_s, now) if at > -math.inf else _NONE for of, at in zip(ttft, last, strict=True))
    whole = total.over(MINUTE, now)
    n = whole.n
    if n < ENOUGH:
        whole = total.over(FIVE_MINUTES, now)
    p95_s = whole.quantile(0.95) if whole.n >= FEW else None
    until = now + STALE * (1 + turn % 10 / 10)
    return Lately(now, until, samples, n, target_s, firsts, tpot.over(FIVE_MINUTES, now).quantile(0.5), p95_s)


def _first(of: Rolling[Sketch], target_s: Seconds, now: Instant) -> First:
    sketch = of.over(MINUTE, now)
    if sketch.n < ENOUGH:
        sketch = of.over(FIVE_MINUTES, now)
    if not sketch.n:
        sketch = of.over(HOUR, now)
    p95_s, p99_s = sketch.quantiles((0.95, 0.99))
    return First(sketch, p95_s, p99_s, sketch.share_within(target_s) or 0.0)
