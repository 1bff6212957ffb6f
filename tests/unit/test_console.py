"""The daemon's side of the admin API: what it shows is what the parts that own it know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lbd.console import TICK_LATE_S
from lbd.ingress.problem import Problem
from lbd.model.batch import ENDPOINTS, Batch, Fate
from lbd.model.failure import FailureKind
from lbd.model.problem import ConfigError
from lbd.model.secret import Secret
from lbd.model.table import AdminState
from lbd.observe.provenance import signature
from lbd.ports.turns import Turns
from lbd.state import batch as states
from lbd.state.row import Lock
from tests.fakes.harness import Sim, provider
from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.stage import answer, refusal, whole
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.wire import until
from tests.fakes.world import SimHost

BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode()


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def sim(env: VirtualEnv, **config: Any) -> Sim:
    """Two providers in two tiers, both well."""
    hosts = [SimHost("a"), SimHost("b")]
    rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, ("primary", "secondary"), strict=True)]
    return Sim(env, hosts, {"providers": rows, **config})


# --- who may ------------------------------------------------------------------------------------------


def test_token_reach_and_hosts_are_the_configurations() -> None:
    """A unix socket or loopback is local; hosts are compared in lower case."""

    async def main(env: VirtualEnv) -> None:
        plain = sim(env)
        async with plain:
            assert plain.console.token is None and plain.console.local
        admin = {"listen": "0.0.0.0:8081", "token": "t" * 8}
        wide = sim(env, admin=admin, allow_inline_secrets=True, allowed_hosts=["Lbd.Internal"])
        async with wide:
            assert wide.console.token is not None and wide.console.token.reveal() == "t" * 8
            assert not wide.console.local and wide.console.allowed_hosts == {"lbd.internal"}
        off = sim(env, admin={"listen": None})
        async with off:
            assert off.console.local

    play(main)


# --- health -------------------------------------------------------------------------------------------


def test_health_passes_while_everything_is_well() -> None:
    """With nothing to explain, and a check for each row."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await env.sleep(30)
            status, document = s.console.health()
            assert status == document["status"] == "pass"
            assert document["notes"] == [] and "output" not in document
            assert document["checks"]["a/m-a:state"][0]["observedValue"] == "up"
            assert s.console.ready() == (True, "ready")
            assert s.console.status_line() == "2/2 deployments serve, 0 requests under way"

    play(main)


def test_what_is_wrong_with_the_daemon_itself_makes_health_warn() -> None:
    """A store that fails, a refused reload, a loop that broke, a late tick: each named, requests go on."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await env.sleep(30)
            app = s.app

            async def warns(word: str) -> None:
                status, document = s.console.health()
                assert status == "warn" and s.console.ready()[0]
                assert word in document.get("output", "") or word == "late"
                told = json.loads((await s.console.providers())[1])
                assert told["status"] == "warn"

            app.persistence.up = False
            await warns("store")
            assert s.console.health()[1]["checks"]["store:uptime"][0]["status"] == "warn"
            app.persistence.up = True
            app.money.up = False  # for 50 ms: then it has written again
            status, document = s.console.health()
            assert status == "warn" and "money" in document["output"]
            assert document["checks"]["ledger:uptime"][0]["status"] == "warn"
            app.money.up = True
            app.reloads.last_ok = False
            await env.sleep(1)
            await warns("reload")
            app.reloads.last_ok = True
            app.tasks.loops["tick"].running = False
            await env.sleep(1)
            await warns("tick")
            app.tasks.loops["tick"].running = True
            app.ticked_at = env.now() - TICK_LATE_S - 0.1
            app.owner.touch(0, transition=True)
            assert s.console.health()[0] == "warn"
            assert s.console.health()[1]["checks"]["loop:lag"][0]["status"] == "warn"
            app.ticked_at = env.now()
            assert s.console.health()[0] == "pass"

    play(main)


def test_what_nothing_is_heard_of_makes_health_warn() -> None:
    """With probes switched off and no requests, the green of long ago is no green."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await env.sleep(30)
            assert s.console.health()[0] == "pass"
            for name in ("probe a", "probe b"):
                await s.app.tasks.stop(name)
            await env.sleep(60)
            status, document = s.console.health()
            assert status == "warn" and "no_news" in document["output"]
            (check,) = document["checks"]["a/m-a:state"]
            assert check["status"] == "warn" and "no_news" in check["output"]
            assert json.loads((await s.console.providers())[1])["status"] == "warn"
            assert s.console.ready()[0]

    play(main)


