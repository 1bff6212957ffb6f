"""Where a listener listens: what is read is what is written, and nothing else is accepted."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model import address
from lbd.model.address import Address

ports = st.integers(0, 65535)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("[::1]:8080", Address("::1", 8080)),
        (":80", Address("", 80)),
        ("gateway.example:0", Address("gateway.example", 0)),
        ("unix:/run/lbd/api.sock", Address(path="/run/lbd/api.sock")),
    ],
)
def test_the_three_forms_are_read_and_written_alike(text: str, expected: Address) -> None:
    """``host:port``, ``[v6]:port`` and ``unix:/path``."""
    assert address.parse(text) == expected
    assert str(expected) == text


@given(st.ip_addresses(), ports)
def test_any_numeric_address_survives_the_round_trip(ip: ipaddress.IPv4Address, port: int) -> None:
    """With brackets around IPv6 and none around IPv4."""
    it = Address(str(ip), port)
    assert address.parse(str(it)) == it
    assert it.local == ip.is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "8080",
        "localhost:",
        "localhost:http",
        "localhost:65536",
        "localhost:-1",
        "localhost:²",
        "localhost:٣",
        "::1:8080",
        "[::1:8080",
        "::1]:8080",
        "[[::1]]:8080",
        "[localhost]:8080",
        "http://127.0.0.1:8080",
        "unix:",
        "unix:lbd.sock",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    """A typing error must not open another listener than was meant; the text is in the message."""
    with pytest.raises(ValueError, match=r"address|absolute path") as e:
        address.parse(text)
    assert repr(text) in str(e.value)


@given(st.text(max_size=20))
def test_whatever_is_read_writes_to_something_that_reads_the_same(text: str) -> None:
    """No text gives another exception than ValueError."""
    try:
        it = address.parse(text)
    except ValueError:
        return
    assert address.parse(str(it)) == it


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("ip6-localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
    ],
)
def test_only_this_host_s_own_names_and_numbers_are_loopback(host: str, local: bool) -> None:
    """Everything that may be reached from outside needs clients and a token."""
    assert address.is_loopback(host) == local
    assert Address(host, 1).local == local


def test_a_unix_socket_is_local() -> None:
    """Its file's mode decides who may use it."""
    assert Address(path="/run/lbd.sock").local
