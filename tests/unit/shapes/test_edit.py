"""Changing members of a JSON object in place."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes import edit

spaces = st.sampled_from(["", "", "", " ", "\n  ", "\t", "\r\n"])
# Values as text, because how a number is written is part of what must stay
scalars = st.one_of(
    st.sampled_from(
        [
            "null",
            "true",
            "0",
            "-0.0",
            "1.0",
            "1E5",
            "1e-7",
            "0.1000000000000000055511151231257827",
            "18446744073709551616",
            "9" * 40,
            '"model"',
            '"\\"model\\": \\"x\\""',
            '"{\\"model\\":1}"',
            '"\\\\"',
            '"\\\\\\""',
            '"a\\u0000\\ud83d\\ude00é🌍"',
            '"],}:{["',
            '""',
        ]
    ),
    st.text(max_size=12).map(json.dumps),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda s: json.dumps(s, ensure_ascii=False)),
    st.integers().map(str),
)
keys = st.sampled_from(
    [
        '"model"',
        '"mode\\u006c"',
        '"\\u006dodel"',
        '"stream"',
        '"messages"',
        '"x\\"y"',
        '""',
        '"model "',
        '"é"',
        '"stream_options"',
    ]
)


def _array(items: list[str], space: str) -> str:
    return f"[{space}" + f"{space},{space}".join(items) + f"{space}]"


def _object(members: list[tuple[str, str]], space: str) -> str:
    return f"{{{space}" + f"{space},{space}".join(f"{k}{space}:{space}{v}" for k, v in members) + f"{space}}}"


json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(_array, st.lists(inner, max_size=3), spaces),
        st.builds(_object, st.lists(st.tuples(keys, inner), max_size=3), spaces),
    ),
    max_leaves=8,
)
objects = st.tuples(st.lists(st.tuples(keys, json_values), max_size=6), spaces)
replacements = st.dictionaries(
    st.sampled_from(["model", "stream", "stream_options", "é", ""]),
    st.sampled_from([b"true", b'"new"', b'{"a":[1]}']),
    max_size=3,
)


def expected(members: list[tuple[str, str]], space: str, new: dict[str, bytes]) -> bytes:
    """Write the object with the new values where the old ones stood, and what is missing at its front."""
    names = {json.loads(key) for key, _ in members}
    done = [(key, new[json.loads(key)].decode() if json.loads(key) in new else value) for key, value in members]
    missing = ",".join(json.dumps(k, ensure_ascii=False) + ":" + v.decode() for k, v in new.items() if k not in names)
    text = _object(done, space)
    comma = "," if missing and members else ""
    return ("{" + missing + comma + text[1:]).encode()


@given(objects, replacements, st.sampled_from([b"", b" ", b"\r\n\t"]))
def test_only_the_named_members_change_and_no_other_byte(
    written: tuple[list[tuple[str, str]], str], new: dict[str, bytes], around: bytes
) -> None:
    """White space, number forms, key order, escapes and duplicates are the client's own and stay."""
    members, space = written
    raw = around + _object(members, space).encode() + around
    assert edit.with_members(raw, new) == around + expected(members, space, new) + around


@given(objects, st.text(st.characters(exclude_categories=["Cs"]), max_size=10))
def test_with_model_is_decode_change_encode(written: tuple[list[tuple[str, str]], str], model: str) -> None:
    """Its short way, taken where the model stands first, must not differ from the long one."""
    raw = _object(*written).encode()
    out = edit.with_model(raw, model)
    before, after = json.loads(raw), json.loads(out)
    assert after == {**before, "model": model}
    assert out == edit.with_members(raw, {"model": orjson.dumps(model)})


@given(st.binary(max_size=40) | st.text('{}[]:,"\\ 1amodel', max_size=40).map(str.encode))
def test_junk_raises_value_error_and_nothing_else(raw: bytes) -> None:
    """The callers know one way in which this can fail."""
    for change in (lambda: edit.with_model(raw, "m"), lambda: edit.with_members(raw, {"model": b"1"})):
        with contextlib.suppress(ValueError):
            change()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"[]",
        b"null",
        b'"model"',
        b"1",
        b"{",
        b'{"model"',
        b'{"model":',
        b'{"model": }',
        b'{"a":"',
        b"{1:2}",
        b"x{}",
    ],
)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    """Guessing where a member of a broken object goes would send something else than the client meant."""
    with pytest.raises(ValueError):
        edit.with_members(raw, {"stream": b"true"})


