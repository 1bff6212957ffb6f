"""Batches in virtual time: every line gets its one result, through outages, restarts, cancels and full disks."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.batch.shelf import Shelf
from lbd.loops.batch import AT_ONCE, GRACE, OPEN, OPEN_SINGLE, SETTLE, SWEEP_EVERY, Batches
from lbd.loops.errand import Answer
from lbd.model.batch import Batch, Fate, Status
from lbd.model.outcome import Usage
from lbd.ports import StoreError
from lbd.state import batch as states
from lbd.tasks import Tasks
from tests.fakes.shelves import MoodyBlobs, MoodyStore, shelf
from tests.fakes.virtual import VirtualEnv, run

CHAT = "/v1/chat/completions"
T = TypeVar("T")
Reply = Callable[[str, int], Answer]  # of a line, at its nth time


def good(line: str, _nth: int) -> Answer:
    return Answer(200, "req_1", json.dumps({"of": line}).encode())


def error(status: int, code: str | None = None) -> Answer:
    return Answer(status, "req_1", json.dumps({"error": {"code": code}}).encode())


class Provider:
    """Answers lines after a while; implements what the loop needs of Errands."""

    def __init__(self, env: VirtualEnv, takes_s: float | Callable[[str], float] = 1.0, reply: Reply = good) -> None:
        self.env = env
        self.takes_s = takes_s  # or what it takes for a line
        self.reply = reply
        self.sent: Counter[str] = Counter()
        self.order: list[tuple[str, str]] = []
        self.within: list[float] = []
        self.wishes: list[object] = []
        self.running = 0
        self.most = 0

    async def run(self, client: str, _shape: object, raw: bytes, within_s: float, wishes: object) -> Answer:
        line = json.loads(raw)["line"]
        self.sent[line] += 1
        self.order.append((client, line))
        self.within.append(within_s)
        self.wishes.append(wishes)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.env.sleep(self.takes_s(line) if callable(self.takes_s) else self.takes_s)
            return self.reply(line, self.sent[line])
        finally:
            self.running -= 1


async def inline(work: Callable[[], T]) -> T:
    return work()


class World:
    """A daemon's batches, which can be killed and started again on the same store."""

    def __init__(self, env: VirtualEnv, provider: Provider | None = None) -> None:
        self.env = env
        self.store, self.blobs = MoodyStore(), MoodyBlobs()
        self.provider = provider or Provider(env)
        self.ended: list[Batch] = []
        self.crashes: list[str] = []
        self.peak_until = 0.0

    async def start(self) -> World:
        self.shelf = Shelf(self.env, self.store, self.blobs)
        self.tasks = Tasks(self.env, lambda kind, name, e: self.crashes.append(f"{kind} {name} {e!r}"))
        self.batches = Batches(
            self.env,
            self.shelf,
            self.provider,  # type: ignore[arg-type]
            {CHAT: None},  # type: ignore[dict-item]
            spawn=self.tasks.once,
            offload=inline,
            ended=self.ended.append,
            waits=lambda: self.env.wall() < self.peak_until,
        )
        self.tasks.loop("batches", self.batches.run)
        await self.env.sleep(0.01)
        return self

    async def kill(self) -> None:
        """End it in the middle of whatever it does."""
        await self.tasks.close()

    async def begin(self, lines: int | bytes, *, client: str = "c", hours: int = 24, keep_s: int | None = None) -> str:
        data = lines if isinstance(lines, bytes) else b"\n".join(text(f"{client}{i}") for i in range(lines))
        file = await self.shelf.add(client, "in", data, keep_s=None)
        now = self.shelf.now()
        batch = Batch(
            self.shelf.new_id("batch_"), client, CHAT, file.id, f"{hours}h", now, now + hours * 3600, None, keep_s
        )
        await self.shelf.begin(batch)
        return batch.id

    async def single(self, line: str, *, client: str = "c", within_s: int = 86400) -> str:
        """Leave one request to wait by itself."""
        file = await self.shelf.add(client, "r", text(line), keep_s=None, purpose=states.SINGLE)
        now = self.shelf.now()
        one = Batch(self.shelf.new_id("resp_"), client, CHAT, file.id, "", now, now + within_s, single=True)
        await self.shelf.begin(one)
        return one.id

    async def until(self, batch: str, *statuses: Status, every: float = 0.1) -> Batch:
        while self.shelf.batches[batch].status not in statuses:
            await self.env.sleep(every)
        return self.shelf.batches[batch]

    async def under_way(self) -> None:
        """Wait until lines have been sent."""
        while not self.provider.running:
            await self.env.sleep(0.01)

    async def results(self, batch: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return good and failed results; each line has one."""
        found = self.shelf.batches[batch]
        out = []
        for name in (found.output_file_id, found.error_file_id):
            data = b"" if name is None else await self.blobs.read(name)
            assert name is None or (data and self.shelf.files[name].bytes == len(data))
            lines = [json.loads(x) for x in data.splitlines()]
            out.append({x["custom_id"]: x for x in lines})
            assert len(out[-1]) == len(lines)
        assert not out[0].keys() & out[1].keys()
        assert (found.counts.completed, found.counts.failed) == (len(out[0]), len(out[1]))
        return out[0], out[1]


def text(line: str) -> bytes:
    return json.dumps({"custom_id": line, "method": "POST", "url": CHAT, "body": {"line": line, "model": "m"}}).encode()


def play(test: Callable[[World], Any], **provider: Any) -> None:
    async def main(env: VirtualEnv) -> None:
        world = await World(env, Provider(env, **provider)).start()
        await test(world)
        await world.kill()
        assert not world.crashes, world.crashes

    run(main)


def test_a_batch_runs_a_few_lines_at_a_time() -> None:
    """Each once, in order, with the window as its deadline; then it is told."""

    async def test(w: World) -> None:
        batch = await w.begin(50, keep_s=3600)
        done = await w.until(batch, Status.COMPLETED)
        output, errors = await w.results(batch)
        assert set(w.provider.sent.values()) == {1} and len(output) == 50 and not errors
        assert output["c7"]["response"]["body"] == {"of": "c7"}
        assert w.provider.most == AT_ONCE
        assert [line for _, line in w.provider.order] == [f"c{i}" for i in range(50)]
        assert all(86000 < s < 86400 and s % 60 == 0 for s in w.provider.within)
        assert w.ended == [done] and done.error_file_id is None
        assert done.output_file_id is not None
        file = w.shelf.files[done.output_file_id]
        assert file.expires_at == file.created_at + 3600 and file.purpose == "batch_output"
        assert w.shelf.growing == {} and w.shelf.held == sum(f.bytes for f in w.shelf.files.values())

    play(test)


def test_an_input_that_is_none_fails() -> None:
    """Nothing is sent."""

    async def test(w: World) -> None:
        batch = await w.until(await w.begin(b"nonsense\n" + text("a")), Status.FAILED)
        assert [(f.line, f.code) for f in batch.faults] == [(1, "invalid_json_line")]
        assert not w.provider.sent and w.ended == [batch]

    play(test)


def test_failed_lines_stand_apart() -> None:
    """A client's fault at once, a provider's after a few tries."""

    def reply(line: str, nth: int) -> Answer:
        return {"c1": error(400), "c2": error(502), "c3": error(502) if nth < 3 else good(line, nth)}.get(
            line, good(line, nth)
        )

    async def test(w: World) -> None:
        batch = await w.begin(5)
        await w.until(batch, Status.COMPLETED)
        output, errors = await w.results(batch)
        assert set(output) == {"c0", "c3", "c4"}
        assert {k: v["response"]["status_code"] for k, v in errors.items()} == {"c1": 400, "c2": 502}
        assert w.provider.sent == {"c0": 1, "c1": 1, "c2": states.TRIES, "c3": 3, "c4": 1}

    play(test, reply=reply)


def test_an_outage_is_waited_for() -> None:
    """Three hours in which nobody can serve fail no line, and are no storm of requests."""

    async def test(w: World) -> None:
        until = w.env.now() + 3 * 3600
        w.provider.reply = lambda line, nth: (
            error(503, "all_deployments_unavailable") if w.env.now() < until else good(line, nth)
        )
        batch = await w.begin(30)
        await w.until(batch, Status.COMPLETED)
        output, _ = await w.results(batch)
        assert len(output) == 30 and w.env.now() - until < 120
        assert w.provider.sent.total() < 3 * 3600 / 50 * AT_ONCE

    play(test)


def test_a_window_that_ends_is_told_line_by_line() -> None:
    """What is done stays; what is under way has its deadline then; nothing is sent later."""

    async def test(w: World) -> None:
        w.provider.reply = lambda line, nth: (
            good(line, nth) if len(w.provider.sent) <= 16 else error(504, "deadline_exceeded")
        )
        batch = await w.begin(400, hours=1)
        done = await w.until(batch, Status.EXPIRED)
        output, errors = await w.results(batch)
        assert len(output) + len(errors) == 400 and output and errors
        codes = Counter((x["error"] or {"code": x["response"] and "answered"})["code"] for x in errors.values())
        assert codes["batch_expired"] > 100 and set(codes) <= {"batch_expired", "answered"}
        assert abs((done.ended_at or 0) - done.expires_at) <= 120

    play(test, takes_s=120.0)


def test_a_cancelled_batch_ends_what_is_under_way() -> None:
    """And says of the rest that it was cancelled."""

    async def test(w: World) -> None:
        batch = await w.begin(40)
        await w.under_way()
        await w.env.sleep(1.5)
        await w.shelf.keep(states.cancel(w.shelf.batches[batch], w.shelf.now()))
        done = await w.until(batch, Status.CANCELLED)
        output, errors = await w.results(batch)
        assert len(output) == w.provider.sent.total() == 2 * AT_ONCE and len(errors) == 40 - 2 * AT_ONCE
        assert {x["error"]["code"] for x in errors.values()} == {"batch_cancelled"}
        assert w.ended == [done]

    play(test)


def test_a_line_that_hangs_is_stopped_after_a_cancel() -> None:
    """Some minutes later."""

    async def test(w: World) -> None:
        batch = await w.begin(3)
        await w.under_way()
        await w.shelf.keep(states.cancel(w.shelf.batches[batch], w.shelf.now()))
        began = w.env.now()
        await w.until(batch, Status.CANCELLED)
        assert GRACE < w.env.now() - began < GRACE + 5 and w.provider.running == 0
        _, errors = await w.results(batch)
        assert len(errors) == 3

    play(test, takes_s=1e6)


def test_an_answer_that_waits_for_the_disk_survives_a_cancel() -> None:
    """However long: it was paid for, and its line has one result."""

    async def test(w: World) -> None:
        batch = await w.begin(3)
        await w.under_way()
        w.blobs.error = "No space left on device"
        await w.env.sleep(2)
        await w.shelf.keep(states.cancel(w.shelf.batches[batch], w.shelf.now()))
        await w.env.sleep(GRACE + 100)
        w.blobs.error = None
        await w.until(batch, Status.CANCELLED)
        output, errors = await w.results(batch)
        assert len(output) == 3 and not errors

    play(test)


def test_a_batch_that_is_cancelled_before_it_begins_has_no_files() -> None:
    """Nothing was sent, nothing is told of lines."""

    async def test(w: World) -> None:
        batch = await w.begin(3)
        await w.shelf.keep(states.cancel(w.shelf.batches[batch], w.shelf.now()))
        done = await w.until(batch, Status.CANCELLED)
        assert (done.output_file_id, done.error_file_id) == (None, None) and not w.provider.sent

    play(test)


def test_batches_and_clients_take_turns() -> None:
    """A large batch does not keep a small one waiting, nor many of one client those of another."""

    async def test(w: World) -> None:
        many = [await w.begin(200, client="many") for _ in range(OPEN.most)]
        few = await w.begin(4, client="few")
        began = w.env.now()
        await w.until(few, Status.COMPLETED)
        assert w.env.now() - began < 5
        assert len({b for b in many if w.shelf.batches[b].counts.completed}) <= OPEN.of_one

    play(test)


def test_a_batch_that_nobody_can_serve_holds_up_no_other() -> None:
    """Neither where its lines are refused, nor where they hang."""

    async def test(w: World) -> None:
        w.provider.reply = lambda line, nth: (
            error(503, "all_deployments_unavailable") if line.startswith("stuck") else good(line, nth)
        )
        stuck = await w.begin(100, client="stuck")
        await w.env.sleep(600)
        w.provider.takes_s = 1e5
        await w.env.sleep(600)
        w.provider.takes_s = 1.0
        began = w.env.now()
        await w.until(await w.begin(40), Status.COMPLETED)
        assert w.env.now() - began < 10
        assert w.shelf.batches[stuck].counts.completed == w.shelf.batches[stuck].counts.failed == 0

    play(test)


def test_lines_that_can_be_served_go_before_those_that_wait() -> None:
    """In one batch: those of a model that is away hold up the others a little, and not for ever."""

    async def test(w: World) -> None:
        w.provider.reply = lambda line, nth: (
            error(429) if int(line[1:]) < 20 and w.env.now() < began + 7200 else good(line, nth)
        )
        began = w.env.now()
        batch = await w.begin(60)
        await w.env.sleep(300)
        assert w.shelf.batches[batch].counts.completed == 40
        await w.until(batch, Status.COMPLETED)
        assert len((await w.results(batch))[0]) == 60

    play(test)


@settings(max_examples=25)
@given(
    kills=st.lists(st.floats(0.05, 6), max_size=4),
    fates=st.lists(st.sampled_from([200, 200, 200, 400, 502]), min_size=1, max_size=40),
    torn=st.integers(0, 30),
)
def test_nothing_is_lost_or_done_twice_over_restarts(kills: list[float], fates: list[int], torn: int) -> None:
    """Whenever it is killed: each line has one result, and was sent again only if it was under way then."""

    def reply(line: str, nth: int) -> Answer:
        status = fates[int(line[1:])]
        return good(line, nth) if status == 200 else error(status)

    async def main(env: VirtualEnv) -> None:
        w = await World(env, Provider(env, 0.7, reply)).start()
        batch = await w.begin(len(fates))
        for kill in kills:
            await env.sleep(kill)
            await w.kill()
            found = w.shelf.batches[batch]
            if found.output_id is not None and not found.ended:  # a line that the crash cut off
                await w.blobs.append(found.output_id, b'{"id":"batch_req_x","custom_id":"torn"}\n'[:torn])
            await w.start()
        done = await w.until(batch, Status.COMPLETED)
        output, errors = await w.results(batch)
        assert {int(k[1:]) for k in output} == {i for i, f in enumerate(fates) if f == 200}
        assert len(output) + len(errors) == len(fates) == done.counts.total
        usual = sum(states.TRIES if f == 502 else 1 for f in fates)
        assert w.provider.sent.total() <= usual + len(kills) * AT_ONCE * states.TRIES
        await w.kill()
        assert not w.crashes

    run(main)


TOLD = {"usage": {"prompt_tokens": 20, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}}


def telling(line: str, _nth: int) -> Answer:
    return Answer(200, "req_1", json.dumps({"of": line, **TOLD}).encode())


@settings(max_examples=25)
@given(kills=st.lists(st.floats(0.05, 6), max_size=4), fates=st.lists(st.booleans(), min_size=1, max_size=40))
def test_usage_is_that_of_each_line_once_over_restarts(kills: list[float], fates: list[bool]) -> None:
    """Whenever it is killed: lines that are sent again are not counted again, those that failed used nothing."""

    def reply(line: str, nth: int) -> Answer:
        return telling(line, nth) if fates[int(line[1:])] else error(400)

    async def main(env: VirtualEnv) -> None:
        w = await World(env, Provider(env, 0.7, reply)).start()
        batch = await w.begin(len(fates))
        for kill in kills:
            await env.sleep(kill)
            await w.kill()
            before = w.shelf.batches[batch]
            await w.start()
            if before.usage is not None:
                now = w.shelf.batches[batch]
                assert now.usage == before.usage and now.model == before.model
        done = await w.until(batch, Status.COMPLETED)
        n = sum(fates)
        assert done.usage == Usage(20 * n, 3 * n, 8 * n) and done.model == "m"
        await w.kill()
        await w.start()
        assert w.shelf.batches[batch] == done
        await w.kill()
        assert not w.crashes

    run(main)


def test_usage_that_no_answer_tells_is_not_known() -> None:
    """No zero is made up; while nothing was answered, nothing was used."""

    async def test(w: World) -> None:
        batch = await w.begin(3)
        await w.under_way()
        assert w.shelf.batches[batch].usage == Usage()
        assert (await w.until(batch, Status.COMPLETED)).usage is None

    play(test)


def test_lines_are_counted_by_their_ends() -> None:
    """Once each, when they end; those that an earlier run of the daemon wrote are its own."""

    def reply(line: str, nth: int) -> Answer:
        return error(400) if line == "c0" else good(line, nth)

    async def main(env: VirtualEnv) -> None:
        w = await World(env, Provider(env, 1.0, reply)).start()
        await w.until(await w.begin(10), Status.COMPLETED)
        assert w.batches.lines == {**dict.fromkeys(Fate, 0), Fate.COMPLETED: 9, Fate.FAILED: 1}
        batch = await w.begin(40)
        await w.under_way()
        await env.sleep(1.5)
        before = w.batches.lines
        await w.kill()
        await w.start()
        assert sum(w.batches.lines.values()) == 0
        await w.shelf.keep(states.cancel(w.shelf.batches[batch], w.shelf.now()))
        done = await w.until(batch, Status.CANCELLED)
        total = {fate: n + w.batches.lines[fate] for fate, n in before.items()}
        assert total[Fate.CANCELLED] > 0 and sum(total.values()) == 10 + 40
        assert total[Fate.COMPLETED] == 9 + done.counts.completed
        w.provider.takes_s = 3000.0
        await w.until(await w.begin(40, hours=1), Status.EXPIRED)
        assert w.batches.lines[Fate.EXPIRED] > 0
        await w.kill()
        assert not w.crashes

    run(main)


def test_answers_wait_for_a_disk() -> None:
    """Full, or gone: what was paid for is kept until it can be written; nothing is asked for again."""

    async def test(w: World) -> None:
        batch = await w.begin(20)
        await w.under_way()
        w.blobs.error = "No space left on device"
        await w.env.sleep(60)
        assert w.provider.sent.total() <= AT_ONCE
        w.blobs.error = None
        await w.until(batch, Status.COMPLETED)
        output, _ = await w.results(batch)
        assert len(output) == 20 and set(w.provider.sent.values()) == {1}

    play(test)


def test_a_store_that_fails_holds_up_a_batch_and_no_more() -> None:
    """The loop is started again by its supervisor, and ends what it had begun."""

    async def main(env: VirtualEnv) -> None:
        w = await World(env).start()
        batch = await w.begin(10)
        await w.under_way()
        w.store.error = "away"
        await env.sleep(30)
        w.store.error = None
        await w.until(batch, Status.COMPLETED)
        assert len((await w.results(batch))[0]) == 10 and set(w.provider.sent.values()) == {1}
        await w.kill()
        assert w.crashes and all("away" in c for c in w.crashes)
        w.store.error = "away"
        await w.start()
        assert not w.shelf.loaded
        w.store.error = None
        await env.sleep(5)
        assert w.shelf.batches[batch].status is Status.COMPLETED
        await w.kill()

    run(main)


def test_nothing_is_sent_once_the_daemon_ends() -> None:
    """What is under way may end; the rest is for the next run."""

    async def test(w: World) -> None:
        batch = await w.begin(30)
        await w.under_way()
        w.batches.closing = True
        await w.env.sleep(10)
        assert w.provider.sent.total() == AT_ONCE == w.shelf.batches[batch].counts.completed
        await w.kill()
        await w.start()
        await w.until(batch, Status.COMPLETED)
        assert set(w.provider.sent.values()) == {1}

    play(test)


@pytest.mark.parametrize("slow_s", [0.3, 0.9])
def test_what_is_answered_while_the_daemon_ends_is_not_asked_again(slow_s: float) -> None:
    """Its disk is slow: nothing is sent that was only being read, and what came is written before the end."""

    async def test(w: World) -> None:
        w.blobs.pause = lambda: w.env.sleep(slow_s)
        batch = await w.begin(60)
        for at in (1.6, 1.8, 0.3):
            await w.under_way()
            await w.env.sleep(at)
            w.batches.closing = True
            while w.provider.running:
                await w.env.sleep(0.05)
            await w.batches.settle()
            await w.kill()
            assert w.provider.running == 0
            await w.start()
        w.blobs.pause = None
        await w.until(batch, Status.COMPLETED)
        assert set(w.provider.sent.values()) == {1}

    play(test, takes_s=lambda line: 0.5 + int(line[1:]) % 7 / 10)


def test_an_end_does_not_wait_for_a_disk_that_is_gone() -> None:
    """What is not written in time is asked again."""

    async def test(w: World) -> None:
        batch = await w.begin(3)
        await w.under_way()
        w.blobs.error = "gone"
        w.batches.closing = True
        await w.env.sleep(1.1)
        began = w.env.now()
        await w.batches.settle()
        assert SETTLE <= w.env.now() - began < SETTLE + 0.1
        await w.kill()
        w.blobs.error = None
        await w.start()
        await w.until(batch, Status.COMPLETED)
        assert set(w.provider.sent.values()) == {2}

    play(test)


def test_old_files_and_batches_go() -> None:
    """A month after the end."""

    async def test(w: World) -> None:
        batch = await w.begin(1)
        await w.until(batch, Status.COMPLETED)
        for wait in (0.0, states.KEPT - 7200):
            await w.kill()
            await w.env.sleep(wait)
            await w.start()
            assert len(w.shelf.files) == 2 and batch in w.shelf.batches
        await w.env.sleep(3 * 7200)  # the loop looks for them now and then
        assert not w.shelf.files and not w.shelf.batches and not w.blobs._kept

    play(test)


async def test_trouble_of_the_store_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks is told."""
    loop = asyncio.get_running_loop()
    env = VirtualEnv(loop, 1)
    store = MoodyStore()
    made = await shelf(env, store)
    now = made.now()
    batch = Batch("batch_1", "c", CHAT, "file-x", "24h", now, now + 86400)
    await made.begin(batch)
    store.error = "away"
    await made.keep(states.cancel(batch, now))
    batches = Batches(env, made, None, {}, spawn=None, offload=inline, ended=print)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="away"):
        await batches.look()


