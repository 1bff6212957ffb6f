"""Every timer, measured in virtual time: it ends a wait at its number, and never more than 50 ms later.

The four: connecting, the first content, the gap in the middle of an answer, the whole. And the cut-off, at which a
silent attempt is left while somebody else can take the request. For each, every framing that a provider and a client
may have, each manner of carrying an answer, providers that keep their streams warm without saying anything, clients
that read slowly, retries, and streams that go on elsewhere. What is expected is computed here from the rule, not
asked of the daemon.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.table import AdminState
from lbd.upstream.attempt import BODY_GAP
from lbd.upstream.client import Client
from lbd.upstream.service import Settings
from tests.fakes.harness import Asked, Sim, SimInbound, provider
from tests.fakes.relay import Heard, Relay, row
from tests.fakes.stage import Stage, Taken, answer, cut, head, refusal, say
from tests.fakes.tongues import CLIENTS, MURMUR, PAIRS, TONGUES, murmur, request, stream
from tests.fakes.virtual import VirtualEnv, VirtualLoop, run
from tests.fakes.world import SimHost

K = FailureKind
LATE = 0.05  # seconds
TARGETS = {"primary": 1.5, "secondary": 3.0, "tertiary": 10.0}
FIRST, IDLE, TOTAL = 4.0, 2.6, 9.0
DEADLINES = {"interactive_first_content_s": FIRST, "interactive_total_s": TOTAL}
FOREVER = 30.0  # of murmuring: longer than any timer here


def punctual(at: float, number: float, what: object = "") -> None:
    """Check that a timer of ``number`` seconds ended something at ``at``."""
    assert number - 1e-6 <= at <= number + LATE, f"at {at:.4f} s, not {number:.4f}: {what}"


def relay_of(env: VirtualEnv, *names: str, idle_s: float = IDLE, twins: bool = False, **more: Any) -> Relay:
    """Return a relay with a host for each tongue: a, b, c, in tiers from the best on; ``twins``: of one model."""
    rows = []
    for i, name in enumerate(names):
        tongue, tier = TONGUES[name], tuple(TARGETS)[i]
        model, of = "m" if twins else f"m-{'abc'[i]}", {"serves": list(tongue.serves)}
        rows.append(row("abc"[i], model=model, tier=tier, shape=tongue.shape, deployment=of))
    return Relay(env, *rows, settings=Settings(idle_gap_s=idle_s), **{"deadlines": DEADLINES, **more})


async def ask(relay: Relay, client: str, *, streamed: bool, heard: Heard | None = None, since: float = 0.0) -> Asked:
    """Ask as this kind of client does; ``since``: so many seconds ago it began to come in."""
    relay.shape = relay.plugins.clients[client]
    heard = heard or relay.heard(stream=streamed)
    asked = heard.asked
    asked.began = relay.env.now() - since
    inbound = SimInbound(asked.began, {})
    await relay.pipeline.handle(inbound, request(client, stream=streamed), relay.shape, heard)
    asked.took_s = relay.env.now() - asked.began
    return asked


def outcome(relay: Relay) -> str:
    return str(relay.last.outcome)


def played(main: Callable[[VirtualEnv], Coroutine[Any, Any, None]], seed: int = 1) -> None:
    run(main, seed)


def told_in_its_shape(client: str, asked: Asked, kind: FailureKind) -> None:
    """Check that the client got a typed error: an answer with a status, or the last event of its stream."""
    assert asked.ended
    if asked.status != 200:
        assert asked.status >= 400 and b'"error"' in asked.body and b'"message"' in asked.body
    else:
        assert b"error" in asked.body.split(b"\n\n")[-2], asked.body[-200:]
    if client.startswith("openai") and client != "openai.responses":
        assert str(kind).encode() in asked.body


# --- connecting ---------------------------------------------------------------------------------------


class Nowhere(VirtualLoop):
    """A loop whose network swallows everything: names, packets, or the handshake behind the connection."""

    def __init__(self, swallows: str) -> None:
        super().__init__()
        self.swallows = swallows
        self.sockets: list[socket.socket] = []

    async def _never(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def resolve(self, _host: str, port: int) -> Any:
        if self.swallows == "name":
            await self._never()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    async def sock_connect(self, sock: socket.socket, _address: Any) -> None:
        self.sockets.append(sock)
        if self.swallows == "packets":
            await self._never()

    async def create_connection(self, *_args: Any, **_more: Any) -> Any:
        await self._never()


class Wired(Stage):
    """A stage with one host behind lbd's own client."""

    def __init__(self, env: VirtualEnv, loop: Nowhere) -> None:
        super().__init__(env)
        self._client = Client(env, loop)
        self._client.resolve = loop.resolve  # type: ignore[method-assign]
        self.tried: list[float] = []

    async def open(self, endpoint: Any, body: bytes, receiver: Any, *, by: float) -> Any:
        if endpoint.origin.host == "a":
            self.tried.append(self.env.now())
            return await self._client.open(endpoint, body, receiver, by=by)
        return await super().open(endpoint, body, receiver, by=by)