@pytest.mark.parametrize(
    ("raw", "out"),
    [
        (b'{"model":"a"}', b'{"model":"N"}'),
        (
            b'{"model":"a","messages":[{"content":"the \\"model\\": x"}]}',
            b'{"model":"N","messages":[{"content":"the \\"model\\": x"}]}',
        ),
        (b'{"messages":[{"model":"a"}],"model":"a"}', b'{"messages":[{"model":"a"}],"model":"N"}'),
        (b'{"model":"a","x":"model"}', b'{"model":"N","x":"model"}'),
        (b'{"model":"a","model":"b"}', b'{"model":"N","model":"N"}'),
        (b'{"model":"a","mod\\u0065l":"b"}', b'{"model":"N","mod\\u0065l":"N"}'),
        (b'{"model":"a\\"b"}', b'{"model":"N"}'),
        (b'{ "model" : "a" , "n" : 1.0 }', b'{ "model" : "N" , "n" : 1.0 }'),
        (b"{}", b'{"model":"N"}'),
        (b"{ }", b'{"model":"N" }'),
        (b'{"n":18446744073709551616}', b'{"model":"N","n":18446744073709551616}'),
        (b'{"model":null}', b'{"model":"N"}'),
        (b'{"model":["a"]}', b'{"model":"N"}'),
    ],
)
def test_the_model_is_changed_where_it_stands(raw: bytes, out: bytes) -> None:
    """Only a member of the object itself is the model; the word elsewhere is the client's text."""
    assert edit.with_model(raw, "N") == out


def test_a_models_name_is_written_as_json() -> None:
    """A name with a quote in it must not end the string."""
    assert json.loads(edit.with_model(b'{"model":"a"}', 'q"\\é\n')) == {"model": 'q"\\é\n'}


def test_missing_members_come_in_the_order_given() -> None:
    """The same request is always sent as the same bytes: provider caches go by them."""
    assert edit.with_members(b'{"a":1}', {"c": b"2", "b": b"3"}) == b'{"c":2,"b":3,"a":1}'


MB = 1_000_000
HOSTILE: dict[str, bytes] = {
    "quotes": b'{"a":' + b'"' * MB,
    "escaped quotes, never closed": b'{"a":"' + b'\\"' * (MB // 2),
    "escaped quotes": b'{"a":"' + b'\\"' * (MB // 2) + b'"}',
    "backslashes": b'{"a":"' + b"\\" * MB,
    "backslashes outside a string": b'{"a":' + b"\\" * MB,
    "brackets": b'{"a":' + b"[" * MB,
    "closed brackets": b'{"a":' + b"[" * (MB // 2) + b"]" * (MB // 2) + b"}",
    "empty arrays": b'{"a":[' + b"[]," * (MB // 3) + b"1]}",
    "colons": b'{"a"' + b":" * MB,
    "white space": b'{"model" ' + b" " * MB + b": 1}",
    "white space in front": b" " * MB + b'{"model":1}',
    "digits": b'{"a":' + b"1" * MB + b"}",
    "members": b"{" + b'"a":1,' * (MB // 6) + b'"model":"x"}',
    "models": b"{" + b'"model":1,' * (MB // 10) + b'"model":"x"}',
    "text": b'{"model":"x","messages":"' + b'Hello \\"model\\"\\n' * (MB // 18) + b'"}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_anything_is_read_once(name: str) -> None:
    """The event loop stands still meanwhile, for every client: the time must grow with the size only."""
    raw = HOSTILE[name]
    began = time.process_time()
    try:
        out: Any = edit.with_model(raw, "N")
    except ValueError:
        out = None
    assert time.process_time() - began < 5
    if out is not None:
        assert b'"N"' in out


@given(objects, st.sets(st.sampled_from(["model", "stream", "a", "b"]), max_size=3))
def test_members_that_go_leave_the_others_as_they_are(
    written: tuple[list[tuple[str, str]], str], names: set[str]
) -> None:
    """Twice or with escapes in its name: none of that name is left, and each other value has its own bytes."""
    members, space = written
    raw = _object(members, space).encode()
    out = edit.without_members(raw, names)
    kept = [(json.loads(name), value) for name, value in members if json.loads(name) not in names]
    assert out == b"{" + b",".join(orjson.dumps(name) + b":" + value.strip().encode() for name, value in kept) + b"}"
    assert edit.without_members(out, names) == out


def test_what_has_no_members_has_none_to_lose() -> None:
    """Neither an empty object nor what is none."""
    assert edit.without_members(b" { } ", ["a"]) == b"{}"
    with pytest.raises(ValueError, match="JSON object"):
        edit.without_members(b"[]", ["a"])


@given(
    st.lists(st.sampled_from([b"{", b"]", b",", b":", b'"', b" ", b"\f", b"1", b"ab", b"\\", b'\\"']), max_size=40),
    st.integers(0, 40),
)
def test_tokens_are_counted_right_also_where_none_is_looked_at(parts: list[bytes], most: int) -> None:
    """Of whatever bytes: marks, strings and what stands between them."""
    raw = b"".join(parts)
    assert edit.more_tokens(raw, most) == (len(edit._TOKEN.findall(raw)) > most)
