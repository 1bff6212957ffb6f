"""LiteLLM's settings beside the models."""

from __future__ import annotations

from typing import Any

from lbd.adapt.litellm_settings import remedy


def test_fallbacks_are_a_rule_of_the_group_s_name(convert: Any) -> None:
    """Applications go on asking for the group; default fallbacks hold for every other model."""
    rules = convert("litellm", "litellm-groups.yaml").config["routing_rules"]
    assert rules == {"chat": {"primary": "chat", "fallback": ["spare"]}}
    more = convert("litellm", "litellm-proxy.yaml").config["routing_rules"]
    assert more == {"gpt-4": {"primary": "gpt-4", "fallback": ["gpt-3.5-turbo-large"]}}


def test_a_group_that_is_an_alias_has_its_rule_asked_first(convert: Any) -> None:
    """The models map is asked before rules, so the alias gives way."""
    text = """
    model_list: [{model_name: m, litellm_params: {model: gpt-x}}, {model_name: n, litellm_params: {model: gpt-y}}]
    router_settings: {model_group_alias: {a: m}, fallbacks: [{a: n}, {"*": [n]}]}
    """
    config = convert("litellm", text).config
    assert "models" not in config
    assert config["routing_rules"]["a"] == {"primary": "m", "fallback": ["n"]}
    assert config["routing_rules"]["m"] == {"primary": "m", "fallback": ["n"]}


def test_bounds_and_strategies_come_along(convert: Any) -> None:
    """In our units."""
    config = convert("litellm", "litellm-groups.yaml").config
    assert config["deadlines"] == {"interactive_total_s": 30.0, "interactive_first_content_s": 5.0}
    assert config["scorer"] == {"weights": {"latency": 2.0}}
    assert convert("litellm", "litellm-proxy.yaml").config["deadlines"] == {"interactive_total_s": 600.0}


def test_aliases_are_names(convert: Any) -> None:
    """Hidden ones, too."""
    assert convert("litellm", "litellm-proxy.yaml").config["models"] == {"our-alias": "gpt-4", "hidden-alias": "claude"}


def test_the_master_key_is_a_client_with_the_budget(convert: Any) -> None:
    """By reference; without one there is nobody to give the budget to."""
    client = convert("litellm", "litellm-proxy.yaml").config["clients"]
    assert client == [{"name": "master", "key": {"env": "LITELLM_MASTER_KEY"}, "budget": {"usd_per_month": 100.0}}]
    text = """
    model_list: [{model_name: m, litellm_params: {model: gpt-x}}]
    litellm_settings: {max_budget: 1, budget_duration: %s}
    """
    for span in ("1d", "7d"):
        result = convert("litellm", text % span)
        assert "clients" not in result.config and any(n.path.endswith("max_budget") for n in result.notes)


def test_budgets_of_providers_need_one_provider_and_a_period(convert: Any, levels: Any) -> None:
    """A week is none of ours."""
    result = convert("litellm", "litellm-groups.yaml")
    groq = next(p for p in result.config["providers"] if p["name"] == "groq")
    assert groq["budget"] == {"usd_per_day": 5.0}
    assert "router_settings.provider_budget_config.openai" in levels(result)["lost"]


def test_a_fallback_that_nobody_offers_is_said(convert: Any) -> None:
    """With its place: a rule that lost its first model would send everything to the next."""
    text = """
    model_list: [{model_name: b, litellm_params: {model: gpt-x}}, {model_name: "*", litellm_params: {model: openai/*}}]
    litellm_settings: {fallbacks: [{a: [b, {model: c}]}]}
    """
    result = convert("litellm", text)
    note = next(n for n in result.notes if "rule a" in n.reason)
    assert (note.path, note.level) == ("litellm_settings.fallbacks", "lost") and "a, c is not offered" in note.reason
    assert "--model a" in note.remedy
    assert convert("litellm", text, "a", "c").config["routing_rules"]["a"] == {"primary": "a", "fallback": ["b", "c"]}


def test_bounds_of_a_try_become_bounds_of_all(convert: Any, levels: Any) -> None:
    """Which is said."""
    assert "router_settings.timeout" in levels(convert("litellm", "litellm-groups.yaml"))["changed"]


def test_everything_else_is_said_with_what_to_do(convert: Any) -> None:
    """Each with its place and a remedy."""
    notes = {n.path: n for n in convert("litellm", "litellm-proxy.yaml").notes}
    for path in (
        "litellm_settings.drop_params", "litellm_settings.cache", "litellm_settings.success_callback",
        "router_settings.redis_host", "general_settings.database_url", "environment_variables",
    ):  # fmt: skip
        assert notes[path].level == "lost" and notes[path].remedy, path
    assert notes["litellm_settings.cache"].place.line == 60
    assert remedy("never_heard_of") == "" and "conf.d" in remedy("include")
    assert "lbd explain" in remedy("include_cost_in_streaming_usage")