def test_health_fails_where_nobody_serves_or_the_daemon_ends() -> None:
    """And readiness with it; the reasons are told row by row."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await env.sleep(30)
            first, second = s.app.owner.rows
            s.app.owner.order(first, AdminState.MAINT, by="me", reason="x")
            assert s.console.ready()[0]
            second.lock = Lock(FailureKind.AUTH, env.now(), "wrong key")
            s.app.owner.touch(1, transition=True)
            status, document = s.console.health()
            assert status == "fail" and document["output"]
            assert s.console.ready() == (False, "no deployment can serve")
            (check,) = document["checks"]["b/m-b:state"]
            assert check["status"] == "fail" and "locked_auth" in check["output"]
            assert s.console.status_line().startswith("0/2 ")
            s.app.draining = True
            assert s.console.health()[0] == "fail" and s.console.ready() == (False, "draining")

    play(main)


def test_health_shows_what_has_just_been_measured() -> None:
    """Answers that wait for the next publish are folded in first."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await s.ask("m-a", stream=True)
            (check,) = s.console.health()[1]["checks"]["a/m-a:responseTime"]
            assert check["observedUnit"] == "s" and 0.1 < check["observedValue"] < 1.0

    play(main)


# --- table --------------------------------------------------------------------------------------------


def test_the_provider_table_is_built_once_for_all_viewers() -> None:
    """At most once a second while nothing changes; a transition shows at once."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await env.sleep(30)
            etag, body = await s.console.providers()
            assert (await s.console.providers())[1] is body
            s.app.owner.order(s.app.owner.rows[0], AdminState.DRAIN, by="me", reason="disk")
            other, changed = await s.console.providers()
            assert other != etag
            rows = {r["id"]: r for t in json.loads(changed)["tiers"] for r in t["deployments"]}
            assert rows["a/m-a"]["admin"]["state"] == "drain"
            await env.sleep(1)
            assert (await s.console.providers())[0] != other

    play(main)


def test_a_crowd_waits_for_one_table() -> None:
    """Who comes while one is built takes the next, all the same one, also where each moment brings a new generation."""

    async def main(env: VirtualEnv) -> None:
        class Slow(Turns):
            async def rest(self) -> None:
                await env.sleep(0.01)

        async with sim(env) as s:
            await env.sleep(30)
            begun, row = s.console._builds, s.app.owner.rows[0]

            async def busy() -> None:
                for n in range(1000):
                    s.app.owner.weigh(row, float(n), by="me", reason=f"no. {n}")
                    await env.sleep(0.004)

            changing = asyncio.ensure_future(busy())
            first = asyncio.ensure_future(s.console.providers(Slow(env)))
            await env.sleep(0.015)
            weight = row.admin_weight or 0.0
            others = await asyncio.gather(*(s.console.providers(Slow(env)) for _ in range(20)))
            changing.cancel()
            assert s.console._builds == begun + 2 and len({tag for tag, _ in others}) == 1
            assert (await first)[0] != others[0][0]
            rows = {r["id"]: r for t in json.loads(others[0][1])["tiers"] for r in t["deployments"]}
            assert rows[row.spec.id]["admin"]["weight"] > weight, "nobody is told of a time before it came"

    play(main)


def test_looking_costs_the_providers_nothing() -> None:
    """No request goes out because somebody looks."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await env.sleep(5)
            sent = s.world.attempts, sum(h.probes for h in s.world.hosts.values())
            for _ in range(50):
                await s.console.providers()
                s.console.health()
                s.console.config()
                s.console.explain(BODY, {})
                s.console.decisions(10)
            assert (s.world.attempts, sum(h.probes for h in s.world.hosts.values())) == sent

    play(main)


# --- decisions ----------------------------------------------------------------------------------------


