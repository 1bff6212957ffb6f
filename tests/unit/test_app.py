"""The composition root: brought to life, changed by reloads, and ended, with nothing lost on the way."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import structlog

from lbd.app import TICK, App, RealEnv
from lbd.facts import facts
from lbd.model.batch import ENDPOINTS, Batch
from lbd.model.failure import FailureKind
from lbd.model.problem import ConfigError
from lbd.model.table import AdminState
from lbd.observe import log
from lbd.ports import StoreError
from lbd.upstream.aio import AiohttpTransport
from tests.fakes.collector import Collector
from tests.fakes.harness import Sim, compiled, provider
from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.stage import ROLE, answer, content, cut, end, head, refusal, say, stream, whole
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.wire import a_moment, until
from tests.fakes.world import SimHost


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def sim(env: VirtualEnv, **config: Any) -> Sim:
    hosts = [SimHost("a"), SimHost("b")]
    rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, ("primary", "secondary"), strict=True)]
    return Sim(env, hosts, {"providers": rows, **config})


# --- the one door for time and chance -----------------------------------------------------------------


async def test_the_real_clock_goes_forward_and_timers_keep_their_time() -> None:
    """Never early, and a time in the past is now."""
    env = RealEnv()
    called: list[float] = []
    began = env.now()
    env.call_at(began + 0.01, lambda: called.append(env.now()))
    env.call_at(began - 100, lambda: called.append(env.now()))
    dead = env.call_at(began + 0.005, lambda: called.append(-1.0))
    dead.cancel()
    dead.cancel()
    await env.sleep(0.03)
    assert env.now() - began >= 0.03
    early, late = called
    assert early - began < 0.01 and 0.01 - 0.002 <= late - began < 0.03
    assert abs(env.wall() - time.time()) < 1  # noqa: TID251


async def test_chance_is_spread_and_differs() -> None:
    """64 bits, and numbers in [0, 1)."""
    env = RealEnv()
    bits = {env.bits() for _ in range(100)}
    assert len(bits) == 100 and all(0 <= b < 2**64 for b in bits) and max(b.bit_length() for b in bits) > 60
    assert all(0 <= env.uniform() < 1 for _ in range(100))


# --- life ---------------------------------------------------------------------------------------------


def test_it_starts_serves_and_stops_with_nothing_left_running() -> None:
    """Its loops are named and supervised; after the end no task is alive."""

    async def main(env: VirtualEnv) -> None:
        s = sim(env)
        async with s:
            assert {"tick", "persist", "probe a", "probe b"} <= set(s.app.tasks.loops)
            assert (await s.ask(stream=True)).fate == "ok"
        assert s.app.tasks.count == 0
        assert len(asyncio.all_tasks()) == 1

    play(main)


def test_the_tick_lets_time_work_and_measures_how_late_it_is() -> None:
    """Once a second: the table ages, counts are folded in, the lag is known."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await s.ask(stream=True)
            await env.sleep(3)
            assert env.now() - s.app.ticked_at <= TICK and s.app.loop_lag_s == pytest.approx(0, abs=1e-6)
            assert not s.app.meter._pending
            assert s.app.meter.requests["", "interactive", "a/m-a", "ok"] == 1

    play(main)


async def test_state_outlives_a_restart(tmp_path: Path) -> None:
    """Breaker, lock-out, admin state and what the probes have spent; a deployment that is gone is forgotten."""
    store = {"store": {"url": f"sqlite://{tmp_path}/state.db"}}
    async with House(tmp_path, **store) as house:
        house.stage.always(0.001, *answer(refusal("wrong key", "invalid_api_key"), 401), host="a")
        await house.ask("m-a")
        house.app.owner.order(house.app.owner.rows[1], AdminState.DRAIN, by="me", reason="disk")
        assert house.app.owner.rows[0].lock is not None
    async with House(tmp_path, **store) as house:
        first, second = house.app.owner.rows
        assert first.lock is not None and first.lock.kind is FailureKind.AUTH
        assert second.admin is AdminState.DRAIN and second.admin_by == "me"
        assert house.app.persistence.restored == 2
        house.rows = house.rows[1:]
        house.write()
        await house.app.reload(by="test")
    async with House(tmp_path, house.rows[0], **store) as house:
        assert house.app.persistence.restored == 1


