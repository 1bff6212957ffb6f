"""What every client shape does with a request's body: read what routing needs, and say what is wrong with it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Tokens
from lbd.shapes import doubtful, edit
from lbd.shapes.loose import UNREADABLE

# A prompt cache works on blocks from the start of the conversation. Below some thousand bytes re-reading it
# costs a server next to nothing, and pinning short prompts to one server would only unbalance the load.
PREFIX_BYTES = 4096


MOST_ANSWERS = 2**63  # that JSON's readers take; a larger float has too many digits to reckon with
# What a body holds is looked at piece by piece, in one thread: so many pieces take about a second to translate. A long
# conversation has some thousands of them, and a picture is one.
MOST_TOKENS = 300_000
MOST_NUMBERS = 2_000_000  # where texts may come as numbers, which are passed through: OpenAI takes 300,000 at once
LARGE = 256 * 1024  # bytes; in less there is no room for as many that mean anything
# What is asked where a request may leave its model out: whatever serves it.
ANY = "auto"


class Asks(Protocol):
    """What names a model."""

    @property
    def model(self) -> str:
        """The name."""


T = TypeVar("T", bound=Asks)


def judged(kind: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of the members that a shape reads as ``kind``."""
    return frozenset(kind.__struct_encode_fields__)


def read(decode: Callable[[bytes], T], raw: bytes, judged: frozenset[str], most: int = MOST_TOKENS) -> T | Failure:
    """Return the request, or why it is none: no JSON object, types that are not as they must be, no model.

    ``judged``: the names of the members that ``decode`` looks at; each must have one reading.
    """
    if too_many(raw, most):
        return too_large(most)
    try:
        request = decode(raw)
        doubt = doubtful.member(raw, judged)
    except UNREADABLE as e:
        return unreadable(e)
    if doubt is not None:
        return _ambiguous(doubt, twice=doubt in judged)
    return request if request.model else nameless()


def too_many(raw: bytes, most: int = MOST_TOKENS) -> bool:
    """Tell whether a body has more pieces than anybody's conversation: to read them would hold everybody up."""
    return len(raw) > LARGE and edit.more_tokens(raw, most)


def too_large(most: int = MOST_TOKENS) -> Failure:
    """Return what a request with too many pieces is refused with."""
    text = f"the body holds more than {most} names, values and marks: send it in several requests"
    return Failure(FailureKind.TOO_LARGE, text, code="too_many_values")


def _ambiguous(name: str, *, twice: bool) -> Failure:
    if twice:
        text = f"/{name}: is given twice, and providers differ in which of the two they read; send one"
    else:
        text = f"/{name[:40]}: is read as {name.casefold()!r} by some providers and by others not; write it so"
    return Failure(FailureKind.BAD_REQUEST, text, param=name[:40], code="ambiguous_member")


def nameless() -> Failure:
    """Return what a request is refused with that names no model."""
    return Failure(FailureKind.BAD_REQUEST, "you must name a model", param="model", code="model_required")


def unreadable(error: Exception) -> Failure:
    """Return what a request is refused with that could not be decoded."""
    if isinstance(error, UnicodeDecodeError):
        return Failure(FailureKind.BAD_REQUEST, "the body is not a JSON object: it is not UTF-8", code="invalid_json")
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


def widest(limit: object, older: object) -> object:
    """Return the limit that holds also where only one of two names for it is known: the larger of them."""
    if not (limit and older):
        return limit or older
    return max(limit, older) if isinstance(limit, int) and isinstance(older, int) else None


def count(told: object) -> int:
    """Return how many answers are asked for, at least 1. ``2.0`` is 2 to some; what is stranger they refuse."""
    if isinstance(told, float):
        return int(told) if 1 <= told < MOST_ANSWERS else 1
    return told if isinstance(told, int) and told > 0 else 1


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
