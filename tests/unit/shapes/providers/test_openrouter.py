"""OpenRouter."""

from __future__ import annotations

from lbd.model.failure import FailureKind
from lbd.shapes.providers.openrouter import SHAPE


def test_it_is_of_the_family() -> None:
    """Its own ways are handled where the family's are: errors in a 200, comments, 402."""
    assert (
        SHAPE.classify(402, {}, b'{"error":{"code":402,"message":"Insufficient credits"}}', 0.0).kind
        is FailureKind.MONEY
    )
    assert SHAPE.stream_usage
