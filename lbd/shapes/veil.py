"""What of a text belongs to a secret, in whatever form it was put, and the text without it.

Providers repeat the keys that they refuse: whole, with stars in the middle, or as a request carried them, in base64 or
escaped. None of that may reach a client, a log or a page, and neither may a piece that a cut-off message still holds.

    whole      the secret, each of its characters as itself or escaped as in URLs, JSON and HTML
    base64     of any text that holds it or such a fragment, with either alphabet: the whole run of base64 goes
    fragment   ``LEAST_FRAGMENT`` of its characters in a row, also in hexadecimal digits
    affix      its beginning or its end beside a run of stars, dots or x, or after "ending in"

Letters may be in the other case, except in base64: some servers repeat things in one case, and that is most of a key.

A failure is rare and its text short, so none of this has to be fast; but no pattern can be made to take more time than
in proportion to the text.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

HIDDEN = "***"
SHORTEST = 8  # characters of a secret whose forms are looked for; of a shorter one only the secret itself
LEAST_FRAGMENT = 8
# Pieces of this length, half of it apart, are looked up at each place of a text: every fragment holds a whole one.
GRAM = 6
_GRAM_OF_BASE64 = 8  # six bytes
_AFFIX = range(12, 2, -1)  # characters of a beginning or an end, the longest first
_STARS = r"(?:[*•·#.…xX_-]{2,}+|…|\\{1,8}u2026|%E2%80%A6|&hellip;)"  # a run as a whole, or time grows with its square
_MASKED = re.compile(rf"{_STARS}|end(?:s|ing) (?:in|with) ")  # may hold a secret of which the middle is left out
_LOWER = {ord(c): c.lower() for c in string.ascii_uppercase}  # no letter becomes two, as others do
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-=".decode())


class Veil:
    """Hides secrets. ``names``: other words that something else stands for, such as an address."""

    def __init__(self, secrets: Iterable[str], names: Mapping[str, str] | None = None) -> None:
        known = sorted({s for s in secrets if s}, key=len, reverse=True)  # one may be the beginning of another
        long = [s for s in known if len(s) >= SHORTEST]
        self._names = dict(sorted((names or {}).items(), key=lambda pair: len(pair[0]), reverse=True))
        self._whole = _any(f"(?i:{''.join(map(_escaped, s))})" if len(s) >= SHORTEST else re.escape(s) for s in known)
        in_hex = [s.encode().hex() for s in long]
        self._fragments = (
            _Fragments(long, GRAM, LEAST_FRAGMENT, r"\S", any_case=True),
            _Fragments(in_hex, 2 * GRAM, 2 * LEAST_FRAGMENT, "[0-9a-fA-F]", any_case=True),
        )
        cores = [core for s in long for core in _cores(s.encode())]
        self._base64 = _Fragments(cores, _GRAM_OF_BASE64, _GRAM_OF_BASE64, "[A-Za-z0-9+/_-]")
        self._affixes = _affixes(long)

    def hide(self, text: str) -> str:
        """Return a text without secrets in it; the same text where it holds none."""
        if self._whole is not None:
            text = self._whole.sub(HIDDEN, text)
        text = _without(text, _widened(text, self._base64.spans(text)))
        for fragments in self._fragments:
            text = _without(text, fragments.spans(text))
        if self._affixes is not None and _MASKED.search(text) is not None:
            text = self._affixes.sub(HIDDEN, text)
        for name, shown in self._names.items():
            text = text.replace(name, shown)
        return text

    def hide_json(self, body: bytes) -> bytes:
        """Return a body without secrets in the texts of its JSON; one that is no JSON is a text. Else the same body."""
        try:
            value = orjson.loads(body)
            hidden = self._value(value)
            return body if hidden == value else orjson.dumps(hidden)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
            text = body.decode("utf-8", "surrogateescape")
            hidden = self.hide(text)
            return body if hidden == text else hidden.encode("utf-8", "surrogateescape")

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {self.hide(key): self._value(inner) for key, inner in value.items()}
        return [self._value(inner) for inner in value] if isinstance(value, list) else value


class _Fragments:
    """Finds pieces of texts in other texts: ``least`` characters or more, by their grams, in ``runs`` of characters.

    ``any_case``: ASCII letters are taken for the same in both cases.
    """

    def __init__(self, of: Iterable[str], size: int, least: int, runs: str, *, any_case: bool = False) -> None:
        self._size = size
        self._least = least
        self._runs = re.compile(rf"{runs}{{{least},}}+")  # most of a text is words that are too short to look into
        self._case = _LOWER if any_case else {}
        self._grams: dict[str, list[tuple[str, int]]] = {}
        for text in [t.translate(self._case) for t in of]:
            for at in range(0, len(text) - size + 1, size // 2):
                self._grams.setdefault(text[at : at + size], []).append((text, at))

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where they stand, in order."""
        if not self._grams:
            return
        text = text.translate(self._case)
        for run in self._runs.finditer(text):
            yield from self._within(text, *run.span())

    def _within(self, text: str, begin: int, stop: int) -> Iterator[tuple[int, int]]:
        size, grams = self._size, self._grams
        after = 0
        for at in [i for i in range(begin, stop - size + 1) if text[i : i + size] in grams]:
            if at >= after:
                spans = (_grown(text, at, of, k) for of, k in grams[text[at : at + size]])
                start, end = max(spans, key=lambda span: span[1] - span[0])
                if end - start >= self._least:
                    yield start, end
                    after = end


