"""What the metrics page shows of a whole daemon: numbers that agree with what its parts say."""

from __future__ import annotations

from lbd.facts import facts
from lbd.model.table import AdminState
from lbd.observe.metrics import BudgetFacts, TierFacts, render
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost


def test_the_facts_are_those_of_the_parts() -> None:
    """Tiers, budgets, promises, alerts, probes."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a"), SimHost("b")]
        rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, ("primary", "secondary"), strict=True)]
        rows[0]["budget"] = {"usd_per_day": 2}
        config = {"providers": rows, "alerts": {"webhook": "http://h/"}}
        async with Sim(env, hosts, config) as sim:
            for i in range(30):
                await sim.ask("m-a", stream=bool(i % 2))
            sim.app.owner.order(sim.app.owner.rows[1], AdminState.MAINT, by="me", reason="")
            told = facts(sim.app)
            assert told.tiers == [TierFacts("primary", 1, 1), TierFacts("secondary", 0, 0)]
            (budget,) = told.budgets
            assert isinstance(budget, BudgetFacts) and budget.budget == "provider/a/day"
            assert (budget.limit, budget.reserved) == (2.0, 0.0) and budget.spent > 0
            assert told.promises == {"interactive": (30, 30)}
            assert told.alerts.notices == {("webhook", "sent"): 0, ("webhook", "failed"): 0}
            assert told.rows[0].probe_age_s is not None and told.rows[0].target_s == 1.5
            assert told.rows[1].probe_age_s is None, "it is not to be probed"
            assert told.store_up and not told.host_faults
            sim.app.keeping.up = False
            assert not facts(sim.app).store_up
            page = render(sim.app.meter.copy(), told, openmetrics=True).decode()
            assert 'lbd_slo_kept_total{class="interactive"} 30.0\n' in page
            assert 'lbd_slo_kept_total{class="background"} 0.0\n' in page
            assert 'lbd_upstream_ttft_seconds_count{deployment="a/m-a"} 15.0\n' in page
            assert 'lbd_tier_serving{tier="primary"} 1.0\n' in page
            trace = sim.app.journal.last(1)[0].trace
            assert len(trace) == 32 and f'# {{trace_id="{trace}"}}' in page

    run(main)
