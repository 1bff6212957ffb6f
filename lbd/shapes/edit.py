"""Change members of a JSON object in place: the bytes of everything else stay as they came.

Decoding and encoding again would change number forms, key order and white space, and lose integers beyond
64 bits. So the spans of the top-level members are found, and only they are replaced.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import islice

import orjson

_FIRST_MODEL = re.compile(rb'\s*\{\s*"model"\s*:\s*("[^"\\]*")')
# Strings, marks, and what stands between them (numbers, literals). Nothing in it backtracks, and a string that is
# never closed is one token up to the end: whatever comes, it is read once.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"?+|[{}\[\]:,]|[^"{}\[\]:,\s]++', re.DOTALL)

SPARSE = 1000  # marks, quotes and blanks of a body of which they are looked for one by one
_BETWEEN = tuple(bytes((mark,)) for mark in b'{}[],:" \t\n\r\f\v')
_DEPTH = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}


def with_model(raw: bytes, model: str) -> bytes:
    """Return the object with its top-level ``model`` set to ``model``."""
    # its letters are all 0x64..0x6f: only an escape \u006x could hide another "model"
    match = _FIRST_MODEL.match(raw)
    if match and raw.find(b'"model"', match.end()) < 0 and b"\\u006" not in raw:
        return raw[: match.start(1)] + orjson.dumps(model) + raw[match.end(1) :]
    return with_members(raw, {"model": orjson.dumps(model)})


def with_members(raw: bytes, members: Mapping[str, bytes]) -> bytes:
    """Return the object with these top-level members set to these (encoded) values.

    A member that stands there (even twice, even with escapes in its name) is replaced where it stands;
    one that is missing is put first. ``raw`` must be a JSON object; anything else raises ValueError.
    """
    out: list[bytes] = []
    done = 0
    found: set[str] = set()
    opening, spans = _top_level(raw)
    for name, start, end in spans:
        if name in members:
            out += [raw[done:start], members[name]]
            done = end
            found.add(name)
    out.append(raw[done:])
    missing = [orjson.dumps(name) + b":" + value for name, value in members.items() if name not in found]
    if not missing:
        return b"".join(out)
    changed = b"".join(out)
    comma = b"," if spans else b""
    return changed[: opening + 1] + b",".join(missing) + comma + changed[opening + 1 :]


def without_members(raw: bytes, names: Collection[str]) -> bytes:
    """Return the object without these top-level members; those that stay keep their order and their values' bytes.

    ``raw`` must be a JSON object; anything else raises ValueError.
    """
    kept = [orjson.dumps(name) + b":" + raw[start:end] for name, start, end in _top_level(raw)[1] if name not in names]
    return b"{" + b",".join(kept) + b"}"


def more_tokens(raw: bytes, most: int) -> bool:
    """Tell whether JSON has more than ``most`` marks, strings, numbers and literals; no more are looked at."""
    return not _sparse(raw, most) and next(islice(_TOKEN.finditer(raw), most, None), None) is not None


def _sparse(raw: bytes, most: int) -> bool:
    """Tell by the few marks, quotes and blanks between which all others stand that there are no more than ``most``.

    A picture of some megabytes is one string, and to find what is not in it takes a twentieth of reading it.
    """
    left = min(SPARSE, most // 2)
    for between in _BETWEEN:
        at = raw.find(between)
        while at >= 0:
            left -= 1
            if left < 0:
                return False
            at = raw.find(between, at + 1)
    return 2 * min(SPARSE, most // 2) < most


def names(raw: bytes) -> list[str]:
    """Return the names of the object's top-level members, as often as they stand there."""
    return [name for name, _, _ in _top_level(raw)[1]]


def _top_level(raw: bytes) -> tuple[int, list[tuple[str, int, int]]]:
    """Return where the object opens and each member's (name, start of value, end of value)."""
    tokens = _TOKEN.finditer(raw)
    first = next(tokens, None)
    if first is None or first.group() != b"{":
        raise ValueError("not a JSON object")
    spans: list[tuple[str, int, int]] = []
    depth = 1
    name: str | None = None
    before = first
    value_start = -1
    for token in tokens:
        mark = token.group()
        if depth == 1 and name is None:
            if mark == b":":
                name, value_start = _name(before.group()), -1
        elif depth == 1:
            if mark in (b",", b"}"):
                if value_start < 0:
                    raise ValueError("a member without a value")
                spans.append((name or "", value_start, before.end()))
                name = None
            elif value_start < 0:
                value_start = token.start()
        depth += _DEPTH.get(mark, 0)
        if depth == 0:
            return first.start(), spans
        before = token
    raise ValueError("not a JSON object")


def _name(token: bytes) -> str:
    if not token.startswith(b'"'):
        raise ValueError("not a JSON object")
    name: str = orjson.loads(token)
    return name
