"""Schemas of answers: what they find, what they cannot be made to do, and what is refused when it is configured."""

from __future__ import annotations

import importlib
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.validate import schemas
from lbd.shapes.validate.schemas import MOST_NODES, MOST_SCHEMA, MOST_TEXT, compiled, problem

PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
    "additionalProperties": False,
}


def fault(schema: Any, text: str) -> str | None:
    return compiled(orjson.dumps(schema)).fault(text)


def test_what_is_broken_is_told_by_its_place_in_the_schema() -> None:
    """And never in the words of the answer, which are in no record."""
    assert fault(PERSON, '{"age": 3}') is None
    assert fault(PERSON, '{"age": "secret"}') == "the answer breaks the schema at properties/age/type"
    assert fault(PERSON, '{"secret": 1}') in (
        "the answer breaks the schema at required",
        "the answer breaks the schema at additionalProperties",
    )
    assert fault(PERSON, "{'age': 3}") == "the answer is not JSON"
    assert fault(PERSON, "```json\n{}\n```") == "the answer is not JSON"
    assert fault(True, "1") is None and fault(False, "1") is not None


def test_references_are_followed_within_the_schema() -> None:
    """As the schemas that SDKs write have them."""
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}, "type": "object"}},
    }
    assert fault(tree, '{"next": {"next": {}}}') is None
    assert fault(tree, '{"next": {"next": 1}}') is not None
    assert problem(orjson.dumps(tree)) is None


@pytest.mark.parametrize("ref", ["http://127.0.0.1:9/x", "file:///etc/passwd", "#/$defs/no", "other.json"])
def test_a_reference_that_leads_elsewhere_is_never_followed(ref: str) -> None:
    """A request's schema may name any URL: nothing is fetched, and nothing judged. A configured one is refused."""
    schema = {"properties": {"a": {"$ref": ref}}}
    assert fault(schema, '{"a": 1}') is None
    assert "which is not in it" in str(problem(orjson.dumps(schema)))


def test_work_is_bounded() -> None:
    """Sixty doublings, a circle, comparisons of each with each, an expression without end: given up, not waited for."""
    doubled: dict[str, Any] = {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(60)}
    doubled["a60"] = {"type": "string"}
    began = time.perf_counter()
    assert fault({"$defs": doubled, "$ref": "#/$defs/a0"}, "1") is None
    assert fault({"$ref": "#"}, "1") is None
    assert fault({"uniqueItems": True}, orjson.dumps([{"a": n} for n in range(1000)]).decode()) is None
    assert fault({"pattern": "(a+)+b"}, f'"{"a" * 50}"') is None
    assert fault({"type": "integer"}, '"' + "a" * MOST_TEXT + '"') is None
    evil = {"additionalProperties": False, "patternProperties": {"^(a+)+$": True}}
    with pytest.raises(ValueError, match="repeat within a repeat"):  # joined with others it is no longer looked at
        fault(evil, f'{{"{"a" * 40}!": 1}}')
    slow = {"additionalProperties": False, "patternProperties": {".*x.*y": True}}
    assert fault(slow, f'{{"{"x" * 5000}": 1}}') is None
    rows = orjson.dumps([[3999, 3999]] * 3000).decode()
    assert fault({"items": {"enum": [[n, n] for n in range(4000)]}}, rows) is None
    many = orjson.dumps([[{"a": n} for n in range(600)]] * 20).decode()
    assert fault({"items": {"uniqueItems": True}}, many) is None
    assert fault({"items": {"not": {"pattern": ".*x.*y"}}}, orjson.dumps(["x" * 500] * 400).decode()) is None
    assert time.perf_counter() - began < 10
    large = orjson.dumps({"allOf": [{}] * (MOST_NODES + 1)})
    with pytest.raises(ValueError, match="more than"):
        compiled(large, MOST_NODES)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/default", "default": {"minimum": "x"}},
        {"$ref": "#/title", "title": "xx"},
        {"$ref": "#/enum/0", "enum": [{"type": "nonsense"}]},
        {"properties": {"a": {"$ref": "#/allOf/x"}}, "allOf": [True]},
    ],
)
@pytest.mark.parametrize("text", ["1", '"a"', '{"a": 1}', "null"])
def test_a_reference_to_what_is_no_schema_judges_nothing(schema: Any, text: str) -> None:
    """An answer that is paid for is not lost by a client's own mistake."""
    assert fault(schema, text) in (None, "the answer breaks the schema at enum")


def test_within_the_bounds_these_keywords_judge() -> None:
    """They are not just switched off."""
    assert fault({"uniqueItems": True}, "[1, 1]") is not None
    assert fault({"uniqueItems": True}, orjson.dumps([{"a": n % 599} for n in range(600)]).decode()) is not None
    assert fault({"enum": list(range(5000))}, "5001") is not None
    closed = {"additionalProperties": False, "patternProperties": {"^x": True}}
    assert fault(closed, '{"y": 1}') is not None and fault(closed, '{"x": 1}') is None
    assert fault({"pattern": "^a+$"}, '"ab"') is not None and fault({"pattern": "^a+$"}, '"aa"') is None
    assert fault({"pattern": "^a"}, "5") is None
    assert fault({"patternProperties": {"^x": False}}, '{"xy": 1}') is not None
    draft_07 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert fault(draft_07, "[1]") is not None


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (5, "must be an object"),
        ({"type": "nope"}, "is no JSON schema: .type"),
        ({"properties": {"a": {"minLength": "x"}}}, ".properties.a.minLength"),
        ({"pattern": "(a+)+b"}, "repeat within a repeat"),
        ({"description": "x" * MOST_SCHEMA}, "is larger than"),
    ],
)
def test_a_configured_schema_that_cannot_be_used_is_refused(schema: Any, why: str) -> None:
    """It must be judged in full, so what would not be is a reason, too."""
    assert why in str(problem(orjson.dumps(schema)))


def test_members_that_are_only_called_like_keywords_are_none() -> None:
    """A property may be named $ref."""
    assert problem(orjson.dumps({"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}})) is None
    assert problem(b"true") is None


def test_without_the_package_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not needed for anything else."""
    real = importlib.import_module

    def missing(name: str) -> Any:
        if name.startswith("jsonschema"):
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert problem(b'{"title": "not seen before"}') == schemas.MISSING


json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(json)
def test_a_constant_accepts_itself_and_nothing_else_fails(value: Any) -> None:
    """Whatever an answer holds."""
    text = orjson.dumps(value).decode()
    assert fault({"const": value}, text) is None
    assert fault({"not": {"const": value}}, text) is not None


@given(json, json)
def test_any_schema_and_any_answer_end_in_a_word(schema: Any, value: Any) -> None:
    """Or in a reason why the schema cannot be used."""
    try:
        found = fault(schema, orjson.dumps(value).decode())
    except ValueError as e:
        assert str(e)
    else:
        assert found is None or found.startswith("the answer")
