"""How text completions are served: by who has them, or as a chat."""

from __future__ import annotations

from lbd.shapes.chat import passing
from lbd.shapes.chat.speak import usage_fields
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.completions import speak
from lbd.shapes.completions.fold import CompletionsFold
from lbd.shapes.completions.read import read
from lbd.shapes.dialect import Voice
from lbd.shapes.wire import Wire

VOICE = Voice("openai", read, speak.CompletionsSpeaker, speak.whole, usage_fields)
COMPLETIONS = Wire(
    path="/completions",
    carries=passing.CAPABILITIES,
    encode=passing.encode,
    facts=passing.facts,
    watch=ChatWatch,
    fold=lambda _watch: CompletionsFold(),
)
