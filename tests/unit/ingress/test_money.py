"""The pages on money: what was saved, the entries behind it, budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.house import House
from tests.unit.ingress.test_admin import problem


async def _get(house: House, path: str, **query: str) -> Any:
    async with house.tcp.get(path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_an_empty_ledger_has_nothing_saved(tmp_path: Path) -> None:
    """And says so in full."""
    async with House(tmp_path) as house:
        told = await _get(house, "/v1/savings", by="model,hour")
        assert (told["object"], told["requests"], told["saved_usd"], told["by"]) == ("lbd.savings", 0, 0, [])
        assert told["saved_share"] is None and told["overhead"]["share"] is None
        assert (await _get(house, "/v1/ledger"))["data"] == []
        assert (await _get(house, "/v1/budgets"))["data"] == []


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/v1/savings?since=x", "since"),
        ("/v1/savings?until=9999999999999h", "until"),
        ("/v1/savings?by=colour", "'colour'"),
        ("/v1/savings?by=request", "'request'"),
        ("/v1/ledger?limit=x", "limit"),
        ("/v1/ledger?limit=99999", "limit"),
        ("/v1/ledger?colour=red", "'colour'"),
        ("/v1/ledger?model%20%3D%201%20OR%20model=x", "model"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(tmp_path: Path, path: str, word: str) -> None:
    """Names of groups are a list; nothing of a query becomes a statement."""
    async with House(tmp_path) as house, house.tcp.get(path) as response:
        assert word in (await problem(response, 422))["detail"]
