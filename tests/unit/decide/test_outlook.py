"""What a table promises: scores and shares."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given

from lbd.decide import pick, route
from lbd.decide.outlook import Outlook, outlook, shares
from lbd.model.plan import Query
from lbd.model.provider import Deadlines
from lbd.model.request import Ask
from lbd.model.table import AdminState, Snapshot
from tests.fakes.env import FakeEnv
from tests.fakes.tables import ask, cases, deployment, idle, snapshot, terms, view

TERMS = terms()


@given(cases())
def test_shares_are_whole(case: tuple[Snapshot, Ask]) -> None:
    """Every request goes somewhere, or nowhere where nobody is left."""
    ranking = route.rank(*case, TERMS)
    told = shares(ranking)
    assert sum(told.values()) == pytest.approx(1.0 if ranking.stages else 0.0)
    assert all(share >= 0 for share in told.values())


@pytest.mark.parametrize(
    "standings",
    [(1.0, 1.0, 1.0), (0.4, 1.0, 1.0), (0.5, 0.5, 1.0), (0.6, 0.4, 0.5), (0.0, 0.3, 0.0)],
    ids=["all stand", "the first is half out", "two are half out", "all are half out", "one stands a little"],
)
def test_shares_are_what_picks_do(standings: tuple[float, float, float]) -> None:
    """Twenty thousand picks of an idle table, but for the hundredth that explores."""
    rows = [
        view(deployment("p/a", quality={"default": 0.9}), standing=standings[0]),
        view(deployment("p/b", weight=2.0), standing=standings[0]),
        view(deployment("q/a", tier="secondary"), standing=standings[1], ttft=2.0),
        view(deployment("r/a", tier="tertiary"), standing=standings[2], ttft=5.0),
    ]
    ranking = route.rank(snapshot(rows), ask(), TERMS)
    env = FakeEnv()
    seen: Counter[str] = Counter()
    for _ in range(20_000):
        choice = pick.choose(ranking, Query(), env.bits(), idle)
        assert choice is not None
        seen[choice.candidate.id] += 1
    told = shares(ranking)
    for row in rows:
        assert seen[row.spec.id] / 20_000 == pytest.approx(told.get(row.spec.id, 0.0), abs=0.02)


def test_an_outlook_has_what_both_classes_see() -> None:
    """A drained row has no score and no share, a lone one has all of it."""
    rows = [view("p/a"), view(deployment("p/b"), admin=AdminState.DRAIN)]
    told = outlook(snapshot(rows), Deadlines(), TERMS)
    assert told.keys() == {"p/a"}
    assert told["p/a"].share == 1.0
    assert told["p/a"].interactive is not None
    assert 0 < told["p/a"].interactive <= 1
    assert told["p/a"].background is not None
    assert Outlook() == Outlook(None, None, 0.0)


def test_an_outlook_keeps_the_configured_deadlines() -> None:
    """A patient configuration sends requests where an impatient one does not."""
    rows = [view("p/a", ttft=15.0, tier_target_s=20.0), view(deployment("q/b", tier="secondary"), ttft=2.0)]
    table = snapshot(rows)
    assert outlook(table, Deadlines(), TERMS)["p/a"].share == 0.0
    assert outlook(table, Deadlines(interactive_first_content_s=60), TERMS)["p/a"].share == 1.0


def test_a_last_resort_has_no_score() -> None:
    """It is excluded, but for a trial when nobody else is left."""
    rows = [view("p/a", refusal="breaker_open"), view(deployment("p/b"))]
    assert outlook(snapshot(rows), Deadlines(), TERMS)["p/b"].share == 1.0
    assert "p/a" not in outlook(snapshot(rows), Deadlines(), TERMS)
