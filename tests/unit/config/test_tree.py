"""Reading YAML and JSON: what a value is, where it stood, what is refused, how files are merged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.config import tree
from lbd.config.tree import dotted, parse, read
from lbd.model.problem import ConfigError, Place


def refused(text: str) -> list[str]:
    """Return what is wrong with a text, each as it is printed, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    return [str(p).removeprefix("f:") for p in caught.value.problems]


# --- values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["no", "No", "NO", "yes", "on", "off", "y", "n", "none", "None"])
def test_words_that_yaml_takes_for_truth_are_words(word: str) -> None:
    """``country: no`` and ``fallback: none`` mean what they say."""
    assert parse(f"a: {word}", "f").value == {"a": word}


@pytest.mark.parametrize(
    "text",
    ["010", "007", "-010", "00.5", "0o17", "0x1F", "0b11", "1_000", "1:30", "190:20:30", "1e", "1e999",
     "--1", ".inf", "-.inf", ".nan", ".", "2026-11-24", "2026-11-24 10:00:00", "=", "٣", "9" * 400,
     "9" * 5000],
)  # fmt: skip
def test_only_decimal_numbers_are_numbers(text: str) -> None:
    """Octal, hexadecimal, sexagesimal, digit groups, dates and infinities of YAML 1.1 are text, not surprises."""
    assert parse(f"a: {text}", "f").value == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-3", -3), ("+4", 4), ("1.5", 1.5), ("-0.25", -0.25), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0),
     ("999999999999999999", 999999999999999999), ("1000000000000000000", 1e18),
     ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None)],
)  # fmt: skip
def test_plain_scalars_are_what_json_would_make_of_them(text: str, value: object) -> None:
    """Decimal numbers, truth and nothing; integers that no field could hold are floats."""
    got = parse(f"a: {text}", "f").value["a"]
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("quoted", ['"5"', "'5'", "|-\n  5", ">-\n  5"])
def test_what_is_quoted_is_text(quoted: str) -> None:
    """A version or a name of digits survives in quotes."""
    assert parse(f"a: {quoted}", "f").value == {"a": "5"}


def test_a_key_is_a_word_whatever_it_looks_like() -> None:
    """Keys are never numbers or truths."""
    assert parse("1: a\ntrue: b\n'x y': c\n? |-\n  d\n: e", "f").value == {"1": "a", "true": "b", "x y": "c", "d": "e"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "---\n# nothing\n", "~", "{}", " \n\n"])
def test_an_empty_file_is_an_empty_map(text: str) -> None:
    """A drop-in whose lines are all commented out is no error."""
    assert parse(text, "f").value == {}


def test_an_anchor_may_be_used_again() -> None:
    """Aliases are fine as long as they stay small; each use is a value of its own."""
    value = parse("a: &x {b: 1}\nc: *x", "f").value
    assert value == {"a": {"b": 1}, "c": {"b": 1}}
    assert value["a"] is not value["c"]


_TEXT = st.text(st.characters(exclude_categories=("C", "Zl", "Zp"), max_codepoint=0xFFFF), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(-1e9, 1e9) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_TEXT, _JSON, max_size=5), st.sampled_from([None, 1, 4, "\t"]), st.booleans())
def test_json_is_read_as_json_reads_it(value: dict[str, Any], indent: int | str | None, ascii_only: bool) -> None:
    """Every JSON document is a configuration text, also on one line and indented with tabs."""
    if "<<" in str(value):
        return
    assert parse(json.dumps(value, indent=indent, ensure_ascii=ascii_only), "f").value == value


# --- places ----------------------------------------------------------------------------------------------