async def test_money_outlives_a_restart(tmp_path: Path) -> None:
    """Entries of the ledger, in a file beside the state, and what was spent of a budget."""
    surfaces = [{"name": "s", "budget": {"usd_per_month": 1}}]
    kept = {"store": {"url": f"sqlite://{tmp_path}/state.db"}, "surfaces": surfaces}
    async with House(tmp_path, **kept) as house:
        house.stage.always(0.001, *answer(whole()), host="a")
        asked = await house.ask("m-a", headers={"x-lbd-surface": "s"})
        assert asked.status == 200
    assert (tmp_path / "state.ledger.db").exists()
    async with House(tmp_path, **kept) as house:
        (entry,) = await house.app.books.entries(0, 1e11)
        assert (entry.surface, entry.deployment, entry.served) == ("s", "a/m-a", True) and entry.cost > 0
        (budget,) = house.app.flights.purses.report(house.env.wall())
        assert round(budget["spent_usd"] * 1e9) == entry.cost and budget["reserved_usd"] == 0


async def test_a_price_that_has_changed_is_no_change_of_the_configuration(tmp_path: Path) -> None:
    """The file says the same as before; a reload keeps the price that holds."""
    async with House(tmp_path) as house:
        changes = [{"from": "2020-01-01", "input_usd_per_mtok": 3, "output_usd_per_mtok": 4}]
        house.rows[0]["deployments"][0]["price_changes"] = changes
        house.write()
        assert (await house.app.reload(by="test")).changed == ("a/m-a",)
        assert (await house.app.reload(by="test")).empty
        price = house.app.owner.rows[0].spec.price
        assert price is not None and price.input_usd_per_mtok == 3


async def test_the_end_of_a_batch_is_an_event_and_a_log_line(tmp_path: Path) -> None:
    """With its numbers, or what was wrong with its input; its contents stand beside the state."""
    async with House(tmp_path, store={"url": f"sqlite://{tmp_path}/state.db"}) as house:
        house.stage.always(0.001, *answer(whole()), host="a")
        shelf = house.app.shelf
        body = {"model": "m-a", "messages": [{"role": "user", "content": "hello"}]}
        line = {"custom_id": "1", "method": "POST", "url": ENDPOINTS[0], "body": body}
        made = []
        for data in (json.dumps(line).encode(), b"nonsense"):
            file = await shelf.add("local", "in.jsonl", data, keep_s=None)
            now = shelf.now()
            made.append(Batch(shelf.new_id("batch_"), "local", ENDPOINTS[0], file.id, "24h", now, now + 86400))
            await shelf.begin(made[-1])

        def ended() -> dict[str, dict[str, Any]]:
            return {e["subject"]: e for e in house.logged if e["event"] == "batch_ended"}

        await until(lambda: len(ended()) == 2)
        told = ended()
        assert not shelf.live()
        good, bad = told[made[0].id], told[made[1].id]
        assert (good["level"], good["reason"], good["client"]) == ("info", "completed", "local")
        assert (good["total"], good["completed"], good["failed"]) == (1, 1, 0)
        assert (bad["level"], bad["reason"], bad["fault"]["code"]) == ("warning", "failed", "invalid_json_line")
        assert len(list((tmp_path / "state.files").iterdir())) == 3


async def test_what_a_crash_left_is_swept_at_start_and_told(tmp_path: Path) -> None:
    """An event and a log line with numbers; what cannot be swept is told, and everything else goes on."""
    store = {"url": f"sqlite://{tmp_path}/state.db"}
    folder = tmp_path / "state.files"
    async with House(tmp_path, store=store) as house:
        kept = await house.app.shelf.add("local", "in.jsonl", b"x", keep_s=None)
    (folder / "file-stray").write_bytes(b"1234")
    async with House(tmp_path, store=store) as house:
        assert [p.name for p in folder.iterdir()] == [kept.id]
        (told,) = [e for e in house.logged if e["subject"] == "files"]
        assert (told["event"], told["level"], told["contents"], told["bytes"]) == ("strays_dropped", "info", 1, 4)
        assert [e.kind for e in house.app.timeline.last(99) if e.subject == "files"] == ["strays_dropped"]
    folder.rename(tmp_path / "elsewhere")
    folder.write_bytes(b"no folder")
    async with House(tmp_path, store=store) as house:
        (told,) = [e for e in house.logged if e["subject"] == "files"]
        assert (told["event"], told["level"]) == ("strays_kept", "warning") and "state.files" in told["why"]
        assert house.app.shelf.loaded and list(house.app.shelf.files) == [kept.id]