def unreachable(swallows: str, main: Callable[[VirtualEnv, Wired], Coroutine[Any, Any, None]]) -> None:
    loop = Nowhere(swallows)
    asyncio.set_event_loop(loop)
    env = VirtualEnv(loop, 1)
    try:
        loop.run_until_complete(main(env, Wired(env, loop)))
        assert all(sock.fileno() == -1 for sock in loop.sockets if swallows == "packets"), "a socket is left open"
    finally:
        for sock in loop.sockets:
            sock.close()
        loop.close()
        asyncio.set_event_loop(None)


@pytest.mark.parametrize("swallows", ["name", "packets", "handshake"])
@pytest.mark.parametrize(("name", "streamed"), [("chat", True), ("chat", False), ("folded", False)])
def test_a_connection_that_does_not_come_is_left_at_its_number(swallows: str, name: str, streamed: bool) -> None:
    """connect_timeout_s for name, connection and TLS together: alone it is a 504, with another one it is a move."""

    async def main(env: VirtualEnv, stage: Wired) -> None:
        shape = TONGUES[name].shape
        far = row("a", model="m-a", shape=shape, connect_timeout_s=0.7, base_url="https://a/v1")
        near = row("b", model="m-b", tier="secondary", shape=shape)

        def made(*rows: dict[str, Any], **deadlines: float) -> Relay:
            relay = Relay(env, *rows)
            relay.stage = stage
            relay.configure(*rows, deadlines={**DEADLINES, **deadlines})
            return relay

        relay = made(far)
        alone = await ask(relay, "openai.chat", streamed=streamed)
        punctual(alone.took_s, 0.7, outcome(relay))
        assert alone.status == 504 and outcome(relay) == K.CONNECT_TIMEOUT
        relay.check()
        whole = answer(TONGUES["chat"].unary) if not streamed and name == "chat" else stream(TONGUES["chat"], "hi")
        stage.always(*whole, host="b")
        relay = made(far, near)
        moved = await ask(relay, "openai.chat", streamed=streamed)
        assert moved.status == 200 and len(stage.tried) == 2
        punctual(stage.at("b")[0].opened_at - moved.began, 0.7)
        relay.check()
        relay = made(far, interactive_first_content_s=0.4, interactive_total_s=0.4)  # the smaller of the two holds
        short = await ask(relay, "openai.chat", streamed=streamed)
        punctual(short.took_s, 0.4, outcome(relay))
        assert short.status == 504
        relay.check()

    unreachable(swallows, main)


# --- the first content --------------------------------------------------------------------------------


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("client", "name"), PAIRS)
def test_the_first_content_has_its_deadline_whatever_keeps_the_stream_warm(client: str, name: str, warm: bool) -> None:
    """A role frame and a comment each 200 ms do not put it off; alone, the row has the whole deadline."""

    async def main(env: VirtualEnv) -> None:
        relay, tongue = relay_of(env, name, idle_s=1.0), TONGUES[name]
        relay.stage.always(*([head(), *murmur(tongue, FOREVER)] if warm else [head()]), host="a")
        asked = await ask(relay, client, streamed=True)
        punctual(asked.took_s, FIRST)
        told_in_its_shape(client, asked, K.TIMEOUT_FIRST)
        assert asked.status == 504 and outcome(relay) == K.TIMEOUT_FIRST and asked.headers["x-should-retry"] == "false"
        relay.check()

    played(main)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_gathered_answer_has_the_same_deadline(client: str, warm: bool) -> None:
    """A unary request whose provider streams: its first content is awaited as long as a stream's would be."""

    async def main(env: VirtualEnv) -> None:
        relay, tongue = relay_of(env, "folded", idle_s=1.0), TONGUES["folded"]
        relay.stage.always(*([head(), *murmur(tongue, FOREVER)] if warm else [head()]), host="a")
        asked = await ask(relay, client, streamed=False)
        punctual(asked.took_s, FIRST)
        told_in_its_shape(client, asked, K.TIMEOUT_FIRST)
        assert asked.status == 504
        relay.check()

    played(main)


