"""Opaque tokens of providers on their way through clients of other shapes.

A thinking signature, encrypted reasoning or a thought signature means something to its maker alone, and its maker
refuses a foreign one. A client that speaks the maker's own shape gets it as it is. Any other client gets it tagged
with where it was minted, brings it back with the conversation, and lbd drops it where the conversation has moved to
somebody else. So a fall-back in the middle of a tool conversation works.
"""

from __future__ import annotations

from lbd.model.messages import Token

MARK = "lbd."
MARK_BYTES = b'"lbd.'  # how a tagged token begins in JSON


def shown(token: Token | None, family: str) -> str:
    """Return the token as a client of this family carries it; where there is none, a tag that is nobody's.

    So what nobody signed is known when it comes back, and does not go to who refuses what he has not signed.
    """
    if token is None:
        return f"{MARK}."
    return token.value if token.mint == family else f"{MARK}{token.mint}.{token.value}"


def read(value: str, family: str) -> Token:
    """Return a token that a client of this family brought back; without a tag it is of the family itself."""
    if not value.startswith(MARK):
        return Token(family, value)
    mint, dot, rest = value[len(MARK) :].partition(".")
    return Token(mint, rest) if dot else Token("", value)


def own(token: Token | None, family: str) -> str | None:
    """Return what goes to a provider of this family: only what was minted there."""
    return token.value if token is not None and token.mint == family else None
