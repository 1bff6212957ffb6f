"""A stream that breaks after its first content: what the client gets, whatever broke it, and what is recorded of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

from lbd.model.failure import Failure, FailureKind
from lbd.observe.meter import Meter
from lbd.shapes import sse
from lbd.shapes.told import FOLDS
from lbd.state import flight as flights
from lbd.upstream.run import KEEP_ALIVE_EVERY
from lbd.upstream.service import Settings
from lbd.upstream.splicing import GRAIN, MOST_SHOWN, Result, Room, Splicing
from tests.fakes.harness import Asked, SimInbound
from tests.fakes.relay import Relay, row
from tests.fakes.stage import (
    DONE,
    ROLE,
    STOP,
    answer,
    content,
    cut,
    end,
    error_in_band,
    event,
    head,
    refusal,
    say,
    stream,
    usage,
)
from tests.fakes.virtual import VirtualEnv, run
from tests.unit.shapes import streams
from tests.unit.shapes.messages import transcripts

K = FailureKind
BREAKS: dict[str, tuple[Any, ...]] = {
    "cut": (cut(),),
    "reset": (cut(K.RESET),),
    "ended": (end,),
    "error event": (say(error_in_band()),),
    "malformed": (say(b"data: {broken\n\n"),),
    "stalled": (),
}
WHOLE = stream("hel", "lo ", "world")
WISH = {"x-lbd-after-content": "restart"}


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def twins(env: VirtualEnv, *, shapes: tuple[str, str] = ("openai", "openai"), **more: Any) -> Relay:
    """Two deployments of one model; ``a`` is asked first."""
    rows = [row("a", shape=shapes[0]), row("b", tier="secondary", shape=shapes[1])]
    more.setdefault("settings", Settings(idle_gap_s=3.0))
    return Relay(env, *rows, **more)


def events_of(stream: bytes) -> list[bytes]:
    return [frame.raw for frame in sse.frames(stream)]


BODIES: dict[str, dict[str, Any]] = {
    "openai.chat": {"messages": [{"role": "user", "content": "hello"}]},
    "openai.completions": {"prompt": "hello"},
    "openai.responses": {"input": "hello"},
    "anthropic.messages": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100},
}


async def asking(relay: Relay, client: str, pin: str | None = None, **more: Any) -> Asked:
    """Make a streamed request of a client of this shape."""
    heard = relay.heard(stream=True)
    body = json.dumps({"model": "auto", "stream": True, **BODIES[client], **more}).encode()
    inbound = SimInbound(relay.env.now(), {} if pin is None else {"x-lbd-pin": pin})
    await relay.pipeline.handle(inbound, body, relay.plugins.clients[client], heard)
    return heard.asked


def errors(asked: Asked) -> int:
    return sum(b'"error"' in line for line in asked.body.split(b"\n\n"))


# --- it goes on ----------------------------------------------------------------------------------------

ANTHROPIC = {n: transcripts.TRANSCRIPTS[n] for n in ("text", "thinking", "two calls", "call of nothing")}
OPENAI = {n: streams.TRANSCRIPTS[n] for n in ("openai", "vllm tools", "llama.cpp", "refusal")}
ROUTES = [
    (client, shapes, name)
    for client in BODIES
    for shapes in (("openai", "openai"), ("anthropic", "anthropic"))
    for name in (OPENAI if shapes[0] == "openai" else ANTHROPIC)
]


def fold(client: str, sent: bytes) -> Any:
    """Return the answer that a client has, less what each run has for itself."""
    folded = FOLDS[client]()
    folded.feed(sent)
    told = json.loads(folded.result())
    for aside in ("id", "created", "created_at", "timings", "system_fingerprint"):
        told.pop(aside, None)
    for item in told.get("output", ()):
        item.pop("id")
    return told


@pytest.mark.parametrize(("client", "shapes", "name"), ROUTES)
def test_whatever_broke_it_and_wherever_the_client_gets_the_answer_that_never_broke(
    client: str, shapes: tuple[str, str], name: str
) -> None:
    """Cut, stalled, malformed, ended by an error: behind every event of the provider, in every client's shape."""
    told = (OPENAI if shapes[0] == "openai" else ANTHROPIC)[name]
    events = events_of(told)
    counted = client == "openai.chat" and b'"usage"' in told
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if counted else {}

    fates: Counter[str] = Counter()

    async def once(env: VirtualEnv, n: int, acts: tuple[Any, ...]) -> None:
        relay = twins(env, shapes=shapes)
        relay.stage.always(0.1, head(), say(*events), end, host="b")
        relay.stage.plan(0.1, head(), say(*events[:n]), 0.05, *acts, host="a")
        asked = await asking(relay, client, **more)
        assert asked.ended
        if relay.last.outcome == "ok":
            unbroken = fold(client, (await asking(relay, client, "b/m", **more)).body)
            got, spliced = fold(client, asked.body), relay.records[0].spliced
            if not spliced:  # whole: its usage may not have come
                unbroken["usage"] = got["usage"] = None
            assert got == unbroken, asked.body
            fates["went on" if spliced else "whole or moved"] += 1
        else:  # what was shown cannot be compared just there: typed, and no end
            assert client == "openai.responses" and relay.last.splices == ("unsupported",), (relay.last, asked.body)
            assert b"[DONE]" not in asked.body and b"response.completed" not in asked.body
            fates["unsupported"] += 1
        relay.check()

    for n in range(1, len(events)):
        for acts in BREAKS.values():
            run(lambda env, n=n, acts=acts: once(env, n, acts))  # type: ignore[misc]
    assert fates["went on"] >= 5 or client == "openai.completions", fates


