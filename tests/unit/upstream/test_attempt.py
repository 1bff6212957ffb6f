"""One try at one deployment: what of the answer goes on, how it ends, and when it is given up."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.request import Body, Head
from lbd.model.secret import Secret
from lbd.shapes.chat.fold import ChatFold
from lbd.shapes.providers import PROVIDERS
from lbd.shapes.wire import Facts
from lbd.upstream import attempt as module
from lbd.upstream import line as lines
from lbd.upstream.attempt import BODY_GAP, DRAIN, LOOK_AGAIN, QUIET, Attempt
from lbd.upstream.bounds import Bounds
from lbd.upstream.headers import RawHeaders
from lbd.upstream.manner import Manner, following
from lbd.upstream.usage import usage_of
from lbd.upstream.wheel import TICK, Wheel
from tests.fakes.env import FakeEnv
from tests.fakes.stage import (
    ALIVE,
    DONE,
    JSON,
    ROLE,
    SSE,
    STOP,
    Stage,
    Taken,
    content,
    error_in_band,
    event,
    refusal,
    stream,
    usage,
    whole,
)

K = FailureKind
SHAPE = PROVIDERS.load()["openai"]
PROVIDER = ProviderSpec("p", "openai", "http://p/v1", Secret("sk-canary-1234"))
SPEC = DeploymentSpec("p/m", "p", "m", "m", "primary")
LATE = 0.05  # no timer is later than its number and this
FOREVER = 1e9


class Audience:
    """The flight's side: what reached the client, and what was asked of it."""

    def __init__(self) -> None:
        self.body = b""
        self.commits = 0
        self.finishes = 0
        self.movable = False
        self.asked_to_move = 0
        self.silences = 0
        self.early = 0
        self.longest_s = FOREVER
        self.others_heard = False

    def commit(self, attempt: Attempt, first: bytes) -> None:
        assert attempt.committed and first
        self.commits += 1
        self.body += first

    def forward(self, data: bytes) -> None:
        assert self.commits == 1 and not self.finishes and data
        self.body += data

    def finish(self, data: bytes) -> None:
        assert self.commits == 1 and not self.finishes
        self.finishes += 1
        self.body += data

    def may_move(self) -> bool:
        self.asked_to_move += 1
        return self.movable

    def may_leave(self, attempt: Attempt) -> bool:
        return self.may_move()

    def longest(self, attempt: Attempt) -> float:
        return self.longest_s

    def heard(self, attempt: Attempt) -> bool:
        return self.others_heard

    def silent(self, attempt: Attempt) -> None:
        self.silences += 1

    def open_early(self) -> None:
        self.early += 1


