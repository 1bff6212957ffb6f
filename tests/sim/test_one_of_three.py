"""One of three deployments is faulty, at the rate of a busy gateway: no client sees it, nobody waits for long for it.

In virtual time, so that times can be held to: ``tests/faults`` has the same faults over sockets, and counts only.
"""

from __future__ import annotations

import pytest

from tests.fakes.harness import Asked, Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost, Weather, percentile

RATE, SECONDS = 200.0, 3.0
CUT_OFF = 1.5  # the tier's target: twice the p99 of rows that are well is less
PROBE = 1.0  # until a row whose whole answers are awaited is known to be silent
MOST_ATTEMPTS = 1.2  # a request
FAULTS = {
    "refuses": Weather(refuse=True),
    "hangs": Weather(frozen=True),
    "503, every second one": Weather(status=503, status_share=0.5),
    "429": Weather(status=429),
    "breaks behind the role": Weather(role_then_cut=True),
    "breaks in the middle": Weather(cut_after=3),
}
# an answer that is wanted whole is asked for whole of the one, and as a stream of the other
TRIED = [("openai", name) for name in FAULTS] + [("llamacpp", "hangs")]


def first(asked: list[Asked], *, stream: bool) -> float:
    """Return the p99 of the time to the first content, or to the whole answer."""
    return percentile([a.first_s or 1e9 for a in asked if a.stream is stream], 0.99)


@pytest.mark.parametrize(("shape", "fault"), TRIED)
def test_no_client_sees_a_fault_that_another_deployment_can_mend(shape: str, fault: str) -> None:
    """All answers are right, p99 within the cut-off, 100 ms and a normal one, at most 1.2 attempts a request."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.3, slots=100) for n in "abc"]
        rows = [provider(h, shape=shape) for h in hosts]
        async with Sim(env, hosts, {"providers": rows}) as sim:
            await sim.traffic(20, 10, "m")
            usual = {stream: first(sim.asked, stream=stream) for stream in (True, False)}
            before = sum(h.seen - h.paid_probes for h in hosts)
            sim.asked.clear()
            hosts[0].weather = FAULTS[fault]
            await sim.traffic(RATE, SECONDS, "m")
            asked = list(sim.asked)
            assert len(asked) > 0.8 * RATE * SECONDS
            wrong = [(a.fate, a.stream, a.error) for a in asked if a.fate != "ok"]
            assert not wrong, wrong[:3]
            assert first(asked, stream=True) <= CUT_OFF + 0.1 + usual[True]
            silent = PROBE if shape == "openai" else 0.0
            assert first(asked, stream=False) <= CUT_OFF + silent + 0.1 + usual[False]
            attempts = sum(h.seen - h.paid_probes for h in hosts) - before
            assert attempts <= MOST_ATTEMPTS * len(asked)

    run(main)
