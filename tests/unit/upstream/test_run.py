"""The flight of a request: what the client gets whatever becomes of the attempts, and what is recorded of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.outcome import Outcome
from lbd.model.table import AdminState
from lbd.observe.meter import Meter
from lbd.shapes.bedrock.sign import sign
from lbd.shapes.chat.fold import ChatFold
from lbd.state.breaker import Phase
from lbd.upstream.attempt import LOOK_AGAIN
from lbd.upstream.line import Line
from lbd.upstream.run import KEEP_ALIVE_EVERY
from lbd.upstream.service import Settings
from tests.fakes import tables
from tests.fakes.harness import Asked
from tests.fakes.relay import Relay, row
from tests.fakes.stage import (
    DONE,
    ROLE,
    STOP,
    Act,
    answer,
    content,
    cut,
    end,
    error_in_band,
    head,
    refusal,
    say,
    stream,
    usage,
    whole,
)
from tests.fakes.virtual import VirtualEnv, run
from tests.unit.shapes.amazon import BEGIN, METADATA, delta, ended

K = FailureKind
LATE = 0.05
GOOD: tuple[Any, ...] = (
    0.2,
    head(),
    say(ROLE),
    0.1,
    say(content("hel")),
    0.1,
    say(content("lo")),
    say(STOP, DONE),
    end,
)
NOT_SPLICED = {"x-lbd-after-content": "error"}
GOOD_UNARY: tuple[Any, ...] = (0.2, *answer(whole("hello")))


def one_a_tier() -> list[dict[str, Any]]:
    """Return three rows, each of another model and in another tier."""
    return [row(n, model=f"m-{n}", tier=t) for n, t in (("a", "primary"), ("b", "secondary"), ("c", "tertiary"))]


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def two(env: VirtualEnv, **more: Any) -> Relay:
    """A primary and a secondary of different models, both well; ``a`` is asked first."""
    relay = Relay(env, row("a", model="m-a"), row("b", model="m-b", tier="secondary"), **more)
    relay.stage.always(*GOOD, host="b")
    return relay


def data_of(asked: Asked) -> list[bytes]:
    return [line for line in asked.body.split(b"\n\n") if line]


# --- good answers -------------------------------------------------------------------------------------


def encoding(line: Line, encode: Callable[..., bytes]) -> Line:
    """Return the line with another way to encode chat completions."""
    way = line.ways["openai.chat"]
    return replace(line, ways={"openai.chat": replace(way, wire=dataclasses.replace(way.wire, encode=encode))})


def test_a_stream_goes_on_as_it_came_with_lbds_own_headers() -> None:
    """200, the provider's content type, no caching; who served, at which attempt, and the provider's own id."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(
            0.2, head(content_type="text/event-stream; charset=utf-8", x_request_id="up-1"), *GOOD[2:], host="a"
        )
        asked = await relay.ask(stream=True)
        assert asked.status == 200 and asked.body == stream("hel", "lo")
        assert asked.headers == {
            "x-request-id": relay.last.id,
            "request-id": relay.last.id,
            "x-lbd-attempts": "1",
            "x-lbd-overhead-us": "0",
            "x-lbd-deployment": "a/m-a",
            "x-lbd-upstream-request-id": "up-1",
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
        }
        relay.check()

    play(main)


def test_a_unary_answer_is_the_providers_bytes_with_its_cost() -> None:
    """USD of every attempt, from the provider's own usage."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        body = whole("hello", prompt=1000, completion=500)
        relay.stage.plan(0.2, *answer(body, content_type="application/json; charset=utf-8"), host="a")
        asked = await relay.ask()
        assert asked.body == body
        assert asked.headers["content-type"] == "application/json; charset=utf-8"
        assert asked.headers["x-lbd-cost-usd"] == "0.002000000"
        assert asked.headers["x-lbd-deployment"] == "a/m"
        assert json.loads(relay.stage.taken[0].body)["model"] == "up-m"
        relay.check()

    play(main)


def test_a_unary_answer_by_way_of_a_stream_means_the_same() -> None:
    """Where a server runs abandoned unary work to its end it is asked for a stream, with usage."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", shape="llamacpp"))
        relay.stage.plan(0.2, head(), say(ROLE, content("hel"), content("lo"), STOP, usage(20, 3), DONE), end, host="a")
        asked = await relay.ask()
        fold = ChatFold()
        fold.feed(stream("hel", "lo", done=False) + usage(20, 3))
        assert json.loads(asked.body) == json.loads(fold.result())
        assert asked.text == "hello" and asked.headers["content-type"] == "application/json"
        sent = json.loads(relay.stage.taken[0].body)
        assert sent["stream"] is True and sent["stream_options"] == {"include_usage": True}
        assert relay.last.usage is not None and relay.last.usage.completion == 3
        relay.check()

    play(main)


def test_usage_is_asked_for_and_kept_from_a_client_that_did_not_ask() -> None:
    """It is in the record; a client that did ask gets the event."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        script = (0.2, head(), say(ROLE, content("hi"), STOP, usage(), DONE), end)
        relay.stage.always(*script, host="a")
        quiet = await relay.ask(stream=True)
        told = await relay.ask(stream=True, stream_options={"include_usage": True})
        assert quiet.body == stream("hi")
        assert told.body == ROLE + content("hi") + STOP + usage() + DONE
        assert [r.usage is not None and r.usage.prompt for r in relay.records] == [20, 20]
        relay.check()

    play(main)


def test_time_with_the_provider_is_not_lbds_own() -> None:
    """x-lbd-overhead-us and the record count what lbd itself took; waits and attempts are the provider's."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.always(0.4, *answer(refusal("broken"), 500), host="a")
        asked = await relay.ask(stream=True)
        assert asked.headers["x-lbd-overhead-us"] == "0" and asked.headers["x-lbd-attempts"] == "3"
        assert relay.last.overhead_us == 0
        assert relay.last.ttft_s == pytest.approx(0.4 + 0.25 + 0.4 + 0.3)
        relay.check()

    play(main)


# --- moves that nobody sees ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        (0.1, head(), say(ROLE, error_in_band())),
        (0.1, head(), say(ROLE), cut()),
        (0.1, head(), say(ROLE), end),
        (0.1, head(), cut()),
        (0.1, cut(K.RESET)),
        (0.1, *answer(refusal("broken"), 502)),
        (0.1, *answer(refusal("no such model", "model_not_found"), 404)),
        (0.1, *answer(refusal("wrong key", "invalid_api_key"), 401)),
        (0.1, *answer(b"<html>", 503, content_type="text/html")),
        (0.1, *answer(whole())),  # JSON though a stream was asked for
        (0.1, head(), say(b"data: {broken\n\n")),
    ],
)
def test_what_fails_before_the_first_content_is_moved_invisibly(script: tuple[Any, ...]) -> None:
    """The client sees one whole answer of the second deployment, and how many attempts it took."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.always(*script, host="a")
        asked = await relay.ask(stream=True)
        assert asked.status == 200 and asked.body == stream("hel", "lo")
        assert asked.headers["x-lbd-deployment"] == "b/m-b"
        assert int(asked.headers["x-lbd-attempts"]) in (2, 3)
        assert relay.last.outcome == "ok" and relay.last.served_by == "b/m-b" and relay.last.moved == 1
        assert [a.failure for a in relay.last.attempts][-1] is None
        relay.check()

    play(main)


@pytest.mark.parametrize("shape", ["openai", "llamacpp"])
def test_a_unary_request_is_moved_at_any_time(shape: str) -> None:
    """Nothing of it was shown, however much had come."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", model="m-a", shape=shape), row("b", model="m-b", tier="secondary"))
        if shape == "openai":
            relay.stage.always(0.1, head(200, content_type="application/json"), say(whole()[:30]), cut(), host="a")
        else:
            relay.stage.always(0.1, head(), say(ROLE, content("hel")), cut(), host="a")
        relay.stage.always(*GOOD_UNARY, host="b")
        asked = await relay.ask()
        assert asked.text == "hello" and asked.headers["x-lbd-deployment"] == "b/m-b"
        relay.check()

    play(main)


def test_an_end_mark_is_never_doubled_and_never_missing() -> None:
    """Finished without it: completed with exactly one."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        for last in ((say(DONE), end), (end,), (cut(),), (say(DONE[:-1]), end)):
            relay.stage.plan(0.1, head(), say(ROLE, content("hi"), STOP), *last, host="a")
            asked = await relay.ask(stream=True)
            assert asked.body.rstrip() == stream("hi").rstrip()
            assert asked.body.count(b"[DONE]") == 1
        relay.check()

    play(main)


def test_the_clients_answer_ends_with_the_end_mark_though_the_provider_goes_on() -> None:
    """The connection is drained for a second, then closed; the slot is free at once."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.1, head(), say(stream("hi")), host="a")
        asked = await relay.ask(stream=True)
        assert asked.took_s == pytest.approx(0.1) and asked.body == stream("hi")
        assert relay.find("a").inflight == 0
        await env.sleep(0.9)
        assert relay.stage.taken[0].open
        await env.sleep(0.2)
        assert relay.stage.taken[0].cancelled_at == pytest.approx(1000.0 + 1.1)
        relay.check()

    play(main)


def test_a_stale_connection_is_no_attempt_of_its_own() -> None:
    """The client hears nothing of it, nor does the table; the record and the counter say that it was sent again."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.kept["a"] = 1
        relay.stage.plan(0.0, cut(K.STALE), host="a")
        relay.stage.plan(*GOOD, host="a")
        asked = await relay.ask(stream=True)
        assert asked.body == stream("hel", "lo") and asked.headers["x-lbd-attempts"] == "1"
        assert [a.resent for a in relay.last.attempts] == [True]
        assert relay.find("a").breaker.fails == 0 and relay.find("a").suspect is None
        relay.check()

    play(main)


def test_a_fault_of_lbds_own_leaves_a_record() -> None:
    """Whatever ingress says then, nothing that was asked goes uncounted."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)

        def fault(*_: object) -> bytes:
            raise ZeroDivisionError

        relay.flights.lines["a/m-a"] = encoding(relay.flights.lines["a/m-a"], fault)
        with pytest.raises(ZeroDivisionError):
            await relay.ask(stream=True)
        assert (relay.last.outcome, relay.last.status) == (K.INTERNAL, 500)
        assert not relay.flights.running
        assert relay.find("a").inflight == 0

    play(main)


# --- answers that are not good enough -----------------------------------------------------------------

IN_SURFACE = {"x-lbd-surface": "s"}
LONG, SHORT = "long enough", "no"


def judging(env: VirtualEnv, shape: str = "openai", **validate: Any) -> Relay:
    """Two deployments on a surface that wants a text of five characters; ``b`` gives one."""
    surfaces = [{"name": "s", "validate": {"min_chars": 5, **validate}}]
    relay = Relay(env, row("a", model="m-a", shape=shape), row("b", model="m-b", tier="secondary"), surfaces=surfaces)
    relay.stage.always(0.2, *answer(whole(LONG, prompt=1000, completion=500)), host="b")
    return relay


def checked(relay: Relay, host: str) -> dict[FailureKind | None, int]:
    return relay.find(host).checked.over(3600.0, relay.env.now()).by_kind


def test_an_answer_that_fails_its_check_is_moved_to_the_next() -> None:
    """Its cost is booked, the record says what was wrong, and it is a new decision."""

    async def main(env: VirtualEnv) -> None:
        relay = judging(env)
        relay.stage.always(0.2, *answer(whole(SHORT, prompt=1000, completion=500)), host="a")
        asked = await relay.ask(headers=IN_SURFACE)
        assert asked.status == 200 and asked.text == LONG and asked.headers["x-lbd-deployment"] == "b/m-b"
        assert asked.headers["x-lbd-attempts"] == "2" and asked.headers["x-lbd-cost-usd"] == "0.004000000"
        assert "x-lbd-validation" not in asked.headers
        first, second = relay.last.attempts
        assert (first.failure, second.failure) == (K.INVALID_ANSWER, None)
        assert first.message == "the answer is not valid: min_chars: 2 characters, at least 5 were asked for"
        assert first.cost == second.cost == 2_000_000 and first.status == 200
        assert second.decision.query.out == ("a/m-a",)
        meter = Meter()
        meter.add(relay.last)
        assert meter.attempts == {("a/m-a", K.INVALID_ANSWER): 1, ("b/m-b", "ok"): 1}
        assert (checked(relay, "a"), checked(relay, "b")) == ({K.INVALID_ANSWER: 1}, {None: 1})
        relay.check()

    play(main)


def test_an_invalid_answer_says_nothing_about_health() -> None:
    """Twenty of them open no breaker, count in no ratio and suspect nobody; who looks sees them by their kind."""

    async def main(env: VirtualEnv) -> None:
        relay = judging(env)
        relay.stage.always(0.2, *answer(whole(SHORT)), host="a")
        for _ in range(20):
            assert (await relay.ask(headers=IN_SURFACE)).text == LONG
        a = relay.find("a")
        assert a.breaker.phase is Phase.CLOSED and a.breaker.fails == 0 and a.suspect is None
        counts = a.outcomes.over(300.0, env.now())
        assert (counts.bad, counts.judged, counts.by_kind) == (0, 0, {K.INVALID_ANSWER: 20})
        assert checked(relay, "a") == {K.INVALID_ANSWER: 20}
        assert (await relay.ask()).text == SHORT, "without the surface it is as good as any"
        assert checked(relay, "a") == {K.INVALID_ANSWER: 20}
        relay.check()

    play(main)


def test_where_every_answer_fails_the_client_is_told_why() -> None:
    """502 with the reason of the last one; asking again at once would not help."""

    async def main(env: VirtualEnv) -> None:
        relay = judging(env, max_chars=8)
        relay.stage.always(0.2, *answer(whole(SHORT)), host="a")
        asked = await relay.ask(headers=IN_SURFACE)
        assert asked.status == 502 and asked.error is not None
        assert asked.error["code"] == "invalid_answer"
        assert asked.error["message"].endswith("max_chars: 11 characters, at most 8 were asked for")
        assert asked.headers["x-should-retry"] == "false" and "x-lbd-validation" not in asked.headers
        assert (relay.last.outcome, relay.last.served_by) == (K.INVALID_ANSWER, None)
        relay.check()

    play(main)