def test_a_stream_goes_on_as_one_and_both_attempts_are_paid_for() -> None:
    """One role, one end mark, the usage of the second run, the slots freed; and the table knows who failed."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel"), content("lo ")), 0.1, cut(), host="a")
        relay.stage.plan(
            0.2, head(), say(ROLE, content("hello w"), content("orld"), STOP, usage(), DONE), end, host="b"
        )
        asked = await relay.ask(stream=True, stream_options={"include_usage": True})
        assert asked.text == "hello world"
        assert asked.body.count(b'"role"') == asked.body.count(b"[DONE]") == asked.body.count(b'"usage"') == 1
        assert asked.headers["x-lbd-deployment"] == "a/m"
        last = relay.last
        assert (last.outcome, last.status, last.served_by, last.moved) == ("ok", 200, "b/m", 1)
        assert [a.failure for a in last.attempts] == [K.BROKEN_STREAM, None]
        assert (last.splices, last.spliced) == (("went_on",), 1)
        assert last.cost == sum(a.cost for a in last.attempts) and all(a.cost for a in last.attempts)
        assert last.ttft_s == pytest.approx(0.1, abs=0.01)
        assert relay.find("a").breaker.fails == 1 and relay.find("b").breaker.fails == 0
        assert relay.flights.budget.spent == 1
        meter = Meter()
        meter.add(last)
        assert meter.splices == {"went_on": 1} and meter.copy().splices == {"went_on": 1}
        assert relay.flights.room.left == Room().left
        relay.check()

    play(main)


def test_without_a_twin_the_same_row_says_it_again() -> None:
    """After a pause; one that fell silent is not asked again, then it is another model's turn."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", model="m-a"), row("b", model="m-b", tier="secondary"))
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        relay.stage.plan(0.1, head(), say(WHOLE), end, host="a")
        assert (await relay.ask(stream=True)).text == "hello world"
        assert [a.decision.chosen for a in relay.last.attempts] == ["a/m-a", "a/m-a"]
        assert relay.last.moved == 0
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), host="a")
        relay.stage.plan(0.1, head(), say(WHOLE), end, host="b")
        assert (await relay.ask(stream=True)).text == "hello world"
        assert relay.last.served_by == "b/m-b" and relay.last.attempts[0].failure == K.TIMEOUT_IDLE
        relay.check()

    play(main)


def test_a_stream_that_breaks_again_is_taken_up_again_and_no_third_time() -> None:
    """What the client has then is of two runs."""

    async def main(env: VirtualEnv) -> None:
        rows = [row(n, tier=t) for n, t in (("a", "primary"), ("b", "secondary"), ("c", "tertiary"))]
        relay = Relay(env, *rows)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        relay.stage.plan(0.1, head(), say(ROLE, content("hello ")), 0.1, cut(), host="b")
        relay.stage.plan(0.1, head(), say(WHOLE), end, host="c")
        assert (await relay.ask(stream=True)).text == "hello world"
        assert relay.last.splices == ("went_on", "went_on") and len(relay.last.attempts) == 3
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        for host in "bc":
            relay.stage.plan(0.1, head(), say(ROLE, content("hello "), content("w")), 0.1, cut(), host=host)
        asked = await relay.ask(stream=True)
        assert asked.text == "hello w" and errors(asked) == 1 and b"[DONE]" not in asked.body
        assert relay.last.outcome == K.BROKEN_STREAM and len(relay.last.attempts) == 3
        relay.check()

    play(main)


