"""The daemon's side of the pages on money: from a served request to its place in the sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.stage import answer

GOOD = answer(
    json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "model": "up-m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        }
    ).encode()
)


def rows() -> list[dict[str, Any]]:
    """Return a dear row and a cheap one."""
    dear, cheap = row("a", model="big"), row("b", model="small", tier="secondary")
    dear["deployments"][0] |= {
        "price": {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30},
        "quality": {"default": 0.9},
    }
    cheap["deployments"][0] |= {
        "price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 3},
        "quality": {"default": 0.8},
    }
    return [dear, cheap]


async def test_a_request_is_in_the_sums_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    """With what it cost, what the premium model would have cost, and the entry behind it."""
    async with House(tmp_path, *rows(), routing_rules={"simple": {"primary": "small"}}) as house:
        for made in house.rows:
            house.stage.always(0.001, *GOOD, host=made["base_url"].split("/")[2])
        heard = await house.ask("simple")
        assert heard.status == 200
        accounts = house.console.accounts
        told = await accounts.savings(0, accounts.wall() + 1, ("model",))
        assert (told["requests"], told["cost_usd"], told["compared"]["premium_usd"]) == (1, 0.0013, 0.013)
        assert (told["saved_usd"], told["saved_share"]) == (0.0117, 0.9)
        assert [(one["model"], one["requests"]) for one in told["by"]] == [("small", 1)]
        (entry,) = await accounts.entries(0, accounts.wall() + 1, 10, {"model": "small"})
        assert (entry["baseline"], entry["premium"], entry["cost"], entry["cost_usd"]) == (
            "a/big",
            13_000_000,
            1_300_000,
            0.0013,
        )
        assert await accounts.entries(0, accounts.wall() + 1, 10, {"model": "big"}) == []


async def test_budgets_show_where_they_stand(tmp_path: Path) -> None:
    """Spent, reserved, left, and when they begin again."""
    made = rows()
    made[1]["budget"] = {"usd_per_day": 1}
    async with House(tmp_path, *made) as house:
        (told,) = house.console.accounts.budgets()
        assert (told["scope"], told["name"], told["period"], told["left_usd"]) == ("provider", "b", "day", 1.0)
        assert 0 < told["resets_in_s"] <= 86400  # type: ignore[operator]