@pytest.mark.parametrize("last", [answer(whole(SHORT)), answer(refusal("no such model", "model_not_found"), 404)])
def test_on_failure_pass_serves_the_last_answer_and_says_so(last: tuple[Act, ...]) -> None:
    """Also where the last attempt brought none: an answer is better than none, and marked as what it is."""

    async def main(env: VirtualEnv) -> None:
        relay = judging(env, max_chars=8, on_failure="pass")
        relay.stage.always(0.2, *answer(whole("x")), host="a")
        relay.stage.always(0.2, *last, host="b")
        asked = await relay.ask(headers=IN_SURFACE)
        server = "b/m-b" if asked.text == SHORT else "a/m-a"
        assert asked.status == 200 and asked.text in (SHORT, "x") and asked.headers["x-lbd-validation"] == "failed"
        assert asked.headers["x-lbd-deployment"] == server == relay.last.served_by
        assert relay.last.outcome == "ok" and relay.last.usage is not None
        assert all(a.failure is not None for a in relay.last.attempts)
        relay.check()

    play(main)


def test_a_gathered_stream_is_a_whole_answer_too() -> None:
    """Nothing of it was shown. What the client itself gets as a stream is held to nothing."""

    async def main(env: VirtualEnv) -> None:
        relay = judging(env, shape="llamacpp")
        relay.stage.always(0.1, head(), say(ROLE, content(SHORT), STOP, DONE), end, host="a")
        assert (await relay.ask(headers=IN_SURFACE)).text == LONG
        asked = await relay.ask(stream=True, headers=IN_SURFACE)
        assert asked.status == 200 and asked.body == stream(SHORT)
        relay.check()

    play(main)


def test_a_request_has_its_own_answer_checked_against_its_own_schema() -> None:
    """From the client's header to the deployment whose answer keeps to it."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.always(0.2, *answer(whole('{"city": 5}')), host="a")
        relay.stage.always(0.2, *answer(whole('{"city": "Ulm"}')), host="b")
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        asked = await relay.ask(headers={"x-lbd-validate": "json_schema"}, response_format=form)
        assert json.loads(asked.text) == {"city": "Ulm"}
        assert relay.records[-1].attempts[0].message.endswith("the answer breaks the schema at properties/city/type")
        relay.check()

    play(main)


def test_a_model_s_own_prompt_is_added_and_its_version_recorded() -> None:
    """For its deployment alone: after a move the next one gets the client's bytes."""

    async def main(env: VirtualEnv) -> None:
        prompt = {"system": "Be brief.", "suffix": " /no_think"}
        relay = Relay(
            env,
            row("a", model="m-a", deployment={"prompt": prompt}),
            row("b", model="m-b", tier="secondary"),
        )
        relay.stage.always(0.1, *answer(refusal("no such model", "model_not_found"), 404), host="a")
        relay.stage.always(*GOOD_UNARY, host="b")
        assert (await relay.ask()).text == "hello"
        told, plain = (json.loads(relay.stage.at(host)[0].body)["messages"] for host in "ab")
        assert told == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello /no_think"}]
        assert plain == [{"role": "user", "content": "hello"}]
        own = relay.find("a").spec.prompt
        assert own is not None
        assert [a.prompt for a in relay.last.attempts] == [own.version, None]
        relay.check()

    play(main)


# --- after the first content --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ((cut(),), K.BROKEN_STREAM),
        ((end,), K.BROKEN_STREAM),
        ((say(error_in_band()),), K.STREAM_ERROR),
        ((say(b"data: {broken\n\n"),), K.BAD_BODY),
    ],
)
def test_after_content_a_break_ends_in_one_typed_error_event(last: tuple[Act, ...], kind: FailureKind) -> None:
    """Where it is not to be spliced: never a [DONE], never another model's words; the record says what it was."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, *last, host="a")
        asked = await relay.ask(stream=True, headers=NOT_SPLICED)
        assert asked.status == 200 and asked.ended
        assert data_of(asked)[:-1] == data_of(Asked(0, body=ROLE + content("hel")))
        assert asked.error is not None and set(asked.error) == {"message", "type", "param", "code"}
        assert b"[DONE]" not in asked.body and asked.body.count(b'"error"') == 1
        assert relay.last.outcome == kind and relay.last.status == 200
        assert relay.last.served_by == "a/m-a" and not relay.stage.at("b")
        relay.check()

    play(main)


@pytest.mark.parametrize("last", [say(error_in_band()), say(b"data: {broken\n\n"), cut()])
@pytest.mark.parametrize("shape", ["openai.chat", "anthropic.messages"])
def test_what_goes_wrong_behind_a_finish_is_no_fault_of_the_answer(shape: str, last: Act) -> None:
    """It is complete: the end mark is put where it should stand, and nobody is asked again."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.shape = relay.plugins.clients[shape]
        relay.stage.plan(0.1, head(), say(ROLE, content("hel"), STOP, usage()), 0.1, last, host="a")
        asked = await relay.ask(stream=True, max_tokens=9)
        end_mark = b"[DONE]" if shape == "openai.chat" else b"event: message_stop"
        assert asked.ended and asked.body.count(end_mark) == 1 and b"error" not in asked.body
        assert relay.last.outcome == "ok" and len(relay.last.attempts) == 1 and not relay.last.splices
        assert relay.find("a").breaker.fails == 0
        relay.check()

    play(main)


def test_a_stream_that_breaks_off_counts_against_its_row() -> None:
    """The client was served half an answer: that is the deployment's failure."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 0.1, cut(), host="a")
        await relay.ask(stream=True, headers=NOT_SPLICED)
        assert relay.find("a").breaker.fails == 1
        relay.check()

    play(main)


# --- time ---------------------------------------------------------------------------------------------


def test_a_silent_deployment_is_left_at_its_cut_off() -> None:
    """At its tier's target while another candidate is left, and not more than 50 ms later."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        asked = await relay.ask(stream=True)
        assert asked.headers["x-lbd-deployment"] == "b/m-b"
        cut_off = relay.stage.at("a")[0].cancelled_at
        assert cut_off is not None and 1.5 <= cut_off - 1000.0 <= 1.5 + LATE
        assert relay.last.attempts[0].failure is K.TIMEOUT_FIRST
        relay.check()

    play(main)


def test_the_first_content_has_one_deadline_over_all_attempts() -> None:
    """Counted from arrival, never restarted: 504 at 10 s, and that asking again is no use."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", model="m-a"), row("b", model="m-b", tier="tertiary"))
        asked = await relay.ask(stream=True)
        assert asked.status == 504 and 10.0 <= asked.took_s <= 10.0 + LATE
        assert asked.headers["x-should-retry"] == "false"
        assert [t.endpoint.origin.host for t in relay.stage.taken] == ["a", "b"]
        relay.check()

    play(main)


@pytest.mark.parametrize("shape", ["openai", "llamacpp"])
def test_the_whole_answer_has_one_deadline(shape: str) -> None:
    """interactive_total_s from arrival; a unary answer is told in a 504, a stream in its last event."""

    async def main(env: VirtualEnv) -> None:
        deadlines = {"interactive_total_s": 3.0, "interactive_first_content_s": 2.0}
        relay = Relay(env, row("a", shape=shape), deadlines=deadlines)
        talk = [act for i in range(400) for act in (0.01, say(content(f"{i}")))]
        relay.stage.always(0.1, head(), *talk, host="a")
        if shape == "openai":
            relay.stage.plan(0.1, head(200, content_type="application/json"), host="a")
        unary = await relay.ask()
        assert unary.status == 504 and 3.0 <= unary.took_s <= 3.0 + LATE
        streamed = await relay.ask(stream=True)
        assert streamed.error is not None and 3.0 <= streamed.took_s <= 3.0 + LATE
        assert relay.last.outcome == K.TIMEOUT_TOTAL
        relay.check()

    play(main)


def test_a_gap_in_the_middle_is_bounded_and_looked_into() -> None:
    """limits.idle_gap_s after the last byte; a probe is asked for after two seconds."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), settings=Settings(idle_gap_s=5.0))
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), host="a")
        asked = await relay.ask(stream=True)
        assert 5.1 <= asked.took_s <= 5.1 + LATE
        assert relay.last.outcome == K.TIMEOUT_IDLE and asked.error is not None
        assert "a" in relay.silences
        relay.check()

    play(main)


