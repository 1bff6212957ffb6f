"""OpenRouter's endpoints document: its names, its units, null for what is not known."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.ingress import endpoints
from lbd.model.provider import Price
from lbd.model.table import AdminState, HealthState
from lbd.table.offered import Offer

KEYS = {
    "name", "model_id", "model_name", "context_length", "pricing", "provider_name", "tag", "quantization",
    "max_completion_tokens", "max_prompt_tokens", "supported_parameters", "status", "uptime_last_5m", "uptime_last_30m",
    "uptime_last_1d", "supports_implicit_caching", "latency_last_30m", "throughput_last_30m", "native_tools",
    "service_tier", "supports_diarization", "supports_tool_choice",
}  # fmt: skip


def offer(**more: Any) -> Offer:
    base: dict[str, Any] = {
        "deployment": "eu/m", "provider": "eu", "upstream_model": "m-1", "context_tokens": 1000, "price": None,
        "carries": frozenset({"tools", "sampling", "images"}), "serves": frozenset({"chat"}), "state": HealthState.UP,
        "admin": AdminState.READY, "ttft_s": None, "tpot_s": None, "uptime_5m": None, "uptime_30m": None,
        "uptime_1d": None,
    }  # fmt: skip
    return Offer(**{**base, **more})


def one(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = endpoints.document("a/m", [offer(**more)], 7)["data"]["endpoints"][0]
    return found


def test_the_fields_are_openrouter_s() -> None:
    """Of the model and of each endpoint."""
    told = endpoints.document("a/m", [offer()], 7)["data"]
    assert set(told) == {"id", "name", "created", "description", "architecture", "endpoints"}
    assert (told["id"], told["created"], told["architecture"]["modality"]) == ("a/m", 7, "text+image->text")
    assert set(told["endpoints"][0]) == KEYS


@pytest.mark.parametrize(("usd_per_mtok", "text"), [(2, "0.000002"), (0.075, "0.000000075"), (0, "0"), (1e6, "1")])
def test_prices_are_decimal_texts_per_token(usd_per_mtok: float, text: str) -> None:
    """Exact, never in powers of ten; what has no price has no key."""
    pricing = one(price=Price(usd_per_mtok, 8.0, None, None))["pricing"]
    assert pricing == {"prompt": text, "completion": "0.000008"}


def test_a_price_that_nobody_told_is_minus_one() -> None:
    """Not free, and not null, which OpenRouter's own clients refuse, as they do a context of null."""
    assert one()["pricing"] == {"prompt": "-1", "completion": "-1"}
    assert one(price=Price(0.0, 0.0, 0.0))["pricing"]["prompt"] == "0"
    assert one(context_tokens=None)["context_length"] == 0 and one(context_tokens=None)["max_prompt_tokens"] is None


def test_values_of_tool_choice_are_told_one_by_one() -> None:
    """All of them or, where no tools are carried, none."""
    every = {"auto", "function", "none", "required"}
    assert one()["supports_tool_choice"] == dict.fromkeys(every, True)
    assert one(carries=frozenset())["supports_tool_choice"] == dict.fromkeys(every, False)
    assert one(serves=frozenset({"embeddings"}))["supports_tool_choice"] == dict.fromkeys(every, False)


def test_percentiles_have_openrouter_s_units() -> None:
    """Milliseconds; tokens per second that so many reached, so that p99 is the slowest."""
    told = one(ttft_s=(0.25, 0.35, 0.48, 0.85), tpot_s=(0.02, 0.025, 0.04, 0.1), uptime_30m=0.995)
    assert told["latency_last_30m"] == {"p50": 250.0, "p75": 350.0, "p90": 480.0, "p99": 850.0}
    assert told["throughput_last_30m"] == {"p50": 50.0, "p75": 40.0, "p90": 25.0, "p99": 10.0}
    assert (told["uptime_last_30m"], told["uptime_last_1d"]) == (99.5, None)


def test_parameters_are_what_it_carries() -> None:
    """An endpoint for embeddings takes none."""
    assert one()["supported_parameters"] == ["max_tokens", "stop", "temperature", "tool_choice", "tools", "top_p"]
    assert one(serves=frozenset({"embeddings"}))["supported_parameters"] == []


@pytest.mark.parametrize("state", list(HealthState))
def test_every_state_has_a_status(state: HealthState) -> None:
    """0 serves, below it does not quite; what an operator took out is out."""
    assert one(state=state)["status"] <= 0
    assert one(state=state, admin=AdminState.DRAIN)["status"] == -10


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/models/a/m/endpoints", "a/m"), ("/api/v1/models/a%2Fm%3Afree/endpoints", "a/m:free"),
        ("/api/v1/models/endpoints", None), ("/v1/models/a/m/endpoints", None), ("/api/v1/models//endpoints", None),
    ],
)  # fmt: skip
def test_a_path_names_a_model(path: str, name: str | None) -> None:
    """With or without an author; OpenAI's own paths are another thing."""
    assert endpoints.named(path) == name