def test_a_decision_is_told_with_its_ranking_and_replays() -> None:
    """The prompt is nowhere in it; nothing is known of an id that nobody had."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            asked = await s.ask(stream=True, messages=[{"role": "user", "content": "a secret question"}])
            told = s.console.decision(asked.headers["x-request-id"])
            assert told is not None and told["outcome"] == "ok" and told["served_by"] == "a/m-a"
            (attempt,) = told["attempts"]
            assert attempt["replays"] is True and attempt["generation"] > 0 and len(attempt["seed"]) == 16
            chosen = [c for st in attempt["ranking"]["stages"] for c in st["candidates"] if c["chosen"]]
            assert [c["deployment"] for c in chosen] == ["a/m-a"]
            assert "secret question" not in json.dumps(told)
            assert s.console.decision("req_none") is None
            assert [d["id"] for d in s.console.decisions(5)] == [asked.headers["x-request-id"]]

    play(main)


def test_a_decision_tells_which_of_its_own_prompts_a_model_was_given() -> None:
    """By its version; the words stand in the configuration. Null where there is none."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            asked = await s.ask()
            record = s.app.journal.get(asked.headers["x-request-id"])
            assert record is not None
            told = s.console.decision(record.id)
            assert told is not None and [a["prompt"] for a in told["attempts"]] == [None]
            attempts = tuple(replace(a, prompt="0a1b2c3d4e5f") for a in record.attempts)
            s.app.journal.add(replace(record, id="req_own", attempts=attempts))
            told = s.console.decision("req_own")
            assert told is not None and [a["prompt"] for a in told["attempts"]] == ["0a1b2c3d4e5f"]

    play(main)


def test_a_decision_whose_snapshot_is_gone_is_told_without_its_ranking() -> None:
    """The record outlives the snapshot: what it holds itself is shown."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a"), SimHost("b")]
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}) as s:
            asked = await s.ask(stream=True)
            s.app.journal._snapshots.clear()
            told = s.console.decision(asked.headers["x-request-id"])
            assert told is not None
            (attempt,) = told["attempts"]
            assert attempt["ranking"] is None and attempt["replays"] is None
            assert set(attempt["live"]) == {"0", "1"}

    play(main)


def test_a_decision_for_nobody_is_told_with_every_exclusion_and_is_no_attempt() -> None:
    """The operator sees why; neither the summary nor the counters take it for a request that was sent."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            asked = await s.ask(headers={"x-lbd-max-usd": "0.00000001"})
            assert asked.status == 400
            told = s.console.decision(asked.headers["x-request-id"])
            assert told is not None and told["tried"] == [] and told["served_by"] is None
            (attempt,) = told["attempts"]
            assert attempt["deployment"] is None and attempt["refused"] == "nobody" and attempt["replays"] is True
            assert {e["reason"] for e in attempt["ranking"]["excluded"]} == {"over_max_usd"}
            assert not s.app.meter.copy().attempts

    play(main)


def test_live_inputs_are_named_by_deployment() -> None:
    """Not by their place in a table that nobody sees."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a"), SimHost("b")]
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}) as s:
            asked = await s.ask(stream=True)
            told = s.console.decision(asked.headers["x-request-id"])
            assert told is not None
            assert set(told["attempts"][0]["live"]) == {"a/m", "b/m"}
            assert {"inflight", "capacity", "peak_s", "penalty"} <= set(told["attempts"][0]["live"]["a/m"])

    play(main)


def test_explaining_needs_no_key_and_takes_wishes_only() -> None:
    """Other headers of the admin request do not count; what cannot be planned is a problem with a code."""

    async def main(env: VirtualEnv) -> None:
        clients = [{"name": "c", "key": "k" * 12}]
        async with sim(env, clients=clients, allow_inline_secrets=True) as s:
            plan = s.console.explain(BODY, {"X-LBD-Class": "background", "Authorization": "Bearer wrong", "Host": "x"})
            assert plan["ask"]["urgency"] == "background"
            for body, code in ((b"{", "invalid_json"), (BODY.replace(b"auto", b"nope"), "model_not_found")):
                with pytest.raises(Problem) as caught:
                    s.console.explain(body, {})
                assert caught.value.status == 422 and caught.value.more["code"] == code

    play(main)


# --- events -------------------------------------------------------------------------------------------


def test_events_are_the_timelines() -> None:
    """Listed, followed, and left."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            queue = s.console.follow()
            s.app.owner.emit("test", "s", "r")
            event = await queue.get()
            assert event is not None and event.kind == "test"
            assert s.console.events(after=event.id - 1, count=5, subject="s") == [event]
            s.console.unfollow(queue)
            s.app.owner.emit("test", "s", "r")
            assert await queue.get() is None and queue.empty()

    play(main)


# --- configuration ------------------------------------------------------------------------------------


def test_the_configuration_is_shown_without_its_secrets() -> None:
    """Inline keys, header values and passwords in URLs are masked; references stay, since they are none."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a")]
        shown = provider(
            hosts[0], api_key="inline-key", headers={"X-Key": "header-key"}, proxy="http://u:proxy-key@h:1"
        )
        config = {
            "providers": [shown],
            "clients": [{"name": "c", "key": "client-key"}],
            "admin": {"token": "admin-key"},
        }
        async with Sim(env, hosts, {**config, "allow_inline_secrets": True}) as s:
            told = s.console.config()
            text = json.dumps(told)
            assert "-key" not in text.replace("X-Key", "")
            (one,) = told["config"]["providers"]
            assert one["api_key"] == "***" and one["headers"] == {"X-Key": "***"} and one["proxy"] == "http://***@h:1"
            assert one["base_url"] == shown["base_url"]
            assert told["generation"] == 1 and told["last_reload_ok"] and told["hash"] == s.app.compiled.hash

    play(main)


def test_references_to_secrets_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """They say where to look, not what is there."""
    monkeypatch.setenv("A_KEY", "the-key-itself")

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a")]
        async with Sim(env, hosts, {"providers": [provider(hosts[0], api_key={"env": "A_KEY"})]}) as s:
            told = s.console.config()
            assert told["config"]["providers"][0]["api_key"]["env"] == "A_KEY"
            assert "the-key-itself" not in json.dumps(told)

    play(main)


def test_what_an_operator_changed_at_run_time_is_listed_apart() -> None:
    """So that the file stays the only truth."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            assert s.console.config()["overrides"] == []
            s.app.owner.weigh(s.app.owner.rows[0], 0.5, by="me", reason="x")
            assert s.console.config()["overrides"] == [
                {"deployment": "a/m-a", "admin": "ready", "weight": 0.5, "by": "me"}
            ]
            s.app.owner.weigh(s.app.owner.rows[0], None, by="me", reason="x")
            s.app.owner.order(s.app.owner.rows[1], AdminState.DRAIN, by="you", reason="x")
            assert [o["deployment"] for o in s.console.config()["overrides"]] == ["b/m-b"]
            s.app.owner.order(s.app.owner.rows[1], AdminState.READY, by="you", reason="x")
            assert s.console.config()["overrides"] == []

    play(main)


async def test_checking_and_reloading_tell_what_changes(tmp_path: Path) -> None:
    """Checking takes nothing; what a reload may not change is named as needing a restart."""
    async with House(tmp_path) as house:
        house.rows = [house.rows[0], row("c", model="m-c")]
        house.write(listen="127.0.0.1:9999")
        told = await house.console.check()
        assert told["added"] == ("c/m-c",) and told["removed"] == ("b/m-b",) and told["needs_restart"] == ["listen"]
        assert [r.spec.id for r in house.app.owner.rows] == ["a/m-a", "b/m-b"]
        with pytest.raises(ConfigError, match="listen"):
            await house.console.reload(by="me")
        del house.config["listen"]
        house.write()
        told = await house.console.reload(by="me")
        assert (
            told["generation"] == 2
            and told["added"] == ("c/m-c",)
            and told["warnings"] == [str(w) for w in house.app.compiled.warnings]
        )
        house.path.write_text("providers: []")
        with pytest.raises(ConfigError):
            await house.console.check()


# --- metrics ------------------------------------------------------------------------------------------


async def test_metrics_count_what_happened_and_are_rendered_at_most_once_a_second(tmp_path: Path) -> None:
    """For all scrapers; counters never fall."""
    async with House(tmp_path) as house:
        await until(lambda: all(r.probes for r in house.app.owner.rows))
        house.env.now = partial(float, house.env.now())
        first, kind = await house.console.metrics(openmetrics=False)
        assert kind.startswith("text/plain") and b"\nlbd_requests_total" not in first
        assert (await house.console.metrics(openmetrics=False))[0] is first
        other, kind = await house.console.metrics(openmetrics=True)
        assert kind.startswith("application/openmetrics-text") and other.endswith(b"# EOF\n")
        house.stage.plan(0.001, *answer(refusal("broken"), 401), host="a")
        house.stage.plan(0.001, *answer(whole()), host="b")
        house.env.now = partial(float, house.env.now() + 2)
        await house.ask()
        second = (await house.console.metrics(openmetrics=False))[0].decode()
        assert 'lbd_requests_total{surface="",class="interactive",deployment="b/m-b",outcome="ok"} 1.0' in second
        assert 'lbd_upstream_requests_total{deployment="a/m-a",outcome="auth"} 1.0' in second
        assert 'lbd_fallbacks_total{from="a/m-a",to="b/m-b",reason="auth"} 1.0' in second
        assert 'lbd_deployment_state{deployment="a/m-a",state="locked"} 1.0' in second
        assert 'lbd_tokens_total{deployment="b/m-b",direction="input"} 20.0' in second
        assert "lbd_inflight 0.0" in second and "lbd_store_up 1.0" in second
        shelf = house.app.shelf
        made = Batch("batch_1", "local", ENDPOINTS[0], "file-1", "24h", shelf.now() - 60, shelf.now() + 60)
        shelf.note(states.begin(made, 1, total=9, output_id="file-2", error_id="file-3"))
        house.app.batches.lines[Fate.FAILED] = 3
        house.env.now = partial(float, house.env.now() + 2)
        third = (await house.console.metrics(openmetrics=False))[0].decode()
        assert (
            'lbd_batches{state="in_progress"} 1.0' in third and 'lbd_batch_lines_total{outcome="failed"} 3.0' in third
        )
        assert "lbd_batch_lines_waiting 9.0" in third and "lbd_batch_oldest_age_seconds 6" in third


