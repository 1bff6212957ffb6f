"""Keeping experiments: what ended stays ended; the store's troubles are nobody else's."""

from __future__ import annotations

import asyncio

from lbd.loops.trials import EVERY, EXPERIMENTS, TURNS, Keeping
from lbd.model.experiment import Arm, ExperimentSpec
from lbd.store.memory import MemoryStore
from lbd.table.trials import Trials
from tests.fakes.env import FakeEnv
from tests.fakes.records import record
from tests.fakes.virtual import VirtualEnv, run
from tests.unit.loops.test_persist import Moody

X = ExperimentSpec("x", 0.5, key="k")
ARMS = (Arm("x", "k", True, 3),)


def made(store: MemoryStore, *specs: ExperimentSpec) -> tuple[Trials, Keeping, list[tuple[bool, str]]]:
    env = FakeEnv()
    trials = Trials(env, lambda *_args, **_more: None)
    told: list[tuple[bool, str]] = []
    trials.configure(specs)
    return trials, Keeping(env, trials, store, lambda up, why: told.append((up, why))), told


async def test_what_ended_stays_ended_over_a_restart() -> None:
    """With its numbers; another definition knows nothing of it."""
    store = MemoryStore()
    trials, keeping, _ = made(store, X)
    await keeping.restore()
    trials.note(record(arms=ARMS))
    trials.stop(trials.listed[0], "enough", by="me")
    await keeping.save(whole=False)
    trials, keeping, _ = made(store, X)
    await keeping.restore()
    found = trials.listed[0]
    assert found.state == "stopped" and found.ending is not None and found.ending.by == "me"
    assert found.trial.treatment.requests == 1 and found.spec is X
    trials, keeping, _ = made(store, ExperimentSpec("x", 0.4, key="other"))
    await keeping.restore()
    assert trials.listed[0].state == "running" and set(trials.every()) == {"k", "other"}


async def test_what_only_counts_is_written_now_and_then() -> None:
    """What began or ended at once."""
    store = Moody()
    trials, keeping, _ = made(store, X)
    await keeping.restore()
    await keeping.save(whole=False)
    assert store.saves == 1, "it began"
    trials.note(record(arms=ARMS))
    await keeping.save(whole=False)
    assert store.saves == 1
    await keeping.save()
    await keeping.save()
    assert store.saves == 2, "nothing has changed since"


async def test_what_is_no_longer_kept_is_forgotten() -> None:
    """In the store as well, and what is damaged there."""
    store = MemoryStore()
    await store.save(EXPERIMENTS, {"broken": b"x", "k": b"\xc1"})
    trials, keeping, _ = made(store, X)
    await keeping.restore()
    assert trials.listed[0].state == "running"
    await keeping.save()
    assert set(await store.load(EXPERIMENTS)) == {"k"}


async def test_a_store_that_fails_is_told_once_and_tried_again() -> None:
    """Nothing is lost, and nobody is treated before it is known what had ended."""
    store = Moody()
    store.error = "disk full"
    trials, keeping, told = made(store, X)
    await keeping.restore()
    running: list[object] = []
    trials.changed = running.append
    await keeping.save()
    assert told == [(False, "disk full")] and not running
    store.error = None
    await keeping.save()
    assert running == [(X,)] and told[-1] == (True, "")
    assert set(await store.load(EXPERIMENTS)) == {"k"}
    trials.note(record(arms=ARMS))
    store.error = "disk full"
    await keeping.save()
    assert trials.listed[0].dirty and told[-1] == (False, "disk full")
    store.error = None
    await keeping.save()
    assert not trials.listed[0].dirty and told[-1] == (True, "")


def test_it_writes_by_itself() -> None:
    """Counts once a minute."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        trials = Trials(env, lambda *_args, **_more: None)
        trials.configure([X])
        keeping = Keeping(env, trials, store, lambda _up, _why: None)
        task = asyncio.get_running_loop().create_task(keeping.run())
        await env.sleep(2 * EVERY)
        assert store.saves == 1
        trials.note(record(arms=ARMS))
        await env.sleep(TURNS * EVERY)
        assert store.saves == 2
        task.cancel()

    run(main)
