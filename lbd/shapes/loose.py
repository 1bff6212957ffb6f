r"""A second look at JSON that the strict decoders refuse although clients can do with it.

Half a character (``"\ud83d"`` alone: servers that cut text by UTF-16 units send the other half in the next delta),
NaN and Infinity (in log-probabilities), numbers out of range. It is several times slower, so it comes second, and it is
for reading only: what goes on to a client are the provider's own bytes. Bytes that are no UTF-8 are read, too, for they
may stand in an error; an answer with such is none (``utf8``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import orjson

T = TypeVar("T")
BOM = b"\xef\xbb\xbf"
# What reading a foreign body as JSON may raise: no JSON or another shape, no UTF-8, nested without end.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_LONGEST_INT = 20  # characters of the longest integer of 64 bits; Python refuses to read some thousand digits


def utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8, as JSON is (RFC 8259, 8.1): the official SDKs fail at what is not."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def loads(data: bytes) -> Any:
    """Return JSON as far as it can be read; halves of characters stay halves, NaN and Infinity become None.

    Raises ValueError or RecursionError.
    """
    data = data.removeprefix(BOM)
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    return json.loads(text, parse_int=_number, parse_constant=_nothing)


def sound(value: Any) -> Any:
    """Return the value with halves of characters that stand side by side made whole, others replaced."""
    text = json.dumps(value, ensure_ascii=False)
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return json.loads(whole, parse_int=_number, parse_constant=_nothing)


def read(data: bytes, kind: type[T]) -> T:
    """Return JSON as a ``kind``, with nothing in it that could not be written again.

    Raises ValueError, RecursionError or what msgspec does.
    """
    return msgspec.convert(sound(loads(data)), kind)


def value(data: bytes) -> Any:
    """Return JSON, strictly read where that can be. Raises ValueError or RecursionError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return sound(loads(data))


def exact(data: bytes | str) -> Any:
    """Return JSON, strictly read, integers of more than 64 bits as they are: orjson makes floats of them.

    Amounts of money and ids stand so in the arguments of tools. Raises ValueError.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError) as e:
        raise ValueError(str(e)) from None


def precise(data: bytes) -> Any:
    """Return JSON as ``value`` does, integers as ``exact`` does where it can be read so."""
    try:
        return exact(data)
    except ValueError:
        return value(data)


def written(value: object) -> bytes:
    """Return a value as JSON, integers of any length in it. Raises TypeError for what cannot be written."""
    try:
        return orjson.dumps(value)
    except TypeError:
        try:
            out = msgspec.json.encode(value)
            orjson.dumps(orjson.loads(out))  # no deeper than else
        except (ValueError, RecursionError, msgspec.MsgspecError) as e:
            raise TypeError(str(e)) from None
        return out


def reader(kind: type[T]) -> Callable[[bytes], T]:
    """Return what reads JSON as a ``kind``, strictly where that can be. It raises what ``UNREADABLE`` names."""
    strict = msgspec.json.Decoder(kind).decode

    def read_(data: bytes) -> T:
        try:
            return strict(data)
        except UNREADABLE:
            return read(data, kind)

    return read_


def string(told: object) -> str:
    """Return a text, an empty one where it is none."""
    return told if isinstance(told, str) else ""


def members(told: object) -> dict[str, Any]:
    """Return an object, an empty one where it is none."""
    return told if isinstance(told, dict) else {}


def items(told: object) -> list[Any]:
    """Return a list, an empty one where it is none."""
    return told if isinstance(told, list) else []


def _number(digits: str) -> int | float:
    """Return the integer that encoders can write again (64 bits), else the float that comes nearest."""
    if len(digits) <= _LONGEST_INT and -(1 << 63) <= (whole := int(digits)) < 1 << 64:
        return whole
    return float(digits)


def _nothing(_name: str) -> None:
    return None
