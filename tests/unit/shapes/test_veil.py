"""A secret is found in whatever form it was put, and nothing else is taken for one."""

from __future__ import annotations

import base64
import json
import string
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.veil import HIDDEN, LEAST_FRAGMENT, Veil

KEY = "sk-canary-Ab/Cd+Ef==_gh-IJKL0123456789wxyz"
VEIL = Veil([KEY, "second-canary"], {"10.0.0.7:8000": "p"})
# what a secret may be made of (lbd.config.secrets); long enough that no text holds a piece of it by chance
secrets = st.text(
    st.sampled_from(string.ascii_letters + string.digits + "-_./+=:~!$&'()*,;@%\"\\"), min_size=20, max_size=80
).filter(lambda text: not set("*#.xX_-") & set(text[-4:]))  # they would be taken for a part of the mask
around = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


def both(text: str) -> bytes:
    return text.encode()


FORMS: dict[str, Callable[[str], str]] = {
    "whole": str,
    "in upper case": str.upper,
    "in lower case": str.lower,
    "in the other case, cut": lambda s: s.swapcase()[: len(s) // 2],
    "in upper case, masked": lambda s: f"{s[:5].upper()}…{s[-4:].upper()}",
    "url": lambda s: quote(s, safe=""),
    "url, slashes as they are": quote,
    "form": quote_plus,
    "json": lambda s: json.dumps(s)[1:-1],
    "json, slashes escaped": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "json in json": lambda s: json.dumps(json.dumps(s)[1:-1])[1:-1] if '"' not in s and "\\" not in s else s,
    "base64": lambda s: base64.b64encode(both(s)).decode(),
    "basic": lambda s: base64.b64encode(both(f"user:{s}")).decode(),
    "base64 within": lambda s: base64.urlsafe_b64encode(both(f"ab:{s}, and more")).decode(),
    "hex": lambda s: both(s).hex(),
    "HEX": lambda s: both(s).hex().upper(),
    "beginning": lambda s: s[: len(s) // 2],
    "end": lambda s: s[len(s) // 2 :],
    "middle": lambda s: s[5:-5],
    "dots": lambda s: f"{s[:6]}...{s[-4:]}",
    "dots, both short": lambda s: f"{s[:3]}..{s[-3:]}",
    "stars": lambda s: f"{s[:8]}{'*' * 20}{s[-4:]}",
    "ellipsis": lambda s: f"{s[:5]}…{s[-4:]}",
    "only the end": lambda s: f"****{s[-4:]}",
    "only the beginning": lambda s: f"{s[:4]}****",
    "in words": lambda s: f"a key ending in {s[-4:]}",
    "in words, quoted": lambda s: f"a key that ends with '{s[-4:]}'",
}


@given(secret=secrets, before=around, after=around)
def test_a_secret_is_hidden_in_every_form(secret: str, before: str, after: str) -> None:
    """What is left holds no piece of it that is longer than what anybody could guess."""
    veil = Veil([secret])
    for name, form in FORMS.items():
        put = form(secret)
        told = veil.hide(f"{before} {put} {after}")
        assert put not in told, name
        assert HIDDEN in told, name
        size = LEAST_FRAGMENT + 3
        assert "words" in name or not any(put[i : i + size] in told for i in range(len(put) - size + 1)), name


@given(secret=secrets, length=st.integers(LEAST_FRAGMENT, 20), data=st.data())
def test_every_fragment_from_the_least_length_on_is_found(secret: str, length: int, data: st.DataObject) -> None:
    """Wherever in the secret it lies."""
    at = data.draw(st.integers(0, max(0, len(secret) - length)))
    piece = secret[at : at + length]
    assert piece not in Veil([secret]).hide(f"cut off: {piece}")


@given(secret=secrets, text=st.text(st.sampled_from("abc *.…xX=\n"), max_size=60))
def test_a_text_without_a_secret_is_the_same_text(secret: str, text: str) -> None:
    """Messages are for people."""
    if not any(secret[i : i + 3] in text for i in range(len(secret) - 2)):
        assert Veil([secret]).hide(text) == text


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("the model sk-1 does not exist", "the model sk-1 does not exist"),
        ("please wait... and try again", "please wait... and try again"),
        ("*** and **bold** and xxx", "*** and **bold** and xxx"),
        ("Incorrect API key provided: sk-ca***********wxyz.", "Incorrect API key provided: ***."),
        ("no connection to 10.0.0.7:8000: refused", "no connection to p: refused"),
        ("second-canary", "***"),
        (f"{KEY}{KEY}", "******"),
        ("", ""),
    ],
)
def test_what_people_read(told: str, shown: str) -> None:
    """As providers put it."""
    assert VEIL.hide(told) == shown


def test_a_short_secret_is_hidden_as_a_whole_only() -> None:
    """Its pieces are words of any message."""
    veil = Veil(["abc"])
    assert veil.hide("abc ab..bc YWJj") == "*** ab..bc YWJj"
    assert Veil([""]).hide("abc") == "abc"
    assert Veil([]).hide("abc") == "abc"


def test_the_longer_of_two_secrets_counts_where_one_begins_like_the_other() -> None:
    """Otherwise the rest of it would be left."""
    assert Veil(["abcdefgh", "abcdefghSECRET"]).hide("abcdefghSECRET") == HIDDEN


def test_an_access_token_is_hidden_too() -> None:
    """Hundreds of characters; a long fragment of it is, and a short one may be anything."""
    token = "ya29." + "".join(chr(97 + i * i % 26) + str(i) for i in range(400))
    veil = Veil([token])
    assert veil.hide(f"x {token} x") == "x *** x"
    assert veil.hide(token[100:140]) == HIDDEN
    assert veil.hide(f"ya29.a...{token[-4:]}") == HIDDEN


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": "about %b"}' % KEY.encode(), b'{"error":"about ***"}'),
        (json.dumps({"e": [KEY, 1, None]}).replace("/", "\\/").encode(), b'{"e":["***",1,null]}'),
        ("".join(f"\\u{ord(c):04x}" for c in KEY).join(('{"e":"', '"}')).encode(), b'{"e":"***"}'),
        (json.dumps({KEY: 1}).encode(), b'{"***":1}'),
        (b"<html>%b</html>" % KEY.encode(), b"<html>***</html>"),
        (b"\xff %b" % KEY.encode(), b"\xff ***"),
    ],
)
def test_a_body_is_read_as_its_client_reads_it(body: bytes, shown: bytes) -> None:
    """Whatever escapes its JSON is written in."""
    assert VEIL.hide_json(body) == shown


@pytest.mark.parametrize(
    "body", [b'{"a" : [1.50, "x"]}', b"junk", b"", b"\xff\xfe", b"[" * 5000, b"[" * 900 + b"]" * 900]
)
def test_a_body_without_a_secret_is_the_same_bytes(body: bytes) -> None:
    """Not one blank is changed, and none breaks it."""
    assert VEIL.hide_json(body) is body


@pytest.mark.parametrize(
    "text",
    [
        "*" * 60_000,
        "A" * 60_000,
        KEY[:7] * 8_000,
        KEY[4:11] * 8_000,
        "sk-" * 20_000,
        "x." * 30_000,
        "ending in " * 6_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """What a provider sends must not hold the event loop up."""
    began = time.perf_counter()
    VEIL.hide(text)
    assert time.perf_counter() - began < 2
