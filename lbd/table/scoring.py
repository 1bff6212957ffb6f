"""Scores of answers on their way into the table: whose answer it was, what follows from it, and what is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from lbd.model.experiment import Arm
from lbd.model.units import DeploymentId, Ratio
from lbd.ports import Env
from lbd.state import quality, scores
from lbd.state.quality import Phase
from lbd.state.row import Row
from lbd.state.scores import EVERY, Change
from lbd.table.owner import Owner
from lbd.table.served import Served

FEEDBACK = "feedback"  # the source of scores that clients give


class Scoring:
    """Takes scores to the rows of one table."""

    def __init__(self, env: Env, owner: Owner) -> None:
        self._env = env
        self._owner = owner
        self.served = Served()
        # told of a score of a request that counts in experiments: its arms, the score, the one that it replaces
        self.arms_scored: Callable[[tuple[Arm, ...], Ratio, Ratio | None], None] = lambda _arms, _score, _before: None
        self.taken: Counter[tuple[DeploymentId, str]] = Counter()  # by deployment and source

    def feedback(self, request_id: str, client: str, score: Ratio) -> bool:
        """Take a client's rating of its own request; False where none of its requests is known by this id.

        The last rating counts, once. Somebody else's request is not told from one that never was.
        """
        serving = self.served.find(request_id)
        row = None if serving is None or serving.client != client else self._owner.find(serving.deployment)
        if serving is None or row is None:
            return False
        before = self.served.rate(request_id, score)
        if before is None:
            self.take(row, serving.family, score, FEEDBACK)
        elif before != score:
            scores.swap(row, serving.family, before, score)
            self._owner.touch(row.index, transition=False)
        if serving.trials:
            self.arms_scored(self.served.arms(request_id), score, before)
        return True

    def scored(self, request_id: str, score: Ratio, source: str, *, scale: str = "") -> bool:
        """Take a score of an answer by its request's id; False where that is not known any more."""
        serving = self.served.find(request_id)
        row = None if serving is None else self._owner.find(serving.deployment)
        if serving is None or row is None:
            return False
        self.take(row, serving.family, score, source, scale=scale)
        if serving.trials:
            self.arms_scored(self.served.arms(request_id), score, None)
        return True

    def take(self, row: Row, family: str, score: Ratio, source: str, *, shadow: bool = False, scale: str = "") -> None:
        """Take a score of an answer of ``row``; ``shadow``: nobody was given the answer.

        ``scale`` names what the score means; where that is another thing than before, what was learned begins anew.
        """
        changes = scores.take(row, family, score, self._env.now(), shadow=shadow, scale=scale)
        self.taken[row.spec.id, source] += 1
        for change in changes:
            self._tell(row, change)
        self._owner.touch(row.index, transition=bool(changes))

    def _tell(self, row: Row, change: Change) -> None:
        before, after = change.before, change.after
        level = scores.level(row, change.family, self._env.now())
        evidence: dict[str, object] = {
            "family": change.family or EVERY,
            "reference": before.reference,
            "scores": before.bet.n + 1,  # that the test took
            "mean": None if level is None else round(level.value, 4),
            "low": None if level is None else round(level.low, 4),
            "gap": quality.GAP,
        }
        fell = after.phase is not Phase.IN_USE
        self._owner.emit(
            "quality_dropped" if fell else "quality_back",
            row.spec.id,
            "scored answers have become worse" if fell else "shadow scores are good again",
            level="warning" if fell else "info",
            before=before.phase,
            after=after.phase,
            evidence=evidence,
        )