def test_a_silent_unary_answer_has_its_provider_probed_at_the_target() -> None:
    """It may be at work: a probe tells, and what the probe finds moves the request."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.always(*GOOD_UNARY, host="b")
        task = relay.start()
        await env.sleep(1.4)
        assert relay.silences == []
        await env.sleep(0.1 + LATE)
        assert relay.silences == ["a"]
        await env.sleep(1.0 + LATE)
        assert relay.silences == ["a", "a"] and not task.done()
        relay.owner.lost("a/m-a")  # the probe found nobody
        asked = await task
        assert asked.text == "hello" and asked.headers["x-lbd-deployment"] == "b/m-b"
        assert asked.took_s < 2.6 + 0.2 + LATE
        relay.check()

    play(main)


def test_a_lost_row_moves_all_who_wait_there_at_once() -> None:
    """Those without a first content; who is being served stays."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 5.0, say(STOP, DONE), end, host="a")
        served = relay.start(stream=True)
        await env.sleep(0.2)
        waiting = [relay.start(stream=True) for _ in range(5)]
        await env.sleep(0.3)
        assert len(relay.stage.at("a")) == 6
        relay.owner.lost("a/m-a")
        moved = [await task for task in waiting]
        assert all(a.headers["x-lbd-deployment"] == "b/m-b" and a.took_s < 0.3 + 0.4 + LATE for a in moved)
        assert not served.done()
        assert (await served).body == stream("hel")
        relay.check()

    play(main)


def test_a_breaker_that_opens_moves_those_who_wait_there() -> None:
    """The third failure in a row tells enough; nobody sits out the cut-off of a row that is down."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        waiting = [relay.start(stream=True) for _ in range(4)]
        await env.sleep(0.1)
        for taken in relay.stage.at("a")[:3]:
            taken.fail(K.BROKEN_STREAM)
        await env.sleep(0.01)
        assert relay.find("a").breaker.phase is Phase.OPEN
        asked = [await task for task in waiting]
        assert all(a.headers["x-lbd-deployment"] == "b/m-b" and a.took_s < 0.1 + 0.4 + LATE for a in asked)
        relay.check()

    play(main)


# --- the early head -----------------------------------------------------------------------------------


def early(env: VirtualEnv, *rows: dict[str, Any], **deadlines: float) -> Relay:
    bounds = {"interactive_first_content_s": 60.0, **deadlines}
    return Relay(env, *(rows or (row("a"),)), settings=Settings(headers_after_s=5.0), deadlines=bounds)


def test_a_late_answer_opens_the_stream_with_comments() -> None:
    """At headers_after_s, so that nobody in between gives the connection up; then every 15 s."""

    async def main(env: VirtualEnv) -> None:
        relay = early(env)
        relay.stage.plan(40.0, *GOOD[1:], host="a")
        heard = relay.heard(stream=True)
        task = relay.start(stream=True, heard=heard)
        await env.sleep(4.99)
        assert not heard.started
        await env.sleep(0.01 + LATE)
        assert heard.started and heard.asked.status == 200
        assert heard.asked.headers["content-type"] == "text/event-stream"
        assert heard.asked.headers["x-accel-buffering"] == "no" and "x-lbd-deployment" not in heard.asked.headers
        asked = await task
        comments = [at - 1000.0 for at, data in heard.writes if data.startswith(b":")]
        assert [round(at / KEEP_ALIVE_EVERY - 1 / 3, 1) for at in comments] == [0, 1, 2]
        assert asked.body.endswith(stream("hel", "lo")) and asked.body.count(b"[DONE]") == 1
        written = len(heard.writes)
        await env.sleep(60)
        assert len(heard.writes) == written, "a comment after the end"
        relay.check()

    play(main)


def test_after_the_early_head_errors_go_in_the_stream() -> None:
    """The status is gone by then: one typed error event, no [DONE]."""

    async def main(env: VirtualEnv) -> None:
        relay = early(env)
        relay.stage.always(6.0, *answer(refusal("broken"), 500), host="a")
        asked = await relay.ask(stream=True)
        assert asked.status == 200 and asked.error is not None
        assert b"[DONE]" not in asked.body and asked.body.count(b'"error"') == 1
        assert relay.last.status == 200 and relay.last.outcome == K.SERVER
        relay.check()

    play(main)


def test_after_the_early_head_a_move_is_still_invisible() -> None:
    """Comments are no content."""

    async def main(env: VirtualEnv) -> None:
        rare = {"weight": 1e-9}
        relay = early(env, row("a", tier="tertiary"), row("b", tier="tertiary", deployment=rare))
        relay.stage.plan(6.0, cut(K.RESET), host="a")
        relay.stage.always(*GOOD, host="b")
        asked = await relay.ask(stream=True)
        assert [t.endpoint.origin.host for t in relay.stage.taken] == ["a", "b"]
        pieces = [p for p in data_of(asked) if not p.startswith(b":")]
        assert b"\n\n".join(pieces) + b"\n\n" == stream("hel", "lo")
        relay.check()

    play(main)


def test_an_answer_in_time_has_no_comments() -> None:
    """And a unary one is never opened early."""

    async def main(env: VirtualEnv) -> None:
        relay = early(env)
        relay.stage.plan(4.0, *GOOD[1:], host="a")
        assert (await relay.ask(stream=True)).body == stream("hel", "lo")
        relay.stage.plan(20.0, *GOOD_UNARY[1:], host="a")
        asked = await relay.ask()
        assert asked.text == "hello" and asked.headers["content-type"] == "application/json"
        relay.check()

    play(main)


# --- the client leaves --------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.1, 0.25, 0.35])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_frees_its_slot_and_is_not_held_against_anybody(after: float, streamed: bool) -> None:
    """Before the head, before the content, in the middle: the provider is stopped in the same instant."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(*GOOD, host="a")
        task = relay.start(stream=streamed)
        await env.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        taken = relay.stage.taken[0]
        assert taken.cancelled_at == pytest.approx(1000.0 + after)
        a = relay.find("a")
        assert a.inflight == 0 and a.breaker.fails == 0 and a.suspect is None
        assert not relay.stage.at("b")
        assert relay.last.outcome == K.CLIENT_GONE and relay.last.status == 499
        assert [x.failure for x in relay.last.attempts] == [K.CLIENT_GONE]
        relay.check()

    play(main)


