"""Choosing and taking a slot: live re-checks, waiting for what passes, and saying why nobody serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from lbd.decide import explain
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.plan import Query
from lbd.model.table import AdminState
from lbd.state.breaker import Phase
from lbd.state.flight import Flight
from lbd.state.pace import MISTRUSTED, Ahead, Pace
from lbd.state.quota import Quota
from lbd.upstream.acquire import GRANT, LONGEST_GRANT, MOST_REFUSALS, Acquired, Desk
from lbd.upstream.patience import LOOK_AGAIN
from lbd.upstream.service import Settings
from tests.fakes.harness import Asked
from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, ROLE, STOP, answer, content, cut, end, head, refusal, say, whole
from tests.fakes.virtual import START, VirtualEnv, run

K = FailureKind
LATE = 0.05
LONG: tuple[Any, ...] = (0.1, head(), say(ROLE, content("hel")), 1.0, say(content("lo"), STOP, DONE), end)


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def one_slot(env: VirtualEnv, *names: str, settings: Settings | None = None, **config: Any) -> Relay:
    """Deployments of one model with a slot each; an answer takes 1.1 s."""
    rows = [row(name, deployment={"max_concurrency": 1}) for name in names]
    relay = Relay(env, *rows, settings=settings, **config)
    for name in names:
        relay.stage.always(*LONG, host=name)
    return relay


def desk(relay: Relay, ask: Any) -> Desk:
    return Desk(relay.flights, ask, relay.env.now(), 0)


async def an_ask(relay: Relay) -> Any:
    """Return the Ask that requests of this test share."""
    await relay.ask(stream=True)
    return relay.last.attempts[0].decision.ask


def flight(relay: Relay) -> Flight:
    now = relay.env.now()
    return Flight(now, now + 10, now + 600)


# --- at once ------------------------------------------------------------------------------------------


def test_a_slot_is_taken_in_the_same_call_where_one_is_free() -> None:
    """No await on the usual way: decision and lease together."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a")
        ask = await an_ask(relay)
        acquired = desk(relay, ask).at_once(Query())
        assert isinstance(acquired, Acquired)
        assert acquired.lease.row.spec.id == acquired.decision.chosen == "a/m"
        assert relay.find("a").inflight == 1
        acquired.lease.ignore()
        relay.check()

    play(main)


def test_at_once_is_none_where_the_lease_is_refused_or_nothing_is_left() -> None:
    """Then the slow way decides again."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a")
        ask = await an_ask(relay)
        held = desk(relay, ask).at_once(Query())
        assert desk(relay, ask).at_once(Query()) is None
        assert desk(relay, ask).at_once(Query(out=("a/m",))) is None
        assert held is not None
        held.lease.ignore()
        relay.check()

    play(main)


def test_a_refused_lease_is_on_the_record_and_another_row_takes_the_request() -> None:
    """What the snapshot was late about is re-checked live; the decision that was refused replays like any other."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a", "b")
        first = relay.start("m", stream=True)
        await env.sleep(0)
        second = relay.start("m", stream=True)
        third = relay.start("m", stream=True)
        asked = [await t for t in (first, second, third)]
        assert all(a.status == 200 for a in asked)
        assert {a.headers["x-lbd-deployment"] for a in asked[:2]} == {"a/m", "b/m"}
        refused = [a for r in relay.records for a in r.attempts if a.refused is not None]
        assert refused and {a.refused for a in refused} == {"at_limit"}
        assert all(a.started_s == a.ended_s and a.failure is None for a in refused)
        relay.check()

    play(main)


# --- waiting ------------------------------------------------------------------------------------------


def test_a_request_waits_for_a_slot_and_gets_it_as_it_is_freed() -> None:
    """Not a second later; the wait is not lbd's own time."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a")
        first, second = relay.start(stream=True), relay.start(stream=True)
        assert (await first).took_s == pytest.approx(1.1)
        asked = await second
        assert asked.took_s == pytest.approx(2.2, abs=0.001)
        assert relay.last.waited_s == pytest.approx(1.1, abs=0.001)
        assert asked.headers["x-lbd-overhead-us"] == "0"
        assert asked.headers["x-lbd-attempts"] == "1"
        relay.check()

    play(main)


def test_interactive_requests_overtake_background_ones() -> None:
    """In the queue for the same slot."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a")
        order: list[str] = []

        async def ask(name: str, **headers: str) -> None:
            await relay.ask("m", stream=True, headers={k.replace("_", "-"): v for k, v in headers.items()})
            order.append(name)

        tasks = [asyncio.get_running_loop().create_task(ask("first"))]
        await env.sleep(0.01)
        for n in range(2):
            tasks.append(asyncio.get_running_loop().create_task(ask(f"background {n}", x_lbd_class="background")))
        await env.sleep(0.01)
        tasks.append(asyncio.get_running_loop().create_task(ask("user")))
        await asyncio.gather(*tasks)
        assert order[:2] == ["first", "user"]
        relay.check()

    play(main)


def test_a_wait_ends_at_the_deadline_of_the_first_content() -> None:
    """503 with the expected wait, since asking again may help; unary requests wait no longer."""

    async def main(env: VirtualEnv) -> None:
        for streamed in (True, False):
            relay = one_slot(env, "a", deadlines={"interactive_first_content_s": 0.8})
            holder = relay.start(stream=True)
            await env.sleep(0.01)
            asked = await relay.ask(stream=streamed)
            assert asked.status == 503 and 0.8 - 1e-9 <= asked.took_s <= 0.8 + LATE
            assert asked.error is not None and asked.error["code"] == "all_deployments_busy"
            assert 0 < int(asked.headers["retry-after-ms"]) <= 5000
            await holder
            relay.check()

    play(main)


