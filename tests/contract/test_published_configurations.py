"""What other gateways publish as examples becomes a configuration that means the same.

Each file is converted, passes lbd's own check and gives no secret away; what it is about is pinned below.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from lbd.adapt import adapt
from lbd.adapt.draft import Choices, Result
from lbd.adapt.write import yaml_text
from lbd.cli.adapt import faults
from lbd.decide import names
from lbd.model.failure import Failure
from tests.fakes.configs import checked

PUBLISHED = Path(__file__).parent / "published"
FILES = [p.name for p in sorted(PUBLISHED.iterdir()) if p.suffix in (".yaml", ".json")]
MODELS = ("gpt-4o", "openai/gpt-4o", "anthropic/claude-haiku-4-5")
PROVIDERS = {"ours": "openai", "open-ai-a": "openai"}


@functools.cache
def result(name: str) -> Result:
    text = (PUBLISHED / name).read_text()
    return adapt(text, name, name.partition("-")[0], Choices(MODELS, PROVIDERS), {})


def providers(name: str) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in result(name).config["providers"]}


def served(name: str, model: str) -> dict[str, float]:
    """Return the providers that serve a model, with their shares."""
    return {n: r.get("weight", 1) for n, p in providers(name).items() for r in p["deployments"] if r["model"] == model}


def told(name: str, level: str) -> set[str]:
    return {n.path for n in result(name).notes if n.level == level}


@pytest.mark.parametrize("name", FILES)
def test_it_passes_the_check_and_keeps_secrets(name: str) -> None:
    """And whatever is lost has its place in the source."""
    made = result(name)
    written = yaml_text(made.config, map(str, made.notes))
    assert made.usable and faults(written, made.environment) == []
    assert "canary" not in written and all(n.place.file == name for n in made.notes)


def test_litellm_bounds_and_paces_of_a_deployment_are_said() -> None:
    """Two resources of Azure; each of what a deployment says of time, retries and pace is named."""
    name = "litellm-azure-config.yaml"
    assert [p["base_url"][:46] for p in providers(name).values()] == [
        "https://openai-gpt-4-test-v-1.openai.azure.com", "https://openai-gpt-4-test-v-2.openai.azure.com",
    ]  # fmt: skip
    at = "model_list[0].litellm_params."
    assert told(name, "lost") >= {at + "timeout", at + "stream_timeout", at + "max_retries"}
    assert at + "tpm" in told(name, "changed")


def test_litellm_s_own_choice_and_half_a_price_are_said() -> None:
    """A router is no deployment; an output without a price is not silently free."""
    name = "litellm-adaptive-router-example.yaml"
    assert "model_list[0].litellm_params.model" in told(name, "lost")
    assert {"model_list[1].litellm_params", "model_list[2].litellm_params"} <= told(name, "todo")
    assert "model_list[1].model_info.adaptive_router_preferences" in told(name, "lost")


def test_litellm_s_reranker_is_no_chat_model() -> None:
    """It would be offered for conversations; tags and guardrails that are lost are named."""
    name = "litellm-otel-test-config.yaml"
    assert served(name, "rerank-english-v3.0") == {} and "model_list[2].litellm_params" in told(name, "lost")
    assert {"guardrails", "router_settings.enable_tag_filtering", "model_list[0].litellm_params.tags"} <= told(
        name, "lost"
    )
    assert all(n.remedy for n in result(name).notes if n.level == "lost" and n.path.startswith("router_settings"))


def test_litellm_s_clouds_have_their_own_addresses() -> None:
    """Claude at Anthropic, on Bedrock, on Vertex AI and on Azure, which speaks as Anthropic does there."""
    made = providers("litellm-dev-config.yaml")
    shapes = {r["model"]: p["shape"] for p in made.values() for r in p["deployments"]}
    assert shapes["anthropic-opus-4-5"] == shapes["azure-opus-4-5"] == "anthropic"
    assert shapes["bedrock-converse-opus-4-5"] == "bedrock" and shapes["vertex-opus-4-5"] == "vertex-anthropic"
    azure = made["azure-anthropic-set-azure-ai-api-base"]
    assert azure["base_url"].endswith("/anthropic/v1") and azure["api_key"] == {"env": "AZURE_AI_API_KEY"}
    assert sum("VERTEXAI_PROJECT" in n.reason for n in result("litellm-dev-config.yaml").notes) == 1


def test_litellm_s_wildcards_are_filled_by_names() -> None:
    """Each where its pattern fits; the others still ask for some."""
    name = "litellm-wildcard-config.yaml"
    assert set(served(name, "openai/gpt-4o")) == {"openai"}
    assert providers(name)["anthropic"]["deployments"][0]["upstream_model"] == "claude-haiku-4-5"
    assert "model_list[1].model_name" in told(name, "todo")


def test_bifrost_s_keys_stay_in_their_region() -> None:
    """What a virtual key may use, its client is served by, and by nothing else; each name, on its surface."""
    name = "bifrost-two-regions.json"
    config = result(name).config
    eu = next(c for c in config["clients"] if c["name"] == "assistant-eu")
    meanings = next(s["models"] for s in config["surfaces"] if s["name"] == eu["surface"])
    assert set(served(name, meanings["gpt-5"])) == set(served(name, meanings["azure/gpt-5"])) == {"azure-eu"}
    assert set(served(name, meanings["google/gemini-2.5-pro"])) == {"vertex-europe-west1"}
    assert "openai/gpt-5" not in eu["models"] and not {"pin", "surface"} & set(eu["may"])
    us = next(s["models"] for s in config["surfaces"] if s["name"] == "assistant-us")
    assert served(name, us["gpt-5"]) == {"azure-us": 1, "openai": 1}


def test_bifrost_s_regions_hold_as_lbd_itself_reads_them() -> None:
    """Of every name that the client may ask for, on its surface; and nothing else may serve it."""
    made = result("bifrost-two-regions.json")
    of = checked(yaml_text(made.config), {key: f"key-{i}" for i, key in enumerate(made.environment)})
    client = next(c for c in of.clients if c.name == "assistant-eu")
    surface = of.surfaces[str(client.surface)]
    catalogue = names.build(of.deployments, of.tiers, of.rules, of.aliases)
    for asked in client.models:
        target = names.resolve(catalogue, asked, surface_aliases=surface.models)
        assert not isinstance(target, Failure), asked
        rows = [of.deployments[i] for stage in target.stages for i in stage.rows]
        assert {row.provider for row in rows} <= {"azure-eu", "vertex-europe-west1"}, asked
        assert all(names.allowed(row.model, client.models) for row in rows), asked
    assert not names.allowed("openai/gpt-5", client.models) and not names.allowed("auto", client.models)


def test_bifrost_s_rules_keep_provider_and_share() -> None:
    """In the order of their priorities; what has no counterpart can be asked for by name and is said."""
    name = "bifrost-routing-rules.json"
    rules = result(name).config["routing_rules"]
    order = ["budget-overflow", "eu-residency", "environments", "environments-2", "hard", "hard-2", "normalize"]
    assert list(rules)[:9] == [*order, "premium-tier", "split-traffic"]
    assert set(served(name, rules["eu-residency"]["primary"])) == {"azure"}
    assert served(name, rules["premium-tier"]["primary"]) == {"openai": 1, "azure": 0.4286}
    assert rules["premium-tier"]["fallback"] == ["llama-3.1-70b"] and "when" not in rules["budget-overflow"]
    assert served(name, rules["split-traffic"]["primary"]) == {"openai": 1, "groq": 0.4286}
    assert {"governance.routing_rules[1].cel_expression", "governance.routing_rules[6].chain_rule"} <= told(
        name, "lost"
    )


def test_bifrost_s_older_form_is_read() -> None:
    """With the /v1 that it adds by itself, and the settings of the provider as its keys'."""
    made = providers("bifrost-older-form.json")
    assert made["openai"]["base_url"] == "http://localhost:8000/v1" and made["openai"]["max_concurrency"] == 3
    assert made["bedrock"]["aws_secret_access_key"] == {"env": "AWS_SECRET_ACCESS_KEY"}
    assert made["azure"]["deployments"] == [{"model": "gpt-4o", "upstream_model": "our-4o"}]


