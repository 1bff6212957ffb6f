"""Bifrost's routing rules: what each is about becomes ``when``, its targets and fallbacks groups of models."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from lbd.adapt import bifrost_cel
from lbd.adapt.bifrost_clients import names
from lbd.adapt.bifrost_pools import Pools, Row
from lbd.adapt.draft import Draft
from lbd.adapt.words import listed, literal, maps, number, slug
from lbd.config.tree import Path_

_SCOPES = {"virtual_key": 0, "team": 1, "customer": 2}  # are asked before those of all, in this order
Target = tuple[str | None, str | None, frozenset[str] | None, float]  # provider, model, keys, share


def apply(governance: dict[str, Any], pools: Pools, draft: Draft) -> None:
    """Take over the rules, in the order in which they are asked."""
    rules = sorted(
        enumerate(maps(governance.get("routing_rules"))),
        key=lambda r: (_SCOPES.get(str(r[1].get("scope")), 3), number(r[1].get("priority")) or 0.0),
    )
    for i, rule in rules:
        _Rule(rule, ("governance", "routing_rules", i), names(governance), pools, draft).add()
    if any("when" in rule for rule in draft.rules.values()):
        _as_asked(pools, draft)


def _as_asked(pools: Pools, draft: Draft) -> None:
    """Have every request judged by the rules, and those that fit none stay at the model that they name."""
    draft.note("changed", ("governance", "routing_rules"), "rules are for requests that leave the choice to lbd: every"
               " name means auto, and the rules named as models keep what fits no other at its model")  # fmt: skip
    for model in sorted(draft.models - pools.names):
        mine = [model, *(name for name, meaning in draft.aliases.items() if meaning == model)]
        draft.rules.setdefault(model, {"primary": model, "when": {"model": mine}})
    draft.aliases = {"*": "auto"}


class _Rule:
    """One rule."""

    def __init__(self, rule: dict[str, Any], path: Path_, clients: dict[str, str], pools: Pools, draft: Draft) -> None:
        self.rule, self.path, self.clients, self.pools, self.draft = rule, path, clients, pools, draft
        self.name = slug(str(rule.get("name") or rule.get("id") or "rule"))

    def add(self) -> None:
        """Add what the rule becomes."""
        draft, path, name = self.draft, self.path, self.name
        if self.rule.get("enabled") is False:
            draft.lost(path, f"rule {name} is not enabled: it is left out")
            return
        if self.rule.get("chain_rule"):
            draft.lost((*path, "chain_rule"), f"rule {name}: the rules are not asked again with what it chose",
                       "Write what the next rule would choose into this one")  # fmt: skip
        whens = self._whens()
        if whens is None:
            draft.lost((*path, "cel_expression"), f"rule {name}: this condition has no counterpart",
                       "see `when` of routing_rules; the rule can be asked for by its name")  # fmt: skip
        elif any("difficulty_min" in w or "difficulty_below" in w for w in whens):
            draft.note("changed", (*path, "cel_expression"), "complexity is judged by lbd's own measure, 0 to 1",
                       "Try `lbd explain` with prompts of yours, set difficulty_min and difficulty_below")  # fmt: skip
        targets = [_target(t) for t in maps(self.rule.get("targets")) or [self.rule]]
        fallbacks = [f for f in map(_fallback, listed(self.rule.get("fallbacks"))) if f is not None]
        made = 0
        for when in [None] if whens is None else whens:
            for model in self._asked(targets, when):
                made += self._add(targets, fallbacks, when, model)
        if not made:
            draft.lost((*path, "targets"), f"rule {name}: none of its targets is a model that is offered, or it leaves"
                       " the model to the request and its condition names none; it is left out",
                       "Where keys are for every model, convert again with --model PROVIDER/NAME")  # fmt: skip
        elif len(targets) > 1:
            draft.note("changed", (*path, "targets"), f"rule {name}: shares are weights of deployments: health and load"
                       " count beside them, and what fails goes on to another of them")  # fmt: skip

    def _whens(self) -> list[dict[str, Any]] | None:
        """Return the alternatives of the condition and the scope; None where they cannot be said."""
        scope = self.rule.get("scope")
        found = bifrost_cel.conditions(str(self.rule.get("cel_expression") or "true"), self.clients)
        if found is None or scope in (None, "global"):
            return found
        if scope != "virtual_key":
            return None
        whose = str(self.rule.get("scope_id"))
        return bifrost_cel.both(found, [{"client": [self.clients.get(whose, slug(whose))]}])

    def _asked(self, targets: list[Target], when: dict[str, Any] | None) -> list[str | None]:
        """Return the models that a rule without models of its own is for; None for one that has its own."""
        if all(model is not None for _, model, _, _ in targets):
            return [None]
        if when is None:
            return []
        found = dict.fromkeys(
            row.deployment["model"]
            for provider, model, _, _ in targets
            for row in self.pools.of(provider, model)
            if "serves" not in row.deployment
        )
        patterns = when.get("model", [])
        return [m for m in found if not patterns or any(fnmatchcase(m, p) for p in patterns)]

    def _add(
        self, targets: list[Target], fallbacks: list[Target], when: dict[str, Any] | None, asked: str | None
    ) -> int:
        """Add one rule; tell how many were."""
        rows: list[Row] = []
        for provider, model, keys, share in targets:
            mine = self.pools.of(provider, model or asked, keys)
            if not mine:
                self._missing("targets", provider, model or asked)
            rows += [row._replace(weight=share / len(mine)) for row in mine]
        first = self.pools.model(rows, (*self.path, "targets"))
        if first is None:
            return 0
        order = [first]
        for provider, model, keys, _ in fallbacks:
            mine = self.pools.of(provider, model or asked or self._own(targets), keys)
            if model is None and asked is None:
                self.draft.note("changed", (*self.path, "fallbacks"), f"rule {self.name}: a fallback without a model"
                                " keeps the one that was asked for there, and that of the targets here")  # fmt: skip
            then = self.pools.model(mine, (*self.path, "fallbacks"))
            if then is None:
                self._missing("fallbacks", provider, model or asked)
            elif then not in order:
                order.append(then)
        made: dict[str, Any] = {"primary": order[0], "fallback": order[1:]}
        if when is not None:
            when = when if asked is None else {**when, "model": [literal(asked), f"*/{literal(asked)}"]}
            made["when"] = when or {"input_tokens_min": 1}  # a rule needs a condition to be taken by itself
        self.draft.rule(self.name if asked is None else f"{self.name}-{slug(asked)}", made, self.path)
        return 1

    def _missing(self, word: str, provider: str | None, model: str | None) -> None:
        self.draft.lost((*self.path, word), f"rule {self.name}: {provider or 'any'}/{model or 'the same model'} is not"
                        " offered, and is left out of it", "Convert again with --model PROVIDER/NAME")  # fmt: skip

    def _own(self, targets: list[Target]) -> str | None:
        """Return the one model of the targets, which a fallback without a model keeps."""
        mine = {model for _, model, _, _ in targets}
        return next(iter(mine)) if len(mine) == 1 else None


def _target(given: dict[str, Any]) -> Target:
    keys = {str(given[w]) for w in ("key_id", "provider_key_name") if given.get(w)}
    share = number(given.get("weight"))
    return (
        str(given["provider"]) if given.get("provider") else None,
        str(given["model"]) if given.get("model") else None,
        frozenset(keys) or None,
        1.0 if share is None else share,
    )


def _fallback(given: object) -> Target | None:
    if isinstance(given, dict):
        return _target(given)
    if not isinstance(given, str) or not given:
        return None
    provider, _, model = given.partition("/")
    return provider, model or None, None, 1.0
