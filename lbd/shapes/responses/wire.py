"""How Responses API requests go to the providers that speak it themselves."""

from __future__ import annotations

from lbd.shapes.providers import Wire
from lbd.shapes.responses import passing
from lbd.shapes.responses.fold import ResponsesFold
from lbd.shapes.responses.stream import ResponsesWatch

RESPONSES = Wire(
    path="/responses",
    carries=passing.CAPABILITIES,
    encode=passing.encode,
    facts=passing.facts,
    watch=ResponsesWatch,
    fold=lambda _watch: ResponsesFold(),
)
