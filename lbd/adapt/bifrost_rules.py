"""Bifrost's ``governance``: virtual keys with budgets and limits become clients, routing rules in CEL ours."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from lbd.adapt.draft import Draft
from lbd.adapt.words import budget, maps, number, slug, texts, variable, whole
from lbd.config.tree import Path_

_TERM = re.compile(
    r"""\(?\s*(?:
        (?P<true>true)
      | (?P<name>model|virtual_key_name|headers\["(?P<header>[^"]+)"\]|headers\['(?P<header2>[^']+)'\])\s*
        (?: ==\s*(?P<quote>["'])(?P<equal>[^"']*)(?P=quote)
          | \.(?P<method>startsWith|endsWith|contains)\((?P<quote2>["'])(?P<part>[^"']*)(?P=quote2)\) )
    )\s*\)?\Z""",
    re.VERBOSE,
)
_LOST = {
    "auth_config": "see `admin`: changes need its token or the unix socket",
    "customers": "customers and teams are clients and surfaces of ours",
    "teams": "customers and teams are clients and surfaces of ours",
    "model_configs": "budgets are of clients, surfaces and providers",
    "providers": "give providers a `budget`",
}
_MINUTE = {"1m": 1.0, "60s": 1.0, "1h": 60.0, "60m": 60.0, "1d": 1440.0, "24h": 1440.0}


def apply(governance: dict[str, Any], draft: Draft) -> None:
    """Take over what is said of keys and rules."""
    budgets = _by_id(governance.get("budgets"))
    limits = _by_id(governance.get("rate_limits"))
    for i, key in enumerate(maps(governance.get("virtual_keys"))):
        _client(key, ("governance", "virtual_keys", i), budgets, limits, draft)
    rules = sorted(enumerate(maps(governance.get("routing_rules"))), key=lambda r: number(r[1].get("priority")) or 0.0)
    for i, rule in rules:
        _rule(rule, ("governance", "routing_rules", i), draft)
    if any("when" in rule for rule in draft.rules.values()):
        _as_asked(draft)
    for word, remedy in _LOST.items():
        if governance.get(word):
            draft.lost(("governance", word), "no counterpart", remedy)


def _by_id(value: object) -> dict[str, dict[str, Any]]:
    return {str(v.get("id")): v for v in maps(value)}


def _client(
    key: dict[str, Any],
    path: Path_,
    budgets: dict[str, dict[str, Any]],
    limits: dict[str, dict[str, Any]],
    draft: Draft,
) -> None:
    name = slug(str(key.get("name") or key.get("id") or "client"))
    if key.get("is_active") is False:
        draft.lost(path, f"virtual key {name} is not active: it is left out")
        return
    made: dict[str, Any] = {
        "name": name,
        "key": draft.secret(key.get("value"), (*path, "value"), f"LBD_KEY_{variable(name)}"),
    }
    if any(c["name"] == name for c in draft.clients):
        draft.lost(path, f"a second virtual key {name!r}: it is left out", "give it a name of its own")
        return
    configs = maps(key.get("provider_configs"))
    allowed = [str(m) for c in configs for m in texts(c.get("allowed_models"))]
    if allowed and "*" not in allowed:
        mine = [f"{c.get('provider')}/{m}" for c in configs for m in texts(c.get("allowed_models"))]
        made["models"] = list(dict.fromkeys([*allowed, *mine]))
    if configs:
        draft.lost(
            (*path, "provider_configs"),
            "which providers and keys a client gets is not bound to it",
            "`models` of a client bounds what it may ask for; surfaces can pin a model or a deployment",
        )
    bound = _budgets(key, budgets, path, draft)
    if bound:
        made["budget"] = bound
    rates = _rates(key, limits, path, draft)
    if rates:
        made["limit"] = rates
    draft.clients.append(made)


def _budgets(key: dict[str, Any], budgets: dict[str, dict[str, Any]], path: Path_, draft: Draft) -> dict[str, float]:
    mine = {str(key.get("budget_id"))} - {"None"}
    given = [b for i, b in budgets.items() if i in mine or (key.get("id") and b.get("virtual_key_id") == key["id"])]
    bound: dict[str, float] = {}
    for one in [*maps(key.get("budgets")), *given]:
        found = budget(one.get("max_limit"), one.get("reset_duration"))
        if found is None:
            draft.lost(path, "a budget that is not of an hour, a day or a month: it is left out")
        bound |= found or {}
    return bound


def _rates(key: dict[str, Any], limits: dict[str, dict[str, Any]], path: Path_, draft: Draft) -> dict[str, int]:
    own = key.get("rate_limit")
    limit = own if isinstance(own, dict) else limits.get(str(key.get("rate_limit_id")), {})
    rates: dict[str, int] = {}
    for word, ours in (("request", "requests_per_min"), ("token", "tokens_per_min")):
        most, span = whole(limit.get(f"{word}_max_limit")), str(limit.get(f"{word}_reset_duration"))
        minutes = _MINUTE.get(span)
        if most is not None and minutes is not None:
            rates[ours] = max(1, round(most / minutes))
            if minutes > 1:
                draft.note("changed", path, f"a limit of {span} is spread evenly over minutes")
        elif most is not None:
            draft.lost(path, f"a limit of {word}s that is not of a minute, an hour or a day: it is left out")
    return rates


def _rule(rule: dict[str, Any], path: Path_, draft: Draft) -> None:
    name = slug(str(rule.get("name") or rule.get("id") or "rule"))
    if rule.get("enabled") is False:
        draft.lost(path, f"rule {name} is not enabled: it is left out")
        return
    when = _when(str(rule.get("cel_expression") or "true"), rule)
    if when is None:
        draft.lost((*path, "cel_expression"), f"rule {name}: this condition has no counterpart",
                   "see `when` of routing_rules; the rule can be asked for by its name")  # fmt: skip
    targets = sorted(maps(rule.get("targets")), key=lambda t: -(number(t.get("weight")) or 0.0))
    wanted = [_offered(t.get("provider"), t.get("model"), when, draft) for t in targets]
    wanted += [_offered(*_split(f), when, draft) for f in texts(rule.get("fallbacks"))]
    models = list(dict.fromkeys(m for found in wanted for m in found))
    if not models:
        draft.lost((*path, "targets"), f"rule {name}: none of its targets is a model that is offered; it is left out")
        return
    if len(targets) > 1 or any(not t.get("model") for t in targets):
        draft.note("changed", (*path, "targets"), f"rule {name}: a rule chooses models in order; which provider serves"
                   " each, and with what share, is the scorer's and `weight` of the deployments")  # fmt: skip
    made: dict[str, Any] = {"primary": models[0], "fallback": models[1:]}
    if when is not None:
        made["when"] = when or {"input_tokens_min": 1}  # a rule needs a condition to be taken by itself
    draft.rules[name] = made


def _as_asked(draft: Draft) -> None:
    """Have every request judged by the rules, and those that fit none stay at the model that they name."""
    draft.note("changed", ("governance", "routing_rules"), "rules are for requests that leave the choice to lbd: every"
               " name means auto, and the rules named as models keep what fits no other at its model")  # fmt: skip
    for model in sorted(draft.models):
        names = [model, *(name for name, meaning in draft.aliases.items() if meaning == model)]
        draft.rules.setdefault(model, {"primary": model, "when": {"model": names}})
    draft.aliases = {"*": "auto"}


def _split(text: str) -> tuple[str, str | None]:
    provider, slash, model = text.partition("/")
    return provider, model if slash else None


def _offered(provider: object, model: object, when: dict[str, Any] | None, draft: Draft) -> list[str]:
    """Return the models that a target means: its own, or those that its condition is about at this provider."""
    if model:
        return [str(model)] if str(model) in draft.models else []
    mine = [
        row["model"] for p in draft.providers.values()
        if str(p["name"]).startswith(slug(str(provider))) for row in p["deployments"] if "serves" not in row
    ]  # fmt: skip
    patterns = (when or {}).get("model", [])
    return [m for m in dict.fromkeys(mine) if not patterns or any(fnmatchcase(m, p) for p in patterns)]


def _when(expression: str, rule: dict[str, Any]) -> dict[str, Any] | None:
    """Return what an expression means, empty where it always holds, None where it cannot be said."""
    out: dict[str, Any] = {}
    scope = rule.get("scope")
    if scope == "virtual_key":
        out["client"] = [slug(str(rule.get("scope_id")))]
    elif scope not in (None, "global"):
        return None
    for term in expression.split("&&"):
        found = _TERM.match(term.strip())
        if found is None:
            return None
        if found["true"]:
            continue
        if found["equal"] is not None:
            pattern = found["equal"]
        else:
            text = found["part"]
            pattern = {"startsWith": f"{text}*", "endsWith": f"*{text}", "contains": f"*{text}*"}[found["method"]]
        header = found["header"] or found["header2"]
        if header:
            out.setdefault("header", {})[header.lower()] = pattern
        elif found["name"] == "model":
            out["model"] = [pattern, f"*/{pattern}"]
        else:
            out["client"] = [slug(pattern) if "*" not in pattern else pattern]
    return out