def test_draining_lets_what_runs_finish_and_tells() -> None:
    """An event, and readiness that ends at once."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            task = s.start(stream=True)
            await env.sleep(0.1)
            draining = env._loop.create_task(s.app.drain(10))
            await env.sleep(0.01)
            assert not s.console.ready()[0]
            assert (await task).fate == "ok"
            await draining
            assert s.app.timeline.last(subject="lbd")[-1].kind == "draining"

    play(main)


def test_draining_ends_after_its_time() -> None:
    """What is left is broken off with an error that says so."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            s.world.freeze("a")
            s.world.freeze("b")
            task = s.start(stream=True)
            await env.sleep(0.1)
            began = env.now()
            await s.app.drain(2)
            assert env.now() - began < 2.2
            asked = await task
            assert asked.status == 503 and asked.error is not None and asked.error["code"] == "draining"

    play(main)


def test_stopping_lets_followers_go_and_closes_what_is_open() -> None:
    """Timeline, transports and the store, after the last save."""

    async def main(env: VirtualEnv) -> None:
        s = sim(env)
        order: list[str] = []
        async with s:
            follower = s.app.timeline.follow()
            save, close = s.app.store.save, s.app.store.close

            async def saved(*args: Any, **more: Any) -> None:
                order.append("save")
                await save(*args, **more)

            async def closed() -> None:
                order.append("close")
                await close()

            s.app.store.save, s.app.store.close = saved, closed  # type: ignore[method-assign]
        while (event := follower.get_nowait()) is not None:
            assert event.kind
        assert order[-1] == "close" and "save" in order

    play(main)


# --- reload -------------------------------------------------------------------------------------------


async def test_a_reload_keeps_what_did_not_change_by_identity(tmp_path: Path) -> None:
    """History, breaker and probe loop of an unchanged row; a changed provider gets a new loop, a gone one none."""
    async with House(tmp_path, row("a", model="m-a"), row("b", model="m-b"), row("c", model="m-c")) as house:
        await until(lambda: all(r.probes for r in house.app.owner.rows))
        a, b, _ = house.app.owner.rows
        tasks = {name: task for task, name in house.app.tasks._tasks.items()}
        house.rows = [house.rows[0], {**house.rows[1], "connect_timeout_s": 1.0}, row("d", model="m-d")]
        house.stage.always(0.001, *answer(b'{"object":"list","data":[{"id":"up-m"}]}'), host="d")
        house.write()
        change = await house.app.reload(by="me")
        assert (change.added, change.removed, change.changed) == (("d/m-d",), ("c/m-c",), ("b/m-b",))
        assert house.app.owner.rows[0] is a and house.app.owner.rows[1] is b
        after = {name: task for task, name in house.app.tasks._tasks.items()}
        assert after["probe a"] is tasks["probe a"] and after["probe b"] is not tasks["probe b"]
        assert "probe c" not in after and "probe c" not in house.app.tasks.loops and "probe d" in after
        await until(lambda: house.app.owner.rows[2].probes)
        event = house.app.timeline.last(subject="config")[-1]
        assert (event.kind, event.reason, event.by) == ("config_reloaded", "changed", "me")
        assert event.evidence["added"] == ("d/m-d",) and event.evidence["hash"] == house.app.compiled.hash
        assert (house.app.reloads.generation, house.app.reloads.ok, house.app.reloads.failed) == (2, 1, 0)


async def test_a_reload_that_changes_nothing_says_so(tmp_path: Path) -> None:
    """And interrupts nothing."""
    async with House(tmp_path) as house:
        rows = list(house.app.owner.rows)
        assert (await house.app.reload(by="me")).empty
        assert house.app.owner.rows == rows
        assert house.app.timeline.last(subject="config")[-1].reason == "nothing changed"


