"""OpenAI's own API."""

from __future__ import annotations

from lbd.model.outcome import QuotaReading
from lbd.shapes.providers.openai import SHAPE


def test_it_is_probed_without_cost() -> None:
    """The model list is free, and tells of a wrong key."""
    assert SHAPE.probes.models == "models"
    assert SHAPE.probes.liveness == "models"
    assert SHAPE.lists_models


def test_it_tells_nothing_of_its_load() -> None:
    """A hosted provider has no queue to look at."""
    assert SHAPE.probes.load is None
    assert SHAPE.read_load(b"x 1") is None
    assert SHAPE.read_slots(b'{"total_slots":1}') is None
    assert not SHAPE.self_hosted


def test_its_limits_are_read_from_every_answer() -> None:
    """Steering away before the first 429 needs them."""
    headers = {"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}
    assert SHAPE.limits(headers, 0.0) == (QuotaReading("tokens", None, 5, 360.0),)


def test_unary_requests_stay_unary() -> None:
    """It stops work that was abandoned."""
    assert not SHAPE.unary_via_stream
    assert SHAPE.pool_after_stream
