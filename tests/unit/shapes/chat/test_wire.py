"""How chat completions go to the providers that speak them."""

from __future__ import annotations

import json

from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.chat.wire import CHAT
from tests.unit.shapes.streams import OPENAI


def test_a_stream_passes_and_can_be_folded() -> None:
    """Natively: bytes go on as they came."""
    assert CHAT.native and CHAT.watch is ChatWatch and CHAT.fold is not None
    watch = CHAT.watch(1, False)
    fold = CHAT.fold(watch)
    out = watch.feed(OPENAI)
    fold.feed(out)
    assert out == OPENAI
    assert json.loads(fold.result())["choices"][0]["message"]["content"] == "Hello wörld 🌍"
