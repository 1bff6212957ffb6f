"""Slots under any schedule: requests come, wait, are served, run out of time or of patience, in virtual time."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251  schedules are seeded
from typing import Any

import pytest

from lbd.upstream.service import Settings
from tests.fakes.harness import Asked
from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, ROLE, STOP, content, end, head, say
from tests.fakes.virtual import VirtualEnv, run

CLIENTS = {name: f"sk-{name}-0123456789abcdef" for name in "abc"}
FIRST_S = 3.0  # a request is served by then or not at all
# by host: the model that it serves, and how many at once
SLOTS = {"x": ("m", 1), "y": ("m", 3), "z": ("n", 2)}


def grid(seconds: float) -> float:
    """Round a time, so that much happens at once."""
    return round(seconds, 2)


def script(seconds: float) -> tuple[Any, ...]:
    return (seconds / 2, head(), say(ROLE, content("hel")), seconds / 2, say(content("lo"), STOP, DONE), end)


def idle(relay: Relay) -> list[str]:
    """Name the rows with a free slot that some interactive request waits for."""
    queue = relay.flights.queue
    return [
        host
        for host, (_, slots) in SLOTS.items()
        if relay.find(host).inflight < slots and queue.waiting(relay.find(host).index, rank=0)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_no_slot_is_lost_or_given_twice_whatever_comes_and_goes(seed: int) -> None:
    """Never more at once than may be, no slot idle while somebody waits for it, no attempt after the deadline."""

    async def main(env: VirtualEnv) -> None:
        chance = random.Random(seed)
        rows = [row(h, model=m, deployment={"max_concurrency": n}) for h, (m, n) in SLOTS.items()]
        clients = [{"name": name, "key": key} for name, key in CLIENTS.items()]
        deadlines = {"interactive_first_content_s": FIRST_S}
        settings = Settings(queue_size=chance.choice([5, 1000]))
        relay = Relay(env, *rows, settings=settings, allow_inline_secrets=True, clients=clients, deadlines=deadlines)
        for host in SLOTS:
            for _ in range(1200):
                relay.stage.plan(*script(grid(chance.choice([0.1, 0.2, chance.expovariate(2.0)]))), host=host)
        tasks: list[asyncio.Task[Asked]] = []
        patient: set[int] = set()
        over = asyncio.Event()

        async def watch() -> None:
            while not over.is_set():
                await env.sleep(0.00317)  # at no time at which anything else happens
                for host, (_, slots) in SLOTS.items():
                    assert relay.find(host).inflight <= slots, host
                    assert sum(t.open for t in relay.stage.at(host)) <= slots, host
                assert not idle(relay), (env.now(), idle(relay))

        freed = relay.flights.queue.freed

        def hang_up(row: int) -> None:
            """Wake who is first, and now and then let it hang up before it has noticed."""
            freed(row)
            woken = [t for t in tasks if (future := t._fut_waiter) is not None and future.done()]  # type: ignore[attr-defined]
            if woken and chance.random() < 0.3:
                chance.choice(woken).cancel()

        relay.owner.freed = relay.flights.queue.freed = hang_up  # type: ignore[method-assign]
        watching = asyncio.get_running_loop().create_task(watch())
        for _ in range(400):
            await env.sleep(grid(chance.choice([0.0, 0.0, chance.expovariate(10.0), chance.expovariate(5.0)])))
            name = chance.choices("abc", (10, 2, 1))[0]
            headers = {"authorization": f"Bearer {CLIENTS[name]}"}
            if chance.random() < 0.3:  # may wait for a day, and gives way where the queue is full
                headers["x-lbd-class"] = "background"
                patient.add(len(tasks))
            task = relay.start(chance.choice("mmn"), stream=True, headers=headers)
            tasks.append(task)
            if chance.random() < 0.2:  # the client hangs up
                env.call_at(env.now() + grid(chance.expovariate(2.0)), task.cancel)
        assert not watching.done() or watching.result() is None
        told = await asyncio.gather(*tasks, return_exceptions=True)
        over.set()
        await watching
        assert not [t for t in told if isinstance(t, Exception)], told
        for n, asked in enumerate(told):
            if isinstance(asked, Asked) and asked.status != 200:
                assert asked.status in (429, 503, 504), asked
                assert n in patient or asked.took_s <= FIRST_S + 0.05
                assert asked.status == 504 or float(asked.headers["retry-after-ms"]) >= 0, asked
        for record in relay.records:
            begun = [a for a in record.attempts if a.refused is None]
            if record.urgency == "interactive":
                assert all(a.started_s <= FIRST_S for a in begun)
        relay.check()

    run(main)
