"""The lines of a batch: what is read is what was sent, byte for byte, and what is written can be read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.batch import Fault
from lbd.model.outcome import Usage
from lbd.shapes import jsonl
from lbd.shapes.jsonl import (
    CANCELLED,
    EXPIRED,
    LONGEST_MODEL,
    MOST_FAULTS,
    MOST_LINES,
    Line,
    Scan,
    answered,
    body_of,
    model_of,
    read,
    unanswered,
)

CHAT = "/v1/chat/completions"
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda v: st.lists(v) | st.dictionaries(texts, v)
)
bodies = st.dictionaries(texts.filter(lambda k: k != "stream"), values, max_size=4)


def one(custom_id: Any = "a", method: Any = "POST", url: Any = CHAT, body: Any = None) -> bytes:
    return json.dumps({"custom_id": custom_id, "method": method, "url": url, "body": body or {}}).encode()


@given(
    ids=st.lists(texts, min_size=1, max_size=6, unique=True),
    body=bodies,
    end=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \t\n"]),
    last=st.booleans(),
)
def test_what_is_read_is_what_was_sent(ids: list[str], body: dict[str, Any], end: bytes, last: bool) -> None:
    """Ids in order, and of each line its body to the byte; blank lines and the last end do not matter."""
    raw = json.dumps(body, ensure_ascii=False).encode()
    lines = [
        b'{"custom_id": %b, "method": "POST", "url": "%b", "body": %b}' % (json.dumps(i).encode(), CHAT.encode(), raw)
        for i in ids
    ]
    data = end.join(lines) + (end if last else b"")
    found = read(data, CHAT)
    assert [f.custom_id for f in found if isinstance(f, Line)] == ids
    for line in found:
        assert isinstance(line, Line)
        assert body_of(data[line.offset : line.offset + line.size]) == raw


@given(
    data=st.binary(max_size=200) | st.lists(st.sampled_from([one(), one("b"), b"{", b"\n", b"\xff"])).map(b"\n".join)
)
def test_junk_is_told_never_raised(data: bytes) -> None:
    """Lines or faults, never both, never none."""
    found = read(data, CHAT)
    assert found
    assert all(isinstance(f, Line) for f in found) or all(isinstance(f, Fault) for f in found)


@pytest.mark.parametrize(
    ("line", "code", "param"),
    [
        (b"{", "invalid_json_line", None),
        (b"[1]", "invalid_json_line", None),
        (b'{"custom_id": "\xff"}', "invalid_json_line", None),
        (one(""), "missing_required_parameter", "custom_id"),
        (one(7), "missing_required_parameter", "custom_id"),
        (b"{}", "missing_required_parameter", "custom_id"),
        (one("first"), "duplicate_custom_id", "custom_id"),
        (one(method="GET"), "invalid_method", "method"),
        (one(method=None), "invalid_method", "method"),
        (one(url="/v1/embeddings"), "invalid_url", "url"),
        (one(body=[1]), "missing_required_parameter", "body"),
        (b'{"custom_id":"a","method":"POST","url":"%b"}' % CHAT.encode(), "missing_required_parameter", "body"),
        (one(body={"stream": True}), "unsupported_value", "body.stream"),
    ],
)
def test_a_bad_line_is_told_with_its_number(line: bytes, code: str, param: str | None) -> None:
    """Counted from 1, blank lines among them."""
    [fault] = read(one("first") + b"\n\n" + line + b"\n" + one("last"), CHAT)
    assert isinstance(fault, Fault)
    assert (fault.line, fault.code, fault.param) == (3, code, param) and fault.message


def test_bounds() -> None:
    """Nothing at all, too many faults, too many lines."""
    assert [f.code for f in read(b"\n \n", CHAT) if isinstance(f, Fault)] == ["empty_file"]
    assert len(read(b"x\n" * (MOST_FAULTS * 3), CHAT)) == MOST_FAULTS
    many = b"\n".join(one(str(i)) for i in range(MOST_LINES + 1))
    assert [f.code for f in read(many, CHAT) if isinstance(f, Fault)] == ["too_many_tasks"]
    assert len(read(many[: many.rindex(b"\n")], CHAT)) == MOST_LINES


@given(custom_id=texts, body=bodies, indent=st.sampled_from([None, 2]), status=st.integers(100, 599))
def test_an_answer_is_one_line(custom_id: str, body: dict[str, Any], indent: int | None, status: int) -> None:
    """Exactly OpenAI's members, whatever the provider's layout."""
    raw = json.dumps(body, indent=indent, ensure_ascii=False).encode()
    text = answered("batch_req_1", custom_id, status, "req_1", raw)
    assert text.count(b"\n") == 1 and text.endswith(b"\n")
    assert json.loads(text) == {
        "id": "batch_req_1",
        "custom_id": custom_id,
        "response": {"status_code": status, "request_id": "req_1", "body": body},
        "error": None,
    }


@pytest.mark.parametrize(("body", "told"), [(b"oops\n<html>", "oops\n<html>"), (b"\xff", "\ufffd"), (b"", "")])
def test_what_is_no_json_becomes_text(body: bytes, told: str) -> None:
    """A file of results can be read whatever a provider sent."""
    assert json.loads(answered("i", "c", 502, "r", body))["response"]["body"] == told


def test_numbers_keep_their_digits() -> None:
    """An answer is laid out anew, not understood anew."""
    text = answered("i", "c", 200, "r", b'{"a": 1.10,\n "b": 123456789012345678901234567890}')
    assert b'{"a":1.10,"b":123456789012345678901234567890}' in text


@given(
    lines=st.lists(st.tuples(texts, st.sampled_from([None, EXPIRED, CANCELLED])), max_size=8),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
    torn=st.integers(0, 60),
)
def test_results_are_read_again_however_they_are_cut(
    lines: list[tuple[str, tuple[str, str] | None]], cuts: list[int], torn: int
) -> None:
    """In pieces of any size; a line that a crash cut off does not count, and where it begins is known."""
    whole = [answered("i", c, 200, "r", b"{}") if e is None else unanswered("i", c, e) for c, e in lines]
    data = b"".join(whole) + unanswered("i", "torn", EXPIRED)[:torn]
    scan, at = Scan(), 0
    for cut in sorted({min(c, len(data)) for c in cuts} | {len(data)}):
        scan.feed(data[at:cut])
        at = cut
    assert scan.ids == {c for c, _ in lines}
    assert scan.size == sum(map(len, whole))
    assert scan.expired == sum(e is EXPIRED for _, e in lines)


def test_the_two_ways_to_have_no_answer() -> None:
    """Code and text as OpenAI's."""
    told = json.loads(unanswered("batch_req_1", "c", jsonl.EXPIRED))
    assert told["response"] is None and told["error"]["code"] == "batch_expired"
    assert set(told) == {"id", "custom_id", "response", "error"}