PLACED = """\
a: 1
b:
  c: [x, {d: y}]
  e:
    - f: 1
      g: 2
    -   h
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [((), 1, 1), (("a",), 1, 1), (("b",), 2, 1), (("b", "c"), 3, 3), (("b", "c", 0), 3, 7), (("b", "c", 1), 3, 10),
     (("b", "c", 1, "d"), 3, 11), (("b", "e"), 4, 3), (("b", "e", 0), 5, 7), (("b", "e", 0, "g"), 6, 7),
     (("b", "e", 1), 7, 9)],
)  # fmt: skip
def test_what_stands_in_a_map_is_pointed_at_by_its_key(path: tree.Path_, line: int, column: int) -> None:
    """One looks for the key: also where the value is a block that begins a line below."""
    assert parse(PLACED, "f").place(path) == Place("f", line, column)


def test_what_is_not_there_is_pointed_at_by_what_stands_above_it() -> None:
    """A missing key has no place of its own."""
    assert parse(PLACED, "f").place(("b", "e", 0, "missing", 3)) == Place("f", 5, 7)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), _JSON, min_size=1, max_size=5))
def test_every_key_stands_where_its_place_says(value: dict[str, Any]) -> None:
    """Line and column count from 1, in characters."""
    if "<<" in str(value):
        return
    text = json.dumps(value, indent=1, ensure_ascii=False)
    lines = text.split("\n")
    for path, place in parse(text, "f").places.items():
        if path and isinstance(path[-1], str):
            rest = lines[place.line - 1][place.column - 1 :]
            assert json.JSONDecoder().raw_decode(rest)[0] == path[-1]


def test_a_path_is_written_as_it_is_read() -> None:
    """Items in brackets, keys behind dots."""
    assert dotted(("providers", 0, "deployments", 2, "model")) == "providers[0].deployments[2].model"
    assert dotted(()) == ""


def test_a_reason_that_cites_a_whole_file_is_cut_short() -> None:
    """A terminal is not flooded."""
    assert len(parse("a: 1", "f").problem(("a",), "x" * 10_000).reason) < 600


# --- what is refused -------------------------------------------------------------------------------------


def test_a_key_that_is_set_twice_is_an_error_that_names_both_places() -> None:
    """YAML's loaders keep the last one and say nothing."""
    assert refused("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == ["5:3: b.c: set twice; first at f:3:3"]
    assert refused('{"a": 1,\n "a": 1}') == ["2:2: a: set twice; first at f:1:2"]


def test_everything_that_is_wrong_in_a_file_is_told_at_once() -> None:
    """Nobody wants to run the check once for each mistake."""
    assert refused("a: 1\na: 2\nb: !x 3\n<<: {}\na: 4\n? [z]\n: 5") == [
        "2:1: a: set twice; first at f:1:1",
        "3:4: b: tags such as !x are not allowed",
        "4:1: merge keys (<<) are not supported; use a drop-in in conf.d",
        "5:1: a: set twice; first at f:1:1",
        "6:3: a key must be a word",
    ]


@pytest.mark.parametrize(
    ("value", "tag"),
    [("!!python/object/apply:os.system [x]", "!!python/object/apply:os.system"), ("!!set {x}", "!!set"), ("!x", "!x"),
     ("!!binary aGk=", "!!binary"), ("!env HOME", "!env"), ("!!str 5", "!!str"), ("!!int '5'", "!!int"),
     ("!!float 5", "!!float"), ("!!omap [a: 1]", "!!omap"), ("!x {a: 1}", "!x")],
)  # fmt: skip
def test_tags_are_refused(value: str, tag: str) -> None:
    """No object is built, and no value is another than it looks."""
    assert refused(f"k: {value}") == [f"1:4: k: tags such as {tag} are not allowed"]


def test_merge_keys_are_refused() -> None:
    """They would bring values that stand elsewhere; drop-ins do that, with places."""
    (problem,) = refused("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2")
    assert problem.startswith("3:3: c: merge keys (<<) are not supported")


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    """A billion laughs in nine lines."""
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefgh", "abcdefg", strict=True):
        text += f"{name}: &{name} [{', '.join(f'*{before}' for _ in range(9))}]\n"
    (problem,) = refused(text)
    assert "more than 100000 values: aliases multiply" in problem


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a [[{b: *a}]]"])
def test_an_alias_that_holds_itself_is_refused(text: str) -> None:
    """It has no end."""
    (problem,) = refused(text)
    assert problem.startswith("1:")
    assert "deeper than 32 levels" in problem


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "[{a: "])
def test_what_is_nested_without_end_is_refused(opening: str) -> None:
    """Neither a recursion error nor a crash."""
    for depth in (40, 900, 20_000):
        assert refused("a: " + opening * depth)


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: 1\nb: [1, 2\nc: 3\n", "3:"), ("a: 1\n\tb: 2\n", "2:"), ("a:\n  b: 1\n c: 2\n", "3:"), ("a: 'x\n", "2:"),
     ("a: *b\n", "1:4:"), ("a: 1\n---\nb: 2\n", "2:1:"), ("a: b: c\n", "1:"), ("a: @x\n", "1:4:"),
     ("a: 1\nb: x\x07y\n", "2:5:"), ("é: 1\nü: \x01\n", "2:4:"), ("%FOO\n---\na: 1", "1:"), ('{"a": 1}}', "1:9:")],
)  # fmt: skip
def test_what_is_no_yaml_is_an_error_at_its_place(text: str, place: str) -> None:
    """Also for characters that YAML refuses before it looks at lines."""
    (problem,) = refused(text)
    assert problem.startswith(place), problem
    assert "not YAML: " in problem


