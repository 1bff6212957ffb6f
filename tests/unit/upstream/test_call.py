"""All flights at the end of the daemon: what runs may finish, the rest is told."""

from __future__ import annotations

from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, ROLE, STOP, answer, content, end, head, refusal, say, stream
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


def test_draining_waits_for_what_is_yet_to_come() -> None:
    """Requests that are on their way are served; not for longer than it may take, nor once all is ended at once."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), say(STOP, DONE), end, host="a")
        coming = [True] * 20
        draining = env._loop.create_task(relay.flights.drain(60.0, lambda: bool(coming)))
        await env.sleep(0.5)
        assert (await relay.start(stream=True)).body == stream("hel")
        assert not draining.done()
        coming.clear()
        await draining
        assert env.now() < 1000.0 + 2.0
        relay.check()

        relay = Relay(env, row("a"))
        began = env.now()
        await relay.flights.drain(3.0, lambda: True)
        assert 3.0 <= env.now() - began < 3.2

        relay = Relay(env, row("a"))
        draining = env._loop.create_task(relay.flights.drain(60.0, lambda: True))
        await env.sleep(0.5)
        await relay.flights.drain(0.0)
        await env.sleep(0.1)
        assert draining.done()

    run(main)


def test_whoever_comes_when_all_has_ended_is_told_at_once() -> None:
    """On a kept connection, in the moment that last answers have: what it began would be cut off without a word.

    So it is with one that waits to be sent once more.
    """

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.1, *answer(refusal("slow"), 429, retry_after="1"), host="a")
        waits = relay.start()
        await env.sleep(0.5)
        relay.stage.plan(host="a")
        await relay.flights.drain(0.0)
        for told in (await relay.start(), await relay.start(stream=True), await waits):
            assert told.status == 503 and told.error is not None and told.error["code"] == "draining"
        assert len(relay.stage.taken) == 1
        relay.check()

    run(main)