def test_a_client_may_leave_while_its_request_waits_to_be_tried_again() -> None:
    """Between two attempts there is no slot to free, and no third attempt."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.1, *answer(refusal("slow"), 429, retry_after="1"), host="a")
        task = relay.start(stream=True)
        await env.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await env.sleep(5)
        assert len(relay.stage.taken) == 1 and relay.last.outcome == K.CLIENT_GONE
        relay.check()

    play(main)


def test_a_client_that_reads_slowly_stops_its_own_provider() -> None:
    """What the answer's side says goes to the attempt that serves it."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(0.1, head(), say(ROLE, content("hel")), 60.0, say(STOP, DONE), end, host="a")
        heard = relay.heard(stream=True)
        task = relay.start(stream=True, heard=heard)
        await env.sleep(0.2)
        ((pause, resume),) = heard.flows
        pause()
        assert relay.stage.taken[0].paused
        await env.sleep(40)  # longer than the idle gap
        assert not task.done()
        resume()
        assert not relay.stage.taken[0].paused
        await task
        relay.check()

    play(main)


# --- the client's own faults --------------------------------------------------------------------------


def test_a_clients_fault_comes_back_byte_for_byte_from_the_first_attempt() -> None:
    """No second deployment is bothered, no breaker moves."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        body = b'{"error": {"message":"n must be positive", "type":"invalid_request_error","param":"n","code":null}}  '
        relay.stage.plan(0.1, *answer(body, 422), host="a")
        asked = await relay.ask(stream=True)
        assert (asked.status, asked.body) == (422, body)
        assert asked.headers["x-lbd-attempts"] == "1" and "x-lbd-deployment" not in asked.headers
        assert not relay.stage.at("b") and relay.find("a").breaker.fails == 0
        assert relay.last.outcome == K.BAD_REQUEST and relay.last.status == 422
        relay.check()

    play(main)


def test_nobody_is_locked_out_by_what_a_client_makes_a_provider_say() -> None:
    """A value that is repeated in the refusal may hold the words of an account without money."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        words = "Invalid value: 'exceeded your current quota'"
        for user, locked in (("exceeded your current quota", False), ("me", True)):
            relay.stage.plan(0.1, *answer(refusal(words, "invalid_value"), 400), host="a")
            asked = await relay.ask(stream=True, user=user)
            assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "b/m-b"
            assert (relay.find("a").lock is not None) is locked
        relay.check()

    play(main)


OVER = answer(refusal("maximum context length", "context_length_exceeded", "invalid_request_error"), 400)


def sized(env: VirtualEnv, *more: dict[str, Any]) -> Relay:
    """Two whose context is small, and a larger one behind them."""
    return Relay(
        env,
        row("a", model="m-a", deployment={"context_tokens": 1000}),
        row("b", model="m-b", tier="secondary", deployment={"context_tokens": 1000}),
        row("c", model="m-c", tier="tertiary", deployment={"context_tokens": 9000}),
        *more,
    )


def test_a_full_context_goes_once_to_a_larger_one() -> None:
    """Known to be larger, or unknown; never to one that is as small."""

    async def main(env: VirtualEnv) -> None:
        relay = sized(env)
        relay.stage.always(0.1, *OVER, host="a")
        relay.stage.always(*GOOD, host="c")
        asked = await relay.ask(stream=True)
        assert asked.headers["x-lbd-deployment"] == "c/m-c" and not relay.stage.at("b")
        relay.stage.always(0.1, *OVER, host="c")
        asked = await relay.ask(stream=True)
        assert asked.status == 400 and asked.error is not None
        assert asked.error["code"] == "context_length_exceeded"
        relay.check()

    play(main)


def test_a_context_that_was_too_small_stays_too_small() -> None:
    """The larger one is ill: as small a one as the first would say what the first has said."""

    async def main(env: VirtualEnv) -> None:
        relay = sized(env, row("d", model="m-d", tier="tertiary", deployment={"context_tokens": 9000}))
        relay.stage.always(0.1, *OVER, host="a")
        relay.stage.always(0.1, *OVER, host="b")
        for ill, well in (("c", "d"), ("d", "c")):
            relay.stage.always(0.1, *answer(refusal("broken"), 503), host=ill)
            relay.stage.always(*GOOD, host=well)
            asked = await relay.ask(stream=True)
            assert asked.headers["x-lbd-deployment"] == f"{well}/m-{well}"
        assert not relay.stage.at("b")
        relay.check()

    play(main)


def test_a_surface_without_fallback_gets_its_model_or_a_clear_error() -> None:
    """Model provenance: another model is no answer."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env, surfaces=[{"name": "legal", "pin": "m-a", "fallback": "none"}])
        relay.stage.always(0.1, *answer(refusal("broken"), 500), host="a")
        asked = await relay.ask(stream=True, headers={"x-lbd-surface": "legal"})
        assert asked.status == 502 and not relay.stage.at("b")
        relay.check()

    play(main)


# --- trying again -------------------------------------------------------------------------------------


def test_a_single_5xx_is_tried_once_more_at_the_only_row() -> None:
    """After a short wait; a second one is the answer."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        broken = (0.1, *answer(refusal("broken"), 500))
        relay.stage.plan(*broken, host="a")
        relay.stage.plan(*GOOD, host="a")
        asked = await relay.ask(stream=True)
        assert asked.body == stream("hel", "lo") and asked.headers["x-lbd-attempts"] == "2"
        relay.stage.always(*broken, host="a")
        asked = await relay.ask(stream=True)
        assert asked.status == 502 and len(relay.stage.taken) == 4
        assert asked.headers["x-should-retry"] == "false"
        relay.check()

    play(main)


def test_a_twin_of_the_same_model_comes_before_another_model() -> None:
    """Whatever its tier."""

    async def main(env: VirtualEnv) -> None:
        rows = [row("a", model="m"), row("b", model="other", tier="secondary"), row("c", model="m", tier="tertiary")]
        relay = Relay(env, *rows)
        relay.stage.always(0.1, cut(K.RESET), host="a")
        relay.stage.always(*GOOD, host="b")
        relay.stage.always(*GOOD, host="c")
        asked = await relay.ask(stream=True)
        assert asked.headers["x-lbd-deployment"] == "c/m"
        relay.check()

    play(main)


def test_without_budget_a_further_move_is_not_made() -> None:
    """The first move is free; after it the fleet-wide budget decides, and it is not spent twice."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, *one_a_tier())
        for host in "abc":
            relay.stage.always(0.1, *answer(refusal("wrong key", "x"), 401), host=host)
        while relay.flights.budget.spend(env.now()):
            pass
        asked = await relay.ask(stream=True)
        assert asked.status == 503
        assert [t.endpoint.origin.host for t in relay.stage.taken] == ["a", "b"]
        assert relay.flights.budget.left(env.now()) < 1.5
        relay.check()

    play(main)


@pytest.mark.parametrize("lost", [False, True], ids=["cut off", "breaker opens"])
def test_without_budget_a_slow_row_keeps_its_request(lost: bool) -> None:
    """Whoever left it would be told at once that it had not answered, which it may yet do."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, *one_a_tier())
        relay.stage.always(0.1, *answer(refusal("wrong key", "x"), 401), host="a")
        relay.stage.always(8.0, *GOOD[1:], host="b")
        relay.stage.always(*GOOD, host="c")
        while relay.flights.budget.spend(env.now()):
            pass
        asking = env._loop.create_task(relay.ask(stream=True))
        await env.sleep(1.0)
        assert [t.endpoint.origin.host for t in relay.stage.taken] == ["a", "b"]
        if lost:
            tables.break_open(relay.owner, env, 1)
        asked = await asking
        assert (asked.status, asked.body) == (200, stream("hel", "lo"))
        assert asked.headers["x-lbd-deployment"] == "b/m-b"
        relay.check()

    play(main)