def test_bifrost_s_chart_is_its_configuration() -> None:
    """Servers of one's own at their addresses, roles and identities as what is to be done, keys as clients."""
    name = "bifrost-chart.yaml"
    made, clients = providers(name), {c["name"]: c for c in result(name).config["clients"]}
    assert made["vllm"]["base_url"] == "http://vllm.svc.cluster.local:8000/v1"
    assert made["vllm"]["deployments"][0]["upstream_model"] == "meta-llama/Llama-3-70B"
    assert made["ollama"]["base_url"] == "https://set-ollama-url.invalid/v1"
    at = "bifrost.providers."
    assert {at + "azure.keys[1]", at + "bedrock.keys[0].bedrock_key_config"} <= told(name, "todo")
    assert clients["dev-all"]["budget"] == {"usd_per_month": 50.0} and clients["dev-all"]["limit"] == {
        "tokens_per_min": 2000
    }
    meaning = result(name).config["surfaces"][0]["models"]["gpt-4o"]
    assert set(served(name, meaning)) == {"azure-apikey"} and "bifrost.client" in told(name, "changed")


def test_portkey_s_strategies_nest() -> None:
    """A condition chooses a balance, a target, or a balance with something behind it; one account has one key."""
    name = "portkey-combined.json"
    rules = result(name).config["routing_rules"]
    assert list(rules) == ["sonnet-everywhere", "gpt-4o", "gemini-then-gpt", "gpt-4o-default"]
    assert served(name, rules["sonnet-everywhere"]["primary"]) == {"anthropic": 0.5, "vertex": 0.5, "bedrock": 1}
    assert set(served(name, rules["gemini-then-gpt"]["primary"])) == {"google-1", "google-2"}
    assert rules["gemini-then-gpt"]["fallback"] == ["gpt-4.1"] and set(served(name, "gpt-4.1")) == {"openai"}


