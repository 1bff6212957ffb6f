"""vLLM's OpenAI-compatible server.

``/health`` is an empty 200, and 503 when the engine is dead; ``/v1/models`` is static; the queue is in
``/metrics`` (vLLM documentation, "Production Metrics").
"""

from __future__ import annotations

from lbd.shapes.family import gauges, local
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig


class Vllm(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="vllm"):
    """A vLLM server."""


SHAPE = PROVIDERS.add("vllm")(
    local(
        "vllm",
        Vllm,
        frozenset({"files"}),  # a part of a message is text, an image, a sound or a film
        probes=FreeProbes(liveness="/health", models="models", load="/metrics"),
        read_load=gauges("vllm:num_requests_running", "vllm:num_requests_waiting"),
    )
)
