"""What a browser can be made to send is refused: foreign names, foreign pages, forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.ingress.guard import host_name, is_form, is_json, is_page_form, known_host, known_origin, known_page

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
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("h:", "h"),
        ("localhost.", "localhost."),
        ("", ""),
        ("[::1", ""),
        ("[::1]x", ""),
        ("[::1].evil.example", ""),
        ("[::1]:80:80", ""),
        ("[fe80::1%25eth0]", ""),
        ("h:80x", ""),
        ("h:-1", ""),
        ("a:b:c", ""),
        ("user@h", ""),
        ("h/x", ""),
        ("h, other", ""),
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
        "localhost.",
        "LOCALHOST.:8080",
        "127.0.0.1.",
        "[::1].evil.example",
        "[::1]evil.example:80",
        "[::1",
        "127.0.0.1:80@evil.example",
        "127.0.0.1:evil",
        "localhost:80:80",
        "localhost\x00",
        "0",
        "2130706433",
        "evil.example#localhost",
        "\u2460\u2461\u2466.0.0.1",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    """A page that rebinds its own name to 127.0.0.1 sends that name."""
    assert not known_host(host, ALLOWED)


@given(st.text(max_size=40))
def test_no_text_makes_it_fail(host: str) -> None:
    """Headers are strangers' words."""
    assert known_host(host, ()) in (True, False)
    assert known_origin(host, host, (), secure=False) in (True, False)
    assert known_origin(host, host, (), secure=True) in (True, False)
    assert known_page({"sec-fetch-site": host, "sec-fetch-mode": host}.get, reads=True) in (True, False)
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
        ("NULL", "localhost:8080", False),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://[::1]:9999", "[::1]:8080", False),
        ("https://lbd.internal.", "localhost:8080", False),
        ("https://lbd.internal@evil.example", "localhost:8080", False),
        ("https://evil.example:443@lbd.internal", "localhost:8080", False),
        ("https://LBD.INTERNAL:8443", "localhost:8080", True),
        ("http://localhost:8080, https://evil.example", "localhost:8080", False),
        ("chrome-extension://abcdef", "localhost:8080", False),
        ("://", "", False),
    ],
)
def test_an_origin_is_the_own_page_or_a_listed_host(origin: str | None, host: str | None, known: bool) -> None:
    """No Origin is no page: SDKs, curl."""
    assert known_origin(origin, host, ALLOWED, secure=False) is known


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        (None, True),
        ("https://localhost:8080", True),
        ("HTTPS://localhost:8080", True),
        ("https://lbd.internal", True),
        ("http://localhost:8080", False),
        ("http://lbd.internal", False),
        ("localhost:8080", False),
    ],
)
def test_by_tls_a_page_that_came_without_is_nobody_s(origin: str | None, known: bool) -> None:
    """Whoever is on the way may have written it, in the listener's own name."""
    assert known_origin(origin, "localhost:8080", ALLOWED, secure=True) is known


@pytest.mark.parametrize(
    ("told", "reads", "known"),
    [
        ({}, False, True),  # no browser
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, False, True),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, True, True),  # typed by a person
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, True, False),  # a picture
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False, False),
        ({"sec-fetch-site": "Cross-Site", "sec-fetch-mode": "websocket"}, True, False),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, True, False),  # another port of this host
        ({"sec-fetch-site": "cross-site"}, True, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, True, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, False, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://lbd.internal"}, False, True),  # its Origin is looked at
    ],
)
def test_a_page_without_an_origin_is_told_by_what_its_browser_says(
    told: dict[str, str], reads: bool, known: bool
) -> None:
    """A link may be followed; nothing else of another site's page is served."""
    assert known_page(told.get, reads=reads) is known


@pytest.mark.parametrize(
    ("kind", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/json, application/json", True),
        ("application/json; charset=utf-8, application/json", True),
        ("application/json, text/plain", False),
        ("application/json; charset=utf-8, text/plain", False),
        ("text/plain, application/json", False),
        ("application/json,", False),
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


def test_a_plain_form_is_known_by_its_type() -> None:
    """And by nothing that a script of another site could send without being asked."""
    assert is_page_form("application/x-www-form-urlencoded")
    assert is_page_form("Application/X-WWW-Form-Urlencoded; charset=utf-8")
    for other in (None, "", "application/json", "multipart/form-data; boundary=x", "text/plain"):
        assert not is_page_form(other)