def test_a_move_of_its_own_accord_is_paid_once() -> None:
    """It is taken from the budget when the silent row is left, not again when the next is chosen."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, *one_a_tier())
        relay.stage.always(0.1, *answer(refusal("wrong key", "x"), 401), host="a")
        relay.stage.always(60.0, *GOOD[1:], host="b")
        relay.stage.always(*GOOD, host="c")
        before = relay.flights.budget.left(env.now())
        asked = await relay.ask(stream=True)
        assert asked.headers["x-lbd-deployment"] == "c/m-c" and asked.headers["x-lbd-attempts"] == "3"
        assert before - relay.flights.budget.left(env.now()) == pytest.approx(1 - 0.2)
        relay.check()

    play(main)


def test_attempts_do_not_multiply() -> None:
    """Everything at 500: an attempt for each row and the one repeat that each may have, whatever the settings."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, *one_a_tier())
        for host in "abc":
            relay.stage.always(0.01, *answer(refusal("broken"), 500), host=host)
        asked = await relay.ask(stream=True)
        assert asked.status == 502
        assert len(relay.stage.taken) <= 6
        assert asked.headers["x-lbd-attempts"] == str(len(relay.stage.taken))
        relay.check()

    play(main)


# --- records ------------------------------------------------------------------------------------------


def test_a_record_holds_every_attempt_with_its_cost_and_time() -> None:
    """Also of those that failed: their tokens were paid for."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(
            env,
            row(
                "a",
                model="m-a",
                shape="llamacpp",
                deployment={"price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}},
            ),
            row("b", model="m-b", tier="secondary"),
        )
        relay.stage.plan(
            0.5,
            head(x_request_id="up-a", content_type="text/event-stream"),
            say(ROLE, content("hel"), usage(1000, 500)),
            cut(),
            host="a",
        )
        relay.stage.plan(0.2, *answer(whole("hello", prompt=1000, completion=500)), host="b")
        asked = await relay.ask()
        record = relay.last
        assert (record.outcome, record.status, record.served_by, record.moved) == ("ok", 200, "b/m-b", 1)
        assert (record.client, record.asked, record.target, record.stream) == ("local", "auto", "auto", False)
        first, second = record.attempts
        assert (first.failure, first.upstream_id, first.status) == (K.BROKEN_STREAM, "up-a", 200)
        assert first.ttft_s == pytest.approx(0.5) and first.usage is not None
        assert (second.failure, second.status) == (None, 200)
        assert first.started_s == 0 and second.started_s == pytest.approx(first.ended_s)
        assert (first.cost, second.cost) == (2_000_000, 2_000_000)
        assert record.cost == 4_000_000 and asked.headers["x-lbd-cost-usd"] == "0.004000000"
        assert record.total_s == pytest.approx(0.7)
        relay.check()

    play(main)


def test_a_request_that_nobody_can_serve_has_a_record_too() -> None:
    """With no attempt in it, but with the decision that there was nobody."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", deployment={"supports": []}))
        asked = await relay.ask(tools=[{"type": "function"}])
        assert asked.status == 400 and asked.error is not None and "a/m: capability (tools)" in asked.error["message"]
        assert relay.last.outcome == K.NO_CANDIDATE
        assert [(a.refused, a.decision.chosen) for a in relay.last.attempts] == [("nobody", None)]
        assert asked.headers["x-lbd-attempts"] == "0"
        relay.check()

    play(main)


@pytest.mark.parametrize(
    ("wish", "after_s"),
    [
        ({"max_tokens": 10}, 10 + 2 * 10 * 0.02),  # the first content's time, and ten tokens at half the pace
        ({"max_tokens": 100, "n": 2}, 10 + 2 * 200 * 0.02),
        ({"latency": "2000"}, 1.0),  # half of what is left
    ],
)
def test_a_unary_request_leaves_a_row_that_is_alive_but_does_not_answer(wish: dict[str, Any], after_s: float) -> None:
    """Probes are answered there; when even the longest answer would have come, somebody else is asked."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b", tier="secondary"))
        relay.stage.always(0.2, *answer(whole("hi")), host="b")
        more = {k: v for k, v in wish.items() if k != "latency"}
        headers = {"x-lbd-max-latency-ms": wish["latency"]} if "latency" in wish else {}
        asked = await relay.ask(headers=headers, **more)
        assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "b/m"
        assert after_s + 0.2 <= asked.took_s < after_s + 0.2 + LOOK_AGAIN + 0.2
        relay.check()

    play(main)


@pytest.mark.parametrize("others", ["none are answered", "others are answered"])
def test_a_unary_request_leaves_a_row_that_answers_nobody_by_how_long_its_answers_take(others: str) -> None:
    """The client bounds nothing, so an answer may be long: but then that of another would have come."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b", tier="secondary"))
        for _ in range(20):
            relay.stage.plan(3.0, *answer(whole("hi")), host="a")
            await relay.ask()
        relay.stage.always(0.2, *answer(whole("hi")), host="b")
        began = env.now()
        mute = relay.start()
        await env.sleep(0.01)
        while others == "others are answered" and env.now() < began + 60:
            relay.stage.plan(0.1, *answer(whole("hi")), host="a")
            await env.sleep(1.0)
            await relay.ask()
        asked = await mute
        assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "b/m"
        if others == "none are answered":
            assert 14.5 <= asked.took_s < 15.2 + 2 * LOOK_AGAIN
        else:
            assert asked.took_s > 60
        relay.check()

    play(main)


def test_a_unary_answer_that_is_long_for_every_row_is_moved_once() -> None:
    """The second row gets the time that the longest answer takes."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b"), row("c"))
        for host in "abc":
            relay.stage.always(3.0, *answer(whole("hi")), host=host)
        while any(view.total_p95_s is None for view in relay.owner.snapshot.rows):
            await asyncio.gather(*(relay.ask() for _ in range(4)))
        for host in "abc":
            relay.stage.always(100.0, *answer(whole("long")), host=host)
        asked = await relay.ask()
        assert asked.status == 200 and "long" in asked.text
        assert len(relay.last.attempts) == 2
        assert 114 <= asked.took_s < 115 + 2 * LOOK_AGAIN + 1
        relay.check()

    play(main)


def test_a_stream_that_does_not_call_itself_one_does_so_to_the_client() -> None:
    """Its bytes showed what it is."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        for kind in ("text/plain", "text/event-stream; charset=utf-8"):
            relay.stage.plan(0.1, head(content_type=kind), say(stream("hi")), end, host="a")
        first, second = [await relay.ask(stream=True) for _ in range(2)]
        assert first.headers["content-type"] == "text/event-stream"
        assert second.headers["content-type"] == "text/event-stream; charset=utf-8"
        relay.check()

    play(main)


