"""Money in virtual time, on the whole application: budgets under load, prices that change, the ledger's word."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lbd.model.ledger import Entry, Kind
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import START, VirtualEnv, run
from tests.fakes.world import SimHost

NANO = 1e9
FREE = {"price": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}}
IN_S = {"x-lbd-surface": "s"}
FOR_EVER = 1e11
QUIET = {"probes": {"completion": "never"}}


MIDNIGHT = 1_760_054_400.0  # 2025-10-10


def evening(env: VirtualEnv) -> None:
    """Let it be ten seconds before midnight."""
    env.wall = lambda: MIDNIGHT - 10 + env.now() - START  # type: ignore[method-assign]


async def entries(sim: Sim, **where: str) -> list[Entry]:
    """Return what stands in the ledger, the oldest first."""
    await sim.app.money.keep()
    return (await sim.app.books.entries(0, FOR_EVER, limit=10_000, where=where))[::-1]


def budget(sim: Sim, scope: str = "surface") -> dict[str, Any]:
    (found,) = [b for b in sim.app.flights.purses.report(sim.env.wall()) if b["scope"] == scope]
    return found


def config(*hosts: dict[str, Any], usd: float, **more: Any) -> dict[str, Any]:
    return {"providers": list(hosts), "surfaces": [{"name": "s", "budget": {"usd_per_day": usd, **more}}], **QUIET}


@pytest.mark.parametrize(("tokens", "usd"), [(100, 0.02), (None, 0.1)])
def test_fifty_flights_on_one_budget_never_pass_it(tokens: int | None, usd: float) -> None:
    """Whatever they hold and whatever they use; each that is let in is paid for, and at the end nothing is held."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.5, tokens=100)
        asks = {} if tokens is None else {"max_tokens": tokens}
        async with Sim(env, [host], config(provider(host), usd=usd)) as sim:
            tasks: set[asyncio.Task[Any]] = set()
            for n in range(200):
                tasks = {t for t in tasks if not t.done()}
                while len(tasks) < 50:
                    tasks.add(sim.start("m", stream=bool(n % 2), headers=IN_S, **asks))
                    await env.sleep(0)
                await env.sleep(0.02)
                now = budget(sim)
                assert now["spent_usd"] + now["reserved_usd"] <= usd + 1e-12
                assert now["left_usd"] == pytest.approx(usd - now["spent_usd"] - now["reserved_usd"], abs=1e-12)
            asked = await asyncio.gather(*tasks)
            assert {a.status for a in sim.asked} == {200, 429} and {a.status for a in asked} <= {200, 429}
            end = budget(sim)
            assert end["reserved_usd"] == 0 and 0.001 < end["spent_usd"] <= usd
            rows = await entries(sim)
            served = sum(a.status == 200 for a in sim.asked)
            assert len(rows) == host.seen == served, "who was refused consumed nothing"
            assert sum(e.cost for e in rows) == round(end["spent_usd"] * NANO)

    run(main)


def test_a_crowd_at_the_begin_of_a_window_is_let_in_at_once() -> None:
    """What they need is granted in a few writes, not one after the other."""

    async def main(env: VirtualEnv) -> None:
        evening(env)
        host = SimHost("a", tokens=10)
        async with Sim(env, [host], config(provider(host), usd=10)) as sim:
            await env.sleep(MIDNIGHT - env.wall() + 0.001)
            first = [await t for t in [sim.start("m", headers=IN_S) for _ in range(50)]]
            assert {a.status for a in first} == {200} and max(a.took_s for a in first) < 1.0

    run(main)


def test_at_the_cap_free_models_go_on_and_the_next_window_opens() -> None:
    """The dear one is out until midnight."""

    async def main(env: VirtualEnv) -> None:
        evening(env)
        dear, own = SimHost("a", tokens=50), SimHost("b", tokens=50)
        both = (provider(dear), provider(own, model="own", tier="secondary", deployment=FREE))
        async with Sim(env, [dear, own], config(*both, usd=0.0005, warn_at=0.5)) as sim:
            by = [(await sim.ask(headers=IN_S, max_tokens=50)).headers["x-lbd-deployment"] for _ in range(12)]
            assert by == sorted(by) and set(by) == {"a/m", "b/own"}
            refused = await sim.ask("m", headers=IN_S, max_tokens=50)
            assert refused.status == 429 and refused.error is not None
            assert refused.error["message"].startswith("what is left of a budget does not reach")
            spent = budget(sim)["spent_usd"]
            assert (await sim.ask("own", headers=IN_S)).status == 200 and budget(sim)["spent_usd"] == spent
            await env.sleep(int(refused.headers["retry-after-ms"]) / 1000)
            again = await sim.ask("m", headers=IN_S, max_tokens=50)
            assert again.status == 200 and again.took_s < 1.5
            kinds = [e.kind for e in sim.app.timeline.last(99)]
            assert kinds.count("budget_exhausted") == 1 == kinds.count("budget_low")

    run(main)