def test_a_full_queue_refuses_at_once() -> None:
    """limits.queue_size bounds who waits."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a", settings=Settings(queue_size=2))
        tasks = [relay.start(stream=True) for _ in range(4)]
        asked = [await t for t in tasks]
        assert [a.status for a in asked] == [200, 200, 200, 503]
        assert asked[3].took_s == 0 and int(asked[3].headers["retry-after-ms"]) > 0
        relay.check()

    play(main)


def test_the_end_of_the_daemon_ends_a_wait() -> None:
    """With the failure that says so."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a")
        relay.stage.always(0.1, head(), say(ROLE, content("hel")), host="a")
        holder = relay.start(stream=True)
        await env.sleep(0.2)
        waiting = relay.start(stream=True)
        await env.sleep(0.1)
        await relay.flights.drain(0.5)
        asked = await waiting
        assert asked.status == 503 and asked.error is not None and asked.error["code"] == "draining"
        await holder
        relay.check()

    play(main)


def test_a_client_that_leaves_the_queue_leaves_no_trace_in_it() -> None:
    """The next one is served in its place."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a")
        tasks = [relay.start(stream=True) for _ in range(3)]
        await env.sleep(0.5)
        tasks[1].cancel()
        assert (await tasks[2]).took_s == pytest.approx(2.2, abs=0.001)
        await asyncio.gather(*tasks, return_exceptions=True)
        gone = next(r for r in relay.records if r.outcome == K.CLIENT_GONE)
        assert gone.attempts == () or all(a.refused for a in gone.attempts)
        relay.check()

    play(main)


def test_a_short_quota_wait_is_waited_for() -> None:
    """A provider that is limited for a moment is asked again right after it, if the deadline allows."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.1, *answer(refusal("slow"), 429, retry_after="3"), host="a")
        relay.stage.always(*LONG, host="a")
        first = await relay.ask(stream=True)
        assert first.status == 429 and first.headers["retry-after-ms"] == "3000"
        await env.sleep(0.5)
        second = await relay.ask(stream=True)
        assert second.status == 200
        assert second.took_s == pytest.approx(2.5 + 1.1, abs=0.02)
        assert relay.last.waited_s == pytest.approx(2.5, abs=0.02)
        relay.check()

    play(main)


def test_a_long_quota_wait_is_told_at_once_and_exactly() -> None:
    """429 with the time until the limit ends; nobody is asked before it."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.0, *answer(refusal("slow"), 429, retry_after="60"), host="a")
        await relay.ask(stream=True)
        await env.sleep(20)
        asked = await relay.ask(stream=True)
        assert asked.status == 429 and asked.took_s == 0
        assert asked.error is not None and asked.error["code"] == "rate_limit_exceeded"
        assert int(asked.headers["retry-after-ms"]) == pytest.approx(40_000, abs=50)
        assert len(relay.stage.taken) == 1
        relay.check()

    play(main)


def test_the_soonest_of_several_limits_is_told() -> None:
    """The whole fleet is limited: the first that comes back counts."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b"))
        for host, wait in (("a", "90"), ("b", "30")):
            relay.stage.always(0.0, *answer(refusal("slow"), 429, retry_after=wait), host=host)
        first = await relay.ask(stream=True)
        assert first.status == 429 and first.headers["retry-after-ms"] == "30000"
        second = await relay.ask(stream=True)
        assert second.status == 429 and int(second.headers["retry-after-ms"]) == pytest.approx(30_000, abs=50)
        assert len(relay.stage.taken) == 2
        relay.check()

    play(main)


def tripped(env: VirtualEnv, **config: Any) -> Relay:
    """One deployment whose breaker is open."""
    return Relay(env, row("a"), **config)


async def trip(relay: Relay) -> None:
    relay.stage.always(0.0, cut(K.RESET), host="a")
    while relay.find("a").breaker.phase != "open":
        await relay.ask(stream=True)


def test_an_open_breaker_with_nobody_else_gets_its_provider_probed_and_says_when() -> None:
    """Somebody needs it: whether it is well again should be known at once; the rest are told the next trial."""

    async def main(env: VirtualEnv) -> None:
        relay = tripped(env, deadlines={"interactive_first_content_s": 2.0})
        await trip(relay)
        relay.silences.clear()
        seen = len(relay.stage.taken)
        asked = await relay.ask(stream=True)
        assert relay.silences
        assert asked.status == 503 and asked.error is not None and asked.error["code"] == "all_deployments_unavailable"
        assert 0 < int(asked.headers["retry-after-ms"]) <= 60_000
        assert len(relay.stage.taken) == seen
        relay.check()

    play(main)


def test_what_opens_again_while_a_request_waits_is_noticed_within_a_second() -> None:
    """The table is looked at again although nobody frees a slot."""

    async def main(env: VirtualEnv) -> None:
        relay = tripped(env)
        await trip(relay)
        task = relay.start(stream=True)
        await env.sleep(1.5)
        relay.stage.always(*LONG, host="a")
        a = relay.find("a")
        a.breaker = type(a.breaker)()
        a.suspect = None
        relay.owner.touch(0, transition=True)
        asked = await task
        assert asked.status == 200 and asked.took_s <= 1.5 + LOOK_AGAIN + 1.1 + LATE
        relay.check()

    play(main)


# --- nobody -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [AdminState.DRAIN, AdminState.MAINT])
def test_what_an_operator_took_out_is_unavailable_without_a_promise(state: AdminState) -> None:
    """Nobody knows when it comes back: no retry-after, and no SDK retries."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.owner.order(relay.find("a"), state, by="me", reason="x")
        asked = await relay.ask(stream=True)
        assert asked.status == 503 and asked.took_s == 0
        assert "retry-after" not in asked.headers and asked.headers["x-should-retry"] == "false"
        assert asked.error is not None and f"a/m: admin_{state}" in asked.error["message"]
        relay.check()

    play(main)


def test_a_lock_out_is_unavailable_and_named() -> None:
    """A key that is refused waits for a person."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.0, *answer(refusal("wrong key", "invalid_api_key"), 401), host="a")
        await relay.ask(stream=True)
        asked = await relay.ask(stream=True)
        assert asked.status == 503 and len(relay.stage.taken) == 1
        assert asked.error is not None and "locked_auth" in asked.error["message"]
        relay.check()

    play(main)


