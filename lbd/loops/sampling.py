"""Whose answers may be scored, who is asked for it, and when: people come first.

Nobody is shown what a client may not use: a request that is pinned, whose surface says ``evaluate: false``, or whose
client is kept to models that the reference or the judge are none of, is not sampled where others would see it.
"""

from __future__ import annotations

from collections.abc import Mapping

from lbd.decide import eligible
from lbd.decide.names import allowed
from lbd.model.evaluation import EVALUATOR, EvaluateSpec, Sample
from lbd.model.plan import TargetKind
from lbd.model.table import ALL, AdminState
from lbd.model.units import DeploymentId, Seconds
from lbd.ports import Env
from lbd.shapes.told import FOLDS
from lbd.state.quality import ENOUGH, Phase
from lbd.state.row import Row, capacity
from lbd.table.owner import Owner
from lbd.upstream.ticket import Ticket

LARGEST = 512 * 1024  # bytes of a request that is sampled
LOOK: Seconds = 0.25
PATIENCE: Seconds = 120.0
_SEES = frozenset({"images", "audio", "files"})  # what no judge that reads text can see


class Sampling:
    """See the module. ``models`` are the patterns of the models that each client is kept to."""

    def __init__(self, env: Env, owner: Owner) -> None:
        self._env = env
        self._owner = owner
        self.models: Mapping[str, tuple[str, ...]] = {}
        self.on = False

    def may(self, spec: EvaluateSpec, ticket: Ticket) -> bool:
        """Tell whether the answer to a request may be sampled."""
        ask, head = ticket.ask, ticket.body.head
        if ticket.client == EVALUATOR or head.n != 1 or not ticket.sampled or ticket.shape.name not in FOLDS:
            return False
        if len(ticket.body.raw) > LARGEST or not ticket.shape.voice:
            return False
        if not spec.outside and not spec.shadow:
            return True
        pinned = ask.target.startswith(f"{TargetKind.PIN}:") or not ask.fallback
        return not pinned and not head.needs & _SEES and all(self._open(ticket, target) for target in spec.outside)

    def _open(self, ticket: Ticket, target: str) -> bool:
        """Tell whether a client may have its requests seen by a model, or a deployment of it."""
        row = self._owner.find(target)
        return allowed(target if row is None else row.spec.model, self.models.get(ticket.client, ()))

    async def room(self, target: str) -> bool:
        """Wait until a deployment of this name has a slot to spare beside the one that is taken here.

        People come first: the last free slot is theirs. False where there was none for long.
        """
        for _ in range(round(PATIENCE / LOOK)):
            if not self.on:  # a reload has ended it, and its budget
                return False
            rows = [row for row in self._owner.rows if target in (row.spec.id, row.spec.model)]
            if any((most := capacity(row)) is None or row.inflight + 2 <= most for row in rows):
                return True
            if rows and all(capacity(row) == 1 and not row.inflight for row in rows):
                return True  # it has but one
            await self._env.sleep(LOOK)
        return False

    def unknown(self, ticket: Ticket, sample: Sample) -> tuple[DeploymentId, str] | None:
        """Return whom to ask in the shadow: who lost a surface first, then who has the fewest scores."""
        rows = [row for row in self._owner.rows if self._could(row, ticket) and row.spec.id != sample.deployment]
        lost = [row for row in rows if any(_phase(row, name) is not Phase.IN_USE for name in (ALL, sample.family))]
        if lost:
            row = lost[int(self._env.uniform() * len(lost))]
            return row.spec.id, row.spec.model
        fewest = min(rows, key=lambda row: _scores(row, sample.family), default=None)
        if fewest is None or _scores(fewest, sample.family) >= ENOUGH:
            return None
        return fewest.spec.id, fewest.spec.model

    def _could(self, row: Row, ticket: Ticket) -> bool:
        context, ask = row.spec.context_tokens, ticket.ask
        return (
            row.admin is AdminState.READY
            and eligible.can(row.spec, ask)
            and self._open(ticket, row.spec.id)
            and (context is None or ask.input_tokens <= context)
        )


def _phase(row: Row, family: str) -> Phase:
    known = row.scores.get(family)
    return Phase.IN_USE if known is None else known.phase


def _scores(row: Row, family: str) -> float:
    known = row.scores.get(family or ALL)
    return 0.0 if known is None else known.level.n
