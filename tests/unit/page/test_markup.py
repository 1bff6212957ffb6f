"""Markup cannot be broken by what stands in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.page.markup import NOTHING, Html, el, join, number, span, text
from tests.fakes.scenes import Read

WORDS = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
    ['"><script>alert(1)</script>', "' onload='x", "</td></tr>", "&lt;", "a\x00b", "\ud800", "\u202eevil", "<!--"]
)


@given(WORDS, WORDS)
def test_every_value_comes_back_as_the_text_it_was(inner: str, attribute: str) -> None:
    """As a child and as an attribute; controls and what turns text around are shown as such, nothing is lost."""
    read = Read(el("p", inner, title=attribute).encode().decode())
    assert [tag for tag, _ in read.elements] == ["p"]
    assert set(read.elements[0][1]) == {"title"}
    hidden = {
        *range(9),
        *range(11, 32),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        0x200E,
        0x200F,
    }

    def shown(value: str) -> str:
        sent = "".join("?" if 0xD800 <= ord(c) < 0xE000 else c for c in value)
        return "".join("\ufffd" if ord(c) in hidden else c for c in sent)

    assert "".join(read.words) == shown(inner)
    assert read.elements[0][1]["title"] == shown(attribute)


@given(WORDS)
def test_text_is_escaped_once(value: str) -> None:
    """What is markup already stays as it is."""
    once = text(value)
    assert text(once) is once
    assert "<" not in once and '"' not in once and "'" not in once


def test_attributes_are_left_out_or_stand_alone() -> None:
    """None and False are not there, True has no value; names are as in Python."""
    assert el("input", type="radio", checked=True, id=None, hidden=False) == '<input type="radio" checked>'
    assert el("label", "x", for_="a") == '<label for="a">x</label>'
    assert el("time", data_t=3) == '<time data-t="3"></time>'


def test_elements_that_hold_nothing_are_closed_in_place() -> None:
    """Of HTML and of SVG."""
    assert el("br") == "<br>"
    assert el("rect", x=1) == '<rect x="1"/>'


def test_parts_are_joined_and_none_is_left_out() -> None:
    """What stands between is text, too."""
    assert join(["a", None, Html("<b>")], " & ") == "a &amp; <b>"
    assert join([]) == NOTHING == ""
    assert span("dim", 3, None) == '<span class="dim">3</span>'
    assert span(None, "x") == "<span>x</span>"


def test_coordinates_are_short() -> None:
    """One digit, and none where it is zero."""
    assert [number(v) for v in (0, 1.0, 1.25, 9.96)] == ["0", "1", "1.2", "10"]
