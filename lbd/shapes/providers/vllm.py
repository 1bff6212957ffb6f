"""vLLM's OpenAI-compatible server.

``/health`` is an empty 200, and 503 when the engine is dead; ``/v1/models`` is static; the queue is in
``/metrics`` (vLLM documentation, "Production Metrics").
"""

from __future__ import annotations

from lbd.model.outcome import Load
from lbd.shapes import promtext
from lbd.shapes.chat import passing
from lbd.shapes.chat.errors import classify
from lbd.shapes.chat.voice import DIALECT
from lbd.shapes.chat.wire import CHAT
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape

RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"


class Vllm(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="vllm"):
    """A vLLM server."""


def read_load(body: bytes) -> Load | None:
    """Read the queue gauges of ``/metrics``, summed over engines."""
    found = promtext.sums(body, (RUNNING, WAITING))
    if RUNNING not in found:
        return None
    return Load(int(found[RUNNING]), int(found.get(WAITING, 0)))


SHAPE = PROVIDERS.add("vllm")(
    Shape(
        name="vllm",
        config=Vllm,
        speaks={"openai.chat": CHAT},
        headers=passing.bearer,
        classify=classify,
        limits=lambda _headers, _wall: (),
        probes=FreeProbes(liveness="/health", models="models", load="/metrics"),
        read_models=passing.read_models,
        dialect=DIALECT,
        read_load=read_load,
        self_hosted=True,
    )
)
