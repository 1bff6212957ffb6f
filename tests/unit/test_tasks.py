"""The supervisor: loops start again, failures are told and kept, and at the end nothing is left running."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lbd.tasks import FIRST_BACKOFF, LONGEST_BACKOFF, Tasks
from tests.fakes.virtual import START, VirtualEnv, run


class Told:
    """A supervisor with what it told."""

    def __init__(self, env: VirtualEnv) -> None:
        self.env = env
        self.told: list[tuple[str, str, str]] = []
        self.tasks = Tasks(env, lambda kind, name, error: self.told.append((kind, name, repr(error))))


def supervised(main: Callable[[Told], Coroutine[Any, Any, None]]) -> None:
    """Run ``main`` with a supervisor; afterwards no task of it is left."""

    async def whole(env: VirtualEnv) -> None:
        told = Told(env)
        await main(told)
        await told.tasks.close()
        assert told.tasks.count == 0
        assert len(asyncio.all_tasks()) == 1

    run(whole)


async def _for_ever() -> None:
    await asyncio.Event().wait()


def test_a_loop_that_fails_starts_again_with_back_off() -> None:
    """Half a second, doubled, up to half a minute; the last error is kept for the health page."""

    async def main(t: Told) -> None:
        starts: list[float] = []

        async def fails() -> None:
            starts.append(t.env.now() - START)
            raise ValueError(f"number {len(starts)}")

        t.tasks.loop("probe p", fails)
        await t.env.sleep(200)
        waits = [b - a for a, b in itertools.pairwise(starts)]
        assert waits[:7] == pytest.approx([0.5, 1, 2, 4, 8, 16, 30])
        assert set(waits[7:]) == {LONGEST_BACKOFF}
        status = t.tasks.loops["probe p"]
        assert (status.running, status.restarts) == (False, len(starts))
        assert status.last_error == f"ValueError: number {len(starts)}"
        assert status.last_error_at == pytest.approx(t.env.wall() - t.env.now() + START + starts[-1])
        assert t.told == [("loop_failed", "probe p", f"ValueError('number {i + 1}')") for i in range(len(starts))]

    supervised(main)


def test_a_loop_that_ran_well_for_long_starts_again_soon() -> None:
    """The back-off is forgotten after half a minute of health."""

    async def main(t: Told) -> None:
        starts: list[float] = []

        async def fails_hourly() -> None:
            starts.append(t.env.now())
            await t.env.sleep(3600)
            raise OSError

        t.tasks.loop("tick", fails_hourly)
        await t.env.sleep(10 * 3600)
        assert [b - a for a, b in itertools.pairwise(starts)] == pytest.approx([3600 + FIRST_BACKOFF] * 9)
        assert t.tasks.loops["tick"].running

    supervised(main)


def test_a_loop_that_ends_by_itself_is_not_started_again() -> None:
    """It is done, and its status says that it does not run."""

    async def main(t: Told) -> None:
        runs = []

        async def once() -> None:
            runs.append(1)

        t.tasks.loop("short", once)
        await t.env.sleep(100)
        assert runs == [1]
        assert not t.tasks.loops["short"].running
        assert t.told == []

    supervised(main)


def test_one_failing_loop_disturbs_no_other() -> None:
    """They share nothing but the supervisor."""

    async def main(t: Told) -> None:
        ticks = []

        async def fails() -> None:
            raise RuntimeError

        async def ticking() -> None:
            while True:
                ticks.append(t.env.now())
                await t.env.sleep(1)

        t.tasks.loop("bad", fails)
        t.tasks.loop("good", ticking)
        await t.env.sleep(60.5)
        assert len(ticks) == 61
        assert t.tasks.loops["good"].restarts == 0

    supervised(main)


def test_stopping_a_loop_waits_for_its_end_and_forgets_it() -> None:
    """While it works, and while it waits to start again; one that is not there is no matter."""

    async def main(t: Told) -> None:
        ended = []

        async def works() -> None:
            try:
                await _for_ever()
            finally:
                await t.env.sleep(0.25)
                ended.append(t.env.now())

        async def fails() -> None:
            raise ValueError

        t.tasks.loop("works", works)
        t.tasks.loop("fails", fails)
        await t.env.sleep(5)
        await t.tasks.stop("works")
        assert len(ended) == 1
        await t.tasks.stop("fails")
        await t.tasks.stop("nobody")
        assert t.tasks.loops == {}
        assert t.tasks.count == 0
        told = len(t.told)
        await t.env.sleep(100)
        assert len(t.told) == told, "a stopped loop went on"

    supervised(main)


def test_a_name_may_be_used_again_after_its_loop_was_stopped() -> None:
    """A reload replaces the loop of a changed provider; the new one's status is its own."""

    async def main(t: Told) -> None:
        async def fails() -> None:
            raise ValueError

        t.tasks.loop("probe p", fails)
        await t.env.sleep(3)
        await t.tasks.stop("probe p")
        t.tasks.loop("probe p", _for_ever)
        await t.env.sleep(1)
        status = t.tasks.loops["probe p"]
        assert (status.running, status.restarts, status.last_error) == (True, 0, None)

    supervised(main)


