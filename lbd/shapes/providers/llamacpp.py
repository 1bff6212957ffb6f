"""llama.cpp's HTTP server.

As observed (build b11549): headers come with the first token; ``/health`` says nothing of load or
credential; a unary request runs on after its client has gone, a stream stops at once; the connection is
closed after a stream although ``Keep-Alive: timeout=5`` is announced; any model name is answered.
"""

from __future__ import annotations

import dataclasses

import msgspec

from lbd.shapes.family import gauges, local
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.messages.count import COUNT
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig


class LlamaCpp(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="llamacpp"):
    """A llama.cpp server."""


class _Props(msgspec.Struct):
    total_slots: int | None = None


def read_slots(body: bytes) -> int | None:
    """Read how many requests it decodes at once from ``/props``."""
    try:
        return msgspec.json.decode(body, type=_Props).total_slots
    except UNREADABLE:
        return None


_SHAPE = local("llamacpp", LlamaCpp)
SHAPE = PROVIDERS.add("llamacpp")(
    dataclasses.replace(
        _SHAPE,
        speaks={**_SHAPE.speaks, "anthropic.count_tokens": COUNT},
        probes=FreeProbes(liveness="/health", models="models", load="/metrics", slots="/props"),
        read_load=gauges("llamacpp:requests_processing", "llamacpp:requests_deferred"),
        read_slots=read_slots,
        lists_models=False,
        unary_via_stream=True,
        pool_after_stream=False,
        keepalive_s=4.0,
    )
)
