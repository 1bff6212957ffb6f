"""How Responses API requests go to the providers that speak it themselves."""

from __future__ import annotations

from lbd.shapes.responses import passing
from lbd.shapes.responses.fold import ResponsesFold
from lbd.shapes.responses.stream import ResponsesWatch
from lbd.shapes.wire import Wire

RESPONSES = Wire(
    path="/responses",
    carries=passing.CAPABILITIES,
    encode=passing.encode,
    facts=passing.facts,
    watch=ResponsesWatch,
    fold=lambda _watch: ResponsesFold(),
)
