"""Portkey's gateway: a config object with ``strategy`` and ``targets``, or the ``integrations`` of one's own gateway.

A target is a deployment. ``loadbalance`` makes one model of its targets, with weights; ``fallback`` the groups of a
rule in order; ``conditional`` rules with ``when``. Where targets do not override the model, they serve what clients ask
for, which a person names (``--model``).
"""

from __future__ import annotations

from typing import Any

from lbd.adapt import ADAPTERS, houses, portkey_when
from lbd.adapt.draft import Draft
from lbd.adapt.portkey_target import Leaf, Targets
from lbd.adapt.source import Source, SourceError
from lbd.adapt.words import listed, mapping, maps, number, slug
from lbd.config.tree import Path_

RULE = "portkey"
_LOST = {
    "cache": "there is no response cache in lbd; providers' prompt caches are kept warm by affinity",
    "retry": "attempts are bounded by the deadline and a retry budget, not by a number",
    "input_guardrails": "lbd does not look into prompts",
    "output_guardrails": "`validate` of a surface holds answers to a schema, a length, a language",
    "before_request_hooks": "lbd does not look into prompts",
    "after_request_hooks": "`validate` of a surface holds answers to a schema, a length, a language",
    "forward_headers": "headers of clients are not passed on; `headers` of a provider are sent with every request",
    "rate_limits": "limits are of clients: `limit`; those of providers are learnt from their answers",
    "plugins_enabled": "lbd has no guardrail plugins",
}


Groups = list[list[Leaf]]  # in the order in which they are asked


@ADAPTERS.add("portkey")
def adapt(source: Source, draft: Draft) -> None:
    """Fill the draft."""
    root = source.root()
    root = _snake(root)
    if isinstance(root.get("config"), dict):
        root = _snake(root["config"])
    if not {"targets", "strategy", "provider", "virtual_key", "integrations"}.intersection(root):
        raise SourceError(f"{source.place(())}: no config of Portkey's: it has neither targets nor a provider")
    slugs = _integrations(draft, root.get("integrations"))
    _Tree(draft, slugs).add(root)


def _snake(given: dict[str, Any]) -> dict[str, Any]:
    """Return a map with Portkey's own names of keys: the SDKs write them in camel case, too."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): value for key, value in given.items()}


def _integrations(draft: Draft, given: object) -> dict[str, str]:
    """Add what one's own gateway knows; return whose each slug is."""
    found: dict[str, str] = {}
    for i, raw in enumerate(given if isinstance(given, list) else []):
        path: Path_ = ("integrations", i)
        one = _snake(raw) if isinstance(raw, dict) else {}
        name = str(one.get("slug") or one.get("provider"))
        found[name] = str(one.get("provider"))
        credentials = mapping(one.get("credentials"))
        target = {**_snake(credentials), "provider": one.get("provider"), "name": name}
        models = [str(m.get("slug")) for m in maps(one.get("models")) if m.get("slug")]
        provider = Targets(draft, {}).provider(Leaf(path, target, 1.0))
        for model in models if provider is not None else []:
            draft.deploy(provider or {}, model, model, (*path, "models"), serves=houses.serves(model))
        if "rate_limits" in one:
            draft.lost((*path, "rate_limits"), "no counterpart", _LOST["rate_limits"])
    return found


