"""Counting tokens at a provider that speaks Anthropic's API."""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import WallTime
from lbd.shapes.chat.errors import in_band
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.messages import passing
from lbd.shapes.wire import Facts, Wire


class _Counted(msgspec.Struct):
    input_tokens: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Counted).decode


def facts(body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read the count. It costs nothing, so there is no usage."""
    try:
        counted = _decode(body)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer is no count: {e}", status=200))
    if counted.error:
        return Facts(failure=in_band(counted.error))
    if not isinstance(counted.input_tokens, int):
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer holds no count", status=200))
    return Facts()


COUNT = Wire(path="/messages/count_tokens", carries=passing.CAPABILITIES, encode=passing.encode, facts=facts)
