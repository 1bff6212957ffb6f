"""What is asked of answers, and how a surface's word and a request's go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.validation import LANGUAGES, Validation, joined

numbers = st.none() | st.integers(0, 9)
some = st.none() | st.builds(
    Validation,
    schema=st.none() | st.just(b"{}"),
    own_schema=st.booleans(),
    regex=st.none() | st.just("a"),
    min_chars=numbers,
    max_chars=numbers,
    refusal=st.booleans(),
    language=st.none() | st.sampled_from(LANGUAGES),
    serve_last=st.booleans(),
)


def test_what_is_done_in_the_end_is_no_check() -> None:
    """Something must be looked at."""
    assert not Validation().checks and not Validation(serve_last=True).checks


@pytest.mark.parametrize(
    "one",
    [
        Validation(schema=b"{}"),
        Validation(own_schema=True),
        Validation(regex="a"),
        Validation(min_chars=0),
        Validation(max_chars=9),
        Validation(refusal=True),
        Validation(language="de"),
    ],
)
def test_each_check_alone_is_one(one: Validation) -> None:
    """Also one whose bound is nothing."""
    assert one.checks


@given(some)
def test_who_says_nothing_changes_nothing(one: Validation | None) -> None:
    """The most common case."""
    assert joined(one, None) == one and joined(None, one) == one


def test_the_request_s_word_holds_where_both_speak() -> None:
    """And every check of the surface that the request does not speak of."""
    surface = Validation(schema=b"{}", regex="a", min_chars=1, max_chars=9, language="de")
    assert joined(surface, Validation(own_schema=True, max_chars=5, refusal=True, language="en")) == Validation(
        b"{}", own_schema=True, regex="a", min_chars=1, max_chars=5, refusal=True, language="en"
    )
    assert joined(surface, Validation(refusal=True, serve_last=True)) == Validation(
        b"{}", False, "a", 1, 9, True, "de", True
    )


@given(some, some)
def test_no_check_is_lost(surface: Validation | None, wish: Validation | None) -> None:
    """What either of them asked for is made."""
    both = joined(surface, wish)
    asked = [v for v in (surface, wish) if v is not None]
    if both is None:
        assert not asked
    else:
        assert both.checks is any(v.checks for v in asked)
        assert both.refusal is any(v.refusal for v in asked)