class _Tree:
    """The tree of targets, and what is made of it."""

    def __init__(self, draft: Draft, slugs: dict[str, str]) -> None:
        self.draft = draft
        self.targets = Targets(draft, slugs)
        self._made: dict[tuple[str, ...], str] = {}  # the targets of a group -> the model that it became

    def add(self, root: dict[str, Any]) -> None:
        """Make rules of a config."""
        self._settings(root, ())
        if not {"targets", "provider", "virtual_key"}.intersection(root):
            return
        strategy = self._strategy(root)
        if strategy.get("mode") == "conditional":
            self._conditional(root, strategy)
            return
        open_, closed = self._rule(RULE, self.groups(root, (), {}), None)
        if closed and not open_:
            self.draft.aliases["*"] = RULE  # whatever is asked for, the targets say what is served

    def _strategy(self, node: dict[str, Any]) -> dict[str, Any]:
        given = node.get("strategy")
        return _snake(given) if isinstance(given, dict) else {"mode": given} if isinstance(given, str) else {}

    def _settings(self, node: dict[str, Any], path: Path_) -> None:
        for key, remedy in _LOST.items():
            if node.get(key) not in (None, False, [], {}):
                self.draft.lost((*path, key), "no counterpart", remedy)
        if (limit := number(node.get("request_timeout"))) is not None and limit > 0:
            if not path:
                self.draft.more["deadlines"] = {"interactive_total_s": limit / 1000}
                if limit < 10_000:
                    self.draft.more["deadlines"]["interactive_first_content_s"] = limit / 1000
            else:
                self.draft.lost((*path, "request_timeout"), "bounds are one for all", "see `deadlines`")

    # --- groups --------------------------------------------------------------------------------------

    def groups(self, node: dict[str, Any], path: Path_, above: dict[str, Any]) -> Groups:
        """Return the groups of a target, in the order in which they are asked."""
        own = {k: v for k, v in node.items() if k not in ("targets", "strategy", "weight", "name")}
        told = {**above, **own}
        given = node.get("targets")
        if not isinstance(given, list) or not given:
            weight = number(node.get("weight"))
            return [[Leaf(path, {**told, "name": node.get("name")}, 1.0 if weight is None else weight)]]
        strategy = self._strategy(node)
        mode = strategy.get("mode", "single")
        nodes = [(_snake(t), (*path, "targets", i)) for i, t in enumerate(given) if isinstance(t, dict)]
        for of, at in nodes:
            self._settings(of, at)
        if mode == "conditional":
            self.draft.lost((*path, "strategy"), "a condition below the top: its default is taken",
                            "write a rule with `when` for each branch")  # fmt: skip
            nodes = [n for n in nodes if n[0].get("name") == strategy.get("default")] or nodes[:1]
        inner = [(self.groups(of, at, told), number(of.get("weight"))) for of, at in nodes]
        if mode == "loadbalance":
            return self._balanced(inner, path)
        if "on_status_codes" in strategy:
            self.draft.note(
                "changed",
                (*path, "strategy", "on_status_codes"),
                "failures are known by kind: time-outs, 429, 5xx and refused keys move on, a client's faults do not",
            )
        return [group for groups, _ in inner for group in groups][: None if mode == "fallback" else 1]

    def _balanced(self, inner: list[tuple[Groups, float | None]], path: Path_) -> Groups:
        first: list[Leaf] = []
        rest: Groups = []
        for groups, weight in inner:
            share = 1.0 if weight is None else weight
            own = sum(leaf.weight for leaf in groups[0]) or 1.0
            single = len(groups) == 1 and len(groups[0]) == 1
            first += [leaf if single else leaf._replace(weight=share * leaf.weight / own) for leaf in groups[0]]
            rest += groups[1:]
        if rest:
            self.draft.note("changed", (*path, "targets"), "targets that fall back by themselves inside a balanced one:"
                            " the first of each are balanced, all others follow in order")  # fmt: skip
        return [first, *rest]

    # --- rules ---------------------------------------------------------------------------------------

    def _rule(self, name: str, groups: Groups, when: dict[str, Any] | None) -> tuple[bool, bool]:
        """Add rules for groups; tell whether any serves what clients name, and whether one has models of its own."""
        open_ = any(self.targets.model(leaf) is None for group in groups for leaf in group)
        asked = list(self.draft.choices.models) if open_ else [""]
        if open_ and not asked:
            path = next(leaf.path for group in groups for leaf in group if self.targets.model(leaf) is None)
            self.draft.note("todo", path, "this target serves whatever clients ask for; lbd offers models by name",
                            "Convert again with --model NAME for each that is used")  # fmt: skip
        for client_model in asked:
            made = [m for group in groups if (m := self._group(group, client_model)) is not None]
            if not made:
                continue
            rule: dict[str, Any] = {"primary": made[0], "fallback": made[1:]}
            label = (
                client_model if open_ and when is None else f"{name}-{client_model}" if open_ and asked[1:] else name
            )
            if when is not None:
                rule["when"] = {"model": [client_model], **when} if open_ and "model" not in when else when
            if when is not None or made[1:] or label != made[0]:
                self.draft.rules[label] = rule
        return open_, not open_

    def _group(self, group: list[Leaf], client_model: str) -> str | None:
        """Offer a group as one model, and return its name."""
        pairs = [(leaf, self.targets.model(leaf) or client_model) for leaf in group]
        identity = tuple(f"{leaf.path}{model}" for leaf, model in pairs)
        if identity in self._made:
            return self._made[identity]
        upstreams = list(dict.fromkeys(model for _, model in pairs))
        name = upstreams[0] if len(upstreams) == 1 else "+".join(upstreams)
        if name in self.draft.models:
            words = dict.fromkeys(
                slug(str(leaf.target.get("name") or self.targets.house(leaf)[0])) for leaf, _ in pairs
            )
            name = f"{name}@{'+'.join(words)}"
        n = 1
        while name in self.draft.models:
            n += 1
            name = f"{name.partition('#')[0]}#{n}"
        most = max((leaf.weight for leaf, _ in pairs), default=1.0) or 1.0
        offered = False
        for leaf, model in pairs:
            provider = self.targets.provider(leaf)
            if provider is None:
                continue
            weight = round(leaf.weight / most, 4)
            upstream = str(leaf.target.get("deployment_id") or model)
            row = self.draft.deploy(provider, name, upstream, leaf.path, serves=houses.serves(model),
                                    weight=None if weight == 1 else weight)  # fmt: skip
            offered = offered or row is not None
        if offered:
            self._made[identity] = name
        return name if offered else None

    def _conditional(self, root: dict[str, Any], strategy: dict[str, Any]) -> None:
        targets = {
            str(t.get("name")): (i, _snake(t)) for i, t in enumerate(listed(root.get("targets"))) if isinstance(t, dict)
        }
        above = {k: v for k, v in root.items() if k not in ("targets", "strategy", "name")}
        order: list[tuple[str, Any, Path_]] = [
            (str(c.get("then")), c.get("query"), ("strategy", "conditions", i))
            for i, c in enumerate(listed(strategy.get("conditions")))
            if isinstance(c, dict)
        ]
        for then, query, path in order:
            if then not in targets:
                self.draft.lost((*path, "then"), f"there is no target {then!r}: the condition is left out")
                continue
            i, target = targets[then]
            groups = self.groups(target, ("targets", i), above)
            for n, when in enumerate(portkey_when.conditions(query, (*path, "query"), self.draft)):
                self._rule(slug(then) + (f"-{n + 1}" if n else ""), groups, when)
        default = str(strategy.get("default"))
        if default in targets:
            i, target = targets[default]
            # a rule needs a condition to be taken by itself, and this one always holds
            self._rule(
                f"{slug(str(default))}-default", self.groups(target, ("targets", i), above), {"input_tokens_min": 1}
            )
        self.draft.aliases["*"] = "auto"
        self.draft.note("changed", ("strategy",), "whatever model is asked for, the conditions choose: every name means"
                        " auto, which takes the first rule whose `when` holds")  # fmt: skip
