"""What is costly to find out is found out now and then."""

from __future__ import annotations

from typing import Any

from lbd.ingress.lately import QUEUE_EVERY, SAVINGS_EVERY, SAVINGS_OVER, Lately
from lbd.ports import StoreError
from tests.fakes.env import FakeEnv


class Asked:
    """Ledger and queue; they count how often they are asked."""

    def __init__(self) -> None:
        self.spans: list[float] = []
        self.queued = 0
        self.broken = False
        self.accounts: Any = self

    async def savings(self, since: float, until: float, _by: tuple[str, ...]) -> dict[str, Any]:
        self.spans.append(until - since)
        if self.broken:
            raise StoreError("no disk")
        return {"n": len(self.spans)}

    def queue(self) -> dict[str, Any]:
        self.queued += 1
        return {"n": self.queued}


def lately() -> tuple[FakeEnv, Asked, Lately]:
    env, asked = FakeEnv(), Asked()
    return env, asked, Lately(asked, env)  # type: ignore[arg-type]


async def test_the_ledger_is_read_every_ten_seconds_whoever_looks() -> None:
    """Of the last thirty days; one that cannot be read is not asked all the time either."""
    env, asked, of = lately()
    assert [await of.savings(), await of.savings()] == [{"n": 1}, {"n": 1}]
    env.advance(SAVINGS_EVERY - 0.1)
    assert await of.savings() == {"n": 1}
    env.advance(0.2)
    asked.broken = True
    assert [await of.savings(), await of.savings()] == [None, None]
    assert asked.spans == [SAVINGS_OVER + 1] * 2
    env.advance(SAVINGS_EVERY)
    asked.broken = False
    assert await of.savings() == {"n": 3}


def test_the_queue_is_looked_through_every_five_seconds() -> None:
    """However many batches there are, a picture a second costs one look in five."""
    env, asked, of = lately()
    assert [of.queue(), of.queue()] == [{"n": 1}, {"n": 1}]
    env.advance(QUEUE_EVERY)
    assert of.queue() == {"n": 2} and asked.queued == 2
