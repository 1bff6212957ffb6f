"""OpenRouter: what requests say of routing, ``models`` and ``provider``, as one keeps it in a file.

The file is a request's body, a list of them, or a map from a name to each. Bodies go on to OpenRouter as they came, so
``provider`` keeps its meaning there; what lbd can do itself, falling back from model to model and preferring what is
cheap or fast, becomes rules and weights.
"""

from __future__ import annotations

from typing import Any

from lbd.adapt import ADAPTERS, words
from lbd.adapt.draft import Draft
from lbd.adapt.houses import HOUSES
from lbd.adapt.source import Source, SourceError
from lbd.adapt.words import mapping, maps, snake
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
_BODY = frozenset({"model", "models", "provider", "route", "preset", "transforms", "plugins", "fallbacks"})
_ON = ("preset", "transforms", "plugins", "route", "service_tier", "session_id")  # mean something to OpenRouter alone


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
    value = _plain(value) if isinstance(value, dict) else value
    if isinstance(value, dict) and not _BODY.intersection(value):
        found: list[tuple[str, Path_, Any]] = [(str(name), (name,), of) for name, of in value.items()]
    elif isinstance(value, list):
        found = [("", (i,), of) for i, of in enumerate(value)]
    else:
        found = [("", (), value)]
    found = [(name, path, _plain(of)) for name, path, of in found if isinstance(of, dict)]
    good = [(name, path, of) for name, path, of in found if _BODY.intersection(of)]
    if not good:
        raise SourceError(f"{source.place(())}: none of OpenRouter's: no request with a model or a provider is in it")
    return good


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    """Return a request's body as it goes over the wire: SDKs wrap it, and write it in camel case."""
    body = {**given, **mapping(given.get("extra_body"))}
    for wrapper in ("chatRequest", "chat_request", "body", "request"):
        if isinstance(body.get(wrapper), dict) and not _BODY.intersection(body):
            body = {**mapping(body[wrapper])}
    return snake(body) if _BODY.intersection(body) else body


def _body(draft: Draft, name: str, path: Path_, body: dict[str, Any]) -> None:
    listed = [str(m) for m in words.listed(body.get("models"))]
    listed += [str(f["model"]) for f in maps(body.get("fallbacks")) if f.get("model")]  # of the Anthropic endpoint
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
    if listed:
        word = "models" if "models" in body else "fallbacks"
        draft.note("changed", (*path, word), "lbd falls back from one to the next; where requests go on saying it,"
                   " OpenRouter does, too, and may answer with another model than lbd asked it for",
                   f"Ask for {name or models[0]} alone, and leave `{word}` out of requests")  # fmt: skip
    _preferences(draft, path, body.get("provider"))
    _rest(draft, path, body)


def _rest(draft: Draft, path: Path_, body: dict[str, Any]) -> None:
    for key in _ON:
        if body.get(key) not in (None, "fallback", []):
            draft.note("changed", (*path, key), "it goes on to OpenRouter as it came, and means nothing elsewhere")
    rest = sorted(body.keys() - _BODY - set(_ON) - {"messages", "input", "prompt", "stream", "system", "extra_body"})
    if rest:
        draft.note("changed", path, f"{', '.join(rest)}: lbd sends on what each request says, and keeps nothing of it",
                   "Applications go on sending it themselves")  # fmt: skip


def _preferences(draft: Draft, path: Path_, given: object) -> None:
    wishes = snake(given) if isinstance(given, dict) else {}
    for key, value in wishes.items():
        at = (*path, "provider", key)
        if key == "sort":
            word = value.get("by") if isinstance(value, dict) else value
            if (term := _SORTS.get(str(word))) is None:
                draft.lost(at, f"sort by {word}: no counterpart", "see scorer.weights")
                continue
            if isinstance(value, dict) and value.get("partition") == "none":
                draft.lost((*at, "partition"), "models are asked in their order, not sorted together",
                           "For the best of several at any time, offer them as deployments of one `model`")  # fmt: skip
            draft.more.setdefault("scorer", {"weights": {}})["weights"][term] = 2.0
            draft.note("changed", at, f"sort by {word}: the scorer weighs {term} double between deployments; among"
                       " OpenRouter's own the body still says it")  # fmt: skip
        elif key in _STAYS:
            draft.note("changed", at, "it goes on to OpenRouter with the body, and means nothing at other providers",
                       _REMEDY.get(key, ""))  # fmt: skip
        else:
            draft.lost(at, "not known")