async def test_everything_that_can_be_changed_is_in_force_after_a_reload(tmp_path: Path) -> None:
    """Limits, hosts, clients, deadlines, surfaces, probes, journal, log."""
    async with House(tmp_path) as house:
        house.write(
            limits={
                "max_body_bytes": 77,
                "keepalive_s": 600,
                "queue_size": 3,
                "idle_gap_s": 4,
                "headers_after_s": 2,
                "journal_records": 9,
            },
            allowed_hosts=["New.Host"],
            clients=[{"name": "c", "key": "new-client-key"}],
            deadlines={"interactive_total_s": 12},
            surfaces=[{"name": "s"}],
            probes={"every_s": 7, "kinds": ["liveness"], "completion": "never"},
            log={"requests": "none"},
        )
        change = await house.app.reload(by="me")
        assert {"limits", "allowed_hosts", "clients", "deadlines", "surfaces", "probes", "log"} <= set(change.parts)
        app = house.app
        assert app.api.limits.keepalive_s == 600
        assert app.api.limits.max_body_bytes == 77 and app.api.limits.allowed_hosts == {"new.host"}
        assert (app.flights.settings.queue_size, app.flights.settings.idle_gap_s) == (3, 4)
        assert app.pipeline.rules.deadlines.interactive_total_s == 12 and "s" in app.pipeline.rules.surfaces
        assert app.probing.settings.every_s == 7 and [k.name for k in app.probing.settings.kinds] == ["liveness"]
        assert not app.probing.settings.paid
        assert (await house.ask()).status == 401
        assert not [line for line in house.logged if line["event"] == "request"]


async def test_a_reload_begins_and_ends_the_sending_of_traces(tmp_path: Path) -> None:
    """Nothing runs for them before; what waits at the end of the daemon is sent."""
    async with House(tmp_path) as house:
        collector = house.app.tracing.export = Collector(house.env)
        house.stage.always(0.001, *answer(whole()), host="a")
        await house.ask("m-a")
        assert "traces" not in house.app.tasks.loops and not house.app.tracing.on
        house.write(traces={"otlp_url": "http://127.0.0.1:1", "keep_share": 1.0})
        assert (await house.app.reload(by="me")).parts == ("traces",)
        assert "traces" in house.app.tasks.loops
        heard = await house.ask("m-a")
    ((own, (one,)),) = collector.traces()
    assert own["lbd.request.id"] == heard.headers["x-request-id"] and collector.closed
    (sent,) = [t for t in house.stage.at("a") if one.id.encode() in t.endpoint.own]
    assert own.trace.encode() in sent.endpoint.own
    async with House(tmp_path, traces={"otlp_url": "http://127.0.0.1:1"}) as house:
        house.app.tracing.export = Collector(house.env)
        house.config.pop("traces")
        house.write()
        assert (await house.app.reload(by="me")).parts == ("traces",) and not house.app.tracing.on


async def test_the_level_of_the_log_is_in_force_after_a_reload(tmp_path: Path) -> None:
    """What is below it is hidden or shown from then on."""
    before, out = structlog.get_config(), io.StringIO()
    writer = log.setup("info", out)
    try:
        async with House(tmp_path) as house:
            told = log.get()
            told.debug("early")
            house.write(log={"level": "debug"})
            assert (await house.app.reload(by="me")).parts == ("log",)
            told.debug("shown")
            house.write(log={"level": "error"})
            await house.app.reload(by="me")
            told.warning("hidden")
    finally:
        writer.close()
        structlog.configure(**before)
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["shown"]


