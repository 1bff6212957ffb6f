"""Persistence: what was learned is there again after a restart, aged; the store's troubles are nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from lbd.loops import persist
from lbd.loops.persist import AT_ONCE, EVERY, MISC, QUALITY, QUOTAS, ROWS, SOON, TURNS, Persistence
from lbd.model.failure import FailureKind
from lbd.model.outcome import QuotaReading
from lbd.model.table import AdminState
from lbd.ports import StoreError
from lbd.state import quota
from lbd.state.breaker import Phase
from lbd.state.scores import seen, take
from lbd.state.spend import ProbeSpend
from lbd.store.memory import MemoryStore
from lbd.table import saved
from lbd.table.owner import Owner
from tests.fakes import tables
from tests.fakes.env import FakeEnv
from tests.fakes.virtual import VirtualEnv, run

DEPLOYMENTS = ("p/a", "p/b", "q/a")


class Moody(MemoryStore):
    """A store that fails, or does not come back, when told so."""

    def __init__(self) -> None:
        super().__init__()
        self.error: str | None = None
        self.stuck: asyncio.Event | None = None
        self.saves = 0
        self.written: list[list[str]] = []  # the rows of each save

    async def _mood(self) -> None:
        if self.stuck is not None:
            await self.stuck.wait()
        if self.error is not None:
            raise StoreError(self.error)

    async def load(self, table: str) -> dict[str, bytes]:
        await self._mood()
        return await super().load(table)

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        self.saves += 1
        if table == ROWS:
            self.written.append(sorted(rows))
        await self._mood()
        await super().save(table, rows, gone=gone)


def started(
    store: MemoryStore, env: FakeEnv | None = None, *rows: str
) -> tuple[FakeEnv, Owner, Persistence, list[object]]:
    """Return a daemon's table before its store, and what is told of the store."""
    env, owner = tables.owned(*(rows or DEPLOYMENTS), env=env)
    told: list[object] = []
    return env, owner, Persistence(env, owner, store, lambda up, text: told.append((up, text))), told


async def test_percentiles_and_counts_are_there_after_a_restart_aged_by_the_time_between() -> None:
    """What was two minutes old is four minutes old after two minutes of being down."""
    store = Moody()
    env, owner, before, _ = started(store)
    for _ in range(40):
        tables.serve(owner, env, 0, tables.good(0.3, 1.0))
        env.advance(1)
    tables.serve(owner, env, 0, tables.bad())
    await before.save(ProbeSpend())

    env2, owner2, after, _ = started(store, FakeEnv(now=50.0, wall=env.wall() + 120))
    await after.restore()
    assert after.restored == 3
    row = owner2.rows[0]
    now = env2.now()
    assert row.ttft[0].over(60.0, now).n == 0, "old samples must not pass for fresh ones"
    hour = row.ttft[0].over(3600.0, now)
    assert hour.n == 40 and hour.quantile(0.5) == pytest.approx(0.3, rel=0.02)
    assert (row.outcomes.over(3600.0, now).good, row.outcomes.over(3600.0, now).bad) == (40, 1)
    assert now - row.last_sample[0] == pytest.approx(121, abs=1)
    assert row.length.usual == pytest.approx(owner.rows[0].length.usual) and row.length.usual < 60


@pytest.mark.parametrize("gap", [0.0, 0.5, 3.0, 29.0])
async def test_cooldowns_are_equal_to_a_second_after_a_restart(gap: float) -> None:
    """A 30 s wait is not 600 s afterwards, nor none: rate limits, breakers and their next trial."""
    store = Moody()
    env, owner, before, _ = started(store)
    for _ in range(3):
        tables.serve(owner, env, 0, tables.bad(FailureKind.SERVER, retry_after_s=30.0))
    reading = QuotaReading("tokens", 1000, 0, 45.0)
    tables.serve(owner, env, 2, tables.bad(FailureKind.RATE, retry_after_s=60.0, quota=(reading,)))
    open_until = owner.rows[0].breaker.retry_at - env.now()
    blocked = quota.next_timer(owner.accounts.quotas["q"], env.now())
    assert blocked is not None
    left = blocked - env.now()
    await before.save(ProbeSpend())

    env2, owner2, after, _ = started(store, FakeEnv(now=7.0, wall=env.wall() + gap))
    await after.restore()
    b = owner2.rows[0].breaker
    assert b.phase is Phase.OPEN
    assert b.retry_at - env2.now() == pytest.approx(max(0.0, open_until - gap), abs=1.0)
    assert owner2.snapshot.rows[0].refusal == "breaker_open"
    again = quota.next_timer(owner2.accounts.quotas["q"], env2.now())
    assert again is not None and again - env2.now() == pytest.approx(left - gap, abs=1.0)
    assert owner2.snapshot.rows[2].refusal == "quota_exhausted"
    assert owner2.snapshot.rows[1].refusal is None


