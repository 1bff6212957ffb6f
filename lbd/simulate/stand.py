"""A configuration as it can be run over simulated providers, and the providers that it names.

All that is decided is the configuration's own: deployments with what their real shape can carry, prices, tiers, rules,
limits, budgets, experiments. What leaves the daemon is not: every provider speaks the shape of OpenAI at an address
that is its name, keys are made up, nothing is written to a disk, no alert is sent, no answer scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec.structs import replace

from lbd.config.compiled import Compiled
from lbd.config.journal import JournalConfig
from lbd.config.schema import StoreConfig
from lbd.model.provider import ClientSpec, ProviderSpec
from lbd.simulate.host import Pace, SimHost
from lbd.simulate.scenario import Scenario, Speed

SLOTS = 1000  # of a provider whose capacity nobody tells
OF_TARGET = 0.3  # median of the first content, in the tier's target, where nobody tells it: then its p95 is half of it
CHUNK = 40  # tokens of one event of a stream: fewer events, the same time


def standing(compiled: Compiled) -> Compiled:
    """Return the configuration with its outside replaced."""
    config = compiled.config
    inside = replace(
        config,
        store=StoreConfig(url="memory:"),
        journal=JournalConfig(max_bytes=0),
        evaluate=None,
        log=replace(config.log, requests="none"),
    )
    return replace(
        compiled,
        config=inside,
        providers=tuple(_provider(p) for p in compiled.providers),
        clients=tuple(_client(c) for c in compiled.clients),
        alerts=replace(compiled.alerts, receivers=()),
        evaluate=None,
        admin_token=None,
        provenance_key=None,
        tls=None,
        admin_tls=None,
        traces=None,
    )


def _client(client: ClientSpec) -> ClientSpec:
    """Return a client that shows a key and nothing else: no connection is simulated."""
    return replace(client, key_sha256=hashlib.sha256(key(client).encode()).digest(), certificates=frozenset())


def key(client: ClientSpec) -> str:
    """Return the key that a client shows."""
    return f"simulated-{client.name}"


def _provider(provider: ProviderSpec) -> ProviderSpec:
    return replace(
        provider,
        shape="openai",
        base_url=f"http://{provider.name}/v1",
        api_key=None,
        secrets=(),
        headers=(),
        proxy=None,
        ca_file=None,
        api_version=None,
    )


def hosts(compiled: Compiled, scenario: Scenario, measured: Mapping[str, Speed]) -> list[SimHost]:
    """Return the providers. A deployment answers as the scenario has it, else as measured, else as its tier has it."""
    targets = {t.name: t.ttft_p95_s for t in compiled.tiers}
    out = []
    for provider in compiled.providers:
        rows = [d for d in compiled.deployments if d.provider == provider.name]
        told = scenario.providers.get(provider.name)
        slots = None if told is None else told.slots
        if slots is None:
            slots = provider.max_concurrency or (
                sum(d.max_concurrency or 0 for d in rows) if provider.self_hosted else 0
            )
        host = SimHost(
            provider.name,
            slots=slots or SLOTS,
            per_minute=None if told is None else told.requests_per_min,
            chunk=CHUNK,
        )
        for row in rows:
            speed = scenario.deployments.get(row.id) or measured.get(row.id) or Speed()
            host.models[row.upstream_model] = _pace(speed, targets[row.tier])
        out.append(host)
    return out


def _pace(speed: Speed, target_s: float) -> Pace:
    return Pace(
        OF_TARGET * target_s if speed.ttft_s is None else speed.ttft_s,
        1 / speed.input_tokens_per_s,
        1 / speed.tokens_per_s,
        spread=speed.spread,
        error_share=speed.error_share,
    )