async def test_a_rotated_key_is_used_from_the_reload_on_and_lifts_a_lock_out(tmp_path: Path) -> None:
    """`{file: X}` and a reload is the way to rotate a key."""
    key = tmp_path / "key"
    key.write_text("old-key")
    async with House(tmp_path, row("a", api_key={"file": str(key)})) as house:
        house.stage.always(0.001, *answer(refusal("no", "invalid_api_key"), 401), host="a")
        await house.ask()
        assert house.app.owner.rows[0].lock is not None
        key.write_text("new-key")
        await house.app.reload(by="me")
        assert house.app.owner.rows[0].lock is None
        house.stage.plan(0.001, *answer(whole()), host="a")
        await house.ask()
        posts = [t for t in house.stage.taken if t.endpoint.method == "POST"]
        assert dict(posts[0].endpoint.headers)["authorization"] == "Bearer old-key"
        assert dict(posts[-1].endpoint.headers)["authorization"] == "Bearer new-key"


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"listen": "127.0.0.1:9"}, "listen"),
        ({"admin": {"listen": "127.0.0.1:9"}}, "admin.listen"),
        ({"admin": {"socket": "/tmp/x.sock"}}, "admin.socket"),
        ({"store": {"url": "sqlite:///tmp/x.db"}}, "store"),
    ],
)
async def test_what_is_bound_at_start_is_refused_by_name_and_nothing_else_is_taken(
    more: dict[str, Any], key: str, tmp_path: Path
) -> None:
    """Half a reload would be none that anybody asked for."""
    async with House(tmp_path) as house:
        house.rows = house.rows[:1]
        house.write(**more, deadlines={"interactive_total_s": 12})
        with pytest.raises(ConfigError, match=f"{key}.* cannot change while lbd runs"):
            await house.app.reload(by="me")
        assert len(house.app.owner.rows) == 2
        assert house.app.pipeline.rules.deadlines.interactive_total_s == 600


async def test_a_reload_that_is_refused_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """The error is kept until the next good one."""
    async with House(tmp_path) as house:
        before = house.app.compiled
        house.path.write_text("providers: [")
        with pytest.raises(ConfigError):
            await house.app.reload(by="SIGHUP")
        assert house.app.compiled is before
        r = house.app.reloads
        assert (r.generation, r.failed, r.last_ok) == (1, 1, False) and r.last_error
        event = house.app.timeline.last(subject="config")[-1]
        assert (event.kind, event.level, event.by) == ("config_rejected", "error", "SIGHUP")
        house.stage.plan(0.001, *answer(whole()), host="a")
        assert (await house.ask()).status == 200
        house.path.unlink()
        with pytest.raises(ConfigError):
            await house.app.reload(by="me")
        house.write()
        await house.app.reload(by="me")
        assert r.last_ok and r.last_error is None and r.failed == 2


async def test_reloads_take_their_turn(tmp_path: Path) -> None:
    """Two at once: one after the other, each with its own generation."""
    async with House(tmp_path) as house:
        await asyncio.gather(*(house.app.reload(by=f"r{n}") for n in range(5)))
        assert house.app.reloads.generation == 6 and house.app.reloads.ok == 5
        assert sum(name == "probe a" for name in house.app.tasks._tasks.values()) == 1


async def test_a_reload_under_traffic_loses_no_request(tmp_path: Path) -> None:
    """Requests before, during and after it are served, on rows that stay, come and go."""
    async with House(tmp_path) as house:
        for host in "abc":
            house.stage.always(0.003, self_answering, host=host)

        async def traffic(n: int) -> int:
            await house.env.sleep(n % 40 / 1000)
            return (await house.ask(stream=bool(n % 2))).status

        async def reloads() -> None:
            for n in range(4):
                await house.env.sleep(0.005)
                house.rows = [*house.rows[:2], *([row("c", model="m-c")] if n % 2 == 0 else [])]
                house.write()
                await house.app.reload(by="me")

        statuses, _ = await asyncio.gather(asyncio.gather(*(traffic(n) for n in range(200))), reloads())
        assert set(statuses) == {200}
        assert all(r.inflight == 0 for r in house.app.owner.rows)


def self_answering(taken: Any) -> None:
    """Answer whatever was asked: a probe, a stream, a unary request."""
    if taken.endpoint.method == "GET":
        acts = answer(b'{"object":"list","data":[{"id":"up-m"}]}')
    elif b'"stream":true' in taken.body.replace(b" ", b""):
        acts = (head(), say(stream("hi")), end)
    else:
        acts = answer(whole())
    for act in acts:
        act(taken)


# --- transports ---------------------------------------------------------------------------------------


async def test_only_what_has_a_proxy_goes_through_aiohttp(tmp_path: Path) -> None:
    """The own client cannot use one; it is made when the first proxy is configured, and closed at the end."""
    async with House(tmp_path) as house:
        assert house.app._proxied is None
        proxied = {**house.rows[1], "proxy": "http://127.0.0.1:9"}
        house.rows = [house.rows[0], proxied]
        house.write()
        await house.app.reload(by="me")
        built = house.app.flights.lines
        assert built["a/m-a"].transport is house.stage
        assert isinstance(built["b/m-b"].transport, AiohttpTransport)
        assert built["b/m-b"].transport is house.app._proxied
        asked = await house.ask("m-b")
        assert asked.status in (502, 503, 504)
    assert not house.app._proxied._sessions  # type: ignore[union-attr]


