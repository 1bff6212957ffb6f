"""Portkey's gateway: a config object with ``strategy`` and ``targets``, or the ``integrations`` of one's own gateway.

A target is a deployment. ``loadbalance`` makes one model of its targets, with weights; ``fallback`` the groups of a
rule in order; ``conditional`` rules with ``when``. Where targets do not override the model, they serve what clients ask
for, which a person names (``--model``).
"""

from __future__ import annotations

from typing import Any

from lbd.adapt import ADAPTERS, houses
from lbd.adapt.draft import Draft, Level
from lbd.adapt.portkey_branches import AT, branches, strategy
from lbd.adapt.portkey_target import OF_A_TARGET, Leaf, Targets
from lbd.adapt.source import Source, SourceError, read
from lbd.adapt.words import listed, mapping, maps, number, slug, snake
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
    "usage_limits": "give the provider, or clients, a `budget`",
    "plugins_enabled": "lbd has no guardrail plugins",
    "credentials": "lbd has no guardrail plugins",
    "cb_config": "a breaker opens by itself: three failures in a row, or half of twenty; probes close it again",
    "default_params": "lbd sends what the client says",
    "drop_params": "list in the deployment's `ignores` what the model does not take",
    "strict_open_ai_compliance": "answers have the client's shape",
    "prompt_id": "prompts that are kept at Portkey: applications send their own",
    "deployments": "write one deployment for each, with its name in `upstream_model`",
}
_OF_THE_WHOLE = frozenset({"targets", "strategy", "integrations", "name", "id", "weight", "request_timeout", "version"})
_FIRST_CONTENT_S = 600.0  # what a whole answer has, where nothing else is said
_OF_A_STRATEGY: dict[str, tuple[Level, str, str]] = {
    "cb_config": ("lost", "no counterpart", _LOST["cb_config"]),
    "sticky_session": (
        "changed", "who asks again is kept where it was by x-lbd-session, or by the beginning of the prompt",
        "Send x-lbd-session with what the hash was made of; scorer.weights.affinity says how much it counts",
    ),
}  # fmt: skip

Groups = list[list[Leaf]]  # in the order in which they are asked
_ASKS = frozenset({"provider", "virtual_key"})


@ADAPTERS.add("portkey")
def adapt(source: Source, draft: Draft) -> None:
    """Fill the draft."""
    root = snake(source.root())
    if isinstance(root.get("config"), dict):
        root, draft.under = snake(root["config"]), ("config",)
    elif isinstance(root.get("config"), str):  # as the API of the app tells it
        root = snake(read(root["config"], f"{source.file}: config").root())
    if not (_ASKS | {"targets", "strategy", "integrations"}).intersection(root) and not _named(root):
        words = ", ".join(sorted(_LOST.keys() & root.keys()))
        more = f"; there is nothing to convert in {words} alone" if words else ""
        raise SourceError(f"{source.place(())}: no config of Portkey's: it has neither targets nor a provider{more}")
    slugs = _integrations(draft, root.get("integrations"))
    _Tree(draft, slugs).add(root)


def _named(node: dict[str, Any]) -> bool:
    """Tell whether a target says whose it is in the name of its model."""
    return str(mapping(node.get("override_params")).get("model") or "").startswith("@")


