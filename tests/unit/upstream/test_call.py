"""All flights at the end of the daemon: what runs may finish, the rest is told."""

from __future__ import annotations

from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, ROLE, STOP, content, end, head, say, stream
from tests.fakes.virtual import VirtualEnv, run


def test_draining_waits_and_then_ends_what_is_left_with_a_typed_error() -> None:
    """A stream in its last event, a request without a byte in a 503 that says so."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 3.0, say(STOP, DONE), end, host="a")
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), host="a")
        relay.stage.plan(host="a")
        tasks = [relay.start(stream=True) for _ in range(3)]
        await env.sleep(0.5)
        began = env.now()
        await relay.flights.drain(5.0)
        assert env.now() - began <= 5.0 + 0.2
        finished, broken, refused = [await t for t in tasks]
        assert finished.body == stream("hel")
        assert broken.error is not None and broken.error["code"] == "draining" and b"[DONE]" not in broken.body
        assert refused.status == 503 and refused.headers["retry-after-ms"] == "1000"
        relay.check()

    run(main)


def test_draining_an_idle_daemon_takes_no_time() -> None:
    """Nothing runs: nothing to wait for."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        await relay.flights.drain(60.0)
        assert env.now() == 1000.0

    run(main)