DEEP = b"[" * 20_000 + b"]" * 20_000


def test_a_batch_that_is_wrong_holds_up_no_other() -> None:
    """Whatever is in its lines."""

    async def main(env: VirtualEnv) -> None:
        world = await World(env).start()
        raw = b'{"custom_id":"a","method":"POST","url":"%b","body":{"line":"a","x":%b}}' % (CHAT.encode(), DEEP)
        bad, fine = await world.begin(raw, client="other"), await world.begin(3)
        await world.until(fine, Status.COMPLETED)
        await world.until(bad, Status.FAILED, Status.COMPLETED)
        assert not world.crashes
        await world.kill()

    run(main)


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_that_is_nested_too_deep_is_an_answer(status: int) -> None:
    """It is recorded once, and not asked for again."""

    async def main(env: VirtualEnv) -> None:
        body = b'{"error":{"code":%b}}' % DEEP
        provider = Provider(env, reply=lambda _line, _nth: Answer(status, "r", body))
        world = await World(env, provider).start()
        batch = await world.until(await world.begin(2), Status.COMPLETED)
        assert set(provider.sent.values()) == {1} and batch.counts.completed + batch.counts.failed == 2
        assert sum(map(len, await world.results(batch.id))) == 2
        await world.kill()

    run(main)


