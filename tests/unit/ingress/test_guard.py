"""What a browser can be made to send is refused: foreign names, foreign pages, forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.ingress.guard import host_name, is_form, is_json, known_host, known_origin

ALLOWED = frozenset({"lbd.internal"})


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:8080", "localhost"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("[::1]:8080", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        (" h ", "h"),
        ("", ""),
    ],
)
def test_a_host_is_read_without_port_and_brackets(host: str, name: str) -> None:
    """In lower case."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LocalHost",
        "127.0.0.1:8080",
        "10.0.0.7",
        "[::1]:8080",
        "lbd.internal:80",
        "",
        None,
    ],
)
def test_addresses_and_known_names_may_be_asked_for(host: str | None) -> None:
    """An address cannot be rebound; none at all is HTTP/1.0's or a unix socket's."""
    assert known_host(host, ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xlbd.internal",
        "127.1",
        "0x7f.1",
        "lbd.internal.",
        "[evil]",
        "evil@localhost",
        "localhost, evil.example",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    """A page that rebinds its own name to 127.0.0.1 sends that name."""
    assert not known_host(host, ALLOWED)


@given(st.text(max_size=40))
def test_no_text_makes_it_fail(host: str) -> None:
    """Headers are strangers' words."""
    assert known_host(host, ()) in (True, False)
    assert known_origin(host, host, ()) in (True, False)
    assert is_json(host) in (True, False)


@pytest.mark.parametrize(
    ("origin", "host", "known"),
    [
        (None, "localhost:8080", True),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://LOCALHOST:8080", "localhost:8080", True),
        ("https://lbd.internal", "127.0.0.1:8080", True),
        ("https://lbd.internal:444", "127.0.0.1:8080", True),
        ("http://localhost:9999", "localhost:8080", False),
        ("http://127.0.0.1:8080", "localhost:8080", False),
        ("http://10.0.0.66", "127.0.0.1:8080", False),
        ("https://evil.example", "localhost:8080", False),
        ("null", "localhost:8080", False),
        ("", "localhost:8080", False),
        ("file://", "localhost:8080", False),
        ("http://localhost:8080", None, False),
        ("http://lbd.internal.evil.example", "localhost:8080", False),
        ("http://evil.example/lbd.internal", "localhost:8080", False),
    ],
)
def test_an_origin_is_the_own_page_or_a_listed_host(origin: str | None, host: str | None, known: bool) -> None:
    """No Origin is no page: SDKs, curl."""
    assert known_origin(origin, host, ALLOWED) is known


@pytest.mark.parametrize(
    ("kind", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data", False),
        ("text/json", False),
        ("application/jsonx", False),
        ("text/plain; application/json", False),
        ("", False),
        (None, False),
    ],
)
def test_json_is_what_no_form_can_send(kind: str | None, json: bool) -> None:
    """Types that a page may send without asking first are none of it."""
    assert is_json(kind) is json


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("multipart/form-data; boundary=x", True),
        ("Multipart/Form-Data", True),
        ("multipart/mixed; boundary=x", False),
        ("application/json", False),
        ("", False),
        (None, False),
    ],
)
def test_a_form_is_what_brings_files(kind: str | None, form: bool) -> None:
    """No other type is taken for one."""
    assert is_form(kind) is form