def test_a_request_that_was_long_in_coming_has_that_time_less() -> None:
    """All deadlines are counted from arrival, which is when its last byte came, not when it was understood."""

    async def main(env: VirtualEnv) -> None:
        for name, streamed, number in (("chat", True, FIRST), ("chat", False, TOTAL), ("folded", False, FIRST)):
            relay = relay_of(env, name)
            relay.stage.always(head(), *murmur(TONGUES[name], FOREVER), host="a")
            if (name, streamed) == ("chat", False):
                relay.stage.always(host="a")
            asked = await ask(relay, "openai.chat", streamed=streamed, since=1.3)
            punctual(asked.took_s, number, (name, streamed))

    played(main)


# --- the cut-off --------------------------------------------------------------------------------------


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("client", "name"), PAIRS)
def test_a_silent_stream_is_left_at_the_cut_off_while_somebody_else_can_take_it(
    client: str, name: str, warm: bool
) -> None:
    """At the tier's target where nothing is known; the last one gets all that is left of the deadline."""

    async def main(env: VirtualEnv) -> None:
        deadlines = {"interactive_first_content_s": 10.0, "interactive_total_s": 60.0}
        relay, tongue = relay_of(env, name, name, name, deadlines=deadlines), TONGUES[name]
        quiet = [head(), *murmur(tongue, FOREVER)] if warm else [head()]
        for host in "abc":
            relay.stage.always(*quiet, host=host)
        asked = await ask(relay, client, streamed=True)
        a, b, c = (relay.stage.at(host)[0].opened_at - asked.began for host in "abc")
        assert a < 0.01
        punctual(b - a, 1.5)
        punctual(c - b, 3.0)
        punctual(asked.took_s, 10.0)
        assert [x.failure for x in relay.last.attempts] == [K.TIMEOUT_FIRST] * 3
        relay.check()

    played(main)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("client", "name"), PAIRS)
def test_an_answer_begins_within_3_seconds_with_one_silent_tier_and_10_with_two(
    client: str, name: str, warm: bool
) -> None:
    """Each row that does answer does so within its tier's target, and so does the whole."""

    async def main(env: VirtualEnv) -> None:
        deadlines = {"interactive_first_content_s": 10.0, "interactive_total_s": 60.0}
        tongue = TONGUES[name]
        quiet = [head(), *murmur(tongue, FOREVER)] if warm else [head()]
        for silent, within in ((1, 3.0), (2, 10.0)):
            relay = relay_of(env, name, name, name, deadlines=deadlines)
            for i, host in enumerate("abc"):
                relay.stage.always(*(quiet if i < silent else [1.4, *stream(tongue, "hel", "lo")]), host=host)
            heard = relay.heard(stream=True)
            asked = await ask(relay, client, streamed=True, heard=heard)
            assert outcome(relay) == "ok", (outcome(relay), asked.body)
            assert heard.writes[0][0] - asked.began <= within
            assert asked.headers["x-lbd-attempts"] == str(silent + 1)

    played(main)


