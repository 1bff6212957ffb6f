"""SGLang's OpenAI-compatible server.

``/health`` generates a token, so the model list is asked for liveness; gauges are there with ``--enable-metrics``;
past ``--max-queued-requests`` it answers 503 (SGLang documentation, "Production Metrics").
"""

from __future__ import annotations

from lbd.shapes.family import gauges, local
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig


class SGLang(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="sglang"):
    """An SGLang server."""


SHAPE = PROVIDERS.add("sglang")(
    local(
        "sglang",
        SGLang,
        frozenset({"files"}),  # a part of a message is text, an image, a sound or a film
        probes=FreeProbes(liveness="models", models="models", load="/metrics"),
        read_load=gauges("sglang:num_running_reqs", "sglang:num_queue_reqs"),
    )
)
