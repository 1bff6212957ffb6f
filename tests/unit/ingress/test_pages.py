"""Pages of the admin API that show one document each."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.house import House


async def test_the_page_tells_what_is_sampled_and_what_became_of_it(tmp_path: Path) -> None:
    """Of a configuration without it, too."""
    async with House(tmp_path) as house:
        async with house.tcp.get("/v1/evaluation") as got:
            told = await got.json()
        assert got.status == 200 and told["spec"] is None and told["counts"] == {}
        house.write(evaluate={"share": 0.5, "budget_usd_per_day": 2})
        await house.app.reload(by="me")
        async with house.tcp.get("/v1/evaluation") as got:
            told = await got.json()
        assert (told["spec"]["share"], told["spec"]["budget"], told["spec"]["score"]) == (0.5, 2.0, "validators")
        assert told["spent_today_usd"] == 0
