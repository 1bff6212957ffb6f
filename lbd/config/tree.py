"""Read YAML (JSON is a subset) into plain values that remember where they stood.

Strict where YAML 1.1 is not: duplicate keys are errors, ``no`` and ``on`` are words, numbers are decimal, tags
and merge keys are refused. Several files merge into one tree: maps by key, lists of named items by ``name``;
whatever is set twice is an error that names both places.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lbd.model.problem import ConfigError, Place, Problem

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, object] = {
    "": None, "null": None, "~": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_QUOTED = ("'", '"', "|", ">")  # a text, whatever it looks like
MOST_NODES = 100_000  # aliases may multiply: a configuration is never this large


Path_ = tuple[str | int, ...]


def dotted(path: Path_) -> str:
    """Write a path as it is read: ``providers[0].base_url``."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f"{'.' if out else ''}{part}"
    return out


class Tree:
    """A value and the place of each of its parts."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self.places: dict[Path_, Place] = {}

    def place(self, path: Path_) -> Place | None:
        """Return where ``path`` stands, or the nearest part above it that stands somewhere."""
        for end in range(len(path), -1, -1):
            if (found := self.places.get(path[:end])) is not None:
                return found
        return None

    def problem(self, path: Path_, reason: str, level: str = "error") -> Problem:
        """Return a problem at ``path``."""
        return Problem(self.place(path), dotted(path), reason, level)


def read(path: Path) -> Tree:
    """Read a file and its drop-ins, ``conf.d/*.yaml`` beside it, in name order. Raises ConfigError."""
    tree = Tree()
    for file in (path, *_drop_ins(path)):
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigError([Problem(None, "", f"{file}: there is no such file")]) from None
        except (OSError, UnicodeDecodeError) as e:
            raise ConfigError([Problem(None, "", f"{file}: cannot be read: {e}")]) from None
        _merge_into(tree, parse(text, str(file)))
    return tree


def _drop_ins(path: Path) -> list[Path]:
    folder = path.parent / "conf.d"
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []


def parse(text: str, file: str) -> Tree:
    """Read one text. Raises ConfigError."""
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented with tabs; a raw tab inside a string is no JSON
    tree = Tree()
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark is not None else Place(file, 1, 1)
        raise ConfigError([Problem(place, "", f"not YAML: {e.problem or e.context}")]) from None
    except yaml.YAMLError as e:
        raise ConfigError([Problem(Place(file, 1, 1), "", f"not YAML: {e}")]) from None
    tree.places[()] = Place(file, 1, 1)
    if node is None:
        return tree
    value = _Reader(file, tree.places).value(node, ())
    if not isinstance(value, dict):
        raise ConfigError([Problem(_place(file, node), "", "the file must be a map of keys to values")])
    tree.value = value
    return tree


def _place(file: str, node: yaml.Node) -> Place:
    return Place(file, node.start_mark.line + 1, node.start_mark.column + 1)


class _Reader:
    def __init__(self, file: str, places: dict[Path_, Place]) -> None:
        self.file = file
        self.places = places
        self.nodes = 0

    def _refuse(self, node: yaml.Node, path: Path_, reason: str) -> ConfigError:
        return ConfigError([Problem(_place(self.file, node), dotted(path), reason)])

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self._refuse(node, path, f"more than {MOST_NODES} values: aliases multiply")
        self.places[path] = _place(self.file, node)
        if isinstance(node, yaml.MappingNode):
            self._no_tag(node, path, "map")
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            self._no_tag(node, path, "seq")
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _no_tag(self, node: yaml.Node, path: Path_, kind: str) -> None:
        if node.tag != f"tag:yaml.org,2002:{kind}":
            raise self._refuse(node, path, f"tags such as {node.tag!r} are not allowed")

    def _items(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        seen: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._refuse(key_node, path, "a key must be a word")
            key = str(key_node.value)
            if key == "<<":
                raise self._refuse(key_node, path, "merge keys (<<) are not supported; use a drop-in in conf.d")
            if key in seen:
                first = _place(self.file, seen[key])
                raise self._refuse(key_node, (*path, key), f"set twice; first at {first}")
            seen[key] = key_node
            value = self.value(value_node, (*path, key))
            if isinstance(value_node, yaml.ScalarNode):
                # a scalar is pointed at by its key: that is where one looks
                self.places[(*path, key)] = _place(self.file, key_node)
            yield key, value

    def _scalar(self, node: yaml.Node, path: Path_) -> Any:
        text = str(node.value)
        if isinstance(node, yaml.ScalarNode) and node.style in _QUOTED:
            return text
        if node.tag.startswith("!") or node.tag.startswith("tag:yaml.org,2002:python"):
            raise self._refuse(node, path, f"tags such as {node.tag!r} are not allowed")
        if text in _WORDS:
            return _WORDS[text]
        if _INT.match(text):
            return int(text)
        if _FLOAT.match(text) and math.isfinite(float(text)):
            return float(text)
        return text


def _merge_into(tree: Tree, more: Tree) -> None:
    if not tree.places:
        tree.value, tree.places = more.value, more.places
        return
    problems: list[Problem] = []
    _merge_maps(tree, more, tree.value, more.value, (), (), problems)
    if problems:
        raise ConfigError(problems)


def _merge_maps(
    tree: Tree, more: Tree, into: dict[str, Any], value: dict[str, Any], at: Path_, of: Path_, out: list[Problem]
) -> None:
    for key, new in value.items():
        here, there = (*at, key), (*of, key)
        if key not in into:
            into[key] = new
            _move(tree, more, there, here)
            continue
        old = into[key]
        if isinstance(old, dict) and isinstance(new, dict):
            _merge_maps(tree, more, old, new, here, there, out)
        elif isinstance(old, list) and isinstance(new, list):
            _merge_lists(tree, more, old, new, here, there, out)
        elif key != "name" or old != new:
            out.append(Problem(more.place(there), dotted(here), f"set twice; first at {tree.place(here)}"))


def _merge_lists(
    tree: Tree, more: Tree, into: list[Any], value: list[Any], at: Path_, of: Path_, out: list[Problem]
) -> None:
    named = {item["name"]: i for i, item in enumerate(into) if isinstance(item, dict) and "name" in item}
    for i, item in enumerate(value):
        known = named.get(item["name"]) if isinstance(item, dict) and "name" in item else None
        if known is not None:
            _merge_maps(tree, more, into[known], item, (*at, known), (*of, i), out)
        else:
            into.append(item)
            _move(tree, more, (*of, i), (*at, len(into) - 1))


def _move(tree: Tree, more: Tree, of: Path_, to: Path_) -> None:
    for path, place in more.places.items():
        if path[: len(of)] == of:
            tree.places[to + path[len(of) :]] = place