# --- what is told -------------------------------------------------------------------------------------


async def test_a_store_that_fails_is_told_once_and_fails_no_request(tmp_path: Path) -> None:
    """And again when it is back; state is kept from then on."""
    async with House(tmp_path) as house:
        save = house.app.store.save

        async def full(*_: Any, **__: Any) -> None:
            raise StoreError("disk full")

        house.app.store.save = full  # type: ignore[method-assign]
        for _ in range(3):
            await house.app.persistence.save(house.app.probing.spend)
        house.stage.plan(0.001, *answer(whole()), host="a")
        assert (await house.ask()).status == 200
        house.app.store.save = save  # type: ignore[method-assign]
        await house.app.persistence.save(house.app.probing.spend)
        told = [(e.kind, e.level) for e in house.app.timeline.last(subject="store")]
        assert told == [("store_down", "error"), ("store_up", "info")]


async def test_every_request_is_in_the_journal_and_counted(tmp_path: Path) -> None:
    """With the snapshots that its decisions were made on."""
    async with House(tmp_path) as house:
        house.stage.plan(0.001, head(), say(ROLE, content("x")), cut(), host="a")
        heard = await house.ask(stream=True)
        record = house.app.journal.get(heard.headers["x-request-id"])
        assert record is not None and record.outcome == "broken_stream"
        assert house.app.journal.snapshot(record.attempts[0].decision.generation) is not None
        assert house.app.meter.copy().attempts["a/m-a", "broken_stream"] == 1


def test_dropped_log_lines_are_counted_where_there_is_a_writer() -> None:
    """Tests and tools have none."""

    async def main(env: VirtualEnv) -> None:
        class Writer:
            dropped = 7

        hosts = [SimHost("a")]
        new = compiled({"providers": [provider(hosts[0])]})
        s = sim(env)
        assert App(Path("x"), new, env, s.world).log_dropped() == 0
        assert App(Path("x"), new, env, s.world, Writer()).log_dropped() == 7  # type: ignore[arg-type]

    play(main)


async def test_nothing_is_left_open_after_the_end(tmp_path: Path) -> None:
    """Tasks, exchanges of probes, sessions."""
    async with House(tmp_path) as house:
        await until(lambda: all(r.probes for r in house.app.owner.rows))
    await a_moment(0.005)
    assert house.app.tasks.count == 0
    assert not [t for t in house.stage.taken if t.open]


def test_ratings_take_a_floor_away_from_a_model_that_sinks() -> None:
    """Requests of the surface go elsewhere within 200 ratings, with the reason on record; others go on as before."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a"), SimHost("b")]
        rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, ("primary", "secondary"), strict=True)]
        for row_ in rows:
            row_["deployments"][0]["quality"] = {"default": 0.9}
        surfaces = [{"name": "support", "quality_floor": 0.6}]
        async with Sim(env, hosts, {"providers": rows, "surfaces": surfaces}) as s:
            support = {"x-lbd-surface": "support"}
            rated = 0
            while (asked := await s.ask(headers=support)).headers["x-lbd-deployment"].startswith("a/"):
                assert s.app.scoring.feedback(asked.headers["x-request-id"], "local", float(rated % 4 != 0) * 0.8)
                rated += 1
                assert rated < 200
                await env.sleep(0.2)
            told = [e for e in s.app.timeline.last(50) if e.kind == "quality_dropped"]
            assert [e.subject for e in told] == ["a/m-a"]
            plan = json.loads((await s.ask(headers={**support, "x-lbd-dry-run": "1"})).body)
            assert "quality_dropped" in json.dumps(plan)
            assert (await s.ask()).headers["x-lbd-deployment"] == "a/m-a"
            told_page = facts(s.app)
            assert told_page.scored == {("a/m-a", "feedback"): rated}
            assert set(told_page.rows[0].quality) == {"all"} and not told_page.rows[1].quality

    play(main)
