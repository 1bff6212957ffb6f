"""The waiting room's rim: futures, the deadline, and who is woken."""

from __future__ import annotations

import asyncio

import pytest

from lbd.upstream.queue import Full, Place, Queue
from tests.fakes.virtual import START, VirtualEnv, run


def test_a_freed_slot_wakes_the_first_waiter_that_it_serves_and_nobody_else() -> None:
    """Interactive before background, then by deadline; waiters for other rows sleep on."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        order: list[str] = []

        async def wait(name: str, rows: set[int], deadline: float, rank: int = 0) -> None:
            assert await queue.wait(frozenset(rows), START + 50, Place(deadline, rank=rank))
            order.append(name)

        waiters = [
            env._loop.create_task(wait("background", {0}, START + 1, rank=1)),
            env._loop.create_task(wait("late", {0}, START + 9)),
            env._loop.create_task(wait("other row", {1}, START + 1)),
            env._loop.create_task(wait("soon", {0, 1}, START + 5)),
        ]
        await env.sleep(1)
        for _ in range(3):
            queue.freed(0)
            await env.sleep(0.1)
        assert order == ["soon", "late", "background"]
        assert len(queue) == 1
        queue.freed(1)
        await asyncio.gather(*waiters)
        assert len(queue) == 0

    run(main)


def test_a_wait_ends_at_its_time_and_says_so() -> None:
    """False: nothing came until then."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        assert not await queue.wait(frozenset({0}), START + 2, Place(START + 5))
        assert env.now() == START + 2
        assert len(queue) == 0

    run(main)


def test_a_full_queue_refuses_at_once() -> None:
    """The bound is on those that wait, and a reload may change it."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 1)
        first = env._loop.create_task(queue.wait(frozenset({0}), START + 5, Place(START + 5)))
        await env.sleep(0.1)
        with pytest.raises(Full):
            await queue.wait(frozenset({0}), START + 5, Place(START + 5))
        queue.set_bound(2)
        second = env._loop.create_task(queue.wait(frozenset({0}), START + 1, Place(START + 5)))
        assert not await second
        queue.freed(0)
        assert await first

    run(main)


def test_a_waiter_whose_client_left_takes_no_slot() -> None:
    """It leaves the room at once, and the next one is woken in its place."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        first = env._loop.create_task(queue.wait(frozenset({0}), START + 5, Place(START + 1)))
        second = env._loop.create_task(queue.wait(frozenset({0}), START + 5, Place(START + 2)))
        await env.sleep(0.1)
        first.cancel()
        await env.sleep(0)
        assert len(queue) == 1
        queue.freed(0)
        assert await second
        assert env.now() < START + 1

    run(main)


def test_a_slot_is_not_lost_on_a_waiter_whose_time_is_up() -> None:
    """Freed in the instant in which the first waiter gives up: the second one gets it."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        first = env._loop.create_task(queue.wait(frozenset({0}), START + 1, Place(START + 1)))
        second = env._loop.create_task(queue.wait(frozenset({0}), START + 9, Place(START + 9)))
        await env.sleep(0)
        env.call_at(START + 1, lambda: queue.freed(0))  # runs after the first waiter's own timer
        assert not await first
        assert await second
        assert env.now() < START + 1.1

    run(main)


def test_a_slot_is_not_lost_on_a_waiter_that_leaves_as_it_is_woken() -> None:
    """Its client hung up between the free slot and its turn: the next one is woken instead."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        first = env._loop.create_task(queue.wait(frozenset({0}), START + 9, Place(START + 1)))
        second = env._loop.create_task(queue.wait(frozenset({0}), START + 9, Place(START + 9)))
        await env.sleep(0.1)
        queue.freed(0)
        first.cancel()
        assert await second
        assert env.now() < START + 1
        assert first.cancelled() and len(queue) == 0

    run(main)


def test_a_slot_freed_while_nobody_waits_is_nothing() -> None:
    """Rows report every free slot; it costs nothing."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        queue.freed(0)
        assert not await queue.wait(frozenset({0}), START + 1, Place(START + 1))

    run(main)


def test_the_expected_wait_grows_with_those_ahead() -> None:
    """The queue before a new waiter, served so many at a time."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        alone = queue.expected(frozenset({0}), Place(START + 9), slots=2, service_s=4)
        tasks = [env._loop.create_task(queue.wait(frozenset({0}), START + 1, Place(START + 5))) for _ in range(3)]
        await env.sleep(0.1)
        behind = queue.expected(frozenset({0}), Place(START + 9), slots=2, service_s=4)
        before = queue.expected(frozenset({0}), Place(START + 1), slots=2, service_s=4)
        elsewhere = queue.expected(frozenset({1}), Place(START + 9), slots=2, service_s=4)
        assert before == alone == elsewhere == 2.0
        assert behind == 8.0
        await asyncio.gather(*tasks)

    run(main)


def test_a_full_queue_puts_out_whom_a_newcomer_goes_before() -> None:
    """Background work is told at once that there is no room for it any more."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 1)
        background = env._loop.create_task(queue.wait(frozenset({0}), START + 5, Place(START + 99, rank=1)))
        await env.sleep(0.1)
        user = env._loop.create_task(queue.wait(frozenset({0}), START + 5, Place(START + 5)))
        with pytest.raises(Full):
            await background
        assert env.now() < START + 1 and len(queue) == 1 == queue.bound
        queue.freed(0)
        assert await user

    run(main)


def test_a_free_slot_is_not_for_a_newcomer_while_others_have_a_claim_on_it() -> None:
    """Those of its class who wait, and those who were woken and have not run yet; never a worse class."""

    async def main(env: VirtualEnv) -> None:
        queue = Queue(env, 10)
        assert not queue.claimed(0, 1, rank=0)
        first = env._loop.create_task(queue.wait(frozenset({0, 1}), START + 9, Place(START + 9, rank=1)))
        await env.sleep(0.1)
        assert not queue.claimed(0, 1, rank=0) and not queue.claimed(2, 1, rank=1)
        assert (queue.waiting(0, rank=0), queue.waiting(0, rank=1)) == (0, 1)
        assert queue.claimed(0, 1, rank=1)
        assert queue.waiting(0, rank=1) == 0, "it was told of the slot that the newcomer has found"
        assert queue.claimed(0, 1, rank=1)
        assert not queue.claimed(0, 2, rank=1), "there is another"
        assert not queue.claimed(0, 1, rank=0)
        assert await first
        assert not queue.claimed(0, 1, rank=1)
        leaves = env._loop.create_task(queue.wait(frozenset({0}), START + 9, Place(START + 9)))
        await env.sleep(0.1)
        queue.freed(0)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        assert not queue.claimed(0, 1, rank=1), "its client left before it could use the slot"

    run(main)
