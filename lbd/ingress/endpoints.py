"""Who stands behind a model, in OpenRouter's words: ``GET /api/v1/models/<name>/endpoints``.

Prices are decimal texts in USD per token, latencies milliseconds to the first token, throughputs tokens per second
that so many percent of the answers reached, uptimes percent. What lbd does not know is null. Where OpenRouter's own
clients read no null, it is 0 for a context and -1 for a price, as OpenRouter writes what its router cannot tell before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from lbd.model.provider import Price
from lbd.model.table import AdminState, HealthState
from lbd.table.offered import POINTS, Offer

BEFORE, BEHIND = "/api/v1/models/", "/endpoints"
# OpenRouter's statuses are 0 and numbers below it, the worse the lower; what each means it does not say.
_STATUS = {
    HealthState.UP: 0,
    HealthState.UNKNOWN: 0,
    HealthState.DEGRADED: -1,
    HealthState.RECOVERING: -2,
    HealthState.SUSPECT: -3,
    HealthState.DOWN: -5,
    HealthState.LOCKED: -10,
}
_ALWAYS = ("max_tokens", "stop")
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "json_object": ("response_format",),
    "json_schema": ("response_format", "structured_outputs"),
    "logit_bias": ("logit_bias",),
    "logprobs": ("logprobs", "top_logprobs"),
    "parallel_tools": ("parallel_tool_calls",),
    "penalties": ("frequency_penalty", "presence_penalty"),
    "reasoning": ("include_reasoning", "reasoning"),
    "sampling": ("temperature", "top_p"),
    "seed": ("seed",),
    "tools": ("tool_choice", "tools"),
    "top_k": ("top_k",),
}
_TOOL_CHOICES = ("auto", "function", "none", "required")
_UNKNOWN = "-1"  # a price
_INPUTS = {"images": "image", "files": "file", "audio": "audio"}


def named(path: str) -> str | None:
    """Return the model whose endpoints a path asks for, None for another path. Names may hold slashes."""
    if not path.startswith(BEFORE) or not path.endswith(BEHIND):
        return None
    return unquote(path[len(BEFORE) : -len(BEHIND)]) or None


def document(name: str, offers: Sequence[Offer], born: int) -> dict[str, Any]:
    """Return the document of a model."""
    inputs = ["text", *(word for sign, word in _INPUTS.items() if any(sign in o.carries for o in offers))]
    outputs = ["embeddings"] if offers and all("embeddings" in o.serves for o in offers) else ["text"]
    return {
        "data": {
            "id": name,
            "name": name,
            "created": born,
            "description": "",
            "architecture": {
                "tokenizer": None,
                "instruct_type": None,
                "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
                "input_modalities": inputs,
                "output_modalities": outputs,
            },
            "endpoints": [_endpoint(name, offer) for offer in offers],
        }
    }


def _endpoint(name: str, offer: Offer) -> dict[str, Any]:
    conversation = not offer.serves.isdisjoint(("chat", "responses"))
    parameters = {p for word in offer.carries for p in _PARAMETERS.get(word, ())} | set(_ALWAYS)
    return {
        "name": f"{offer.provider} | {name}",
        "model_id": name,
        "model_name": name,
        "context_length": offer.context_tokens or 0,
        "pricing": _pricing(offer.price),
        "provider_name": offer.provider,
        "tag": offer.deployment,
        "quantization": None,
        "max_completion_tokens": None,
        "max_prompt_tokens": offer.context_tokens,
        "supported_parameters": sorted(parameters) if conversation else [],
        "status": _STATUS[offer.state] if offer.admin is AdminState.READY else -10,
        "uptime_last_5m": _percent(offer.uptime_5m),
        "uptime_last_30m": _percent(offer.uptime_30m),
        "uptime_last_1d": _percent(offer.uptime_1d),
        "native_tools": {},
        "service_tier": None,
        "supports_diarization": False,
        "supports_tool_choice": dict.fromkeys(_TOOL_CHOICES, conversation and "tools" in offer.carries),
        "supports_implicit_caching": offer.price is not None and offer.price.cached_input_usd_per_mtok is not None,
        "latency_last_30m": _percentiles(offer.ttft_s and [s * 1000 for s in offer.ttft_s]),
        "throughput_last_30m": _percentiles(offer.tpot_s and [1 / s for s in offer.tpot_s if s > 0]),
    }


def _pricing(price: Price | None) -> dict[str, str]:
    if price is None:
        return {"prompt": _UNKNOWN, "completion": _UNKNOWN}
    told = {
        "prompt": price.input_usd_per_mtok,
        "completion": price.output_usd_per_mtok,
        "input_cache_read": price.cached_input_usd_per_mtok,
        "input_cache_write": price.cache_write_usd_per_mtok,
    }
    return {key: _per_token(usd) for key, usd in told.items() if usd is not None}


def _per_token(usd_per_mtok: float) -> str:
    """Return USD per token as a decimal text; no float stands between, which could not hold it."""
    text = f"{Decimal(repr(usd_per_mtok)) / 1_000_000:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 3)


def _percentiles(values: Iterable[float] | None) -> dict[str, float] | None:
    found = [round(v, 3) for v in values or ()]
    return {f"p{p * 100:.0f}": v for p, v in zip(POINTS, found, strict=True)} if found else None
