"""vLLM's OpenAI-compatible server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Load
from lbd.shapes.providers.vllm import SHAPE

read_load = SHAPE.read_load

METRICS = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-8B"} 3.0
vllm:num_requests_running{engine="1",model_name="Qwen/Qwen3-8B"} 5.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-8B"} 0.0
vllm:num_requests_waiting{engine="1",model_name="Qwen/Qwen3-8B"} 2.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="Qwen/Qwen3-8B"} 0.31
"""


def test_the_queues_of_all_engines_are_added() -> None:
    """One address may stand before several engines."""
    assert read_load(METRICS) == Load(8, 2)


@pytest.mark.parametrize(
    ("body", "load"),
    [
        (b"vllm:num_requests_running 1", Load(1, 0)),
        (b"vllm:num_requests_waiting 1", None),
        (b"vllm:num_requests_running NaN", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_metrics_that_are_odd_say_nothing(body: bytes, load: Load | None) -> None:
    """Nothing is concluded from what is not there."""
    assert read_load(body) == load


@given(st.binary(max_size=60) | st.text("vllm:num_requests_running 19.eN\n{}", max_size=60).map(str.encode))
def test_junk_raises_nothing(body: bytes) -> None:
    """Somebody else's server may answer at that address."""
    read_load(body)


def test_its_own_health_page_is_its_liveness() -> None:
    """It is 503 when the engine is dead, while the model list is static."""
    assert SHAPE.probes.liveness == "/health"
    assert SHAPE.probes.load == "/metrics"
    assert SHAPE.self_hosted
    assert not SHAPE.unary_via_stream


def test_it_reads_no_documents() -> None:
    """It refuses a part of a type that it does not know."""
    assert "files" not in SHAPE.speaks["openai.chat"].carries and "images" in SHAPE.speaks["openai.chat"].carries
