"""How long a row may take before the request goes on with another, and that an operator is shown the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide import cutoff, explain, route
from lbd.model.plan import Candidate
from lbd.model.request import Ask, Urgency
from lbd.model.table import Snapshot
from lbd.state.flight import Flight
from lbd.upstream.bounds import bounds_of
from lbd.upstream.manner import Manner
from tests.fakes.relay import Relay, row
from tests.fakes.stage import end, head, say, stream
from tests.fakes.tables import ask, cases, deployment, snapshot, terms, view
from tests.fakes.virtual import VirtualEnv, run

TERMS = terms()
seconds = st.floats(0.01, 1000)


def candidate(cutoff_s: float = 2.8, slow_s: float = 1.0, **more: Any) -> Candidate:
    made = Candidate(0, "p/a", "m", (), 1.0, 1.0, 1.0, 0.5, 1.0, slow_s, cutoff_s, None, True, None)
    return replace(made, **more)


@pytest.mark.parametrize(
    ("predicted", "target", "asked", "hurries"),
    [
        (1.4, 1.5, {}, True),
        (1.6, 1.5, {}, False),  # held to miss it: that is its normal way
        (1.4, 3.0, {}, False),  # its own time is less
        (1.4, 1.5, {"slo_s": 1.5}, False),  # a tier's target is a floor for it
        (1.4, 1.5, {"urgency": Urgency.BACKGROUND}, False),
    ],
)
def test_who_meets_its_target_hurries(predicted: float, target: float, asked: dict[str, Any], hurries: bool) -> None:
    """So that somebody else's answer has begun by twice the target; what is slow by its nature keeps its own time."""
    who = candidate(predicted_s=predicted, target_s=target)
    assert cutoff.hurried(ask(**asked), who) is hurries


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0, 20), seconds)
def test_the_next_one_can_begin_by_twice_the_target(target: float, own: float, next_s: float, left: float) -> None:
    """Where that leaves the first one the target's time; nobody has more than half as much again, or its own time."""
    found = cutoff.cut_after(candidate(own, target_s=target), left, next_s=next_s, whole=True)
    assert found <= min(own, cutoff.MOST_PATIENCE * target)
    spare = cutoff.BEGUN_BY * target - next_s
    assert found == pytest.approx(min(own, cutoff.MOST_PATIENCE * target, spare if spare >= target else own))


@given(seconds, seconds, st.booleans(), st.floats(0, 100))
def test_half_of_what_is_left_is_somebody_else_s(own: float, slow: float, fresh: bool, left: float) -> None:
    """Unless its own samples say that it needs more; never more than its own time."""
    who = candidate(own, min(own, slow), fresh=fresh)
    found = cutoff.cut_after(who, left)
    assert found <= own and found <= max(left / 2, who.slow_s if fresh else 0.0)
    assert found >= min(own, left / 2)


def test_who_comes_next_is_looked_for_only_where_it_matters() -> None:
    """Of a hurried one the slowest of the stage that is next, 0 where nobody is left."""
    ranking = route.rank(snapshot([view("p/a", ttft=0.2), view("q/b", ttft=0.5)]), ask(), TERMS)
    by_id = {c.id: c for c in ranking.stages[0].candidates}
    hurried = replace(by_id["p/a"], predicted_s=1.4, target_s=1.5, cutoff_s=2.8)
    assert cutoff.next_of(ranking, hurried, ("p/a",)) == pytest.approx(0.5)
    assert cutoff.next_of(ranking, hurried, ("p/a", "q/b")) == 0.0
    assert cutoff.next_of(ranking, replace(hurried, predicted_s=2.0), ("p/a",)) is None


# --- what is shown -------------------------------------------------------------------------------------


def test_of_a_later_stage_those_before_it_were_tried_and_the_last_is_not_cut() -> None:
    """There is nobody to go on with."""
    rows = [view("p/a", ttft=0.2), view(deployment("r/c", tier="secondary"), ttft=1.0)]
    table = snapshot(rows)
    facts = explain.ranking_facts(route.rank(table, ask(), TERMS), table)
    shown = {c["deployment"]: c["cutoff_s"] for s in facts["stages"] for c in s["candidates"]}
    assert shown["r/c"] is None and shown["p/a"] is not None
    facts = explain.ranking_facts(route.rank(table, ask(), TERMS), table, tried=("r/c",))
    assert facts["stages"][0]["candidates"][0]["cutoff_s"] is None


@given(cases(), st.floats(0, 20))
def test_what_is_shown_is_what_cuts(case: tuple[Snapshot, Ask], spent: float) -> None:
    """The same to the microsecond as the bounds of an attempt, at every candidate, however much time is left."""
    table, of = case
    ranking = route.rank(table, of, TERMS)
    now, tried = 1000.0 + spent, []
    by = min(of.first_content_s, of.total_s) if of.stream else of.total_s
    facts = explain.ranking_facts(ranking, table, left_s=explain.time_left(of, spent))
    flight = Flight(1000.0, 1000.0 + max(spent, by), 1000.0 + of.total_s)
    for stage, shown in zip(ranking.stages, facts["stages"], strict=True):
        for c, told in zip(stage.candidates, shown["candidates"], strict=True):
            fold = table.rows[c.row].spec.unary_via_stream
            manner = Manner.FORWARD if of.stream else Manner.FOLD if fold else Manner.WHOLE
            out = (*tried, c.id)
            next_s = cutoff.next_of(ranking, c, out)
            found = bounds_of(flight, of, c, manner, None, now, now + 15, 30.0, next_s=next_s)
            if told["cutoff_s"] is not None:
                assert told["cutoff_s"] == pytest.approx(found.cut_at - now, abs=2e-6)
            else:
                assert set(out) >= {other.id for s in ranking.stages for other in s.candidates}
        tried += [c.id for c in stage.candidates]


def test_a_request_is_cut_when_it_was_said_that_it_would_be() -> None:
    """The plan of a dry run, and then the request itself."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b", model="m-b", tier="secondary"))
        for host in "ab":
            relay.stage.always(0.2, head(), say(stream("well")), end, host=host)
        for _ in range(30):
            await relay.ask(stream=True)
        await env.sleep(1.5)
        dry = await relay.ask(stream=True, headers={"x-lbd-dry-run": "1"})
        stages = msgspec.json.decode(dry.body)["stages"]
        shown = {c["deployment"]: c["cutoff_s"] for s in stages for c in s["candidates"]}
        relay.stage.plan(host="a")
        await relay.ask(stream=True)
        first, second = relay.last.attempts
        assert (first.decision.chosen, second.decision.chosen) == ("a/m", "b/m-b")
        assert first.ended_s == pytest.approx(shown["a/m"], abs=0.06), shown  # the wheel's tick
        assert shown["b/m-b"] is None
        relay.check()

    run(main)
