"""Opaque tokens on their way through clients of other shapes."""

from __future__ import annotations

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from lbd.model.messages import Token
from lbd.shapes import tokens
from tests.unit.shapes.conversations import letters

families = st.sampled_from(["anthropic", "openai", "gemini", "amazon", ""])


@given(families, letters, families)
def test_a_token_that_a_client_brings_back_is_the_one_that_it_got(mint: str, value: str, client: str) -> None:
    """Whoever made it, and whatever the client speaks."""
    assume(not value.startswith(tokens.MARK))
    token = Token(mint, value)
    assert tokens.read(tokens.shown(token, client), client) == token


@given(families, letters, families)
def test_only_its_maker_gets_it(mint: str, value: str, provider: str) -> None:
    """A foreign one would be refused."""
    assert tokens.own(Token(mint, value), provider) == (value if mint == provider else None)
    assert tokens.own(None, provider) is None


@given(families, letters)
def test_a_client_of_the_maker_s_family_carries_it_as_it_is(mint: str, value: str) -> None:
    """So it may go on without lbd; all others carry a tag, whose beginning shows in JSON."""
    assert tokens.shown(Token(mint, value), mint) == value
    tagged = tokens.shown(Token(mint, value), "another")
    assert tokens.MARK_BYTES in json.dumps([tagged]).encode()


@given(families)
def test_none_is_marked_as_nobody_s(client: str) -> None:
    """It is known when it comes back, and no provider gets it."""
    marked = tokens.shown(None, client)
    assert tokens.read(marked, client) == Token("", "")
    assert tokens.own(tokens.read(marked, client), client or "x") is None


@given(st.text(max_size=12), families)
def test_any_string_is_a_token(value: str, client: str) -> None:
    """What only looks like a tag is nobody's."""
    for one in (value, tokens.MARK + value):
        token = tokens.read(one, client)
        assert token.value in one
    assert tokens.read("lbd.x", client) == Token("", "lbd.x")