async def test_many_scrapers_at_once_get_one_page(tmp_path: Path) -> None:
    """Whoever comes while it is rendered takes that one, unless a second is over meanwhile."""
    async with House(tmp_path) as house:
        pages = await asyncio.gather(*(house.console.metrics(openmetrics=False) for _ in range(20)))
        assert all(b"lbd_build_info" in page and page.endswith(b"\n") for page, _ in pages)
        assert len({id(page) for page, _ in pages}) <= 2


def test_a_probe_can_be_ordered() -> None:
    """At once, however far the next round is."""

    async def main(env: VirtualEnv) -> None:
        async with sim(env) as s:
            await env.sleep(5)
            before = s.world.hosts["a"].probes
            s.console.probe_now(s.app.owner.rows[0])
            await env.sleep(1.1)
            assert s.world.hosts["a"].probes > before

    play(main)


# --- provenance ---------------------------------------------------------------------------------------


async def test_a_pinned_answer_leaves_a_signed_line_of_where_it_came_from(tmp_path: Path) -> None:
    """In the log and with the decision; an answer that was not pinned, or that nobody gave, leaves none there."""
    async with House(tmp_path, log={"provenance_key": "k-1"}) as house:
        house.stage.plan(0.001, *answer(whole()[:-1] + b', "system_fingerprint": "fp_9"}'), host="b")
        pinned = await house.ask(headers={"x-lbd-pin": "m-b"})
        house.stage.plan(0.001, *answer(whole()), host="b")
        await house.ask(model="m-b")
        house.stage.plan(0.001, *answer(refusal("no such thing"), 400), host="b")
        await house.ask(headers={"x-lbd-pin": "m-b"})
        logged = [e for e in house.logged if e["event"] == "provenance"]
        assert len(logged) == 1
        told = json.loads(logged[0]["line"])
        assert told["request_id"] == pinned.headers["x-request-id"]
        assert (told["deployment"], told["fingerprint"], told["target"]) == ("b/m-b", "fp_9", "pin:m-b")
        assert logged[0]["signature"] == signature(logged[0]["line"], Secret("k-1"))
        found = house.console.decision(told["request_id"])
        assert found is not None and found["provenance"] == {k: logged[0][k] for k in ("line", "signature")}
        shown = json.dumps(house.console.config())
        assert "k-1" not in shown


def test_every_secret_of_every_shape_is_masked_in_the_configuration() -> None:
    """Under whatever key it stands: signing keys as well as the usual one."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a")]
        aws = {
            f"aws_{name}": f"inline-{name}-canary" for name in ("access_key_id", "secret_access_key", "session_token")
        }
        config = {"providers": [provider(hosts[0], shape="bedrock", **aws)], "allow_inline_secrets": True}
        async with Sim(env, hosts, config) as s:
            told = s.console.config()
            assert "canary" not in json.dumps(told)
            assert told["config"]["providers"][0]["aws_secret_access_key"] == "***"

    play(main)


async def test_a_trace_stands_in_the_decision_the_log_line_and_an_exemplar(tmp_path: Path) -> None:
    """So that one leads to the others."""
    async with House(tmp_path, log={"requests": "all"}) as house:
        house.stage.always(0.001, *answer(whole()), host="b")
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        heard = await house.ask("m-b", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        decision = house.console.decision(heard.headers["x-request-id"])
        assert decision is not None and decision["trace_id"] == trace
        (line,) = [one for one in house.logged if one["event"] == "request"]
        assert line["trace"] == trace
        page, _ = await house.console.metrics(openmetrics=True)
        assert b'# {trace_id="%b"}' % trace.encode() in page
