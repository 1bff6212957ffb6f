"""Scores on their way into the table."""

from __future__ import annotations

from lbd.model.event import Event
from lbd.model.experiment import Arm
from lbd.model.table import ALL
from lbd.state.quality import Phase
from lbd.table.owner import Owner
from lbd.table.published import PUBLISH_EVERY
from lbd.table.scoring import Scoring
from tests.fakes.env import FakeEnv
from tests.fakes.records import record
from tests.fakes.tables import owned

RUN = "req_0123456789ab"


def made() -> tuple[FakeEnv, Owner, Scoring, list[Event]]:
    env, owner = owned("p/a", "p/b")
    events: list[Event] = []
    owner.listeners.append(events.append)
    return env, owner, Scoring(env, owner), events


def serve(scoring: Scoring, number: int, **more: object) -> str:
    id_ = f"{RUN}{number:08x}"
    scoring.served.note(record(id=id_, **more))
    return id_


def test_a_rating_reaches_the_row_that_answered_with_the_next_publish() -> None:
    """As often as other statistics, no more."""
    env, owner, scoring, _ = made()
    env.advance(1.0)
    before = owner.publishes
    for number in range(1, 50):
        assert scoring.feedback(serve(scoring, number), "local", 0.0)
    assert owner.publishes <= before + 1
    env.advance(PUBLISH_EVERY)
    assert owner.publishes <= before + 2
    low = owner.snapshot.rows[0].quality
    assert low is not None and low < 0.5
    assert owner.snapshot.rows[1].quality == 0.8
    assert scoring.taken == {("p/a", "feedback"): 49}


def test_a_client_rates_its_own_requests_alone() -> None:
    """Somebody else's is as unknown as one that never was, and one of a row that is no more."""
    _, owner, scoring, _ = made()
    id_ = serve(scoring, 1)
    assert not scoring.feedback(id_, "bot", 0.0)
    assert not scoring.feedback(f"{RUN}00000002", "local", 0.0)
    assert not scoring.feedback(serve(scoring, 3, served_by="p/gone"), "local", 0.0)
    assert not owner.rows[0].scores and not scoring.taken


def test_rated_twice_the_last_counts_once() -> None:
    """In what is published, too."""
    env, owner, scoring, _ = made()
    id_ = serve(scoring, 1)
    for score in (0.0, 1.0, 1.0):
        assert scoring.feedback(id_, "local", score)
    level = owner.rows[0].scores[ALL].level
    assert (level.n, level.total) == (1, 1.0)
    env.advance(PUBLISH_EVERY)
    seen = owner.snapshot.rows[0].quality
    assert seen is not None and seen > 0.8


def test_a_drop_is_told_with_its_numbers_and_published_at_once() -> None:
    """And so is the way back."""
    _, owner, scoring, events = made()
    row, n = owner.rows[0], 0
    while not events:
        scoring.take(row, "", 0.0, "judge")
        n += 1
    event = events[0]
    assert (event.kind, event.subject, event.level) == ("quality_dropped", "p/a", "warning")
    assert (event.before, event.after) == ("in_use", "dropped")
    assert event.evidence["scores"] == n and event.evidence["reference"] == 0.8
    assert event.evidence["family"] == "all" and event.evidence["gap"] == 0.1
    assert owner.snapshot.rows[0].lost == {ALL}
    while len(events) == 1:
        scoring.take(row, "", 1.0, "judge", shadow=True)
    assert (events[1].kind, events[1].before, events[1].after) == ("quality_back", "probation", "in_use")
    assert row.scores[ALL].phase is Phase.IN_USE and not owner.snapshot.rows[0].lost
    assert scoring.taken["p/a", "judge"] > n


def test_scores_are_told_to_the_arms_of_their_request() -> None:
    """A client's rating and any other; a changed one with what it was before; a shadow answer's to none."""
    _, owner, scoring, _ = made()
    told: list[object] = []
    scoring.arms_scored = lambda *args: told.append(args)
    arm = Arm("x", "k", True, 5)
    id_, plain = serve(scoring, 1, arms=(arm,)), serve(scoring, 2)
    for score in (0.0, 1.0):
        assert scoring.feedback(id_, "local", score) and scoring.feedback(plain, "local", score)
    assert scoring.scored(id_, 0.5, "judge") and scoring.scored(plain, 0.5, "judge")
    scoring.take(owner.rows[0], "", 0.5, "judge", shadow=True)
    assert told == [((arm,), 0.0, None), ((arm,), 1.0, 0.0), ((arm,), 0.5, None)]
    assert not scoring.feedback(id_, "somebody else", 0.0) and len(told) == 3