def test_a_tab_as_indentation_is_explained() -> None:
    """YAML's own words for it do not name the tab."""
    assert "never with tabs" in refused("a:\n\tb: 1")[0]


@pytest.mark.parametrize("text", ["x", "- a", "5", "[]"])
def test_a_file_must_be_a_map(text: str) -> None:
    """A list or a word is no configuration."""
    assert refused(text) == ["1:1: the file must be a map of keys to values"]


# --- files -----------------------------------------------------------------------------------------------


def write(folder: Path, **files: str) -> Path:
    """Write a base file and its drop-ins; ``a_yaml`` is ``conf.d/a.yaml``. Return the base file's path."""
    path = folder / "lbd.yaml"
    path.write_text(files.pop("base"))
    (folder / "conf.d").mkdir()
    for name, text in files.items():
        (folder / "conf.d" / name.replace("_", ".")).write_text(text)
    return path


def wrong(path: Path) -> list[str]:
    """Return what is wrong with files, each as it is printed, without the folder's name."""
    with pytest.raises(ConfigError) as caught:
        read(path)
    return [str(p).replace(f"{path.parent}/", "") for p in caught.value.problems]


def test_a_drop_in_adds_to_maps(tmp_path: Path) -> None:
    """Maps merge by key, at every depth."""
    path = write(tmp_path, base="a: {b: {c: 1}}\nd: 2\n", x_yaml="a: {b: {e: 3}, f: 4}\n")
    assert read(path).value == {"a": {"b": {"c": 1, "e": 3}, "f": 4}, "d": 2}


def test_a_drop_in_adds_to_the_item_of_its_name(tmp_path: Path) -> None:
    """Lists of named items merge by name, new names are put behind."""
    path = write(
        tmp_path,
        base="providers: [{name: a, url: x}, {name: b, models: [m]}]\n",
        x_yaml="providers: [{name: c}, {name: b, models: [n], key: k}]\n",
    )
    assert read(path).value == {
        "providers": [{"name": "a", "url": "x"}, {"name": "b", "models": ["m", "n"], "key": "k"}, {"name": "c"}]
    }


def test_drop_ins_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """10 before 20, and both behind the base."""
    path = write(tmp_path, base="a: [base]\n", **{"20-b_yaml": "a: [late]\n", "10-c_yaml": "a: [early]\n"})
    assert read(path).value == {"a": ["base", "early", "late"]}


@pytest.mark.parametrize(
    ("base", "more", "problem"),
    [
        ("a: 1\n", "\na: 1\n", "conf.d/x.yaml:2:1: a: set twice; first at lbd.yaml:1:1"),
        ("a: {b: 1}\n", "a:\n  b: 2\n", "conf.d/x.yaml:2:3: a.b: set twice; first at lbd.yaml:1:5"),
        ("a: {b: 1}\n", "a: 5\n", "conf.d/x.yaml:1:1: a: set twice; first at lbd.yaml:1:1"),
        ("a: [1]\n", "a: {}\n", "conf.d/x.yaml:1:1: a: set twice; first at lbd.yaml:1:1"),
        (
            "p: [{name: q}, {name: a, u: 1}]\n",
            "p:\n- name: a\n  u: 1\n",
            "conf.d/x.yaml:3:3: p[1].u: set twice; first at lbd.yaml:1:26",
        ),
        ("m: {name: a}\n", "m: {name: a}\n", "conf.d/x.yaml:1:5: m.name: set twice; first at lbd.yaml:1:5"),
    ],
)
def test_what_two_files_set_is_an_error_that_names_both_places(
    tmp_path: Path, base: str, more: str, problem: str
) -> None:
    """Also where both say the same: sooner or later one of them is changed."""
    assert wrong(write(tmp_path, base=base, x_yaml=more)) == [problem]


def test_two_drop_ins_that_set_the_same_are_both_named(tmp_path: Path) -> None:
    """The first place is where it stood before the merge."""
    path = write(tmp_path, base="a: {}\n", x_yaml="a: {b: 1}\n", y_yaml="\na: {b: 2}\n")
    assert wrong(path) == ["conf.d/y.yaml:2:5: a.b: set twice; first at conf.d/x.yaml:1:5"]


def test_every_wrong_file_is_told_at_once(tmp_path: Path) -> None:
    """A broken drop-in does not hide the next one."""
    path = write(tmp_path, base="a: 1\na: 2\n", x_yaml="b: [\n", y_yaml="c: !t 1\n")
    assert [p.split(":")[0] for p in wrong(path)] == ["lbd.yaml", "conf.d/x.yaml", "conf.d/y.yaml"]