DEEP = b"[" * 20_000 + b"]" * 20_000


@pytest.mark.parametrize(
    "more", [b'"custom_id":"a","body":{"x":%b}', b'"custom_id":%b,"body":{}', b'"custom_id":"a","body":%b']
)
def test_what_is_nested_too_deep_is_a_fault_of_its_line(more: bytes) -> None:
    """Nobody else's."""
    raw = b'{"method":"POST","url":"/v1/chat/completions",%b}' % (more % DEEP)
    found = jsonl.read(raw, "/v1/chat/completions")
    assert all(isinstance(f, jsonl.Line) or f.line == 1 for f in found) and found
    told = jsonl.answered("r", "a", 200, "q", b'{"a":%b}' % DEEP)
    assert told.endswith(b"\n") and told.count(b"\n") == 1


def test_a_mark_before_the_first_line_is_none_of_it() -> None:
    """As some editors write it; offsets are the file's."""
    line = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}'
    (found,) = jsonl.read(b"\xef\xbb\xbf" + line, "/v1/chat/completions")
    assert isinstance(found, jsonl.Line) and (found.offset, found.size) == (3, len(line))


def test_a_line_of_results_that_cannot_be_read_is_as_none() -> None:
    """After a loss of power there may be zeroes in it; what follows still counts."""
    scan = jsonl.Scan()
    scan.feed(b"\x00\x00\n" + jsonl.answered("r", "a", 200, "q", b"{}"))
    assert scan.ids == {"a"} and scan.size > 3


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}, Usage(7, 2)),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(7, 5, 4, 3),
        ),
        ({"prompt_tokens": 7, "total_tokens": 7}, Usage(7)),  # embeddings
        (
            {
                "input_tokens": 7,
                "output_tokens": 5,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(7, 5, 4, 3),
        ),
        ({"prompt_tokens": "7", "completion_tokens": 2.0, "prompt_tokens_details": "none"}, Usage(7, 2)),
        ({"prompt_tokens": -1, "completion_tokens": 10**400}, None),
        ({}, None),
        (None, None),
        ("many", None),
    ],
)
def test_what_an_answer_used_is_read_in_each_shape(usage: object, told: Usage | None) -> None:
    """Chat and text completions, embeddings, responses; what is no count is not known."""
    line = answered("r", "a", 200, "q", json.dumps({"id": "x", "usage": usage, "choices": []}).encode())
    assert jsonl.used(line) == told