def test_an_attempt_that_fails_before_it_has_caught_up_is_followed_by_another() -> None:
    """Refused, or broken while it was still silent: the client has noticed nothing."""

    async def main(env: VirtualEnv) -> None:
        rows = [row(n, tier=t) for n, t in (("a", "primary"), ("b", "secondary"), ("c", "tertiary"))]
        relay = Relay(env, *rows)
        broken = ((0.1, *answer(refusal("busy"), 503)), (0.1, head(), say(ROLE, content("h")), 0.1, cut()))
        for script in broken:
            relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
            relay.stage.plan(*script, host="b")
            relay.stage.plan(0.1, head(), say(WHOLE), end, host="c")
            asked = await relay.ask(stream=True)
            assert (asked.text, errors(asked)) == ("hello world", 0)
            assert relay.last.splices == ("failed", "went_on") and relay.last.served_by == "c/m"
            await env.sleep(30)
        relay.check()

    play(main)


def test_the_client_is_told_that_its_answer_is_awaited() -> None:
    """While the second run is silent, comments keep what is in between from giving the stream up."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env, settings=Settings(idle_gap_s=30.0))
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        slow = [step for letter in "hel" for step in (9.0, say(content(letter)))]
        relay.stage.plan(0.1, head(), say(ROLE), *slow, 9.0, say(content("lo"), STOP, DONE), end, host="b")
        heard = relay.heard(stream=True)
        asked = await relay.send(heard, stream=True)
        assert asked.text == "hello"
        alive = [at for at, data in heard.writes if data == relay.shape.keep_alive]
        assert len(alive) == 4  # at the break, with the first content of the second run, and every 15 s
        assert max(b - a for a, b in pairwise(alive)) <= KEEP_ALIVE_EVERY
        relay.check()

    play(main)


def test_where_the_twin_is_busy_the_stream_waits_for_its_turn() -> None:
    """As long as a first content may take; the client is told meanwhile that it is awaited."""

    async def main(env: VirtualEnv) -> None:
        rows = [row("a"), row("b", tier="secondary", deployment={"max_concurrency": 1})]
        relay = Relay(env, *rows, deadlines={"interactive_first_content_s": 5.0})
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 9.0, cut(K.RESET), host="a")
        relay.stage.plan(0.1, head(), say(stream("mine")), 12.0, end, host="b")
        first = relay.start(stream=True)
        await env.sleep(7.0)
        relay.stage._plans["b"].clear()
        relay.stage.plan(0.1, head(), say(ROLE, content("busy")), 4.0, say(STOP, DONE), end, host="b")
        other = relay.start(stream=True, headers={"x-lbd-pin": "b/m"})
        relay.stage.plan(0.1, head(), say(WHOLE), end, host="b")
        asked = await first
        assert asked.text == "hello world" and 11.0 < asked.took_s < 11.5
        assert (await other).text == "busy"
        relay.check()

    play(main)


# --- it differs ----------------------------------------------------------------------------------------


def test_the_first_difference_ends_it_in_one_typed_error_event() -> None:
    """The second run is stopped at once, whatever it still had to say; the error is that of the first."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        relay.stage.plan(0.1, head(), say(ROLE, content("he")), 0.1, say(content("y")), 5.0, say(STOP, DONE), host="b")
        asked = await relay.ask(stream=True)
        assert asked.text == "hel" and b"[DONE]" not in asked.body and errors(asked) == 1
        assert asked.error is not None and asked.error["code"] == "broken_stream"
        assert "could not be continued" in asked.error["message"] and "differs" in asked.error["message"]
        second = relay.stage.at("b")[0]
        assert second.cancelled_at is not None and second.cancelled_at - second.opened_at < 0.25
        last = relay.last
        assert (last.outcome, last.splices, last.served_by) == (K.BROKEN_STREAM, ("different",), "a/m")
        assert [a.failure for a in last.attempts] == [K.BROKEN_STREAM, K.DIFFERENT]
        assert last.attempts[1].usage is not None and last.attempts[1].usage.completion == 2
        assert relay.find("b").breaker.fails == 0 and relay.find("b").suspect is None
        relay.check()

    play(main)


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}


