"""msgspec's messages in this project's words, at the right part of the value."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from lbd.config import explain
from lbd.config.explain import Fault


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Wheel(msgspec.Struct, forbid_unknown_fields=True):
    size_mm: Annotated[int, msgspec.Meta(ge=1, le=99)]
    colour: Colour = Colour.RED


class Car(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(pattern="^[a-z]+$", description="letters")]
    wheels: Annotated[list[Wheel], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: [Wheel(5)])
    spare: Wheel | str | None = None
    speeds_s: dict[str, float] = {}
    parts: dict[str, dict[str, Wheel]] = {}
    tags: str | list[str] = []
    mode: Literal["eco", "sport"] | None = None
    kind: Literal["van", "car"] = msgspec.field(default="car", name="class")
    open: bool = False
    plate: Annotated[str, msgspec.Meta(pattern="^[0-9]+$")] | None = None


def fault(value: Any) -> Fault:
    """Return what is wrong with a car."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Car, strict=True)
    return explain.fault(value, Car, str(caught.value))


@pytest.mark.parametrize(
    ("more", "path", "reason"),
    [
        ({"wheels": []}, ("wheels",), "expected a list of length >= 1"),
        ({"wheels": 5}, ("wheels",), "expected a list, got a whole number"),
        ({"wheels": [{"size_mm": 1}, {"size_mm": 0}]}, ("wheels", 1, "size_mm"), "expected a whole number >= 1"),
        ({"wheels": [{"size_mm": 100}]}, ("wheels", 0, "size_mm"), "expected a whole number <= 99"),
        ({"wheels": [5]}, ("wheels", 0), "expected a map, got a whole number"),
        ({"spare": {"size_mm": True}}, ("spare", "size_mm"), "expected a whole number, got true or false"),
        ({"spare": 5}, ("spare",), "expected text or a map, got a whole number"),
        ({"tags": [1]}, ("tags", 0), "expected text, got a whole number"),
        ({"tags": None}, ("tags",), "expected text or a list, got nothing"),
        ({"open": "yes"}, ("open",), "expected true or false, got text"),
        ({"mode": 5}, ("mode",), "expected text, got a whole number"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(more: dict[str, Any], path: tuple[str | int, ...], reason: str) -> None:
    """Map, list, text, number: the words of a file, not those of JSON. That a key is optional goes without saying."""
    assert fault({"name": "a", **more}) == Fault(path, reason)


@pytest.mark.parametrize(
    ("more", "path", "reason"),
    [
        ({"speeds_s": {"a": 1.0, "b": "x"}}, ("speeds_s", "b"), "expected a number, got text"),
        (
            {"parts": {"l": {"x": {"size_mm": 1}}, "r": {"y": {"size_mm": 1}, "z": {"size_mm": "2"}}}},
            ("parts", "r", "z", "size_mm"),
            "expected a whole number, got text",
        ),
    ],
)
def test_the_key_of_a_map_is_found(more: dict[str, Any], path: tuple[str, ...], reason: str) -> None:
    """msgspec writes [...] there."""
    assert fault({"name": "a", **more}) == Fault(path, reason)


@pytest.mark.parametrize(
    ("more", "path", "reason"),
    [
        ({"nam": 1}, ("nam",), "unknown key (did you mean name?)"),
        ({"spare": {"size_mm": 1, "color": 1}}, ("spare", "color"), "unknown key (did you mean colour?)"),
        ({"wheels": [{"size_mm": 1, "qq": 1}]}, ("wheels", 0, "qq"), "unknown key. Known: colour, size_mm"),
        ({"kind": "van"}, ("kind",), None),
        ({"clas": "van"}, ("clas",), "unknown key (did you mean class?)"),
        ({"a`b": 1}, ("a`b",), None),
        ({"": 1}, ("",), None),
        ({"a\nb": 1}, ("a\nb",), None),
    ],
)
def test_an_unknown_key_is_named_with_what_is_near(
    more: dict[str, Any], path: tuple[str | int, ...], reason: str | None
) -> None:
    """By the name that stands in files; the path leads to the key itself."""
    found = fault({"name": "a", **more})
    assert found.path == path
    assert found.reason == reason or (reason is None and found.reason.startswith("unknown key"))


def test_a_missing_key_is_told_at_the_map_that_lacks_it() -> None:
    """There is no other place to point at."""
    assert fault({}) == Fault((), "`name` is missing", ("name",))
    assert fault({"name": "a", "wheels": [{}]}) == Fault(
        ("wheels", 0), "`size_mm` is missing", ("wheels", 0, "size_mm")
    )


@pytest.mark.parametrize(
    ("more", "path", "reason"),
    [
        (
            {"wheels": [{"size_mm": 1, "colour": "gren"}]},
            ("wheels", 0, "colour"),
            "'gren' is not known (did you mean green?)",
        ),
        ({"wheels": [{"size_mm": 1, "colour": "x"}]}, ("wheels", 0, "colour"), "'x' is not known. Known: green, red"),
        ({"mode": "sprot"}, ("mode",), "'sprot' is not known (did you mean sport?)"),
        ({"class": "truck"}, ("class",), "'truck' is not known. Known: car, van"),
    ],
)
def test_a_wrong_word_is_told_with_the_right_ones(
    more: dict[str, Any], path: tuple[str | int, ...], reason: str
) -> None:
    """Of enums and of literals."""
    assert fault({"name": "a", **more}) == Fault(path, reason)


def test_a_pattern_is_told_by_its_meaning() -> None:
    """Nobody reads regular expressions aloud."""
    assert fault({"name": "A B"}) == Fault(("name",), "'A B' must be made of letters")
    assert "matching regex" in fault({"name": "a", "plate": "x"}).reason, "where none is known, the pattern itself"


@pytest.mark.parametrize(("text", "number"), [("5s", "5"), ("1.5 sec", "1.5"), ("20%", "20"), ("3m", "3")])
def test_a_unit_behind_a_number_is_recognised(text: str, number: str) -> None:
    """Units are in the names of the keys."""
    assert fault({"name": "a", "speeds_s": {"x": text}}).reason == (
        f"expected a number, got text: the unit is in the key's name, write {number}"
    )


@pytest.mark.parametrize("text", [".nan", ".inf", "five s"])
def test_what_has_no_number_is_no_number_with_a_unit(text: str) -> None:
    """There is nothing to write in its place."""
    assert fault({"name": "a", "speeds_s": {"x": text}}).reason == "expected a number, got text"


def test_a_part_may_be_cut_out_without_touching_the_value() -> None:
    """The tree is still needed as it was."""
    value = {"a": [{"b": {"c": 1, "d": 2}}], "e": 3}
    assert explain.without(value, ("a", 0, "b", "c")) == {"a": [{"b": {"d": 2}}], "e": 3}
    assert explain.without(value, ("e",)) == {"a": [{"b": {"c": 1, "d": 2}}]}
    assert value == {"a": [{"b": {"c": 1, "d": 2}}], "e": 3}


def test_a_part_that_is_not_there_is_none() -> None:
    """Asked for while explaining, where a path may lead nowhere."""
    assert explain.part({"a": [1]}, ("a", 0)) == 1
    assert explain.part({"a": [1]}, ("a", 5)) is None
    assert explain.part({"a": [1]}, ("b", "c")) is None
    assert explain.part("x", (0,)) is None
