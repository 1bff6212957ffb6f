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
MOST_UNIQUE = 1_000  # items that are compared each with each
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

    def _counted(self, name: str, made: Keyword) -> Keyword:
        def tried(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
            self._steps += 1
            if self._steps > MOST_STEPS or (name in _DEAR and _DEAR[name](value, instance)):
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
        except (_TooMuch, RecursionError, ArithmeticError, self._unresolvable):
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


def _too_long(expression: object, text: object) -> bool:
    if not isinstance(text, str) or not isinstance(expression, str):
        return False
    try:
        return len(text) > pattern.compiled(expression).window
    except ValueError:
        return True


_DEAR: dict[str, Callable[[Any, Any], bool]] = {
    "pattern": _too_long,
    "patternProperties": lambda value, found: (
        isinstance(found, dict) and any(_too_long(expression, name) for expression in value for name in found)
    ),
    "uniqueItems": lambda _, found: isinstance(found, list) and len(found) > MOST_UNIQUE,
}


@lru_cache(maxsize=256)
def compiled(schema: bytes) -> Checker:
    """Return the checker of an encoded schema. Raises ValueError with the reason where it cannot be used."""
    if len(schema) > MOST_SCHEMA:
        raise ValueError(f"is larger than {MOST_SCHEMA} bytes")
    known = orjson.loads(schema)
    if not isinstance(known, dict | bool):
        raise ValueError("is no JSON schema: it must be an object")
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
