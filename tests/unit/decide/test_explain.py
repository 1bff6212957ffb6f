from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide import explain, pick, route
from lbd.model.plan import Decision, Live, Query
from lbd.model.request import Ask
from lbd.model.table import HealthState, Snapshot
from tests.fakes.tables import (
    IDLE,
    ask,
    cases,
    decision,
    deployment,
    idle,
    lives,
    queries,
    seeds,
    snapshot,
    terms,
    view,
)

TERMS = terms()
ANY = Query()


def decided(
    table: Snapshot, of: Ask, query: Query = ANY, seed: int = 0x8000_8000_0000_8000, live: object = idle
) -> Decision:
    ranking = route.rank(table, of, TERMS)
    choice = pick.choose(ranking, query, seed, live)  # type: ignore[arg-type]
    assert choice is not None
    return decision(choice, ranking, query, seed)


# --- replay ----------------------------------------------------------------------------------------------


@given(case=cases(), seed=seeds, live=st.lists(lives, min_size=6, max_size=6), data=st.data())
def test_a_decision_replays_from_its_record(
    case: tuple[Snapshot, Ask], seed: int, live: list[Live], data: st.DataObject
) -> None:
    """Bit for bit: same row, stage, manner and reason, and the same live inputs are read again."""
    table, of = case
    query = data.draw(queries(table))
    ranking = route.rank(table, of, TERMS)
    choice = pick.choose(ranking, query, seed, live.__getitem__)
    if choice is None:
        return
    made = decision(choice, ranking, query, seed)
    assert explain.replays(table, made, TERMS)
    assert explain.replay(table, made, TERMS) == choice
    assert explain.rank_again(table, made, TERMS) == ranking


@given(case=cases(), seed=seeds, live=st.lists(lives, min_size=6, max_size=6), data=st.data())
def test_a_decision_replays_after_it_was_written_and_read(
    case: tuple[Snapshot, Ask], seed: int, live: list[Live], data: st.DataObject
) -> None:
    """A journal may hold it as JSON or msgpack: the decision that is read is the one that was written."""
    table, of = case
    query = data.draw(queries(table))
    ranking = route.rank(table, of, TERMS)
    choice = pick.choose(ranking, query, seed, live.__getitem__)
    if choice is None:
        return
    made = decision(choice, ranking, query, seed)
    for codec in (msgspec.json, msgspec.msgpack):
        read = codec.decode(codec.encode(made), type=Decision)
        assert read == made
        assert explain.replays(table, read, TERMS)


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_a_decision_replays_on_a_snapshot_that_was_written_and_read(codec: object) -> None:
    """So a table can be kept beside its decisions."""
    rows = [
        view(deployment("p/a", supports=frozenset({"tools"}))),
        view("q/b", ttft=0.5),
        view("r/c", refusal="breaker_open"),
    ]
    table = snapshot(rows)
    made = decided(table, ask())
    read = codec.decode(codec.encode(table), type=Snapshot)  # type: ignore[attr-defined]
    assert read == table
    assert explain.replays(read, made, TERMS)


def test_a_changed_record_does_not_replay() -> None:
    """The check can fail: another seed, table or claim is told apart."""
    table = snapshot([view("p/a"), view("q/b")])
    made = decided(table, ask(), live=lambda row: IDLE._replace(inflight=1 - row))
    assert made.chosen == "q/b"
    assert explain.replays(table, made, TERMS)
    assert not explain.replays(table, replace(made, chosen="p/a"), TERMS)
    assert not explain.replays(table, replace(made, reason="affinity"), TERMS)
    assert not explain.replays(table, replace(made, stage="secondary"), TERMS)
    assert not explain.replays(table, replace(made, manner="trial"), TERMS)
    assert not explain.replays(table, replace(made, live=((0, IDLE), (1, IDLE._replace(inflight=9)))), TERMS)
    assert not explain.replays(snapshot([view("p/a"), view("q/b", refusal="locked_auth")]), made, TERMS)
    assert not explain.replays(snapshot([view("p/a", refusal="x"), view("q/b", refusal="x")]), made, TERMS)


def test_a_second_try_of_the_same_row_replays_as_what_it_is() -> None:
    """``again`` was no pick: it must have been tried before."""
    table = snapshot([view("p/a"), view("q/b")])
    again = replace(decided(table, ask()), reason="again", live=(), seed=0)
    assert explain.replays(table, replace(again, query=Query((again.chosen,))), TERMS)
    assert not explain.replays(table, replace(again, query=Query(("other/x",))), TERMS)


