"""A request that nobody waits for: background, under its client's own rules, and always answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.loops.errand import Answer, Errands
from lbd.model.request import Urgency
from tests.fakes.relay import Relay, row
from tests.fakes.stage import answer, refusal, whole
from tests.fakes.virtual import VirtualEnv, run

ASK = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def made(env: VirtualEnv, *rows: dict[str, Any], **config: Any) -> tuple[Relay, Errands, list[str]]:
    relay = Relay(env, *(rows or (row("a"),)), **config)
    relay.stage.always(0.1, *answer(whole()), host="a")
    crashes: list[str] = []
    return relay, Errands(env, relay.pipeline, lambda request_id, _e: crashes.append(request_id)), crashes


def test_it_is_served_as_background() -> None:
    """With what is left of its time as the deadline, whatever the configuration gives to requests."""

    async def main(env: VirtualEnv) -> None:
        relay, errands, _ = made(env)
        told = await errands.run("local", relay.shape, json.dumps(ASK).encode(), 7200.0)
        assert told.good and told.status == 200 and told.body == whole()
        assert told.request_id == relay.records[0].id and told.wait_s is None and told.code is None
        assert relay.records[0].client == "local"

    run(main)


def test_its_ask() -> None:
    """Background, and its client's surface but for the deadline of that; permissions are those of the client."""

    async def main(env: VirtualEnv) -> None:
        surfaces = [{"name": "fast", "quality_floor": 0.1, "deadline_s": 5}]
        clients = [{"name": "c", "key": "k", "surface": "fast", "may": [], "models": ["m"]}]
        rows = row("a", deployment={"quality": {"default": 0.9}})
        relay, errands, _ = made(env, rows, clients=clients, surfaces=surfaces, allow_inline_secrets=True)
        asks: list[Any] = []
        fly = relay.flights.fly

        async def watched(ticket: Any, reply: Any) -> None:
            asks.append(ticket.ask)
            await fly(ticket, reply)

        relay.flights.fly = watched  # type: ignore[method-assign]
        told = await errands.run("c", relay.shape, json.dumps({**ASK, "model": "m"}).encode(), 7200.0)
        assert told.good
        [ask] = asks
        assert (ask.urgency, ask.total_s, ask.first_content_s) == (Urgency.BACKGROUND, 7200.0, 7200.0)
        assert (ask.surface, ask.quality_floor) == ("fast", 0.1)
        refused = await errands.run("c", relay.shape, json.dumps({**ASK, "model": "other"}).encode(), 7200.0)
        assert refused.status == 403 and not refused.good
        wish = {**ASK, "model": "m", "metadata": {"x-lbd-pin": "m"}}
        assert (await errands.run("c", relay.shape, json.dumps(wish).encode(), 7200.0)).status == 403
        gone = await errands.run("other", relay.shape, json.dumps(ASK).encode(), 7200.0)
        assert (gone.status, gone.code) == (401, "unknown_client") and gone.request_id.startswith("req_")

    run(main)


def test_a_failure_has_its_code_and_its_wait() -> None:
    """As a client would see them."""

    async def main(env: VirtualEnv) -> None:
        relay, errands, _ = made(env)
        told = await errands.run("local", relay.shape, b"{", 7200.0)
        assert told.status == 400 and json.loads(told.body)["error"]
        relay.stage.always(0.1, *answer(refusal("slowly"), 429, retry_after="7"), host="a")
        told = await errands.run("local", relay.shape, json.dumps(ASK).encode(), 3.0)
        assert told.status == 429 and told.wait_s is not None and 3 < told.wait_s <= 7
        assert told.code == "rate_limit_exceeded"

    run(main)


def test_a_crash_is_an_answer() -> None:
    """It is told, and the line fails like any other."""

    async def main(env: VirtualEnv) -> None:
        relay, errands, crashes = made(env)

        async def broken(*_args: Any) -> None:
            raise RuntimeError("oops")

        relay.flights.fly = broken  # type: ignore[method-assign]
        told = await errands.run("local", relay.shape, json.dumps(ASK).encode(), 7200.0)
        assert told.status == 500 and told.code == "internal" and crashes == [told.request_id]

    run(main)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"error": 1}', b"\xff"])
def test_a_body_without_a_code_has_none(body: bytes) -> None:
    """Whatever a provider sent."""
    assert Answer(500, "r", body).code is None
