"""The pages on experiments: reads are free, changes need a right and leave an event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.house import House
from tests.unit.ingress.test_admin import TOKEN, problem

X: dict[str, Any] = {"name": "x", "share": 0.5, "change": {"scorer.weights.cost": 1.0}}
OFF = {**X, "name": "off", "enabled": False}


def house(tmp_path: Path, **more: Any) -> House:
    return House(tmp_path, **{"experiments": [X, OFF], **more})


async def test_experiments_are_listed_as_they_stand(tmp_path: Path) -> None:
    """And each has a page of its own."""
    async with house(tmp_path) as h:
        async with h.tcp.get("/v1/experiments") as response:
            told = await response.json()
        assert response.status == 200 and told["object"] == "list"
        assert [(e["name"], e["state"]) for e in told["data"]] == [("x", "running"), ("off", "disabled")]
        async with h.tcp.get("/v1/experiments/x") as response:
            assert (await response.json())["verdict"].startswith("too early")
        async with h.tcp.get("/") as response:
            assert "/v1/experiments" in (await response.json())["paths"]
    async with House(tmp_path) as h, h.tcp.get("/v1/experiments/x") as response:
        assert "none is configured" in (await problem(response, 404))["detail"]


async def test_an_order_stops_and_starts_it_with_who_and_why(tmp_path: Path) -> None:
    """From the next request on."""
    async with house(tmp_path) as h:
        assert h.app.pipeline.trying
        async with h.unix.post("/v1/experiments/x/stop", json={"reason": "lunch"}) as response:
            told = await response.json()
        assert response.status == 200 and told["state"] == "stopped" and "lunch" in told["verdict"]
        assert not h.app.pipeline.trying
        event = [e for e in h.app.timeline.last() if e.kind.startswith("experiment")][-1]
        assert (event.kind, event.subject, event.reason) == ("experiment_stopped", "x", "lunch")
        assert event.by is not None and event.by.endswith("(unix socket)")
        async with h.unix.post("/v1/experiments/x/start") as response:
            assert (await response.json())["state"] == "running"
        event = [e for e in h.app.timeline.last() if e.kind.startswith("experiment")][-1]
        assert h.app.pipeline.trying and event.kind == "experiment_started"


async def test_who_may_not_changes_nothing(tmp_path: Path) -> None:
    """Over TCP the token is asked for."""
    async with house(tmp_path, admin={"listen": "127.0.0.1:0", "token": TOKEN}) as h:
        async with h.tcp.post("/v1/experiments/x/stop", json={}) as response:
            await problem(response, 401)
        assert h.app.pipeline.trying
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with h.tcp.post("/v1/experiments/x/stop", json={}, headers=headers) as response:
            assert response.status == 200
        assert h.app.timeline.last(1)[0].by == "token"


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/v1/experiments/y/stop", {}, 404, "there is no experiment 'y'. Known: x, off"),
        ("/v1/experiments/x/pause", {}, 404, "there are stop and start"),
        ("/v1/experiments/x/stop", {"raeson": ""}, 422, "the body must be like"),
        ("/v1/experiments/off/start", {}, 409, "set enabled to true"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_reason(
    tmp_path: Path, path: str, body: dict[str, str], status: int, detail: str
) -> None:
    """And the remedy."""
    async with house(tmp_path) as h, h.unix.post(path, json=body) as response:
        assert detail in (await problem(response, status))["detail"]
        assert h.app.pipeline.trying