def test_a_line_that_lbd_itself_fails_on_is_given_up_in_the_end() -> None:
    """After some tries with pauses between them; the others are answered."""

    async def main(env: VirtualEnv) -> None:
        def reply(line: str, nth: int) -> Answer:
            if line == "c1":
                raise RuntimeError(nth)
            return good(line, nth)

        provider = Provider(env, reply=reply)
        world = await World(env, provider).start()
        batch = await world.until(await world.begin(4), Status.COMPLETED)
        assert provider.sent["c1"] == states.TRIES and len(world.crashes) == states.TRIES
        done, failed = await world.results(batch.id)
        assert len(done) == 3 and failed.keys() == {"c1"}
        await world.kill()

    run(main)


def test_zeroes_among_the_results_are_no_end() -> None:
    """A machine lost its power while it wrote: the lines that are not there are sent again."""

    async def main(env: VirtualEnv) -> None:
        world = await World(env, Provider(env, takes_s=5)).start()
        batch = await world.begin(20)
        await env.sleep(7)
        output = world.shelf.batches[batch].output_id
        await world.kill()
        await world.blobs.append(output or "", b"\x00\x00\n")
        await world.start()
        ended = await world.until(batch, Status.COMPLETED)
        assert ended.counts.completed == 20
        await world.kill()

    run(main)


