"""HTML that cannot be broken by what stands in it: every value is escaped where it enters, once.

``Html`` is text that is markup already; every other value is text, and becomes markup by :func:`text`. There is no way
to put an attribute or a child into an element but through :func:`el`, so what a provider, a client or an operator wrote
stays text. Characters that would hide or turn around what is read (controls, bidirectional overrides) are shown as the
replacement character.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

_ESCAPES = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    ord("'"): "&#39;",
    **dict.fromkeys((*range(9), *range(11, 32), *range(0x7F, 0xA0)), "\ufffd"),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F), "\ufffd"),
}
_VOID = frozenset({"br", "hr", "input", "link", "meta"})
# SVG elements that hold nothing are closed in place
_EMPTY = frozenset({"rect", "path", "line", "circle", "polyline"})

_NAMES = {"class_": "class", "width": "width", "height": "height", "x": "x", "y": "y", "d": "d"}  # the frequent ones


class Html(str):
    """Text that is markup."""

    __slots__ = ()


Attribute: TypeAlias = str | int | float | bool | None
Inner: TypeAlias = Html | str | int | None
NOTHING = Html("")
_SHORT = 24  # letters; what is longer seldom comes twice


def text(value: object) -> Html:
    """Return a value as text within markup; it may stand in an attribute, too."""
    if type(value) is Html:
        return value
    plain = str(value)
    return _known(plain) if len(plain) <= _SHORT else _escaped(plain)


def _escaped(plain: str) -> Html:
    if not plain.isascii():
        plain = plain.encode("utf-8", "replace").decode()  # lone surrogates cannot be sent
    elif plain.isalnum():
        return Html(plain)
    return Html(plain.translate(_ESCAPES))


_known = lru_cache(2048)(_escaped)  # names of classes and of columns, words, round numbers: most come again and again


def join(parts: Iterable[Inner], between: str = "") -> Html:
    """Return parts one after the other; those that are None are left out."""
    return Html(text(between).join([p if type(p) is Html else text(p) for p in parts if p is not None]))


def el(tag: str, *inner: Inner, **attributes: Attribute) -> Html:
    """Return an element.

    Attributes are named as in Python: ``class_`` is class, ``data_t`` is data-t. Those that are None or False are left
    out, True stands without a value.
    """
    head = tag
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = _NAMES.get(name) or name.rstrip("_").replace("_", "-")
        head += f" {written}" if value is True else f' {written}="{text(value)}"'
    if tag in _VOID:
        return Html(f"<{head}>")
    if tag in _EMPTY:
        return Html(f"<{head}/>")
    if len(inner) == 1 and type(inner[0]) is Html:
        return Html(f"<{head}>{inner[0]}</{tag}>")
    return Html(f"<{head}>{join(inner)}</{tag}>")


def span(class_: str | None, *inner: Inner, **attributes: Attribute) -> Html:
    """Return a span of a class."""
    return el("span", *inner, class_=class_, **attributes)


def number(value: float) -> str:
    """Return a coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")