def _integrations(draft: Draft, given: object) -> dict[str, str]:
    """Add what one's own gateway knows; return whose each slug is."""
    found: dict[str, str] = {}
    for i, raw in enumerate(given if isinstance(given, list) else []):
        path: Path_ = ("integrations", i)
        one = snake(raw) if isinstance(raw, dict) else {}
        name = str(one.get("slug") or one.get("provider"))
        found[name] = str(one.get("provider"))
        credentials = mapping(one.get("credentials"))
        target = {**snake(credentials), "provider": one.get("provider"), "name": name}
        models = [
            str(m["slug"]) for m in maps(one.get("models")) if m.get("slug") and m.get("status") in (None, "active")
        ]
        if any(m.get("pricing_config") for m in maps(one.get("models"))):
            draft.lost((*path, "models"), "prices are not taken over", "Give the deployments a `price`")
        models += [m.partition("/")[2] for m in draft.expanded(f"{name}/*")]
        if not models:
            draft.note("todo", path, f"{name} serves every model; lbd offers models by name",
                       f"Convert again with --model {name}/NAME for each that is used")  # fmt: skip
            continue
        provider = Targets(draft, {}).provider(Leaf(path, target, 1.0))
        for model in models if provider is not None else []:
            draft.deploy(provider or {}, model, model, (*path, "models"), serves=houses.serves(model))
        for word in ("rate_limits", "usage_limits"):
            if one.get(word):
                draft.lost((*path, word), "no counterpart", _LOST[word])
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
        if not (_ASKS | {"targets"}).intersection(root) and not _named(root):
            return
        found = [(b, self.groups(b.node, (), {})) for b in branches(root, (), self.draft)]
        self._bound(root, max((len(groups) for _, groups in found), default=1))
        if [b.when for b, _ in found] == [None]:
            open_, closed = self._rule(RULE, found[0][1], None)
            if closed and not open_:
                self.draft.aliases["*"] = RULE  # whatever is asked for, the targets say what is served
            return
        for branch, groups in found:
            # a rule needs a condition to be taken by itself, and this one always holds
            self._rule(branch.name, groups, branch.when or {"input_tokens_min": 1})
        self.draft.aliases["*"] = "auto"
        self.draft.note("changed", ("strategy",), "whatever model is asked for, the conditions choose: every name means"
                        " auto, which takes the first rule whose `when` holds")  # fmt: skip

    def _settings(self, node: dict[str, Any], path: Path_) -> None:
        """Note what has no counterpart, of a target and all below it."""
        for key, value in node.items():
            if key in _LOST and value not in (None, False, [], {}):
                self.draft.lost((*path, key), "no counterpart", _LOST[key])
            elif key not in _LOST and key not in _OF_THE_WHOLE and key not in OF_A_TARGET and value not in (None, {}):
                self.draft.lost((*path, key), "not known: no counterpart")
        for key, remedy in _OF_A_STRATEGY.items():
            if key in strategy(node):
                self.draft.note(*remedy[:1], (*path, "strategy", key), *remedy[1:])
        if path and number(node.get("request_timeout")) is not None:
            self.draft.lost((*path, "request_timeout"), "bounds are one for all", "see `deadlines`")
        for i, target in enumerate(listed(node.get("targets"))):
            if isinstance(target, dict):
                self._settings(snake(target), (*path, "targets", i))

    def _bound(self, root: dict[str, Any], tries: int) -> None:
        """Take over the bound of a try as one of all tries up to the first content."""
        limit = number(root.get("request_timeout"))
        if limit is None or limit <= 0:
            return
        seconds = limit / 1000 * max(1, tries)
        self.draft.more["deadlines"] = {"interactive_first_content_s": seconds}
        if seconds > _FIRST_CONTENT_S:
            self.draft.more["deadlines"]["interactive_total_s"] = seconds
        self.draft.note("changed", ("request_timeout",), "there it bounds each try, of a stream up to its first piece;"
                        " here a stream's first content has this long for all tries together",
                        "whole answers are bounded by interactive_total_s, which bounds streams to their end, too;"
                        " a request by x-lbd-max-latency-ms")  # fmt: skip

    # --- groups --------------------------------------------------------------------------------------

    def groups(self, node: dict[str, Any], path: Path_, above: dict[str, Any]) -> Groups:
        """Return the groups of a target, in the order in which they are asked."""
        path = node.get(AT, path)
        told = {**above, **{k: v for k, v in node.items() if k in OF_A_TARGET}}
        given = node.get("targets")
        if not isinstance(given, list) or not given:
            weight = number(node.get("weight"))
            if node.get("passthrough") and not _ASKS.intersection(told):
                self.draft.lost((*path, "passthrough"), "requests that name their provider themselves: the target is"
                                " left out", "Applications ask for the models of those providers by name")  # fmt: skip
                return []
            return [[Leaf(path, {**told, "name": node.get("name")}, 1.0 if weight is None else weight)]]
        told_of = strategy(node)
        mode = told_of.get("mode", "single")
        inner = [(self.groups(of, path, told), number(of.get("weight"))) for of in given]
        if mode == "loadbalance":
            return self._balanced(inner, path)
        if "on_status_codes" in told_of:
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
            if not groups:
                continue
            own = sum(leaf.weight for leaf in groups[0]) or 1.0
            single = len(groups) == 1 and len(groups[0]) == 1
            first += [leaf if single else leaf._replace(weight=share * leaf.weight / own) for leaf in groups[0]]
            rest += groups[1:]
        if rest:
            self.draft.note("changed", (*path, "targets"), "targets that fall back by themselves inside a balanced one:"
                            " the first of each are balanced, all others follow in order")  # fmt: skip
        return [first, *rest] if first else rest

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
                self.draft.rule(label, rule, groups[0][0].path)
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
            named = leaf.target.get("deployment_id") or leaf.target.get("azure_deployment_id")
            upstream = str(named or model)
            row = self.draft.deploy(provider, name, upstream, leaf.path, serves=houses.serves(model),
                                    weight=None if weight == 1 else weight)  # fmt: skip
            offered = offered or row is not None
        if offered:
            self._made[identity] = name
        return name if offered else None
