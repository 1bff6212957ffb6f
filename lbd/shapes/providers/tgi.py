"""Hugging Face's Text Generation Inference, its Messages API.

It serves one model, whatever name is asked for; past ``max_concurrent_requests`` it answers 429 "Model is overloaded",
which is its queue and no quota (TGI reference, "Metrics"; issue 439).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import WallTime
from lbd.shapes.chat import errors
from lbd.shapes.family import gauges, local
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig


class Tgi(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="tgi"):
    """A Text Generation Inference server."""


def classify(status: int, headers: Mapping[str, str], body: bytes, wall: WallTime) -> Failure:
    """Return the Failure that an error is; its 429 says that the server is full."""
    failure = errors.classify(status, headers, body, wall)
    return replace(failure, kind=FailureKind.OVERLOADED) if failure.kind is FailureKind.RATE else failure


_SHAPE = local(
    "tgi",
    Tgi,
    classify=classify,
    probes=FreeProbes(liveness="/health", load="/metrics"),
    read_load=gauges("tgi_batch_current_size", "tgi_queue_size"),
    lists_models=False,
)
# it embeds nothing, and completes text on a path of its own
SHAPE = PROVIDERS.add("tgi")(dataclasses.replace(_SHAPE, speaks={"openai.chat": _SHAPE.speaks["openai.chat"]}))