def test_what_no_deployment_can_do_is_the_clients_to_change() -> None:
    """400 with the reason for each; waiting would not help."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", deployment={"supports": ["tools"]}), row("b", deployment={"context_tokens": 10}))
        asked = await relay.ask(stream=True, response_format={"type": "json_schema"})
        assert asked.status == 400 and asked.error is not None
        assert asked.error["type"] == "invalid_request_error" and asked.error["code"] == "no_eligible_deployment"
        assert "a/m: capability (json_schema)" in asked.error["message"]
        assert "b/m: context" in asked.error["message"]
        assert "retry-after" not in asked.headers
        relay.check()

    play(main)


def test_a_cost_cap_is_never_overridden() -> None:
    """Also where only dear deployments are left."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), surfaces=[{"name": "poor", "max_usd_per_request": 1e-9}])
        asked = await relay.ask(stream=True, headers={"x-lbd-surface": "poor"})
        assert asked.status == 400 and asked.error is not None and "over_max_usd" in asked.error["message"]
        assert not relay.stage.taken
        relay.check()

    play(main)


def test_after_failures_the_last_word_is_a_failure_and_not_that_nobody_is_left() -> None:
    """Every attempt named."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", model="m-a"), row("b", model="m-b", tier="secondary"))
        for host in "ab":
            relay.stage.always(0.0, cut(K.RESET), host=host)
        asked = await relay.ask(stream=True)
        assert asked.status == 502 and asked.error is not None
        assert "a/m-a: reset; b/m-b: reset" in asked.error["message"]
        relay.check()

    play(main)


def excluded(relay: Relay) -> dict[str, str]:
    """Return who was left out of the last request's last decision, and why; nothing was sent on it."""
    left = relay.last.attempts[-1]
    decision = left.decision
    assert left.refused == decision.reason == "nobody" and decision.chosen is None
    assert left.started_s == left.ended_s and left.failure is None and left.usage is None
    snapshot = relay.journal.snapshot(decision.generation)
    assert snapshot is not None
    facts = explain.ranking_facts(explain.rank_again(snapshot, decision, relay.plugins.terms), snapshot)
    return {e["deployment"]: e["reason"] for e in facts["excluded"]}


def test_a_decision_for_nobody_is_on_the_record_and_replays() -> None:
    """Locked out, and too dear: who was left out and why can be asked afterwards as of any other decision."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b"))
        for host in "ab":
            relay.stage.always(0.0, *answer(refusal("wrong key", "invalid_api_key"), 401), host=host)
        dear = await relay.ask(headers={"x-lbd-max-usd": "0.00000001"})
        assert dear.status == 400 and dear.headers["x-lbd-attempts"] == "0" and not relay.stage.taken
        assert excluded(relay) == {"a/m": "over_max_usd", "b/m": "over_max_usd"}
        await relay.ask()
        asked = await relay.ask()
        assert asked.status == 503 and asked.headers["x-lbd-attempts"] == "0" and len(relay.stage.taken) == 2
        assert excluded(relay) == {"a/m": "locked_auth", "b/m": "locked_auth"}
        assert len(relay.last.attempts) == 1 and relay.last.moved == 0
        relay.check()

    play(main)


def test_who_waited_in_vain_has_a_decision_too() -> None:
    """Turned away by a full queue, out of time, or gone: after the refusal of the lease nobody was left."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a", settings=Settings(queue_size=2), deadlines={"interactive_first_content_s": 0.5})
        holder = relay.start(stream=True)
        await env.sleep(0.01)
        late, gone = relay.start(stream=True), relay.start(stream=True)
        await env.sleep(0.01)
        await relay.ask(stream=True)  # the queue is full
        gone.cancel()
        await late
        assert [r.outcome for r in relay.records] == [K.BUSY, K.CLIENT_GONE, K.BUSY]
        for record in relay.records:
            told = [(a.decision.chosen, a.refused) for a in record.attempts]
            assert told[-1] == (None, "nobody") and set(told[:-1]) == {("a/m", "at_limit")}
            assert record.attempts[-1].decision.query.out == ("a/m",)
        await holder
        relay.check()

    play(main)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("auto", "no deployment is available: a/m: admin_drain"),
        ("m", "no deployment of model 'm' is available: a/m: admin_drain"),
        ("quick", "no deployment of rule 'quick' is available: a/m: admin_drain"),
    ],
)
def test_the_message_names_what_was_asked_for(model: str, said: str) -> None:
    """In a sentence: ``auto`` is every deployment."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), routing_rules={"quick": {"primary": "m"}})
        relay.owner.order(relay.find("a"), AdminState.DRAIN, by="me", reason="x")
        asked = await relay.ask(model)
        assert asked.error is not None and said in asked.error["message"]
        pinned = await relay.ask(headers={"x-lbd-pin": "a/m"})
        assert pinned.error is not None and "no deployment of 'a/m' is available" in pinned.error["message"]

    play(main)


def test_an_order_that_ends_by_itself_is_waited_for_by_whoever_can() -> None:
    """The client is told when; where a person has to end it, that asking again does not help."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b"))
        relay.owner.order(relay.find("a"), AdminState.DRAIN, by="me", reason="x")
        relay.owner.weigh(relay.find("b"), 0.0, by="me", reason="x")
        asked = await relay.ask()
        assert asked.status == 503 and asked.headers["x-should-retry"] == "false"
        assert "retry-after-ms" not in asked.headers
        relay.owner.order(relay.find("a"), AdminState.DRAIN, by="me", reason="x", for_s=600.0)
        asked = await relay.ask()
        assert asked.headers["retry-after-ms"] == "600000" and "x-should-retry" not in asked.headers
        relay.owner.weigh(relay.find("b"), 0.0, by="me", reason="x", for_s=60.0)
        asked = await relay.ask()
        assert asked.headers["retry-after-ms"] == "60000"

    play(main)


