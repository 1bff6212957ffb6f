"""A second attempt beside one that is late: when it is made, which one is the answer, and what becomes of the other."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from lbd.model.failure import FailureKind
from lbd.state.breaker import Phase
from lbd.upstream.service import Settings
from tests.fakes.harness import Asked
from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, ROLE, STOP, answer, content, cut, end, head, refusal, say, stream
from tests.fakes.virtual import VirtualEnv, run

K = FailureKind
USUAL = 0.2
TARGET = 1.5  # of the primary tier
HEDGED_AT = 0.375  # a quarter of it: all answers are alike, and much sooner


def good(*texts: str, after: float = USUAL) -> tuple[Any, ...]:
    return (after, head(), say(ROLE, *map(content, texts)), 0.1, say(STOP, DONE), end)


async def warm(env: VirtualEnv, *rows: dict[str, Any], usual: dict[str, float] | None = None, **more: Any) -> Relay:
    """Rows whose first content is known to take so long."""
    relay = Relay(env, *(rows or (row("a"), row("b"))), **more)
    for r in relay.owner.rows:
        name = r.provider.name
        relay.stage.always(*good("well", after=(usual or {}).get(name, USUAL)), host=name)
        for _ in range(60):
            await relay.ask(r.spec.model, stream=True, headers={"x-lbd-pin": r.spec.id})
    for host in ("a", "b", "c"):
        relay.stage.always(*good(host), host=host)
    await env.sleep(1.5)  # published
    relay.records.clear()
    return relay


async def late(relay: Relay, *script: Any, model: str = "m", **more: Any) -> Asked:
    """Ask where the first choice says nothing for long, or what the script says."""
    relay.stage.plan(*script, host="a")
    relay.owner.weigh(relay.find("b"), 0.0001, by="test", reason="so that a is asked first")
    return await relay.ask(model, stream=True, **more)


def played(relay: Relay) -> list[tuple[str | None, bool, FailureKind | None]]:
    return [(a.decision.chosen, a.hedge, a.failure) for a in relay.last.attempts if a.refused is None]


def test_one_that_is_late_is_asked_beside_and_the_sooner_one_is_the_answer() -> None:
    """One answer, its bytes untouched; the late one is stopped in the same moment; both stand in the record."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env)
        asked = await late(relay)
        assert asked.body == stream("b") and asked.headers["x-lbd-deployment"] == "b/m"
        assert asked.headers["x-lbd-attempts"] == "2"
        assert asked.first_s == pytest.approx(HEDGED_AT + USUAL, abs=0.03)
        assert played(relay) == [("a/m", False, K.HEDGED), ("b/m", True, None)]
        (stopped,) = relay.stage.at("a")[-1:]
        assert stopped.cancelled_at is not None
        assert stopped.cancelled_at - stopped.opened_at == pytest.approx(HEDGED_AT + USUAL, abs=0.03)
        assert float(asked.headers["x-lbd-overhead-us"]) == 0
        relay.check()

    run(main)


def test_the_first_may_be_the_sooner_one_after_all() -> None:
    """Then the second is stopped, and nothing is held against its deployment."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env)
        before = relay.find("b").ttft
        asked = await late(relay, *good("a", after=HEDGED_AT + 0.1))
        assert asked.body == stream("a") and asked.headers["x-lbd-deployment"] == "a/m"
        assert played(relay) == [("a/m", False, None), ("b/m", True, K.HEDGED)]
        assert relay.stage.at("b")[-1].cancelled_at == pytest.approx(asked.began + HEDGED_AT + 0.1, abs=0.03)
        assert relay.find("b").ttft is before and relay.find("b").breaker.phase is Phase.CLOSED
        relay.check()

    run(main)


def test_one_that_fails_leaves_the_answer_to_the_other() -> None:
    """Either of them: the request does not move while another attempt is under way."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env)
        broken = (HEDGED_AT + 0.1, *answer(refusal("out of order"), 500))
        asked = await late(relay, *broken)
        assert asked.body == stream("b")
        assert played(relay) == [("a/m", False, K.SERVER), ("b/m", True, None)]
        relay.check()
        relay = await warm(env)
        relay.stage.plan(0.05, cut(K.RESET), host="b")
        asked = await late(relay, *good("a", after=0.6))
        assert asked.body == stream("a")
        assert played(relay) == [("a/m", False, None), ("b/m", True, K.RESET)]
        relay.check()

    run(main)


