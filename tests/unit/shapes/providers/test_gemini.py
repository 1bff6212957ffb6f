"""The Gemini API."""

from __future__ import annotations

import json

from lbd import plugins
from lbd.model.failure import FailureKind
from lbd.shapes.bridge import wires
from lbd.shapes.providers.gemini import SHAPE
from tests.unit.shapes.gemini.answers import PAIRS

MODEL = "gemini-3-flash-preview"


def test_the_key_goes_into_googles_own_header() -> None:
    """Not into the URL, which ends up in logs."""
    assert SHAPE.headers("k") == (("x-goog-api-key", "k"),)
    assert SHAPE.headers(None) == ()


def test_the_model_list_is_the_probe() -> None:
    """It is free, names the models, and refuses a wrong key."""
    assert SHAPE.probes.liveness == "models"
    assert SHAPE.probes.models == "models?pageSize=1000"
    assert SHAPE.read_models(b'{"models":[{"name":"models/gemini-2.5-pro"}]}') == {"gemini-2.5-pro"}
    body = json.dumps({"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}})
    assert SHAPE.classify(400, {}, body.encode(), 0.0).kind is FailureKind.AUTH


def test_it_tells_no_limits() -> None:
    """Whatever stands in its headers."""
    assert SHAPE.limits({"x-ratelimit-remaining-requests": "1"}, 0.0) == ()


def test_clients_of_every_shape_are_translated() -> None:
    """A chat completion comes out of a stream of Google's, and out of a whole answer."""
    plugins.load()
    found = wires(SHAPE, MODEL)
    assert {"openai.chat", "anthropic.messages"} <= found.keys()
    wire = found["openai.chat"]
    assert not wire.native
    stream, unary = PAIRS["calls"]
    assert wire.watch is not None
    watch = wire.watch(1, False, wants_usage=True)
    out = watch.feed(stream)
    more, failure = watch.end()
    assert failure is None
    assert (out + more).endswith(b"data: [DONE]\n\n")
    answer = wire.facts(unary, 0.0).answer
    assert answer is not None
    choice = json.loads(answer)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert [c["function"]["name"] for c in choice["message"]["tool_calls"]] == ["weather", "weather"]
