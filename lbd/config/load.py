"""From files to a typed Config: every error names the place, the path, the reason and, where one is near, the
word that was probably meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import fields, replace

from lbd.config import schema
from lbd.config.tree import Path_, Tree, read
from lbd.model.problem import ConfigError, Problem
from lbd.shapes.providers import ProviderConfig

T = TypeVar("T")

_LISTS: dict[str, type[msgspec.Struct]] = {
    "clients": schema.ClientConfig,
    "tiers": schema.TierConfig,
    "surfaces": schema.SurfaceConfig,
}
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]+)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_PART = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\[\.\.\.\]")


def load(path: Path, shapes: Mapping[str, type[ProviderConfig]]) -> tuple[schema.Config, Tree]:
    """Read and type a configuration. Raises ConfigError with everything that is wrong."""
    tree = read(path)
    return typed(tree, shapes), tree


def typed(tree: Tree, shapes: Mapping[str, type[ProviderConfig]]) -> schema.Config:
    """Type a tree. Raises ConfigError."""
    problems: list[Problem] = []
    plain = dict(tree.value)
    # lists and maps of entries are typed one by one, so that each wrong entry is told
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
            name: _convert(tree, ("routing_rules", name), v, schema.RuleConfig, problems)
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
    if shape not in shapes:
        said = "is missing" if shape is None else f"{shape!r} is not known{_meant(str(shape), shapes)}"
        at = (*path, "shape") if "shape" in value else path
        problems.append(tree.problem(at, f"shape {said}. Known: {', '.join(sorted(shapes))}"))
        return None
    return _convert(tree, path, value, shapes[str(shape)], problems)


def _convert(tree: Tree, path: Path_, value: object, kind: type[T], problems: list[Problem]) -> T | None:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as e:
        problems.append(_explained(tree, path, kind, str(e)))
        return None


def _explained(tree: Tree, path: Path_, kind: type[Any], error: str) -> Problem:
    at = _AT.search(error)
    reason = error[: at.start()] if at else error
    for name, index in _PART.findall(at["path"]) if at else ():
        if not name and not index:
            break  # a key of a map, which msgspec does not name
        path = (*path, name or int(index))
    if found := _UNKNOWN.search(reason):
        return _unknown(tree, path, kind, found["field"])
    if found := _MISSING.search(reason):
        return tree.problem(path, f"`{found['field']}` is missing")
    return tree.problem(path, reason[0].lower() + reason[1:].replace("`", ""))


def _unknown(tree: Tree, path: Path_, kind: type[Any], field: str) -> Problem:
    struct = _struct_at(kind, path)
    known = [f.encode_name for f in fields(struct)] if struct is not None else []
    if struct is not None and field in schema.PLANNED.get(struct.__name__, ()):
        return tree.problem((*path, field), "not in this version of lbd")
    hint = _meant(field, known) or (f". Known: {', '.join(known)}" if known else "")
    return tree.problem((*path, field), f"unknown key{hint}")


def _struct_at(kind: type[Any], path: Path_) -> type[msgspec.Struct] | None:
    """Return the struct that the last part of ``path`` is, found by following its names from ``kind``."""
    current: Any = kind
    for part in path:
        if isinstance(part, int) or not (isinstance(current, type) and issubclass(current, msgspec.Struct)):
            continue
        found = next((f.type for f in fields(current) if f.encode_name == part), None)
        if found is None:
            continue  # the part stands above ``kind``
        inner = _struct_in(found)
        if inner is not None:
            current = inner
    return current if isinstance(current, type) and issubclass(current, msgspec.Struct) else None


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    for arg in getattr(kind, "__args__", ()) or ():
        if (found := _struct_in(arg)) is not None:
            return found
    return None


def _meant(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""