# --- the wait that is told ----------------------------------------------------------------------------


HALF: tuple[Any, ...] = (0.1, head(), say(ROLE, content("hel")), 0.4, say(content("lo"), STOP, DONE), end)


async def told_wait(env: VirtualEnv, waiting: int, *names: str, **config: Any) -> float:
    """Return what one more is told, in seconds, where answers take 0.5 s and a full queue has ``waiting`` in it."""
    relay = one_slot(env, *names, settings=Settings(queue_size=waiting), **config)
    for name in names:
        relay.stage.always(*HALF, host=name)
    for _ in range(2 * len(names)):
        await relay.ask(stream=True)
    await env.sleep(2)
    tasks = [relay.start(stream=True) for _ in range(len(names) + waiting)]
    await env.sleep(0.01)
    asked = await relay.ask(stream=True)
    assert asked.status == 503 and asked.error is not None and asked.error["code"] == "all_deployments_busy"
    await asyncio.gather(*tasks)
    relay.check()
    return int(asked.headers["retry-after-ms"]) / 1000


@pytest.mark.parametrize(
    ("waiting", "names", "told"), [(1, "a", 1.0), (5, "a", 3.0), (5, "ab", 1.5), (5, "abc", 1.0), (40, "a", 10.0)]
)
def test_the_wait_that_is_told_is_the_queues(waiting: int, names: str, told: float) -> None:
    """Everyone ahead has an answer first, as many at a time as there are slots; by the deadline they are gone."""

    async def main(env: VirtualEnv) -> None:
        assert await told_wait(env, waiting, *names) == pytest.approx(told, rel=0.05)

    play(main)


def test_the_wait_for_a_slot_is_told_also_where_another_row_is_out() -> None:
    """The row that may come back at once says nothing of when a slot is free."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a", "b", deadlines={"interactive_first_content_s": 0.8})
        relay.stage.always(0.0, *answer(refusal("slow"), 429, retry_after="60"), host="b")
        while relay.owner.snapshot.rows[1].refusal != "quota_exhausted":
            await relay.ask(stream=True)
        holder = relay.start(stream=True)
        await env.sleep(0.01)
        asked = await relay.ask(stream=True)
        assert asked.status == 503 and asked.error is not None and asked.error["code"] == "all_deployments_busy"
        assert "b/m: quota_exhausted" in asked.error["message"]
        assert int(asked.headers["retry-after-ms"]) >= 500
        await holder
        relay.check()

    play(main)


def test_a_full_queue_for_what_is_limited_tells_when_the_limit_ends() -> None:
    """No slot is missing: the queue has no say in it."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), settings=Settings(queue_size=1))
        relay.stage.plan(0.0, *answer(refusal("slow"), 429, retry_after="5"), host="a")
        relay.stage.always(*LONG, host="a")
        await relay.ask(stream=True)
        await env.sleep(1)
        waiting = relay.start(stream=True)
        await env.sleep(0.01)
        asked = await relay.ask(stream=True)
        assert asked.status == 503 and int(asked.headers["retry-after-ms"]) == pytest.approx(3990, abs=50)
        await waiting
        relay.check()

    play(main)


def test_slots_that_deployments_of_a_provider_share_are_counted_once() -> None:
    """The provider's own limit bounds them together."""

    async def main(env: VirtualEnv) -> None:
        two = row("a", max_concurrency=1)
        two["deployments"].append({**two["deployments"][0], "model": "n"})
        relay = Relay(env, two, settings=Settings(queue_size=3))
        relay.stage.always(*HALF, host="a")
        for _ in range(10):
            await relay.ask(stream=True)
        await env.sleep(2)
        tasks = [relay.start(stream=True) for _ in range(4)]
        await env.sleep(0.01)
        asked = await relay.ask(stream=True)
        assert int(asked.headers["retry-after-ms"]) == pytest.approx(2000, rel=0.3)
        await asyncio.gather(*tasks)
        relay.check()

    play(main)


# --- further attempts ---------------------------------------------------------------------------------


def test_where_no_twin_can_take_it_any_other_model_may() -> None:
    """The preference for the same model is no condition."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(
            env, row("a"), row("b", deployment={"max_concurrency": 1}), row("c", model="other", tier="secondary")
        )
        relay.stage.always(0.5, cut(K.RESET), host="a")
        relay.stage.always(*LONG, host="c")
        relay.stage.always(0.1, head(), say(ROLE, content("x")), 60.0, host="b")
        relay.find("a").suspect = None
        task = relay.start("auto", stream=True)
        await env.sleep(0.01)
        if relay.stage.taken[0].endpoint.origin.host == "a":
            holder = relay.owner.lease(1, env.now())  # b's only slot
            assert not isinstance(holder, str)
            asked = await task
            assert asked.headers["x-lbd-deployment"] == "c/other"
            holder.ignore()
        else:
            pytest.fail("the seed chose the other twin")
        relay.check()

    play(main)


def test_trying_the_same_row_again_needs_a_slot_again() -> None:
    """Taken meanwhile: another decision, the row excluded."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", deployment={"max_concurrency": 1}), row("b", model="m-b", tier="secondary"))
        relay.stage.plan(0.1, *answer(refusal("broken"), 500), host="a")
        relay.stage.always(*LONG, host="a")
        relay.stage.always(*LONG, host="b")
        task = relay.start(stream=True)
        await env.sleep(0.2)  # between the failure and the second try
        holder = relay.owner.lease(0, env.now())
        assert not isinstance(holder, str)
        asked = await task
        assert asked.headers["x-lbd-deployment"] == "b/m-b" and len(relay.stage.at("a")) == 1
        holder.ignore()
        relay.check()

    play(main)


