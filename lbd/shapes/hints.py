"""Small words of a request that providers are particular about: put so that every one of them takes them."""

from __future__ import annotations

import re
from hashlib import sha256

from lbd.model.messages import Prompt
from lbd.shapes import dig

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def plain_id(value: str) -> str:
    """Return an id of letters, digits, ``-`` and ``_``, at most 64 of them: another one's hash, the same each time."""
    return value if _PLAIN.fullmatch(value) else sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def user(value: str | None) -> str | None:
    """Return whose request it is, for the provider's eyes: an address or a long name of an account is hashed."""
    return None if value is None else plain_id(value)


def one_of_two(prompt: Prompt) -> tuple[float | None, float | None]:
    """Return temperature and top_p for a model that takes only one of them. Raises LbdError where both are meant."""
    temperature, top_p = prompt.temperature, prompt.top_p
    if temperature is not None and top_p is not None:
        if top_p == 1:
            return temperature, None
        if temperature == 1:
            return None, top_p
        raise dig.unsupported("/top_p", "this model takes a temperature or a top_p, not both")
    return temperature, top_p
