"""How chat completions go to the providers that speak them themselves."""

from __future__ import annotations

from lbd.shapes.chat import passing
from lbd.shapes.chat.fold import ChatFold
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.wire import Wire

CHAT = Wire(
    path="/chat/completions",
    carries=passing.CAPABILITIES,
    encode=passing.encode,
    facts=passing.facts,
    watch=ChatWatch,
    fold=lambda _watch: ChatFold(),
)
