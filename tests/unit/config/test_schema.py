"""The keys of the file: documented, with defaults that hold, and planned ones known by name."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import fields

from lbd import plugins
from lbd.config import schema
from lbd.config.schema import Config, full
from lbd.decide.terms import DEFAULT_WEIGHTS
from lbd.shapes.providers import DeploymentConfig, PriceConfig, ProviderConfig, Slug
from tests.fakes.configs import LOCAL, checked

STRUCTS = [
    value
    for value in (*vars(schema).values(), ProviderConfig, DeploymentConfig, PriceConfig)
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and fields(value)
]
SHAPES: dict[str, Any] = {name: shape.config for name, shape in plugins.load().shapes.items()}


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda s: s.__name__)
def test_every_key_is_explained_in_its_docstring(struct: type[msgspec.Struct]) -> None:
    """It is what editors show; and nothing is explained that is not there."""
    told = re.findall(r"^ {4}(\w+): ", struct.__doc__ or "", re.MULTILINE)
    assert sorted(told) == sorted(f.encode_name for f in fields(struct))


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda s: s.__name__)
def test_unknown_keys_are_refused_everywhere(struct: type[msgspec.Struct]) -> None:
    """A mistyped key must not be ignored."""
    assert struct.__struct_config__.forbid_unknown_fields


def test_defaults_are_values_that_could_be_written() -> None:
    """No default breaks its own bounds."""
    value = {"providers": [{}]}
    plain = msgspec.to_builtins(msgspec.convert(value, Config))
    again = msgspec.convert(plain, Config, strict=True)
    assert msgspec.to_builtins(again) == plain


def test_a_file_of_providers_only_has_the_usual_rest() -> None:
    """Loopback, three tiers, free probes each 20 s."""
    config = checked(LOCAL).config
    assert (config.listen, config.admin.listen, config.workers) == ("127.0.0.1:8080", "127.0.0.1:8081", 1)
    assert [(t.name, t.ttft_p95_s) for t in config.tiers] == [("primary", 1.5), ("secondary", 3.0), ("tertiary", 10.0)]
    assert 15 <= config.probes.every_s <= 30


@pytest.mark.parametrize(
    "named",
    [{}, {"cost": 2.0}, {"cost": 0}, {"latency": 0.5, "affinity": 0}, dict.fromkeys(DEFAULT_WEIGHTS, 3.0)],
    ids=str,
)
def test_a_weight_that_is_not_named_keeps_its_default(named: dict[str, float]) -> None:
    """Who names one term means that one; 0 switches a term off. The configuration shows what is in force."""
    config = checked(f"{LOCAL}scorer: {{weights: {json.dumps(named)}}}\n")
    whole = {**DEFAULT_WEIGHTS, **named}
    assert dict(config.scorer.weights) == whole
    assert msgspec.to_builtins(config.config.scorer) == {"weights": whole}
    assert dict(checked(LOCAL).scorer.weights) == DEFAULT_WEIGHTS


@pytest.mark.parametrize("name", schema.MOVED)
def test_a_key_that_moved_is_where_it_is_said_to_be(name: str) -> None:
    """And no longer where it was."""
    struct: type[msgspec.Struct] = getattr(schema, name)
    assert not set(schema.MOVED[name]) & {f.encode_name for f in fields(struct)}
    for now in schema.MOVED[name].values():
        kind: object = schema.Config
        for part in now.split("."):
            kind = {f.encode_name: f.type for f in fields(kind)}[part]  # type: ignore[arg-type]


def test_the_full_type_has_every_registered_shape() -> None:
    """By its tag, so that each provider is held to its own shape's keys."""
    root = full(SHAPES)
    provider = {"name": "a", "base_url": "http://x/v1", "deployments": [{"model": "m"}]}
    config = msgspec.convert({"providers": [{**provider, "shape": name} for name in SHAPES]}, root)
    assert [type(p) for p in config.providers] == list(SHAPES.values())  # type: ignore[attr-defined]
    assert root.__doc__ == Config.__doc__
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'x'"):
        msgspec.convert({"providers": [{**provider, "shape": "x"}]}, root)
    with pytest.raises(msgspec.ValidationError, match="length >= 1"):
        msgspec.convert({"providers": []}, root)


@pytest.mark.parametrize("name", ["a", "openai-eu", "gpt-4.1", "_x", "0", "a..b"])
def test_a_slug_may_stand_in_a_url(name: str) -> None:
    """Ids are parts of paths and labels."""
    assert msgspec.convert(name, Slug) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "-a", "A", "a/b", "a b", "a\n", "\na", "ä", "a:b", "a%"])
def test_what_could_not_stand_in_a_url_is_no_slug(name: str) -> None:
    """Clients take . and .. out of a path, and a line's end would end a header."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, Slug)


@pytest.mark.parametrize("key", ["input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok"])
def test_a_price_is_not_negative(key: str) -> None:
    """It would make the dearest model the cheapest."""
    price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}
    with pytest.raises(msgspec.ValidationError, match=">= 0"):
        msgspec.convert({**price, key: -1}, PriceConfig)


def test_numbers_carry_their_unit_in_the_key() -> None:
    """Seconds, milliseconds, dollars, bytes, tokens; what has none is a count, a share or a weight."""
    bare = {"workers", "weight", "jitter", "quality_floor", "error_rate_max", "max_concurrency", "queue_size",
            "journal_records", "warn_at", "quality_share", "load_above", "difficulty_min",
            "difficulty_below", "input_tokens_min", "input_tokens_below", "share", "shadow", "confidence",
            "quality_drop", "error_rise", "cost_rise", "ttft_rise", "hedge_share", "error_rate", "requests_min",
            "ttft_over_target", "burn_fast", "burn_slow", "budget_used", "keep_share"}  # fmt: skip
    unit = re.compile(
        r"_(s|ms|usd|bytes|tokens|chars|per_1k|per_min|per_hour|per_day|per_month|per_mtok|per_request|days)\Z"
    )
    for struct in STRUCTS:
        for field in fields(struct):
            if _numeric(field.type) and not unit.search(field.encode_name):
                assert field.encode_name in bare, (struct.__name__, field.encode_name)


def _numeric(kind: Any) -> bool:
    if isinstance(kind, type):
        return issubclass(kind, int | float) and not issubclass(kind, bool)
    return getattr(kind, "__origin__", None) not in (dict, list) and any(_numeric(a) for a in get_args(kind))
