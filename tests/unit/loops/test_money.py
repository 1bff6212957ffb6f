"""Writing money down: nothing lost, nothing twice, and no accident by which a budget is passed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from lbd.loops.money import AFTER_A_FAULT, BUDGETS, DAY, FORGET_EVERY, Money
from lbd.model.ledger import Entry, Kind
from lbd.model.outcome import Usage
from lbd.model.provider import BudgetSpec
from lbd.observe.ledger import Ledger
from lbd.ports import Env, StoreError
from lbd.store.books import SqliteBooks
from lbd.store.memory import MemoryStore
from lbd.table.purses import Hold, Purses, Short
from tests.fakes import tables
from tests.fakes.env import FakeEnv
from tests.fakes.records import record
from tests.fakes.virtual import VirtualEnv, run

T = TypeVar("T")
Mood = Literal["well", "refuses", "writes and fails"]
SNAPSHOT = tables.snapshot([tables.view("p/a")])
FOR_EVER = 1e11


class MoodyStore(MemoryStore):
    """A store that may fail before it has written, or after it."""

    mood: Mood = "well"
    stuck: asyncio.Event | None = None
    saves = 0

    async def load(self, table: str) -> dict[str, bytes]:
        if self.mood == "refuses":
            raise StoreError("the store is ill")
        return await super().load(table)

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        self.saves += 1
        if self.stuck is not None:
            await self.stuck.wait()
        if self.mood == "refuses":
            raise StoreError("the store is ill")
        await super().save(table, rows, gone=gone)
        if self.mood == "writes and fails":
            raise StoreError("the store is ill")


class MoodyBooks(SqliteBooks):
    """A ledger that may fail before it has written, or after it."""

    mood: Mood = "well"
    stuck: asyncio.Event | None = None

    async def append(self, entries: Sequence[Entry]) -> int:
        if self.stuck is not None:
            await self.stuck.wait()
        if self.mood == "refuses":
            raise StoreError("the ledger is ill")
        new = await super().append(entries)
        if self.mood == "writes and fails":
            raise StoreError("the ledger is ill")
        return new


class Life:
    """One life of a daemon before its disks."""

    def __init__(self, env: Env, store: MemoryStore, books: SqliteBooks, *specs: BudgetSpec) -> None:
        self.env = env
        self.ledger = Ledger(lambda: SNAPSHOT)
        self.told: list[tuple[bool, str]] = []
        self.purses = Purses(lambda *_: None)
        self.purses.configure(specs, env.wall())
        self.money = Money(env, self.ledger, books, self.purses, store, lambda up, why: self.told.append((up, why)))

    def note(self, id_: str, nano: int = 1) -> None:
        self.ledger.own(id_, Kind.CLIENT, "p/a", self.env.wall(), Usage(1, 1), nano)

    def hold(self, amount: int) -> Hold | Short:
        return self.purses.hold("c", "s", "p", amount, self.env.wall())


def spec(limit: int = 6400, **more: Any) -> BudgetSpec:
    return BudgetSpec("client", "c", more.pop("period", "day"), limit, **more)


def disks() -> tuple[MoodyStore, MoodyBooks]:
    return MoodyStore(), MoodyBooks(None)


async def kept(books: SqliteBooks) -> list[str]:
    return sorted(e.id for e in await books.entries(0, FOR_EVER))


# --- the ledger ---------------------------------------------------------------------------------------


def test_entries_are_written_every_50_ms() -> None:
    """Requests and what lbd spends itself; nothing is written where nothing is new."""

    async def main(env: VirtualEnv) -> None:
        store, books = disks()
        life = Life(env, store, books)
        await life.money.keep()
        task = asyncio.get_running_loop().create_task(life.money.run())
        life.ledger.note(record())
        life.note("req_2/0")
        await env.sleep(0.051)
        assert await kept(books) == ["req_1/1", "req_2/0"]
        await env.sleep(10)
        assert store.saves == 0 and not life.told
        task.cancel()

    run(main)


@pytest.mark.parametrize("mood", ["refuses", "writes and fails"])
def test_a_ledger_that_fails_and_recovers_loses_and_doubles_nothing(mood: Mood) -> None:
    """What was not written, or nobody knows whether it was, is written again; both are told once."""

    async def main(env: VirtualEnv) -> None:
        store, books = disks()
        life = Life(env, store, books)
        await life.money.keep()
        task = asyncio.get_running_loop().create_task(life.money.run())
        for n in range(100):
            books.mood = mood if 20 <= n < 60 else "well"
            life.note(f"r{n:02}/1", 7)
            await env.sleep(0.1)
        assert life.told == [(False, "the ledger is ill"), (True, "")]
        await env.sleep(AFTER_A_FAULT)
        assert await kept(books) == [f"r{n:02}/1" for n in range(100)]
        (total,) = await books.totals(0, FOR_EVER)
        assert (total.attempts, total.cost, life.ledger.lost) == (100, 700, 0)
        task.cancel()

    run(main)


def test_a_ledger_that_fails_keeps_no_budget_from_being_granted_and_the_other_way_round() -> None:
    """They are files of their own."""

    async def main(env: VirtualEnv) -> None:
        store, books = disks()
        life = Life(env, store, books, spec())
        books.mood = "refuses"
        life.note("a/1")
        await life.money.keep()
        assert isinstance(life.hold(5), Hold) and life.told == [(False, "the ledger is ill")]
        store.mood, books.mood = "refuses", "well"
        life.hold(5000)
        await life.money.keep()
        assert await kept(books) == ["a/1"] and life.told[1:] == []
        found = life.hold(5000)
        assert isinstance(found, Short) and found.dry
        store.mood = "well"
        await life.money.keep()
        assert isinstance(life.hold(5000), Hold) and life.told[1:] == [(True, "")]

    run(main)


def test_a_write_that_is_cut_off_by_the_end_is_made_again() -> None:
    """Nobody knows whether the disk has it: an id counts once."""

    async def main(env: VirtualEnv) -> None:
        store, books = disks()
        life = Life(env, store, books)
        books.stuck = asyncio.Event()
        life.note("a/1")
        task = asyncio.get_running_loop().create_task(life.money.keep())
        await env.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        books.stuck = None
        life.note("b/1")
        await life.money.close()
        assert await kept(books) == ["a/1", "b/1"]

    run(main)


def test_old_entries_are_forgotten_once_an_hour() -> None:
    """Their sums stay."""

    async def main(env: VirtualEnv) -> None:
        store, books = disks()
        life = Life(env, store, books)
        life.money.days = 2
        await books.append([])
        life.ledger.own("old/1", Kind.PROBE, "p/a", env.wall() - 2 * DAY, Usage(), 5)
        life.note("new/1")
        await life.money.keep()
        assert await kept(books) == ["new/1", "old/1"]
        await env.sleep(FORGET_EVERY)
        await life.money.keep()
        assert await kept(books) == ["new/1"]
        assert (await books.totals(0, FOR_EVER))[0].attempts == 2

    run(main)


# --- budgets ------------------------------------------------------------------------------------------


async def test_the_first_grants_stand_before_the_first_request() -> None:
    """Nobody waits for the disk at the start; an end in peace costs nothing."""
    env, (store, books) = FakeEnv(), disks()
    life = Life(env, store, books, spec())
    await life.money.keep()
    held = life.hold(5)
    assert isinstance(held, Hold)
    life.purses.settle(held, 3)
    await life.money.close()
    again = Life(env, store, books, spec())
    await again.money.keep()
    assert again.purses.report(env.wall())[0]["spent_usd"] == pytest.approx(3e-9)


async def test_after_a_crash_what_was_granted_is_spent() -> None:
    """A slice more than what was under way."""
    env, (store, books) = FakeEnv(), disks()
    life = Life(env, store, books, spec())
    assert isinstance(life.hold(90), Short)  # the disk has to be told first
    await life.money.keep()
    assert isinstance(life.hold(90), Hold)
    await life.money.keep()
    again = Life(env, store, books, spec())
    await again.money.keep()
    assert 90 <= again.purses.report(env.wall())[0]["spent_usd"] * 1e9 <= 90 + 6400 // 64


def crashing(lives: int, traffic: Sequence[int]) -> float:
    """Return what is left of a budget of 1, in shares, after so many lives that ended at once or under traffic."""

    async def main(env: VirtualEnv) -> float:
        store, books = disks()
        for _ in range(lives):
            life = Life(env, store, books, spec(10**9))
            task = asyncio.get_running_loop().create_task(life.money.run())
            await env.sleep(1.0)
            for most in traffic:
                found = life.hold(most)
                while isinstance(found, Short):
                    assert found.dry
                    await env.sleep(0.01)
                    found = life.hold(most)
                await env.sleep(0.2)
                life.purses.settle(found, most // 20)  # what was held for it is mostly far too much
            await env.sleep(2.0)
            task.cancel()
        last = Life(env, store, books, spec(10**9))
        await last.money.keep()
        return 1 - last.purses.spent_of("client/c/day") / 10**9

    return run(main)


def test_a_daemon_that_crashes_again_and_again_does_not_burn_its_budgets() -> None:
    """Not where it dies before anybody came, and where somebody came hardly more than what it may have cost."""
    assert crashing(20, ()) > 0.97
    assert crashing(20, [10**6] * 5) > 1 - 20 * (5 / 20 + 8) / 1000 - 0.001


def test_what_a_crowd_was_granted_is_taken_back() -> None:
    """Else a crash an hour later takes the whole budget, of which next to nothing was spent."""

    async def main(env: VirtualEnv) -> None:
        store, books = disks()
        life = Life(env, store, books, spec(6400))
        task = asyncio.get_running_loop().create_task(life.money.run())
        held: list[Hold] = []
        while len(held) < 40:
            found = life.hold(6400 // 50)
            if isinstance(found, Hold):
                held.append(found)
            else:
                await env.sleep(0.01)
        for one in held:
            life.purses.settle(one, 5)
        store.mood = "refuses"
        await env.sleep(5.0)
        purse = life.purses._purses["client/c/day"]
        assert purse.granted <= 200 + 6400 // 64 < purse.written, "nothing more is promised of what is to be taken back"
        store.mood = "well"
        await env.sleep(5.0)
        task.cancel()
        again = Life(env, store, books, spec(6400))
        await again.money.keep()
        assert 200 <= again.purses.spent_of("client/c/day") <= 200 + 6400 // 64

    run(main)


async def test_nothing_is_granted_before_it_is_known_what_was_spent_before() -> None:
    """A store that cannot be read at the start is asked again; it is not taken for an empty one, nor written over."""
    env, (store, books) = FakeEnv(), disks()
    first = Life(env, store, books, spec())
    first.hold(100)
    await first.money.keep()
    held = first.hold(100)
    assert isinstance(held, Hold)
    first.purses.settle(held, 100)
    await first.money.close()
    store.mood = "refuses"
    second = Life(env, store, books, spec())
    await second.money.keep()
    await second.money.keep()
    assert second.told == [(False, "the store is ill")]
    found = second.hold(1)
    assert isinstance(found, Short) and found.dry
    await second.money.close()
    third = Life(env, store, books, spec())
    await third.money.keep()
    store.mood = "well"
    await third.money.close()  # reads it at last
    assert third.purses.spent()["client/c/day"][1] == 100
    assert third.told == [(False, "the store is ill"), (True, "")]


async def test_what_cannot_be_read_of_the_budgets_is_left_out() -> None:
    """The rest is taken up."""
    env, (store, books) = FakeEnv(), disks()
    day = int(env.wall() // DAY) * int(DAY)
    rows = {"client/c/day": msgspec.msgpack.encode((day, 640)), "x": b"\xff\xff", "y": msgspec.msgpack.encode("text")}
    await store.save(BUDGETS, {**rows, "z": b"\xd9\x02\xff\xff"})
    life = Life(env, store, books, spec())
    await life.money.keep()
    assert life.purses.report(env.wall())[0]["spent_usd"] == pytest.approx(640e-9)


def test_two_who_keep_at_once_do_not_write_a_smaller_grant_over_a_larger_one() -> None:
    """Reports have the ledger written too: what stands on the disk is what was promised."""

    async def main(env: VirtualEnv) -> None:
        store, books = disks()
        life = Life(env, store, books, spec())
        await life.money.keep()
        found = life.hold(3000)
        assert isinstance(found, Short) and found.dry
        store.stuck = asyncio.Event()
        keeping = [asyncio.get_running_loop().create_task(life.money.keep()) for _ in range(2)]
        await env.sleep(0.01)
        life.purses._purses["client/c/day"].wanted = 0
        store.stuck.set()
        await asyncio.gather(*keeping)
        _, granted = msgspec.msgpack.decode((await store.load(BUDGETS))["client/c/day"])
        assert granted >= life.purses._purses["client/c/day"].granted >= 3000

    run(main)


# --- any life, any death ------------------------------------------------------------------------------


def do(work: Coroutine[Any, Any, T]) -> T:
    """Do what waits for nothing."""
    try:
        work.send(None)
    except StopIteration as e:
        return e.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


SPECS = {
    key: BudgetSpec(*key)
    for key in (("client", "c", "hour", 2000), ("client", "c", "day", 3500), ("provider", "p", "hour", 2500))
}


MOODS = st.sampled_from(["well", "well", "refuses", "writes and fails"])


class Lives(RuleBasedStateMachine):
    """Requests, disks that fail, reloads, clocks, ends in peace and kills, in any order."""

    @initialize()
    def begin(self) -> None:
        self.env = FakeEnv(wall=1_790_000_000.0)
        self.latest = self.env.wall()
        self.store, self.books = disks()
        self.specs = list(SPECS.values())
        self.truth: Counter[tuple[str, int]] = Counter()  # by budget and window: what was really spent
        self.costs: dict[str, int] = {}
        self.serial = 0
        self.born()

    def born(self) -> None:
        self.flying: list[tuple[Hold, list[tuple[str, int]]]] = []
        self.noted: set[str] = set()
        self.life = Life(self.env, self.store, self.books, *self.specs)
        do(self.life.money.keep())

    @rule(amounts=st.lists(st.sampled_from([0, 1, 300, 700, 1500]), min_size=2, max_size=6))
    def ask(self, amounts: list[int]) -> None:
        for amount in amounts:
            found = self.life.hold(amount)
            if isinstance(found, Short) and found.dry:
                do(self.life.money.keep())
                found = self.life.hold(amount)
            if isinstance(found, Hold):
                self.flying.append((found, [(key, purse.window) for key, purse, _ in found.purses]))

    @rule(parts=st.lists(st.sampled_from([1.0, 1.0, 0.5, 0.01, 0.0]), min_size=1, max_size=5), first=st.booleans())
    def settle(self, parts: list[float], *, first: bool) -> None:
        for part in parts[: len(self.flying)]:
            held, of = self.flying.pop(0 if first else -1)
            actual = int(held.amount * part)
            self.truth.update(dict.fromkeys(of, actual))
            self.life.purses.settle(held, actual)
            self.serial += 1
            id_ = f"r{self.serial}/1"
            self.costs[id_] = actual
            self.noted.add(id_)
            self.life.note(id_, actual)

    @rule(store=MOODS, books=MOODS)
    def disks_change(self, store: Mood, books: Mood) -> None:
        self.store.mood, self.books.mood = store, books

    @rule()
    def keep(self) -> None:
        do(self.life.money.keep())
        if self.books.mood != "refuses":
            assert self.noted <= set(do(kept(self.books)))

    @rule()
    def kill(self) -> None:
        for held, of in self.flying:  # the providers worked on, and nobody heard how much
            self.truth.update(dict.fromkeys(of, held.amount))
        self.born()

    @rule()
    def end_in_peace(self) -> None:
        while self.flying:
            held, of = self.flying.pop()
            self.truth.update(dict.fromkeys(of, held.amount))
            self.life.purses.settle(held, held.amount)
        do(self.life.money.close())
        self.born()

    @rule(names=st.sets(st.sampled_from(sorted(SPECS))))
    def reload(self, names: set[Any]) -> None:
        self.specs = [SPECS[name] for name in sorted(names)]
        self.life.purses.configure(self.specs, self.env.wall())

    @rule(seconds=st.sampled_from([1, 10, 600, 3600, -600, -3600]))
    def time_goes_or_the_clock_is_set(self, seconds: int) -> None:
        # one that was ahead by more than a window is another matter: what was spent then counts in two of them
        self.latest = max(self.latest, self.env.wall() + seconds)
        self.env._offset = max(self.env._offset + seconds, self.env._offset + self.latest - 3600 - self.env.wall())

    @precondition(lambda self: hasattr(self, "life"))
    @invariant()
    def no_budget_is_passed(self) -> None:
        for key, purse in self.life.purses._purses.items():
            assert purse.limit == purse.left + purse.reserved + purse.spent, key
            assert purse.reserved >= 0 and purse.spent + purse.reserved <= purse.granted <= purse.limit, key
        limits = {spec.key: spec.limit for spec in SPECS.values()}
        assert all(spent <= limits[key] for (key, _), spent in self.truth.items()), self.truth

    @precondition(lambda self: hasattr(self, "life"))
    @invariant()
    def the_ledger_has_each_once(self) -> None:
        rows = do(self.books.entries(0, FOR_EVER))
        (total,) = do(self.books.totals(0, FOR_EVER))
        assert total.attempts == len(rows) == len({e.id for e in rows})
        assert total.cost == sum(self.costs[e.id] for e in rows)

    def teardown(self) -> None:
        """In the end, where the disks work, everything that this life has noted is there."""
        if hasattr(self, "life"):
            self.store.mood = self.books.mood = "well"
            do(self.life.money.keep())
            assert self.noted <= set(do(kept(self.books))) and self.life.ledger.lost == 0


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)


def test_what_was_not_written_down_of_a_budget_is_what_the_ledger_knows() -> None:
    """A store that was set aside as damaged makes no limit larger: hour by hour, of this client alone."""

    async def main(env: VirtualEnv) -> None:
        _, books = disks()
        life = Life(env, MoodyStore(), books)
        for n, (client, nano) in enumerate((("c", 4000), ("c", 1000), ("other", 999))):
            entry = life.ledger.entries(replace(record(), id=f"req_{n}", client=client))[0]
            await books.append([replace(entry, cost=nano, time=env.wall())])
        again = Life(env, MoodyStore(), books, spec(6400), spec(2000, period="hour"))
        await again.money.keep()
        assert isinstance(again.hold(1), Short), "the hour is over its limit"
        (day, hour) = again.purses.report(env.wall())
        assert (day["spent_usd"], hour["spent_usd"]) == (5000 / 1e9, 5000 / 1e9)

    run(main)
