"""Whose fault it is: what is charged before the cause is known is taken back, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.model.event import Event
from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Verdict
from lbd.state import breaker
from lbd.state.breaker import Phase
from lbd.state.stall import Stall
from lbd.table.owner import Owner
from tests.fakes.env import FakeEnv
from tests.fakes.tables import bad, break_open, good, owned, probe, provider, serve

K = FailureKind


def table(*names: str, **urls: str) -> tuple[FakeEnv, Owner, list[Event], list[str]]:
    """Return a table of hosts of these names, the events that it tells, and the providers that it has probed."""
    providers = [provider(n, base_url=urls.get(n, f"https://api.{n}.example/v1")) for n in names]
    env, owner = owned(*(f"{n}/x" for n in names), providers=providers)
    events: list[Event] = []
    asked: list[str] = []
    owner.listeners.append(events.append)
    owner.suspected = asked.append
    return env, owner, events, asked


def phases(owner: Owner) -> list[str]:
    return [str(row.breaker.phase) for row in owner.rows]


def told(events: list[Event]) -> list[str]:
    return [e.kind for e in events if e.subject == "lbd"]


def count(owner: Owner, env: FakeEnv, i: int) -> tuple[int, int]:
    """Return how many attempts at row ``i`` were judged, and how many time-outs excused, in the last minute."""
    row = owner.rows[i]
    return row.outcomes.over(60.0, env.now()).judged, sum(row.excused.over(60.0, env.now()).by_kind.values())


def test_a_breaker_that_opened_before_the_cause_was_known_is_closed_again() -> None:
    """Ten streams of the first provider break at once; the next ones fail within 100 ms."""
    env, owner, events, _ = table("p", "q", "r")
    before = owner.rows[0].breaker
    leases: list[Any] = [owner.lease(0, env.now()) for _ in range(10)]
    for lease in leases:
        lease.settle(bad(K.RESET))
    assert phases(owner)[0] == "open"
    env.advance(0.05)
    serve(owner, env, 1, bad(K.CONNECT))
    assert phases(owner) == ["closed"] * 3
    assert owner.rows[0].breaker == before
    assert owner.snapshot.rows[0].refusal is None
    assert count(owner, env, 0) == (0, 0)
    assert told(events) == ["uplink_lost"]
    evidence = next(e.evidence for e in events if e.kind == "uplink_lost")
    assert evidence["breakers_closed_again"] == ["p/x"]
    assert evidence["hosts"] == ["api.p.example", "api.q.example"]
    assert evidence["signs"] == ["connect", "reset"]


def test_from_then_on_nobody_is_charged_and_all_may_be_chosen_at_once_when_one_is_reached() -> None:
    """Suspicions that came of it are lifted, and probes confirm it."""
    env, owner, events, asked = table("p", "q", "r")
    for _ in range(20):
        for i in range(3):
            serve(owner, env, i, bad(K.CONNECT))
        env.advance(1.0)
    assert phases(owner) == ["closed"] * 3
    assert all(row.suspect for row in owner.snapshot.rows)
    (sentence,) = owner.blame.words(env.now())
    assert sentence.startswith("this host cannot reach anybody beyond it (api.p.example")
    assert owner.blame.cut_off(env.now())
    asked.clear()
    serve(owner, env, 2, good())
    assert not any(row.suspect for row in owner.snapshot.rows)
    assert sorted(set(asked)) == ["p", "q", "r"]
    assert told(events) == ["uplink_lost", "uplink_back"]
    assert not owner.blame.words(env.now()) and not owner.blame.cut_off(env.now())
    env.advance(1.0)
    break_open(owner, env, 0, K.CONNECT)


def test_what_was_begun_before_the_way_out_was_back_and_fails_later_says_nothing() -> None:
    """Streams that hang, connections that are still being made: no charge, and no suspicion of who can be reached."""
    env, owner, _, asked = table("p", "q")
    leases: list[Any] = [owner.lease(0, env.now()) for _ in range(10)]
    for i in (0, 1):
        serve(owner, env, i, bad(K.CONNECT))
    env.advance(1.0)
    serve(owner, env, 1, good())
    env.advance(20.0)
    asked.clear()
    for lease in leases:
        lease.settle(bad(K.TIMEOUT_IDLE, total_s=21.0))
    assert phases(owner) == ["closed"] * 2
    assert owner.rows[0].suspect is None
    assert set(asked) == {"p"}
    assert count(owner, env, 0) == (0, 10)


def test_two_dead_providers_beside_a_third_that_answers_are_opened() -> None:
    """Each request fails at the first two and is served by the third."""
    env, owner, events, _ = table("p", "q", "r")
    serve(owner, env, 2, good())
    for _ in range(3):
        for i in (0, 1):
            serve(owner, env, i, bad(K.CONNECT))
        serve(owner, env, 2, good())
        env.advance(5.0)
    assert phases(owner) == ["open", "open", "closed"]
    assert not told(events)


def test_providers_that_are_out_already_say_nothing_of_the_way_out() -> None:
    """Their probes go on failing for days while a third one has nothing to do."""
    env, owner, events, _ = table("p", "q", "r")
    break_open(owner, env, 0, K.CONNECT)
    serve(owner, env, 2, good())
    break_open(owner, env, 1, K.CONNECT)
    serve(owner, env, 2, good())
    for _ in range(50):
        env.advance(7.0)
        for row in owner.rows[:2]:
            owner.probed(row, probe(verdict=Verdict.DOWN, at=env.now(), failure=K.CONNECT), completion=False)
    assert not told(events)


def test_while_there_is_a_doubt_everybody_is_asked() -> None:
    """The third one was heard a moment ago: its probe decides."""
    env, owner, events, asked = table("p", "q", "r")
    owner.probed(owner.rows[2], probe(at=env.now()), completion=False)
    env.advance(2.0)
    break_open(owner, env, 0, K.CONNECT)
    serve(owner, env, 1, bad(K.CONNECT))
    assert "r" in asked and not told(events)
    owner.probed(owner.rows[2], probe(verdict=Verdict.DOWN, failure=K.CONNECT_TIMEOUT), completion=False)
    assert told(events) == ["uplink_lost"]
    assert phases(owner) == ["closed"] * 3


def test_an_answer_before_the_others_failed_lets_a_charge_stand() -> None:
    """The way out was there when the first one was opened."""
    env, owner, _, _ = table("p", "q", "r")
    break_open(owner, env, 0, K.CONNECT)
    serve(owner, env, 1, bad(K.SERVER))  # an answer, too
    env.advance(11.0)
    serve(owner, env, 1, bad(K.CONNECT))
    serve(owner, env, 2, bad(K.CONNECT))
    assert owner.blame.way.uplink.lost
    assert phases(owner) == ["open", "closed", "closed"]
    assert count(owner, env, 0) == (3, 0)


def test_a_trial_is_taken_back_too() -> None:
    """A half-open row is where it was, whoever was out."""
    env, owner, _, _ = table("p", "q")
    row = owner.rows[0]
    row.breaker = breaker.Breaker(phase=Phase.HALF_OPEN, trials_ok=1, openings=1, opened_total=1)
    owner.touch(0, transition=True)
    serve(owner, env, 0, bad(K.CONNECT))
    assert row.breaker.phase is Phase.OPEN
    serve(owner, env, 1, bad(K.CONNECT))
    assert (row.breaker.phase, row.breaker.trials_ok, row.breaker.opened_total) == (Phase.HALF_OPEN, 1, 1)


def test_an_operator_s_word_is_not_undone() -> None:
    """Who resets a breaker has settled what was charged."""
    env, owner, _, _ = table("p", "q")
    owner.rows[0].breaker = breaker.Breaker(phase=Phase.HALF_OPEN, openings=1, opened_total=1)
    owner.touch(0, transition=True)
    serve(owner, env, 0, bad(K.CONNECT))
    owner.reset(owner.rows[0], by="anna", reason="")
    serve(owner, env, 1, bad(K.CONNECT))
    assert owner.rows[0].breaker.phase is Phase.CLOSED


# --- names -----------------------------------------------------------------------------------------------


def test_without_names_connections_that_stand_go_on_and_do_not_hide_it() -> None:
    """Answers on kept connections say nothing about resolution; a probe, which connects anew, does."""
    env, owner, events, _ = table("p", "q", "r", r="https://192.0.2.7/v1")
    for _ in range(5):
        serve(owner, env, 0, bad(K.DNS))
        serve(owner, env, 2, good())
        serve(owner, env, 1, bad(K.DNS))
        serve(owner, env, 1, good())
    assert phases(owner) == ["closed"] * 3
    assert told(events) == ["uplink_lost"]
    assert owner.blame.words(env.now())[0].startswith("this host cannot resolve names (api.p.example, api.q.example)")
    assert not owner.blame.cut_off(env.now())
    env.advance(30.0)
    assert owner.blame.cut_off(env.now())
    owner.probed(owner.rows[2], probe(at=env.now()), completion=False)  # by its address
    assert owner.blame.names.uplink.lost
    owner.probed(owner.rows[1], probe(at=env.now()), completion=False)
    assert told(events) == ["uplink_lost", "uplink_back"]


def test_certificates_that_nobody_can_show_are_a_matter_of_this_hosts_clock() -> None:
    """It is told where to look."""
    env, owner, _, _ = table("p", "q")
    serve(owner, env, 0, bad(K.TLS))
    serve(owner, env, 1, bad(K.TLS))
    assert "see to its clock" in owner.blame.words(env.now())[0]


# --- shortages -------------------------------------------------------------------------------------------


def test_what_this_host_is_short_of_is_nobodys_fault_from_the_first_on() -> None:
    """No breaker, no suspicion, no ratio; one event a minute, and a sentence while it lasts."""
    env, owner, events, _ = table("p")
    owner.probed(owner.rows[0], probe(at=env.now()), completion=False)
    for _ in range(30):
        serve(owner, env, 0, bad(K.LOCAL, message="out of file descriptors"))
        down = probe(verdict=Verdict.DOWN, failure=K.LOCAL, detail="out of file descriptors")
        owner.probed(owner.rows[0], down, completion=False)
    row = owner.rows[0]
    assert (row.breaker, row.suspect, row.probes_lost) == (breaker.Breaker(), None, 0)
    assert row.probes["liveness"].verdict is Verdict.UP
    assert count(owner, env, 0) == (0, 0)
    assert told(events) == ["local_fault"]
    assert owner.blame.words(env.now()) == ["out of file descriptors"]
    env.advance(11.0)
    assert not owner.blame.words(env.now())
    env.advance(60.0)
    serve(owner, env, 0, bad(K.LOCAL, message="out of file descriptors"))
    assert told(events) == ["local_fault"] * 2


# --- stalls ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://api.p.example/v1", "http://127.0.0.1:8000/v1"])
def test_time_outs_that_were_noticed_late_are_held_against_nobody(url: str) -> None:
    """Providers on this host included: it is the process that did not run."""
    env, owner, events, _ = table("p", p=url)
    leases: list[Any] = [owner.lease(0, env.now()) for _ in range(10)]
    env.advance(20.0)
    owner.blame.stalled(Stall(env.now() - 10.0, env.now()))
    owner.blame.stalled(Stall(env.now() - 9.0, env.now()))
    for lease in leases:
        lease.settle(bad(K.TIMEOUT_FIRST, total_s=20.0))
    down = probe(verdict=Verdict.DOWN, at=env.now(), failure=K.TIMEOUT_FIRST, took_s=12.0)
    owner.probed(owner.rows[0], down, completion=False)
    assert (phases(owner), count(owner, env, 0)) == (["closed"], (0, 10))
    assert owner.rows[0].probes_lost == 0
    assert told(events) == ["loop_stalled"]
    env.advance(1.0)
    break_open(owner, env, 0, K.TIMEOUT_FIRST)  # what is begun after it counts


def test_a_failure_with_words_is_told_as_it_is() -> None:
    """The sentence of a shortage is the failure's own message."""
    env, owner, _, _ = table("p")
    serve(owner, env, 0, bad(K.LOCAL, message="no port left"))
    assert owner.blame.short == Failure(K.LOCAL, "no port left")
