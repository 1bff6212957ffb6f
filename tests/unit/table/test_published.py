"""What readers see of the table, and when."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lbd.model.event import Event
from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage, Verdict
from lbd.model.table import AdminState, HealthState
from lbd.state import breaker
from lbd.state.row import LIVENESS
from lbd.table import published
from lbd.table.lease import Lease
from lbd.table.owner import Owner
from lbd.table.published import PUBLISH_EVERY
from tests.fakes.tables import (
    bad,
    break_open,
    configure,
    deployment,
    good,
    owned,
    probe,
    serve,
)

K = FailureKind


def listened(owner: Owner) -> list[Event]:
    events: list[Event] = []
    owner.listeners.append(events.append)
    return events


def test_statistics_are_published_at_most_every_hundred_milliseconds() -> None:
    """A thousand answers a second are ten snapshots."""
    env, owner = owned("p/a")
    env.advance(1.0)
    before = owner.snapshot.generation
    for n in range(1000):
        serve(owner, env, 0, good(0.1 + n / 1000))
        env.advance(0.001)
    assert 8 <= owner.snapshot.generation - before <= 11


def test_the_first_answer_after_a_pause_is_published_at_once_in_the_next_turn() -> None:
    """Nobody waits longer than needed; the snapshot that a request holds stays as it is."""
    env, owner = owned("p/a")
    env.advance(5.0)
    held_by_a_request = owner.snapshot
    serve(owner, env, 0, good(3.0))
    assert owner.snapshot is held_by_a_request
    env.advance(0.0)
    assert owner.snapshot.generation == held_by_a_request.generation + 1
    assert owner.snapshot.rows[0].ttft_p95_s != held_by_a_request.rows[0].ttft_p95_s
    assert held_by_a_request.rows[0].fresh == (False,) * 6


@pytest.mark.parametrize(
    "what",
    ["breaker", "suspect", "lock", "quota", "admin", "weight", "probe"],
)
def test_a_transition_is_published_at_once(what: str) -> None:
    """Also within 100 ms of the last publish: the next decision sees it."""
    env, owner = owned("p/a")
    serve(owner, env, 0, good())
    before = owner.snapshot
    row = owner.rows[0]
    match what:
        case "breaker":
            break_open(owner, env, 0)
        case "suspect":
            serve(owner, env, 0, bad(K.RESET))
        case "lock":
            serve(owner, env, 0, bad(K.AUTH))
        case "quota":
            serve(owner, env, 0, bad(K.RATE))
        case "admin":
            owner.order(row, AdminState.DRAIN, by="a", reason="")
        case "weight":
            owner.weigh(row, 0.3, by="a", reason="")
        case "probe":
            owner.probed(row, probe(LIVENESS, Verdict.DOWN, failure=K.CONNECT), completion=False)
    assert owner.snapshot.generation > before.generation


def test_a_transition_takes_waiting_statistics_along() -> None:
    """One swap: everything that changed until then, and no second publish for it."""
    env, owner = owned("p/a", "q/b")
    serve(owner, env, 1, good(7.0))
    owner.order(owner.rows[0], AdminState.DRAIN, by="a", reason="")
    generation = owner.snapshot.generation
    assert owner.snapshot.rows[1].output_tokens == 160  # halfway from 256
    env.advance(PUBLISH_EVERY)
    assert owner.snapshot.generation == generation


def test_a_transition_between_two_publishes_moves_no_standing() -> None:
    """A tier is left when it is over its target on two publishes, not on two events of one moment."""
    env, owner = owned("p/a", "q/b")
    for _ in range(30):
        serve(owner, env, 0, good(9.0))
    env.advance(PUBLISH_EVERY)
    assert owner.rows[0].over_target[0] == 1
    env.advance(PUBLISH_EVERY / 2)
    for state in (AdminState.DRAIN, AdminState.READY) * 3:
        owner.order(owner.rows[0], state, by="a", reason="")
    assert owner.rows[0].over_target[0] == 1
    assert owner.snapshot.rows[0].standing[0] == 1.0
    env.advance(1.0)
    owner.tick()
    assert owner.snapshot.rows[0].standing[0] == pytest.approx(0.9)


def test_the_rows_of_a_model_learn_how_long_it_answers_together() -> None:
    """A replica that was never used is expected to answer like the others, in the same snapshot, reload or not."""
    env, owner = owned("p/a", "q/a", deployment("q/b", model="other"))

    def told() -> list[int]:
        return [view.output_tokens for view in owner.snapshot.rows]

    assert told() == [256, 256, 256]
    serve(owner, env, 0, good(usage=Usage(10, 400)))
    env.advance(PUBLISH_EVERY)
    assert told() == [320, 320, 256]
    configure(owner, "p/a", "q/a", "r/a", deployment("q/b", model="other"))
    assert told() == [320, 320, 320, 256]
    configure(owner, deployment("p/a", model="renamed", upstream_model="m"), "q/a")
    assert told() == [256, 320]


def test_an_unchanged_table_keeps_its_generation() -> None:
    """Remembered rankings stay good: nothing that a decision could see has changed."""
    env, owner = owned("p/a", "q/b")
    for _ in range(5):
        owner.touch(0, transition=True)
        owner.tick()
        env.advance(1.0)
    assert owner.snapshot.generation == 1
    assert owner.publishes == 1
    serve(owner, env, 0, None)
    env.advance(0.2)
    assert owner.snapshot.generation == 1


def test_only_rows_that_changed_are_new_objects() -> None:
    """Publishing copies dirty rows."""
    env, owner = owned("p/a", "q/b", "r/c")
    before = owner.snapshot.rows
    serve(owner, env, 1, bad(K.CONNECT))
    after = owner.snapshot.rows
    assert [a is b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_time_alone_is_published_by_the_tick() -> None:
    """Waits that end, slow starts that go on, estimates that age: once a second."""
    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.RATE, retry_after_s=3.0))
    for _ in range(3):
        assert owner.snapshot.rows[0].refusal == "quota_exhausted"
        env.advance(1.0)
        owner.tick()
    assert owner.snapshot.rows[0].refusal is None


def test_a_late_tick_misses_no_wait_that_ended() -> None:
    """A host that slept: a row in trouble of another kind must not stay rate limited for ever."""
    env, owner = owned("p/a", "p/b")
    owner.probed(owner.rows[1], probe(LIVENESS, Verdict.DOWN, failure=K.CONNECT), completion=False)
    serve(owner, env, 0, bad(K.RATE))
    assert owner.snapshot.rows[1].refusal == "quota_exhausted"
    env.advance(600.0)
    owner.tick()
    assert [r.refusal for r in owner.snapshot.rows] == [None, None]
    assert owner.snapshot.rows[1].suspect


def test_a_slow_start_grows_with_time() -> None:
    """A row that came back takes its share in steps, over half a minute."""
    env, owner = owned("p/a")
    break_open(owner, env, 0, K.CONNECT)
    owner.probed(owner.rows[0], probe(), completion=False)
    for _ in range(breaker.TRIALS):
        serve(owner, env, 0, good())
    weights = []
    for _ in range(32):
        weights.append(owner.snapshot.rows[0].weight)
        env.advance(1.0)
        owner.tick()
    assert weights[0] == pytest.approx(0.1)
    assert weights == sorted(weights)
    assert owner.snapshot.rows[0].weight == 1.0
    assert owner.rows[0].state is HealthState.UP


def test_outliers_are_ejected_by_the_tick_and_come_back() -> None:
    """A row that answers, but clearly worse than its peers, is set aside for a while, with an event."""
    env, owner = owned("p/a", "q/b", "r/c")
    events = listened(owner)
    for _ in range(30):
        for i in range(3):
            serve(owner, env, i, good(1.2 if i == 2 else 0.2))
        env.advance(0.1)
    owner.tick()
    assert [r.ejected for r in owner.snapshot.rows] == [False, False, True]
    assert ("state_changed", "r/c", "outlier_ttft") in [(e.kind, e.subject, e.reason) for e in events]
    assert isinstance(owner.lease(2, env.now()), Lease)  # it is a ranking's affair
    for _ in range(400):
        env.advance(1.0)
        owner.tick()
    assert not owner.snapshot.rows[2].ejected


def test_every_change_of_state_is_told_once_with_evidence() -> None:
    """The timeline of an outage, with the numbers behind each step."""
    env, owner = owned("p/a")
    events = listened(owner)
    serve(owner, env, 0, good())
    env.advance(0.2)
    break_open(owner, env, 0)
    env.advance(1.0)
    owner.probed(owner.rows[0], probe("completion"), completion=True)
    for _ in range(2):
        serve(owner, env, 0, good())
    for _ in range(31):
        env.advance(1.0)
        owner.tick()
    steps = [(e.before, e.after, e.reason) for e in events if e.kind == "state_changed"]
    assert [(b, a) for b, a, _ in steps][:3] == [("unknown", "up"), ("up", "down"), ("down", "recovering")]
    assert steps[-1][1] in ("up", "degraded")
    for (_, after, _), (before, _, _) in pairwise(steps):
        assert after == before
    down = next(e for e in events if e.after == "down")
    assert down.evidence["openings"] == 1
    assert down.evidence["text"] == "opened by server_error"
    assert down.level == "warning"


def test_a_burst_of_transitions_looks_at_none_of_the_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is published at once; the first probes of thousands of rows come one by one."""
    env, owner = owned(*(f"p/{n}" for n in range(50)))
    env.advance(1.0)
    serve(owner, env, 0, good(0.1))
    env.advance(0.0)
    looked: list[str] = []
    whole = published.fold
    monkeypatch.setattr(published, "fold", lambda row, now: (looked.append(row.spec.id), whole(row, now)))
    for n in range(1, 50):
        before = owner.snapshot.generation
        owner.probed(owner.rows[n], probe(at=env.now()), completion=False)
        assert owner.snapshot.generation == before + 1
    assert looked == [f"p/{n}" for n in range(1, 50)]
    env.advance(PUBLISH_EVERY)
    serve(owner, env, 0, good(0.1))
    env.advance(0.0)
    assert len(looked) == 49 + 50


def test_what_a_transition_taught_reaches_all_rows_of_the_model_with_the_next_publish() -> None:
    """They share how long its answers are; only the row itself was published at once."""
    env, owner = owned("p/a", "p/b")
    owner.rows[1].length = owner.rows[0].length
    env.advance(1.0)
    serve(owner, env, 1, good(0.1))
    serve(owner, env, 0, bad(K.SERVER))
    env.advance(0.0)
    before = owner.snapshot.rows[1].output_tokens
    for _ in range(12):
        for _ in range(3):
            serve(owner, env, 0, good(0.1, usage=Usage(10, 4000)))
        serve(owner, env, 0, bad(K.SERVER))  # which is published at once
    told = owner.snapshot.rows[0].output_tokens
    assert told is not None and told != before
    env.advance(PUBLISH_EVERY)
    serve(owner, env, 0, good(0.1, usage=Usage(10, 4000)))
    env.advance(0.0)
    assert owner.snapshot.rows[1].output_tokens == owner.snapshot.rows[0].output_tokens != before
