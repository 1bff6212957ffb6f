"""A configuration whose outside is replaced: what decides stays, what leaves the daemon does not."""

from __future__ import annotations

from typing import Any

from lbd.config import journal
from lbd.simulate import stand
from lbd.simulate.scenario import Capacity, Scenario, Speed
from tests.fakes.harness import compiled

CONFIG: dict[str, Any] = {
    "allow_inline_secrets": True,
    "store": {"url": "sqlite:///var/lib/lbd/state.db"},
    "journal": {"path": "/var/lib/lbd/j"},
    "alerts": {"webhook": "https://hooks.example.net/x"},
    "traces": {"otlp_url": "https://collector.example.net"},
    "clients": [{"name": "bot", "key": "secret-secret"}],
    "providers": [
        {
            "name": "claude",
            "shape": "anthropic",
            "base_url": "https://api.anthropic.com/v1",
            "api_key": "key-key-key",
            "max_concurrency": 3,
            "deployments": [{"model": "haiku", "upstream_model": "h", "tier": "primary"}],
        }
    ],
}


def test_nothing_is_written_sent_or_asked() -> None:
    before = compiled(CONFIG)
    told = stand.standing(before)
    (provider,) = told.providers
    assert (provider.shape, provider.base_url, provider.api_key) == ("openai", "http://claude/v1", None)
    assert told.config.store.url == "memory:"
    assert journal.folder(told.config.journal, before.config.store.url) is None
    assert before.alerts.receivers and not told.alerts.receivers
    assert before.traces is not None and told.traces is None
    assert told.clients[0].key_sha256 != before.clients[0].key_sha256


def test_what_decides_is_the_configurations_own() -> None:
    """A deployment carries what its real shape can, not what the simulated one could."""
    before = compiled(CONFIG)
    told = stand.standing(before)
    assert told.deployments == before.deployments
    assert (told.tiers, told.rules, told.scorer) == (before.tiers, before.rules, before.scorer)


def test_hosts_answer_as_they_are_told_else_as_measured_else_as_their_tier() -> None:
    config, id_ = compiled(CONFIG), "claude/haiku"
    (plain,) = stand.hosts(config, Scenario(), {})
    assert plain.slots == 3
    assert plain.models["h"].ttft_s == stand.OF_TARGET * 1.5
    measured = {id_: Speed(ttft_s=0.9, tokens_per_s=50.0)}
    assert stand.hosts(config, Scenario(), measured)[0].models["h"].ttft_s == 0.9
    told = Scenario(deployments={id_: Speed(ttft_s=0.1)}, providers={"claude": Capacity(slots=7)})
    (host,) = stand.hosts(config, told, measured)
    assert (host.models["h"].ttft_s, host.slots) == (0.1, 7)
