"""Header fields stay bytes until somebody looks, and then read like any mapping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.upstream.headers import RawHeaders, event_stream

names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
values = st.binary(max_size=20)


@given(st.dictionaries(names, values, max_size=8))
def test_it_reads_like_the_decoded_mapping(fields: dict[str, bytes]) -> None:
    """Lookup, iteration, length and items agree with the fields decoded at once."""
    raw = RawHeaders({name.encode(): value for name, value in fields.items()})
    decoded = {name: value.decode("latin-1").strip() for name, value in fields.items()}
    assert dict(raw) == decoded == dict(raw.items())
    assert len(raw) == len(decoded)
    assert all(raw.get(name) == raw[name] == decoded[name] for name in decoded)
    assert all(name in raw for name in decoded)


def test_what_is_missing_is_none_the_default_or_a_key_error() -> None:
    """As in a dict."""
    raw = RawHeaders({b"a": b"1"})
    assert raw.get("b") is None
    assert raw.get("b", "x") == "x"
    assert "b" not in raw
    with pytest.raises(KeyError):
        raw["b"]


def test_space_around_a_value_is_not_part_of_it() -> None:
    """Optional white space belongs to the framing (RFC 9110, 5.5)."""
    assert RawHeaders({b"retry-after": b"  7\t"})["retry-after"] == "7"


def test_bytes_beyond_ascii_are_latin_1() -> None:
    """Obsolete text in a value is carried, never an exception."""
    assert RawHeaders({b"server": b"caf\xe9"}).get("server") == "caf\xe9"


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        ("Text/Event-Stream", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_an_event_stream_by_its_content_type(kind: str, found: bool) -> None:
    """Media types are compared without regard to case; parameters stay."""
    assert event_stream({"content-type": kind}) == (kind if found else None)
    assert event_stream({}) is None


@pytest.mark.parametrize("kind", ["application/vnd.amazon.eventstream", "Application/vnd.Amazon.EventStream; v=1"])
def test_amazons_event_stream_is_one_and_its_client_gets_the_usual_kind(kind: str) -> None:
    """It is binary, so it never goes on as it came: a client reads events of text."""
    assert event_stream({"content-type": kind}) == "text/event-stream"
