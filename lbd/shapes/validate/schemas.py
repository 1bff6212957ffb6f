"""JSON schemas as validators of answers: compiled once, bounded in steps, and deaf to references that lead elsewhere.

A schema may come with a request, so nothing of it may reach the network or hold the daemon up: references are resolved
within it alone, every keyword that is tried counts as a step, and expressions are held to their window. What cannot be
judged within the bounds is not judged: the answer passes.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson

from lbd.shapes.validate import pattern

MOST_STEPS = 20_000  # keywords tried: about a quarter of a second
MOST_TEXT = 256 * 1024  # characters of an answer
MOST_SCHEMA = 64 * 1024  # bytes
MOST_NODES = 1_000  # objects and lists of a schema that comes with a request: to check it takes as long
MISSING = "needs the package jsonschema, which the extra `validate` of lbd brings"

Keyword = Callable[[Any, Any, Any, Any], Any]


class _TooMuch(Exception):
    """Not to be judged within the bounds."""


class Checker:
    """One compiled schema."""

    def __init__(self, schema: Any) -> None:
        validators, self._unresolvable = _libraries()
        base = validators.validator_for(schema, default=validators.Draft202012Validator)
        base.check_schema(schema)
        kind = validators.extend(base, {name: self._counted(name, made) for name, made in base.VALIDATORS.items()})
        specifications = importlib.import_module("jsonschema_specifications")
        self._validator = kind(schema, registry=specifications.REGISTRY)  # which fetches nothing
        self._steps = 0
        # a name may be held against all of these at once
        self._names = min((pattern.compiled(e).window for e in _expressions(schema)), default=MOST_TEXT)

    def _counted(self, name: str, made: Keyword) -> Keyword:
        def tried(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
            self._steps += 1 + (_DEAR[name](value, instance) if name in _DEAR else 0)
            too_long = name in _NAMES and isinstance(instance, dict) and any(len(n) > self._names for n in instance)
            if self._steps > MOST_STEPS or too_long:
                raise _TooMuch
            yield from made(validator, value, instance, schema) or ()

        return tried

    def fault(self, text: str) -> str | None:
        """Return why an answer is not what the schema says, in the schema's own words and none of the answer's."""
        if len(text) > MOST_TEXT:
            return None
        try:
            value = orjson.loads(text)
        except ValueError:
            return "the answer is not JSON"
        self._steps = 0
        try:
            error = next(self._validator.iter_errors(value), None)
        except Exception:  # noqa: BLE001  a schema of a request may be anything; what cannot be judged passes
            return None
        if error is None:
            return None
        return f"the answer breaks the schema at {'/'.join(map(str, error.absolute_schema_path))[:200]}"

    def unresolved(self, schema: Any) -> str | None:
        """Return a reference that leads nowhere, or out of the schema."""
        referencing = importlib.import_module("referencing.jsonschema")
        create = referencing.DRAFT202012.create_resource
        resolver = importlib.import_module("referencing").Registry().with_resource("", create(schema)).resolver()
        for _, value in _members(schema, "$ref"):
            try:
                resolver.lookup(value)
            except self._unresolvable:
                return str(value)
        return None


def available() -> bool:
    """Tell whether schemas can be used here."""
    return importlib.util.find_spec("jsonschema") is not None


def _libraries() -> tuple[Any, Any]:
    try:
        validators = importlib.import_module("jsonschema.validators")
        unresolvable = importlib.import_module("referencing.exceptions").Unresolvable
    except ImportError:
        raise ValueError(MISSING) from None
    return validators, unresolvable


def _search(expression: object, text: object) -> int:
    """Return the steps of a search: a quarter of all for the longest text that is looked at, of shorter ones less."""
    if not isinstance(text, str) or not isinstance(expression, str):
        return 0
    try:
        window = pattern.compiled(expression).window
    except ValueError:
        return MOST_STEPS
    return MOST_STEPS if len(text) > window else int(MOST_STEPS / 4 * (len(text) / window) ** 2)


# Keywords whose work is not seen in what they lead to: the steps to count for one of them.
_DEAR: dict[str, Callable[[Any, Any], int]] = {
    "enum": lambda value, _: len(value) if isinstance(value, list) else 0,
    "pattern": _search,
    "patternProperties": lambda value, found: (
        sum(_search(expression, name) for expression in value for name in found) if isinstance(found, dict) else 0
    ),
    "uniqueItems": lambda _, found: len(found) ** 2 // 20 if isinstance(found, list) else 0,
}
_NAMES = frozenset({"additionalProperties", "unevaluatedProperties"})


def _expressions(schema: Any) -> Iterator[str]:
    """Yield every expression that names of members are held against. Such a one is not only searched on its own."""
    for found in _nodes(schema):
        if isinstance(found, dict) and isinstance(found.get("patternProperties"), dict):
            yield from found["patternProperties"]


def _nodes(schema: Any) -> Iterator[Any]:
    """Yield the objects and lists of a schema."""
    left = [schema]
    while left:
        found = left.pop()
        if isinstance(found, dict | list):
            yield found
            left += found.values() if isinstance(found, dict) else found


@lru_cache(maxsize=256)
def compiled(schema: bytes, most_nodes: int | None = None) -> Checker:
    """Return the checker of an encoded schema. Raises ValueError with the reason where it cannot be used."""
    if len(schema) > MOST_SCHEMA:
        raise ValueError(f"is larger than {MOST_SCHEMA} bytes")
    known = orjson.loads(schema)
    if not isinstance(known, dict | bool):
        raise ValueError("is no JSON schema: it must be an object")
    if most_nodes is not None and sum(1 for _ in _nodes(known)) > most_nodes:
        raise ValueError(f"has more than {most_nodes} objects and lists")
    _libraries()
    wrong = importlib.import_module("jsonschema.exceptions").SchemaError
    try:
        return Checker(known)
    except wrong as e:
        place = "".join(f".{part}" for part in e.absolute_path)
        raise ValueError(f"is no JSON schema: {place + ': ' if place else ''}{e.message[:200]}") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None


def problem(schema: bytes) -> str | None:
    """Return why a configured schema is refused, None where it is good: it must be judged in full."""
    try:
        checker = compiled(schema)
        known = orjson.loads(schema)
        nowhere = checker.unresolved(known)
        if nowhere is not None:
            return f"refers to {nowhere!r}, which is not in it"
        for _, expression in _members(known, "pattern"):
            pattern.compiled(expression)
    except ValueError as e:
        return str(e)
    return None


def _members(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield each text that stands under this name, at any depth."""
    if isinstance(value, dict):
        for key, found in value.items():
            if key == name and isinstance(found, str):
                yield key, found
            yield from _members(found, name)
    elif isinstance(value, list):
        for found in value:
            yield from _members(found, name)
