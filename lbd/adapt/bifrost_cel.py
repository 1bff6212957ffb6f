"""Bifrost's conditions in CEL as ours: an expression becomes one or more ``when``, of which any has to hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lbd.adapt.words import literal, slug

When = dict[str, Any]
_SUBJECT = r"""(?P<name>model|provider|virtual_key_name|virtual_key_id|complexity_tier)
    | headers\[(?P<q>["'])(?P<header>[^"']+)(?P=q)\]"""
_TERM = re.compile(
    rf"""(?: {_SUBJECT} )\s*
    (?: == \s*(?P<q1>["'])(?P<equal>[^"']*)(?P=q1)
      | \.(?P<method>startsWith|endsWith|contains)\(\s*(?P<q2>["'])(?P<part>[^"']*)(?P=q2)\s*\)
      | in \s*\[(?P<listed>[^\]]*)\]
      | (?P<present>!= \s*(?:""|'')) )\Z""",
    re.VERBOSE,
)
_ITEM = re.compile(r"""\s*(?P<q>["'])(?P<text>[^"']*)(?P=q)\s*\Z""")
# What lbd judges prompts by is a number, 0 to 1; where its own rules for simple and complex ones part is 0.6.
_TIERS: Mapping[str, When] = {
    "SIMPLE": {"difficulty_below": 0.3},
    "MEDIUM": {"difficulty_min": 0.3, "difficulty_below": 0.6},
    "COMPLEX": {"difficulty_min": 0.6},
}


def conditions(expression: str, clients: Mapping[str, str]) -> list[When] | None:
    """Return the alternatives of an expression, an empty one where it always holds; None where it cannot be said.

    ``clients``: the names of our clients by the ids and the names of virtual keys.
    """
    return [{}] if not expression.strip() else _conditions(expression, clients)


def _conditions(expression: str, clients: Mapping[str, str]) -> list[When] | None:
    text = _bare(expression.strip())
    if text == "true":
        return [{}]
    parts = _split(text, "||")
    if len(parts) > 1:
        alternatives = [_conditions(part, clients) for part in parts]
        return None if any(a is None for a in alternatives) else [w for a in alternatives for w in a or []]
    parts = _split(text, "&&")
    if len(parts) == 1:
        return _term(text, clients)
    found: list[When] = [{}]
    for part in parts:
        more = _conditions(part, clients)
        merged = None if more is None else both(found, more)
        if merged is None:
            return None
        found = merged
    return found


def both(left: list[When], right: list[When]) -> list[When] | None:
    """Return the alternatives under which both hold; None where two conditions are of one thing."""
    out: list[When] = []
    for a in left:
        for b in right:
            headers = {**a.get("header", {}), **b.get("header", {})}
            if (set(a) & set(b)) - {"header"} or len(headers) < len(a.get("header", {})) + len(b.get("header", {})):
                return None
            out.append({**a, **b, **({"header": headers} if headers else {})})
    return out


def _bare(text: str) -> str:
    """Return a text without brackets that are round the whole of it."""
    while text.startswith("(") and _closing(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _closing(text: str) -> int:
    """Return where the first bracket is closed, -1 where it is not."""
    return next((i for i, depth, _ in _walk(text) if depth == 0 and text[i] == ")"), -1)


def _split(text: str, operator: str) -> list[str]:
    """Return the parts between an operator that stands outside of brackets and quotes."""
    parts, start = [], 0
    for i, depth, quoted in _walk(text):
        if depth == 0 and not quoted and text.startswith(operator, i):
            parts.append(text[start:i])
            start = i + len(operator)
    return [*parts, text[start:]]


def _walk(text: str) -> list[tuple[int, int, bool]]:
    """Return each place in a text, how many brackets are open behind it, and whether it is quoted."""
    out, depth, quote = [], 0, ""
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        else:
            depth += (c == "(") - (c == ")")
        out.append((i, depth, bool(quote)))
    return out


def _term(text: str, clients: Mapping[str, str]) -> list[When] | None:
    found = _TERM.match(text)
    if found is None:
        return None
    if found["listed"] is not None:
        items = [_ITEM.match(item) for item in found["listed"].split(",") if item.strip()]
        wanted = [item["text"] for item in items if item is not None]
        if not wanted or len(wanted) < len(items):
            return None
        patterns, exact = [literal(w) for w in wanted], wanted
    elif found["equal"] is not None:
        patterns, exact = [literal(found["equal"])], [found["equal"]]
    elif found["present"] is not None:
        patterns, exact = ["?*"], []
    else:
        part = literal(found["part"])
        patterns, exact = [{"startsWith": f"{part}*", "endsWith": f"*{part}"}.get(found["method"], f"*{part}*")], []
    if found["header"] is not None:
        return [{"header": {found["header"].lower(): pattern}} for pattern in patterns]
    return _subject(found["name"], patterns, exact, clients)


def _subject(name: str, patterns: list[str], exact: list[str], clients: Mapping[str, str]) -> list[When] | None:
    if name == "model":
        return [{"model": [form for p in patterns for form in (p, f"*/{p}")]}]
    if name == "provider":  # the first part of the name that was asked for
        return [{"model": [f"{p}/*" for p in patterns]}]
    if name == "complexity_tier":
        known = [dict(_TIERS[tier]) for tier in exact if tier in _TIERS]
        return known if known and len(known) == len(exact) else None
    if exact:
        return [{"client": [clients.get(e, slug(e)) for e in exact]}]
    return [{"client": patterns}] if name == "virtual_key_name" else None
