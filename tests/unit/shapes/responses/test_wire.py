"""The wire to providers that speak the Responses API themselves."""

from __future__ import annotations

from lbd.shapes.responses.wire import RESPONSES
from tests.unit.shapes.responses.answers import NATIVE
from tests.unit.shapes.streams import run


def test_it_is_native_and_folds_what_it_watches() -> None:
    """A stream through it is the unary answer."""
    assert (RESPONSES.path, RESPONSES.native, RESPONSES.stream_path) == ("/responses", True, None)
    assert {"tools", "server_tools", "reasoning", "files", "images", "json_schema"} <= RESPONSES.carries
    assert RESPONSES.watch is not None and RESPONSES.fold is not None
    watch = RESPONSES.watch(1, False)
    fold = RESPONSES.fold(watch)
    fold.feed(run(watch, [NATIVE])[0])
    facts = RESPONSES.facts(fold.result(), 0.0)
    assert (facts.failure, facts.usage) == (None, watch.usage)
