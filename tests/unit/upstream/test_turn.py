"""A request's turn under rate limits."""

from __future__ import annotations

import asyncio
import math

import pytest
from msgspec.structs import replace

from lbd.model.request import Ask, Urgency
from lbd.state.bucket import Bucket
from lbd.state.need import Need
from lbd.state.quota import Quota
from lbd.upstream.queue import Place
from lbd.upstream.turn import Turn, rank
from tests.fakes.relay import Relay, row
from tests.fakes.virtual import VirtualEnv, run

ASK = Ask("model:m", input_tokens=100, output_tokens=64)


def turn(relay: Relay, ask: Ask = ASK, client: str = "") -> tuple[Turn, Place]:
    place = Place(math.inf, rank=rank(ask), client=client)
    return Turn(relay.owner, relay.flights.queue, place, ask, relay.flights.lines), place


def limit(relay: Relay, account: str, remaining: float, refill: float = 10.0) -> None:
    """Put an account, by its provider or group, under a limit of all tokens that fills up steadily."""
    now = relay.env.now()
    relay.owner.restored({f"{account}/up-m": Quota({"tokens": Bucket(6000, remaining, now + 60, now, refill)})})


def test_background_stands_behind() -> None:
    """Interactive work first."""
    assert rank(ASK) == 0
    assert rank(replace(ASK, urgency=Urgency.BACKGROUND)) == 1


def test_a_request_takes_its_prompt_and_the_answer_that_its_client_lets_it_have() -> None:
    """What is beyond the usual answer is spare; all answers to one prompt count."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        usual = relay.owner.snapshot.rows[0].output_tokens
        assert turn(relay)[0].need(0) == Need(1, 100, 64, 0, 100)
        assert turn(relay, replace(ASK, output_tokens=None))[0].need(0) == Need(1, 100, usual, 0, 100)
        many = replace(ASK, output_tokens=usual + 100, choices=3)
        assert turn(relay, many)[0].need(0) == Need(1, 100, 3 * usual, 300, 3 * (usual + 100))

    run(main)


def test_a_bound_that_lbd_sets_itself_counts() -> None:
    """Anthropic demands one: where the client has none, it is what the model gives at most."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", shape="anthropic", deployment={"upstream_model": "claude-opus-4-1"}))
        need = turn(relay, replace(ASK, output_tokens=None))[0].need(0)
        assert need.output + need.spare == 32_000

    run(main)


def test_whoever_waits_keeps_its_room_from_those_who_come_later() -> None:
    """A small request does not overtake a large one, and is told when it will be its turn."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        limit(relay, "a", 200.0)
        large, place = turn(relay, replace(ASK, input_tokens=1000))
        now = env.now()
        assert large.time(0, now) == pytest.approx(now + 80)
        assert turn(relay)[0].time(0, now) == now, "nobody waits"
        place.deadline = now + 200
        waits = asyncio.get_running_loop().create_task(relay.flights.queue.wait(frozenset({0}), now + 150, place))
        await env.sleep(0)
        large.take(0)
        large.take(0)
        assert large.taken
        small, _ = turn(relay)
        assert small.bid(0).ahead == 1
        assert small.time(0, env.now()) == pytest.approx(now + 80 + 10)
        assert large.time(0, env.now()) == pytest.approx(now + 80), "it does not stand behind itself"
        large.over()
        large.over()
        assert not large.taken
        assert await waits, "the end of a claim wakes whoever is first"
        assert small.time(0, env.now()) == env.now()

    run(main)


def test_who_was_called_stands_behind_nobody() -> None:
    """The queue has said that it is its turn."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        loop = asyncio.get_running_loop()
        first, place = turn(relay, client="x")
        other = Place(env.now() + 9, client="y")
        place.deadline = env.now() + 5
        tasks = [loop.create_task(relay.flights.queue.wait(frozenset({0}), env.now() + 1, p)) for p in (place, other)]
        await env.sleep(0)
        relay.owner.freed(0)
        assert place.called and first.bid(0).ahead == 0
        for task in tasks:
            await task

    run(main)


def test_accounts_stand_for_all_their_rows() -> None:
    """Those who wait for another row of the same quota group go first, too."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", quota_group="team"), row("b", quota_group="team"), row("c"))
        for account in ("team", "c"):
            limit(relay, account, 100.0)
        place = Place(env.now() + 9)
        task = asyncio.get_running_loop().create_task(relay.flights.queue.wait(frozenset({0}), env.now() + 1, place))
        await env.sleep(0)
        mine, _ = turn(relay)
        assert [mine.bid(i).ahead for i in range(3)] == [1, 1, 0]
        await task

    run(main)


def test_a_row_that_is_shut_opens_no_sooner_than_it_is_published_to() -> None:
    """A small request may have room where the usual one has none, but nobody is sent there."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        now = env.now()
        each = Need(1, 500, 500, 0, 1000)
        relay.owner.restored({"a/up-m": Quota({"tokens": Bucket(6000, 200.0, now + 60, now, 10.0)}, each=each)})
        assert relay.owner.snapshot.rows[0].refusal == "quota_exhausted"
        assert turn(relay)[0].time(0, now) == pytest.approx(now + 79)

    run(main)


def test_a_stream_must_have_time_left_for_its_first_content() -> None:
    """Else it would be let in, use the quota, and be cut at its deadline; a whole answer has all its time."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        now = env.now()
        first = relay.owner.snapshot.rows[0].ttft_p99_s[0]
        stream, whole = turn(relay, replace(ASK, stream=True))[0], turn(relay)[0]
        for at, fits in ((now + 9.5 - first, True), (now + 10.1 - first, False)):
            assert stream.in_time({0: at}, now, now + 10) is fits
            assert whole.in_time({0: at}, now, now + 10)
        for at in (now + 9.6, now + 9.9):
            assert not whole.in_time({0: at}, now, now + 10), "it may well become later"
        whole.take(0)
        assert whole.in_time({0: now + 9.9}, now, now + 10), "it has waited already"
        assert stream.in_time({0: now}, now, now + 0.01), "nothing is waited for"

    run(main)


def test_a_limit_that_ended_is_published_to_whoever_waits_for_it() -> None:
    """The tick is a second late at most; a request that waits is not."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b"))
        relay.owner.restored({"a/up-m": Quota(blocked_until=env.now() + 0.5)})
        mine, _ = turn(relay)
        rows = frozenset({0, 1})
        assert relay.owner.snapshot.rows[0].refusal == "quota_exhausted"
        assert not mine.reopened(rows, env.now())
        assert mine.time(0, env.now()) == env.now() + 0.5
        await env.sleep(0.5)
        assert mine.reopened(rows, env.now())
        assert relay.owner.snapshot.rows[0].refusal is None

    run(main)


def test_what_another_one_looks_into_may_be_known_at_any_moment() -> None:
    """Whoever comes meanwhile waits for that, and is not told the time that the limit names."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b"))
        now = env.now()
        empty = Bucket(1000, 0.0, now + 360, now)
        asked = {"requests": replace(empty, looks_at=now + 9, looked_at=now - 1)}
        relay.owner.restored({"a/up-m": Quota(asked), "b/up-m": Quota({"requests": empty})})
        mine, _ = turn(relay)
        times = {i: mine.time(i, now) for i in (0, 1)}
        assert min(times.values()) >= now + 360
        assert mine.awaited(times, now) == {0: now, 1: times[1]}

    run(main)
