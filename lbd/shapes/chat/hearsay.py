"""Errors that repeat a client's own words are no evidence against a deployment.

A provider that refuses a value says which: ``Invalid value: 'exceeded your current quota'``. By words like these it is
known that a key is out of money, or that a model is not served, and then nobody is sent there any more until a person
acts. So what locks out must not be what a client can make a provider say. Where it may be, the failure is taken for
one of this request: the next deployment is tried, and nothing is held against this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from lbd.model.failure import LOCK_OUTS, Failure, FailureKind
from lbd.shapes import loose
from lbd.shapes.chat.errors import BY_CODE, BY_WORDS, NO_PATH

# Of an answer about the request itself: of others (401, 402, ...) the status says enough.
_ABOUT_REQUESTS = frozenset({200, 400, 404, 409, 413, 422})
_BY_MODEL = ("model", NO_PATH.pattern)  # what a 404 is about
_LARGE = 1024 * 1024  # bytes; a larger body is not read once more, and its words may be anywhere in it


def believed(failure: Failure, asked: bytes) -> Failure:
    """Return the failure as far as it can be believed. ``asked``: the body of the client's request."""
    if failure.kind not in LOCK_OUTS or failure.status not in _ABOUT_REQUESTS:
        return failure
    if BY_CODE.get((failure.code or "").lower()) is failure.kind:
        return failure
    said = set(_said(failure))
    if not said:
        return failure
    words = _words(asked)
    return replace(failure, kind=FailureKind.UNSUPPORTED) if all(s in words for s in said) else failure


def _said(failure: Failure) -> Iterator[str]:
    """Yield the words by which it is held to be of its kind."""
    patterns = [pattern for pattern, kind in BY_WORDS if kind is failure.kind]
    if failure.kind is FailureKind.NO_MODEL:
        patterns += _BY_MODEL
    for pattern in patterns:
        yield from (found.group().lower() for found in re.finditer(pattern, failure.message, re.IGNORECASE))


def _words(asked: bytes) -> str:
    """Return all texts of a request in lower case, but for the name of its model."""
    if len(asked) <= _LARGE:
        try:
            value = loose.loads(asked)
        except loose.UNREADABLE:  # a form
            pass
        else:
            named = {k: v for k, v in value.items() if k != "model"} if isinstance(value, dict) else value
            return "\n".join(_texts(named)).lower()
    return asked.decode("utf-8", "replace").lower()


def _texts(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            stack += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            stack += value
