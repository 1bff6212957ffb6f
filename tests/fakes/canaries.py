"""Secrets that nobody may see, every way in which a provider may say one again, and a nose for them.

The nose does not know how lbd hides them: it undoes whatever encodings a text may be in, at any depth and place, and
looks for pieces of the secrets in what comes out.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

PIECE = 8  # characters of a secret in a row that are too many
CANARIES = {
    "api_key": "sk-canary-Zq4/Tn+Wx8==_Lm2-Ub7Rk9Hd3Gf6Yc1QvZJ",
    "second_key": "AIzaCANARY5pXw0Ns8Jt3Ke6Vg9Bh2Mf4Lr7WqDY",
    "aws_key_id": "AKIACANARYUEXTPVQHZN",
    "aws_secret": "canary/Kd9+Pz3Tq7Vx1Jm5Rw8Bn2Hc6Gy4Lf0SsUoZX",
    "aws_token": "IQoCanary" + "Xk7Dp2Mv9Rt4Bz6Nw1Qh8Jc3Ly5Gf0" * 6 + "KWVJ",
    "header": "canary-header-Wm6Xp1Zt8Vb3Nk5Rc7Jd0QjXK",
    "password": "Cn4ry.Hv2Tz9Gx4Kq7Pn1Yw6QXJW",
    "client": "lbd-canary-client-Bw3Xn8Kt5Zp1Vd7Mq2Rj6HgWQ",
    "admin": "lbd-canary-admin-Jr7Kz2Wx9Tn4Vp6Bq1Md8LcQV",
    "provenance": "lbd-canary-signing-Fx5Tq3Vz9Kn1Wb7Pm2Rd4JyXW",
}

# How a provider may put a key in its message. The forms that show both ends show as much as providers do.
ECHOES: dict[str, Callable[[str], str]] = {
    "whole": str,
    "quoted": lambda s: f"'{s}'",
    "as it was sent": lambda s: f"Authorization: Bearer {s}",
    "in a URL": lambda s: f"https://x/v1?key={quote(s, safe='')}&a=b",
    "in a form": quote_plus,
    "as JSON in text": lambda s: json.dumps({"headers": {"authorization": f"Bearer {s}"}}).replace("/", "\\/"),
    "as repr": lambda s: repr({"Authorization": f"Bearer {s}"}),
    "as HTML": lambda s: "".join(f"&#{ord(c)};" if not c.isalnum() else c for c in s),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "basic": lambda s: "Basic " + base64.b64encode(f"user:{s}".encode()).decode(),
    "base64 of a header": lambda s: base64.urlsafe_b64encode(f"Bearer {s}\r\nx: y".encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "dots": lambda s: f"{s[:8]}...{s[-4:]}",
    "stars": lambda s: f"{s[:8]}{'*' * (len(s) - 12)}{s[-4:]}",
    "ellipsis": lambda s: f"{s[:5]}…{s[-4:]}",
    "x": lambda s: f"xxxxxxxx{s[-4:]}",
    "in words": lambda s: f"the API key ending in {s[-4:]}",
    "cut off": lambda s: s[: len(s) * 2 // 3],
    "the rest": lambda s: s[len(s) // 3 :],
    "at the bound": lambda s: "." * 1990 + s,
    "twice": lambda s: f"{s} is not {s}",
    "nothing": lambda _: "the key",
}
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
_UNICODE = re.compile(r"\\+u([0-9a-fA-F]{4})")


class Nose:
    """Smells the secrets that it was given."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._pieces = {s[i : i + PIECE] for s in secrets for i in range(len(s) - PIECE + 1)}
        self._ends = [s[-4:] for s in secrets]
        for end in self._ends:
            assert sum(end in p for p in self._pieces) <= PIECE, "an end should be found nowhere else"

    def smells(self, told: str | bytes) -> str | None:
        """Return the piece of a secret that a text holds, in whatever form."""
        text = told if isinstance(told, str) else told.decode("utf-8", "backslashreplace")
        for plain in _plainer(text):
            found = self._found(plain)
            if found is not None:
                return f"{found!r} in {text[:300]!r}"
        return None

    def _found(self, text: str) -> str | None:
        end = next((e for e in self._ends if e in text), None)
        if end is not None:
            return end
        return next(
            (text[i : i + PIECE] for i in range(len(text) - PIECE + 1) if text[i : i + PIECE] in self._pieces), None
        )


def _plainer(text: str) -> Iterator[str]:
    """Yield a text as it stands and without each encoding that parts of it may have."""
    yield text
    for undone in (unquote(text), html.unescape(text), _UNICODE.sub(lambda m: chr(int(m[1], 16)), text)):
        if undone != text:
            yield undone
    if "\\" in text:
        yield text.replace("\\", "")
    for run in _BASE64.findall(text):
        for start in range(4):
            part = run[start:].replace("-", "+").replace("_", "/")
            part = part[: len(part) // 4 * 4]
            yield base64.b64decode(part).decode("latin-1")
    for run in _HEX.findall(text):
        for start in range(2):
            part = run[start : start + (len(run) - start) // 2 * 2]
            try:
                yield binascii.unhexlify(part).decode("latin-1")
            except binascii.Error:
                continue