def test_what_came_from_a_drop_in_has_its_place_there(tmp_path: Path) -> None:
    """Errors that are found later point into the right file."""
    path = write(tmp_path, base="p: [{name: a}]\n", x_yaml="p:\n  - name: b\n    u: {v: 1}\n  - {name: a, w: 2}\n")
    places = {path: str(place).replace(f"{tmp_path}/", "") for path, place in read(path).places.items()}
    assert places["p", 0, "name"] == "lbd.yaml:1:6"
    assert places["p", 0, "w"] == "conf.d/x.yaml:4:15"
    assert places["p", 1] == "conf.d/x.yaml:2:5"
    assert places["p", 1, "u", "v"] == "conf.d/x.yaml:3:9"


@pytest.mark.parametrize("name", ["[a]", "{b: c}", "5", "null", "''"])
def test_a_name_that_is_no_word_names_nothing(tmp_path: Path, name: str) -> None:
    """It is refused later, for what it is; the merge does not stumble over it."""
    path = write(tmp_path, base=f"p: [{{name: {name}}}]\n", x_yaml=f"p: [{{name: {name}}}]\n")
    assert len(read(path).value["p"]) == 2


def test_other_files_beside_the_drop_ins_are_left_alone(tmp_path: Path) -> None:
    """Editors and package managers leave .swp, ~, .dpkg-old and lock files behind."""
    path = write(tmp_path, base="a: 1\n")
    for name in (
        "x.yaml~",
        "x.yaml.dpkg-old",
        "x.yml.rpmsave",
        "README",
        ".hidden.yaml",
        ".hidden.yml",
        ".yaml",
        "yml",
    ):
        (tmp_path / "conf.d" / name).write_text("a: [broken")
    (tmp_path / "conf.d" / ".#x.yaml").symlink_to("gone")
    assert tree.drop_ins(path) == []
    assert read(path).value == {"a": 1}


def test_whatever_looks_like_a_configuration_is_taken_for_one(tmp_path: Path) -> None:
    """A file that is left out without a word costs an evening; JSON is YAML."""
    path = write(tmp_path, base="a: 1\n", z_yaml="b: 2\n", y_yml="c: 3\n", x_json='{"d": 4}', y_yaml="e: 5\n")
    assert [f.name for f in tree.drop_ins(path)] == ["x.json", "y.yaml", "y.yml", "z.yaml"]
    assert read(path).value == {"a": 1, "d": 4, "e": 5, "c": 3, "b": 2}
    (tmp_path / "conf.d" / "w.yml").write_text("a: 2\n")
    assert wrong(path) == ["conf.d/w.yml:1:1: a: set twice; first at lbd.yaml:1:1"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No place: there is no line to point at."""
    assert wrong(tmp_path / "lbd.yaml") == ["lbd.yaml: there is no such file"]


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    """A folder in the place of the file, or of a drop-in, or a file in the place of the folder."""
    assert "cannot be read: Is a directory" in wrong(tmp_path)[0]
    path = write(tmp_path, base="a: 1\n")
    (tmp_path / "conf.d" / "x.yaml").mkdir()
    assert wrong(path) == ["conf.d/x.yaml: cannot be read: Is a directory"]
    (tmp_path / "conf.d" / "x.yaml").rmdir()
    (tmp_path / "conf.d").rmdir()
    (tmp_path / "conf.d").write_text("")
    assert wrong(path) == ["conf.d: cannot be read: Not a directory"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_drop_ins_that_may_not_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    """The daemon would run with another configuration than the one that was written."""
    path = write(tmp_path, base="a: 1\n", x_yaml="b: 2\n")
    (tmp_path / "conf.d").chmod(0)
    try:
        assert wrong(path) == ["conf.d: cannot be read: Permission denied"]
    finally:
        (tmp_path / "conf.d").chmod(0o700)


def test_a_byte_that_is_no_utf8_is_pointed_at(tmp_path: Path) -> None:
    """Columns count characters, not bytes."""
    path = tmp_path / "lbd.yaml"
    path.write_bytes("a: 1\nbé: ".encode() + b"\xff\n")
    assert wrong(path) == ["lbd.yaml:2:5: not UTF-8: invalid start byte"]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """Editors on other systems write one."""
    path = tmp_path / "lbd.json"
    path.write_bytes(b'\xef\xbb\xbf{\n\t"a": 1}')
    assert read(path).value == {"a": 1}
