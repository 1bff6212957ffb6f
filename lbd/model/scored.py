"""What the dashboard shows of scored answers."""

from __future__ import annotations

import msgspec


class ScoredOut(msgspec.Struct):
    """What scored answers to a family of prompts say; family ``all`` stands for every prompt.

    ``value`` is the quality that decisions go by, shrunk to the configured one, with its 90 % bounds. ``phase``:
    ``in_use``, or ``dropped`` where answers have become worse, then ``probation`` while shadow scores come in.
    """

    family: str
    value: float | None
    low: float | None
    high: float | None
    n: float  # scores, weighted by their age
    count: int  # all that ever came
    age_s: float  # of the last one
    phase: str
    reference: float | None  # a fall by 0.1 under this is looked for
