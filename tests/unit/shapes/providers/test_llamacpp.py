"""llama.cpp's HTTP server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Load
from lbd.shapes.providers.llamacpp import SHAPE, read_slots

read_load = SHAPE.read_load

METRICS = b"""# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 1234
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2
# HELP llamacpp:requests_deferred Number of requests deferred.
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 6
# TYPE llamacpp:n_busy_slots_per_decode counter
llamacpp:n_busy_slots_per_decode 1.7
"""


def test_the_queue_is_read() -> None:
    """Eight requests on two slots, as observed: it never says 429, so this is the only sign of pressure."""
    assert read_load(METRICS) == Load(2, 6)


@pytest.mark.parametrize(
    ("body", "load"),
    [
        (b"llamacpp:requests_processing 1", Load(1, 0)),
        (b"llamacpp:requests_deferred 1", None),
        (b"llamacpp:requests_processing NaN", None),
        (b"llamacpp:requests_processing +Inf", None),
        (b'{"error":{"code":501,"message":"This server does not support metrics endpoint."}}', None),
        (b"", None),
    ],
)
def test_metrics_that_are_off_or_odd_say_nothing(body: bytes, load: Load | None) -> None:
    """They need a switch, and nothing is concluded without."""
    assert read_load(body) == load


@pytest.mark.parametrize(
    ("body", "slots"),
    [
        (b'{"default_generation_settings":{"n_ctx":4096},"total_slots":4,"model_path":"x"}', 4),
        (b'{"total_slots":null}', None),
        (b"{}", None),
        (b'{"total_slots":"4"}', None),
        (b"[]", None),
        (b"", None),
        (b'{"x":"\xff","total_slots":"\xff"}', None),
        (b'{"x":' + b"[" * 100_000, None),
    ],
)
def test_the_slots_are_read_or_none(body: bytes, slots: int | None) -> None:
    """How many requests it decodes at once bounds what is sent there."""
    assert read_slots(body) == slots


@given(st.binary(max_size=60) | st.text("llamacpp:requests_processing 19.eN\n", max_size=60).map(str.encode))
def test_junk_raises_nothing(body: bytes) -> None:
    """Somebody else's server may answer at that address."""
    read_load(body)
    read_slots(body)


def test_what_is_peculiar_to_it_is_declared() -> None:
    """As observed: abandoned unary work runs on, a stream's connection is closed after it, any model is answered."""
    assert SHAPE.unary_via_stream
    assert not SHAPE.pool_after_stream
    assert SHAPE.keepalive_s < 5
    assert not SHAPE.lists_models
    assert SHAPE.self_hosted
    assert SHAPE.limits({"x-ratelimit-remaining-requests": "0"}, 0.0) == ()