def test_a_one_offs_failure_is_told_and_harms_nobody() -> None:
    """Told once, by its name; the task itself ends without an exception that nobody fetches."""

    async def main(t: Told) -> None:
        async def fails() -> None:
            await t.env.sleep(1)
            raise KeyError("x")

        task = t.tasks.once("reload", fails())
        await t.env.sleep(2)
        assert task.done() and task.exception() is None
        assert t.told == [("task_failed", "reload", "KeyError('x')")]
        assert t.tasks.count == 0

    supervised(main)


def test_a_cancelled_one_off_is_no_failure() -> None:
    """Cancelled while it runs, or before it has begun: nothing is told, nothing is left unawaited."""

    async def main(t: Told) -> None:
        running = t.tasks.once("one", _for_ever())
        await t.env.sleep(1)
        running.cancel()
        early = t.tasks.once("two", _for_ever())
        early.cancel()
        await t.env.sleep(1)
        assert running.cancelled() and early.cancelled()
        assert t.told == []

    supervised(main)


def test_closing_ends_everything_youngest_first() -> None:
    """What was started last may need what was started first; a loop that is closing is not started again."""

    async def main(t: Told) -> None:
        order: list[str] = []

        def named(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
            async def work() -> None:
                try:
                    await _for_ever()
                finally:
                    order.append(name)

            return work

        for name in ("tick", "persist", "probe"):
            t.tasks.loop(name, named(name))
        t.tasks.once("reload", named("reload")())
        await t.env.sleep(1)
        assert t.tasks.count == 4
        await t.tasks.close()
        assert order == ["reload", "probe", "persist", "tick"]
        assert t.told == []
        assert not any(status.running for status in t.tasks.loops.values())

    supervised(main)


def test_a_loop_that_fails_while_it_is_stopped_is_not_started_again() -> None:
    """Whoever stops it would wait for ever."""

    async def main(t: Told) -> None:
        starts = []

        async def awkward() -> None:
            starts.append(1)
            try:
                await _for_ever()
            finally:
                raise OSError("clean-up")

        t.tasks.loop("awkward", awkward)
        await t.env.sleep(1)
        await asyncio.wait_for(t.tasks.stop("awkward"), 5)
        await t.env.sleep(100)
        assert starts == [1]
        assert t.told == [("loop_failed", "awkward", "OSError('clean-up')")]

    supervised(main)


def test_a_loop_that_fails_while_it_is_closed_keeps_nobody_waiting() -> None:
    """An error in its clean-up is told, and that is all."""

    async def main(t: Told) -> None:
        async def awkward() -> None:
            try:
                await _for_ever()
            finally:
                raise OSError("clean-up")

        t.tasks.loop("awkward", awkward)
        await t.env.sleep(1)
        began = t.env.now()
        await t.tasks.close()
        assert t.env.now() - began < LONGEST_BACKOFF
        assert t.tasks.count == 0

    supervised(main)
