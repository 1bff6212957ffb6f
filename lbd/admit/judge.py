"""Judging the prompts of requests that leave the choice to lbd: a conversation is as hard as the hardest of its turns.

Each turn of the user is judged by itself, and remembered: a conversation comes whole with every request, and only its
last turn is new. So "yes, go on" inherits what it answers, and a class may rise in a session but not fall.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import cachetools

from lbd.model.judged import NOT_JUDGED, Judged
from lbd.router.judge import Router, Verdict

REMEMBERED = 8192  # verdicts on turns
# Steps in which a verdict enters a decision, so that like prompts share one ranking; always to the cautious side.
EXCESS_STEP = 0.05
DISTANCE_STEP = 0.25


class Judge:
    """See the module."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._known: cachetools.LRUCache[bytes, Verdict] = cachetools.LRUCache(REMEMBERED)

    def strength(self, model: str) -> float:
        """Return where a model stands between the weak (0) and the strong ones (1)."""
        return self._router.stands(model)

    def conversation(self, turns: Sequence[str]) -> Judged:
        """Return what a conversation is held to be, by the user's turns in it."""
        if not turns:
            return NOT_JUDGED
        found = max(map(self._turn, turns), key=lambda verdict: verdict.difficulty)
        return Judged(
            round(found.difficulty, 4),
            round(found.gain, 4),
            math.ceil(found.excess / EXCESS_STEP - 1e-9) * EXCESS_STEP,
            math.ceil(found.distance / DISTANCE_STEP - 1e-9) * DISTANCE_STEP,
            found.family,
            tuple((fired.name, fired.gain) for fired in found.fired),
            weights=self._router.sha256[:12],
        )

    def _turn(self, text: str) -> Verdict:
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._router.judge(text)
        return found
