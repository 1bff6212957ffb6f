"""Bifrost's virtual keys: clients with their budgets and limits, and with what they may be served by."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from lbd.adapt.bifrost_pools import Pools, Row
from lbd.adapt.draft import Draft
from lbd.adapt.words import budget, free, maps, number, slug, texts, variable, whole
from lbd.config.tree import Path_
from lbd.model.provider import Permission

_LOST = {
    "auth_config": "see `admin`: changes need its token or the unix socket",
    "customers": "customers and teams are clients and surfaces of ours",
    "teams": "customers and teams are clients and surfaces of ours",
    "model_configs": "budgets are of clients, surfaces and providers",
    "providers": "give providers a `budget`",
    "complexity_analyzer_config": "prompts are judged by lbd's own measure: see `auto`",
}
_OF_A_KEY = {
    "team_id": "its team's budgets are not asked; give clients of a team one `surface` with a `budget`",
    "customer_id": "its customer's budgets are not asked; give clients of a customer one `surface` with a `budget`",
    "mcp_configs": "lbd serves no MCP",
    "expires_at": "take the client out on that day",
}
_OF_A_PART = ("budgets", "budget_id", "rate_limit", "rate_limit_id", "blacklisted_models")
NOTHING = "nothing-of-this"  # what a client may ask for who may be served by nothing that is offered
_MINUTE = {"1m": 1.0, "60s": 1.0, "1h": 60.0, "60m": 60.0, "1d": 1440.0, "24h": 1440.0}


def names(governance: dict[str, Any]) -> dict[str, str]:
    """Return the names of our clients by the ids and the names of virtual keys."""
    found: dict[str, str] = {}
    for key in maps(governance.get("virtual_keys")):
        found |= {str(key[w]): _name(key) for w in ("name", "id") if key.get(w)}
    return found


def _name(key: dict[str, Any]) -> str:
    return slug(str(key.get("name") or key.get("id") or "client"))


def apply(governance: dict[str, Any], pools: Pools, since: int, draft: Draft) -> None:
    """Take over the virtual keys; ``since``: 1 where an empty list means everything, 2 where nothing."""
    budgets = _by_id(governance.get("budgets"))
    limits = _by_id(governance.get("rate_limits"))
    for i, key in enumerate(maps(governance.get("virtual_keys"))):
        path: Path_ = ("governance", "virtual_keys", i)
        name = _name(key)
        if key.get("is_active") is False:
            draft.lost(path, f"virtual key {name} is not active: it is left out")
        elif any(c["name"] == name for c in draft.clients):
            draft.lost(path, f"a second virtual key {name!r}: it is left out", "give it a name of its own")
        else:
            _client(key, name, path, draft)
            _reach(key, path, pools, since, draft)
            bound = _budgets(key, budgets, path, draft)
            rates = _rates(key, limits, path, draft)
            draft.clients[-1] |= {k: v for k, v in (("budget", bound), ("limit", rates)) if v}
    for word, remedy in _LOST.items():
        if governance.get(word):
            draft.lost(("governance", word), "no counterpart", remedy)


def _by_id(value: object) -> dict[str, dict[str, Any]]:
    return {str(v.get("id")): v for v in maps(value)}


def _client(key: dict[str, Any], name: str, path: Path_, draft: Draft) -> None:
    usual = f"LBD_KEY_{variable(name)}"
    if not key.get("value"):
        draft.note("todo", path, f"the key of {name} is in Bifrost's store",
                   f"Put it, or a new one, into {usual}")  # fmt: skip
    for word, remedy in _OF_A_KEY.items():
        if key.get(word):
            draft.lost((*path, word), "no counterpart", remedy)
    draft.clients.append({"name": name, "key": draft.secret(key.get("value"), (*path, "value"), usual)})


def _reach(key: dict[str, Any], path: Path_, pools: Pools, since: int, draft: Draft) -> None:
    """Bind a client to the models, providers and keys that it may be served by."""
    parts = maps(key.get("provider_configs"))
    if not parts:
        if since > 1 and not key.get("allow_all_providers"):
            draft.note("changed", path, "a virtual key without provider_configs may use every provider before Bifrost"
                       " 1.5 and none since; taken for every one",
                       "Take the client out where it was to have none, or bound its `models`")  # fmt: skip
        return
    at: Path_ = (*path, "provider_configs")
    for i, part in enumerate(parts):
        for word in (w for w in _OF_A_PART if part.get(w)):
            draft.lost((*at, i, word), "no counterpart for one provider of a client",
                       "give the client, or the provider, a `budget`; `models` bounds what it may ask for")  # fmt: skip
    allowed = [row for part in parts for row in _rows(part, pools)]
    if key.get("allow_all_providers"):
        listed = {str(part.get("provider")) for part in parts}
        allowed += [row for row in pools.rows if row.account.of not in listed]
    mine = list(dict.fromkeys(str(row.deployment["model"]) for row in allowed))
    missing = [f"{p.get('provider')}/{m}" for p in parts for m in texts(p.get("allowed_models"))
               if "*" not in m and not m.startswith("regex:") and not pools.of(str(p.get("provider")), m)]  # fmt: skip
    if missing:
        draft.lost(at, f"{', '.join(missing)}: not offered",
                   "Where keys are for every model, convert again with --model PROVIDER/NAME")  # fmt: skip
    elsewhere = [m for m in mine if sum(r.deployment["model"] == m for r in allowed) < len(pools.of(None, m))]
    client = draft.clients[-1]
    if len(mine) < len({r.deployment["model"] for r in pools.rows}) or elsewhere or missing:
        places = {row.account.of for row in allowed}
        asked = [f"{row.account.of}/{row.deployment['model']}" for row in allowed]
        own = sorted(p for p in pools.names if pools.places(p) <= places)
        client["models"] = list(dict.fromkeys([*mine, *asked, *own])) or missing or [NOTHING]
    if elsewhere and any("when" in rule for rule in draft.rules.values()):
        draft.lost(at, f"{', '.join(elsewhere)}: offered by others, too; beside rules the client is not kept from them",
                   "give the deployments that it may use a model's name of their own")  # fmt: skip
    elif elsewhere:
        _surface(client, allowed, mine, at, pools, draft)


def _surface(
    client: dict[str, Any], allowed: list[Row], mine: list[str], at: Path_, pools: Pools, draft: Draft
) -> None:
    """Give a client a surface on which names mean the deployments that it may be served by, and no others."""
    name = free(client["name"], {s["name"] for s in draft.more.get("surfaces", [])}, "-")
    meanings: dict[str, str] = {}
    for model in mine:
        rows = [row for row in allowed if row.deployment["model"] == model]
        meanings[model] = pools.model(rows, at) or model
        for provider in dict.fromkeys(row.account.of for row in rows):
            there = [row._replace(weight=1.0) for row in rows if row.account.of == provider]
            meanings[f"{provider}/{model}"] = pools.model(there, at) or model
    draft.more.setdefault("surfaces", []).append({"name": name, "models": meanings})
    client["surface"] = name
    client["models"] = list(dict.fromkeys([*meanings, *meanings.values()]))
    client["may"] = [p.value for p in Permission if p not in (Permission.SURFACE, Permission.PIN)]
    draft.note("changed", at, f"{client['name']} has a surface on which each name means the deployments of its"
               " providers and keys; it may not choose another, nor pin")  # fmt: skip


def _rows(part: dict[str, Any], pools: Pools) -> list[Row]:
    """Return the deployments that a part of ``provider_configs`` allows, with their share."""
    keys = {str(k) for k in texts(part.get("key_ids"))}
    keys |= {str(k.get(w)) for k in maps(part.get("keys")) for w in ("id", "name", "key_id") if k.get(w)}
    among = None if not keys or "*" in keys else frozenset(keys)
    wanted = texts(part.get("allowed_models")) or ["*"]
    barred = texts(part.get("blacklisted_models"))
    rows = [
        row for row in pools.of(str(part.get("provider")), None, among)
        if any(map(partial(_fits, row.deployment["model"]), wanted))
        and not any(map(partial(_fits, row.deployment["model"]), barred))
    ]  # fmt: skip
    share = number(part.get("weight"))
    models = [row.deployment["model"] for row in rows]
    return [
        row._replace(weight=(1.0 if share is None else share) / models.count(row.deployment["model"])) for row in rows
    ]


def _fits(model: str, wanted: str) -> bool:
    """Tell whether a model is one of a list's: a name, ``*``, or an expression after ``regex:``."""
    if wanted.startswith("regex:"):
        try:
            return re.fullmatch(wanted.removeprefix("regex:"), model, re.IGNORECASE) is not None
        except re.error:
            return False
    return wanted in ("*", model)


def _budgets(key: dict[str, Any], budgets: dict[str, dict[str, Any]], path: Path_, draft: Draft) -> dict[str, float]:
    mine = {str(key.get("budget_id"))} - {"None"}
    given = [b for i, b in budgets.items() if i in mine or (key.get("id") and b.get("virtual_key_id") == key["id"])]
    bound: dict[str, float] = {}
    for one in [*maps(key.get("budgets")), *given]:
        found = budget(one.get("max_limit"), one.get("reset_duration"))
        if found is None:
            span = one.get("reset_duration")
            draft.lost(path, f"a budget of {one.get('max_limit')} for {span} is left out: periods are an hour, a day, a"
                       " month", "give the client a `budget` of one of these")  # fmt: skip
        bound |= found or {}
    return bound


def _rates(key: dict[str, Any], limits: dict[str, dict[str, Any]], path: Path_, draft: Draft) -> dict[str, int]:
    own = key.get("rate_limit")
    limit = own if isinstance(own, dict) else limits.get(str(key.get("rate_limit_id")), {})
    if not limit and key.get("rate_limit_id"):
        draft.lost((*path, "rate_limit_id"), f"there is no limit {key['rate_limit_id']!r} in the file")
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