def test_a_decision_for_nobody_replays_while_nobody_is_left() -> None:
    """Excluded or refused a lease before: the record says which, and the table why."""
    table = snapshot([view("p/a", refusal="locked_auth"), view("q/b")])
    made = decided(table, ask())
    nobody = replace(made, query=Query(out=("q/b",)), chosen=None, stage="", manner="", reason="nobody", live=())
    assert explain.replay(table, nobody, TERMS) is None
    assert explain.replays(table, nobody, TERMS)
    assert not explain.replays(table, replace(nobody, query=ANY), TERMS)
    assert not explain.replays(table, replace(made, query=nobody.query), TERMS)
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(nobody), type=Decision) == nobody


def test_a_decision_on_a_name_that_is_gone_does_not_replay_and_does_not_raise() -> None:
    """A record may be asked about on another table."""
    table = snapshot([view(deployment("p/a", model="gone"))])
    made = decided(table, ask("model:gone"))
    assert explain.replay(snapshot([view("p/a")]), made, TERMS) is None
    assert not explain.replays(snapshot([view("p/a")]), made, TERMS)


# --- facts -----------------------------------------------------------------------------------------------


def test_the_facts_name_everything_a_candidate_was_judged_by() -> None:
    """Terms by their names, share of the draw, prediction, cut, cost, estimate, state."""
    table = snapshot([view("p/a", fresh=False, state=HealthState.DEGRADED), view("q/b", ttft=1.0)], generation=7)
    facts = explain.ranking_facts(route.rank(table, ask(), TERMS), table, "p/a")
    assert facts["generation"] == 7
    assert facts["panic"] is False
    assert facts["weights"] == dict(table.scorer.weights)
    first = facts["stages"][0]["candidates"][0]
    assert first["deployment"] == "p/a"
    assert set(first) == {
        "deployment",
        "model",
        "score",
        "terms",
        "share",
        "standing",
        "predicted_ttft_p95_s",
        "meets_target",
        "predicted_total_s",
        "cutoff_s",
        "predicted_usd",
        "estimate",
        "state",
        "chosen",
    }
    assert set(first["terms"]) == set(TERMS)
    assert (first["estimate"], first["state"], first["chosen"]) == ("prior", "degraded", True)
    assert [c["chosen"] for c in facts["stages"][0]["candidates"]] == [True, False]


@given(cases())
def test_the_facts_are_complete(case: tuple[Snapshot, Ask]) -> None:
    """Every stage, candidate and exclusion of the ranking is in them; shares add up; plain data all the way."""
    table, of = case
    ranking = route.rank(table, of, TERMS)
    facts = explain.ranking_facts(ranking, table)
    listed = [(s["stage"], s["manner"], [c["deployment"] for c in s["candidates"]]) for s in facts["stages"]]
    assert listed == [(s.name, s.manner, [c.id for c in s.candidates]) for s in ranking.stages]
    for stage in facts["stages"]:
        assert sum(c["share"] for c in stage["candidates"]) == pytest.approx(1.0, abs=1e-5)
        assert not any(c["chosen"] for c in stage["candidates"])
        for c in stage["candidates"]:
            weighed = sum(c["terms"][n] * w for n, w in table.scorer.weights) / sum(w for _, w in table.scorer.weights)
            assert c["score"] == pytest.approx(weighed, abs=1e-5)
    told = [(e["deployment"], e["reason"], e["detail"], e["soft"]) for e in facts["excluded"]]
    assert told == [(e.id, e.reason, e.detail, e.soft) for e in ranking.excluded]
    members = {table.rows[i].spec.id for s in table.catalogue.targets[of.target].stages for i in s.rows}
    assert {i for _, _, ids in listed for i in ids} | {i for i, *_ in told} == members
    assert facts["panic"] is ranking.panic
    assert json.loads(json.dumps(facts)) == facts


def test_nobody_left_has_facts_too() -> None:
    """No stages, and each exclusion with its reason."""
    table = snapshot([view("p/a", refusal="locked_auth")])
    facts = explain.ranking_facts(route.rank(table, ask(), TERMS), table)
    assert facts["stages"] == []
    assert [e["reason"] for e in facts["excluded"]] == ["locked_auth"]


@pytest.mark.parametrize(
    ("stream", "started", "broken", "left"),
    [
        (True, 0.0, None, 10.0),
        (True, 4.0, None, 6.0),
        (True, 35.0, 30.0, 5.0),
        (True, 11.0, None, 0.0),
        (True, 59.0, 58.0, 1.0),
        (False, 15.0, None, 45.0),
        (False, 15.0, 12.0, 45.0),
    ],
)
def test_the_time_that_is_left_is_that_of_the_first_content_or_of_the_whole(
    stream: bool, started: float, broken: float | None, left: float
) -> None:
    """From the arrival, or from when the stream broke that is gone on with; never beyond the whole."""
    asked = ask(stream=stream, first_content_s=10.0, total_s=60.0)
    assert explain.time_left(asked, started, broken) == pytest.approx(left)