# --- peak hours -------------------------------------------------------------------------------------------


def test_background_waits_for_the_end_of_the_peak_while_it_can() -> None:
    """What is due before is sent at once, at whatever price; the rest leaves the hours to people."""

    async def test(world: World) -> None:
        world.peak_until = world.env.wall() + 3 * 3600
        patient, due = await world.begin(20, client="a", hours=12), await world.begin(20, client="b", hours=1)
        assert (await world.until(due, Status.COMPLETED, every=60.0)).counts.completed == 20
        assert {client for client, _ in world.provider.order} == {"b"}
        await world.env.sleep(2 * 3600)
        assert world.shelf.batches[patient].counts.completed == 0
        assert (await world.until(patient, Status.COMPLETED, every=60.0)).counts.completed == 20
        assert world.env.wall() >= world.peak_until

    play(test)


def test_one_that_would_be_late_does_not_wait_for_the_end() -> None:
    """Its window ends in the peak: it starts when just enough of it is left."""

    async def test(world: World) -> None:
        world.peak_until = world.env.wall() + 43 * 3600
        batch = await world.begin(30, hours=2)
        await world.env.sleep(3600)
        assert not world.provider.order
        assert (await world.until(batch, Status.COMPLETED, every=60.0)).counts.completed == 30

    play(test, takes_s=30.0)


