"""What a prompt was held to be and which rule was taken: why a request that left the choice to lbd went there."""

from __future__ import annotations

import msgspec

from lbd.model.units import Ratio


class Judged(msgspec.Struct, frozen=True, gc=False):
    """The verdict on a prompt, and what followed from it.

    ``gain``: how much better a strong model would answer than a weak one. ``excess``: the gain over the usual one, as
    the decision used it. ``distance``: 0 like what the judge has seen, 1 like nothing of it. ``fired``: what spoke for
    it, with its part of the gain. ``rule``: the rule that was taken, by the conditions ``by``.
    """

    difficulty: Ratio | None = None
    gain: float | None = None
    excess: float = 0.0
    distance: Ratio = 0.0
    family: str = ""
    fired: tuple[tuple[str, float], ...] = ()
    rule: str | None = None
    by: tuple[str, ...] = ()
    weights: str = ""  # the judge's, by their hash


NOT_JUDGED = Judged()