def test_a_missed_target_is_marked() -> None:
    """At risk in the header where no candidate was predicted to meet it; missed where the content came late."""

    async def main(env: VirtualEnv) -> None:
        surfaces = [{"name": "fast", "ttft_p95_s": 0.1}, {"name": "slow", "ttft_p95_s": 1.3}]
        relay = Relay(env, row("a"), surfaces=surfaces)
        relay.stage.always(*GOOD, host="a")
        asked = await relay.ask(stream=True, headers={"x-lbd-surface": "fast"})
        assert asked.headers["x-lbd-slo"] == "at-risk" and relay.last.slo_missed
        asked = await relay.ask(stream=True, headers={"x-lbd-surface": "slow"})
        assert "x-lbd-slo" not in asked.headers and not relay.last.slo_missed
        relay.stage.plan(1.4, *GOOD[1:], host="a")
        await relay.ask(stream=True, headers={"x-lbd-surface": "slow"})
        assert relay.last.slo_missed
        relay.check()

    play(main)


def test_what_the_table_learns_is_what_happened() -> None:
    """Every attempt reports once: kind, time to the first content, tokens; a rescued one has no time of its own."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        told: list[tuple[str, Outcome | None]] = []
        settle = relay.owner.settle

        def note(lease: Any, outcome: Outcome | None) -> None:
            told.append((lease.row.spec.id, outcome))
            settle(lease, outcome)

        relay.owner.settle = note  # type: ignore[method-assign]
        task = relay.start(stream=True)
        await env.sleep(0.3)
        relay.owner.lost("a/m-a")
        await task
        (_, lost), (_, served) = told
        assert lost is not None and lost.kind is K.TIMEOUT_FIRST and not lost.exceeded_own_p99
        assert served is not None and served.failure is None
        assert served.ttft_s == pytest.approx(0.3) and served.total_s == pytest.approx(0.4)
        assert len(told) == len(relay.last.attempts)
        relay.check()

    play(main)


STORMS: tuple[tuple[Any, ...], ...] = (
    GOOD,
    (0.1, *answer(refusal("broken"), 500)),
    (0.1, *answer(refusal("slow"), 429, retry_after="1")),
    (0.1, *answer(refusal("slow"), 429, retry_after="30")),
    (0.1, *answer(refusal("bad n", None, "invalid_request_error"), 400)),
    (0.1, head(), say(ROLE), cut()),
    (0.1, head(), say(ROLE, content("hel")), cut()),
    (0.1, head(), say(ROLE, content("hel")), say(error_in_band())),
    (0.1, head(), say(ROLE, content("hello"), STOP), cut()),
    (0.1, head(), say(stream("hello"))),
    (0.1, cut(K.RESET)),
    (0.1, *answer(whole("hello"))),
    (),
)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_each_request_ends_once_and_its_decisions_replay(seed: int) -> None:
    """Random answers, refusals and clients that leave: one answer each, every lease ended once, nothing left open.

    And every decision executes again from its record to the same choice.
    """

    async def main(env: VirtualEnv) -> None:
        rows = one_a_tier()
        rows += [row("d", model="m-a"), row("e", model="m-e", shape="llamacpp", deployment={"max_concurrency": 2})]
        relay = Relay(env, *rows, deadlines={"interactive_first_content_s": 4.0, "interactive_total_s": 8.0})
        tasks: list[tuple[asyncio.Task[Asked], bool]] = []
        for _ in range(120):
            for host in "abcde":
                relay.stage._plans.clear()
                relay.stage.always(*env.random.choice(STORMS), host=host)
                if env.random.random() < 0.1:
                    relay.stage.refuse(env.random.choice((K.CONNECT, K.TLS, K.CONNECT_TIMEOUT)), host=host)
            task = relay.start(env.random.choice(("auto", "m-a", "m-e")), stream=env.random.random() < 0.6)
            leaves = env.random.random() < 0.15
            if leaves:
                env.call_at(env.now() + env.random.uniform(0, 3), task.cancel)
            tasks.append((task, leaves))
            await env.sleep(env.random.expovariate(8))
        for task, leaves in tasks:
            try:
                asked = await task
            except asyncio.CancelledError:
                assert leaves
                continue
            assert asked.ended
            assert asked.took_s <= 8.0 + 0.3
            asked.expected = "hello"
            assert asked.fate != "corrupt", (asked.status, asked.body)
        await env.sleep(5)
        assert len(relay.records) == len(tasks)
        assert len({r.id for r in relay.records}) == len(tasks)
        sent = sum(1 for r in relay.records for a in r.attempts if a.refused is None)
        assert sent == len(relay.leases)
        relay.check()

    run(main, seed)


# --- reload --------------------------------------------------------------------------------------------


def test_a_reload_that_takes_a_row_away_lets_what_runs_there_finish() -> None:
    """With the line it has; its end is not booked on another row of the table."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(0.5, *GOOD[1:], host="a")
        task = relay.start(stream=True)
        await env.sleep(0.3)
        gone = relay.find("a")
        relay.configure(row("b", model="m-b", tier="secondary"))
        asked = await task
        assert asked.body == stream("hel", "lo") and asked.headers["x-lbd-deployment"] == "a/m-a"
        assert gone.inflight == 0 and all(r.inflight == 0 for r in relay.owner.rows)
        relay.check()

    play(main)


def test_a_request_that_has_to_move_after_a_reload_moves_within_the_new_table() -> None:
    """Its row is gone, and so is its index."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(0.5, cut(K.RESET), host="a")
        task = relay.start(stream=True)
        await env.sleep(0.3)
        relay.configure(row("c", model="m-c"), row("b", model="m-b", tier="secondary"))
        relay.stage.always(*GOOD, host="c")
        asked = await task
        assert asked.headers["x-lbd-deployment"] == "c/m-c"
        relay.check()

    play(main)


def test_a_defect_in_encoding_frees_the_slot() -> None:
    """Whatever is raised inside an attempt: the lease ends, and the error goes up to the outermost handler."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))

        def broken(*_: object) -> bytes:
            raise ZeroDivisionError

        relay.flights.lines["a/m"] = encoding(relay.flights.lines["a/m"], broken)
        with pytest.raises(ZeroDivisionError):
            await relay.ask()
        assert relay.find("a").inflight == 0 and relay.find("a").breaker.fails == 0
        assert not relay.flights.running
        assert all(relay.settled[id(lease)] == 1 for lease in relay.leases)

    play(main)


