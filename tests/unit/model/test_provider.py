"""Specs: what keeps a row's history over a reload, and what a client may do unless it is told otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from lbd.model.provider import BudgetSpec, ClientSpec, DeploymentSpec, Permission, Price, ProviderSpec
from lbd.model.secret import Secret

PROVIDER = ProviderSpec("openai", "openai", "https://api.openai.com/v1", api_key=Secret("sk-1"))
ROW = DeploymentSpec("openai/gpt", "openai", "gpt", "gpt-2025", "primary")


@pytest.mark.parametrize(
    ("row", "provider"),
    [
        ({"price": Price(1.0, 2.0)}, {}),
        ({"tier": "secondary", "weight": 3.0, "quality": {"default": 0.5}}, {}),
        ({"model": "renamed", "context_tokens": 100}, {}),
        ({}, {"api_key": Secret("sk-2"), "region": "eu", "connect_timeout_s": 1.0}),
    ],
)
def test_what_does_not_change_the_server_keeps_the_history(row: dict[str, Any], provider: dict[str, Any]) -> None:
    """Price, tier, weight, key: what was measured of it is still true."""
    assert replace(ROW, **row).identity(replace(PROVIDER, **provider)) == ROW.identity(PROVIDER)


@pytest.mark.parametrize(
    ("row", "provider"),
    [
        ({"id": "openai/other"}, {}),
        ({"upstream_model": "gpt-2026"}, {}),
        ({}, {"base_url": "https://eu.api.openai.com/v1"}),
        ({}, {"shape": "azure"}),
    ],
)
def test_another_server_or_model_starts_unknown(row: dict[str, Any], provider: dict[str, Any]) -> None:
    """Its percentiles would be somebody else's."""
    assert replace(ROW, **row).identity(replace(PROVIDER, **provider)) != ROW.identity(PROVIDER)


def test_a_provider_s_key_is_not_shown_with_it() -> None:
    """Specs end up in error texts and logs."""
    assert "sk-1" not in repr(PROVIDER)


def test_a_client_may_everything_unless_it_is_restricted() -> None:
    """An empty ``models`` means every name; the key itself is not kept."""
    client = ClientSpec("bot", b"\0" * 32)
    assert client.may == frozenset(Permission)
    assert client.models == ()


@pytest.mark.parametrize(
    ("limit", "words"), [(10_000, "0.00001"), (50_500_000_000, "50.5"), (2_000_000_000_000_000, "2000000")]
)
def test_a_budget_is_named_in_plain_numbers(limit: int, words: str) -> None:
    """People read no exponents."""
    assert BudgetSpec("client", "bot", "day", limit).words == f"client bot: {words} USD a day"
