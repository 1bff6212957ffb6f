"""Google's models on Vertex AI."""

from __future__ import annotations

from lbd.shapes.gemini.voice import DIALECT
from lbd.shapes.providers.vertex import SHAPE


def test_it_is_asked_as_the_gemini_api_is() -> None:
    """Only what stands before the path differs, and who is asking."""
    assert SHAPE.dialect is DIALECT
    assert SHAPE.headers("ya29.x") == (("authorization", "Bearer ya29.x"),)
    assert SHAPE.headers(None) == ()


def test_no_list_says_what_a_project_may_ask_for() -> None:
    """Any answer is life; nothing is concluded from what it says."""
    assert SHAPE.probes.liveness == "models"
    assert SHAPE.probes.models is None
    assert SHAPE.read_models(b'{"models":[]}') is None
    assert not SHAPE.lists_models
    assert SHAPE.limits({}, 0.0) == ()