@pytest.mark.parametrize("name", ["chat", "folded"])
def test_a_whole_answer_comes_as_soon_from_somebody_else_where_the_first_is_frozen(name: str) -> None:
    """At the target its row is probed; a frozen server does not answer that either, and is left a second later."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.2) for n in "ab"]
        shape = TONGUES[name].shape
        rows = [provider(h, model=h.name, tier=t, shape=shape) for h, t in zip(hosts, TARGETS, strict=False)]
        async with Sim(env, hosts, {"providers": rows}) as sim:
            await env.sleep(5)
            sim.world.freeze("a")
            asked = await sim.ask()
            assert asked.fate == "ok" and asked.headers["x-lbd-deployment"] == "b/b", asked.error
            left = hosts[1].arrivals[0] - asked.began
            if name == "folded":
                punctual(left, 1.5)
            else:
                punctual(left, 2.5)
            assert asked.took_s < 3.0

    played(main)


def test_nobody_is_cut_off_for_somebody_who_cannot_take_it() -> None:
    """The second tier is out: the first has the whole deadline. It comes back: the first is left within a second."""

    async def main(env: VirtualEnv) -> None:
        for back_after, left_at in ((None, None), (2.2, 3.0)):
            relay = relay_of(env, "chat", "chat", deadlines={"interactive_first_content_s": 8.0})
            relay.stage.always(head(), *murmur(TONGUES["chat"], FOREVER), host="a")
            relay.stage.always(*stream(TONGUES["chat"], "hi"), host="b")
            _drain(relay, "b", out=True)
            task = env._loop.create_task(ask(relay, "openai.chat", streamed=True))
            if back_after is None:
                asked = await task
                punctual(asked.took_s, 8.0)
                assert not relay.stage.at("b") and asked.status == 504
            else:
                await env.sleep(back_after)
                _drain(relay, "b", out=False)
                asked = await task
                assert asked.status == 200
                left = relay.stage.at("b")[0].opened_at - asked.began
                assert left_at is not None and back_after <= left <= back_after + 1.0 + LATE

    played(main)


def _drain(relay: Relay, host: str, *, out: bool) -> None:
    row = relay.find(host)
    relay.owner.order(row, AdminState.MAINT if out else AdminState.READY, by="a test", reason="")


# --- the gap in the middle of an answer ---------------------------------------------------------------


@pytest.mark.parametrize(("client", "name"), PAIRS)
def test_a_stream_that_stops_is_ended_at_the_idle_gap(client: str, name: str) -> None:
    """Counted from the last byte, whatever it was: a comment there is a sign of life."""

    async def main(env: VirtualEnv) -> None:
        relay, tongue = relay_of(env, name), TONGUES[name]
        for signs in (0, 4):
            alive = [step for _ in range(signs) for step in (0.5, say(tongue.quiet[-1]))]
            relay.stage.plan(0.3, head(), say(tongue.quiet[0], tongue.begin, tongue.content("hel")), *alive, host="a")
            asked = await ask(relay, client, streamed=True)
            punctual(asked.took_s, 0.3 + 0.5 * signs + IDLE, outcome(relay))
            assert outcome(relay) == K.TIMEOUT_IDLE
            told_in_its_shape(client, asked, K.TIMEOUT_IDLE)
            relay.check()
            relay = relay_of(env, name)

    played(main)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_gathered_answer_that_stops_is_left_at_the_idle_gap(client: str) -> None:
    """For somebody else, and where there is nobody, for a 504."""

    async def main(env: VirtualEnv) -> None:
        for rows in (1, 2):
            relay, tongue = relay_of(env, *["folded"] * rows), TONGUES["folded"]
            relay.stage.always(0.3, head(), say(tongue.quiet[0], tongue.content("hel")), host="a")
            relay.stage.always(0.1, *stream(tongue, "hel", "lo"), host="b")
            asked = await ask(relay, client, streamed=False)
            if rows == 1:
                punctual(asked.took_s, 0.3 + IDLE)
                assert asked.status == 504 and outcome(relay) == K.TIMEOUT_IDLE
            else:
                punctual(relay.stage.at("b")[0].opened_at - asked.began, 0.3 + IDLE)
                assert asked.status == 200
            relay.check()

    played(main)


@pytest.mark.parametrize(("client", "name"), [(c, n) for c, n in PAIRS if n != "folded"])
def test_a_whole_answer_that_stops_in_its_body_is_left_at_its_gap(client: str, name: str) -> None:
    """It was computed before its first byte: half of it and then nothing is a fault, and not thinking."""

    async def main(env: VirtualEnv) -> None:
        for idle_s, number in ((IDLE, IDLE), (30.0, BODY_GAP)):
            relay, tongue = relay_of(env, name, name, idle_s=idle_s), TONGUES[name]
            half = tongue.unary[: len(tongue.unary) // 2]
            relay.stage.always(0.3, head(200, **{"content-type": "application/json"}), say(half), host="a")
            relay.stage.always(0.1, *answer(tongue.unary), host="b")
            asked = await ask(relay, client, streamed=False)
            punctual(relay.stage.at("b")[0].opened_at - asked.began, 0.3 + number)
            assert asked.status == 200 and relay.last.attempts[0].failure is K.TIMEOUT_IDLE
            relay.check()

    played(main)


# --- the whole ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", ["drips", "breathes", "silent"])
@pytest.mark.parametrize(("client", "name"), PAIRS)
def test_the_whole_answer_has_its_deadline(client: str, name: str, manner: str) -> None:
    """A stream that drips content, one that only shows signs of life, and a whole answer that does not come."""

    async def main(env: VirtualEnv) -> None:
        relay, tongue = relay_of(env, name), TONGUES[name]
        streamed = manner != "silent"
        if streamed or name == "folded":
            said = tongue.content("x") if manner != "breathes" else tongue.quiet[-1]
            drip = [step for _ in range(200) for step in (MURMUR, say(said))]
            relay.stage.always(head(), say(tongue.quiet[0], tongue.begin, tongue.content("x")), *drip, host="a")
        asked = await ask(relay, client, streamed=streamed)
        punctual(asked.took_s, TOTAL, outcome(relay))
        assert outcome(relay) == K.TIMEOUT_TOTAL
        told_in_its_shape(client, asked, K.TIMEOUT_TOTAL)
        relay.check()

    played(main)


# --- clients that read slowly -------------------------------------------------------------------------


def test_what_a_slow_client_holds_up_is_no_silence_of_the_provider() -> None:
    """While it takes nothing, the gap does not run; from when it takes again it runs anew; the whole runs always."""

    async def main(env: VirtualEnv) -> None:
        tongue = TONGUES["chat"]
        for held, more, ends in (
            (4.0, True, "ok"),
            (4.0, False, K.TIMEOUT_IDLE),
            (math.inf, False, K.TIMEOUT_TOTAL),
        ):
            relay = relay_of(env, "chat")
            heard = relay.heard(stream=True)
            relay.stage.always(0.2, head(), say(tongue.quiet[0], tongue.content("a")), host="a")
            task = env._loop.create_task(ask(relay, "openai.chat", streamed=True, heard=heard))
            await env.sleep(1.0)
            taken: Taken = relay.stage.at("a")[0]
            heard.flows[0][0]()
            assert taken.paused
            if held < math.inf:
                await env.sleep(held)
                assert not task.done(), "a client's own pause has ended its stream"
                heard.flows[0][1]()
            if more:
                await env.sleep(IDLE - 0.1)
                taken.say(tongue.content("b"), tongue.rest)
                taken.end()
            asked = await task
            assert outcome(relay) == ends
            punctual(asked.took_s, {"ok": 1.0 + held + IDLE - 0.1, K.TIMEOUT_TOTAL: TOTAL}.get(ends, 1.0 + held + IDLE))
            relay.check()

    played(main)


def test_a_client_that_stops_and_goes_makes_no_gap_however_often() -> None:
    """Each pause is shorter than the gap, all together are longer; and pauses may overlap what the provider sends."""

    async def main(env: VirtualEnv) -> None:
        relay, tongue = relay_of(env, "chat", deadlines={**DEADLINES, "interactive_total_s": 120.0}), TONGUES["chat"]
        heard = relay.heard(stream=True)
        relay.stage.always(0.2, head(), say(tongue.quiet[0], tongue.content("a")), host="a")
        task = env._loop.create_task(ask(relay, "openai.chat", streamed=True, heard=heard))
        await env.sleep(0.5)
        for i in range(12):
            heard.flows[0][0]()
            await env.sleep(IDLE * (0.5 + 0.2 * i))
            heard.flows[0][1]()
            await env.sleep(0.9 * IDLE)
            assert not task.done(), (i, outcome(relay))
            relay.stage.at("a")[0].say(tongue.content("b"))
        began = env.now()
        await task
        punctual(env.now() - began, IDLE)
        relay.check()

    played(main)


# --- after retries, in the queue, after splices: no deadline is ever restarted ------------------------


def test_retries_leave_no_more_time() -> None:
    """A 500, the same row again, a 429 with its wait, another row that is silent: the deadline is that of arrival."""

    async def main(env: VirtualEnv) -> None:
        quiet = [head(), *murmur(TONGUES["chat"], FOREVER)]
        busy = answer(refusal("later"), 429, retry_after_ms="1500")
        for name, first, streamed, number in (
            ("chat", [0.3, *answer(refusal("no"), 500)], True, FIRST),
            ("chat", [0.3, *busy], True, FIRST),
            ("chat", [0.3, cut(K.RESET)], True, FIRST),
            ("chat", [0.3, *answer(refusal("no"), 500)], False, TOTAL),
            ("folded", [0.3, *answer(refusal("no"), 500)], False, FIRST),
        ):
            relay = relay_of(env, name)
            relay.stage.plan(*first, host="a")
            relay.stage.always(*(quiet if streamed or name == "folded" else ()), host="a")
            asked = await ask(relay, "openai.chat", streamed=streamed)
            assert len(relay.last.attempts) == 2, outcome(relay)
            punctual(asked.took_s, number, (name, streamed, outcome(relay)))
            relay.check()
        # moves as well: each of three takes its cut-off, the last what is left
        relay = relay_of(env, "chat", "chat", "chat", deadlines={"interactive_first_content_s": 6.0})
        for host in "ab":
            relay.stage.plan(0.4, *answer(refusal("no"), 503), host=host)
        relay.stage.always(*quiet, host="c")
        asked = await ask(relay, "openai.chat", streamed=True)
        punctual(asked.took_s, 6.0, [(a.decision.chosen, a.failure) for a in relay.last.attempts])
        relay.check()

    played(main)


def test_a_wait_for_a_slot_is_part_of_the_deadline() -> None:
    """Who waits for a busy row is told at its deadline; whose turn comes has what is left of it."""

    async def main(env: VirtualEnv) -> None:
        for frees_at, number in ((None, FIRST), (2.5, FIRST)):
            relay = Relay(env, row("a", max_concurrency=1), deadlines={**DEADLINES, "interactive_total_s": 60.0})
            tongue = TONGUES["chat"]
            long = [step for _ in range(200) for step in (MURMUR, say(tongue.content("x")))]
            relay.stage.plan(head(), say(tongue.quiet[0], tongue.content("x")), *long, host="a")
            relay.stage.always(head(), *murmur(tongue, FOREVER), host="a")
            other = env._loop.create_task(ask(relay, "openai.chat", streamed=True))
            await env.sleep(0.1)
            waiting = env._loop.create_task(ask(relay, "openai.chat", streamed=True))
            if frees_at is not None:
                await env.sleep(frees_at)
                other.cancel()
            asked = await waiting
            punctual(asked.took_s, number, outcome(relay))
            assert asked.status == (503 if frees_at is None else 504), asked.body
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)
            relay.check()

    played(main)


def test_a_stream_that_goes_on_elsewhere_has_its_gap_from_there_and_its_whole_from_arrival() -> None:
    """Broken at 2 s, the next one silent: its wait began at the break; and the whole is never put off."""

    async def main(env: VirtualEnv) -> None:
        tongue = TONGUES["chat"]
        begin = [0.2, head(), say(tongue.quiet[0], tongue.content("hel"))]
        drip = [step for _ in range(200) for step in (MURMUR, say(tongue.content("x")))]
        for second, number, kind in (
            ([head(), *murmur(tongue, FOREVER)], 2.0 + FIRST, K.BROKEN_STREAM),
            ([0.1, head(), say(tongue.quiet[0], tongue.content("hel"))], 2.1 + IDLE, K.BROKEN_STREAM),
            ([0.1, head(), say(tongue.quiet[0], tongue.content("hel")), *drip], TOTAL, K.TIMEOUT_TOTAL),
        ):
            relay = relay_of(env, "chat", "chat", twins=True)
            relay.stage.always(*begin, 1.8, cut(), host="a")
            relay.stage.always(*second, host="b")
            asked = await ask(relay, "openai.chat", streamed=True)
            punctual(relay.stage.at("b")[0].opened_at - asked.began, 2.0)
            punctual(asked.took_s, number, outcome(relay))
            assert asked.error is not None and outcome(relay) == kind, (outcome(relay), kind)
            relay.check()
        # a stream that stops is gone on with at the gap
        relay = relay_of(env, "chat", "chat", twins=True)
        relay.stage.always(*begin, host="a")
        relay.stage.always(0.1, *stream(tongue, "hel", "lo"), host="b")
        asked = await ask(relay, "openai.chat", streamed=True)
        punctual(relay.stage.at("b")[0].opened_at - asked.began, 0.2 + IDLE)
        assert asked.text == "hello" and outcome(relay) == "ok"
        relay.check()

    played(main)


# --- any configuration, any provider ------------------------------------------------------------------

_BYTES = st.sampled_from(("role", "alive", "content", "content", "long"))


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[float, str]]:
    """Draw what a provider sends: pauses of up to some seconds, and what comes then."""
    pause = st.sampled_from((0.0, 0.11, 0.37, 0.9, 1.7, 2.3, 3.1, 6.3))
    return [(draw(pause), draw(_BYTES)) for _ in range(draw(st.integers(0, 9)))]


class Rule(NamedTuple):
    """What the rule says of a request: when and how it ends, when its attempts begin, and every timer it had."""

    end: float
    how: str
    starts: list[float]
    timers: list[float]


def expected(scripts: list[list[tuple[float, str]]], first_s: float, idle_s: float, total_s: float) -> Rule:
    """Return what becomes of a streamed request.

    Rows are tried in the order of their tiers; nothing is known of them, so their cut-offs are their tiers' targets,
    and at most half of what is left.
    """
    first_s = min(first_s, total_s)
    began, starts, timers = 0.0, [], [first_s, total_s]
    for i, script in enumerate(scripts):
        starts.append(began)
        target = list(TARGETS.values())[i]
        cut_at = math.inf if i == len(scripts) - 1 else began + min(target, (first_s - began) / 2)
        timers.append(cut_at)
        at, committed, last = began, False, began
        for pause, what in script:
            at += pause
            if at > (min(last + idle_s, total_s) if committed else min(cut_at, first_s)):
                break
            committed |= what in ("content", "long")
            last = at
        if committed:
            end = min(last + idle_s, total_s)
            either = abs(last + idle_s - total_s) <= LATE
            kind = K.TIMEOUT_TOTAL if end == total_s else K.TIMEOUT_IDLE
            return Rule(end, "after" if either else str(kind), starts, [*timers, last + idle_s])
        if cut_at >= first_s:
            break
        began = cut_at
    return Rule(first_s, "first", starts, timers)


@given(
    st.lists(scripts(), min_size=1, max_size=3),
    st.sampled_from((0.7, 2.0, 3.3, 5.0, 10.0)),
    st.sampled_from((0.5, 1.9, 2.05, 4.0)),
    st.sampled_from((1.1, 4.7, 9.0, 40.0)),
)
@settings(max_examples=80)
def test_whatever_a_provider_does_each_timer_is_kept(
    played_by: list[list[tuple[float, str]]], first_s: float, idle_s: float, total_s: float
) -> None:
    """Random scripts, deadlines and gaps, against the rule written down once more; nobody ends an answer here."""
    end, how, starts, timers = expected(played_by, first_s, idle_s, total_s)
    # what comes within the allowance of a timer may be seen before or after it: both are right
    for script, began in zip(played_by, starts, strict=False):
        at = began
        for pause, _ in script:
            at += pause
            assume(all(abs(at - timer) > 3 * LATE for timer in timers))
            assume(not 0 < pause - idle_s < 3 * LATE)

    async def main(env: VirtualEnv) -> None:
        names = ["chat"] * len(played_by)
        deadlines = {"interactive_first_content_s": first_s, "interactive_total_s": total_s}
        relay = relay_of(env, *names, idle_s=idle_s, deadlines=deadlines)
        tongue = TONGUES["chat"]
        said = {"role": tongue.quiet[0], "alive": tongue.quiet[1], "content": tongue.content("x")}
        said["long"] = tongue.content("y" * 3000)
        for host, script in zip("abc", played_by, strict=False):
            steps = [step for pause, what in script for step in (pause, say(said[what]))]
            relay.stage.always(head(), *steps, host=host)
        began = env.now()
        asked = await ask(relay, "openai.chat", streamed=True)
        opened = [t.opened_at - began for t in relay.stage.taken]
        before = [t for t in opened if t <= end - 1e-6]  # a stream that stopped may be tried to go on with
        assert len(before) == len(starts), (before, starts, outcome(relay))
        for i, (at, number) in enumerate(zip(before, starts, strict=True)):
            assert number - 1e-6 <= at <= number + (i + 1) * LATE, (before, starts)
        ended = asked.took_s if len(opened) == len(before) else opened[len(before)]
        assert end - 1e-6 <= ended <= end + LATE * len(starts), (ended, end, how, outcome(relay))
        if len(played_by) == 1:
            several = {"first": (K.TIMEOUT_FIRST, K.TIMEOUT_TOTAL), "after": (K.TIMEOUT_IDLE, K.TIMEOUT_TOTAL)}
            kinds = several.get(how, (how,))
            assert outcome(relay) in kinds, (outcome(relay), how)
        relay.check()

    run(main)
