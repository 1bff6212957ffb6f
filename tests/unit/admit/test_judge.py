"""A conversation is as hard as the hardest of its turns, and each turn is judged once."""

from __future__ import annotations

import math
from typing import Any, cast

from lbd.admit.judge import DISTANCE_STEP, EXCESS_STEP, Judge
from lbd.model.judged import NOT_JUDGED
from lbd.router.judge import Fired, Verdict


class Router:
    """Judges by length."""

    sha256 = "ab" * 32

    def __init__(self) -> None:
        self.asked: list[str] = []

    def judge(self, text: str) -> Verdict:
        self.asked.append(text)
        hard = min(1.0, len(text) / 100)
        told = {"gain": hard / 2, "difficulty": hard, "family": "math", "by": "cue", "distance": 0.3, "kind": "open"}
        return Verdict(**told, fired=(Fired("length", hard),), level=0.0, excess=hard / 2 - 0.11)  # type: ignore[arg-type]

    def stands(self, model: str) -> float:
        return 0.25 if model == "small" else 1.0


def judge() -> tuple[Router, Judge]:
    router = Router()
    return router, Judge(cast("Any", router))


def test_a_follow_up_inherits_what_it_answers() -> None:
    """Thanks do not make a hard question easy; a class may rise in a conversation and does not fall."""
    _, found = judge()
    hard = found.conversation(["x" * 80])
    assert found.conversation(["x" * 80, "yes, go on", "thanks!"]) == hard
    assert (found.conversation(["hi", "x" * 90]).difficulty or 0) > (hard.difficulty or 0)


def test_each_turn_is_judged_once() -> None:
    """A conversation comes whole with every request."""
    router, found = judge()
    for turns in (["a"], ["a", "b"], ["a", "b", "c"]):
        found.conversation(turns)
    assert router.asked == ["a", "b", "c"]


def test_it_enters_decisions_in_steps_to_the_cautious_side() -> None:
    """Like prompts share a ranking; none is held to be easier or better known than it is."""
    _, found = judge()
    for length in range(1, 100):
        told = found.conversation(["x" * length])
        true = min(1.0, length / 100) / 2 - 0.11
        assert true - 1e-9 <= told.excess < true + EXCESS_STEP + 1e-9
        assert math.isclose(told.excess / EXCESS_STEP, round(told.excess / EXCESS_STEP), abs_tol=1e-6)
        assert told.distance == 2 * DISTANCE_STEP
    assert told.fired == (("length", 0.99),) and told.weights == "ab" * 6


def test_who_said_nothing_is_not_judged() -> None:
    """Instructions alone are no question."""
    assert judge()[1].conversation([]) is NOT_JUDGED
    assert judge()[1].strength("small") == 0.25
