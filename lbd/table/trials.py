"""The experiments of this daemon: which run, what is known of each, and the end of those that do harm.

Units come in as flights begin, records and scores as they end; guardrails are looked at once a second. What has ended
stays ended, over reloads and restarts, until its definition is another one or a person starts it again: everything is
kept by the hash of the definition (:class:`lbd.model.experiment.ExperimentSpec`), and so a definition that comes back
finds what it had.

Each time that an experiment begins to run, its arms get another key. So what was served in an earlier run counts no
more, nor does a rating of it: whether an earlier rating was taken in, and is to be replaced, could not be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from lbd.model.experiment import Arm, ExperimentSpec
from lbd.model.record import RequestRecord
from lbd.model.units import DeploymentId, Instant, Ratio, Seconds, WallTime
from lbd.ports import Env
from lbd.state.trial import Trial, verdict
from lbd.state.trial_values import spent

MOST_RETIRED = 20  # whose definitions are no longer in the configuration
WRITTEN_EVERY: Seconds = 600.0  # of running, also where nobody asks anything

Emit = Callable[..., object]


class Ending(msgspec.Struct, frozen=True):
    """Why an experiment has ended, and when. ``by``: the person who ended it."""

    at: WallTime
    reason: str
    evidence: dict[str, Any] = {}
    by: str | None = None


class Experiment:
    """One experiment. ``dirty``: it has changed since it was written down.

    ``ran_s`` is how long it has run, all its runs together: not while it was stopped, disabled, out of the
    configuration, or the daemon was down.
    """

    def __init__(self, spec: ExperimentSpec, since: WallTime) -> None:
        self.spec = spec
        self.since = since
        self.trial = Trial()
        self.ending: Ending | None = None
        self.ran_s: Seconds = 0.0
        self.counted_at: Instant = 0.0  # until when ``ran_s`` is counted, while it runs
        self.arms_key = spec.key  # of the arms of its present run
        self.dirty = True
        self.moved = True  # more than counts: it began or ended

    @property
    def runs(self) -> bool:
        """Tell whether requests are assigned."""
        return self.spec.enabled and self.ending is None

    def run_until(self, now: Instant) -> None:
        """Count the time that it has run."""
        before = self.ran_s
        self.ran_s += max(0.0, now - self.counted_at)
        self.counted_at = now
        self.dirty = self.dirty or before // WRITTEN_EVERY != self.ran_s // WRITTEN_EVERY

    @property
    def state(self) -> str:
        """Return the word for it."""
        if self.ending is not None:
            return "stopped"
        return "running" if self.spec.enabled else "disabled"


class TrialFacts(NamedTuple):
    """What a metrics page shows of one experiment."""

    name: str
    running: bool
    units: tuple[int, int]  # control, treatment
    requests: tuple[int, int]


class Trials:
    """See the module. ``changed`` is called whenever others run than before, with the keys of their arms.

    ``priced`` tells whether a deployment has a price.
    """

    def __init__(self, env: Env, emit: Emit, priced: Callable[[DeploymentId], bool] = lambda _row: True) -> None:
        self._env = env
        self._emit = emit
        self._priced = priced
        self._kept: dict[str, Experiment] = {}  # by key; those in force last
        self.listed: tuple[Experiment, ...] = ()
        self._running: dict[str, Experiment] = {}  # by their arms' key
        self._runs: dict[str, int] = {}  # how often a definition began to run, by its key
        self._known = False  # until what was kept is read nobody is treated: it may have ended
        self.changed: Callable[[Sequence[ExperimentSpec]], None] = lambda _running: None

    # --- what runs -----------------------------------------------------------------------------------

    def configure(self, specs: Iterable[ExperimentSpec]) -> None:
        """Take what a configuration says; an unchanged definition goes on where it was."""
        listed = []
        for spec in specs:
            known = self._kept.pop(spec.key, None)
            if known is None:
                known = Experiment(spec, self._env.wall())
                if self._known:
                    self._begun(known)
            known.spec = spec
            self._kept[spec.key] = known
            listed.append(known)
        self.listed = tuple(listed)
        for key in list(self._kept)[: -(MOST_RETIRED + len(listed))]:
            del self._kept[key]
        self._follow()

    def _begun(self, found: Experiment) -> None:
        if found.runs:
            self._tell(found, "experiment_started", "configured")

    def _follow(self) -> None:
        before, now = tuple(self._running.values()), self._env.now()
        running = [e for e in self.listed if e.runs and self._known]
        for found in before:
            if found not in running:
                found.run_until(now)
        for found in running:
            if found not in before:
                self._run(found, now)
        self._running = {e.arms_key: e for e in running}
        self.changed(tuple(replace(e.spec, key=e.arms_key) for e in running))

    def _run(self, found: Experiment, now: Instant) -> None:
        key = found.spec.key
        runs = self._runs[key] = self._runs.get(key, 0) + 1
        found.arms_key = key if runs == 1 else f"{key}/{runs}"
        found.counted_at = now

    def find(self, name: str) -> Experiment | None:
        """Return the experiment in force of this name."""
        return next((e for e in self.listed if e.spec.name == name), None)

    def stop(self, found: Experiment, reason: str, *, by: str, evidence: Mapping[str, Any] | None = None) -> None:
        """End an experiment by a person's order: from now on nobody is treated."""
        if found.ending is None:
            self._end(found, Ending(self._env.wall(), reason or "ordered", dict(evidence or {}), by))

    def start(self, found: Experiment, reason: str, *, by: str) -> None:
        """Begin again: where a person had stopped it with what was known, else from nothing."""
        if found.ending is None:
            return
        if found.ending.by is None:
            found.trial, found.since, found.ran_s = Trial(), self._env.wall(), 0.0
        found.ending = None
        found.dirty = found.moved = True
        self._tell(found, "experiment_started", reason or "ordered", by=by)
        self._follow()

    def _end(self, found: Experiment, ending: Ending) -> None:
        found.ending = ending
        found.dirty = found.moved = True
        level = "info" if ending.by is not None or ending.reason == "time_over" else "warning"
        self._tell(
            found, "experiment_stopped", ending.reason, level=level, evidence=dict(ending.evidence), by=ending.by
        )
        self._follow()

    def _tell(self, found: Experiment, kind: str, reason: str, **more: Any) -> None:
        self._emit(kind, found.spec.name, reason, after=found.state, **more)

    # --- what is known -------------------------------------------------------------------------------

    def enter(self, arms: Iterable[Arm]) -> None:
        """Take in a request that begins its flight."""
        for arm in arms:
            found = self._running.get(arm.key)
            if found is not None:
                found.trial.enter(arm.unit, treated=arm.treated)
                found.dirty = True

    def note(self, record: RequestRecord) -> None:
        """Take in a request that ended."""
        running = [(arm, found) for arm in record.arms if (found := self._running.get(arm.key)) is not None]
        if not running:
            return
        cost = spent(record, self._priced)
        for arm, found in running:
            found.trial.note(record, arm.unit, treated=arm.treated, spent=cost)
            found.dirty = True

    def score(self, arms: Iterable[Arm], score: Ratio, before: Ratio | None = None) -> None:
        """Take in a score of an answer, to the arms that its request counts in; of a request of this run alone."""
        for arm in arms:
            found = self._running.get(arm.key)
            if found is not None:
                found.trial.score(score, arm.unit, treated=arm.treated, before=before)
                found.dirty = True

    def tick(self) -> None:
        """Look at the guardrails. Once a second."""
        if not self._running:
            return
        now, wall = self._env.now(), self._env.wall()
        for found in list(self._running.values()):
            found.run_until(now)
            found.trial.look()
            ended = verdict(found.trial, found.spec)
            if ended is not None:
                self._end(found, Ending(wall, ended.reason, ended.evidence))
            elif found.spec.max_s is not None and found.ran_s >= found.spec.max_s:
                self._end(found, Ending(wall, "time_over", {"days": round(found.spec.max_s / 86400, 3)}))

    def facts(self) -> list[TrialFacts]:
        """Return what a metrics page shows."""
        return [
            TrialFacts(
                e.spec.name,
                e.runs,
                (e.trial.control.units, e.trial.treatment.units),
                (e.trial.control.requests, e.trial.treatment.requests),
            )
            for e in self.listed
        ]

    # --- over restarts -------------------------------------------------------------------------------

    def every(self) -> Mapping[str, Experiment]:
        """Return all that is kept, by key."""
        return self._kept

    def restored(self, kept: Mapping[str, Experiment]) -> None:
        """Take over what an earlier life had of these definitions."""
        self._known = True
        listed = []
        for fresh in self.listed:
            found = kept.get(fresh.spec.key)
            if found is None:
                found = fresh
                self._begun(fresh)
            found.spec = fresh.spec
            listed.append(found)
        self.listed = tuple(listed)
        self._kept = {**kept, **self._kept}  # in force last
        self._kept.update({e.spec.key: e for e in listed})
        self._follow()