def test_a_price_changes_at_midnight() -> None:
    """Requests that begin after it cost the new one, in the ledger and of the budget; those under way the old one."""

    async def main(env: VirtualEnv) -> None:
        evening(env)
        host = SimHost("a", ttft=0.5, per_token=1.0, tokens=8, noise=0.0)
        dated = [{"from": "2025-10-10", "input_usd_per_mtok": 10, "output_usd_per_mtok": 20}]
        one = provider(host, deployment={"price_changes": dated})
        async with Sim(env, [host], config(one, usd=1)) as sim:
            await env.sleep(MIDNIGHT - env.wall() - 4.0)
            under_way = sim.start("m", stream=True, headers=IN_S, max_tokens=8)
            await env.sleep(6.0)
            after = await sim.ask("m", stream=True, headers=IN_S, max_tokens=8)
            assert (await under_way).fate == after.fate == "ok"
            first, second = await entries(sim)
            assert (first.cost, second.cost) == (20_000 + 8 * 2000, 10 * (20_000 + 8 * 2000))
            assert second.premium == second.cost and second.saved == 0
            assert round(budget(sim)["spent_usd"] * NANO) == second.cost, "the other belongs to yesterday"
            assert [e.kind for e in sim.app.timeline.last(99)].count("prices_changed") == 1

    run(main)


def test_a_clock_that_was_ahead_leaves_no_price_of_another_day() -> None:
    """What began to hold while it was is taken back when it is set right, and holds when its day comes."""

    async def main(env: VirtualEnv) -> None:
        right, out_by = env.wall, [0.0]
        env.wall = lambda: right() + out_by[0]  # type: ignore[method-assign]
        host = SimHost("a", tokens=8)
        dated = [{"from": "2025-10-10", "input_usd_per_mtok": 10, "output_usd_per_mtok": 20}]
        one = provider(host, deployment={"price_changes": dated})
        async with Sim(env, [host], config(one, usd=1)) as sim:
            costs, before = [], MIDNIGHT - right() - 86400
            for out_by[0] in (before, before + 40 * 86400, before, before + 86400):
                await env.sleep(2.5)
                costs.append((await sim.ask("m", headers=IN_S, max_tokens=8)).headers["x-lbd-cost-usd"])
        assert costs == [costs[0], costs[1]] * 2 and float(costs[1]) == pytest.approx(10 * float(costs[0]))

    run(main)


def test_a_failed_attempt_is_in_the_ledger_with_its_cost() -> None:
    """And what its request saved is less by it."""

    async def main(env: VirtualEnv) -> None:
        bad, good = SimHost("a", tokens=8), SimHost("b", tokens=8)
        bad.weather.role_then_cut = True
        both = (provider(bad), provider(good, model="n", tier="secondary"))
        async with Sim(env, [bad, good], {"providers": list(both), "ledger": {"baseline": "m"}, **QUIET}) as sim:
            assert (await sim.ask(stream=True)).fate == "ok"
            failed, served = await entries(sim)
            assert (failed.deployment, failed.outcome, failed.served) == ("a/m", "broken_stream", False)
            assert failed.cost > 0 and failed.estimated and not served.estimated
            assert (served.baseline, served.premium) == ("a/m", served.cost)
            assert served.saved == -failed.cost
            (total,) = await sim.app.books.totals(0, FOR_EVER, where={"kind": str(Kind.CLIENT)})
            assert (total.requests, total.failed, total.failed_cost) == (1, 1, failed.cost)
            assert total.saved == total.premium - total.compared_cost

    run(main)


def test_what_lbd_spends_itself_is_in_the_ledger_as_its_own() -> None:
    """Paid probes of a row in trouble."""

    async def main(env: VirtualEnv) -> None:
        host, other = SimHost("a"), SimHost("b")
        both = [provider(host), provider(other, model="n", tier="secondary")]
        async with Sim(env, [host, other], {"providers": both}) as sim:
            sim.world.kill("a")
            await sim.traffic(5, 10)
            sim.world.revive("a")
            await env.sleep(60)
            probes = await entries(sim, kind="probe")
            assert len(probes) == sum(e.cost > 0 for e in probes) and probes
            assert sum(e.cost for e in probes) == sim.app.probing.spend.total
            assert all(e.client == "" and not e.served for e in probes)
            assert len({e.id for e in await entries(sim)}) == len(await entries(sim))

    run(main)
