"""Read YAML (JSON is a subset) into plain values that remember where they stood.

Strict where YAML 1.1 is not: duplicate keys are errors, ``no`` and ``on`` are words, numbers are decimal, tags
and merge keys are refused. Several files merge into one tree: maps by key, lists of named items by ``name``,
other lists one behind the other; whatever is set twice is an error that names both places.

What stands in a map is pointed at by its key, an item of a list by itself.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lbd.model.problem import ConfigError, Place, Problem

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")  # what fits in 64 bits; no quantity here is larger
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, object] = {
    "": None, "null": None, "~": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_QUOTED = ("'", '"', "|", ">")  # a text, whatever it looks like
MOST_NODES = 100_000  # aliases may multiply: a configuration is never this large
MOST_DEPTH = 32  # an alias may hold itself: a configuration is never this deep
LONGEST_REASON = 500  # characters
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_TAG = "tag:yaml.org,2002:"
_PLAIN = yaml.resolver.Resolver()  # knows which tag a scalar has that was given none


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
        """Return a problem at ``path``; what it cites is cut short."""
        return Problem(
            self.place(path),
            dotted(path),
            reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}...",
            level,
        )


def read(path: Path) -> Tree:
    """Read a file and its drop-ins, see :func:`drop_ins`. Raises ConfigError."""
    trees: list[Tree] = []
    problems: list[Problem] = []
    try:
        dropped = drop_ins(path)
    except OSError as e:
        raise ConfigError([Problem(None, "", f"{e.filename}: cannot be read: {e.strerror}")]) from None
    for file in (path, *dropped):
        try:
            trees.append(parse(_text(file), str(file)))
        except ConfigError as e:
            problems += e.problems
    if problems:
        raise ConfigError(problems)
    tree = trees[0]
    for more in trees[1:]:
        _merge_maps(tree, more, tree.value, more.value, (), (), problems)
    if problems:
        raise ConfigError(problems)
    return tree


def drop_ins(path: Path) -> list[Path]:
    """Return the files that are merged into one: ``*.yaml``, ``*.yml`` and ``*.json`` of ``conf.d`` beside it, by name.

    Hidden files, and what editors and package managers leave behind (``x.yaml~``, ``x.yaml.dpkg-old``), are none.
    Raises OSError.
    """
    try:
        # not glob, which takes a folder that it may not read for an empty one
        found = list((path.parent / "conf.d").iterdir())
    except FileNotFoundError:
        return []
    return sorted(f for f in found if f.suffix in _SUFFIXES and not f.name.startswith("."))


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise ConfigError([Problem(None, "", f"{file}: there is no such file")]) from None
    except OSError as e:
        raise ConfigError([Problem(None, "", f"{file}: cannot be read: {e.strerror}")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        good = _Text(data[: e.start].decode("utf-8-sig"), str(file))
        raise ConfigError([Problem(good.place(len(good.text)), "", f"not UTF-8: {e.reason}")]) from None


class _Text:
    """A file's text, which knows the place of each character. YAML's own lines also end at characters like U+2028,
    and may lie behind the end of the file.
    """

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(self, index: int) -> Place:
        line = bisect_right(self._starts, index)
        return Place(self.file, line, index - self._starts[line - 1] + 1)


def parse(text: str, file: str) -> Tree:
    """Read one text. Raises ConfigError."""
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented with tabs; a raw tab inside a string is no JSON
    source = _Text(text, file)
    tree = Tree()
    tree.places[()] = source.place(0)
    node = _composed(source)
    if node is None:
        return tree
    reader = _Reader(source, tree.places)
    value = reader.value(node, ())
    if value is not None and not isinstance(value, dict):
        reader.refuse(node, (), "the file must be a map of keys to values")
    if reader.problems:
        raise ConfigError(reader.problems)
    tree.value = value or {}
    return tree


def _composed(source: _Text) -> yaml.Node | None:
    index = 0
    try:
        return yaml.compose(source.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        index = 0 if mark is None else mark.index
        reason = e.problem or e.context or ""
    except yaml.reader.ReaderError as e:
        index, reason = len(source.text.encode()[: e.position].decode(errors="ignore")), str(e.reason)
    except RecursionError:  # libyaml says so itself
        reason = "nested too deeply"
    hint = ""
    if reason == "found character that cannot start any token":  # a tab, @, ` or %
        hint = ": text that begins with it needs quotes, and lines are indented with spaces, never with tabs"
    raise ConfigError([Problem(source.place(index), "", f"not YAML: {reason}{hint}")])


class _Reader:
    """Turns nodes into values and collects what is wrong with them; only size and depth end it at once."""

    def __init__(self, source: _Text, places: dict[Path_, Place]) -> None:
        self.source = source
        self.places = places
        self.problems: list[Problem] = []
        self.nodes = 0

    def _place(self, node: yaml.Node) -> Place:
        return self.source.place(node.start_mark.index)

    def refuse(self, node: yaml.Node, path: Path_, reason: str) -> None:
        self.problems.append(Problem(self._place(node), dotted(path), reason))

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > MOST_DEPTH:
            what = f"more than {MOST_NODES} values" if self.nodes > MOST_NODES else f"deeper than {MOST_DEPTH} levels"
            self.refuse(node, path, f"{what}: aliases multiply")
            raise ConfigError(self.problems)
        self.places.setdefault(path, self._place(node))
        if isinstance(node, yaml.MappingNode):
            self._no_tag(node, path, f"{_TAG}map")
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            self._no_tag(node, path, f"{_TAG}seq")
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _no_tag(self, node: yaml.Node, path: Path_, expected: str) -> None:
        if node.tag != expected:
            self.refuse(node, path, f"tags such as {node.tag.replace(_TAG, '!!')} are not allowed")

    def _items(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        seen: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.refuse(key_node, path, "a key must be a word")
                continue
            key = str(key_node.value)
            if key == "<<":
                self.refuse(key_node, path, "merge keys (<<) are not supported; use a drop-in in conf.d")
                continue
            if key in seen:
                first = self._place(seen[key])
                self.refuse(key_node, (*path, key), f"set twice; first at {first}")
                continue
            seen[key] = key_node
            self.places[(*path, key)] = self._place(key_node)
            yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: yaml.Node, path: Path_) -> Any:
        text = str(node.value)
        if isinstance(node, yaml.ScalarNode) and node.style in _QUOTED:
            self._no_tag(node, path, f"{_TAG}str")
            return text
        self._no_tag(node, path, _PLAIN.resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]
        if text in _WORDS:
            return _WORDS[text]
        if _INT.match(text):
            return int(text)
        if _FLOAT.match(text) and math.isfinite(float(text)):
            return float(text)
        return text


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
        else:
            out.append(Problem(more.place(there), dotted(here), f"set twice; first at {tree.place(here)}"))


def _merge_lists(
    tree: Tree, more: Tree, into: list[Any], value: list[Any], at: Path_, of: Path_, out: list[Problem]
) -> None:
    named = {name: i for i, item in enumerate(into) if (name := _name(item))}
    for i, item in enumerate(value):
        known = named.get(_name(item))
        if known is not None:
            rest = {key: part for key, part in item.items() if key != "name"}
            _merge_maps(tree, more, into[known], rest, (*at, known), (*of, i), out)
        else:
            into.append(item)
            _move(tree, more, (*of, i), (*at, len(into) - 1))


def _name(item: object) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else ""


def _move(tree: Tree, more: Tree, of: Path_, to: Path_) -> None:
    for path, place in more.places.items():
        if path[: len(of)] == of:
            tree.places[to + path[len(of) :]] = place