def _any(patterns: Iterable[str]) -> re.Pattern[str] | None:
    known = list(dict.fromkeys(patterns))
    return re.compile("|".join(known)) if known else None


def _escaped(c: str) -> str:
    """Return the pattern of one character: itself, or as URLs, JSON and HTML may put it."""
    if c.isalnum():
        return re.escape(c)
    code = ord(c)
    return rf"(?:\\{{0,8}}{re.escape(c)}|(?i:%{code:02x}|\\{{1,8}}u{code:04x}|&#{code};|&#x{code:x};))"


def _cores(secret: bytes) -> Iterator[str]:
    """Yield what base64 makes of a secret at each of the three places that it may begin at, in both alphabets."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        core = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]  # what no neighbour has a part in
        yield core
        if core != (other := core.replace("+", "-").replace("/", "_")):
            yield other


def _widened(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the runs of base64 around spans, which are in order; each run once, however many spans are in it."""
    last = 0
    for begin, stop in spans:
        if stop <= last:
            continue
        start, end = begin, stop
        while start > last and text[start - 1] in _BASE64:
            start -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        last = end
        yield start, end


def _grown(text: str, at: int, secret: str, k: int) -> tuple[int, int]:
    """Return as much of a text around ``at`` as agrees with a secret around ``k``."""
    start, i = at, k
    while start > 0 and i > 0 and text[start - 1] == secret[i - 1]:
        start, i = start - 1, i - 1
    end, i = at, k
    while end < len(text) and i < len(secret) and text[end] == secret[i]:
        end, i = end + 1, i + 1
    return start, end


def _affixes(secrets: list[str]) -> re.Pattern[str] | None:
    begins = list(dict.fromkeys(re.escape(s[:n]) for n in _AFFIX for s in secrets))
    ends = list(dict.fromkeys(re.escape(s[-n:]) for n in _AFFIX for s in secrets))
    if not begins:
        return None
    begin, end = f"(?i:{'|'.join(begins)})", f"(?i:{'|'.join(ends)})"
    told = r"(?<=ending in )|(?<=ending with )|(?<=ends in )|(?<=ends with )"
    quoted = r"""(?:(?<=ending in ["'`])|(?<=ending with ["'`])|(?<=ends in ["'`])|(?<=ends with ["'`]))"""
    return re.compile(rf"{begin}{_STARS}{end}?|(?<![*•·#.…xX_-]){_STARS}{end}|(?:{told}|{quoted}){end}")


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text in which something stands for these spans, which are in order."""
    out, last = [], 0
    for start, end in spans:
        if end > last:
            out += [text[last : max(start, last)], HIDDEN if start >= last else ""]
            last = end
    return "".join((*out, text[last:])) if out else text