@pytest.mark.parametrize(
    ("again", "goes_on"),
    [('{"x": 1}', True), ('{"x":2}', False), ('{"x":1,"y":2}', False)],
)
def test_a_tool_call_is_compared_as_the_value_that_it_holds(again: str, goes_on: bool) -> None:
    """And its id stays the one that the client has."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        relay.stage.plan(0.1, head(), say(ROLE, event({"tool_calls": [CALL]})), 0.1, cut(), host="a")
        other = {**CALL, "id": "call_2", "function": {"name": "f", "arguments": again}}
        told = event({"tool_calls": [other]})
        relay.stage.plan(0.1, head(), say(ROLE, told, event({}, "tool_calls"), DONE), end, host="b")
        asked = await relay.ask(stream=True)
        assert (relay.last.outcome == "ok") is goes_on
        assert b"call_2" not in asked.body
        if goes_on:
            told_calls = fold("openai.chat", asked.body)["choices"][0]
            assert told_calls["finish_reason"] == "tool_calls"
            call = told_calls["message"]["tool_calls"][0]
            assert (call["id"], call["function"]["arguments"]) == ("call_1", '{"x":1}')
        relay.check()

    play(main)


# --- it is not spliced ---------------------------------------------------------------------------------


def broken_off(relay: Relay) -> None:
    """Have the first run break, and the second be whole."""
    relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
    relay.stage.always(0.1, head(), say(WHOLE), end, host="b")


@pytest.mark.parametrize("how", ["surface", "wish"])
def test_who_does_not_want_it_spliced_gets_the_error_at_once(how: str) -> None:
    """By its surface, or by a wish of the request, which has the last word."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env, surfaces=[{"name": "strict", "after_content": "error"}])
        wish = {"x-lbd-surface": "strict"} if how == "surface" else {"x-lbd-after-content": "error"}
        broken_off(relay)
        asked = await relay.ask(stream=True, headers=wish)
        assert errors(asked) == 1 and asked.text == "hel" and not relay.stage.at("b")
        assert relay.last.splices == () and len(relay.last.attempts) == 1
        assert asked.error is not None and "continued" not in asked.error["message"]
        broken_off(relay)
        asked = await relay.ask(stream=True, headers={"x-lbd-surface": "strict", "x-lbd-after-content": "splice"})
        assert asked.text == "hello world"
        relay.check()

    play(main)


@pytest.mark.parametrize("more", [{"logprobs": True}, {"modalities": ["text", "audio"]}])
def test_what_pieces_do_not_carry_is_not_gone_on_with(more: dict[str, Any]) -> None:
    """Never less than was asked for."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        broken_off(relay)
        asked = await relay.ask(stream=True, **more)
        assert errors(asked) == 1 and relay.last.splices == ("unsupported",) and not relay.stage.at("b")
        relay.check()

    play(main)


def test_what_was_shown_and_nobody_knows_is_not_gone_on_with() -> None:
    """A member of a delta that lbd does not know."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        broken_off(relay)
        relay.stage._plans.clear()
        relay.stage.plan(0.1, head(), say(ROLE, event({"content": "hel", "annotations": [{"x": 1}]})), cut(), host="a")
        asked = await relay.ask(stream=True)
        assert errors(asked) == 1 and relay.last.splices == ("unsupported",)
        relay.check()

    play(main)