class Ticking(FakeEnv):
    """A clock that goes on between two looks, as a real one does."""

    def now(self) -> float:
        self._now += 1e-6
        return self._now


async def test_answers_that_come_while_state_is_saved_do_not_spoil_it() -> None:
    """What waits to be counted is taken in by the save itself: it is not younger than the save."""
    store = Moody()
    env, owner, before, _ = started(store, Ticking())
    for _ in range(5):
        tables.serve(owner, env, 0, tables.good())
    assert owner.rows[0].pending
    await before.save(ProbeSpend())
    _, owner2, after, _ = started(store, Ticking())
    await after.restore()
    assert after.restored == 3
    assert owner2.rows[0].total.over(3600, owner2._env.now()).n == 5


async def test_locks_and_operators_orders_survive() -> None:
    """A wrong key stays out, and a drained deployment stays drained."""
    store = Moody()
    env, owner, before, _ = started(store)
    tables.serve(owner, env, 2, tables.bad(FailureKind.AUTH))
    owner.order(owner.rows[1], AdminState.MAINT, by="me", reason="disk")
    owner.weigh(owner.rows[0], 0.25, by="me", reason="")
    await before.save(ProbeSpend(day=3, spent=11, total=42))
    _, owner2, after, _ = started(store, FakeEnv(now=7.0, wall=env.wall() + 5))
    await after.restore()
    lock = owner2.rows[2].lock
    assert lock is not None and lock.kind is FailureKind.AUTH and lock.until is None
    assert (owner2.rows[1].admin, owner2.rows[0].admin_weight) == (AdminState.MAINT, 0.25)
    assert after.probe_spend == ProbeSpend(day=3, spent=11, total=42)


async def test_the_learned_token_ratio_survives_within_reason() -> None:
    """An absurd one does not."""
    store = Moody()
    _, owner, before, _ = started(store)
    owner.tokens_per_byte = 0.31
    await before.save(ProbeSpend())
    _, owner2, after, _ = started(store)
    await after.restore()
    assert owner2.tokens_per_byte == 0.31
    for absurd in (7.0, 0.0, -1.0, float("nan")):
        await store.save(MISC, {"tokens_per_byte": msgspec.msgpack.encode(absurd)})
        _, owner3, third, _ = started(store)
        await third.restore()
        assert owner3.tokens_per_byte == 0.25


async def test_a_row_that_is_configured_no_more_is_forgotten() -> None:
    """And so is nothing else."""
    store = Moody()
    _, _, before, _ = started(store)
    await before.save(ProbeSpend())
    assert set(await store.load(ROWS)) == set(DEPLOYMENTS)
    _, _, after, _ = started(store, None, "p/a", "p/c")
    await after.restore()
    assert after.restored == 1
    await after.save(ProbeSpend())
    assert set(await store.load(ROWS)) == {"p/a", "p/c"}


NO_UTF8 = b"\x81\xa7version\xa2\xff\xfe"


@pytest.mark.parametrize("junk", [b"", b"junk", b"\xc1", b"\x90", NO_UTF8, b"\xc0" * 4096], ids=range(6))
async def test_what_is_damaged_is_left_out_and_the_rest_is_restored(junk: bytes) -> None:
    """A row, a quota, the spend, the ratio: none of them keeps the daemon from starting."""
    store = Moody()
    env, owner, before, _ = started(store)
    for i in range(3):
        tables.serve(owner, env, i, tables.good())
    await before.save(ProbeSpend(1, 2, 3))
    await store.save(ROWS, {"p/b": junk})
    await store.save(QUOTAS, {"p": junk, "q": junk})
    await store.save(MISC, {"probe_spend": junk, "tokens_per_byte": junk})
    env2, owner2, after, told = started(store)
    await after.restore()
    assert after.restored == 2
    assert [row.total.over(3600, env2.now()).n for row in owner2.rows] == [1, 0, 1]
    assert after.probe_spend == ProbeSpend()
    assert owner2.tokens_per_byte == 0.25
    assert told == [] and after.up


async def test_bits_that_flip_never_keep_the_daemon_from_starting() -> None:
    """4,000 random injuries to a saved row."""
    store = Moody()
    env, owner, before, _ = started(store)
    for _ in range(30):
        tables.serve(owner, env, 0, tables.good())
        env.advance(5)
    tables.break_open(owner, env, 0)
    await before.save(ProbeSpend())
    whole = (await store.load(ROWS))["p/a"]
    for _ in range(4000):
        hurt = bytearray(whole)
        for _ in range(1 + env.bits() % 3):
            hurt[env.bits() % len(hurt)] = env.bits() % 256
        await store.save(ROWS, {"p/a": bytes(hurt[: env.bits() % (2 * len(hurt))])})
        _, _, after, _ = started(store, None, "p/a")
        await after.restore()


