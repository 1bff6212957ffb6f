"""What all flights share: the table, lines to providers, rankings while they last, budgets, the queue, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

import msgspec

from lbd.decide import route
from lbd.decide.terms import Term
from lbd.model.plan import Ranking
from lbd.model.record import RequestRecord
from lbd.model.request import Ask
from lbd.model.table import Snapshot
from lbd.model.units import DeploymentId, Ratio, Seconds
from lbd.ports import Env
from lbd.state.budget import RetryBudget
from lbd.state.hedge import SHARE, HedgeBudget
from lbd.table.owner import Owner
from lbd.table.purses import Purses
from lbd.upstream.attempt import Attempt
from lbd.upstream.line import Line
from lbd.upstream.queue import Queue
from lbd.upstream.splicing import Room
from lbd.upstream.wheel import Wheel

REMEMBERED_RANKINGS = 1024  # a generation

Spawn: TypeAlias = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Settings(msgspec.Struct, frozen=True):
    """What the operator may set of flights."""

    headers_after_s: Seconds = 15.0
    idle_gap_s: Seconds = 30.0
    queue_size: int = 1000
    hedge_share: Ratio = SHARE


class Service:
    """What flights share. One for the process."""

    def __init__(
        self,
        env: Env,
        owner: Owner,
        terms: Mapping[str, Term],
        silent: Callable[[str], None],
        spawn: Spawn,
    ) -> None:
        self.env = env
        self.owner = owner
        self.terms = terms
        self.spawn = spawn  # runs a task of its own
        self.silent = silent  # a provider says nothing: probe it now
        self.done: Callable[[RequestRecord], None] = lambda _record: None
        self.keep: Callable[[Snapshot], None] = lambda _snapshot: None
        self.closing = False
        self.lines: dict[DeploymentId, Line] = {}
        self.settings = Settings()
        self.budget = RetryBudget()
        self.hedges = HedgeBudget()
        self.purses = Purses(lambda kind, budget, told: owner.emit(kind, budget, "", level="warning", evidence=told))
        self.queue = Queue(env, self.settings.queue_size)
        self.wheel = Wheel(env)
        self.wheel.late = owner.blame.stalled
        self.room = Room()
        self._waiting: dict[DeploymentId, set[Attempt]] = {}  # attempts under way
        self._rankings: dict[Ask, Ranking] = {}
        self._generation = -1
        owner.freed = self.queue.freed
        self.queue.changed = self._awaited
        owner.lost = self._lost

    def _awaited(self, somebody: bool) -> None:
        self.owner.awaited = somebody

    def configure(self, lines: Mapping[DeploymentId, Line], settings: Settings) -> None:
        """Take a configuration; flights under way keep the lines they have."""
        self.lines = dict(lines)
        self.settings = settings
        self.hedges.share = settings.hedge_share
        self.queue.set_bound(settings.queue_size)

    def ranking(self, ask: Ask) -> Ranking:
        """Return the ranking of ``ask`` on the current snapshot, remembered while its generation lasts."""
        snapshot = self.owner.snapshot
        if snapshot.generation != self._generation or len(self._rankings) > REMEMBERED_RANKINGS:
            self._rankings.clear()
            self._generation = snapshot.generation
            self.keep(snapshot)
        ranking = self._rankings.get(ask)
        if ranking is None:
            ranking = self._rankings[ask] = route.rank(snapshot, ask, self.terms)
        return ranking

    def watch(self, row: DeploymentId, attempt: Attempt) -> None:
        """Note an attempt that is under way there."""
        waiting = self._waiting.get(row)
        if waiting is None:
            waiting = self._waiting[row] = set()
        waiting.add(attempt)

    def unwatch(self, row: DeploymentId, attempt: Attempt) -> None:
        """Forget it: the attempt is over."""
        self._waiting[row].discard(attempt)

    def _lost(self, row: DeploymentId) -> None:
        for attempt in tuple(self._waiting.get(row, ())):
            attempt.rescue()
