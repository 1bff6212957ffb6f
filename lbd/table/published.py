"""The rows of the provider table, and the immutable snapshot that readers see of them.

``owner.snapshot`` is one reference that is swapped as a whole. A transition (breaker, suspicion, lock, ejection, admin,
quota) publishes at once, statistics at most every ``PUBLISH_EVERY`` seconds, and only rows that changed are rebuilt.
In between, the other rows are not even looked at: thousands of first probes come within a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from lbd.model.plan import Catalogue
from lbd.model.provider import ScorerSpec
from lbd.model.table import AdminState, Alternative, Snapshot
from lbd.model.units import DeploymentId, Instant, Seconds
from lbd.ports import Env, Timer
from lbd.state import health, quota, warmup
from lbd.state.breaker import Phase
from lbd.state.row import Row, capacity, fold
from lbd.table import telling
from lbd.table.accounts import Accounts
from lbd.table.telling import Herald

PUBLISH_EVERY: Seconds = 0.1
TOKENS_PER_BYTE = 0.25  # before real usage has taught a better ratio

# looking a member up in its enum costs 0.1 us each time
_READY, _CLOSED = AdminState.READY, Phase.CLOSED


class Published:
    """See the module. What moves the rows is :class:`lbd.table.owner.Owner`."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self.rows: list[Row] = []
        self.accounts = Accounts()
        self._dirty: set[int] = set()
        self._timer: Timer | None = None
        self._published_at: Instant = -math.inf
        herald = Herald(env)
        self.listeners = herald.listeners
        self.emit = herald.emit
        self.reviewed_at: Instant = -math.inf  # when every row was last looked at
        self.tokens_per_byte = TOKENS_PER_BYTE
        self.variants: Mapping[str, Alternative] = {}
        self.snapshot = Snapshot(0, 0.0, 0.0, (), Catalogue({}, (), {}), ScorerSpec(()))
        self.publishes = 0

    def find(self, deployment: DeploymentId) -> Row | None:
        """Return the row with this id."""
        return next((row for row in self.rows if row.spec.id == deployment), None)

    def quota_of(self, row: Row) -> quota.Quota:
        """Return the rate limits that ``row`` is under."""
        return self.accounts.of(row)

    def touch(self, i: int, *, transition: bool) -> None:
        """Mark row ``i`` changed; a transition publishes at once, statistics with the next publish."""
        self._dirty.add(i)
        if transition:
            self._publish()
        elif self._timer is None:
            due = max(self._env.now(), self._published_at + PUBLISH_EVERY)
            self._timer = self._env.call_at(due, self._publish_due)

    def fold(self) -> None:
        """Take in every answer that waits for the next publish; before statistics are read elsewhere."""
        now = self._env.now()
        for row in self.rows:
            fold(row, now)

    def _is_calm(self, row: Row) -> bool:
        """Tell whether nothing in the row's state could refuse a request before its next transition."""
        limits = self.quota_of(row)
        return (
            row.admin is _READY
            and row.breaker.phase is _CLOSED
            and row.lock is None
            and capacity(row) is None
            and row.provider.max_concurrency is None
            and not limits.buckets
            and not limits.blocked_until
        )

    def _ages(self, row: Row, now: Instant) -> bool:
        if not warmup.over(row.warm_since, now - 1.5) or any(s != 1.0 for s in row.standing):
            return True
        if row.penalty_at > now - 400 or row.last_used > now - 400 or row.lock is not None:
            return True
        limits = self.quota_of(row)
        if health.refusal(row, quota.left(limits, now), now) != self.snapshot.rows[row.index].refusal:
            return True  # however late this tick is
        return limits.blocked_until > now - 2 or bool(limits.buckets) or self._changed(row, now)

    def _changed(self, row: Row, now: Instant) -> bool:
        """Tell whether what readers would see of ``row`` is another state than was published."""
        state, reason = health.judge(row, quota.left(self.quota_of(row), now), now)
        return state is not row.state or reason.code != row.reason.code

    def _publish_due(self) -> None:
        self._timer = None
        if self._dirty:
            self._publish()

    def _publish(self, *, catalogue: Catalogue | None = None, scorer: ScorerSpec | None = None) -> None:
        now = self.reviewed_at = self._env.now()
        wall = self._env.wall()
        old = self.snapshot
        steered = now >= self._published_at + PUBLISH_EVERY or catalogue is not None
        views = [] if catalogue is not None else list(old.rows)
        if steered:
            self.fold()
            # what one row has learned of its model's answers, all that serve it have
            self._dirty.update(i for i, view in enumerate(views) if view.output_tokens != self.rows[i].length.told(now))
        else:
            for i in self._dirty:
                fold(self.rows[i], now)
        for i in range(len(self.rows)) if catalogue is not None else sorted(self._dirty):
            row = self.rows[i]
            self._restate(row, now, wall)
            row.calm = self._is_calm(row)
            seen = health.view(row, self.quota_of(row), now, steered=steered)
            if catalogue is not None:
                views.append(seen)
            elif seen != views[i]:
                views[i] = seen
        self._dirty.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if steered:
            self._published_at = now
        rows = tuple(views)
        ratio = round(self.tokens_per_byte, 2)
        if catalogue is None and ratio == old.tokens_per_byte and all(map(_same, rows, old.rows)):
            return  # nothing a decision could see has changed: rankings stay remembered
        self.publishes += 1
        self.snapshot = Snapshot(
            old.generation + 1,
            now,
            wall,
            rows,
            old.catalogue if catalogue is None else catalogue,
            old.scorer if scorer is None else scorer,
            ratio,
            self.variants,
        )

    def _restate(self, row: Row, now: Instant, wall: float) -> None:
        """Bring the row's word of health up to date, and tell the timeline where it changed."""
        state, reason = health.judge(row, quota.left(self.quota_of(row), now), now)
        if state is not row.state:
            before, row.since = row.state, wall
            row.state, row.reason = state, reason
            self.emit(**telling.state_change(row, before, reason))
        else:
            row.reason = reason


def _same(a: object, b: object) -> bool:
    return a is b
