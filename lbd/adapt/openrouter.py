"""OpenRouter: what requests say of routing, ``models`` and ``provider``, as one keeps it in a file.

The file is a request's body, a list of them, or a map from a name to each. Bodies go on to OpenRouter as they came, so
``provider`` keeps its meaning there; what lbd can do itself, falling back from model to model and preferring what is
cheap or fast, becomes rules and weights.
"""

from __future__ import annotations

from typing import Any

from lbd.adapt import ADAPTERS
from lbd.adapt.draft import Draft
from lbd.adapt.houses import HOUSES
from lbd.adapt.source import Source, SourceError
from lbd.config.tree import Path_

_SORTS = {"price": "cost", "throughput": "latency", "latency": "latency"}
_STAYS = (
    "allow_fallbacks", "require_parameters", "data_collection", "zdr", "enforce_distillable_text", "order", "only",
    "ignore", "quantizations", "max_price", "preferred_min_throughput", "preferred_max_latency",
)  # fmt: skip
_REMEDY = {
    "order": "to go to one of them directly, add it as a provider with a key of your own before OpenRouter",
    "only": "to go to one of them directly, add it as a provider with a key of your own before OpenRouter",
    "max_price": "give the deployments a `price`, then rules a `max_cost_per_1k`: what is dearer is never used",
    "preferred_max_latency": "surfaces have ttft_p95_s, rules max_latency_ms",
    "require_parameters": "lbd always sends a request only where all it asks for is taken: see `supports`",
}
_BODY = frozenset({"model", "models", "provider", "route", "preset", "transforms", "plugins"})


@ADAPTERS.add("openrouter")
def adapt(source: Source, draft: Draft) -> None:
    """Fill the draft."""
    for name, path, body in _bodies(source):
        _body(draft, name, path, body)
    if draft.providers:
        draft.note("changed", (), "applications send the keys of lbd's clients, not OpenRouter's",
                   "Point them at lbd; OpenRouter's key is lbd's")  # fmt: skip


def _bodies(source: Source) -> list[tuple[str, Path_, dict[str, Any]]]:
    value = source.value
    if isinstance(value, dict) and not _BODY.intersection(value):
        found: list[tuple[str, Path_, Any]] = [(str(name), (name,), of) for name, of in value.items()]
    elif isinstance(value, list):
        found = [("", (i,), of) for i, of in enumerate(value)]
    else:
        found = [("", (), value)]
    good = [(name, path, of) for name, path, of in found if isinstance(of, dict) and _BODY.intersection(of)]
    if not good:
        raise SourceError(f"{source.place(())}: none of OpenRouter's: no request with a model or a provider is in it")
    return good


def _body(draft: Draft, name: str, path: Path_, body: dict[str, Any]) -> None:
    given = body.get("models")
    listed = [str(m) for m in given] if isinstance(given, list) else []
    models = list(dict.fromkeys([*([str(body["model"])] if body.get("model") else []), *listed]))
    if not models:
        models = list(draft.choices.models)
        if not models:
            draft.note("todo", path, "no model is named here", "Convert again with --model NAME for each that is used")
    house = HOUSES["openrouter"]
    provider = draft.provider("openrouter", "openrouter", house.base_url or "", key=draft.secret(None, path, house.env))
    known = draft.models
    models = ["openrouter/auto" if m == "auto" else m for m in models]  # auto is lbd's own choice here
    for model in models:
        if model not in known:
            draft.deploy(provider, model, model, path)
            known.add(model)
    if models and (name or models[1:]):
        rule: dict[str, Any] = {"primary": models[0], "fallback": models[1:]}
        if (name or models[0]) in draft.rules and draft.rules[name or models[0]] != rule:
            draft.lost(path, f"a second list that begins with {models[0]}: the first one holds", "give them names")
        draft.rules.setdefault(name or models[0], rule)
    _preferences(draft, path, body.get("provider"))
    for key in ("preset", "transforms", "plugins", "route"):
        if body.get(key) not in (None, "fallback", []):
            draft.note("changed", (*path, key), "it goes on to OpenRouter as it came, and means nothing elsewhere")


def _preferences(draft: Draft, path: Path_, given: object) -> None:
    wishes = given if isinstance(given, dict) else {}
    for key, value in wishes.items():
        at = (*path, "provider", key)
        if key == "sort":
            word = value.get("by") if isinstance(value, dict) else value
            if (term := _SORTS.get(str(word))) is None:
                draft.lost(at, f"sort by {word}: no counterpart", "see scorer.weights")
                continue
            draft.more.setdefault("scorer", {"weights": {}})["weights"][term] = 2.0
            draft.note("changed", at, f"sort by {word}: the scorer weighs {term} double between deployments; among"
                       " OpenRouter's own the body still says it")  # fmt: skip
        elif key in _STAYS:
            draft.note("changed", at, "it goes on to OpenRouter with the body, and means nothing at other providers",
                       _REMEDY.get(key, ""))  # fmt: skip
        else:
            draft.lost(at, "not known")
