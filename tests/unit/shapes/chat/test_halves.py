"""Characters whose halves come in two events."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes import loose
from lbd.shapes.chat.halves import Halves

HIGH, LOW = "\ud83d", "\ude00"


def events(*choices: dict[str, Any]) -> list[bytes]:
    return [json.dumps({"choices": [choice]}).encode() for choice in choices]


def deltas(*told: dict[str, Any]) -> list[bytes]:
    return events(*({"index": 0, "delta": delta} for delta in told))


def read(*data: bytes) -> list[dict[str, Any]]:
    halves = Halves()
    return [halves.read(one)["choices"][0].get("delta") for one in data]


@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning", "refusal"])
def test_halves_in_two_events_are_one_character(name: str) -> None:
    """Whatever is told between them."""
    told = read(*deltas({name: "x" + HIGH}, {"tool_calls": None}, {name: LOW + "y" + HIGH}, {name: LOW}))
    assert [delta.get(name) for delta in told] == ["x", None, "\U0001f600y", "\U0001f600"]


def test_arguments_are_joined_call_by_call() -> None:
    """Several may be written side by side."""

    def call(index: object, text: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}

    told = read(*deltas(call(0, "a" + HIGH), call(1, "b"), call(0, LOW), call([], "c"), {"tool_calls": [1, {}]}))
    texts = [c["function"]["arguments"] for delta in told[:4] for c in delta["tool_calls"]]
    assert texts == ["a", "b", "\U0001f600", "c"]


def test_choices_have_halves_of_their_own() -> None:
    """Each is a text for itself."""
    first, second = {"index": 0, "delta": {"content": HIGH}}, {"index": 1, "delta": {"content": "x"}}
    last = {"index": 0, "delta": {"content": LOW}}
    assert [delta["content"] for delta in read(*events(first, second, last))] == ["", "x", "\U0001f600"]


@pytest.mark.parametrize("end", [{}, {"delta": None}, {"delta": {}}, {"delta": {"content": ""}}])
def test_a_half_whose_other_one_never_comes_is_marked(end: dict[str, Any]) -> None:
    """As it is where it stands alone in the middle, or comes last of all."""
    told = read(*events({"delta": {"content": "x" + HIGH}}, {"finish_reason": "stop", **end}))
    assert [delta["content"] for delta in told] == ["x", "\ufffd"]
    assert read(*events({"delta": {"content": HIGH}, "finish_reason": "stop"})) == [{"content": "\ufffd"}]
    middle = read(*deltas({"content": HIGH}, {"content": "y" + LOW}))
    assert [delta["content"] for delta in middle] == ["", "\ufffdy\ufffd"]


@given(st.text(max_size=8), st.data())
def test_a_text_is_the_same_however_it_is_cut(text: str, data: st.DataObject) -> None:
    """In units of UTF-16, as some servers count."""
    units = text.encode("utf-16-le", "replace")
    cuts = sorted({0, len(units), *data.draw(st.lists(st.integers(0, len(units) // 2).map(lambda n: 2 * n)))})
    parts = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(cuts)]
    told = read(*deltas(*({"content": part} for part in parts)), *events({"finish_reason": "stop"}))
    got = "".join((delta or {}).get("content", "") for delta in told)
    assert got == units.decode("utf-16-le", "replace")


@pytest.mark.parametrize("odd", [rb'{"id":"\ud83d"}', rb'"\ud83d"', rb'{"choices":{"x":"\ud83d"}}', b"[NaN]", b"1"])
def test_what_is_no_chunk_is_read_as_it_is(odd: bytes) -> None:
    """With nothing in it that could not be written again."""
    assert Halves().read(odd) == loose.value(odd)


def test_what_cannot_be_read_is_told() -> None:
    """Its caller makes a failure of it."""
    with pytest.raises(ValueError, match="Expecting"):
        Halves().read(b"{")
