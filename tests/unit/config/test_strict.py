"""Every map of a configuration is strict."""

from __future__ import annotations

import msgspec
import pytest

from lbd.config.strict import Strict


class Thing(Strict, frozen=True):
    one: int = 1


def test_an_unknown_key_is_an_error() -> None:
    """A slip of the pen must not be a setting that does nothing."""
    assert msgspec.convert({"one": 2}, Thing) == Thing(one=2)
    with pytest.raises(msgspec.ValidationError, match="unknown field `two`"):
        msgspec.convert({"two": 2}, Thing)


def test_what_was_read_does_not_change() -> None:
    """A reload makes a new one."""
    with pytest.raises(AttributeError):
        Thing().one = 3  # type: ignore[misc]
