"""The owner of the provider table: applies every observation.

All writes go through one ``Owner`` in one thread; what readers see of them is :mod:`lbd.table.published`. ``tick`` runs
once a second for what time alone changes.

Taking a lease re-checks live what a snapshot may be some milliseconds late about, and may refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from lbd.model.failure import SUSPECT_AT_ONCE, Failure, FailureKind, Scope
from lbd.model.outcome import Outcome, ProbeResult, QuotaReading, Verdict
from lbd.model.plan import Catalogue, Live
from lbd.model.provider import DeploymentSpec, ProviderSpec, ScorerSpec, TierSpec
from lbd.model.table import AdminState, Alternative
from lbd.model.units import DeploymentId, Instant, Seconds
from lbd.ports import Env
from lbd.state import breaker, ewma, health, orders, outlier, quota
from lbd.state.breaker import Phase
from lbd.state.claims import ANY, Bid
from lbd.state.ejection import review
from lbd.state.evidence import NO_MODEL_AGAIN, observe, observe_probe, silence_counts
from lbd.state.row import LIVENESS, Lock, Row, capacity, later, penalty, plain
from lbd.state.uplink import CLEAR
from lbd.state.volume import Length
from lbd.table import telling
from lbd.table.accounts import group
from lbd.table.blame import Blame, Whose
from lbd.table.lease import Lease
from lbd.table.published import Published

JUST_SERVED: Seconds = 30.0  # a key that is no longer good is found by the probe that its first refusal calls for
AGAIN_REFUSED: Seconds = 600.0  # since a list was given for the key: then it is the one model that is refused
NOMINAL_CAPACITY = 64.0  # of a hosted deployment without a limit, for comparing loads only
RATIO_WEIGHT = 0.02
BUILDS = 8  # fingerprints remembered: providers serve a few at once, and that is no news

# looking a member up in its enum costs 0.1 us each time
_READY, _CLOSED, _OPEN = AdminState.READY, Phase.CLOSED, Phase.OPEN


class Owner(Published):
    """The table."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.blame = Blame(lambda: self.rows, self.emit, self._ask, self._touched)
        self.freed: Callable[[int], None] = lambda _row: None  # a slot of this row is free
        self.awaited = False  # somebody waits for one
        self.suspected: Callable[[str], None] = lambda _provider: None  # probe it now
        self.lost: Callable[[DeploymentId], None] = lambda _row: None  # whoever waits there had better move

    # --- configuration -------------------------------------------------------------------------------

    def configure(
        self,
        specs: Sequence[DeploymentSpec],
        providers: Sequence[ProviderSpec],
        tiers: Sequence[TierSpec],
        catalogue: Catalogue,
        scorer: ScorerSpec,
        variants: Mapping[str, Alternative] | None = None,
    ) -> None:
        """Take a configuration: rows whose identity is unchanged keep all their state."""
        self.variants = variants or {}
        provider = {p.name: p for p in providers}
        tier = {t.name: t for t in tiers}
        old = {row.spec.identity(row.provider): row for row in self.rows}
        lengths = {row.spec.model: row.length for row in self.rows}
        for gone in self.rows:
            gone.index = -1
        rows: list[Row] = []
        for spec in specs:
            of = provider[spec.provider]
            row = old.get(spec.identity(of))
            if row is None:
                row = Row(spec, of, tier[spec.tier], self._env.wall())
            else:
                if row.lock is not None and row.provider.api_key != of.api_key:
                    row.lock = None  # a person changed the key
                row.spec, row.provider, row.tier = spec, of, tier[spec.tier]
            row.length = lengths.setdefault(spec.model, Length())
            row.index = len(rows)
            rows.append(row)
        self.rows = rows
        self.accounts.configure(rows)
        self.blame.configured(self._env.now())
        self._dirty = set(range(len(rows)))
        self._publish(catalogue=catalogue, scorer=scorer)

    def restored(self, quotas: dict[str, quota.Quota]) -> None:
        """Take over rate limits that were kept, and publish what was restored into the rows."""
        self.accounts.restore(quotas)
        self._dirty.update(range(len(self.rows)))
        self._publish()

    # --- reading live --------------------------------------------------------------------------------

    def live(self, i: int) -> Live:
        """Return the live inputs of a pick for row ``i``."""
        row = self.rows[i]
        now = self._env.now()
        most = capacity(row)
        return Live(
            row.inflight,
            NOMINAL_CAPACITY if most is None else most,
            ewma.at(row.peak, now, 0.001),
            penalty(row, now),
        )

    def opens(self, row: Row, now: Instant) -> Instant | None:
        """Return when the rate limits that ``row`` is under open again, None while they are open."""
        return quota.next_timer(self.quota_of(row), now)

    def look(self, row: Row, now: Instant) -> bool:
        """Let one request go and see whether the limits that shut ``row`` are so, where they may not be; tell if so."""
        before = self.quota_of(row)
        opened = quota.look(before, now)
        if opened is before:  # as a rule, and asked of all rows that are shut for each request that waits
            return False
        self._limited(row, self.accounts.change(row, lambda _limits: opened, now))
        return True

    # --- leases --------------------------------------------------------------------------------------

    def lease(self, i: int, now: Instant, *, last_resort: bool = False, bid: Bid = ANY) -> Lease | str:
        """Take a slot of row ``i`` and room for ``bid``, or return the reason code that refuses it now."""
        row = self.rows[i]
        trial = False
        if not row.calm:
            no = self._refusal(row, now, last_resort, bid)
            if no is not None:
                return no
            trial = row.breaker.phase is not _CLOSED
            if trial:
                row.breaker = breaker.take_trial(row.breaker)
        row.inflight += 1
        if not row.calm and ((limits := self.quota_of(row)).buckets or limits.pace is not None):
            self._limited(row, self.accounts.use(row, bid.need, now))
        self.touch(i, transition=trial)
        return Lease(self, row, trial, row.inflight, self.accounts.send(row, bid.need, now))

    def _refusal(self, row: Row, now: Instant, last_resort: bool, bid: Bid) -> str | None:
        if row.admin is not _READY:
            return f"admin_{row.admin}"
        no = health.refusal(row, 1.0 if self.accounts.when(row, bid, now) <= now else 0.0, now)
        if no is not None and not (
            no == "breaker_open" and last_resort and breaker.admits_last_resort(row.breaker, now)
        ):
            return no
        return "at_limit" if self.full(row) else None

    def full(self, row: Row) -> bool:
        """Tell whether as many requests run at ``row``, or at its provider, as may."""
        most, shared = capacity(row), row.provider.max_concurrency
        if most is not None and row.inflight >= most:
            return True
        return shared is not None and sum(r.inflight for r in self.rows if r.provider is row.provider) >= shared

    def settle(self, lease: Lease, outcome: Outcome | None) -> None:
        """End a lease: take in the outcome (None: it says nothing) and free the slot."""
        row = lease.row
        self._left(lease, row)
        good = outcome is not None and outcome.failure is None
        self.accounts.ended(lease.sent, self._env.now() if good and not row.calm else None)
        if outcome is not None and lease.key is not row.provider.api_key and _about_key(outcome, lease):
            outcome = None  # of a key that is no longer in use
        if outcome is not None and outcome.quota:
            self.told(lease, outcome.quota, outcome.quota_age_s, good=good)
        if outcome is not None and (
            outcome.checked or (outcome.fingerprint is not None and outcome.fingerprint not in row.fingerprints)
        ):
            self._note(row, outcome)
        plainly = outcome is not None and not lease.trial and self.blame.way.uplink is CLEAR
        if plainly and outcome is not None and plain(row, outcome):
            later(row, outcome, lease.inflight, lease.stay)
            if outcome.usage is not None and not outcome.usage.estimated:
                self.learn_ratio(outcome.text_bytes, outcome.usage.prompt)
            if row.index >= 0:
                self.touch(row.index, transition=False)
                if self.awaited:
                    self._free(row)
            return
        now = self._env.now()
        before = (row.breaker, row.suspect, row.lock)
        if outcome is None:
            row.breaker = breaker.ignored(row.breaker, trial=lease.trial)
        else:
            self._apply(row, outcome, now, lease)
        if row.index < 0:  # a reload took the row out while it worked
            return
        self.touch(row.index, transition=self._moved(row, before))
        self._tell_lost(row, before[0])
        self._free(row)

    def _left(self, lease: Lease, row: Row) -> None:
        row.inflight -= 1
        if lease.stay is not None:
            row.stays.ended(lease.stay, self._env.now())

    def told(self, lease: Lease, readings: Sequence[QuotaReading], age_s: Seconds, *, good: bool = True) -> None:
        """Take in the limits that an answer told so long ago: where it flows, before it is over."""
        row, now = lease.row, self._env.now()
        self._limited(row, self.accounts.answered(row, lease.sent, readings, age_s, now, good=good))

    def _note(self, row: Row, outcome: Outcome) -> None:
        """Note how an answer that was checked came out, and a build of the model that has not answered before."""
        if outcome.checked:
            row.checked.at(self._env.now()).add(outcome.kind)
        seen = outcome.fingerprint
        if seen is None or seen in row.fingerprints:
            return
        if row.fingerprints:  # after the first it is worth an event
            self.emit(**telling.new_build(row, seen))
        row.fingerprints = (*row.fingerprints, seen)[-BUILDS:]

    @staticmethod
    def _moved(row: Row, before: tuple[breaker.Breaker, FailureKind | None, Lock | None]) -> bool:
        """Tell a transition: breakers, suspicions and locks are values, another object is another state."""
        return row.breaker is not before[0] or row.suspect is not before[1] or row.lock is not before[2]

    def _free(self, row: Row) -> None:
        """Tell that a slot of ``row`` is free: for its siblings, too, where they share the provider's limit."""
        if row.provider.max_concurrency is None:
            self.freed(row.index)
            return
        for i, other in enumerate(self.rows):
            if other.provider is row.provider:
                self.freed(i)

    def _tell_lost(self, row: Row, before: breaker.Breaker) -> None:
        if row.breaker.phase is _OPEN and before.phase is not _OPEN:
            self.lost(row.spec.id)

    def _apply(self, row: Row, outcome: Outcome, now: Instant, lease: Lease) -> None:
        if outcome.usage is not None and not outcome.usage.estimated:
            self.learn_ratio(outcome.text_bytes, outcome.usage.prompt)
        failure = outcome.failure
        if failure is not None and failure.kind is FailureKind.TIMEOUT_FIRST and not silence_counts(row, now):
            outcome = replace(outcome, exceeded_own_p99=False)
            row.suspect = row.suspect or failure.kind
        whose, suspect = self.blame.attempt(row, outcome, now), row.suspect
        blame = whose is Whose.ROW
        observe(row, outcome, now, trial=lease.trial, inflight=lease.inflight, blame=blame, stay=lease.stay)
        if whose is Whose.NOBODY:
            row.suspect = suspect
            self.suspected(row.provider.name)
        elif failure is not None:
            self._spread(row, failure, now, lease)

    def _spread(self, row: Row, failure: Failure, now: Instant, lease: Lease) -> None:
        """Take a failure that speaks for more than its row to the others."""
        kind = failure.kind
        if kind is FailureKind.RATE:
            draw = self._env.uniform()
            self._limited(row, self.accounts.refused(row, lease.sent, failure.retry_after_s, now, draw))
        elif failure.row.scope is Scope.KEY:
            for other in self.rows:
                if other is not row and other.provider is row.provider and not _good_for(other, row, kind, now):
                    other.lock = Lock(kind, now, failure.message)
            self._touch_where(lambda r: r.provider is row.provider)
        elif failure.row.scope is Scope.HOST:
            for other in self.rows:
                if other.provider.base_url == row.provider.base_url and other.suspect is None:
                    other.suspect = kind
            self._touch_where(lambda r: r.provider.base_url == row.provider.base_url)
        if kind in SUSPECT_AT_ONCE or failure.row.counts or kind is FailureKind.AUTH:
            self.suspected(row.provider.name)

    def _ask(self, provider: str) -> None:
        self.suspected(provider)

    def _touch_where(self, test: Callable[[Row], bool]) -> None:
        for i, other in enumerate(self.rows):
            if test(other):
                self.touch(i, transition=True)

    def _limited(self, row: Row, moved: bool | None) -> None:
        """Follow a change of the limits that ``row`` is under; where that moved, for every row under them."""
        if moved is None:
            return
        name = group(row)
        for i, other in enumerate(self.rows):
            if group(other) == name:
                other.calm = False
                if moved:
                    self.touch(i, transition=True)

    def learn_ratio(self, text_bytes: int, prompt_tokens: int) -> None:
        """Teach the token estimate from one answer's real usage."""
        if text_bytes > 256 and prompt_tokens > 0:
            seen = prompt_tokens / text_bytes
            self.tokens_per_byte += RATIO_WEIGHT * (min(1.0, seen) - self.tokens_per_byte)

    # --- probes --------------------------------------------------------------------------------------

    def probed(self, row: Row, result: ProbeResult, *, completion: bool) -> None:
        """Take in a probe's result."""
        now = self._env.now()
        if result.quota:
            self._limited(row, self.accounts.probed(row, result.quota, now))
        before = (row.breaker, row.suspect, row.lock)
        whose = self.blame.probe(row, result, now)
        if whose is Whose.NOBODY:
            return
        blame = whose is Whose.ROW
        observe_probe(row, result, now, completion=completion, blame=blame)
        if row.lock is not None and result.failure is None and result.models is not None:
            self._unlock_by_list(row, result.models)
        if row.index >= 0:
            self.touch(row.index, transition=self._moved(row, before) or self._changed(row, now))
            self._tell_lost(row, before[0])
            if result.verdict is Verdict.DOWN and result.kind == LIVENESS and blame:
                self.lost(row.spec.id)
            self.freed(row.index)

    def _unlock_by_list(self, row: Row, models: frozenset[str]) -> None:
        """End a lock-out that a model list, asked for with the key, disproves. Money waits for a person."""
        lock = row.lock
        if lock is None:
            return
        listed, now = row.spec.upstream_model in models, self._env.now()
        if lock.kind is FailureKind.NO_MODEL and listed:
            row.lock = None
        elif lock.kind is FailureKind.AUTH and lock.until is None:
            # the key is good; what was refused again soon after it was found so is this one model
            again = now - row.key_cleared_at <= AGAIN_REFUSED
            row.lock, row.key_cleared_at = (replace(lock, until=now + NO_MODEL_AGAIN) if again else None), now

    # --- operators -----------------------------------------------------------------------------------

    def order(self, row: Row, state: AdminState, *, by: str, reason: str, for_s: Seconds | None = None) -> None:
        """Set the admin state; ``for_s`` seconds from now it is ready again by itself."""
        before = row.admin
        row.admin, row.admin_by, row.admin_until = state, by, orders.end(for_s, self._env.now())
        told = orders.told(for_s)
        self.emit(f"admin_{state}", row.spec.id, reason or "ordered", before=before, after=state, evidence=told, by=by)
        self._touched(row)

    def weigh(self, row: Row, weight: float | None, *, by: str, reason: str, for_s: Seconds | None = None) -> None:
        """Override the weight, perhaps for ``for_s`` seconds only; None takes the override back."""
        before, after = ("configured" if w is None else f"{w:g}" for w in (row.admin_weight, weight))
        row.admin_weight, row.admin_by, row.weight_until = weight, by, orders.end(for_s, self._env.now())
        told = orders.told(for_s)
        self.emit("admin_weight", row.spec.id, reason or "ordered", before=before, after=after, evidence=told, by=by)
        self._touched(row)

    def reset(self, row: Row, *, by: str, reason: str) -> None:
        """Close the breaker and lift lock-out, suspicion, ejection and rate-limit block."""
        now = self._env.now()
        row.breaker = breaker.reset(row.breaker, now)
        self.blame.forget(row)
        row.ejection = outlier.Ejection()
        row.suspect = None
        row.probes_lost = 0
        row.lock = None
        self.emit("breaker_reset", row.spec.id, reason or "ordered", by=by)
        self._limited(row, self.accounts.change(row, lambda limits: replace(limits, blocked_until=0.0, pace=None), now))
        self._touched(row)

    def _touched(self, row: Row) -> None:
        if row.index >= 0:
            self.touch(row.index, transition=True)
            self.freed(row.index)

    # --- time ----------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let time work: ejections, slow starts, estimates that age, waits that end. Once a second."""
        now = self._env.now()
        self.fold()
        for row in orders.states_over(self.rows, now):
            self.order(row, _READY, by=orders.BY, reason=orders.OVER)
        for row in orders.weights_over(self.rows, now):
            self.weigh(row, None, by=orders.BY, reason=orders.OVER)
        ejected = review(self.rows, now)
        for i in ejected:
            self.emit(**telling.ejected(self.rows[i], now))
        self._dirty.update(ejected)
        self._dirty.update(i for i, row in enumerate(self.rows) if self._ages(row, now))
        self.reviewed_at = now
        if self._dirty:
            self._publish()
        for i in range(len(self.rows)):
            self.freed(i)


def _good_for(other: Row, refused: Row, kind: FailureKind, now: Instant) -> bool:
    """Tell whether the key that one model of an account was refused for may be good for another one, which is told.

    It has just been served, or a list with that key was given since the same model was refused before.
    """
    if kind is not FailureKind.AUTH:
        return False
    cleared = now - refused.key_cleared_at <= AGAIN_REFUSED
    return cleared or bool(other.pending) or now - other.repeats.well <= JUST_SERVED


def _about_key(outcome: Outcome, lease: Lease) -> bool:
    failure = outcome.failure
    return failure is not None and failure.row.scope is Scope.KEY and lease.key != lease.row.provider.api_key
