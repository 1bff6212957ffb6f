"""Arguments of a tool call that are told again: the same value, or the same characters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.arguments import Arguments, Different, canonical

values = st.dictionaries(st.text(max_size=3), st.recursive(st.none() | st.booleans() | st.integers(-9, 9), st.lists))


def shown(text: str, *, closed: bool = False) -> Arguments:
    """Return arguments that were shown so far."""
    made = Arguments()
    made.shown, made.closed = text, closed
    made.settle()
    return made


def test_only_an_object_is_whole() -> None:
    """A number could go on."""
    assert [canonical(t) for t in ("1", "[1]", '{"a":1', "}", "")] == [None] * 5
    assert canonical('{"b": 1.0, "a":true} ') == b'{"a":true,"b":1.0}'


def test_what_is_nested_deeper_than_can_be_written_is_compared_as_it_is() -> None:
    """By its characters."""
    deep = '{"x":' + "[" * 400 + "]" * 400 + "}"
    made = shown(deep)
    assert (made.more(deep), made.matched, made.more(" ")) == ("", True, " ")
    with pytest.raises(Different):
        shown(deep).more(deep.replace(":", ": "))


@given(values, st.integers(0, 40), st.integers(0, 4))
def test_a_value_is_the_same_however_it_is_written_and_cut(value: dict[str, object], at: int, indent: int) -> None:
    """Nothing goes on behind it but white space."""
    made = shown(json.dumps(value))
    again = json.dumps(value, indent=indent, ensure_ascii=False, sort_keys=True)
    for piece in (again[:at], again[at:], " \n"):
        assert made.more(piece) == ""
    assert made.matched
    with pytest.raises(Different):
        made.more("{")


@given(values, st.data())
def test_a_part_goes_on_with_what_lies_behind_it(value: dict[str, object], data: st.DataObject) -> None:
    """Character by character."""
    text = json.dumps(value)
    n, at = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, len(text)))
    made = shown(text[:n])
    assert made.more(text[:at]) + made.more(text[at:]) == text[n:]
    assert made.matched


def test_values_that_python_holds_for_equal_are_not_the_same() -> None:
    """To a tool they need not be."""
    for other in ('{"x":true}', '{"x":1.0}', '{"x":[1,2]}', '{"y":1}'):
        with pytest.raises(Different):
            shown('{"x":1}').more(other)


def test_what_was_ended_is_not_gone_on_with() -> None:
    """Nothing written means nothing given; a part that was cut off stays one."""
    assert shown("", closed=True).matched and shown("").matched
    cut = shown('{"x', closed=True)
    assert (cut.more('{"x'), cut.more(" "), cut.matched) == ("", "", True)
    with pytest.raises(Different):
        cut.more('":1}')


def test_arguments_that_never_end_are_a_difference_before_they_fill_the_memory() -> None:
    """What means the same cannot be very much longer than what was shown."""
    made = shown('{"x":1}')
    with pytest.raises(Different, match="longer"):
        for _ in range(100):
            made.more(" " * 1000)
