"""The pages on alerts: reads are free, a silence needs a right and leaves an event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.house import House
from tests.unit.ingress.test_admin import TOKEN, problem

ID = "reload_failed:config"
HOOK = "https://hooks.example/very-secret-path"


def house(tmp_path: Path, **more: Any) -> House:
    return House(tmp_path, **{"alerts": {"webhook": HOOK, "slack": HOOK}, **more})


def alarm(h: House) -> None:
    """Let one alert fire, and nobody be told."""
    h.app.alerts.send = lambda: None  # type: ignore[method-assign]
    h.app.reloads.last_ok, h.app.reloads.last_error = False, "bad"
    h.app.alerts.look()


async def test_alerts_are_listed_with_who_is_told_and_what_is_watched(tmp_path: Path) -> None:
    """But not where: a URL may be a key. The dashboard's document has them too."""
    async with house(tmp_path) as h:
        alarm(h)
        async with h.tcp.get("/v1/alerts") as response:
            assert response.status == 200 and "very-secret" not in await response.text()
            told = await response.json()
        (one,) = [a for a in told["data"] if a["state"] == "firing"]
        assert (one["id"], one["text"], one["severity"]) == (ID, "bad", "warning")
        assert "lbd ctl reload" in one["remedy"] and one["since"].endswith("Z")
        assert [r["name"] for r in told["receivers"]] == ["webhook", "slack"]
        assert {r["rule"] for r in told["rules"]} >= {"error_rate", "reload_failed"}
        async with h.tcp.get("/v1/providers") as response:
            assert ID in [a["id"] for a in (await response.json())["alerts"]]
        async with h.tcp.get("/v1/config") as response:
            assert "very-secret" not in await response.text()
            assert (await response.json())["config"]["alerts"]["webhook"] == "***"
        async with h.tcp.get("/") as response:
            assert "/v1/alerts" in (await response.json())["paths"]


async def test_a_silence_is_set_and_taken_back(tmp_path: Path) -> None:
    """With who and why, on the list and in the timeline; ids hold a slash."""
    async with house(tmp_path) as h:
        alarm(h)
        for id_ in (ID, "error_rate:a/m-a"):
            body = {"for_s": 3600, "reason": "moving house"}
            async with h.unix.post(f"/v1/alerts/{id_}/silence", json=body) as response:
                told = await response.json()
            assert response.status == 200 and id_ in [s["id"] for s in told["silences"]]
            event = next(e for e in reversed(h.app.timeline.last(20)) if e.kind == "alert_silenced")
            assert (event.kind, event.subject, event.reason) == ("alert_silenced", id_, "moving house")
            assert event.by is not None and event.by.endswith("(unix socket)")
        (one,) = [a for a in h.app.alerts.listed() if a.id == ID]
        assert one.silence_reason == "moving house" and one.silenced_until is not None
        async with h.unix.post(f"/v1/alerts/{ID}/silence", json={"for_s": 0}) as response:
            assert ID not in [s["id"] for s in (await response.json())["silences"]]


async def test_who_may_not_silences_nothing(tmp_path: Path) -> None:
    """Over TCP the token is asked for."""
    async with house(tmp_path, admin={"listen": "127.0.0.1:0", "token": TOKEN}) as h:
        alarm(h)
        async with h.tcp.post(f"/v1/alerts/{ID}/silence", json={"for_s": 60}) as response:
            await problem(response, 401)
        assert not h.app.alerts.board.silences
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with h.tcp.post(f"/v1/alerts/{ID}/silence", json={"for_s": 60}, headers=headers) as response:
            assert response.status == 200
        assert h.app.alerts.board.silences[ID].by == "token"


@pytest.mark.parametrize(
    ("id_", "body", "status", "detail"),
    [
        ("nothing:x", {"for_s": 60}, 404, f"no alert 'nothing:x' is there, nor is such a thing watched. Alerts: {ID}"),
        (ID, {}, 422, 'the body must be like {"for_s": 3600'),
        (ID, {"for_s": "1h"}, 422, "the body must be like"),
        (ID, {"for_s": 60, "raeson": ""}, 422, "the body must be like"),
        (ID, {"for_s": -1}, 422, "for_s must be in 0..2592000 seconds"),
        (ID, {"for_s": 1e9}, 422, "for_s must be in 0..2592000 seconds"),
    ],
)
async def test_a_wrong_order_is_told_what_is_right(
    tmp_path: Path, id_: str, body: dict[str, Any], status: int, detail: str
) -> None:
    """And silences nothing."""
    async with house(tmp_path) as h:
        alarm(h)
        async with h.unix.post(f"/v1/alerts/{id_}/silence", json=body) as response:
            assert detail in (await problem(response, status))["detail"]
        assert not h.app.alerts.board.silences