def test_those_that_rest_keep_no_place_from_one_that_is_due() -> None:
    """However many of them there are, and whoever came first."""

    async def test(world: World) -> None:
        world.peak_until = world.env.wall() + 3 * 3600
        for i in range(OPEN.most + 3):
            await world.begin(3, client=f"c{i}", hours=12)
        due = await world.begin(3, client="d", hours=1)
        assert (await world.until(due, Status.COMPLETED, every=60.0)).counts.completed == 3

    play(test)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 40)), min_size=1, max_size=5), st.integers(0, 4))
def test_every_deadline_that_can_be_met_is_met(batches: list[tuple[int, int]], peak_hours: int) -> None:
    """Batches of any window and size, a peak of any length: with room for all of them, none expires."""

    async def test(world: World) -> None:
        world.peak_until = world.env.wall() + peak_hours * 3600
        ids = [await world.begin(lines, client=f"c{i}", hours=h) for i, (h, lines) in enumerate(batches)]
        for id_, (_, lines) in zip(ids, batches, strict=True):
            ended = await world.until(id_, Status.COMPLETED, Status.EXPIRED, every=60.0)
            assert (ended.status, ended.counts.completed) == (Status.COMPLETED, lines)

    play(test, takes_s=20.0)


# --- places -----------------------------------------------------------------------------------------------