async def test_a_store_that_fails_is_told_once_and_tried_again() -> None:
    """Once down, once up, whatever the number of tries between."""
    store = Moody()
    _, _, persistence, told = started(store)
    await persistence.save(ProbeSpend())
    assert told == []
    store.error = "disk full"
    for _ in range(5):
        await persistence.save(ProbeSpend())
    assert told == [(False, "disk full")]
    assert not persistence.up
    store.error = None
    await persistence.save(ProbeSpend())
    await persistence.save(ProbeSpend())
    assert told == [(False, "disk full"), (True, "")]
    assert persistence.up


async def test_a_row_removed_while_the_store_failed_is_forgotten_later() -> None:
    """What could not be deleted then is deleted with the next good save."""
    store = Moody()
    _, owner, persistence, _ = started(store)
    await persistence.save(ProbeSpend())
    tables.configure(owner, "p/a")
    store.error = "locked"
    await persistence.save(ProbeSpend())
    store.error = None
    await persistence.save(ProbeSpend())
    assert set(await store.load(ROWS)) == {"p/a"}


async def test_a_daemon_starts_without_its_store() -> None:
    """Nothing is restored, the failure is told, and the next save says that it works again."""
    store = Moody()
    store.error = "no such disk"
    _, owner, persistence, told = started(store)
    await persistence.restore()
    assert told == [(False, "no such disk")]
    assert persistence.restored == 0
    assert all(row.refusal is None for row in owner.snapshot.rows)
    store.error = None
    await persistence.save(ProbeSpend())
    assert told[-1] == (True, "")


def test_it_saves_every_few_seconds_for_ever_and_through_failures() -> None:
    """A restart forgets at most so much."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        owner = Owner(env)
        tables.configure(owner, *DEPLOYMENTS)
        persistence = Persistence(env, owner, store, lambda _up, _text: None)
        spent = iter(range(1, 1000))
        task = asyncio.get_running_loop().create_task(persistence.run(lambda: ProbeSpend(0, next(spent), 0)))
        await env.sleep(EVERY * 10 + 0.5)
        assert store.saves == 1 + 3 * 10, "rows that were never saved, at once; then everything every few seconds"
        assert msgspec.msgpack.decode((await store.load(MISC))["probe_spend"], type=ProbeSpend).spent == 10
        store.error = "full"
        await env.sleep(EVERY * 10)
        store.error = None
        await env.sleep(EVERY * 2)
        assert persistence.up and not task.done()
        task.cancel()

    run(main)


def test_nothing_waits_for_a_store_that_hangs() -> None:
    """The table goes on living; only the loop of the persistence waits."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        owner = Owner(env)
        tables.configure(owner, *DEPLOYMENTS)
        persistence = Persistence(env, owner, store, lambda _up, _text: None)
        store.stuck = asyncio.Event()
        task = asyncio.get_running_loop().create_task(persistence.run(ProbeSpend))
        await env.sleep(60)
        generation = owner.snapshot.generation
        for _ in range(3):
            lease = owner.lease(0, env.now())
            assert not isinstance(lease, str)
            lease.settle(tables.bad())
        assert owner.snapshot.generation > generation
        assert owner.snapshot.rows[0].refusal == "breaker_open"
        store.stuck.set()
        store.stuck = None
        await env.sleep(1)
        assert set(await store.load(ROWS)) == set(DEPLOYMENTS)
        task.cancel()

    run(main)


def test_statistics_are_written_in_turn_and_a_transition_at_once() -> None:
    """Each row in ``TURNS`` saves of a large table; one whose breaker opened or that got an order, before the next."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        many = TURNS * AT_ONCE
        _, owner, persistence, _ = started(store, env, *(f"p/m{i}" for i in range(many)))  # type: ignore[arg-type]
        loop = env._loop.create_task(persistence.run(ProbeSpend))
        await env.sleep(EVERY * 0.5)
        assert [len(rows) for rows in store.written] == [many], "nothing is there yet"
        await env.sleep(EVERY * TURNS)
        usual = store.written[1:]
        assert [len(rows) for rows in usual] == [AT_ONCE] * TURNS
        assert sorted(r for rows in usual for r in rows) == sorted(row.spec.id for row in owner.rows)
        tables.break_open(owner, env, 3)
        owner.order(owner.rows[4], AdminState.DRAIN, by="me", reason="")
        await env.sleep(SOON)
        assert store.written[-1] == ["p/m3", "p/m4"]
        saves = store.saves
        for i in range(5):  # single failures come and go
            tables.serve(owner, env, i % 3, tables.bad())
            tables.serve(owner, env, i % 3, tables.good())
        await env.sleep(SOON)
        assert store.saves == saves
        store.error = "full"
        await env.sleep(EVERY)
        store.error = None
        await env.sleep(EVERY)
        assert len(store.written[-1]) == many, "what was in the save that failed is not lost"
        loop.cancel()

    run(main)


@pytest.mark.parametrize(("rows", "saves"), [(1, 1), (AT_ONCE, 1), (AT_ONCE + 1, 2), (3 * AT_ONCE, 3)])
def test_a_kill_takes_the_least_it_can_of_the_statistics(rows: int, saves: int) -> None:
    """All rows of a usual table are in each save; a larger one is written in as few as its size asks for."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        _, owner, persistence, _ = started(store, env, *(f"p/m{i}" for i in range(rows)))  # type: ignore[arg-type]
        loop = env._loop.create_task(persistence.run(ProbeSpend))
        await env.sleep(EVERY * (saves + 0.5))
        written = store.written[1:]
        assert len(written) == saves
        assert sorted(id_ for part in written for id_ in part) == sorted(row.spec.id for row in owner.rows)
        loop.cancel()

    run(main)


