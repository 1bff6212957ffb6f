"""Hugging Face's Text Generation Inference, its Messages API.

It serves one model, whatever name is asked for; past ``max_concurrent_requests`` it answers 429 "Model is overloaded",
which is its queue and no quota (TGI reference, "Metrics"; issue 439).

Of a request it does not hear ``n``, ``logit_bias``, ``top_k``, how much to think and whether calls come one at a time;
of parts it knows text and images; it wants its stop sequences in a list, and parameters of every tool (its
specification, as ``huggingface_hub`` has it).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import WallTime
from lbd.shapes.chat import errors
from lbd.shapes.family import adapted, at_once, gauges, local, parametered, renamed
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig


class Tgi(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="tgi"):
    """A Text Generation Inference server."""


def classify(status: int, headers: Mapping[str, str], body: bytes, wall: WallTime) -> Failure:
    """Return the Failure that an error is; its 429 says that the server is full."""
    failure = errors.classify(status, headers, body, wall)
    return replace(failure, kind=FailureKind.OVERLOADED) if failure.kind is FailureKind.RATE else failure


_NAMES = {"max_completion_tokens": "max_tokens"}
_members = renamed(_NAMES, ("logit_bias",))  # an empty one: it knows a list of that name


def adapt(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request as it takes one. Raises LbdError for a wish that it would not hear."""
    at_once(asked)
    out = parametered(_members(asked))
    return {**out, "stop": [out["stop"]]} if isinstance(out.get("stop"), str) else out


_LOCAL = local(
    "tgi",
    Tgi,
    frozenset({"n", "logit_bias", "top_k", "reasoning", "server_tools", "audio", "files"}),
    classify=classify,
    probes=FreeProbes(liveness="/health", load="/metrics"),
    read_load=gauges("tgi_batch_current_size", "tgi_queue_size"),
    lists_models=False,
)
_SHAPE = adapted(_LOCAL, (*_NAMES, "logit_bias", "stop", "tools"), adapt, frozenset({"parallel_tools"}))
# it embeds nothing, and completes text on a path of its own
SHAPE = PROVIDERS.add("tgi")(dataclasses.replace(_SHAPE, speaks={"openai.chat": _SHAPE.speaks["openai.chat"]}))