def stuck(line: str, nth: int) -> Answer:
    return error(429, "insufficient_quota") if line.startswith("stuck") else good(line, nth)


def test_clients_whose_requests_wait_hold_up_nobody() -> None:
    """Two of them fill all places; another's are done at once, and each of theirs is tried now and then."""

    async def test(w: World) -> None:
        for client in ("stuck-a", "stuck-b"):
            for i in range(OPEN_SINGLE.of_one + 4):
                await w.single(f"{client}{i}", client=client)
        await w.env.sleep(60)
        patient, urgent = (
            await w.single("patient", client="c", within_s=3 * 86400),
            await w.single("urgent", client="d"),
        )
        mine = await w.single("mine", client="stuck-a", within_s=3 * 86400)
        began = w.env.now()
        for one in (patient, urgent, mine):
            assert (await w.until(one, Status.COMPLETED)).counts.completed == 1
        assert w.env.now() - began < 10
        sent = w.provider.sent.copy()
        await w.env.sleep(600)
        waited = {line: n - sent[line] for line, n in w.provider.sent.items() if line.startswith("stuck")}
        assert len(waited) == 2 * (OPEN_SINGLE.of_one + 4) and all(5 <= n <= 12 for n in waited.values()), waited

    play(test, reply=stuck)


def test_batches_that_wait_hold_up_nobody() -> None:
    """However many of how many clients."""

    async def test(w: World) -> None:
        for client in ("stuck-a", "stuck-b"):
            for _ in range(OPEN.of_one):
                await w.begin(3, client=client)
        await w.env.sleep(60)
        began = w.env.now()
        assert (await w.until(await w.begin(20), Status.COMPLETED)).counts.completed == 20
        assert w.env.now() - began < 10

    play(test, reply=stuck)


