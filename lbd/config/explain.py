"""What msgspec's message about a wrong value means: which part is wrong, and why, in the words of this project.

msgspec names the place up to the keys of maps, and the kinds by JSON's names. The keys are found by trying the
entries one by one; the words that would have been right are read off the types.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields

from lbd.config.hint import unknown
from lbd.config.schema import MOVED
from lbd.config.tree import Path_

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_PART = re.compile(r"\.([A-Za-z0-9_$-]+)|\[(\d+)\]|\[\.\.\.\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`\Z", re.DOTALL)
_KIND = re.compile(r"`([^`]*)`")
_KINDS = {
    "object": "a map", "array": "a list", "str": "text", "int": "a whole number", "float": "a number",
    "bool": "true or false", "null": "nothing",
}  # fmt: skip
_UNIT = re.compile(r"([0-9.]*[0-9][0-9.]*) *[A-Za-z%]+\Z")


class Fault(NamedTuple):
    """What is wrong with a value: at which part of it, and why. ``missing``: the part that should be there."""

    path: Path_
    reason: str
    missing: Path_ | None = None


def fault(value: Any, kind: Any, error: str) -> Fault:
    """Return what ``error``, msgspec's message about ``value`` not being a ``kind``, means."""
    at = _AT.search(error)
    reason = error if at is None else error[: at.start()]
    path = () if at is None else _path(value, kind, error, at["path"])
    if found := _UNKNOWN.match(reason):
        return Fault((*path, found[1]), _unknown_key(kind, path, found[1]))
    if found := _MISSING.match(reason):
        strange = next((key for key in part(value, path) if key not in _keys(kind, path)), None)
        if strange is not None:  # told first: it may be the one that is missing
            return Fault((*path, strange), _unknown_key(kind, path, strange))
        return Fault(path, f"`{found[1]}` is missing", (*path, found[1]))
    return Fault(path, _wrong(list(_types_at(kind, path)), part(value, path), reason))


def part(value: Any, path: Path_) -> Any:
    """Return the part of a value at a path, None where there is none."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        else:
            value = value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None
    return value


def without(value: Any, path: Path_) -> Any:
    """Return the value without the entry at a path, which must end in a key of a map."""
    entries = part(value, path[:-1])
    return _with(value, path[:-1], {key: entry for key, entry in entries.items() if key != path[-1]})


def _with(value: Any, path: Path_, new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


def _path(value: Any, kind: Any, error: str, text: str) -> Path_:
    path: Path_ = ()
    for step in _PART.finditer(text):
        if step[1] is not None:
            path = (*path, step[1])
        elif step[2] is not None:
            path = (*path, int(step[2]))
        else:
            path = (*path, _wrong_entry(value, kind, error, path))
    return path


def _wrong_entry(value: Any, kind: Any, error: str, path: Path_) -> str:
    """Return the key of the entry that brings ``error`` by itself."""
    for key, entry in part(value, path).items():
        try:
            msgspec.convert(_with(value, path, {key: entry}), kind, strict=True)
        except msgspec.ValidationError as e:
            if str(e) == error:
                return str(key)
    return ""


def _unknown_key(kind: Any, path: Path_, key: str) -> str:
    struct = _struct(kind, path)
    if struct is not None and (now := MOVED.get(struct.__name__, {}).get(key)) is not None:
        return f"unknown key: it is {now} now"
    return f"unknown key{unknown(key, _keys(kind, path))}"


def _wrong(types: list[Any], value: object, reason: str) -> str:
    if reason.startswith("Invalid enum value"):
        return f"{value!r} is not known{unknown(str(value), [word for t in types for word in _words(t)])}"
    if "matching regex" in reason:
        meaning = next((text for t in types for text in _descriptions(t)), None)
        return f"{value!r} must be made of {meaning}" if meaning else reason
    reason = _KIND.sub(lambda kinds: _in_words(kinds[1].split(" | ")), reason)
    if "number" in reason and isinstance(value, str) and (unit := _UNIT.match(value)):
        reason += f": the unit is in the key's name, write {unit[1]}"
    return reason[0].lower() + reason[1:]


def _in_words(kinds: list[str]) -> str:
    if len(kinds) > 1:
        kinds = [k for k in kinds if k != "null"]  # may be left out: no answer to what should stand there
    return " or ".join(_KINDS.get(k, k) for k in kinds)


# --- what the types say ----------------------------------------------------------------------------------


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _struct(kind: Any, path: Path_) -> type[msgspec.Struct] | None:
    return next((one for t in _types_at(kind, path) for one in _plain(t) if _is_struct(one)), None)


def _keys(kind: Any, path: Path_) -> list[str]:
    """Return the keys that the map at ``path`` may have."""
    struct = _struct(kind, path)
    if struct is None:
        return []
    tag = struct.__struct_config__.tag_field
    return [field.encode_name for field in fields(struct)] + ([] if tag is None else [tag])


def _plain(kind: Any) -> Iterator[Any]:
    """Yield the alternatives that a type is made of, without their annotations."""
    if get_origin(kind) is Annotated:
        yield from _plain(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for arg in get_args(kind):
            yield from _plain(arg)
    else:
        yield kind


def _types_at(kind: Any, path: Path_) -> Iterator[Any]:
    """Yield the types that a part of a value of type ``kind`` may have."""
    if not path:
        yield kind
        return
    for one in _plain(kind):
        if _is_struct(one):
            for field in fields(one):
                if field.encode_name == path[0]:
                    yield from _types_at(field.type, path[1:])
        elif get_origin(one) in (list, dict):
            yield from _types_at(get_args(one)[-1], path[1:])


def _words(kind: Any) -> Iterator[str]:
    """Yield the words that a type allows."""
    for one in _plain(kind):
        if get_origin(one) is Literal:
            yield from map(str, get_args(one))
        elif isinstance(one, type) and issubclass(one, enum.Enum):
            yield from (str(member.value) for member in one)


def _descriptions(kind: Any) -> Iterator[str]:
    """Yield what the annotations of a type say of its values."""
    for arg in get_args(kind):
        if isinstance(arg, msgspec.Meta) and arg.description:
            yield arg.description
        yield from _descriptions(arg)
