"""Reading a client's JSON by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.shapes import dig
from tests.unit.shapes.conversations import DEEP, junk, letters

READERS: dict[str, tuple[Any, tuple[type, ...]]] = {
    "text": (dig.text, (str,)),
    "maybe_text": (dig.maybe_text, (str, type(None))),
    "whole": (dig.whole, (int, type(None))),
    "number": (dig.number, (float, type(None))),
    "flag": (dig.flag, (bool, type(None))),
    "members": (dig.members, (dict,)),
    "maybe_members": (dig.maybe_members, (dict, type(None))),
}


@pytest.mark.parametrize("name", READERS)
@given(value=junk)
def test_a_value_is_of_its_kind_or_refused_with_its_place(name: str, value: Any) -> None:
    """Whatever a client sends."""
    reader, kinds = READERS[name]
    try:
        assert isinstance(reader(value, "/a/0"), kinds)
    except LbdError as e:
        assert e.failure.kind is FailureKind.BAD_REQUEST
        assert e.failure.param == "/a/0"
        assert e.failure.message.startswith("/a/0: expected ")


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        (dig.whole, 3.0, 3),
        (dig.whole, 0, 0),
        (dig.number, 3, 3.0),
        (dig.flag, False, False),
        (dig.text, "", ""),
        (dig.words, "a", ("a",)),
        (dig.words, ["a", "b"], ("a", "b")),
        (dig.words, None, ()),
    ],
)
def test_what_is_read(reader: Any, value: Any, expected: Any) -> None:
    """3.0 is an integer; one word may stand alone."""
    assert reader(value, "/x") == expected


@pytest.mark.parametrize(
    ("reader", "value", "why"),
    [
        (dig.whole, True, "expected an integer, got true or false"),
        (dig.whole, 1.5, "expected an integer, got a number"),
        (dig.whole, math.inf, "expected an integer, got a number"),
        (dig.whole, math.nan, "expected an integer, got a number"),
        (dig.number, True, "expected a number, got true or false"),
        (dig.number, "1", "expected a number, got a string"),
        (dig.text, None, "expected a string, got null"),
        (dig.text, [], "expected a string, got a list"),
        (dig.flag, 1, "expected true or false, got an integer"),
        (dig.members, (), "expected an object, got tuple"),
        (dig.words, [1], "/x/0: expected a string, got an integer"),
        (dig.words, {}, "expected a list, got an object"),
    ],
)
def test_what_is_refused(reader: Any, value: Any, why: str) -> None:
    """In words that tell what stood there."""
    with pytest.raises(LbdError) as raised:
        reader(value, "/x")
    assert raised.value.failure.message.endswith(why)


def test_lists_tell_the_place_of_each_item() -> None:
    """As a JSON pointer."""
    assert list(dig.items(["a", 1], "/x")) == [("a", "/x/0"), (1, "/x/1")]
    assert list(dig.objects([{}], "/x")) == [({}, "/x/0")]
    assert not list(dig.items(None, "/x")) + list(dig.objects(None, "/x"))
    with pytest.raises(LbdError) as raised:
        list(dig.objects([{}, 1], "/x"))
    assert raised.value.failure.param == "/x/1"


def test_a_fault_of_the_whole_has_no_param() -> None:
    """It is the body's."""
    failure = dig.bad("", "is wrong").failure
    assert (failure.param, failure.message) == (None, "/: is wrong")


@given(letters)
def test_pointers_are_escaped(name: str) -> None:
    """RFC 6901: who reads one finds the member again."""
    pointer = dig.below("/a", name)
    assert pointer.split("/")[2:] == [pointer[3:]]
    assert pointer[3:].replace("~1", "/").replace("~0", "~") == name


def test_members_that_have_no_place_are_refused() -> None:
    """Null ones ask for nothing."""
    values = {"a": 1, "b": None, "c/d": 0}
    dig.only(values, {"a", "c/d"}, "", values)
    with pytest.raises(LbdError) as raised:
        dig.only(values, {"a"}, "/x", values)
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED
    assert raised.value.failure.param == "/x/c~1d"


@given(junk | st.just(DEEP))
def test_what_was_read_is_written_or_refused(value: Any) -> None:
    """JSON is read deeper than it is written."""
    try:
        dig.encoded(value, "/x")
    except LbdError as e:
        assert e.failure.param == "/x"
    with pytest.raises(LbdError):
        dig.encoded(DEEP)
