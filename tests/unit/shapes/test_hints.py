"""Words that providers are particular about."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Prompt
from lbd.shapes import hints


@given(st.text())
def test_an_id_is_plain_and_the_same_each_time(value: str) -> None:
    """What is plain stays; two others never become one by being cut."""
    made = hints.plain_id(value)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", made)
    assert hints.plain_id(made) == made
    assert (made == value) is bool(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value, re.ASCII))


def test_a_user_is_no_address() -> None:
    """Anthropic refuses one, OpenAI more than 64 letters."""
    assert hints.user(None) is None
    assert hints.user("u-1") == "u-1"
    assert "@" not in (hints.user("bob@example.com") or "@")
    assert len(hints.user("x" * 200) or "") == 32


@pytest.mark.parametrize(
    ("temperature", "top_p", "left"),
    [
        (0.2, None, (0.2, None)),
        (None, 0.5, (None, 0.5)),
        (0.2, 1, (0.2, None)),
        (1, 0.5, (None, 0.5)),
        (1, 1, (1, None)),
    ],
)
def test_a_default_beside_the_other_asks_for_nothing(
    temperature: float | None, top_p: float | None, left: tuple[float | None, float | None]
) -> None:
    """Many clients send both."""
    assert hints.one_of_two(Prompt("m", (), temperature=temperature, top_p=top_p)) == left


def test_both_cannot_be_meant() -> None:
    """Another deployment may take them."""
    with pytest.raises(LbdError) as caught:
        hints.one_of_two(Prompt("m", (), temperature=0.2, top_p=0.5))
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED
