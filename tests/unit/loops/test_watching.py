"""What alert rules go by, seen in a whole daemon in virtual time: outages, budgets, reloads."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from lbd.model.alert import Rule
from lbd.model.table import AdminState
from lbd.observe.alerting import TierSight
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost
from tests.unit.loops.test_alerts import Mail

HOOK = {"alerts": {"webhook": "http://h/hook"}}


def firing(sim: Sim) -> set[str]:
    return {a.id for a in sim.app.alerts.listed() if a.state == "firing"}


def test_a_dead_tier_is_told_and_its_return_too() -> None:
    """By the name of the tier, with what each of its deployments has."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a"), SimHost("b")]
        rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, ("primary", "secondary"), strict=True)]
        async with Sim(env, hosts, {"providers": rows, **HOOK}) as sim:
            mail = sim.app.alerts.post = Mail()
            task = asyncio.ensure_future(sim.traffic(2, 900))
            await env.sleep(120)
            assert not firing(sim) and not mail.taken
            sim.world.kill("a")
            await env.sleep(180)
            assert "tier_down:primary" in firing(sim) and "tier_down:secondary" not in firing(sim)
            told = next(a for _, body in mail.taken for a in body["alerts"] if a["rule"] == "tier_down")
            assert told["severity"] == "critical" and "a/m-a down (" in told["text"]
            assert told["text"].startswith("0 of 1 deployments of tier primary can serve")
            document = json.loads((await sim.console.providers())[1])
            assert "tier_down:primary" in [a["id"] for a in document["alerts"]]
            sim.world.revive("a")
            await env.sleep(500)
            assert "tier_down:primary" not in firing(sim)
            states = [s for s in mail.states() if s[0] == "tier_down:primary"]
            assert states == [("tier_down:primary", "firing"), ("tier_down:primary", "resolved")]
            await task

    run(main)


def test_what_an_operator_takes_out_is_no_outage() -> None:
    """A tier that is drained on purpose is meant to be out."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a")
        async with Sim(env, [host], {"providers": [provider(host)]}) as sim:
            await env.sleep(30)
            sim.app.owner.order(sim.app.owner.rows[0], AdminState.MAINT, by="me", reason="")
            await env.sleep(600)
            assert not firing(sim)
            sight = sim.app.alerts._watching.sight(env.now(), env.wall())
            assert sight.tiers == [TierSight("primary", 0, 0, "")] and sight.rows[0].probe_age_s is None

    run(main)


def test_requests_that_fail_are_told_by_surface_and_burn_the_budget() -> None:
    """What clients are to blame for is none of it."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a")
        surfaces = [{"name": "support"}, {"name": "drafts", "class": "background"}]
        config: dict[str, Any] = {"providers": [provider(host)], "surfaces": surfaces, "alerts": {"burn_fast": 3}}
        async with Sim(env, [host], config) as sim:
            calm = asyncio.ensure_future(sim.traffic(1, 300, headers={"x-lbd-surface": "support"}))
            wrong = asyncio.ensure_future(sim.traffic(1, 300, "nobody-has-this"))
            await env.sleep(310)
            await calm
            await wrong
            assert not firing(sim)
            host.weather.status, host.weather.status_share = 500, 0.95
            await sim.traffic(1, 300, headers={"x-lbd-surface": "support"})
            assert "requests_fail:support" in firing(sim)
            assert not any(i.startswith("requests_fail:") for i in firing(sim) - {"requests_fail:support"})
            one = next(a for a in sim.app.alerts.listed() if a.id == "requests_fail:support")
            assert one.value is not None and one.value > 0.5 and "of surface support failed in 5 min" in one.text
            assert any(a.rule == Rule.BURN_FAST for a in sim.app.alerts.listed())

    run(main)


def test_a_budget_that_will_not_last_is_told_before_it_is_gone() -> None:
    """From the pace of the last hour, with when it ends; used up to nine tenths it is told for that."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a")
        budget = {"usd_per_month": 1.0, "hard": False}
        async with Sim(env, [host], {"providers": [{**provider(host), "budget": budget}]}) as sim:
            purse = next(iter(sim.app.flights.purses._purses.values()))
            for minute in range(30):
                purse.spent = 200_000_000 + minute * 10_000_000
                await env.sleep(60)
            assert "budget_pace:provider/a/month" in firing(sim)
            one = next(a for a in sim.app.alerts.listed() if a.rule == Rule.BUDGET_PACE)
            assert "at 0.58 USD an hour, the pace of the last hour, it is used up in 52.6 min" in one.text
            assert "budget_used:provider/a/month" not in firing(sim)
            purse.spent = 950_000_000
            await env.sleep(30)
            assert "budget_used:provider/a/month" in firing(sim)

    run(main)


def test_stores_reloads_and_the_host_itself_are_looked_at() -> None:
    """Each in the words of who found it."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a")
        async with Sim(env, [host], {"providers": [provider(host)]}) as sim:
            sim.app.reloads.last_ok, sim.app.reloads.last_error = False, "lbd.yaml:3:1: tiers: bad\nmore"
            sim.app.money.up = False
            sim.app.owner.blame.words = lambda _now: ["no names are resolved"]  # type: ignore[method-assign]
            sight = sim.app.alerts._watching.sight(env.now(), env.wall())
            assert sight.stores_down == ["ledger"] and sight.own_faults == ["no names are resolved"]
            sim.app.alerts.look()
            found = {a.id: a for a in sim.app.alerts.listed()}
            assert found["reload_failed:config"].text == "lbd.yaml:3:1: tiers: bad"
            assert found["reload_failed:config"].state == "firing" and found["host_fault:lbd"].state == "firing"
            assert found["store_down:store"].state == "pending"

    run(main)