def test_where_both_fail_the_request_goes_on_as_any_other() -> None:
    """To whoever is left: a new decision, both of them excluded; nobody left is an error that names them."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env, row("a"), row("b"), row("c", tier="secondary"))
        relay.stage.plan(0.3, *answer(refusal("out of order"), 500), host="b")
        asked = await late(relay, 0.6, *answer(refusal("out of order"), 500))
        assert asked.body == stream("c") and asked.headers["x-lbd-attempts"] == "3"
        assert played(relay) == [("a/m", False, K.SERVER), ("b/m", True, K.SERVER), ("c/m", False, None)]
        relay.check()
        relay = await warm(env, row("a"), row("b"), row("c", tier="secondary"))
        for host in "bcc":
            relay.stage.plan(0.3, *answer(refusal("out of order"), 500), host=host)
        asked = await late(relay, 0.6, *answer(refusal("out of order"), 500))
        assert asked.error is not None and all(f"{h}/m: server_error" in asked.error["message"] for h in "abc")
        relay.check()

    run(main)


def test_what_no_other_attempt_could_mend_goes_back_to_the_caller_at_once() -> None:
    """The one beside it is stopped."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env)
        relay.stage.plan(host="b")
        asked = await late(
            relay, HEDGED_AT + 0.1, *answer(refusal("no such parameter", kind="invalid_request_error"), 400)
        )
        assert asked.status == 400 and asked.took_s < HEDGED_AT + 0.2
        assert relay.stage.at("b")[-1].cancelled_at is not None
        relay.check()

    run(main)


def test_a_stream_that_breaks_after_the_hedge_won_is_gone_on_with() -> None:
    """As any other: the row of the attempt that was late is not tried again."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env, row("a"), row("b"), row("c", tier="secondary"))
        relay.stage.plan(0.1, head(), say(ROLE, content("he")), 0.1, cut(), host="b")
        relay.stage.plan(*good("he", "llo"), host="c")
        asked = await late(relay)
        assert asked.text == "hello" and asked.error is None
        assert played(relay) == [("a/m", False, K.HEDGED), ("b/m", True, K.BROKEN_STREAM), ("c/m", False, None)]
        relay.check()

    run(main)


@pytest.mark.parametrize("when", [0.1, HEDGED_AT + 0.1])
def test_a_client_that_leaves_ends_both(when: float) -> None:
    """At once; both stand in the record, with what they cost."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env)
        relay.stage.plan(host="a")
        relay.stage.plan(host="b")
        relay.owner.weigh(relay.find("b"), 0.0001, by="test", reason="so that a is asked first")
        task = relay.start("m", stream=True)
        await env.sleep(when)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        count = 1 if when < HEDGED_AT else 2
        assert [a.failure for a in relay.last.attempts] == [K.CLIENT_GONE] * count
        relay.check()

    run(main)


def test_a_daemon_that_ends_ends_both() -> None:
    """The client is told."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env)
        relay.stage.plan(host="a")
        relay.stage.plan(host="b")
        relay.owner.weigh(relay.find("b"), 0.0001, by="test", reason="so that a is asked first")
        task = relay.start("m", stream=True)
        await env.sleep(HEDGED_AT + 0.1)
        await relay.flights.drain(0.1)
        asked = await task
        assert asked.error is not None and asked.error["code"] == "draining"
        relay.check()

    run(main)


NEVER = {
    "nobody else is in time": ({}, {"b": 1.3}, {}),
    "not asked as a stream": ({}, {}, {"stream": False}),
    "in no hurry": ({}, {}, {"headers": {"x-lbd-class": "background"}}),
    "hedging is off": ({"settings": Settings(hedge_share=0.0)}, {}, {}),
    "both together cost too much": ({}, {}, {"headers": {"x-lbd-max-usd": "0.00003"}, "max_tokens": 100}),
}


@pytest.mark.parametrize("case", NEVER, ids=lambda name: name)
def test_nothing_is_asked_twice_where_it_is_not_worth_it(case: str) -> None:
    """Or must not be."""
    config, usual, request = NEVER[case]

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env, usual=usual, **config)
        relay.stage.plan(0.9, *(good("a", after=0.0) if request.get("stream", True) else answer(b"{}")), host="a")
        relay.owner.weigh(relay.find("b"), 0.0001, by="test", reason="so that a is asked first")
        await relay.ask("m", **{"stream": True, **request})
        assert played(relay)[0][0] == "a/m" and not any(a.hedge for a in relay.last.attempts)
        relay.check()

    run(main)


def test_a_row_that_is_busy_takes_no_hedge() -> None:
    """At saturation they would only add to it."""

    async def main(env: VirtualEnv) -> None:
        limited = row("b", deployment={"max_concurrency": 3})
        relay = await warm(env, row("a"), limited)
        for _ in range(3):
            relay.stage.plan(host="b")
        held = [relay.start("m", stream=True, headers={"x-lbd-pin": "b/m"}) for _ in range(3)]
        await env.sleep(0.05)
        asked = await late(relay, *good("a", after=0.9))
        assert asked.body == stream("a") and not any(a.hedge for a in relay.last.attempts)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        relay.check()

    run(main)


@pytest.mark.parametrize(("busy", "hedged"), [(6, True), (7, False)])
def test_a_row_is_busy_for_a_hedge_from_seven_tenths_of_its_slots_on(busy: int, hedged: bool) -> None:
    """The rest of them are for those whom nobody else serves."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env, row("a"), row("b", deployment={"max_concurrency": 10}))
        for _ in range(busy):
            relay.stage.plan(host="b")
        held = [relay.start("m", stream=True, headers={"x-lbd-pin": "b/m"}) for _ in range(busy)]
        await env.sleep(0.05)
        await late(relay, *good("a", after=0.9))
        assert any(a.hedge for a in relay.last.attempts) is hedged
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        relay.check()

    run(main)


