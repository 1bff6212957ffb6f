"""How long a request that came now would wait for a slot."""

from __future__ import annotations

import asyncio

import pytest

from lbd.model.request import Ask
from lbd.state.quota import blocked
from lbd.upstream.patience import LATEST, LOOK_AGAIN, SOONEST, expected, fits
from lbd.upstream.queue import Place
from tests.fakes import tables
from tests.fakes.relay import Relay, row
from tests.fakes.virtual import VirtualEnv, run

ASK = Ask("model:m", first_content_s=10.0)


def told(relay: Relay, *rows: int, ask: Ask = ASK) -> float:
    return expected(relay.owner, relay.flights.queue, ask, frozenset(rows), relay.env.now())


def test_whoever_stands_before_it_is_served_first() -> None:
    """By the slots that there are; never longer than until the last of them is served or gone."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", max_concurrency=2))
        alone = told(relay, 0)
        assert alone >= SOONEST
        loop = asyncio.get_running_loop()
        places = [Place(env.now() + 5, client=str(n)) for n in range(40)]
        tasks = [loop.create_task(relay.flights.queue.wait(frozenset({0}), env.now() + 1, p)) for p in places]
        await env.sleep(0)
        assert alone < told(relay, 0) <= max(LATEST, ASK.first_content_s)
        for task in tasks:
            await task

    run(main)


def test_where_no_slots_are_counted_it_is_the_time_of_its_own() -> None:
    """A rate limit that ends; without one, the next look."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        assert told(relay, 0) == LOOK_AGAIN
        relay.owner.restored({"a/up-m": blocked(relay.owner.quota_of(relay.owner.rows[0]), 7.0, env.now())})
        assert told(relay, 0) == pytest.approx(7.0)

    run(main)


def test_whether_it_fits_is_known_of_rows_that_have_answered() -> None:
    """By what is known of their slots, before the time by which it has to begin."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", max_concurrency=1), row("b", max_concurrency=1))

        def fit(within: float, *rows: int) -> bool:
            now, queue = env.now(), relay.flights.queue
            return fits(relay.owner, queue, ASK, frozenset(rows), now + within, now, "")

        assert not fit(60.0, 0, 1), "nobody knows when one of them will be free"
        tables.serve(relay.owner, env, 0, tables.good(0.3, 2.0))
        relay.owner.fold()
        usual = told(relay, 0)
        assert fit(usual + 1.0, 0) and fit(usual + 1.0, 0, 1)
        assert not fit(usual, 0), "it takes its time, too, once it has a slot"
        assert not fit(60.0, 1) and not fit(60.0)

    run(main)


def test_rows_that_a_reload_took_are_not_waited_for() -> None:
    """A request may have waited for them when it came."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        assert told(relay, 5) == LOOK_AGAIN

    run(main)
