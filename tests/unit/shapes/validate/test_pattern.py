"""How long a text an expression may look at."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.validate import pattern
from lbd.shapes.validate.pattern import LEAST, MOST, compiled


@pytest.mark.parametrize(
    "text",
    ["foo", r"\d{4}-\d\d-\d\d", r"(?i)^(yes|no)\b", r"^\{.*\}$", r"(\d{1,3}\.){3}\d{1,3}", r"^(a|b)*$", "", r"a(?!b)"],
)
def test_what_goes_over_a_text_once_may_look_at_nearly_all(text: str) -> None:
    """Alternatives of one character are a class; a fixed count repeats nothing."""
    assert compiled(text).window == MOST


def test_each_open_end_shortens_what_may_be_looked_at() -> None:
    """And a leading ^ saves one of them, but not where it means every line."""
    one, two, three = (compiled(t).window for t in ("a+b", ".*a.*b", "^.*a.*b"))
    assert LEAST <= two < one == three < MOST
    assert compiled("(?m)^.*a.*b").window == two


@pytest.mark.parametrize(
    "text",
    [
        "(a+)+b",
        "(a|ab)*c",
        r"^(?:\w+\s?)*$",
        "(a*)*",
        r"(\w)(?:\1x?)*",
        r"^(?:(?:a?){20})*b",
        "(?(1)a+|b)*|(c)",
    ],
)
def test_a_repeat_within_a_repeat_is_refused(text: str) -> None:
    """It may take for ever on thirty characters."""
    with pytest.raises(ValueError, match=r"repeat within a repeat|no regular expression"):
        compiled(text)


@pytest.mark.parametrize("text", ["a*a*a*a*b", "(a{0,30}){12}b", ".*.*.*.*", r"(x?){16}(y?){16}", "(?:a+b){9}"])
def test_what_could_look_at_hardly_anything_is_refused(text: str) -> None:
    """With what helps."""
    with pytest.raises(ValueError, match="begin it with"):
        compiled(text)


@pytest.mark.parametrize("text", ["(", "a{2,1}", "[z-a]", "(?P<1>a)", "*"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    """In the words of the library."""
    with pytest.raises(ValueError, match="is no regular expression"):
        compiled(text)


def test_one_that_is_nested_without_end_is_refused() -> None:
    """And not a crash."""
    with pytest.raises(ValueError, match="too large"):
        compiled("(" * 5000 + ")" * 5000)


@pytest.mark.parametrize(
    ("text", "sort"), [("[a-z]*[a-z]*#", "a"), ("^.*a.*b", "a"), (r"\s+$", " "), ("(?>a+)*b", "a"), ("(?:a++,?)x", "a")]
)
def test_the_worst_text_of_its_window_takes_no_time(text: str, sort: str) -> None:
    """Five seconds is far from it even where the host is busy; unbounded it would be minutes."""
    found, window = compiled(text)
    began = time.perf_counter()
    found.search(sort * (window - 1) + "!")
    assert time.perf_counter() - began < 5


@given(st.text(alphabet="ab(|)[]*+?{},12^$.\\dw=!:<P>", max_size=12))
def test_every_text_gets_a_window_or_a_reason(text: str) -> None:
    """No other exception, whatever it is."""
    try:
        found, window = compiled(text)
    except ValueError as e:
        assert str(e)
    else:
        assert LEAST <= window <= MOST
        found.search("ab" * 8)


def test_more_loops_never_look_further() -> None:
    """The law behind the refusals."""
    windows = [pattern._window(loops, 0.0) for loops in range(1, 9)]
    assert windows == sorted(windows, reverse=True)