def test_much_is_written_in_turn_however_few_rows_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy row's statistics are 230 KB: ten of them every few seconds would wear a disk out."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        _, owner, persistence, _ = started(store, env, *(f"p/m{i}" for i in range(12)))  # type: ignore[arg-type]
        loop = env._loop.create_task(persistence.run(ProbeSpend))
        for i in range(12):
            for k in range(60):
                tables.serve(owner, env, i, tables.good(0.01 * 1.03**k, 0.1 * 1.03**k))  # type: ignore[arg-type]
        await env.sleep(EVERY * TURNS)
        size = sum(len(saved.dump(row, env.now(), env.wall())) for row in owner.rows)
        monkeypatch.setattr(persist, "BYTES_AT_ONCE", size / 2.5)
        before = len(store.written)
        await env.sleep(EVERY * 3)
        written = store.written[before:]
        assert [len(part) for part in written] == [4, 4, 4]
        assert sorted(id_ for part in written for id_ in part) == sorted(row.spec.id for row in owner.rows)
        loop.cancel()

    run(main)


def test_a_killed_daemon_comes_back_with_what_it_knew_a_moment_ago() -> None:
    """A breaker that opened and a 429 that was told a second before, with what is left of their waits."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        _, owner, persistence, _ = started(store, env)  # type: ignore[arg-type]
        loop = env._loop.create_task(persistence.run(ProbeSpend))
        await env.sleep(EVERY + 1)
        tables.break_open(owner, env, 0)  # type: ignore[arg-type]
        tables.serve(owner, env, 2, tables.bad(FailureKind.RATE, retry_after_s=60.0))  # type: ignore[arg-type]
        opened, retry_in = owner.rows[0].breaker, owner.rows[0].breaker.retry_at - env.now()
        await env.sleep(1)
        loop.cancel()

        env2, owner2, after, _ = started(store, FakeEnv(now=7.0, wall=env.wall() + 0.5))
        await after.restore()
        b = owner2.rows[0].breaker
        assert (b.phase, b.cause, b.openings) == (Phase.OPEN, opened.cause, 1)
        assert b.retry_at - env2.now() == pytest.approx(retry_in - 1.5, abs=0.01)
        blocked = quota.next_timer(owner2.accounts.quotas["q"], env2.now())
        assert blocked is not None and blocked - env2.now() == pytest.approx(58.5, abs=0.01)
        saves = store.saves
        await after.follow()
        assert store.saves == saves, "what was restored is there already"

    run(main)


async def test_scores_are_there_after_a_restart_and_are_written_when_there_are_new_ones() -> None:
    """However long it took: they are of use for weeks. What is damaged is left out."""
    store = Moody()
    env, owner, before, _ = started(store)
    for _ in range(50):
        take(owner.rows[0], "code", 0.0, env.now())
    await before.save(ProbeSpend())
    first = await store.load(QUALITY)
    assert set(first) == {"p/a"}
    await store.save(QUALITY, {"p/b": b"junk"})

    env2, owner2, after, _ = started(store, FakeEnv(now=50.0, wall=env.wall() + 3 * 86400), "p/a", "p/b")
    await after.restore()
    good = seen(owner2.rows[0], env2.now())
    assert good.value is not None and good.value < 0.5 and good.lost == {"", "code"}
    assert not owner2.rows[1].scores
    await after.save(ProbeSpend())
    assert (await store.load(QUALITY))["p/a"] == first["p/a"], "nothing new, nothing written"
    take(owner2.rows[0], "code", 1.0, env2.now())
    await after.save(ProbeSpend())
    assert (await store.load(QUALITY))["p/a"] != first["p/a"]
    tables.configure(owner2, "p/b")
    await after.save(ProbeSpend())
    assert "p/a" not in await store.load(QUALITY)
