"""Ollama."""

from __future__ import annotations

from lbd.shapes.providers.ollama import SHAPE


def test_it_answers_for_its_life_while_models_load() -> None:
    """The version page needs none."""
    assert SHAPE.probes.liveness == "/api/version"
    assert SHAPE.self_hosted