class Try:
    """One attempt under a test's control."""

    def __init__(self, manner: Manner = Manner.FORWARD, *, stage: Stage | None = None, **bounds: float) -> None:
        self.env = FakeEnv()
        self.stage = stage or Stage(self.env)
        self.stage.env = self.env
        self.host = Audience()
        now = self.env.now()
        line = lines.build(SPEC, PROVIDER, SHAPE, self.stage)
        limits = {name: now + seconds for name, seconds in bounds.items() if name != "idle_s"}
        given = Bounds(FOREVER, FOREVER, FOREVER, FOREVER, bounds.get("idle_s", FOREVER))._replace(**limits)
        wire = line.ways["openai.chat"].wire
        self.attempt = Attempt(self.env, Wheel(self.env), line, wire, manner, self.host, given)
        self.task: asyncio.Task[None] | None = None

    async def start(self, *, choices: int = 1, hide_usage: bool = False, wants_usage: bool = False) -> Try:
        line, manner = self.attempt.line, self.attempt.manner
        way = line.ways["openai.chat"]
        endpoint = way.unary if manner is Manner.WHOLE else way.stream
        body = Body("openai.chat", b"{}", Head("m", stream=True, n=choices, include_usage=wants_usage))
        follow = following(manner, self.attempt.wire, body, hide_usage)
        work: Coroutine[Any, Any, None] = self.attempt.run(endpoint, b"{}", follow)
        self.task = asyncio.get_running_loop().create_task(work)
        await self.settle()
        return self

    async def settle(self) -> None:
        """Let what is due in the loop happen."""
        for _ in range(4):
            await self.env_loop()

    @staticmethod
    async def env_loop() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future

    @property
    def taken(self) -> Taken:
        return self.stage.taken[-1]

    async def over(self) -> Failure | None:
        """Return how it ended; it has to have ended."""
        await self.settle()
        assert self.task is not None and self.task.done(), "the attempt goes on"
        self.task.result()
        return self.attempt.failure

    @property
    def going(self) -> bool:
        return self.task is not None and not self.task.done()

    async def abandon(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def kind(failure: Failure | None) -> FailureKind | None:
    return None if failure is None else failure.kind


# --- forward ------------------------------------------------------------------------------------------


async def test_nothing_reaches_the_client_before_the_first_content() -> None:
    """Role frames, comments and empty deltas are held; the slice that commits brings them along."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(ALIVE, ROLE, event({"content": ""}), ALIVE)
    assert not t.host.commits and not t.attempt.committed
    t.taken.say(content("hi"))
    assert t.host.commits == 1
    assert t.host.body == ALIVE + ROLE + event({"content": ""}) + ALIVE + content("hi")
    await t.abandon()


@pytest.mark.parametrize(
    "first",
    [
        content("hi"),
        event({"reasoning_content": "hm"}),
        event({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}),
        event({"refusal": "no"}),
        STOP,
    ],
)
async def test_content_of_any_sort_commits(first: bytes) -> None:
    """Text, reasoning, a tool call, a refusal, or a finish."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(ROLE, first)
    assert t.host.body == ROLE + first
    await t.abandon()


async def test_slices_go_on_as_they_came_and_never_half_an_event() -> None:
    """Bytes are not rewritten; a torn event waits for its end."""
    t = await Try().start()
    t.taken.head()
    body = stream("one", "two", "three")
    for i in range(0, len(body), 7):
        t.taken.say(body[i : i + 7])
        assert t.host.body == body[: body.rfind(b"\n\n", 0, i + 7) + 2] or not t.host.commits
    t.taken.end()
    assert await t.over() is None
    assert t.host.body == body and t.host.finishes == 1


async def test_a_role_frame_and_then_an_error_shows_the_client_nothing() -> None:
    """The flight can move without a trace."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(ROLE, error_in_band())
    assert kind(await t.over()) is K.STREAM_ERROR
    assert not t.host.commits and not t.attempt.committed


async def test_a_role_frame_and_then_a_cut_shows_the_client_nothing() -> None:
    """Whether the cut is a broken connection or an end too early."""
    for how in ("fail", "end"):
        t = await Try().start()
        t.taken.head()
        t.taken.say(ROLE)
        getattr(t.taken, how)()
        assert kind(await t.over()) is K.BROKEN_STREAM
        assert not t.host.commits


async def test_after_content_a_break_is_a_failure_and_not_an_end() -> None:
    """No [DONE] is made up; the flight ends the answer in a typed error."""
    for how in ("fail", "end"):
        t = await Try().start()
        t.taken.head()
        t.taken.say(ROLE, content("hi"))
        getattr(t.taken, how)()
        assert kind(await t.over()) is K.BROKEN_STREAM
        assert t.host.body == ROLE + content("hi") and not t.host.finishes


async def test_an_error_after_content_is_the_providers_word() -> None:
    """What stood before it in the same read is passed on, the error itself is not."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(ROLE + content("h"))
    t.taken.say(content("i") + error_in_band(message="too busy"))
    failure = await t.over()
    assert failure is not None and failure.kind is K.STREAM_ERROR and failure.message == "too busy"
    assert t.host.body == ROLE + content("h") + content("i") and not t.host.finishes
    assert t.taken.cancelled_at is not None


@pytest.mark.parametrize("how", ["error", "cut"])
async def test_content_that_comes_with_its_own_end_in_failure_is_not_begun(how: str) -> None:
    """Nothing was shown yet, and it is known to be broken: somebody else can still answer."""
    t = await Try().start()
    t.taken.head()
    if how == "error":
        t.taken.say(ROLE + content("hi") + error_in_band(message="too busy"))
    else:
        t.taken.say(ROLE + content("hi")[:-1])  # its blank line is lost with the connection
        t.taken.end()
    assert kind(await t.over()) is (K.STREAM_ERROR if how == "error" else K.BROKEN_STREAM)
    assert not t.host.commits and t.host.body == b""


async def test_a_body_that_stops_in_the_middle_is_left_after_seconds() -> None:
    """It was computed before it began; an error keeps its status; blanks before an answer begin nothing."""
    for status, expected in ((200, K.TIMEOUT_IDLE), (429, K.RATE)):
        t = await Try(Manner.WHOLE).start()
        t.taken.head(status, JSON)
        for _ in range(3):
            t.taken.say(b" \n")
            t.env.advance(BODY_GAP)
            assert t.attempt.failure is None
        t.taken.say(whole("hi")[:40])
        t.env.advance(BODY_GAP - 0.2)
        assert t.attempt.failure is None
        t.env.advance(0.4)
        assert kind(await t.over()) is expected


async def test_a_unary_answer_that_is_overdue_is_left_while_others_are() -> None:
    """Somebody answers probes there; even the longest answer would have come."""
    t = await Try(Manner.WHOLE, leave_at=3.0).start()
    t.host.movable = False
    t.env.advance(20)
    assert t.attempt.failure is None
    t.host.movable = True
    t.env.advance(1.5)
    assert kind(await t.over()) is K.TIMEOUT_FIRST
    t = await Try(Manner.WHOLE, leave_at=3.0).start()
    t.taken.head(200, JSON)
    t.env.advance(2.9)
    t.taken.say(whole("hi")[:40])
    t.env.advance(2)
    assert t.attempt.failure is None, "it has begun"
    await t.abandon()


@pytest.mark.parametrize("manner", [Manner.FORWARD, Manner.FOLD])
async def test_a_finished_stream_whose_connection_stays_open_is_whole(manner: Manner) -> None:
    """Two seconds later nothing more is waited for; the connection is not used again."""
    t = await Try(manner, idle_s=30.0).start()
    t.taken.head()
    t.taken.say(stream("hi", done=False))
    t.env.advance(QUIET + 0.2)
    assert await t.over() is None
    assert t.taken.cancelled_at is not None
    if manner is Manner.FORWARD:
        assert t.host.body == stream("hi") and t.host.finishes == 1


async def test_a_client_that_wants_usage_is_not_told_that_all_is_there_without_it() -> None:
    """The finish is there, the usage never comes: an error, not an end."""
    t = await Try(idle_s=30.0).start(wants_usage=True)
    t.taken.head()
    t.taken.say(ROLE + content("hi") + event({}, "stop"))
    t.env.advance(QUIET + 0.2)
    assert t.attempt.failure is None
    t.taken.fail()
    assert kind(await t.over()) is K.BROKEN_STREAM and not t.host.finishes
    t = await Try(idle_s=30.0).start(wants_usage=True)
    t.taken.head()
    t.taken.say(ROLE + content("hi") + event({}, "stop") + usage(20, 3))
    t.taken.fail()
    assert await t.over() is None and t.host.finishes == 1


@pytest.mark.parametrize("told", [{}, {"content-type": "text/plain"}, JSON])
@pytest.mark.parametrize("cut", [0, 1, 3, 40])
async def test_an_event_stream_is_known_by_its_bytes(told: dict[str, str], cut: int) -> None:
    """Some servers forget to say so; what came before enough was there to tell is not lost."""
    for manner in (Manner.FORWARD, Manner.FOLD):
        t = await Try(manner).start()
        t.taken.head(200, told)
        sent = stream("hi")
        t.taken.say(*(part for part in (sent[:cut], sent[cut:]) if part))
        assert await t.over() is None
        if manner is Manner.FORWARD:
            assert t.host.body == sent
        else:
            assert b'"content":"hi"' in (t.attempt.answer or b"").replace(b" ", b"")


async def test_what_is_no_event_stream_is_not_taken_for_one() -> None:
    """A web page in place of an answer."""
    t = await Try().start()
    t.taken.head(200, {"content-type": "text/html"})
    t.taken.say(b"<html>", b"data: no\n\n")
    t.taken.end()
    assert kind(await t.over()) is K.BAD_BODY and t.host.body == b""


async def test_a_whole_body_whose_end_never_comes_is_an_answer() -> None:
    """Nothing of it is missing but the end of its transfer."""
    t = await Try(Manner.WHOLE).start()
    t.taken.head(200, JSON)
    t.taken.say(whole("hi"))
    t.env.advance(BODY_GAP + 0.2)
    assert await t.over() is None
    assert t.attempt.answer == whole("hi")


@pytest.mark.parametrize("how", ["end", "fail"])
async def test_a_finish_without_its_end_mark_is_completed_with_exactly_one(how: str) -> None:
    """The answer is whole: only the mark was lost, with the connection or without."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(stream("hi", done=False))
    getattr(t.taken, how)()
    assert await t.over() is None
    assert t.host.body == stream("hi") and t.host.finishes == 1


async def test_an_end_mark_without_its_blank_line_counts() -> None:
    """Some servers stop short by a newline; what they said is whole."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(stream("hi")[:-1])
    t.taken.end()
    assert await t.over() is None
    assert t.host.body.count(b"[DONE]") == 1 and t.host.finishes == 1


async def test_every_choice_must_have_finished() -> None:
    """With n=2 one finish is half an answer."""
    t = await Try().start(choices=2)
    t.taken.head()
    t.taken.say(content("a"), content("b", 1), STOP)
    t.taken.end()
    assert kind(await t.over()) is K.BROKEN_STREAM
    t = await Try().start(choices=2)
    t.taken.head()
    t.taken.say(content("a"), content("b", 1), STOP, event({}, "stop", 1))
    t.taken.end()
    assert await t.over() is None


async def test_usage_of_a_whole_answer_may_stand_in_its_head() -> None:
    """Where a provider's body tells none."""
    t = Try(Manner.WHOLE)
    t.attempt.wire = dataclasses.replace(
        t.attempt.wire, facts=lambda *_: Facts(), head_usage=lambda headers: Usage(int(headers["x-tokens"]))
    )
    await t.start()
    t.taken.head(200, {**JSON, "x-tokens": "7"})
    t.taken.say(b"{}")
    t.taken.end()
    assert await t.over() is None
    assert t.attempt.usage == Usage(7)


async def test_usage_that_only_lbd_asked_for_is_read_and_not_shown() -> None:
    """It is booked all the same."""
    t = await Try().start(hide_usage=True)
    t.taken.head()
    t.taken.say(ROLE, content("hi"), STOP, usage(20, 3), DONE)
    t.taken.end()
    assert await t.over() is None
    assert t.attempt.usage is not None
    assert (t.attempt.usage.prompt, t.attempt.usage.completion) == (20, 3)
    assert t.host.body == stream("hi")


@given(st.integers(0, len(stream("one", "two", "three"))), st.sampled_from(["fail", "end"]), st.integers(1, 40))
def test_a_stream_killed_at_any_byte_is_whole_or_a_failure_and_never_half_an_event(
    at: int, how: str, step: int
) -> None:
    """What the client got is the beginning of the right answer; a success is the whole of it, with one [DONE]."""
    right = stream("one", "two", "three")

    async def main() -> None:
        t = await Try().start()
        t.taken.head()
        for i in range(0, at, step):
            t.taken.say(right[i : min(at, i + step)])
        getattr(t.taken, how)()
        failure = await t.over()
        assert right.startswith(t.host.body)
        assert not t.host.body or t.host.body.endswith(b"\n\n")
        if failure is None:
            assert t.host.body == right and t.host.finishes == 1
        else:
            assert failure.kind is K.BROKEN_STREAM and not t.host.finishes
            assert at < right.index(STOP) + len(STOP)

    asyncio.run(main())


# --- the end mark -------------------------------------------------------------------------------------


async def test_the_end_mark_ends_the_clients_answer_though_the_provider_keeps_the_connection() -> None:
    """The client is done at once; the provider has a second to end the answer itself, then it is closed."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(stream("hi"))
    assert t.host.finishes == 1 and t.host.body == stream("hi")
    assert await t.over() is None
    assert t.taken.open
    t.env.advance(DRAIN - 0.01)
    assert t.taken.open
    t.env.advance(0.01)
    assert t.taken.cancelled_at is not None


@pytest.mark.parametrize("blank", [b"\n\n", b""])
@pytest.mark.parametrize("told", [True, False])
async def test_an_end_mark_before_the_answer_told_why_it_ended_is_a_cut(told: bool, blank: bytes) -> None:
    """From the first answer on, before any other was seen; but a server may be said never to tell."""
    t = Try()
    t.attempt.line = replace(t.attempt.line, provider=replace(PROVIDER, tells_finish=told))
    await t.start()
    t.taken.head()
    t.taken.say(ROLE + content("hi"))
    t.taken.say(b"data: [DONE]" + blank)
    t.taken.end()
    failure = await t.over()
    assert (failure and failure.kind) == (K.BROKEN_STREAM if told else None)
    assert t.host.finishes == (not told)
    assert (b"[DONE]" in t.host.body) is not told


@pytest.mark.parametrize(("finishes", "whole"), [((0, 1), True), ((0,), False), ((1,), False)])
async def test_of_several_choices_each_that_began_has_to_end(finishes: tuple[int, ...], whole: bool) -> None:
    """A server may give fewer than were asked for."""
    t = await Try().start(choices=3)
    t.taken.head()
    t.taken.say(content("hi", 0) + content("ho", 1))
    t.taken.say(b"".join(event({}, "stop", index=i) for i in finishes) + DONE)
    failure = await t.over()
    assert (failure is None) is whole


@pytest.mark.parametrize("how", ["end", "fail"])
async def test_a_provider_that_ends_the_drained_answer_keeps_its_connection(how: str) -> None:
    """It can be used again; whether the drain ended well says nothing any more."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(stream("hi"))
    assert await t.over() is None
    t.env.advance(DRAIN / 2)
    t.taken.say(b"data: whatever\n\n", ALIVE)
    getattr(t.taken, how)()
    t.env.advance(DRAIN * 2)
    assert t.taken.cancelled_at is None
    assert t.host.body == stream("hi") and t.attempt.failure is None


async def test_end_mark_and_end_in_one_read_need_no_drain() -> None:
    """The usual case: nothing is left to wait for."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(stream("hi"))
    t.taken.end()
    assert await t.over() is None
    assert not t.attempt._draining
    t.env.advance(2 * DRAIN)
    assert t.taken.cancelled_at is None


# --- fold ---------------------------------------------------------------------------------------------


async def test_a_unary_answer_by_way_of_a_stream_equals_the_unary_answer() -> None:
    """Text, finish, usage, model and id; nothing is shown before it is whole."""
    t = await Try(Manner.FOLD).start()
    t.taken.head()
    parts = [event({"content": piece}, model="m") for piece in ("hel", "lo")]
    t.taken.say(event({"role": "assistant"}, model="m"), *parts, event({}, "stop", model="m"), usage(20, 3))
    assert t.attempt.answer is None and not t.host.commits
    t.taken.say(DONE)
    assert await t.over() is None
    assert json.loads(t.attempt.answer or b"") == json.loads(whole("hello"))
    assert t.attempt.usage is not None and t.attempt.usage.completion == 3
    assert not t.host.commits and not t.host.finishes


async def test_a_folded_answer_that_broke_is_a_failure_without_a_trace() -> None:
    """However much had come: nobody has seen any of it."""
    t = await Try(Manner.FOLD).start()
    t.taken.head()
    t.taken.say(ROLE, content("hel"))
    t.taken.fail()
    assert kind(await t.over()) is K.BROKEN_STREAM
    assert t.attempt.answer is None and not t.host.commits
    assert t.attempt.ttft_s is not None


async def test_a_folded_answer_whose_end_mark_was_lost_is_whole() -> None:
    """As in a stream."""
    t = await Try(Manner.FOLD).start()
    t.taken.head()
    t.taken.say(stream("hi", done=False))
    t.taken.fail()
    assert await t.over() is None
    fold = ChatFold()
    fold.feed(stream("hi"))
    assert json.loads(t.attempt.answer or b"") == json.loads(fold.result())


# --- whole --------------------------------------------------------------------------------------------


async def test_a_whole_answer_is_the_providers_bytes() -> None:
    """In any number of pieces; its usage is read."""
    body = whole("hello", note="\u00fc  kept")
    for step in (1, 10, 10_000):
        t = await Try(Manner.WHOLE).start()
        t.taken.head(200, JSON)
        for i in range(0, len(body), step):
            t.taken.say(body[i : i + step])
        t.taken.end()
        assert await t.over() is None
        assert t.attempt.answer == body
        assert t.attempt.usage is not None and t.attempt.usage.prompt == 20


async def test_a_whole_answer_that_is_none_is_a_failure_in_spite_of_its_200() -> None:
    """No JSON, no choices, an error inside, nothing at all."""
    for body, expected in (
        (b"<html>", K.BAD_BODY),
        (b"", K.BAD_BODY),
        (b'{"choices":[]}', K.BAD_BODY),
        (refusal("broken"), K.STREAM_ERROR),
    ):
        t = await Try(Manner.WHOLE).start()
        t.taken.head(200, JSON)
        if body:
            t.taken.say(body)
        t.taken.end()
        assert kind(await t.over()) is expected
        assert t.attempt.answer is None


async def test_an_answer_without_bound_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unary answer and an error body each have a limit."""
    monkeypatch.setattr(module, "LARGEST_ANSWER", 1000)
    monkeypatch.setattr(module, "LARGEST_ERROR", 100)
    for manner, status, size in ((Manner.WHOLE, 200, 1000), (Manner.FORWARD, 500, 100)):
        t = await Try(manner).start()
        t.taken.head(status, JSON)
        t.taken.say(b" " * size)
        assert t.going or await t.over() is None
        t.taken.say(b" ")
        failure = await t.over()
        assert kind(failure) is K.BAD_BODY and t.taken.cancelled_at is not None


async def test_a_stream_that_is_gathered_has_a_bound_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes straight to the client has none: nothing of it is kept."""
    monkeypatch.setattr(module, "LARGEST_STREAM", 1000)
    for manner, ends in ((Manner.FOLD, True), (Manner.FORWARD, False)):
        t = await Try(manner).start()
        t.taken.head()
        for _ in range(20):
            t.taken.say(content("x" * 100))
        assert (t.attempt.failure is not None) is ends
        if ends:
            assert kind(await t.over()) is K.BAD_BODY and t.taken.cancelled_at is not None
        else:
            t.attempt.stop(Failure(K.INTERNAL, "enough"))
            await t.over()


# --- other answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", Manner)
@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (500, JSON, refusal("broken"), K.SERVER),
        (503, JSON, refusal("Loading model", kind="unavailable_error"), K.LOADING),
        (429, {**JSON, "retry-after": "7"}, refusal("slow down"), K.RATE),
        (401, JSON, refusal("no"), K.AUTH),
        (400, JSON, refusal("n must be positive", kind="invalid_request_error"), K.BAD_REQUEST),
        (400, SSE, refusal("n must be positive", kind="invalid_request_error"), K.BAD_REQUEST),
        (302, {}, b"", K.SERVER),
        (502, {"content-type": "text/html"}, b"<html>bad gateway</html>", K.SERVER),
    ],
)
async def test_an_error_status_is_read_by_the_shape(
    manner: Manner, status: int, headers: dict[str, str], body: bytes, expected: FailureKind
) -> None:
    """Whatever the manner and the content type; nothing of it reaches the client as an answer."""
    t = await Try(manner).start()
    t.taken.head(status, headers)
    if body:
        t.taken.say(body)
    t.taken.end()
    failure = await t.over()
    assert failure is not None and failure.kind is expected and failure.status == status
    assert not t.host.commits and t.attempt.status == status
    if status == 429:
        assert failure.retry_after_s == 7
    if status == 400:
        assert failure.body == body  # byte for byte: it may go back to the client


@pytest.mark.parametrize("manner", [Manner.FORWARD, Manner.FOLD])
async def test_a_stream_that_was_asked_for_and_did_not_come_is_a_failure(manner: Manner) -> None:
    """A 200 with JSON: its error if it holds one, else no answer to what was asked."""
    t = await Try(manner).start()
    t.taken.head(200, JSON)
    t.taken.say(refusal("overloaded", "overloaded_error"))
    t.taken.end()
    assert kind(await t.over()) is K.OVERLOADED
    t = await Try(manner).start()
    t.taken.head(200, JSON)
    t.taken.say(whole())
    t.taken.end()
    failure = await t.over()
    assert failure is not None and failure.kind is K.BAD_BODY and "application/json" in failure.message


@pytest.mark.parametrize("named", ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream"])
async def test_an_event_stream_is_known_by_its_type(named: str) -> None:
    """With parameters and in any case."""
    t = await Try().start()
    t.taken.head(200, {"content-type": named})
    t.taken.say(stream("hi"))
    t.taken.end()
    assert await t.over() is None and t.host.finishes == 1


async def test_the_providers_own_id_and_limits_are_kept() -> None:
    """Of good and of bad answers; the limits are read where there are any."""
    fields = {b"content-type": b"text/event-stream", b"x-request-id": b"up-1", b"x-ratelimit-remaining-requests": b"3"}
    for headers in (RawHeaders(fields), {k.decode(): v.decode() for k, v in fields.items()}):
        t = await Try().start()
        t.taken.head(200, headers)
        t.taken.say(stream("hi"))
        t.taken.end()
        assert await t.over() is None
        assert t.attempt.upstream_id == "up-1"
        assert [q.remaining for q in t.attempt.quota] == [3]
    t = await Try().start()
    t.taken.head(429, RawHeaders({**fields, b"content-type": b"application/json"}))
    t.taken.say(refusal("slow"))
    t.taken.end()
    assert kind(await t.over()) is K.RATE and [q.remaining for q in t.attempt.quota] == [3]
    t = await Try().start()
    t.taken.head(200, RawHeaders({b"content-type": b"text/event-stream"}))
    t.taken.say(stream("hi"))
    t.taken.end()
    await t.over()
    assert t.attempt.quota == () and t.attempt.upstream_id is None


async def test_a_provider_that_repeats_the_key_does_not_give_it_away() -> None:
    """Failures reach clients, logs and the journal; the credential is taken out where they are made."""
    t = Try()
    t.attempt.line = lines.build(
        SPEC, replace(PROVIDER, headers=(("x-secret", "other-canary"), ("x-org", "a"))), SHAPE, t.stage
    )
    await t.start()
    t.taken.head(401, JSON)
    t.taken.say(refusal("the key sk-canary-1234 with other-canary is not valid a"))
    t.taken.end()
    failure = await t.over()
    assert failure is not None
    assert failure.message == "the key *** with *** is not valid a"
    assert failure.body is not None and b"canary" not in failure.body


# --- connections --------------------------------------------------------------------------------------


async def test_an_idle_connection_is_used_first() -> None:
    """And no new one is opened."""
    t = Try()
    t.stage.kept["p"] = 1
    await t.start()
    assert t.taken.reused and not t.stage.opens
    t.taken.head()
    t.taken.say(stream("hi"))
    t.taken.end()
    assert await t.over() is None


@pytest.mark.parametrize("manner", Manner)
async def test_a_stale_connection_is_replaced_by_a_fresh_one_and_by_nothing_else(manner: Manner) -> None:
    """Once, on a new connection, although more idle ones are there; the answer is the fresh one's alone."""
    t = Try(manner)
    t.stage.kept["p"] = 5
    await t.start()
    t.taken.fail(K.STALE)
    await t.settle()
    assert len(t.stage.taken) == 2 and t.stage.opens == 1 and not t.taken.reused
    t.taken.head(200, JSON if manner is Manner.WHOLE else SSE)
    t.taken.say(whole("hi") if manner is Manner.WHOLE else stream("hi"))
    t.taken.end()
    assert await t.over() is None
    assert t.attempt.failure is None


@pytest.mark.parametrize("manner", Manner)
@pytest.mark.parametrize("heard", [True, False])
async def test_a_kept_connection_that_is_lost_without_a_word_is_left_at_the_cut_off(
    manner: Manner, heard: bool
) -> None:
    """For a fresh one, also where nobody else is left; but not while the whole way there may be cut for a moment."""
    t = Try(manner, cut_at=2.0)
    t.stage.kept["p"] = 1
    await t.start()
    t.taken.stuck = True
    t.env.advance(2.0 - TICK)
    t.host.others_heard = heard
    t.env.advance(2 * TICK)
    await t.settle()
    assert t.stage.opens == heard
    if heard:
        assert not t.taken.reused and t.stage.taken[0].ended_at is not None
    t.taken.head(200, JSON if manner is Manner.WHOLE else SSE)
    t.taken.say(whole("hi") if manner is Manner.WHOLE else stream("hi"))
    t.taken.end()
    assert await t.over() is None
    assert t.attempt.resent == heard


async def test_a_fresh_connection_has_as_long_as_the_lost_one_had() -> None:
    """What the row usually needs would be too long else, and be held against it."""
    t = Try(cut_at=2.0)
    t.stage.kept["p"] = 1
    await t.start()
    t.taken.stuck = t.host.others_heard = t.host.movable = True
    t.env.advance(2.0 + TICK)
    await t.settle()
    assert t.attempt.resent and not t.taken.reused
    t.env.advance(1.5)
    await t.settle()
    assert t.going
    t.env.advance(2.0)
    assert kind(await t.over()) is K.TIMEOUT_FIRST


async def test_a_second_stale_verdict_is_final() -> None:
    """A fresh connection cannot be stale; if a transport says so all the same, it is a failure."""
    t = Try()
    t.stage.kept["p"] = 1
    await t.start()
    t.taken.fail(K.STALE)
    await t.settle()
    t.taken.fail(K.STALE)
    assert kind(await t.over()) is K.STALE
    assert len(t.stage.taken) == 2


async def test_a_reset_on_a_reused_connection_is_not_tried_again_here() -> None:
    """Only what is known to have been lost before any byte is."""
    t = Try()
    t.stage.kept["p"] = 1
    await t.start()
    t.taken.fail(K.RESET)
    assert kind(await t.over()) is K.RESET and len(t.stage.taken) == 1


async def test_a_connection_that_cannot_be_made_is_the_failure() -> None:
    """With its own kind and words."""
    t = Try()
    t.stage.refuse(K.TLS)
    await t.start()
    assert kind(await t.over()) is K.TLS
    assert not t.stage.taken


async def test_a_client_that_leaves_stops_the_provider_at_once() -> None:
    """Cancelled: before the head, in the middle, while connecting."""
    for played in (0, 1, 2):
        t = await Try().start()
        if played:
            t.taken.head()
        if played > 1:
            t.taken.say(content("hi"))
        await t.abandon()
        assert t.taken.cancelled_at == t.env.now()
    t = Try()
    t.stage.hang()
    await t.start()
    await t.abandon()
    assert not t.stage.taken and t.task is not None and t.task.cancelled()


# --- once over, over ----------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", Manner)
async def test_what_comes_after_the_verdict_reaches_nobody(manner: Manner) -> None:
    """Between the verdict and the closing of the connection more may be read: the flight has moved on by then."""
    for last in ("data", "end", "failed"):
        t = await Try(manner).start()
        t.host.movable = True
        t.taken.head(200, JSON if manner is Manner.WHOLE else SSE)
        t.attempt.rescue()
        receiver = t.taken.receiver
        receiver.data(whole() if manner is Manner.WHOLE else stream("late"))
        if last == "end":
            receiver.end()
        elif last == "failed":
            receiver.failed(Failure(K.RESET, "late"))
        assert kind(await t.over()) is K.TIMEOUT_FIRST
        assert not t.host.commits and not t.host.finishes and t.attempt.answer is None


async def test_the_first_verdict_stands() -> None:
    """A bound that is reached while the failure is already known changes nothing."""
    t = await Try(total_by=5.0).start()
    t.taken.fail(K.RESET)
    t.attempt.stop(Failure(K.DRAINING, "x"))
    t.attempt.rescue()
    t.env.advance(10)
    assert kind(await t.over()) is K.RESET


async def test_stopping_ends_it_whatever_it_has_brought() -> None:
    """The daemon ends: the answer breaks off with the failure that says so."""
    t = await Try().start()
    t.taken.head()
    t.taken.say(content("hi"))
    t.attempt.stop(Failure(K.DRAINING, "lbd was shut down"))
    assert kind(await t.over()) is K.DRAINING
    assert t.taken.cancelled_at is not None


# --- rescue -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", Manner)
async def test_a_lost_row_moves_an_attempt_that_waits(manner: Manner) -> None:
    """At once, and marked: the row had no fair chance, so the time says nothing about it."""
    t = await Try(manner).start()
    t.host.movable = True
    t.attempt.rescue()
    assert kind(await t.over()) is K.TIMEOUT_FIRST
    assert t.attempt.rescued and t.taken.cancelled_at == t.env.now()


async def test_a_lost_row_moves_an_attempt_that_still_connects() -> None:
    """A host that swallows packets would hold it for the whole connect time-out otherwise."""
    t = Try()
    t.host.movable = True
    t.stage.hang()
    await t.start()
    t.attempt.rescue()
    assert kind(await t.over()) is K.TIMEOUT_FIRST
    assert t.attempt.rescued and not t.stage.taken


async def test_a_rescue_while_connecting_does_not_swallow_that_the_client_left() -> None:
    """Both in the same instant: the task ends as cancelled."""
    t = Try()
    t.host.movable = True
    t.stage.hang()
    await t.start()
    t.attempt.rescue()
    await t.abandon()
    assert t.task is not None and t.task.cancelled()


async def test_a_lost_row_does_not_move_what_the_client_has_seen_of() -> None:
    """Nor what has nowhere to go. A folded answer has shown nothing, so it may go at any time."""
    t = await Try().start()
    t.host.movable = True
    t.taken.head()
    t.taken.say(content("hi"))
    t.attempt.rescue()
    await t.settle()
    assert t.going and not t.attempt.rescued
    await t.abandon()

    t = await Try().start()
    t.attempt.rescue()
    await t.settle()
    assert t.going and not t.attempt.rescued
    await t.abandon()

    t = await Try(Manner.FOLD).start()
    t.host.movable = True
    t.taken.head()
    t.taken.say(content("hi"))
    t.attempt.rescue()
    assert kind(await t.over()) is K.TIMEOUT_FIRST and t.attempt.rescued


async def test_rescuing_before_the_start_or_after_the_end_is_harmless() -> None:
    """Rows are lost at any time."""
    t = Try()
    t.host.movable = True
    t.attempt.rescue()
    await t.start()
    t.taken.head()
    t.taken.say(stream("hi"))
    t.taken.end()
    t.attempt.rescue()
    assert await t.over() is None and not t.attempt.rescued


# --- time ---------------------------------------------------------------------------------------------


async def ended_after(t: Try, most: float) -> float:
    """Let time pass in small steps until it ends; return when that was."""
    began = t.env.now()
    while t.going:
        assert t.env.now() - began < most, "nothing ended it"
        t.env.advance(0.005)
        await t.settle()
    return t.env.now() - began


@pytest.mark.parametrize("seconds", [0.001, 0.019, 0.02, 0.5, 1.234567, 7.0])
async def test_the_first_content_is_cut_at_its_number_where_another_candidate_is_left(seconds: float) -> None:
    """And at most 50 ms later. Keep-alives and role frames do not feed it."""
    t = await Try(cut_at=seconds, first_by=20.0).start()
    t.host.movable = True
    t.taken.head()
    t.taken.say(ROLE, ALIVE)
    took = await ended_after(t, seconds + 1)
    assert seconds <= took <= seconds + LATE
    assert kind(t.attempt.failure) is K.TIMEOUT_FIRST and t.taken.cancelled_at is not None


async def test_frames_without_content_never_feed_the_first_bound() -> None:
    """A server that says every second that it is still there is as silent as any."""
    t = await Try(cut_at=3.0).start()
    t.host.movable = True
    t.taken.head()
    for _ in range(40):
        t.env.advance(0.1)
        t.taken.say(ALIVE, ROLE)
        await t.settle()
        if not t.going:
            break
    assert kind(await t.over()) is K.TIMEOUT_FIRST
    assert 3.0 <= t.attempt.settled_at - t.attempt.sent_at <= 3.0 + LATE


async def test_the_last_candidate_gets_all_that_is_left() -> None:
    """With nobody to move to, the cut-off is only a reminder to look again; the deadline is the bound."""
    t = await Try(cut_at=1.0, first_by=4.0).start()
    took = await ended_after(t, 6)
    assert 4.0 <= took <= 4.0 + LATE
    assert t.attempt.failure is not None and "deadline" in t.attempt.failure.message
    assert t.host.asked_to_move >= 3


async def test_a_candidate_that_comes_back_is_noticed_within_a_second() -> None:
    """The cut-off is looked at again."""
    t = await Try(cut_at=1.0, first_by=30.0).start()
    t.env.advance(3.5)
    await t.settle()
    assert t.going
    t.host.movable = True
    took = await ended_after(t, 5)
    assert took <= LOOK_AGAIN + LATE


async def test_content_in_time_ends_both_first_bounds() -> None:
    """From then on the gap and the whole count."""
    t = await Try(cut_at=1.0, first_by=2.0, idle_s=30.0).start()
    t.host.movable = True
    t.taken.head()
    t.env.advance(0.9)
    t.taken.say(content("hi"))
    t.env.advance(10)
    await t.settle()
    assert t.going
    await t.abandon()


@pytest.mark.parametrize("idle", [3.0, 5.5])
async def test_a_gap_in_the_middle_of_the_answer_is_bounded(idle: float) -> None:
    """Counted from the last byte; a keep-alive is a byte here."""
    t = await Try(idle_s=idle).start()
    t.taken.head()
    t.taken.say(content("hi"))
    t.env.advance(idle - 0.5)
    t.taken.say(ALIVE)
    await t.settle()
    took = await ended_after(t, idle + 1)
    assert idle <= took <= idle + LATE
    assert kind(t.attempt.failure) is K.TIMEOUT_IDLE


async def test_silence_in_the_middle_of_the_answer_is_looked_into_first() -> None:
    """A probe is asked for after two seconds, once for each silence."""
    t = await Try(idle_s=30.0).start()
    t.taken.head()
    t.taken.say(content("hi"))
    t.env.advance(QUIET - 0.1)
    assert t.host.silences == 0
    t.env.advance(0.1 + LATE)
    assert t.host.silences == 1
    t.env.advance(10)
    assert t.host.silences == 1
    t.taken.say(content("on"))
    t.env.advance(QUIET * 0.9)
    t.taken.say(content("and on"))
    t.env.advance(29)
    assert t.host.silences >= 2
    await t.settle()
    assert t.going
    took = await ended_after(t, 5)
    assert took <= 1.0 + LATE


@pytest.mark.parametrize("manner", Manner)
async def test_the_whole_answer_is_bounded(manner: Manner) -> None:
    """Whatever comes, and however lively."""
    t = await Try(manner, total_by=4.0).start()
    t.taken.head(200, JSON if manner is Manner.WHOLE else SSE)
    piece = b" " if manner is Manner.WHOLE else content("x")
    took = 0.0
    while t.going and took < 6:
        t.env.advance(0.01)
        took += 0.01
        t.taken.say(piece)
        await t.settle()
    assert 4.0 - 1e-6 <= took <= 4.0 + LATE
    assert kind(await t.over()) is K.TIMEOUT_TOTAL


async def test_a_silent_unary_answer_is_probed_at_its_cut_off_and_not_cut() -> None:
    """It has no first content to wait for: whether anybody is there is for a probe to say, every second."""
    t = await Try(Manner.WHOLE, cut_at=1.5, total_by=60.0).start()
    t.host.movable = True
    t.env.advance(1.4)
    assert t.host.silences == 0
    t.env.advance(0.1 + LATE)
    assert t.host.silences == 1
    t.env.advance(5 * (LOOK_AGAIN + TICK))
    await t.settle()
    assert 5 <= t.host.silences <= 7 and t.going
    await t.abandon()


async def test_a_silent_stream_that_nobody_takes_over_is_probed_and_looked_after_each_second() -> None:
    """It may be only slow; it is left once another one has a place."""
    t = await Try(cut_at=1.5, first_by=60.0).start()
    t.env.advance(1.5 + LATE)
    assert (t.host.silences, t.host.asked_to_move) == (1, 1)
    t.env.advance(3 * (LOOK_AGAIN + TICK))
    await t.settle()
    assert 3 <= t.host.silences == t.host.asked_to_move <= 5 and t.going
    t.host.movable = True
    t.env.advance(LOOK_AGAIN + TICK)
    assert kind(await t.over()) is K.TIMEOUT_FIRST


async def test_the_stream_is_opened_early_where_content_is_late() -> None:
    """Once, at its number; it does not end the attempt."""
    t = await Try(headers_at=2.0, first_by=10.0).start()
    t.env.advance(2.0 - 0.01)
    assert t.host.early == 0
    t.env.advance(LATE)
    assert t.host.early == 1
    t.env.advance(5)
    await t.settle()
    assert t.host.early == 1 and t.going
    t.taken.head()
    t.taken.say(stream("hi"))
    t.taken.end()
    assert await t.over() is None


async def test_a_held_exchange_is_not_a_silent_one() -> None:
    """The client cannot take more: the provider is stopped, and its gap does not count until it is let go."""
    t = await Try(idle_s=3.0).start()
    t.taken.head()
    t.taken.say(content("hi"))
    t.attempt.pause()
    assert t.taken.paused
    t.env.advance(20)
    await t.settle()
    assert t.going
    t.attempt.resume()
    assert not t.taken.paused
    took = await ended_after(t, 5)
    assert 3.0 <= took <= 3.0 + LATE


async def test_a_held_exchange_is_still_bounded_as_a_whole() -> None:
    """A client that never reads does not keep a provider's connection for ever."""
    t = await Try(total_by=5.0, idle_s=3.0).start()
    t.taken.head()
    t.taken.say(content("hi"))
    t.attempt.pause()
    took = await ended_after(t, 7)
    assert took <= 5.0 + LATE and kind(t.attempt.failure) is K.TIMEOUT_TOTAL


async def test_pausing_what_is_not_connected_or_over_is_harmless() -> None:
    """The client's side does not know."""
    t = Try()
    t.attempt.pause()
    t.attempt.resume()
    await t.start()
    t.taken.head()
    t.taken.say(stream("hi"))
    t.taken.end()
    await t.over()
    t.attempt.pause()
    t.attempt.resume()
    assert not t.taken.pauses


@pytest.mark.parametrize(("bounds", "movable"), [({"cut_at": 1.0, "first_by": 9.0}, True), ({"first_by": 1.0}, False)])
async def test_a_connection_that_is_not_made_in_time_is_told_as_such(bounds: dict[str, float], movable: bool) -> None:
    """The host is the one who is silent, so the failure speaks for it."""
    t = Try(**bounds)
    t.host.movable = movable
    t.stage.hang()
    await t.start()
    took = await ended_after(t, 2)
    assert 1.0 <= took <= 1.0 + LATE
    assert kind(t.attempt.failure) is K.CONNECT_TIMEOUT


async def test_connecting_has_all_the_time_there_is_where_nobody_else_is_left() -> None:
    """Neither the cut-off nor the early head bounds it then."""
    t = Try(cut_at=1.0, headers_at=2.0, first_by=9.0)
    ready = t.stage.hang()
    await t.start()
    assert t.stage.bys == [t.env.now() + 9.0]
    t.env.advance(5)
    await t.settle()
    ready.set()
    await t.settle()
    assert t.going and t.host.early == 1
    t.taken.head()
    t.taken.say(stream("hi"))
    t.taken.end()
    assert await t.over() is None


@given(
    st.dictionaries(st.sampled_from(["cut_at", "first_by", "total_by", "headers_at"]), st.floats(0.01, 9), min_size=1),
    st.booleans(),
)
def test_no_timer_is_later_than_its_number_and_50_ms(bounds: dict[str, float], movable: bool) -> None:
    """Whichever bound comes first decides, for any numbers."""

    async def main() -> None:
        t = await Try(**bounds).start()
        t.host.movable = movable
        ends = [bounds[b] for b in ("first_by", "total_by") if b in bounds]
        if movable and "cut_at" in bounds:
            ends.append(bounds["cut_at"])
        if not ends:
            t.env.advance(20)
            await t.settle()
            assert t.going
            await t.abandon()
            return
        t.env.advance(min(ends) - 1e-4)
        await t.settle()
        assert t.going
        t.env.advance(LATE + 1e-4)
        assert await t.over() is not None

    asyncio.run(main())


async def test_an_attempt_that_is_over_leaves_no_timer_behind() -> None:
    """The wheel forgets it; thousands of them must not wait for their old bounds."""
    t = await Try(cut_at=1.0, first_by=2.0, total_by=600.0).start()
    t.taken.head()
    t.taken.say(stream("hi"))
    t.taken.end()
    assert await t.over() is None
    t.env.advance(3)
    assert not any(t.attempt._wheel._slots.values())


async def test_it_has_reached_its_provider_once_it_is_sent() -> None:
    """Who leaves before has asked nobody for anything; on a kept connection it is sent at once."""
    t = await Try().start()
    assert t.attempt.reached
    await t.abandon()
    hung = Try()
    hung.stage.hang()
    await hung.start()
    assert not hung.attempt.reached
    await hung.abandon()
    assert not hung.attempt.reached and usage_of(hung.attempt, Head("m", text_bytes=400), 0.25) is None
    sent = await Try().start()
    await sent.abandon()
    assert usage_of(sent.attempt, Head("m", text_bytes=400), 0.25) == Usage(100, 0, estimated=True)