def test_a_row_that_a_reload_took_away_is_not_tried_again() -> None:
    """Between the failure and the second try."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", model="m-a"), row("b", model="m-b", tier="secondary"))
        relay.stage.plan(0.1, *answer(refusal("broken"), 500), host="a")
        relay.stage.always(*LONG, host="b")
        task = relay.start(stream=True)
        await env.sleep(0.2)
        relay.configure(row("b", model="m-b", tier="secondary"))
        asked = await task
        assert asked.headers["x-lbd-deployment"] == "b/m-b"
        relay.check()

    play(main)


def test_a_name_that_a_reload_takes_away_ends_a_wait_in_a_typed_error() -> None:
    """There is nothing left to wait for."""

    async def main(env: VirtualEnv) -> None:
        relay = one_slot(env, "a")
        holder = relay.start("m", stream=True)
        await env.sleep(0.01)
        waiting = relay.start("m", stream=True)
        await env.sleep(0.1)
        relay.configure(row("b", model="other"))
        asked = await waiting
        assert asked.status in (400, 503) and asked.error is not None
        await holder
        relay.check()

    play(main)


def test_a_row_that_a_reload_took_away_at_the_end_of_a_wait_is_no_crash() -> None:
    """Just before the deadline: it is not looked at any more, wherever it stood in the table."""

    async def main(env: VirtualEnv) -> None:
        given = {"deadlines": {"interactive_first_content_s": 5, "interactive_total_s": 60}}
        busy = row("a", deployment={"max_concurrency": 1})
        relay = Relay(env, busy, row("b"), **given)
        relay.stage.always(0.1, head(), say(ROLE, content("hel")), 30.0, say(content("lo"), STOP, DONE), end, host="a")
        b = relay.find("b")
        b.breaker = structs.replace(b.breaker, phase=Phase.OPEN, since=env.now(), retry_at=env.now() + 100.0)
        relay.owner.touch(1, transition=True)
        holder = relay.start("m", stream=True)
        await env.sleep(0.2)
        waiting = relay.start("m", stream=True)
        await env.sleep(4.95)
        relay.configure(busy, **given)
        asked = await waiting
        assert asked.status == 503 and asked.error is not None and asked.error["code"] == "all_deployments_busy"
        await holder
        relay.check()

    play(main)


def test_refusals_on_the_record_are_bounded() -> None:
    """A request that meets a table in turmoil must not grow without end."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.always(*LONG, host="a")
        ask = await an_ask(relay)
        take = relay.owner.lease
        left = [3 * MOST_REFUSALS]

        def stingy(i: int, now: float, **more: Any) -> Any:
            left[0] -= 1
            return "at_limit" if left[0] > 0 else take(i, now, **more)

        relay.owner.lease = stingy  # type: ignore[method-assign,assignment]
        at = desk(relay, ask)
        task = asyncio.get_running_loop().create_task(
            at.acquire(Flight(env.now(), env.now() + 1e6, env.now() + 1e6), Query())
        )
        while not task.done():
            relay.flights.queue.freed(0)
            await env.sleep(0.001)
        acquired = await task
        assert isinstance(acquired, Acquired)
        assert len(at.refusals) == MOST_REFUSALS
        acquired.lease.ignore()

    play(main)


def test_a_decision_is_made_at_one_instant() -> None:
    """The record's time is the lease's, and the ask is the request's own."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.always(*LONG, host="a")
        await env.sleep(5)
        await relay.ask(stream=True)
        decision = relay.last.attempts[0].decision
        assert decision.at == START + 5
        assert decision.chosen == "a/m" and decision.reason == "only" and decision.manner == "normal"
        relay.check()

    play(main)


# --- budgets ------------------------------------------------------------------------------------------

USD = 1_000_000_000
# The prompt is held for 16 tokens, twice, and the answer for 112. Budgets are a surface's: so no keys are needed.
SMALL: dict[str, Any] = {"max_tokens": 100}
HELD = 2 * 16 * 1000 + 112 * 2000
IN_S = {"x-lbd-surface": "s"}


def budgeted(env: VirtualEnv, usd: float, *rows: dict[str, Any], granted: bool = True, **config: Any) -> Relay:
    """Return a relay whose surface ``s`` may spend so much in a day."""
    surfaces = [{"name": "s", "budget": {"usd_per_day": usd, **config.pop("budget", {})}}]
    relay = Relay(env, *(rows or (row("a"),)), surfaces=surfaces, **config)
    for name in "abc":
        relay.stage.always(*LONG, host=name)
    if granted:
        for purse in relay.flights.purses._purses.values():
            purse.granted = purse.limit
    return relay


def test_the_only_row_over_its_budget_is_a_refusal_that_names_the_budget() -> None:
    """429 with the wait until its window ends; nobody is asked, nothing is held, and it is on the record."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1e-6)
        before = relay.owner.accounts._tally("a/up-m")
        asked = await relay.ask(headers=IN_S, **SMALL)
        assert asked.status == 429 and asked.error is not None and asked.took_s == 0
        assert asked.error["code"] == "insufficient_quota" and asked.error["type"] == "insufficient_quota"
        assert "surface s: 0.000001 USD a day" in asked.error["message"]
        assert asked.headers["x-should-retry"] == "false"
        assert int(asked.headers["retry-after"]) == pytest.approx(86400 - env.wall() % 86400, abs=1)
        assert relay.last.outcome == K.BUDGET and [a.refused for a in relay.last.attempts] == ["budget", "nobody"]
        assert not relay.stage.taken
        assert relay.owner.accounts._tally("a/up-m") == before, "it counts against no rate limit"
        relay.check()

    play(main)


def test_a_row_over_its_budget_makes_way_for_one_that_is_not() -> None:
    """Another provider's own budget has room, or the other model is free."""

    async def main(env: VirtualEnv) -> None:
        poor = row("a", budget={"usd_per_day": 1e-6})
        free = row("b", tier="secondary", deployment={"price": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}})
        relay = budgeted(env, 1e-6, poor, free)
        asked = await relay.ask(stream=True, headers=IN_S, **SMALL)
        assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "b/m"
        assert relay.last.attempts[0].refused == "budget"
        relay.check()

    play(main)


