"""SGLang."""

from __future__ import annotations

from lbd.model.outcome import Load
from lbd.shapes.providers.sglang import SHAPE


def test_nothing_that_generates_a_token_is_asked_for_liveness() -> None:
    """Its health page does."""
    assert SHAPE.probes.liveness == "models"
    assert SHAPE.read_load(b"sglang:num_running_reqs 3\nsglang:num_queue_reqs 2\n") == Load(3, 2)


def test_it_reads_no_documents() -> None:
    """It refuses a part of a type that it does not know."""
    assert "files" not in SHAPE.speaks["openai.chat"].carries and "images" in SHAPE.speaks["openai.chat"].carries
