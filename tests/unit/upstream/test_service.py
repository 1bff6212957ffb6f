"""What all flights share."""

from __future__ import annotations

from lbd.model.failure import FailureKind
from tests.fakes.relay import Relay, row
from tests.fakes.stage import answer, whole
from tests.fakes.virtual import VirtualEnv, run


def test_rankings_are_remembered_for_a_generation_and_no_longer() -> None:
    """The same Ask on the same snapshot is ranked once."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", model="m-a"), row("b", model="m-b", tier="secondary"))
        relay.stage.always(0.2, *answer(whole()), host="a")
        await relay.ask()
        ask = relay.last.attempts[0].decision.ask
        first = relay.flights.ranking(ask)
        assert relay.flights.ranking(ask) is first
        relay.find("a").suspect = FailureKind.RESET
        relay.owner.touch(0, transition=True)
        assert relay.flights.ranking(ask) is not first

    run(main)