def test_portkey_s_backup_stays_in_its_region() -> None:
    """The condition stands below the fallback: who is of the EU falls back to the EU."""
    name = "portkey-region-backup.json"
    rules = result(name).config["routing_rules"]
    assert rules["eu-backup"]["when"] == {"header": {"x-meta-user_region": "EU"}}
    backups = [set(served(name, rules[r]["fallback"][0])) for r in ("eu-backup", "us-backup-default")]
    assert backups == [{"azure-eu"}, {"azure-us"}]


def test_portkey_s_bounds_do_not_cut_streams() -> None:
    """10 s for each of two tries, up to the first piece; a target's own, retries, cache and breaker are named."""
    name = "portkey-timeouts.json"
    assert result(name).config["deadlines"] == {"interactive_first_content_s": 20.0}
    assert told(name, "lost") >= {"targets[0].request_timeout", "retry", "cache", "strategy.cb_config"}
    assert {"request_timeout", "strategy.on_status_codes"} <= told(name, "changed")


def test_portkey_s_passthrough_and_parameters_are_said() -> None:
    """The other target stays."""
    name = "portkey-passthrough.json"
    assert {"targets[0].passthrough", "targets[1].override_params"} <= told(name, "lost")
    assert result(name).config["models"] == {"*": "portkey"}


def test_portkey_s_plans_are_rules() -> None:
    """By header; what is about other parameters is left out and said, and its target stays."""
    rules = result("portkey-plans.json").config["routing_rules"]
    whens = [rules[r]["when"].get("header") for r in ("better", "base", "base-2", "base-default")]
    assert whens == [{"x-meta-user_plan": p} for p in ("paid", "free", "trial")] + [None]
    assert "strategy.conditions[2].query" in told("portkey-plans.json", "lost")


def test_openrouter_s_wishes_are_named() -> None:
    """What lbd does itself, what goes on with the body, what it cannot."""
    name = "openrouter-partition.json"
    assert result(name).config["routing_rules"] == {"a/large": {"primary": "a/large", "fallback": ["b/small"]}}
    assert told(name, "lost") == {"provider.sort.partition"}
    assert {"provider.max_price", "provider.quantizations", "models"} <= told(name, "changed")


def test_openrouter_s_requests_are_read_as_sdks_write_them() -> None:
    """Wrapped and in camel case, with another SDK's extra_body, with the Anthropic endpoint's fallbacks."""
    assert served("openrouter-sdk.json", "a/large:nitro") == {"openrouter": 1}
    at = "provider."
    assert {at + "order", at + "allow_fallbacks", at + "data_collection", at + "zdr"} <= told(
        "openrouter-sdk.json", "changed"
    )
    rules = result("openrouter-requests.json").config["routing_rules"]
    assert rules["a/large"]["fallback"] == ["b/small"] and rules["~c/latest"]["fallback"] == ["d/other"]
    assert served("openrouter-requests.json", "@preset/our-preset") == {"openrouter": 1}