@pytest.mark.parametrize("waiting", [True, False])
def test_while_anybody_waits_for_a_slot_nobody_is_asked_twice(waiting: bool) -> None:
    """Wherever it is: the daemon is saturated, and who waits comes first."""

    async def main(env: VirtualEnv) -> None:
        full = row("c", model="m-c", deployment={"max_concurrency": 1})
        relay = await warm(env, row("a"), row("b"), full)
        for _ in range(2):
            relay.stage.plan(host="c")
        there = [relay.start("m-c", stream=True) for _ in range(1 + waiting)]
        await env.sleep(0.05)
        await late(relay, *good("a", after=0.9))
        assert any(a.hedge for a in relay.last.attempts) is not waiting
        for task in there:
            task.cancel()
        await asyncio.gather(*there, return_exceptions=True)
        relay.check()

    run(main)


def test_hedges_keep_to_their_share_of_all_tokens() -> None:
    """One request in 25 is late, and one in 50 may be asked twice."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env, settings=Settings(hedge_share=0.02))
        relay.flights.hedges.left = 0.0
        relay.owner.weigh(relay.find("b"), 0.0001, by="test", reason="so that a is asked first")
        for i in range(500):
            relay.stage.plan(*good("a", after=USUAL if i % 25 else 0.8), host="a")
            await relay.ask("m", stream=True)
        hedges = sum(a.hedge for r in relay.records for a in r.attempts)
        assert 8 <= hedges <= 10, hedges
        relay.check()

    run(main)


def test_a_late_one_is_looked_into_and_remembered() -> None:
    """Its provider is probed at once, and its percentile learns what it took at least."""

    async def main(env: VirtualEnv) -> None:
        relay = await warm(env)
        relay.silences.clear()
        for _ in range(4):
            await late(relay)
            assert played(relay) == [("a/m", False, K.HEDGED), ("b/m", True, None)]
            for _ in range(20):  # they pay for the next
                relay.flights.hedges.request(100)
        assert "a" in relay.silences
        relay.owner.tick()
        await env.sleep(1.5)
        view = relay.owner.snapshot.row("a/m")
        assert view is not None and max(view.ttft_p95_s) > HEDGED_AT
        assert relay.find("a").breaker.phase is Phase.CLOSED, "to be late is no failure"
        relay.check()

    run(main)


def test_an_estimate_without_samples_hedges_nothing() -> None:
    """What is not known is not late."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b"))
        ranking = None
        relay.stage.plan(*good("a", after=1.0), host="a")
        relay.stage.plan(*good("b", after=1.0), host="b")
        await relay.ask("m", stream=True)
        ranking = relay.flights.ranking(relay.last.attempts[0].decision.ask)
        assert {c.hedge_s for s in ranking.stages for c in s.candidates} == {math.inf}
        assert len(relay.last.attempts) == 1
        relay.check()

    run(main)
