"""The experiments of a daemon: what runs, and the end of what does harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from lbd.model.event import Event
from lbd.model.experiment import Arm, ExperimentSpec, Limits
from lbd.model.failure import FailureKind
from lbd.state.trial_values import Metric
from lbd.table.scoring import Scoring
from lbd.table.telling import Herald
from lbd.table.trials import MOST_RETIRED, WRITTEN_EVERY, Trials
from tests.fakes.env import FakeEnv
from tests.fakes.records import attempt, record
from tests.fakes.tables import owned

DAY = 86400.0


class Lab:
    """Experiments with what is told of them."""

    def __init__(self, *specs: ExperimentSpec) -> None:
        self.env = FakeEnv()
        self.events: list[Event] = []
        self.running: Sequence[ExperimentSpec] = ()
        herald = Herald(self.env)
        herald.listeners.append(self.events.append)
        self.trials = Trials(self.env, herald.emit, lambda deployment: deployment != "p/free")
        self.trials.changed = self._changed
        self.trials.configure(specs)
        self.trials.restored({})

    def _changed(self, running: Sequence[ExperimentSpec]) -> None:
        self.running = running

    def serve(self, of: ExperimentSpec, units: Sequence[int], *, treated: bool, **more: Any) -> None:
        for unit in units:
            arms = (Arm(of.name, of.key, treated, unit),)
            self.trials.enter(arms)
            self.trials.note(record(arms=arms, **more))

    def pass_(self, seconds: float = 1.0) -> None:
        self.env.advance(seconds)
        self.trials.tick()

    @property
    def kinds(self) -> list[str]:
        return [e.kind for e in self.events]


def spec(name: str = "x", key: str = "k", **more: Any) -> ExperimentSpec:
    given: dict[str, Any] = {"share": 0.5, "stop_if": Limits(error_rise=0.02), **more}
    return ExperimentSpec(name, key=key, **given)


def test_what_is_configured_runs() -> None:
    """In the order of the list; a disabled one is known and does not."""
    off = spec("off", "o", enabled=False)
    lab = Lab(spec("a", "1"), off, spec("b", "2"))
    assert [s.name for s in lab.running] == ["a", "b"]
    assert [e.state for e in lab.trials.listed] == ["running", "disabled", "running"]
    assert lab.kinds == ["experiment_started"] * 2
    assert lab.trials.find("b") is lab.trials.listed[2] and lab.trials.find("c") is None


def test_until_what_was_kept_is_known_nobody_is_treated() -> None:
    """It may have ended in an earlier life."""
    env = FakeEnv()
    told: list[Any] = []
    trials = Trials(env, lambda *args, **_: told.append(args))
    running: list[Any] = []
    trials.changed = running.append
    trials.configure([spec()])
    assert running == [()] and not told
    trials.restored({})
    assert running[-1] == (spec(),) and len(told) == 1


def test_harm_ends_it_at_once_and_is_told_with_the_numbers() -> None:
    """Everybody is as the control arm from then on, and nothing more is collected."""
    x = spec()
    lab = Lab(x)
    lab.serve(x, range(300), treated=False)
    lab.serve(x, range(300, 600), treated=True, outcome=FailureKind.SERVER)
    lab.pass_()
    assert lab.running == () and lab.kinds == ["experiment_started", "experiment_stopped"]
    event = lab.events[-1]
    assert (event.subject, event.reason, event.level, event.after) == ("x", "errors worse", "warning", "stopped")
    assert event.evidence["treatment"] == 1.0 and event.evidence["control"] == 0.0 and event.evidence["low"] > 0.5
    found = lab.trials.listed[0]
    before = found.trial.treatment.requests
    lab.serve(x, range(10), treated=True)
    lab.trials.score([Arm("x", "k", True, 1)], 0.0)
    lab.pass_(3600)
    assert found.trial.treatment.requests == before and len(lab.events) == 2


def test_an_unchanged_definition_goes_on_over_a_reload_and_a_changed_one_begins_anew() -> None:
    """One that comes back finds what it had, its end too."""
    x, other = spec(), spec(key="k2", share=0.3)
    lab = Lab(x)
    lab.serve(x, range(10), treated=True)
    first = lab.trials.listed[0]
    lab.trials.configure([x])
    assert lab.trials.listed[0] is first and lab.kinds == ["experiment_started"]
    lab.trials.stop(first, "enough", by="me")
    lab.trials.configure([x])
    assert lab.trials.listed[0].state == "stopped" and lab.running == ()
    lab.trials.configure([other])
    assert lab.running == (other,) and lab.trials.listed[0].trial.treatment.requests == 0
    lab.trials.configure([x])
    assert lab.trials.listed[0] is first and lab.running == ()
    lab.serve(other, range(10), treated=True)
    assert first.trial.treatment.requests == 10, "what ends late counts for the definition it was made under"


def test_retired_definitions_are_bounded() -> None:
    """The oldest go."""
    lab = Lab()
    for n in range(MOST_RETIRED + 10):
        lab.trials.configure([spec(key=str(n))])
    assert len(lab.trials.every()) == MOST_RETIRED + 1
    assert str(MOST_RETIRED + 9) in lab.trials.every() and "0" not in lab.trials.every()


def test_a_person_stops_and_starts_it() -> None:
    """With who and why; what was known stays, since nothing was wrong with it."""
    x = spec()
    lab = Lab(x)
    lab.serve(x, range(10), treated=True)
    found = lab.trials.listed[0]
    lab.trials.stop(found, "lunch", by="me")
    lab.trials.stop(found, "again", by="you")
    assert found.ending is not None and (found.ending.by, found.ending.reason) == ("me", "lunch")
    lab.trials.start(found, "back", by="me")
    lab.trials.start(found, "back", by="me")
    (again,) = lab.running
    assert again.name == "x" and found.trial.treatment.requests == 10
    lab.serve(again, range(10, 15), treated=True)
    lab.serve(x, [99], treated=True)
    assert (found.trial.treatment.requests, found.trial.treatment.units) == (15, 15), "of this run alone"
    assert [(e.kind, e.by, e.level) for e in lab.events[1:]] == [
        ("experiment_stopped", "me", "info"),
        ("experiment_started", "me", "info"),
    ]


def test_what_a_guardrail_ended_begins_from_nothing_when_started() -> None:
    """The same numbers would end it at once."""
    x = spec()
    lab = Lab(x)
    lab.serve(x, range(300), treated=False)
    lab.serve(x, range(300, 600), treated=True, outcome=FailureKind.SERVER)
    lab.pass_()
    found = lab.trials.listed[0]
    lab.trials.start(found, "mended", by="me")
    lab.pass_()
    assert found.runs and found.trial.treatment.requests == 0


def test_its_time_is_over_by_itself() -> None:
    """Counted from when it began."""
    lab = Lab(spec(max_s=2 * DAY))
    lab.pass_(DAY)
    assert lab.running
    lab.pass_(DAY)
    assert not lab.running and lab.events[-1].reason == "time_over" and lab.events[-1].level == "info"
    found = lab.trials.listed[0]
    lab.trials.start(found, "once more", by="me")
    lab.pass_(DAY)
    assert found.runs and found.ran_s == DAY, "it began from nothing"


def _stopped(lab: Lab, x: ExperimentSpec) -> None:
    lab.trials.stop(lab.trials.listed[0], "hold", by="me")
    lab.pass_(10 * DAY)
    lab.trials.start(lab.trials.listed[0], "go", by="me")


def _disabled(lab: Lab, x: ExperimentSpec) -> None:
    lab.trials.configure([replace(x, enabled=False)])
    lab.pass_(10 * DAY)
    lab.trials.configure([x])


def _gone(lab: Lab, x: ExperimentSpec) -> None:
    lab.trials.configure([])
    lab.pass_(10 * DAY)
    lab.trials.configure([x])


@pytest.mark.parametrize("pause", [_stopped, _disabled, _gone])
def test_only_the_time_in_which_it_runs_is_counted(pause: Callable[[Lab, ExperimentSpec], None]) -> None:
    """Not while it is stopped, disabled or out of the configuration."""
    x = spec(max_s=7 * DAY)
    lab = Lab(x)
    lab.pass_(3 * DAY - 5)
    lab.env.advance(5)
    pause(lab, x)
    lab.trials.tick()
    found = lab.trials.listed[0]
    assert found.runs and found.ran_s == 3 * DAY
    lab.pass_(4 * DAY - 1)
    assert found.runs
    lab.pass_(1)
    assert found.ending is not None and found.ending.reason == "time_over"


def test_the_time_that_it_ran_is_written_now_and_then_where_nobody_asks_anything() -> None:
    """A restart would forget it otherwise."""
    lab = Lab(spec())
    found = lab.trials.listed[0]
    found.dirty = False
    lab.pass_(WRITTEN_EVERY - 1)
    assert not found.dirty
    lab.pass_(1)
    assert found.dirty


def test_a_wrong_ratio_ends_it_as_invalid() -> None:
    """Whatever the metrics say."""
    x = spec()
    lab = Lab(x)
    lab.serve(x, range(400), treated=False)
    lab.serve(x, range(400, 500), treated=True)
    lab.pass_()
    assert lab.events[-1].reason == "sample_ratio_mismatch" and not lab.running


def test_scores_reach_the_arms_of_their_request() -> None:
    """Later than the request, and changed once more."""
    x, y = spec(), spec("y", "k2")
    lab = Lab(x, y)
    arms = [Arm("x", "k", True, 5), Arm("y", "k2", False, 5), Arm("z", "k3", False, 5)]
    lab.trials.score(arms, 0.0)
    lab.trials.score(arms, 1.0, 0.0)
    first, second = lab.trials.listed
    assert first.trial.treatment.tallies[Metric.QUALITY].sums.s == 1.0
    assert second.trial.control.tallies[Metric.QUALITY].sums.n == 1


def _restart(lab: Lab, x: ExperimentSpec) -> None:
    lab.serve(lab.running[0], range(1000, 1400), treated=False)
    lab.serve(lab.running[0], range(1400, 1800), treated=True, outcome=FailureKind.SERVER)
    lab.pass_()
    assert lab.events[-1].reason == "errors worse"
    lab.trials.start(lab.trials.listed[0], "mended", by="me")


@pytest.mark.parametrize("pause", [_restart, _stopped, _disabled, _gone])
def test_a_rating_of_an_earlier_run_is_not_changed_in_a_later_one(pause: Callable[[Lab, ExperimentSpec], None]) -> None:
    """Taken in then, or missed meanwhile: a difference alone would make a mean that no score is."""
    x = spec()
    lab = Lab(x)
    env, owner = owned("p/a")
    scoring = Scoring(env, owner)
    scoring.arms_scored = lab.trials.score

    def served(run: ExperimentSpec, unit: int) -> str:
        id_ = f"req_0123456789ab{unit + 1:08x}"
        scoring.served.note(record(id=id_, arms=(Arm(run.name, run.key, True, unit),)))
        return id_

    old = [served(lab.running[0], unit) for unit in range(40)]
    for id_ in old[:20]:
        assert scoring.feedback(id_, "local", 1.0)
    pause(lab, x)
    taken = lab.trials.listed[0].trial.treatment.tallies[Metric.QUALITY]
    before = taken.sums.n
    for id_ in old:
        assert scoring.feedback(id_, "local", 0.0)
        assert scoring.feedback(id_, "local", 0.5)
    assert before == taken.sums.n == (0 if pause is _restart else 20)
    new = [served(lab.running[0], unit) for unit in range(40, 80)]
    for id_ in new:
        assert scoring.feedback(id_, "local", 0.1) and scoring.feedback(id_, "local", 0.9)
    assert taken.sums.n == before + 40 and taken.sums.s == pytest.approx(before + 0.9 * 40)


def test_a_treatment_without_a_price_costs_not_nothing() -> None:
    """It costs nobody knows what: nothing is noted of it."""
    x = spec()
    lab = Lab(x)
    lab.serve(x, range(10), treated=False)
    lab.serve(x, range(10, 20), treated=True, attempts=(attempt("p/free", cost=0),), cost=0)
    trial = lab.trials.listed[0].trial
    assert [side.tallies[Metric.COST].sums.n for side in (trial.control, trial.treatment)] == [10, 0]
    assert (trial.control.unpriced, trial.treatment.unpriced) == (0, 10)


def test_a_page_of_metrics_shows_units_and_requests() -> None:
    """Of both arms."""
    x = spec()
    lab = Lab(x)
    lab.serve(x, [1, 1, 2], treated=True)
    assert lab.trials.facts() == [("x", True, (0, 2), (0, 3))]


@pytest.mark.parametrize("tick", [0, 1])
def test_without_experiments_nothing_happens(tick: int) -> None:
    """Records without arms cost nothing."""
    lab = Lab()
    lab.trials.note(record())
    for _ in range(tick):
        lab.pass_()
    assert not lab.events and lab.trials.facts() == []