@pytest.mark.parametrize(("takes_s", "deadline_s"), [(35.0, 60.0), (200.0, 600.0)])
def test_nobody_is_left_for_being_as_slow_as_it_always_is(takes_s: float, deadline_s: float) -> None:
    """Unary answers of a minute are what reasoning models give; the next candidate would be no sooner."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"), row("b", tier="secondary"), deadlines={"interactive_total_s": deadline_s})
        for host in "ab":
            relay.stage.always(takes_s, *answer(whole("hi")), host=host)
        relay.owner.order(relay.find("b"), AdminState.DRAIN, by="x", reason="")
        for task in [relay.start() for _ in range(25)]:
            assert (await task).status == 200
        relay.owner.order(relay.find("b"), AdminState.READY, by="x", reason="")
        asked = await relay.ask()
        assert asked.status == 200 and asked.headers["x-lbd-attempts"] == "1"
        assert asked.took_s == pytest.approx(takes_s, abs=0.1)
        assert relay.find("a").breaker.phase is Phase.CLOSED and relay.find("a").suspect is None
        relay.check()

    play(main)


def test_a_client_that_reads_slowly_makes_nobody_slow() -> None:
    """The time in which the provider was held is not the provider's."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.plan(
            0.2, head(), say(ROLE, content("hel")), 0.5, say(content("lo"), STOP, usage(20, 30), DONE), end, host="a"
        )
        heard = relay.heard(stream=True)
        task = relay.start(stream=True, heard=heard)
        await env.sleep(0.3)
        pause, resume = heard.flows[0]
        pause()
        await env.sleep(20.0)
        resume()
        await task
        relay.owner.fold()
        [total] = relay.find("a").total.over(60.0, env.now()).quantiles((1.0,))
        assert total is not None and total < 1.0

    play(main)


def test_several_choices_teach_the_length_of_one() -> None:
    """Their usage is told together."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        relay.stage.always(0.2, *answer(whole("hi", completion=400)), host="a")
        for _ in range(40):
            await relay.ask(n=4)
        relay.owner.fold()
        assert relay.find("a").length.usual == pytest.approx(100, rel=0.1)

    play(main)


def test_what_a_wrong_answer_cost_is_known() -> None:
    """JSON where a stream was asked for was billed all the same."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        relay.stage.plan(0.2, *answer(whole("hi", prompt=1000, completion=500)), host="a")
        assert (await relay.ask(stream=True)).status == 200
        first = relay.last.attempts[0]
        assert first.failure is K.BAD_BODY and first.usage is not None
        assert (first.usage.prompt, first.usage.completion) == (1000, 500)
        assert first.cost > 0

    play(main)


# --- requests that are signed ------------------------------------------------------------------------------

AWS = {
    "shape": "bedrock",
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "secret-example",
    "region": "eu-central-1",
}


def test_a_request_is_signed_when_it_is_sent() -> None:
    """Over its own body and time; the answer, binary as it is, is events of text for the client."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", **AWS), allow_inline_secrets=True)
        told = BEGIN + delta(0, text="hel") + delta(0, text="lo") + ended("end_turn") + METADATA
        relay.stage.plan(0.2, head(content_type="application/vnd.amazon.eventstream"), say(told), end, host="a")
        asked = await relay.ask(stream=True)
        assert asked.status == 200 and asked.text == "hello"
        assert asked.headers["content-type"] == "text/event-stream" and asked.body.endswith(DONE)
        (taken,) = relay.stage.taken
        line = relay.flights.lines["a/m"]
        way = line.ways["openai.chat"]
        assert taken.endpoint.path == "/v1/model/up-m/converse-stream"
        assert way.wire.native is False and taken.endpoint != way.stream
        sent = dict(taken.endpoint.headers)
        assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert sent["accept"] == "application/vnd.amazon.eventstream"
        times = [env.wall() - s / 10 for s in range(20)]
        assert taken.endpoint.like in [sign(way.stream, taken.body, at, line.provider) for at in times]
        assert relay.last.usage is not None and relay.last.usage.prompt == 36
        relay.check()

    play(main)


def test_what_cannot_be_signed_is_not_sent() -> None:
    """It is the provider's fault, and another serves the request."""

    async def main(env: VirtualEnv) -> None:
        half = {name: value for name, value in AWS.items() if name != "aws_secret_access_key"}
        relay = Relay(env, row("a", **half), row("b", tier="secondary"), allow_inline_secrets=True)
        relay.stage.always(*GOOD, host="b")
        asked = await relay.ask(stream=True)
        assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "b/m"
        assert [taken.endpoint.origin.host for taken in relay.stage.taken] == ["b"]
        assert [attempt.failure for attempt in relay.last.attempts] == [K.AUTH, None]
        relay.check()

    play(main)


@pytest.mark.parametrize(("shape", "native"), [("anthropic", True), ("openai", False)])
def test_a_client_s_betas_go_to_a_provider_of_its_own_shape_alone(shape: str, native: bool) -> None:
    """A body of another version would be misread without them; another provider does not know them."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", shape=shape))
        relay.shape = relay.plugins.clients["anthropic.messages"]
        relay.stage.always(0.1, *answer(whole("hi")), host="a")
        await relay.ask(headers={"anthropic-beta": "b-1", "anthropic-version": "2026-10-21"}, max_tokens=5)
        sent = dict(relay.stage.taken[0].endpoint.headers)
        assert (sent.get("anthropic-beta") == "b-1") is native
        assert (sent.get("anthropic-version") == "2026-10-21") is native

    play(main)


def test_a_request_that_a_shape_cannot_carry_goes_to_the_next() -> None:
    """Nothing is sent to the first, and nothing held against it."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", model="m-a", shape="anthropic"), row("b", model="m-b", tier="secondary"))
        relay.stage.always(0.1, *answer(whole("hi")), host="b")
        asked = await relay.ask(user="u", x_unknown={"a": 1})
        assert asked.status == 200 and asked.headers["x-lbd-deployment"] == "b/m-b"
        first = relay.last.attempts[0]
        assert first.failure is K.UNSUPPORTED and "x_unknown" in first.message
        assert [t.endpoint.origin.host for t in relay.stage.taken] == ["b"]
        assert relay.find("a").breaker.fails == 0 and relay.find("a").outcomes.over(60.0, env.now()).judged == 0
        relay.check()

    play(main)


def test_what_a_streams_head_tells_of_limits_is_known_while_it_flows() -> None:
    """And is taken once: its end says nothing new."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        limits = {"x_ratelimit_limit_requests": "100", "x_ratelimit_remaining_requests": "40"}
        told = head(content_type="text/event-stream", x_ratelimit_reset_requests="30s", **limits)
        relay.stage.plan(0.1, told, say(ROLE, content("hel")), 20.0, say(STOP, DONE), end, host="a")
        task = relay.start(stream=True)
        await env.sleep(0.2)
        account = relay.owner.accounts.of(relay.find("a"))
        assert account.buckets["requests"].limit == 100
        known = account.buckets["requests"]
        await task
        assert relay.owner.accounts.of(relay.find("a")).buckets["requests"] == known
        relay.check()

    play(main)


def test_an_end_mark_without_a_finish_is_no_end() -> None:
    """It was cut, by whoever put the mark there: from the first answer of a deployment on."""

    async def main(env: VirtualEnv) -> None:
        relay = two(env)
        cut_short = (0.1, head(), say(ROLE, content("hel")), 0.1, say(DONE), end)
        relay.stage.plan(*cut_short, host="a")
        asked = await relay.ask(stream=True, headers=NOT_SPLICED)
        assert asked.error is not None and asked.error["code"] == K.BROKEN_STREAM and b"[DONE]" not in asked.body
        relay.stage.plan(0.1, head(), say(ROLE + content("hel") + DONE), end, host="a")
        moved = await relay.ask(stream=True)
        assert moved.body == stream("hel", "lo") and relay.last.served_by == "b/m-b", "nothing was shown yet"
        relay.check()

    play(main)