def test_beside_a_row_over_its_budget_a_busy_one_is_waited_for() -> None:
    """It is free in a moment; the budget would be tomorrow."""

    async def main(env: VirtualEnv) -> None:
        poor = row("a", budget={"usd_per_day": 1e-6})
        relay = budgeted(env, 1.0, poor, row("b", tier="secondary", deployment={"max_concurrency": 1}))
        holder = relay.start(stream=True, headers=IN_S, **SMALL)
        await env.sleep(0.1)
        waiting = relay.start(stream=True, headers=IN_S, **SMALL)
        asked = await waiting
        assert (await holder).headers["x-lbd-deployment"] == "b/m" == asked.headers["x-lbd-deployment"]
        assert asked.status == 200 and relay.last.waited_s == pytest.approx(1.0, abs=0.01)
        assert {a.refused for a in relay.last.attempts} == {"budget", "at_limit", None}
        relay.check()

    play(main)


def test_a_busy_row_that_stays_busy_is_the_last_word_beside_one_over_its_budget() -> None:
    """Asking again soon may help."""

    async def main(env: VirtualEnv) -> None:
        poor = row("a", budget={"usd_per_day": 1e-6})
        rows = (poor, row("b", tier="secondary", deployment={"max_concurrency": 1}))
        relay = budgeted(env, 1.0, *rows, deadlines={"interactive_first_content_s": 0.5})
        holder = relay.start(stream=True, headers=IN_S, **SMALL)
        await env.sleep(0.1)
        asked = await relay.ask(stream=True, headers=IN_S, **SMALL)
        assert asked.status == 503 and asked.error is not None and asked.error["code"] == "all_deployments_busy"
        await holder
        relay.check()

    play(main)


def test_what_others_have_reserved_is_told_as_a_short_wait() -> None:
    """Most of it comes back with their answers: an SDK may ask again by itself."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1.5 * HELD / USD)
        holder = relay.start(stream=True, headers=IN_S, **SMALL)
        await env.sleep(0.1)
        asked = await relay.ask(stream=True, headers=IN_S, **SMALL)
        assert asked.status == 429 and asked.headers["retry-after"] == "1" and "x-should-retry" not in asked.headers
        await holder
        assert (await relay.ask(stream=True, headers=IN_S, **SMALL)).status == 200
        relay.check()

    play(main)


def test_a_budget_that_waits_for_the_disk_is_waited_for() -> None:
    """No row is given up for it: it is a matter of milliseconds."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1.0, row("a"), row("b", model="n", tier="secondary"), granted=False)
        task = relay.start("auto", stream=True, headers=IN_S, **SMALL)
        await env.sleep(0.3)
        assert not relay.stage.taken
        relay.grant()
        asked = await task
        assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "a/m"
        assert asked.took_s == pytest.approx(0.3 + 1.1, abs=2 * GRANT)
        assert len(relay.last.attempts) == 1
        relay.check()

    play(main)


def test_a_disk_that_takes_nothing_is_no_spent_budget() -> None:
    """503, after a while: nothing is promised that is not written down. What is free goes on."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1.0, granted=False)
        asked = await relay.ask(stream=True, headers=IN_S, **SMALL)
        assert asked.status == 503 and asked.error is not None and "surface s: 1 USD a day" in asked.error["message"]
        assert asked.error["code"] == "all_deployments_unavailable" and asked.headers["retry-after"] == "1"
        assert asked.took_s == pytest.approx(LONGEST_GRANT, abs=2 * GRANT) and not relay.stage.taken
        assert relay.owner.accounts._tallies == {}
        relay.check()
        free = row("a", deployment={"price": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}})
        assert (await budgeted(env, 0.0, free, granted=False).ask(stream=True, headers=IN_S)).status == 200

    play(main)


def test_an_unknown_price_is_refused_by_a_hard_budget_only() -> None:
    """With the reason; asking again never helps."""

    async def main(env: VirtualEnv) -> None:
        unknown = row("a", deployment={"price": None})
        relay = budgeted(env, 1.0, unknown)
        asked = await relay.ask(stream=True, headers=IN_S)
        assert asked.status == 429 and asked.error is not None and "its price is not known" in asked.error["message"]
        assert "retry-after" not in asked.headers and asked.headers["x-should-retry"] == "false"
        soft = budgeted(env, 1.0, unknown, budget={"hard": False})
        assert (await soft.ask(stream=True, headers=IN_S)).status == 200

    play(main)


def test_trying_the_same_row_again_needs_the_money_again() -> None:
    """Without it another takes over; where there is none the last failure is told."""

    async def main(env: VirtualEnv) -> None:
        for others, status in (((row("b", model="m-b", tier="secondary"),), 200), ((), 502)):
            relay = budgeted(env, 1.0, row("a", budget={"usd_per_day": 1.0}), *others)
            own = relay.flights.purses._purses["provider/a/day"]
            relay.stage.plan(0.1, *answer(refusal("broken"), 500), host="a")
            task = relay.start("auto", stream=True, headers=IN_S, **SMALL)
            await env.sleep(0.2)  # between the failure and the second try
            own.spent = own.limit
            asked = await task
            assert asked.status == status and len(relay.stage.at("a")) == 1
            relay.check()

    play(main)


def test_a_row_that_is_tried_again_holds_what_it_needs_again() -> None:
    """Each attempt is paid for by itself."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, HELD / USD)
        relay.stage.plan(0.1, *answer(refusal("broken"), 500), host="a")
        asked = await relay.ask("auto", stream=True, headers=IN_S, **SMALL)
        assert asked.status == 200 and len(relay.stage.at("a")) == 2
        assert relay.flights.purses._purses["surface/s/day"].spent == relay.last.cost > 0
        relay.check()

    play(main)