def test_without_retry_budget_it_ends_as_it_broke() -> None:
    """A break of many streams at once must not double the load on those who are left."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        while relay.flights.budget.spend(env.now()):
            pass
        broken_off(relay)
        asked = await relay.ask(stream=True)
        assert errors(asked) == 1 and relay.last.splices == ("failed",) and not relay.stage.at("b")
        relay.check()

    play(main)


# --- what is kept --------------------------------------------------------------------------------------


def test_too_long_a_stream_is_not_kept() -> None:
    """Then a break is a typed error; what was taken of the room comes back."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        room = relay.flights.room.left
        long = [content("x" * 50_000) for _ in range(MOST_SHOWN // 50_000 + 1)]
        relay.stage.plan(0.1, head(), say(ROLE, *long[:-2]), 0.1, host="a")
        task = relay.start(stream=True)
        await env.sleep(0.2)
        assert MOST_SHOWN - 4 * GRAIN < room - relay.flights.room.left <= MOST_SHOWN
        relay.stage.at("a")[0].say(*long[-2:], *long)
        assert relay.flights.room.left == room
        relay.stage.at("a")[0].fail()
        asked = await task
        assert errors(asked) == 1 and relay.last.splices == ("unsupported",)
        relay.check()

    play(main)


def test_all_streams_together_are_kept_within_their_bound() -> None:
    """Whoever comes when it is reached is not spliced, and whoever is kept already still is."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        relay.flights.room = Room(GRAIN)
        relay.stage.always(0.1, head(), say(WHOLE), end, host="b")
        tasks = []
        for _ in range(2):
            relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.3, cut(), host="a")
            tasks.append(relay.start(stream=True))
            await env.sleep(0.05)
        first, second = [await task for task in tasks]
        assert (first.text, second.text, errors(first), errors(second)) == ("hello world", "hel", 0, 1)
        assert relay.flights.room.left == GRAIN
        relay.check()

    play(main)


# --- restart -------------------------------------------------------------------------------------------


def test_a_client_that_knows_how_begins_anew() -> None:
    """An event says that what it has is void; then comes a whole answer, which may be another."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        relay.stage.plan(0.1, head(), say(stream("good", " day")), end, host="b")
        asked = await relay.ask(stream=True, headers=WISH)
        before, notice, after = asked.body.partition(b'event: lbd.restart\ndata: {"type":"lbd.restart","reason":"')
        assert notice and after.startswith(b'broken_stream"}\n\n')
        assert Asked(0, body=before, stream=True).text == "hel"
        assert after.split(b"\n\n", 1)[1] == stream("good", " day")
        assert relay.last.outcome == "ok" and relay.last.splices == ("restarted",)
        assert relay.flights.budget.spent == 1
        relay.check()

    play(main)


def test_a_restart_is_only_for_who_may_ask_for_it() -> None:
    """No surface has it, and a client's ``may`` can keep it from asking."""

    async def main(env: VirtualEnv) -> None:
        client = {"name": "c", "key": "k-secret", "may": ["surface"]}
        relay = twins(env, clients=[client], allow_inline_secrets=True)
        asked = await relay.ask(stream=True, headers={**WISH, "authorization": "Bearer k-secret"})
        assert asked.status == 403 and b"after_content" in asked.body

    play(main)


def test_a_restart_that_breaks_too_is_begun_anew_once_more() -> None:
    """And then it ends in a typed error."""

    async def main(env: VirtualEnv) -> None:
        rows = [row(n, tier=t) for n, t in (("a", "primary"), ("b", "secondary"), ("c", "tertiary"))]
        relay = Relay(env, *rows)
        for host in "abc":
            relay.stage.plan(0.1, head(), say(ROLE, content(f"of {host}")), 0.1, cut(), host=host)
        asked = await relay.ask(stream=True, headers=WISH)
        assert asked.body.count(b"event: lbd.restart") == 2 and errors(asked) == 1
        assert relay.last.splices == ("restarted", "restarted", "failed") and relay.last.outcome == K.BROKEN_STREAM
        relay.check()

    play(main)


# --- lost rows, leaving clients, time ------------------------------------------------------------------


def test_a_lost_row_moves_the_streams_that_are_silent_and_no_other() -> None:
    """Bytes that flow prove that somebody is there, whatever a probe says."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env, settings=Settings(idle_gap_s=30.0))
        relay.stage.always(0.1, head(), say(WHOLE), end, host="b")
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), host="a")
        silent = relay.start(stream=True)
        flowing = [step for letter in "lo world" for step in (1.0, say(content(letter)))]
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), *flowing, say(STOP, DONE), end, host="a")
        lively = relay.start(stream=True)
        await env.sleep(4.0)
        assert not silent.done() and relay.silences == ["a"]
        relay.owner.lost("a/m")
        asked = await silent
        assert asked.text == "hello world" and asked.took_s < 4.5
        assert relay.last.attempts[0].failure == K.TIMEOUT_IDLE and relay.last.served_by == "b/m"
        assert (await lively).text == "hello world"
        assert relay.last.served_by == "a/m" and not relay.last.splices
        relay.check()

    play(main)


def test_a_stream_that_falls_silent_where_the_breaker_is_open_is_moved_at_once() -> None:
    """That the row is lost is known already: nobody waits for the idle gap."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env, settings=Settings(idle_gap_s=30.0))
        relay.stage.always(0.1, head(), say(WHOLE), end, host="b")
        tasks = []
        for n in range(4):
            steps = (0.1, head(), say(ROLE, content("hel")), 0.5, *((cut(),) if n else ()))
            relay.stage.plan(*steps, host="a")
            tasks.append(relay.start(stream=True))
        asked = [await task for task in tasks]
        assert [a.text for a in asked] == ["hello world"] * 4
        assert all(a.took_s < 5.0 for a in asked)
        relay.check()

    play(main)


@pytest.mark.parametrize("after", [0.15, 0.35, 0.6])
def test_a_client_that_leaves_stops_the_second_run_too(after: float) -> None:
    """Before it, within its silence, and when it goes on."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        relay.stage.plan(0.1, head(), say(ROLE, content("he")), 0.2, say(content("llo")), 9.0, say(STOP), host="b")
        task = relay.start(stream=True)
        env.call_at(env.now() + after, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert relay.last.outcome == K.CLIENT_GONE and not relay.last.splices
        assert relay.flights.room.left == Room().left
        relay.check()

    play(main)


def test_the_second_run_has_the_flight_s_deadlines() -> None:
    """Its silence is bounded as any; the whole answer ends when it must, spliced or not."""

    async def main(env: VirtualEnv) -> None:
        deadlines = {"interactive_first_content_s": 4.0, "interactive_total_s": 12.0}
        relay = twins(env, deadlines=deadlines)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        relay.stage.plan(host="b")
        asked = await relay.ask(stream=True)
        assert errors(asked) == 1 and relay.last.splices == ("failed",)
        assert 4.0 < asked.took_s < 5.0
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        drip = [step for _ in range(30) for step in (1.0, say(b": waiting\n\n", event({"content": ""})))]
        relay.stage.plan(0.1, head(), say(ROLE, content("h")), *drip, host="b")
        asked = await relay.ask(stream=True)
        assert errors(asked) == 1 and asked.took_s <= 12.1
        relay.check()

    play(main)


def test_draining_ends_the_second_run_with_its_own_word() -> None:
    """The client hears that asking again helps."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        relay.stage.plan(0.1, head(), say(ROLE, content("h")), host="b")
        task = relay.start(stream=True)
        await env.sleep(0.4)
        await relay.flights.drain(0.1)
        asked = await task
        assert asked.error is not None and asked.error["code"] == "draining"
        relay.check()

    play(main)


# --- the value by itself -------------------------------------------------------------------------------


def test_room_is_taken_and_given_back() -> None:
    """Nothing is taken where there is not enough."""
    room = Room(100)
    assert (room.take(60), room.take(60), room.left) == (True, False, 40)


def test_results_are_words_of_the_metric() -> None:
    """As documented."""
    assert {str(r) for r in Result} == {"went_on", "restarted", "different", "failed", "unsupported"}


def test_nobody_to_try_it_is_a_failed_try() -> None:
    """The metric counts breaks, not attempts alone."""

    async def main(env: VirtualEnv) -> None:
        relay = twins(env)
        ticket = None

        class Only(Exception):
            pass

        async def fly(made: Any, _reply: Any) -> None:
            nonlocal ticket
            ticket = made
            raise Only

        relay.flights.fly = fly  # type: ignore[method-assign,assignment]
        with pytest.raises(Only):
            await relay.ask(stream=True)
        assert ticket is not None
        splicing = Splicing(Room(), ticket)
        assert splicing.shown is not None
        splicing.shown.append(ROLE + content("a"))
        flight = flights.committed(flights.Flight(0.0, 1.0, 9.0))
        flight = splicing.broken(flight, Failure(K.RESET, "x"), 0.5, 1.0)
        assert flight.resumable and splicing.silent
        assert splicing.over(gone=True) == () and splicing.shown is None
        assert splicing.over(gone=False) == ("failed",)

    play(main)
