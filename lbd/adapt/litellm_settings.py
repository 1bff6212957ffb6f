"""What LiteLLM's settings say beside the models: fallbacks, names, keys, bounds, budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lbd.adapt import houses
from lbd.adapt.draft import Draft
from lbd.adapt.words import budget, mapping, number, texts
from lbd.config.tree import Path_

_STRATEGIES = {
    "latency-based-routing": {"latency": 2.0},
    "least-busy": {"load": 2.0},
    "cost-based-routing": {"cost": 2.0},
    "lowest-cost": {"cost": 2.0},
}
_SAME = frozenset({"simple-shuffle", "usage-based-routing", "usage-based-routing-v2"})
# Key, or its beginning, to what a person should know. The first that fits.
_REMEDIES: tuple[tuple[str, str], ...] = (
    ("redis", "one lbd keeps its state itself, in `store`; several hosts do not share one in this version"),
    ("coordination_redis", "one lbd keeps its state itself, in `store`"),
    ("use_redis", "one lbd keeps its state itself, in `store`"),
    ("cache", "there is no response cache in lbd; providers' prompt caches are kept warm by affinity"),
    ("num_retries", "attempts are bounded by the deadline and a retry budget, not by a number"),
    ("max_retries", "attempts are bounded by the deadline and a retry budget, not by a number"),
    ("retry", "attempts are bounded by the deadline and a retry budget, not by a number"),
    ("allowed_fails", "a breaker opens by itself: three failures in a row, or half of twenty; probes close it again"),
    ("cooldown", "a breaker opens and closes by itself; Retry-After of a 429 is kept"),
    ("disable_cooldowns", "breakers cannot be switched off"),
    ("enable_pre_call_checks", "context and capabilities are always checked before a request goes out"),
    ("content_policy_fallbacks", "a surface's `validate: {refusal: refuse}` asks the next one where an answer refuses"),
    ("routing_strategy_args", "see scorer.weights"),
    ("drop_params", "a request goes where all it asks for is taken; `ignores` of a deployment leaves things out"),
    ("modify_params", "requests are not changed"),
    ("success_callback", "see /metrics, the ledger (lbd report) and the decision journal; there are no callbacks"),
    ("failure_callback", "see /metrics, /v1/events and the log; there are no callbacks"),
    ("callback", "see /metrics, the ledger and the log; there are no callbacks"),
    ("service_callback", "see /metrics"),
    ("guardrails", "`validate` of a surface holds answers to a schema, a length, a language"),
    ("default_team_settings", "teams are clients and surfaces of ours"),
    ("default_internal_user", "users are clients of ours"),
    ("database", "keys and spend are in `clients` and the ledger; no database is needed"),
    ("store_model_in_db", "models that were added in the UI are not in this file: export them, and add them"),
    ("proxy_b", "spend is written down by the ledger at once"),
    ("pass_through_endpoints", "only the endpoints of DESIGN's list are served; point such clients at the provider"),
    ("alert", "see `alerts`: a webhook, Alertmanager or Slack is told"),
    ("slack", "see alerts.slack"),
    ("health_check", "probes run by themselves: see `probes`"),
    ("background_health_checks", "probes run by themselves: see `probes`"),
    ("telemetry", "lbd sends none"),
    ("set_verbose", "see log.level"),
    ("json_logs", "lbd's log is JSON where it is no terminal"),
    ("mcp", "lbd serves no MCP"),
    ("finetune_settings", "files and batches are lbd's own; fine-tuning goes to the provider directly"),
    ("files_settings", "files and batches are lbd's own and go to any deployment"),
    ("environment_variables", "set them where lbd runs, such as Environment= or LoadCredential= of the unit"),
    ("enable_tag_filtering", "write rules whose `when: {header: ...}` chooses"),
    ("tag_filtering", "write rules whose `when: {header: ...}` chooses"),
    ("policies", "`validate` of a surface holds answers to a schema, a length, a language"),
    ("policy_attachments", "see policies"),
    ("prompt", "prompts that LiteLLM keeps: applications send their own"),
    ("search_tools", "lbd runs no tools: applications do, or the model's provider"),
    ("websearch_interception", "lbd runs no tools: applications do, or the model's provider"),
    ("sandbox_tools", "lbd runs no tools: applications do, or the model's provider"),
    ("code_interpreter", "lbd runs no tools: applications do, or the model's provider"),
    ("vector_store", "lbd keeps no documents"),
    ("otel", "see `traces`"),
    ("custom_auth", "clients have a `key`, or a `certificate`"),
    ("enable_jwt_auth", "clients have a `key`, or a `certificate`"),
    ("litellm_jwtauth", "clients have a `key`, or a `certificate`"),
    ("allowed_ips", "bind `listen` where only they reach it, or ask clients for certificates: `tls`"),
    ("key_management", "secrets are references: {env: X}, {file: X} or {credential: X}"),
    ("require_auth_for_metrics", "/metrics is at `admin`, which has its own address and token"),
    ("max_request_size_mb", "see limits.max_body_bytes"),
    ("disable_end_user_cost_tracking", "costs are told of clients and surfaces, not of their users"),
    ("include_cost_in_streaming_usage", "what a stream cost is in its decision: lbd explain"),
    ("model_group_retry_policy", "attempts are bounded by the deadline and a retry budget, not by a number"),
    ("turn_off_message_logging", "lbd never logs prompts and answers"),
    ("team_metadata", "teams are clients and surfaces of ours"),
    ("custom_team", "teams are clients and surfaces of ours"),
    ("reject_clientside_metadata_tags", "lbd takes no tags from requests"),
    ("adaptive", "lbd learns latency, errors and cost of each deployment by itself"),
    ("ui_", "lbd has no user interface for keys"),
)  # fmt: skip


def apply(root: dict[str, Any], draft: Draft) -> None:
    """Take over what is said beside the models."""
    done = {"model_list", "credential_list"}
    for section in ("router_settings", "litellm_settings", "general_settings"):
        given = root.get(section)
        done.add(section)
        for key, value in mapping(given).items():
            path: Path_ = (section, key)
            if not _take(key, value, path, draft):
                draft.lost(path, "no counterpart", remedy(key))
    for key in root:
        if key not in done:
            draft.lost((key,), "no counterpart", remedy(key))
    _fallbacks(root, draft)
    _budget(root, draft)


def remedy(key: str) -> str:
    """Return what to do about a key that has no counterpart, nothing where there is nothing to say."""
    if key == "include":
        return "convert the included files too: put them into conf.d beside the main file"
    return next((text for start, text in _REMEDIES if key.startswith(start)), "")


def _take(key: str, value: Any, path: Path_, draft: Draft) -> bool:
    """Tell whether a setting is understood; what is said in several places is taken over in the end."""
    if key in ("fallbacks", "context_window_fallbacks", "default_fallbacks", "max_budget", "budget_duration"):
        return True
    found = _TAKERS.get(key)
    if found is not None:
        found(value, path, draft)
    return found is not None


def _aliases(value: Any, _path: Path_, draft: Draft) -> None:
    for name, meaning in mapping(value).items():
        draft.aliases[str(name)] = str(meaning.get("model")) if isinstance(meaning, dict) else str(meaning)


def _deadline(key: str) -> Callable[[Any, Path_, Draft], None]:
    def take(value: Any, path: Path_, draft: Draft) -> None:
        if (seconds := number(value)) is not None and seconds > 0:
            draft.more.setdefault("deadlines", {})[key] = seconds
            draft.note("changed", path, f"there it bounds each try, here {key} bounds all of them together, from"
                       " arrival; streams to their end, too" if key == "interactive_total_s" else
                       f"there it bounds each try, here {key} bounds all of them together, from arrival",
                       "Raise it where answers take longer, and where others are to be asked after one")  # fmt: skip

    return take


def _master_key(value: Any, path: Path_, draft: Draft) -> None:
    draft.clients.append({"name": "master", "key": draft.secret(value, path, "LITELLM_MASTER_KEY")})
    draft.note(
        "changed",
        path,
        "whoever has the master key is a client here; keys that LiteLLM made are in its database, and not in this file",
        "Write one client for each of them",
    )


def _parallel(_value: Any, path: Path_, draft: Draft) -> None:
    draft.lost(path, "no bound of all requests together", "set max_concurrency of providers")


def _strategy(value: Any, path: Path_, draft: Draft) -> None:
    word = str(value)
    if word in _STRATEGIES:
        draft.more["scorer"] = {"weights": dict(_STRATEGIES[word])}
        draft.note(
            "changed", path, f"{word}: the scorer weighs it double; health, load, cost and quality count beside it"
        )
    elif word not in _SAME:
        draft.lost(path, f"{word}: no counterpart", "see scorer.weights")


def _pairs(value: object) -> Iterator[tuple[str, list[str]]]:
    """Yield the fallbacks of each group, however they are written."""
    for one in value if isinstance(value, list) else [value]:
        for group, others in mapping(one).items():
            given = others if isinstance(others, list) else [others]
            yield str(group), [str(m.get("model")) if isinstance(m, dict) else str(m) for m in given]


def _fallbacks(root: dict[str, Any], draft: Draft) -> None:
    found: dict[str, list[str]] = {}
    every: list[str] = []
    places: dict[str, Path_] = {}  # where the first of a group's fallbacks stand
    for section in ("router_settings", "litellm_settings"):
        given = root.get(section)
        given = mapping(given)
        every += texts(given.get("default_fallbacks"))
        for key in ("fallbacks", "context_window_fallbacks"):
            for group, others in _pairs(given.get(key)):
                if group == "*":
                    every += others
                else:
                    found.setdefault(group, []).extend(others)
                    places.setdefault(group, (section, key))
        if given.get("context_window_fallbacks"):
            draft.note("changed", (section, "context_window_fallbacks"), "they are fallbacks like others: lbd takes the"
                       " next one that the prompt fits into, where deployments have context_tokens")  # fmt: skip
    if every:
        found = {**{model: [] for model in sorted(draft.models)}, **found}
    for group, others in found.items():
        order = [m for m in dict.fromkeys([*others, *every]) if m != group]
        group_is = draft.aliases.get(group, group)
        if order:
            draft.rule(group, {"primary": group_is, "fallback": order}, places.get(group, ()))
            if group != group_is:  # the alias would be asked first
                draft.aliases.pop(group)


def _budget(root: dict[str, Any], draft: Draft) -> None:
    given = root.get("litellm_settings")
    settings: dict[str, Any] = given if isinstance(given, dict) else {}
    if "max_budget" not in settings:
        return
    path: Path_ = ("litellm_settings", "max_budget")
    made = budget(settings["max_budget"], settings.get("budget_duration"))
    if made is None:
        draft.lost(path, "budgets are of an hour, a day or a month of the calendar", "give clients a `budget`")
    elif draft.clients:
        draft.clients[0]["budget"] = made
        draft.note("changed", path, "the budget is that of the client with the master key; others need their own")
    else:
        draft.lost(
            path, "budgets are of clients, surfaces and providers, and there is none", "give providers a `budget`"
        )


def _provider_budgets(value: Any, path: Path_, draft: Draft) -> None:
    for word, given in mapping(value).items():
        limit = mapping(given)
        made = budget(
            limit.get("budget_limit", limit.get("max_budget")), limit.get("time_period", limit.get("budget_duration"))
        )
        house = houses.find(str(word))
        mine = [p for p in draft.providers.values() if house is not None and str(p["name"]).split("-")[0] == house]
        if made is None or len(mine) != 1:
            draft.lost((*path, word), "a budget is of one provider, and of an hour, a day or a month of the calendar",
                       f"{len(mine)} providers are of this kind: give each its `budget`")  # fmt: skip
        else:
            mine[0]["budget"] = made


_TAKERS: dict[str, Callable[[Any, Path_, Draft], None]] = {
    "routing_strategy": _strategy,
    "model_group_alias": _aliases,
    "timeout": _deadline("interactive_total_s"),
    "request_timeout": _deadline("interactive_total_s"),
    "stream_timeout": _deadline("interactive_first_content_s"),
    "master_key": _master_key,
    "provider_budget_config": _provider_budgets,
    "max_parallel_requests": _parallel,
    "global_max_parallel_requests": _parallel,
}
