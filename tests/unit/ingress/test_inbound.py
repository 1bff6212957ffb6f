"""A request's head: fields in lower case, wishes apart, trailers left out."""

from __future__ import annotations

import pytest

from lbd.ingress.inbound import Inbound


def made(*fields: tuple[bytes, bytes], method: str = "POST") -> Inbound:
    inbound = Inbound()
    inbound.method = method
    for name, value in fields:
        inbound.add(name, value)
    return inbound


def test_fields_are_found_in_lower_case() -> None:
    """As text or as the bytes that came."""
    inbound = made((b"Content-Type", b"application/json"), (b"X-Name", b"caf\xe9"))
    assert inbound.header("content-type") == "application/json"
    assert inbound.field(b"x-name") == b"caf\xe9" and inbound.header("x-name") == "caf\xe9"
    assert inbound.header("x-other") is None and inbound.field(b"x-other") is None


def test_a_repeated_field_is_a_list() -> None:
    """RFC 9110, 5.3; the number of fields is told for the listener's bound, repeated ones included."""
    inbound = Inbound()
    assert inbound.add(b"Accept", b"a") == 1
    assert inbound.add(b"accept", b"b") == 2
    assert inbound.add(b"x", b"c") == 3
    assert inbound.header("accept") == "a, b"
    assert inbound.refusal is None


@pytest.mark.parametrize("name", [b"Host", b"Content-Length", b"Authorization"])
def test_what_must_stand_once_is_refused_twice(name: bytes) -> None:
    """Two of them are read differently by whoever is in between."""
    inbound = made((name, b"a"), (name.lower(), b"a"))
    assert inbound.refusal is not None and name.decode().lower() in inbound.refusal.message


def test_wishes_are_the_lbd_headers_without_their_prefix() -> None:
    """Of any case; nothing else is one."""
    inbound = made((b"X-LBD-Class", b"background"), (b"x-lbd-pin", b"m"), (b"x-lb", b"no"))
    assert dict(inbound.wishes()) == {"class": "background", "pin": "m"}
    assert not made((b"accept", b"a")).wishes()


def test_after_the_head_nothing_is_added() -> None:
    """Trailers are no headers: they come after whoever is in between has looked."""
    inbound = made((b"host", b"h"), (b"x-lbd-class", b"background"))
    assert not inbound.closed
    inbound.close()
    assert inbound.closed
    inbound.add(b"x-lbd-pin", b"dear")
    inbound.add(b"x-lbd-class", b"interactive")
    inbound.add(b"x-api-key", b"k")
    assert dict(inbound.wishes()) == {"class": "background"}
    assert inbound.header("x-api-key") is None and inbound.header("x-lbd-pin") is None
    plain = made((b"host", b"h"))
    plain.close()
    plain.add(b"x-lbd-pin", b"dear")
    assert not plain.wishes()


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("http://api:80/v1/models", "/v1/models", "api:80"),
        ("HTTPS://api/v1/models", "/v1/models", "api"),
        ("http://api", "/", "api"),
        ("http://[::1]:8080/a/b", "/a/b", "[::1]:8080"),
        ("ftp://api/v1", "ftp://api/v1", "h"),
        ("*", "*", "h"),
        ("api:443", "api:443", "h"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_an_absolute_target_brings_its_own_authority(target: str, path: str, host: str, chunked: bool) -> None:
    """The Host field beside it is not what was asked for (RFC 9112, 3.2.2)."""
    inbound = made((b"host", b"h"))
    inbound.path = target
    if chunked:
        inbound.close()
    inbound.to_origin_form()
    assert (inbound.path, inbound.header("host")) == (path, host)


def test_a_head_is_written_again_without_its_offer() -> None:
    """Everything else stays: the other options of the connection, cookies, how the body is framed."""
    inbound = made(
        (b"Host", b"h"),
        (b"Connection", b"Upgrade, HTTP2-Settings, close"),
        (b"Upgrade", b"h2c"),
        (b"HTTP2-Settings", b"AAEAAEAA"),
        (b"Expect", b"100-continue"),
        (b"Content-Length", b"2"),
        (b"Cookie", b"a=1"),
    )
    assert inbound.head(b"/x?y=1") == (
        b"POST /x?y=1 HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\ncookie: a=1\r\nconnection: close\r\n\r\n"
    )
    inbound.old = True
    assert inbound.head(b"/x").startswith(b"POST /x HTTP/1.0\r\n")


@pytest.mark.parametrize(
    ("coding", "old", "words"),
    [
        (None, False, None),
        (b"chunked", False, None),
        (b"CHUNKED", False, None),
        (b"chunked", True, "HTTP/1.0 has no Transfer-Encoding"),
        (b"gzip, chunked", False, "'gzip, chunked' is not understood"),
        (b"identity", False, "'identity' is not understood"),
    ],
)
def test_the_end_of_a_body_must_be_certain(coding: bytes | None, old: bool, words: str | None) -> None:
    """Somebody on the way may know another coding, or none (RFC 9112, 6.1)."""
    inbound = made(*([] if coding is None else [(b"Transfer-Encoding", coding)]))
    inbound.old = old
    told = inbound.unsure_end()
    assert (told is None) is (words is None)
    assert told is None or (words or "") in told.message
