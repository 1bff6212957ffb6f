"""A request as it is kept, byte for byte; what is shown of it before it has its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.batch import Batch
from lbd.model.failure import Failure
from lbd.shapes import jsonl
from lbd.shapes.responses import deferred
from lbd.shapes.responses.deferred import Kept

PATH = "/v1/responses"
BATCH = Batch("resp_1", "c", PATH, "file-1", "", 7, 99, single=True)


def kept(body: bytes) -> Kept:
    found = deferred.keep(body, PATH)
    assert isinstance(found, Kept), found
    return found


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        (b'{"background": true, "stream": 1}', True),
        (b'{"background":true,"x":%b}' % nested(500), True),
        (b'{"background":true,"input":"\\ud83d"}', True),
        (b'{"background":false}', False),
        (b'{"background":1}', False),
        (b'{"input":"\\"background\\": true"}', False),
        (b'["background"]', False),
        (b'{"background":true', False),
        (b'{"background":true,"x":%b}' % nested(100_000), False),
    ],
)
def test_who_wants_to_wait_says_so(body: bytes, asks: bool) -> None:
    """In JSON that can be read; whatever else is in it."""
    found = deferred.asks(body)
    assert (found is not None) is asks
    assert found is None or found.background is True


@given(
    st.dictionaries(
        st.sampled_from(["input", "x", "seed", "background", "stream", "stream_options", "store", "metadata", "tools"]),
        st.sampled_from(
            [b"1e5", b"18446744073709551616", b'"a\\u0000\\n"', b"[1.0, {}]", b"true", b"null", b'{ "k":"v" }']
        ),
    )
)
def test_what_is_sent_later_is_what_came(members: dict[str, bytes]) -> None:
    """Number forms, escapes and integers of any length; only how it is answered is not sent."""
    body = b'{ "model": "m"' + b"".join(b',\r\n"%b" : %b' % (k.encode(), v) for k, v in members.items()) + b"\n}"
    made = kept(body)
    assert made.line.count(b"\n") == 1 and made.line.endswith(b"\n")
    (line,) = jsonl.read(made.line, PATH)
    assert isinstance(line, jsonl.Line) and (line.custom_id, line.model) == ("1", "m")
    assert jsonl.body_of(made.line) == made.body
    wanted = {**members, "model": b'"m"', "store": b"false"}
    wanted = {k: v for k, v in wanted.items() if k not in ("background", "stream", "stream_options")}
    assert json.loads(made.body) == {k: json.loads(v) for k, v in wanted.items()}
    assert all(b'"%b":%b' % (k.encode(), v) in made.body for k, v in wanted.items())


@pytest.mark.parametrize("depth", [200, 255, 900])
def test_a_body_may_be_nested_deep(depth: int) -> None:
    """As deep as one that is answered at once."""
    made = kept(b'{"model":"m","background":true,"x":%b}' % nested(depth))
    assert nested(depth) in made.body and json.loads(made.echoed)["model"] == "m"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","tools":[%b]}' % nested(300),
        b'{"model":"m","x":%b}' % nested(5000),
        b"[]",
        b"",
    ],
)
def test_what_cannot_be_kept_is_the_clients_fault(body: bytes) -> None:
    """It is told at once, with what helps."""
    found = deferred.keep(body, PATH)
    assert isinstance(found, Failure) and found.row.status == 400 and "nested less deep" in found.message


@pytest.mark.parametrize("odd", [b'"\\ud83d x"', b"NaN", b'"\xff"', b'"\\ud83d\\ude00"'])
def test_what_only_a_second_look_can_read_is_kept_too(odd: bytes) -> None:
    """Written anew, as what is answered at once is read."""
    made = kept(b'\xef\xbb\xbf{"model":"m","background":true,"input":%b}' % odd)
    assert isinstance(jsonl.read(made.line, PATH)[0], jsonl.Line) and b"background" not in made.body


def test_what_is_said_again_stands_by_itself() -> None:
    """Its place is known, so nobody has to read the rest."""
    made = kept(b'{"model":"m","input":"%b","metadata":{"a":"b"},"temperature":0.5}' % (b"x" * 10_000))
    at, size = made.echo
    told: Any = json.loads(made.line[at : at + size])
    assert size < 1000 and (told["metadata"], told["temperature"], told["model"]) == ({"a": "b"}, 0.5, "m")
    shown = json.loads(deferred.pending(BATCH, made.echoed, "queued"))
    assert shown.items() >= told.items() and (shown["id"], shown["status"], shown["output"]) == ("resp_1", "queued", [])


def test_what_was_asked_is_read_from_its_line_again() -> None:
    """As it was kept, byte for byte; nothing where the line is gone or spoiled."""
    made = kept(b'{"model":"m","input":[{"role":"user","content":"\xc3\xa9"}]}')
    assert deferred.asked(made.line) == made.body
    assert deferred.asked(b"") == deferred.asked(b"{") == deferred.asked(made.line[:-20]) == b""


def test_a_request_whose_file_is_gone_is_shown_without_what_it_said() -> None:
    """And with what went wrong."""
    shown = json.loads(deferred.pending(BATCH, b"", "failed", {"code": "x"}))
    assert (shown["status"], shown["error"]) == ("failed", {"code": "x"})


@pytest.mark.parametrize("depth", [1, 300, 20_000])
def test_an_answer_is_shown_as_it_came(depth: int) -> None:
    """But for its id, when it was asked for, and that it waited."""
    shown = deferred.answer(BATCH, b'{"id":"resp_x","output":%b,"created_at":8}' % nested(depth))
    assert shown is not None and nested(depth) in shown
    for part in (b'"id":"resp_1"', b'"created_at":7', b'"background":true'):
        assert part in shown
    assert deferred.answer(BATCH, b'"no object"') is None