def test_a_batch_that_gave_up_its_place_goes_on_where_it_was() -> None:
    """Lines that were refused are behind the others, tries count on, nothing is sent twice that has its answer."""

    def reply(line: str, nth: int) -> Answer:
        if line.endswith(("0", "1", "2", "3")):
            return error(502) if line.startswith("x0") else error(429)
        return good(line, nth)

    async def test(w: World) -> None:
        batches = [await w.begin(40, client="x0" if i == 0 else "x1") for i in range(2)]
        for i in range(3 * OPEN.most):
            await w.begin(3, client=f"stuck-{i}")
        await w.env.sleep(1800)
        assert [w.shelf.batches[b].counts.completed for b in batches] == [24, 24]
        assert w.shelf.batches[batches[0]].status is Status.COMPLETED
        for line, n in w.provider.sent.items():
            if line.startswith("x0"):
                assert n == (states.TRIES if line.endswith(("0", "1", "2", "3")) else 1)
        w.provider.reply = good
        output, errors = await w.results((await w.until(batches[1], Status.COMPLETED)).id)
        assert len(output) == 40 and not errors

    play(test, reply=lambda line, nth: stuck(line, nth) if line.startswith("stuck") else reply(line, nth))


def test_what_ends_needs_no_place() -> None:
    """Cancelled or out of time: that is told, though every place is taken by what runs on."""

    async def test(w: World) -> None:
        for client in "abcdefgh":
            for i in range(OPEN_SINGLE.of_one):
                await w.single(f"{client}{i}", client=client)
        await w.env.sleep(5)
        ids = [await w.single(f"z{i}", client="a", within_s=7200) for i in range(3)]
        await w.env.sleep(5)
        await w.shelf.keep(states.cancel(w.shelf.batches[ids[0]], w.shelf.now()))
        await w.until(ids[0], Status.CANCELLED)
        assert w.shelf.batches[ids[1]].status is Status.IN_PROGRESS
        w.batches.closing = True
        await w.until(ids[1], Status.EXPIRED)
        await w.env.sleep(2)
        assert w.shelf.batches[ids[2]].status is Status.EXPIRED

    play(test, takes_s=50_000.0)


