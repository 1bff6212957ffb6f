"""Foreign files: their values, and where they stood."""

from __future__ import annotations

import pytest

from lbd.adapt.source import MOST_NODES, SourceError, read


def test_values_remember_their_places() -> None:
    """Keys at themselves, items at themselves, what is not there at what is above it."""
    source = read("a:\n  - b: 1\n    c: yes\n", "f.yaml")
    assert source.value == {"a": [{"b": 1, "c": True}]}
    assert str(source.place(("a", 0, "c"))) == "f.yaml:3:5"
    assert source.place(("a", 0, "nothing")) == source.place(("a", 0))


def test_a_part_may_have_a_second_name() -> None:
    """With all that is in it."""
    source = read("a:\n  bC:\n    - d\n", "f")
    source.also(("a", "bC"), ("a", "b_c"))
    assert source.place(("a", "b_c", 0)) == source.place(("a", "bC", 0)) != source.place(("a",))


def test_merge_keys_and_days_are_as_their_owners_read_them() -> None:
    """What is written wins over what is merged; a day stays as it was written."""
    source = read("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3, v: 2024-02-01}\nz: {<<: [*x, {c: 4}]}\n", "f")
    assert source.value["y"] == {"a": 1, "b": 3, "v": "2024-02-01"} and source.value["z"] == {"a": 1, "b": 2, "c": 4}


def test_json_may_be_indented_with_tabs() -> None:
    """It is no YAML then."""
    assert read('{\n\t"a": [1, null]\n}', "f").value == {"a": [1, None]}


@pytest.mark.parametrize("text", ["a: [", "{", "a: b: c", "\x00", "a: &a [*a]", "<<: 7"])
def test_what_cannot_be_read_says_where(text: str) -> None:
    """Never another kind of error."""
    with pytest.raises(SourceError, match=r"^f"):
        read(text, "f").root()


def test_aliases_cannot_multiply_for_ever() -> None:
    """A file of ten lines must not take the machine."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    assert MOST_NODES < 10**8
    with pytest.raises(SourceError, match="too large"):
        read("\n".join(lines), "f")


@pytest.mark.parametrize("text", ["", "[]", "7"])
def test_a_root_must_be_a_map(text: str) -> None:
    """Where the source's is one."""
    with pytest.raises(SourceError, match="must be a map"):
        read(text, "f").root()
