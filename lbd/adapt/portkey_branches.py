"""Portkey's conditions, wherever they stand in the tree of targets, as alternatives of the whole tree.

A rule of ours has one condition, at its top. So a condition below a strategy is lifted: for each of its branches the
whole tree is written once more, with the branch in its place, and the default last.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from lbd.adapt import portkey_when
from lbd.adapt.draft import Draft
from lbd.adapt.portkey_target import OF_A_TARGET
from lbd.adapt.portkey_when import When
from lbd.adapt.words import listed, slug, snake
from lbd.config.tree import Path_

AT = "\0at"  # the key of a node under which the place is that it has in the source
MOST = 64  # alternatives: several conditions side by side multiply


class Branch(NamedTuple):
    """A tree without conditions, and when it is meant: ``when`` None where there was none, empty for a default."""

    name: str  # of the targets that were chosen
    when: When | None
    node: dict[str, Any]


def strategy(node: dict[str, Any]) -> dict[str, Any]:
    """Return what a node says of its targets."""
    given = node.get("strategy")
    return snake(given) if isinstance(given, dict) else {"mode": given} if isinstance(given, str) else {}


def branches(given: dict[str, Any], path: Path_, draft: Draft) -> list[Branch]:
    """Return the alternatives of a tree, in the order in which their conditions are asked."""
    node = snake(given)
    children: list[tuple[dict[str, Any], Path_]] = []
    for i, target in enumerate(listed(node.get("targets"))):
        at: Path_ = (*path, "targets", i)
        if isinstance(target, dict):
            children.append((snake(target), at))
        else:
            draft.lost(at, "not a target: it is left out")
    if not children:
        return [Branch("", None, {k: v for k, v in node.items() if k != "targets"} | {AT: path})]
    if strategy(node).get("mode") == "conditional":
        return _chosen(node, children, path, draft)
    inner = [branches(child, at, draft) for child, at in children]
    out: list[Branch] = []
    for combination in itertools.islice(itertools.product(*inner), MOST + 1):
        if len(out) == MOST:
            draft.lost((*path, "targets"), f"more than {MOST} alternatives of conditions: the others are left out",
                       "write rules with `when` for them")  # fmt: skip
            break
        when = _all([b.when for b in combination])
        if when is not None or all(b.when is None for b in combination):
            name = "+".join(b.name for b in combination if b.name)
            out.append(Branch(name, when, {**node, "targets": [b.node for b in combination], AT: path}))
    return out


def _chosen(
    node: dict[str, Any], children: list[tuple[dict[str, Any], Path_]], path: Path_, draft: Draft
) -> list[Branch]:
    named = {str(child.get("name")): (child, at) for child, at in children}
    told = {k: v for k, v in node.items() if k in OF_A_TARGET}
    own = {"weight": node["weight"]} if "weight" in node else {}
    out: list[Branch] = []
    conditions = [
        (str(c.get("then")), c.get("query"), (*path, "strategy", "conditions", i))
        for i, c in enumerate(listed(strategy(node).get("conditions"))) if isinstance(c, dict)
    ]  # fmt: skip
    for then, query, at in conditions:
        if then not in named:
            draft.lost((*at, "then"), f"there is no target {then!r}: the condition is left out")
            continue
        for when in portkey_when.conditions(query, (*at, "query"), draft):
            for b in branches(*named[then], draft):
                both = _all([when, b.when])
                if both is not None:
                    out.append(Branch(b.name or slug(then), both, {**told, **b.node, **own}))
    default = str(strategy(node).get("default"))
    if default not in named:
        draft.lost((*path, "strategy", "default"), f"there is no target {default!r}: what fits no condition is refused")
        return out
    last = f"{slug(default)}-default"
    return out + [
        Branch(b.name or last, b.when or {}, {**told, **b.node, **own}) for b in branches(*named[default], draft)
    ]


def _all(whens: list[When | None]) -> When | None:
    """Return what holds where all of these do; None where there is no condition, or where they exclude each other."""
    given = [w for w in whens if w is not None]
    out: When = {}
    for when in given:
        for key, value in when.items():
            if key == "header":
                headers = out.setdefault("header", {})
                if any(headers.get(name, wanted) != wanted for name, wanted in value.items()):
                    return None
                out["header"] = {**headers, **value}
            elif out.setdefault(key, value) != value:
                return None
    return out if given else None