@pytest.mark.parametrize("spoilt", [rb'"\ud83d"', b"NaN", b'"\xff"'])
def test_an_answer_that_is_not_quite_json_still_tells_what_it_used(spoilt: bytes) -> None:
    """It was kept as a text."""
    line = answered("r", "a", 200, "q", b'{"choices":[%b],"usage":{"prompt_tokens":7,"completion_tokens":2}}' % spoilt)
    assert isinstance(json.loads(line)["response"]["body"], str)
    assert jsonl.used(line) == Usage(7, 2)


@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]", b"7", b"null", b'{"usage":%b}' % DEEP, b'"\xff'])
def test_an_answer_of_another_kind_tells_of_no_usage(body: bytes) -> None:
    """Neither does a line that is none."""
    assert jsonl.used(answered("r", "a", 502, "q", body)) is None
    assert jsonl.used(unanswered("r", "a", EXPIRED)) is None
    assert jsonl.used(b"{") is None


def test_usage_adds_up() -> None:
    """What is not known adds nothing, and is no zero."""
    one, two = Usage(1, 2, 3, 4, written=5), Usage(10, 20, 30, 40, written=50)
    assert jsonl.together(one, two) == Usage(11, 22, 33, 44, written=55)
    assert jsonl.together(one, None) is one and jsonl.together(None, two) is two
    assert jsonl.together(None, None) is None


def test_a_line_that_stands_there_twice_counts_once() -> None:
    """However that came."""
    scan = Scan()
    line = answered("r", "a", 200, "q", b'{"usage":{"prompt_tokens":7,"completion_tokens":2}}')
    scan.feed(line + line)
    assert (scan.ids, scan.usage) == ({"a"}, Usage(7, 2))


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        (["m", "m", "m"], "m"),
        (["h\u00e4", "h\u00e4"], "h\u00e4"),
        (["m", "n"], None),
        (["m", None], None),
        ([7, 7], None),
        (["", ""], None),
        (["m" * (LONGEST_MODEL + 1)], None),
        (["m" * LONGEST_MODEL], "m" * LONGEST_MODEL),
    ],
)
def test_the_model_is_the_one_that_all_lines_ask_for(asked: list[Any], model: str | None) -> None:
    """None where they differ, or where there is no name to tell."""
    data = b"\n".join(one(str(i), body={"model": name}) for i, name in enumerate(asked))
    lines = [x for x in read(data, CHAT) if isinstance(x, Line)]
    assert len(lines) == len(asked) and model_of(lines) == model


@pytest.mark.parametrize("name", [rb'"\ud83d"', DEEP, b'"\\/"'])
def test_a_strange_model_is_its_own_lines_trouble(name: bytes) -> None:
    """As it always was: it is told when the line is sent, and the input is no worse for it."""
    raw = b'{"custom_id":"a","method":"POST","url":"%b","body":{"model":%b}}' % (CHAT.encode(), name)
    found = read(raw, CHAT)
    assert found and model_of(x for x in found if isinstance(x, Line)) in (None, "/")


def test_no_line_asks_for_nothing() -> None:
    """There is no model of none."""
    assert model_of([]) is None
