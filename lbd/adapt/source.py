"""A foreign configuration as plain values that remember where they stood.

Read as its own gateway does, and not as ours is: merge keys are followed, ``yes`` and ``on`` are true, a key that is
set twice has its last value. JSON is a subset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from lbd.config.tree import Path_, dotted
from lbd.model.problem import Place

MOST_NODES = 200_000  # aliases may multiply
MOST_DEPTH = 64
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset({f"{_TAG}{kind}" for kind in ("bool", "int", "float", "null", "str")})
_MERGE = f"{_TAG}merge"


class SourceError(ValueError):
    """The source cannot be read, or is none of the gateway's; the message says where and why."""


class Source:
    """A value and the place of each of its parts."""

    def __init__(self, value: Any, places: Mapping[Path_, Place], file: str) -> None:
        self.value = value
        self.file = file
        self._places = places

    def also(self, path: Path_, name: Path_) -> None:
        """Have what is at ``path`` be found under another name, too."""
        found = {p: place for p, place in self._places.items() if p[: len(path)] == path}
        self._places = {**self._places, **{(*name, *p[len(path) :]): place for p, place in found.items()}}

    def place(self, path: Path_) -> Place:
        """Return where ``path`` stands, or the nearest part above it."""
        for end in range(len(path), -1, -1):
            if (found := self._places.get(path[:end])) is not None:
                return found
        return Place(self.file, 1, 1)

    def root(self) -> dict[str, Any]:
        """Return the whole of it as a map. Raises SourceError."""
        if not isinstance(self.value, dict):
            raise SourceError(f"{self.place(())}: must be a map of keys and values")
        return self.value


def read(text: str, file: str) -> Source:
    """Read a text. Raises SourceError."""
    if text.lstrip().startswith(("{", "[")):
        text = text.replace("\t", " ")  # JSON may be indented with tabs
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        places: dict[Path_, Place] = {}
        reader = _Reader(file, places)
        return Source(None if node is None else reader.value(node, (), 0), places, file)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        at = file if mark is None else f"{file}:{mark.line + 1}:{mark.column + 1}"
        why = getattr(e, "problem", None) or str(e).splitlines()[0]
        raise SourceError(f"{at}: neither YAML nor JSON: {why}") from None


class _Reader:
    def __init__(self, file: str, places: dict[Path_, Place]) -> None:
        self._file = file
        self._places = places
        self._left = MOST_NODES
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: Path_, depth: int) -> Any:
        self._left -= 1
        mark = node.start_mark
        self._places.setdefault(path, Place(self._file, mark.line + 1, mark.column + 1))
        if depth > MOST_DEPTH or self._left < 0:
            raise SourceError(f"{self._places[path]}: {dotted(path)} is nested too deep, or too large")
        if isinstance(node, yaml.MappingNode):
            return {key: self.value(of, (*path, key), depth + 1) for key, of in self._pairs(node, path, depth)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(of, (*path, i), depth + 1) for i, of in enumerate(node.value)]
        # a day, as of an API's version, and what has a tag of its own are texts
        return self._scalars.construct_object(node) if node.tag in _PLAIN else str(node.value)

    def _pairs(self, node: yaml.MappingNode, path: Path_, depth: int) -> Iterator[tuple[str, yaml.Node]]:
        found: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for of in merged:
                    if not isinstance(of, yaml.MappingNode) or depth > MOST_DEPTH:
                        raise SourceError(f"{self._file}:{key_node.start_mark.line + 1}: << must name maps")
                    for key, value in self._pairs(of, path, depth + 1):
                        found.setdefault(key, value)
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE:
                key = str(key_node.value)
                mark = key_node.start_mark
                self._places[(*path, key)] = Place(self._file, mark.line + 1, mark.column + 1)
                found[key] = value_node
        yield from found.items()
