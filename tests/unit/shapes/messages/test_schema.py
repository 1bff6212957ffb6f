"""JSON schemas as Anthropic takes them."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.shapes.messages.schema import DEEPEST, closed

TEXT = {"type": "string", "description": "d", "pattern": "^a", "default": "a"}


def object_of(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members}


def shut(**members: Any) -> dict[str, Any]:
    return {**object_of(**members), "additionalProperties": False}


def test_objects_are_closed_wherever_they_stand() -> None:
    """The API refuses any that says nothing of further members."""
    inner = object_of(z=TEXT)
    schema = {
        **object_of(a=TEXT, b={"anyOf": [inner, {"type": "null"}]}, c={"type": "array", "items": inner, "minItems": 1}),
        "required": ["a"],
        "$defs": {"X": inner, "Y": {"$ref": "#/$defs/X"}},
    }
    kept = shut(z=TEXT)
    assert closed(schema, "/at") == {
        **shut(a=TEXT, b={"anyOf": [kept, {"type": "null"}]}, c={"type": "array", "items": kept, "minItems": 1}),
        "required": ["a"],
        "$defs": {"X": kept, "Y": {"$ref": "#/$defs/X"}},
    }


def test_one_that_is_closed_stays_as_it_is() -> None:
    """What the official SDKs make of a type, with members that are called like words of schemas."""
    schema = shut(
        minimum=TEXT, properties={"type": ["object", "null"], "properties": {}, "additionalProperties": False}
    )
    assert closed(schema, "/at") == schema
    none = {"type": "object", "additionalProperties": False}
    assert closed(none, "/at") == none, "no members at all, as of a tool without parameters"


def test_alternatives_that_exclude_one_another_are_alternatives() -> None:
    """As the official SDK has it: the API knows no ``oneOf``; a single ``allOf`` is what it holds."""
    assert closed({"oneOf": [object_of(a=TEXT), TEXT]}, "/at") == {"anyOf": [shut(a=TEXT), TEXT]}
    assert closed({"allOf": [object_of(a=TEXT)]}, "/at") == {"allOf": [shut(a=TEXT)]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {**object_of(a=TEXT), "additionalProperties": True},
        {"type": "object", "properties": {}, "additionalProperties": TEXT},
        object_of(a={"type": "integer", "minimum": 1}),
        object_of(a={"type": "string", "maxLength": 9}),
        {"type": "array", "items": TEXT, "minItems": 2},
        {"type": "array", "items": TEXT, "uniqueItems": True},
        {"allOf": [object_of(a=TEXT), object_of(b=TEXT)]},
        {"anyOf": [object_of(a=TEXT), object_of(b=TEXT)], "oneOf": [object_of(a=TEXT)]},
        object_of(a={"type": "array", "items": {"$defs": {"b": {"type": ["object", "null"]}}}}),
    ],
)
def test_what_the_api_would_refuse_or_mean_otherwise_is_for_another_provider(schema: dict[str, Any]) -> None:
    """A bound is never left out, and members that are wanted are never shut out."""
    with pytest.raises(LbdError) as raised:
        closed(schema, "/at")
    assert (raised.value.failure.kind, raised.value.failure.param) == (FailureKind.UNSUPPORTED, "/at")


def test_a_schema_without_end_is_a_clients_fault() -> None:
    """It is no stack that says so."""
    schema: dict[str, Any] = TEXT
    for _ in range(DEEPEST + 1):
        schema = {"type": "array", "items": schema}
    with pytest.raises(LbdError) as raised:
        closed(schema, "/at")
    assert raised.value.failure.kind is FailureKind.BAD_REQUEST
    assert closed(schema["items"], "/at") == schema["items"]


def test_what_is_no_schema_is_the_providers_to_refuse() -> None:
    """A list in the place of members, a truth in the place of items."""
    odd = {"type": "array", "items": True, "anyOf": {}, "$defs": [1], "allOf": [True]}
    assert closed(odd, "/at") == odd
