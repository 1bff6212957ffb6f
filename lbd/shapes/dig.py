"""Reading a client's JSON by hand: each value is known by its JSON pointer (RFC 6901), and so is each fault."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.shapes import loose

_KINDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def _called(value: object) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _KINDS.items() if type(value) is kind), type(value).__name__)


def bad(at: str, why: str) -> LbdError:
    """Return the error of a malformed body: the client's fault, told with its place."""
    return LbdError(Failure(FailureKind.BAD_REQUEST, f"{at or '/'}: {why}", param=at or None, code="invalid_value"))


def unsupported(at: str, why: str) -> LbdError:
    """Return the error of what a provider's shape cannot express: another deployment may take it."""
    return LbdError(Failure(FailureKind.UNSUPPORTED, f"{at}: {why}", param=at or None, code="unsupported_value"))


def below(at: str, name: str) -> str:
    """Return the pointer to a member."""
    return f"{at}/{name.replace('~', '~0').replace('/', '~1')}"


def encoded(value: object, at: str = "") -> bytes:
    """Return what came of a client as JSON again. It reads deeper nesting than it writes."""
    try:
        return loose.written(value)
    except TypeError:
        raise bad(at, "is nested too deep") from None


def text(value: object, at: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise bad(at, f"expected a string, got {_called(value)}")
    return value


def maybe_text(value: object, at: str) -> str | None:
    """Return a string or None."""
    return None if value is None else text(value, at)


def whole(value: object, at: str) -> int | None:
    """Return an integer or None; ``3.0`` is one."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value != int(value):
        raise bad(at, f"expected an integer, got {_called(value)}")
    return int(value)


def number(value: object, at: str) -> float | None:
    """Return a number or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(at, f"expected a number, got {_called(value)}")
    return float(value)


def flag(value: object, at: str) -> bool | None:
    """Return a boolean or None."""
    if value is not None and not isinstance(value, bool):
        raise bad(at, f"expected true or false, got {_called(value)}")
    return value


def members(value: object, at: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise bad(at, f"expected an object, got {_called(value)}")
    return value


def maybe_members(value: object, at: str) -> dict[str, Any] | None:
    """Return an object or None."""
    return None if value is None else members(value, at)


def items(value: object, at: str) -> Iterator[tuple[Any, str]]:
    """Yield each item of a list with its place; nothing for null."""
    if value is None:
        return
    if not isinstance(value, list):
        raise bad(at, f"expected a list, got {_called(value)}")
    for i, item in enumerate(value):
        yield item, f"{at}/{i}"


def objects(value: object, at: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each object of a list with its place; nothing for null."""
    for item, place in items(value, at):
        yield members(item, place), place


def words(value: object, at: str) -> tuple[str, ...]:
    """Return strings: a list of them, or one alone."""
    if isinstance(value, str):
        return (value,)
    return tuple(text(item, place) for item, place in items(value, at))


def only(found: Iterable[str], known: Iterable[str], at: str, values: dict[str, Any]) -> None:
    """Refuse members that have no place in what is translated; null ones ask for nothing."""
    for name in sorted(set(found) - set(known)):
        if values[name] is not None:
            raise unsupported(below(at, name), "has no place in the shape of this provider")
