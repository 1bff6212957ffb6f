"""Whose answers may be scored, who is asked for it, and when."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from msgspec.structs import replace

from tests.unit.loops.test_evaluate import Scored


async def test_who_must_not_be_shown_to_others_is_not_sampled(tmp_path: Path) -> None:
    """Pinned requests, surfaces that say so, and clients that are kept to other models."""
    clients = [
        {"name": "free", "key": "k-free"},
        {"name": "kept", "key": "k-kept", "models": ["m-*"]},
        {"name": "quiet", "key": "k-quiet", "surface": "quiet"},
        {"name": "legal", "key": "k-legal", "surface": "legal"},
    ]
    surfaces = [{"name": "quiet", "evaluate": False}, {"name": "legal", "pin": "m-a"}]
    async with Scored(tmp_path, score="judge", judge={"model": "gold"}, clients=clients, surfaces=surfaces) as house:
        for key in ("k-kept", "k-quiet", "k-legal", "k-free"):
            house.says("a", "Berlin.")
            heard = await house.ask("m-a", headers={"authorization": f"Bearer {key}"})
            assert heard.status == 200, heard.text
            assert house.app.evaluating.counts["sampled"] == (key == "k-free"), key


async def test_who_has_no_scores_is_asked_first(tmp_path: Path) -> None:
    """Shadows go to the deployment that least is known of, until enough is."""
    async with Scored(tmp_path, shadow=1.0) as house:
        house.says("a", "Berlin.")
        house.says("b", "Berlin.")
        house.says("gold", "Berlin.")
        await house.ask("m-a")
        await house.scored(2)
        assert house.level("b/m-b").count + house.level("gold/gold").count == 1


async def test_the_last_free_slot_is_left_to_people(tmp_path: Path) -> None:
    """What is asked for evaluation waits until there is another; a deployment with one slot is asked while idle."""
    async with Scored(tmp_path) as house:
        sampling, gold = house.app.evaluating.sampling, house.app.owner.find("gold/gold")
        assert gold is not None
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                gold.inflight = 0

        sampling._env = SimpleNamespace(sleep=sleep)
        gold.spec = replace(gold.spec, max_concurrency=2)
        gold.inflight = 1
        assert await sampling.room("gold") and len(slept) == 3
        gold.spec = replace(gold.spec, max_concurrency=1)
        assert await sampling.room("gold/gold") and len(slept) == 3
        gold.inflight = 1
        slept += [0.0] * 3
        assert not await sampling.room("gold")
        gold.inflight = 0