def test_an_urgent_request_is_sent_while_long_ones_run() -> None:
    """Of the same client, whose places are all taken by what has a day left."""

    async def test(w: World) -> None:
        for i in range(OPEN_SINGLE.of_one):
            await w.single(f"long{i}")
        await w.env.sleep(2)
        assert w.provider.running == OPEN_SINGLE.of_one
        began = w.env.now()
        await w.until(await w.single("urgent", within_s=120), Status.COMPLETED)
        assert w.env.now() - began < 5

    play(test, takes_s=lambda line: 300.0 if line.startswith("long") else 1.0)


def test_what_its_headers_wished_goes_with_a_request() -> None:
    """Each time that it is sent."""

    async def test(w: World) -> None:
        file = await w.shelf.add("c", "r", text("a"), keep_s=None, purpose=states.SINGLE)
        now, wishes = w.shelf.now(), {"max-usd": "0.5"}
        await w.shelf.begin(Batch("resp_1", "c", CHAT, file.id, "", now, now + 60, single=True, wishes=wishes))
        await w.until("resp_1", Status.COMPLETED)
        await w.until(await w.begin(1), Status.COMPLETED)
        assert w.provider.wishes == [wishes, {}]

    play(test)


def test_files_go_on_being_swept_after_a_clock_that_was_far_ahead() -> None:
    """Not only when the time has come that it told: their room would be used up by then."""

    async def main(env: VirtualEnv) -> None:
        w = await World(env).start()
        env._epoch += 365 * 86400
        await env.sleep(2 * SWEEP_EVERY)
        env._epoch -= 365 * 86400
        file = await w.shelf.add("c", "in", b"{}", keep_s=3600)
        await env.sleep(3600 + 2 * SWEEP_EVERY)
        assert file.id not in w.shelf.files
        await w.kill()
        assert not w.crashes

    run(main)
