"""What every client shape does with a request's body: read what routing needs, and say what is wrong with it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Tokens
from lbd.shapes.loose import UNREADABLE

# A prompt cache works on blocks from the start of the conversation. Below some thousand bytes re-reading it
# costs a server next to nothing, and pinning short prompts to one server would only unbalance the load.
PREFIX_BYTES = 4096


# What is asked where a request may leave its model out: whatever serves it.
ANY = "auto"


class Asks(Protocol):
    """What names a model."""

    @property
    def model(self) -> str:
        """The name."""


T = TypeVar("T", bound=Asks)


def read(decode: Callable[[bytes], T], raw: bytes) -> T | Failure:
    """Return the request, or why it is none: no JSON object, types that are not as they must be, no model."""
    try:
        request = decode(raw)
    except UNREADABLE as e:
        return unreadable(e)
    return request if request.model else nameless()


def nameless() -> Failure:
    """Return what a request is refused with that names no model."""
    return Failure(FailureKind.BAD_REQUEST, "you must name a model", param="model", code="model_required")


def unreadable(error: Exception) -> Failure:
    """Return what a request is refused with that could not be decoded."""
    if not isinstance(error, msgspec.ValidationError):
        return Failure(FailureKind.BAD_REQUEST, f"the body is not a JSON object: {error}", code="invalid_json")
    # msgspec says: Expected `str`, got `int` - at `$.model`
    text, _, at = str(error).partition(" - at `$.")
    param = at.rstrip("`") or None
    if "missing required field `model`" in text:
        return nameless()
    # told as a JSON pointer, which ends where msgspec does not tell the member's name; ``param`` is as OpenAI writes it
    place = at.rstrip("`").partition("[...]")[0].replace(".", "/").replace("[", "/").replace("]", "")
    where = f"/{place}: " if place else ""
    return Failure(FailureKind.BAD_REQUEST, f"{where}{text}", param=param, code="invalid_type")


def bound(limit: object) -> Tokens | None:
    """Return the bound of an answer, None where there is none; a strange one is the provider's to refuse."""
    return limit if isinstance(limit, int) and limit > 0 else None


def prefix(*parts: memoryview) -> int:
    """Return what conversations of one beginning share, 0 for short ones."""
    if sum(map(len, parts)) < PREFIX_BYTES:
        return 0
    found = 0
    for part in parts:
        found = zlib.crc32(part[:PREFIX_BYTES], found)
    return found


def sampling(temperature: object, top_p: object) -> list[str]:
    """Return the word for a sampling that is another than everybody's default."""
    return [] if temperature in (None, 1) and top_p in (None, 1) else ["sampling"]
