"""The routing guide's own rules, run: who is asked first, who next, and what is never used."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.configs import ETC
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

SHIPPED: dict[str, Any] = json.loads((ETC / "routing-guide.json").read_text())
ROWS = {row["model"]: row for p in SHIPPED["providers"] for row in p["deployments"]}


def world(**prices: float) -> tuple[list[SimHost], dict[str, Any]]:
    """One host for each model of the guide, its shipped price and tier; ``prices`` replaces both prices of a model."""
    hosts = [SimHost(model.replace(".", "-"), ttft=0.3) for model in ROWS]
    providers = []
    for host, (model, row) in zip(hosts, ROWS.items(), strict=True):
        price = row["price"]
        if (usd := prices.get(model.replace("-", "_").replace(".", "_"))) is not None:
            price = {"input_usd_per_mtok": usd, "output_usd_per_mtok": usd}
        providers.append(provider(host, model=model, tier=row["tier"], deployment={"price": price}))
    return hosts, {"providers": providers, "routing_rules": SHIPPED["routing_rules"]}


def test_a_simple_query_goes_to_the_primary_and_when_that_is_gone_to_the_fallback() -> None:
    """Although two models of a better tier are there."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = world()
        async with Sim(env, hosts, config) as sim:
            answers = [await sim.ask("simple_queries") for _ in range(20)]
            assert {a.headers["x-lbd-deployment"] for a in answers} == {"gpt-3-5-turbo/gpt-3.5-turbo"}
            sim.world.kill("gpt-3-5-turbo")
            answers = [await sim.ask("simple_queries", stream=bool(i % 2)) for i in range(20)]
            assert {a.headers["x-lbd-deployment"] for a in answers} == {"claude-haiku/claude-haiku"}
            assert {a.fate for a in sim.asked} == {"ok"}
            sim.world.kill("claude-haiku")
            last = await sim.ask("simple_queries")
            assert last.fate == "refused", "the rule names no third model: better tiers are not taken instead"

    run(main)


def test_what_is_dearer_than_the_rules_ceiling_is_never_used() -> None:
    """Neither first nor as fallback; with nothing left the client is told so, and nothing is spent."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = world(gpt_3_5_turbo=2.5)  # 0.0025 USD for 1,000 tokens
        async with Sim(env, hosts, config) as sim:
            answers = [await sim.ask("simple_queries", max_tokens=4) for _ in range(10)]
            assert {a.headers["x-lbd-deployment"] for a in answers} == {"claude-haiku/claude-haiku"}
            assert sim.world.hosts["gpt-3-5-turbo"].seen == 0
        hosts, config = world(gpt_3_5_turbo=2.5, claude_haiku=2.1)
        async with Sim(env, hosts, config) as sim:
            answer = await sim.ask("simple_queries", max_tokens=4)
            assert answer.fate == "refused" and answer.error is not None
            assert "rule 'simple_queries'" in answer.error["message"], answer.error
            assert sum(host.seen for host in hosts) == 0

    run(main)


def test_complex_reasoning_that_takes_too_long_moves_on() -> None:
    """``max_latency_ms`` is a bound of the whole of a unary answer: within it the fallback has answered."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = world()
        async with Sim(env, hosts, config) as sim:
            assert (await sim.ask("complex_reasoning")).headers["x-lbd-deployment"] == "gpt-4/gpt-4"
            sim.world.freeze("gpt-4")
            for stream in (True, False):
                answer = await sim.ask("complex_reasoning", stream=stream)
                assert answer.fate == "ok"
                assert answer.headers["x-lbd-deployment"] == "claude-opus/claude-opus"
                assert answer.first_s is not None and answer.first_s < 5.0
            sim.world.freeze("claude-opus")
            began = env.now()
            assert (await sim.ask("complex_reasoning")).fate == "refused"
            assert env.now() - began < 5.5

    run(main)
