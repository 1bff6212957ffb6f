"""A JSON schema as Anthropic's structured outputs take one, where the client's was written for others.

Every object has to be closed, and bounds on numbers, texts and lists are refused (the API's page "Structured outputs",
and what the official SDK makes of a schema). An object that says nothing of further members is closed: what fits it
then, fits what was asked. What would mean something else then, and every bound, is for another provider to keep.
"""

from __future__ import annotations

from typing import Any

from lbd.shapes import dig

_REFUSED = frozenset(
    {
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "if",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "not",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "then",
    }
)
_NAMED = ("$defs", "definitions", "properties")  # members that hold schemas by name
_LISTED = ("allOf", "anyOf", "oneOf")
DEEPEST = 64  # schemas inside one another


def closed(schema: dict[str, Any], at: str, deep: int = 0) -> dict[str, Any]:
    """Return the schema with its objects closed. Raises LbdError for what the API would refuse.

    ``oneOf`` becomes ``anyOf``, as in the SDK: the API knows no other, and alternatives that are meant to exclude one
    another differ in what they say.
    """
    if deep > DEEPEST:
        raise dig.bad(at, "is nested too deep")
    _refuse(schema, at)
    out: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _NAMED and isinstance(value, dict):
            out[name] = {key: _inner(inner, at, deep) for key, inner in value.items()}
        elif name in _LISTED and isinstance(value, list):
            out["anyOf" if name == "oneOf" else name] = [_inner(inner, at, deep) for inner in value]
        else:
            out[name] = _inner(value, at, deep) if name == "items" else value
    return {**out, "additionalProperties": False} if _is_object(schema) else out


def _inner(value: Any, at: str, deep: int) -> Any:
    return closed(value, at, deep + 1) if isinstance(value, dict) else value


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _refuse(schema: dict[str, Any], at: str) -> None:
    bounds = _REFUSED & schema.keys()
    least, parts = schema.get("minItems"), schema.get("allOf")
    if bounds or least not in (None, 0, 1) or schema.get("uniqueItems"):
        word = min(bounds, default="minItems" if least not in (None, 0, 1) else "uniqueItems")
        raise dig.unsupported(at, f"a schema with {word}: this model keeps no such bound")
    if isinstance(parts, list) and len(parts) > 1:
        raise dig.unsupported(at, "a schema of several at once: its objects cannot be closed one by one")
    if "anyOf" in schema and "oneOf" in schema:
        raise dig.unsupported(at, "a schema of several at once: there is one list of alternatives")
    more = schema.get("additionalProperties")
    if _is_object(schema) and (more or (more is not False and "properties" not in schema)):
        raise dig.unsupported(at, "a schema of an object with members that it does not name")
