"""From files to a typed Config: every error names the place, the path, the reason and, where one is near, the
word that was probably meant.

msgspec stops at the first error of a value. So what it names is noted and cut out, and the rest is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from lbd.config import callers, experiments, routing, schema
from lbd.config.hint import known, meant
from lbd.config.tree import Path_, Tree, read
from lbd.model.problem import ConfigError, Problem
from lbd.shapes.providers import ProviderConfig

T = TypeVar("T")

MOST_PROBLEMS = 50  # of one entry: nobody reads more
_LISTS: dict[str, type[msgspec.Struct]] = {
    "clients": callers.ClientConfig,
    "tiers": schema.TierConfig,
    "surfaces": callers.SurfaceConfig,
    "experiments": experiments.ExperimentConfig,
}


def load(path: Path, shapes: Mapping[str, type[ProviderConfig]]) -> tuple[schema.Config, Tree]:
    """Read and type a configuration. Raises ConfigError with everything that is wrong."""
    tree = read(path)
    return typed(tree, shapes), tree


def typed(tree: Tree, shapes: Mapping[str, type[ProviderConfig]]) -> schema.Config:
    """Type a tree. Raises ConfigError."""
    problems: list[Problem] = []
    plain = {key: value for key, value in tree.value.items() if key != schema.EDITOR_KEY}
    # lists and maps of entries are typed one by one, so that a wrong entry hides no other
    parts: dict[str, Any] = {}
    providers = plain.get("providers")
    if isinstance(providers, list):
        parts["providers"] = [_provider(tree, ("providers", i), p, shapes, problems) for i, p in enumerate(providers)]
    for key, kind in _LISTS.items():
        if isinstance(plain.get(key), list) and (plain[key] or key != "tiers"):
            entries = enumerate(plain.pop(key))
            parts[key] = [_convert(tree, (key, i), v, kind, problems) for i, v in entries]
    if isinstance(plain.get("routing_rules"), dict):
        parts["routing_rules"] = {
            name: _convert(tree, ("routing_rules", name), v, routing.RuleConfig, problems)
            for name, v in plain.pop("routing_rules").items()
        }
    root = _convert(tree, (), plain, schema.Config, problems)
    if problems or root is None:
        raise ConfigError(problems)
    return replace(root, **parts)


def _provider(
    tree: Tree,
    path: Path_,
    value: object,
    shapes: Mapping[str, type[ProviderConfig]],
    problems: list[Problem],
) -> ProviderConfig | None:
    if not isinstance(value, dict):
        problems.append(tree.problem(path, "a provider must be a map"))
        return None
    shape = value.get("shape")
    if isinstance(shape, str) and shape in shapes:
        return _convert(tree, path, value, shapes[shape], problems)
    said = "is missing" if shape is None else f"{shape!r} is not known{meant(str(shape), shapes)}"
    at = (*path, "shape") if "shape" in value else path
    problems.append(tree.problem(at, f"shape {said}.{known(shapes)}"))
    return None


def _convert(tree: Tree, path: Path_, value: object, kind: type[T], problems: list[Problem]) -> T | None:
    cut: set[Path_] = set()
    for _ in range(MOST_PROBLEMS):
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as e:
            from lbd.config import explain  # a good configuration never comes here

            fault = explain.fault(value, kind, str(e))
            if fault.missing and any(_stood_for(fault.missing, gone) for gone in cut):
                return None
            problems.append(tree.problem((*path, *fault.path), fault.reason))
            if fault.missing or not fault.path or isinstance(fault.path[-1], int) or fault.path in cut:
                return None  # nothing to cut out, or an item of a list: the others would be counted wrongly
            value = explain.without(value, fault.path)
            cut.add(fault.path)
    return None


def _stood_for(missing: Path_, cut: Path_) -> bool:
    """Tell whether a key is missing because what was cut out was that key, or meant to be."""
    return missing[:-1] == cut[:-1] and (missing == cut or meant(str(cut[-1]), [str(missing[-1])]) != "")
