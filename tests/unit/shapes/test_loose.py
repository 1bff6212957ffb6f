"""The second look at JSON."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes import loose
from tests.unit.shapes.conversations import DEEP

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
# with halves of characters in any place, whole ones among them
units = st.lists(st.sampled_from(["\ud83d", "\ude00", "a", "\u00e9", "\\", '"', "\U0001f600"]), max_size=8)
halves = units.map("".join)


class Named(msgspec.Struct):
    name: str = ""
    count: int | None = None


@given(values)
def test_json_in_order_is_read_as_it_is(value: object) -> None:
    """The second look gives what the first would have given."""
    assert loose.loads(json.dumps(value).encode()) == value
    assert loose.sound(value) == value


@given(halves)
def test_sound_text_can_be_written_and_pairs_are_whole(text: str) -> None:
    """Whatever the halves are beside, in names as in values."""
    [(key, [inner])] = loose.sound({text: [text]}).items()
    assert key == inner == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert inner.encode().decode() == inner


def test_halves_stay_halves_until_they_are_joined() -> None:
    """The other half is in another event."""
    first, second = loose.loads(rb'"a\ud83d"'), loose.loads(rb'"\ude00b"')
    assert (first, second) == ("a\ud83d", "\ude00b")
    assert loose.sound(first + second) == "a\U0001f600b"


def test_what_is_no_number_is_nothing() -> None:
    """And one out of range is the float that comes nearest."""
    assert loose.loads(b"[NaN,Infinity,-Infinity,1]") == [None, None, None, 1]
    assert loose.loads(b"9" * 5000) == math.inf
    assert loose.loads(b"12345678901234567890123") == 12345678901234567890123.0
    ends = b"[-9223372036854775808,18446744073709551615,-9223372036854775809,18446744073709551616]"
    assert [type(each) for each in loose.loads(ends)] == [int, int, float, float]
    assert loose.sound([math.nan, math.inf, 1.5]) == [None, None, 1.5]


@pytest.mark.parametrize("raw", [b'"a\xff"', b'\xef\xbb\xbf"a\xff"', b'"a\xfe"'])
def test_bytes_that_are_no_utf8_are_replaced(raw: bytes) -> None:
    """A byte order mark is none of them."""
    assert loose.loads(raw) == "a\ufffd"


def test_a_struct_is_read_with_nothing_in_it_that_cannot_be_written() -> None:
    """Halves of characters would make an encoder raise much later."""
    found = loose.read(rb'{"name":"a\ud83d\ude00\ud83d","count":null,"x":NaN}', Named)
    assert found == Named("a\U0001f600\ufffd")


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"null", b'{"name":1}', b'{"name":"\x01"}', b"[" * 100_000])
def test_what_is_another_thing_is_refused(raw: bytes) -> None:
    """A second look is no blind eye."""
    with pytest.raises((ValueError, RecursionError, msgspec.MsgspecError)):
        loose.read(raw, Named)


class Told(msgspec.Struct):
    """A kind of JSON."""

    text: str = ""


def test_what_is_strict_is_read_strictly_and_the_rest_all_the_same() -> None:
    """And what can be neither is told."""
    reader = loose.reader(Told)
    assert reader(b'{"text":"a"}') == Told("a") and reader(b'{"text":"\\ud83d"}') == Told("\ufffd")
    assert loose.value(b'{"a":NaN}') == {"a": None} and loose.value(b"[1]") == [1]
    for read in (reader, loose.value):
        with pytest.raises(loose.UNREADABLE):
            read(b"{")
    with pytest.raises(loose.UNREADABLE):
        reader(b'{"text":5}')


@pytest.mark.parametrize("told", [None, 1, "a", ["a"], {"a": 1}])
def test_what_is_of_another_kind_is_nothing(told: object) -> None:
    """Who asks for a text gets one."""
    assert loose.string(told) == (told if isinstance(told, str) else "")
    assert loose.items(told) == (told if isinstance(told, list) else [])
    assert loose.members(told) == (told if isinstance(told, dict) else {})


@given(st.integers() | values)
def test_integers_of_any_length_are_read_and_written_as_they_are(value: object) -> None:
    """Elsewhere those of more than 64 bits are floats."""
    data = json.dumps({"a": [value]}).encode()
    for read in (loose.exact, loose.precise):
        assert read(data) == {"a": [value]}
    assert json.loads(loose.written({"a": [value]})) == {"a": [value]}


@pytest.mark.parametrize("odd", [b'"\\ud83d"', b"NaN", b'"\xff"', b"[" * 5000, b"{", "\ud83d", b"9" * 5000])
def test_what_is_out_of_order_is_not_read_exactly(odd: bytes | str) -> None:
    """It is for a second look."""
    with pytest.raises(ValueError, match=r"."):
        loose.exact(odd)


def test_the_second_look_is_taken_where_the_exact_one_cannot_be() -> None:
    """Half a character is no reason to lose an answer."""
    assert loose.precise(rb'{"a":"\ud83d","b":NaN}') == {"a": "\ufffd", "b": None}


@pytest.mark.parametrize("odd", [DEEP, [DEEP, 10**30], ["\ud83d", 10**30], {"a": object()}, 10**400])
def test_what_cannot_be_written_is_refused(odd: object) -> None:
    """Long integers or not."""
    with pytest.raises(TypeError):
        loose.written(odd)