def test_a_lease_that_is_refused_gives_its_money_back() -> None:
    """Nobody else finds it reserved."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1.0, row("a", deployment={"max_concurrency": 1}))
        holder = relay.start(stream=True, headers=IN_S, **SMALL)
        await env.sleep(0.1)
        waiting = [relay.start(stream=True, headers=IN_S, **SMALL) for _ in range(3)]
        await env.sleep(0.1)
        assert relay.flights.purses._purses["surface/s/day"].reserved == HELD
        await asyncio.gather(holder, *waiting)
        relay.check()

    play(main)


@pytest.mark.parametrize("at_s", [0.0, 0.05, 0.5])
def test_a_client_that_leaves_frees_what_was_held_for_it(at_s: float) -> None:
    """Before the head, after it, in the middle of the answer: what was begun is paid, the rest comes back."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1.0)
        task = relay.start(stream=True, headers=IN_S, **SMALL)
        await env.sleep(at_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        spent = relay.flights.purses._purses["surface/s/day"].spent
        assert 0 < spent == sum(r.cost for r in relay.records) <= HELD
        relay.check()

    play(main)


def test_an_attempt_that_lbd_itself_breaks_frees_what_was_held_for_it() -> None:
    """A request that cannot be encoded, and a fault between the slot and the attempt."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1.0)
        line = relay.flights.lines["a/m"]
        ways = {**line.ways}
        shape = relay.shape.name
        good = ways[shape]

        def broken(*_: object) -> bytes:
            raise RuntimeError("a fault")

        def refused(*_: object) -> bytes:
            raise LbdError(Failure(K.UNSUPPORTED, "no words for it"))

        for encode, status in ((broken, None), (refused, 400)):
            ways[shape] = structs.replace(good, wire=replace(good.wire, encode=encode))
            relay.flights.lines["a/m"] = structs.replace(line, ways=ways)
            if status is None:
                with pytest.raises(RuntimeError):
                    await relay.ask(stream=True, headers=IN_S, **SMALL)
            else:
                assert (await relay.ask(stream=True, headers=IN_S, **SMALL)).status == status
        del relay.flights.lines["a/m"]
        with pytest.raises(KeyError):
            await relay.ask(stream=True, headers=IN_S, **SMALL)
        purse = relay.flights.purses._purses["surface/s/day"]
        assert purse.reserved == purse.spent == 0

    play(main)


def test_a_reload_that_drops_a_budget_disturbs_nobody() -> None:
    """What is held of it is settled for nobody; the answer comes as it would have."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, HELD / USD, budget={"warn_at": 0.0})
        task = relay.start(stream=True, headers=IN_S, **SMALL)
        await env.sleep(0.5)
        relay.configure(row("a"))
        assert (await task).status == 200 and relay.last.outcome == "ok"
        relay.check()

    play(main)


def test_a_failed_attempt_is_paid_from_the_budget() -> None:
    """What broke after it had begun has a cost, and the client gets its answer from elsewhere."""

    async def main(env: VirtualEnv) -> None:
        relay = budgeted(env, 1.0, row("a"), row("b", model="n", tier="secondary"))
        relay.stage.plan(0.1, head(), say(ROLE), 0.1, cut(), host="a")
        asked = await relay.ask("auto", stream=True, headers=IN_S, **SMALL)
        assert asked.headers["x-lbd-deployment"] == "b/n"
        first, second = relay.last.attempts
        assert first.failure == K.BROKEN_STREAM and first.cost > 0 and second.cost > 0
        assert relay.flights.purses._purses["surface/s/day"].spent == first.cost + second.cost == relay.last.cost
        relay.check()

    play(main)


# --- after a 429 --------------------------------------------------------------------------------------


def limited(wait: str) -> tuple[Any, ...]:
    """What a provider says whose limit ends then."""
    return (0.05, *answer(refusal("slow down", "rate_limit_exceeded"), 429, retry_after=wait))


def test_after_a_429_a_request_waits_for_another_row_whose_limit_ends_in_time() -> None:
    """It was refused for twenty seconds; another row that it has not tried is back within three."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b", tier="secondary"))
        relay.stage.plan(*limited("3"), host="b")
        relay.owner.order(relay.find("a"), AdminState.DRAIN, by="me", reason="x")
        first = relay.start("m")
        await env.sleep(0.1)
        relay.owner.order(relay.find("a"), AdminState.READY, by="me", reason="x")
        relay.stage.plan(*limited("20"), host="a")
        relay.stage.always(0.05, *answer(whole()), host="b")
        second = relay.start("m")
        assert (await first).status == 429, "it had nobody else, and three seconds are too long for one more try"
        asked = await second
        assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "b/m"
        assert len(relay.stage.at("a")) == 1 and 2.5 < relay.records[-1].total_s < 4.5
        relay.check()

    play(main)


@pytest.mark.parametrize(("refusals", "served_by"), [(MISTRUSTED, "a/m"), (0, "b/m")])
def test_nobody_is_left_for_a_twin_whose_turn_comes_too_late(refusals: int, served_by: str) -> None:
    """It answers within the deadline, though late; the other's limit may be shut still, then one looks now and then."""

    async def main(env: VirtualEnv) -> None:
        rows = (row("a"), row("b", tier="secondary"))
        relay = Relay(env, *rows, deadlines={"interactive_first_content_s": 2.6})
        relay.stage.always(2.3, *LONG[1:], host="a")
        relay.stage.always(*LONG, host="b")
        now = env.now()
        pace = Pace(now, now, Ahead(0, now), refusals=refusals, first_at=now + 60)
        relay.owner.restored({"b/up-m": Quota(blocked_until=now, pace=pace)})
        asked = await relay.ask("m", stream=True)
        assert (asked.status, relay.last.served_by) == (200, served_by)
        assert relay.last.total_s <= 5.0
        relay.check()

    play(main)


# --- leaving a row that is silent ---------------------------------------------------------------------


def busy_elsewhere(env: VirtualEnv, *plan: Any) -> Relay:
    """Two rows with a slot each. The first is silent for longer than its cut-off; the second does as planned."""
    rows = [row("a", max_concurrency=1), row("b", tier="secondary", max_concurrency=1)]
    relay = Relay(env, *rows)
    relay.stage.always(*plan, host="b")
    return relay


async def occupied(relay: Relay) -> asyncio.Task[Asked]:
    """Begin a request at the second row."""
    relay.owner.order(relay.find("a"), AdminState.DRAIN, by="me", reason="x")
    task = relay.start("m", stream=True)
    await relay.env.sleep(0.5)
    relay.owner.order(relay.find("a"), AdminState.READY, by="me", reason="x")
    return task


FOR_LONG: tuple[Any, ...] = (0.1, head(), say(ROLE, content("hel")), 60.0, say(content("lo"), STOP, DONE), end)


@pytest.mark.parametrize("slow", [2.0, 8.0])
@pytest.mark.parametrize("stream", [True, False])
def test_a_slow_row_is_not_left_for_one_that_is_full_for_long(slow: float, stream: bool) -> None:
    """It would wait there in vain, and what the first one did for it would be lost."""

    async def main(env: VirtualEnv) -> None:
        relay = busy_elsewhere(env, *FOR_LONG)
        relay.stage.always(slow, *(LONG[1:] if stream else answer(whole())), host="a")
        other = await occupied(relay)
        asked = await relay.ask("m", stream=stream)
        assert (asked.status, relay.last.served_by, len(relay.last.attempts)) == (200, "a/m", 1)
        await other
        relay.check()

    play(main)


def test_it_is_left_as_soon_as_another_has_a_slot() -> None:
    """Whatever kept the other one: it is asked again each second."""

    async def main(env: VirtualEnv) -> None:
        relay = busy_elsewhere(env, 0.1, head(), say(ROLE, content("hel")), 4.0, say(content("lo"), STOP, DONE), end)
        relay.stage.always(200.0, host="a")
        other = await occupied(relay)
        asked = await relay.ask("m", stream=True)
        first, second = relay.last.attempts
        assert (asked.status, relay.last.served_by, first.failure) == (200, "b/m", K.TIMEOUT_FIRST)
        assert 3.4 <= second.started_s <= 5.0
        await other
        relay.check()

    play(main)


@pytest.mark.parametrize("answers", [False, True])
def test_of_a_row_that_answers_nobody_it_goes_into_the_queue_of_one_that_is_quick(answers: bool) -> None:
    """The other one will have a slot in time, by all that is known. If the first answers others, it is only slow."""

    async def main(env: VirtualEnv) -> None:
        rows = [row("a", max_concurrency=2), row("b", tier="secondary", max_concurrency=1)]
        relay = Relay(env, *rows)
        relay.stage.always(*LONG, host="b")
        for _ in range(3):
            await (await occupied(relay))
        relay.stage.always(*FOR_LONG, host="b")
        other = await occupied(relay)
        relay.stage.always(200.0, host="a")
        silent = relay.start("m", stream=True)
        await env.sleep(1.0)
        if answers:
            relay.stage.plan(0.05, head(), say(ROLE, content("hello"), STOP, DONE), end, host="a")
            await relay.ask("m", stream=True)
        await silent
        waited = any(a.refused == "at_limit" for a in relay.last.attempts)
        assert waited is not answers
        await other
        relay.check()

    play(main)


def test_a_slow_row_is_not_left_for_one_whose_breaker_is_open() -> None:
    """That is tried where nobody else is left, by one at a time: whoever is being served would be lost there."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b", tier="secondary"))
        relay.stage.always(4.0, *LONG[1:], host="a")
        relay.stage.always(200.0, host="b")
        b = relay.find("b")
        b.breaker = structs.replace(b.breaker, phase=Phase.OPEN, since=env.now(), retry_at=env.now())
        relay.owner.touch(b.index, transition=True)
        for asked in await asyncio.gather(*[relay.start("m", stream=True) for _ in range(3)]):
            assert asked.status == 200
        assert (relay.last.served_by, len(relay.last.attempts)) == ("a/m", 1)
        relay.check()

    play(main)


@pytest.mark.parametrize("retry_in", [0.0, 100.0])
def test_after_a_lost_connection_the_row_is_asked_again_before_one_whose_breaker_is_open(retry_in: float) -> None:
    """As where it is alone: the other one would not answer, or not even be tried."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b", tier="secondary"))
        relay.stage.plan(0.05, cut(K.RESET), host="a")
        relay.stage.always(*LONG, host="a")
        relay.stage.always(200.0, host="b")
        b = relay.find("b")
        b.breaker = structs.replace(b.breaker, phase=Phase.OPEN, since=env.now(), retry_at=env.now() + retry_in)
        relay.owner.touch(b.index, transition=True)
        asked = await relay.ask("m", stream=True)
        assert (asked.status, relay.last.served_by, len(relay.last.attempts)) == (200, "a/m", 2)
        relay.stage.always(0.05, cut(K.RESET), host="a")
        relay.stage.always(*LONG, host="b")
        asked = await relay.ask("m", stream=True)
        assert asked.status == (502 if retry_in else 200), "twice lost, the last resort is"
        relay.check()

    play(main)


def test_without_fallback_no_other_model_is_asked_whatever_refuses_the_first() -> None:
    """One model, or a clear error: also where its twins are there, and do not take it."""

    async def main(env: VirtualEnv) -> None:
        rows = [*(row(name) for name in "abc"), row("d", model="n", tier="secondary")]
        relay = Relay(env, *rows, surfaces=[{"name": "alone", "fallback": "none"}])
        for name in "abcd":
            relay.stage.always(0.05, *answer(refusal("broken"), 500), host=name)
        for _ in range(4):
            await relay.ask(headers={"x-lbd-surface": "alone"})
            tried = {a.decision.chosen for a in relay.last.attempts if a.refused is None}
            assert len({str(name).rpartition("/")[2] for name in tried}) <= 1, tried
        relay.check()

    play(main)
