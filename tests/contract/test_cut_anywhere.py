"""Every pair of client and provider, and an answer that is cut, garbled or refused in the middle.

A client is given the whole answer of its shape, or the beginning of it and an error; never a part of it as if it were
the whole, and never what is no answer. Here it is tried at some places of one pair of each kind; ``LBD_LONG=1`` leaves
no byte, no event and no pair out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from random import Random  # noqa: TID251  seeded: the same places each time
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from lbd import plugins
from lbd.model.failure import Failure, FailureKind
from lbd.shapes import bridge, sse
from lbd.shapes.providers import Shape
from lbd.shapes.wire import Wire
from lbd.upstream.respond import answer as told_whole
from tests.fakes import garbles, golden, readings
from tests.fakes.golden import Golden
from tests.fakes.hearing import RESET, Heard, hear, line_to
from tests.fakes.readings import Reading
from tests.unit.shapes import streams

SHAPES = dict(plugins.load().shapes)
CLIENTS = dict(plugins.load().clients)
PAIRS = golden.pairs(SHAPES)
SEED = 20
PLACES = 8  # bytes of a stream that are tried where not all of them are
K = FailureKind
Pair = tuple[str, str]  # names of a client's shape and a provider's


def tongue(pair: Pair) -> str:
    """Return the language of a pair's provider."""
    shape, wire = PAIRS[pair]
    return golden.language(shape, pair[0], wire)


def _kinds() -> list[Pair]:
    """Return one pair for each way of hearing: others hear by the same functions."""
    out: dict[Any, Pair] = {}
    for pair, (_, wire) in PAIRS.items():
        out.setdefault((pair[0], tongue(pair), wire.native), pair)
    return list(out.values())


KINDS = _kinds()
each = pytest.mark.parametrize("pair", KINDS, ids=["-".join(p) for p in KINDS])
every = pytest.mark.parametrize("pair", list(PAIRS), ids=["-".join(p) for p in PAIRS])


class Draw(Random):
    """What is tried of what could be: some of it, or all."""

    everywhere = False

    def some(self, of: Sequence[Any], count: int) -> Sequence[Any]:
        """Return some of these."""
        return of if self.everywhere else self.sample(of, min(count, len(of)))

    def places(self, size: int, *near: int) -> Iterable[int]:
        """Return where a stream is cut: at some places, and around those that matter."""
        if self.everywhere:
            return range(size + 1)
        around = {n + d for n in near for d in (-2, -1, 0, 1) if 0 <= n + d <= size}
        return sorted({0, *(self.randint(0, size) for _ in range(PLACES)), *around})

    def events(self, case: Case) -> Iterable[int]:
        """Return the numbers of events that are spoiled."""
        count = len(case.golden.events)
        return range(count) if self.everywhere else sorted({0, case.ends.event, count - 1, self.randrange(count)})

    def parts(self, stream: bytes) -> list[bytes]:
        """Return a stream as it may come: at once, its end byte by byte, or cut at some places."""
        how = self.random()
        if how < 0.4:
            at: set[int] = set()
        elif how < 0.5:
            at = set(range(max(0, len(stream) - 60), len(stream)))
        else:
            at = {self.randint(0, len(stream)) for _ in range(self.randint(1, 8))}
        return [stream[a:b] for a, b in pairwise(sorted({0, len(stream), *at})) if a < b]


def _plain(sent: bytes) -> bytes:
    """Return an event stream with plain line ends: an event that lacked its blank line is given one."""
    return sent.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class Case:
    """One pair and one answer, and how its client is given it."""

    def __init__(self, pair: Pair, name: str, wants_usage: bool = True, folded: bool = False, eol: bytes = b"") -> None:
        self.client, self.provider = pair
        self.shape: Shape = PAIRS[pair][0]
        self.wire: Wire = PAIRS[pair][1]
        self.tongue = tongue(pair)
        self.golden: Golden = golden.of(self.tongue, self.client)[name]
        if eol:
            self.golden = golden.with_ends(self.golden, eol)
        self.wants_usage, self.folded = wants_usage, folded
        self.line = line_to(self.shape)
        self.whole = self.hear([self.golden.stream])
        assert self.whole.failure is None
        self.reading = self.read(self.whole)
        self.ends = golden.ends(
            self.golden,
            self.tongue,
            self.client,
            native=self.wire.native,
            wants_usage=wants_usage,
            folded=folded,
        )

    def hear(self, parts: Iterable[bytes], broken: Failure | None = None) -> Heard:
        return hear(self.line, self.wire, parts, broken, wants_usage=self.wants_usage, folded=self.folded)

    def with_(self, at: int, raw: bytes, *, instead: bool) -> bytes:
        """Return the stream with other bytes in place of an event, or before it."""
        told = [event.raw for event in self.golden.events]
        told[at : at + instead] = [raw]
        return b"".join(told)

    def read(self, heard: Heard) -> Reading:
        """Read what the client has."""
        if self.folded:
            return Reading() if heard.answer is None else readings.BODIES[self.client](heard.answer)
        return readings.STREAMS[self.client](_plain(heard.sent))

    def counted(self, at: int) -> bool:
        """Tell whether all counts have come with the first ``at`` bytes."""
        told = [i for i, event in enumerate(self.golden.events) if "usage" in event.tells]
        return at >= sum(len(event.raw) for event in self.golden.events[: told[-1] + 1])

    def check(
        self, heard: Heard, where: object, *, whole: bool, counted: bool = True, kinds: Iterable[FailureKind] = ()
    ) -> None:
        """Check that the client has the whole answer, or its beginning and an error: one of the two.

        ``counted``: nothing of its usage was lost.
        """
        said = f"{self.client} of {self.provider}, {where}"
        assert (heard.failure is None) is whole, f"{said}: {heard.failure}"
        reading = self.read(heard)
        assert reading.ended is whole, said
        if whole:
            if not counted:
                reading.usage = self.reading.usage
            assert reading == self.reading, said
        else:
            assert heard.answer is None, said
            assert _plain(self.whole.sent).startswith(_plain(heard.sent)), said
            assert reading.usage is None, said
            assert not kinds or (heard.failure is not None and heard.failure.kind in kinds), f"{said}: {heard.failure}"


def cases(pair: Pair, *, folded: bool = False) -> Iterator[tuple[str, Case]]:
    """Yield every answer that a pair can give, to clients that want its usage and to those that do not."""
    for name in golden.of(tongue(pair), pair[0]):
        for wants in (True, False):
            yield f"{name}, {'with' if wants else 'without'} usage", Case(pair, name, wants, folded)


@every
def test_the_whole_answer_is_given_whole(pair: Pair) -> None:
    """What the provider said, as the client's shape says it: the measure of all that follows."""
    for what, case in cases(pair):
        told, expected = case.reading, case.golden
        assert told.text == expected.text, what
        assert told.reason is expected.reason, what
        if pair[0] != "openai.completions":
            assert told.thoughts == expected.thoughts, what
        calls = [(name, json.loads(arguments)) for name, arguments in told.calls]
        assert calls == ([] if expected.call is None else [expected.call]), what
        if case.wants_usage:
            assert told.usage is not None and told.usage[1] in (7, 37), what


@each
def test_a_gathered_answer_is_the_unary_one(pair: Pair) -> None:
    """In meaning: text, thoughts, calls, reason and usage."""
    for what, case in cases(pair, folded=True):
        facts = case.wire.read(case.golden.whole, {}, 0.0)
        assert facts.failure is None, what
        told = readings.BODIES[pair[0]](facts.answer or case.golden.whole)
        calls = [(name, json.loads(arguments)) for name, arguments in case.reading.calls]
        assert [(name, json.loads(arguments)) for name, arguments in told.calls] == calls, what
        told.calls = case.reading.calls
        assert told == case.reading, what


# --- cut, garbled, refused -------------------------------------------------------------------------------


def _cut(case: Case, what: str, draw: Draw) -> None:
    """Let the connection close or break after bytes of a stream."""
    stream = case.golden.stream
    for at in draw.places(len(stream), case.ends.closed, case.ends.broken):
        for broken in (None, RESET):
            whole = at >= (case.ends.closed if broken is None else case.ends.broken)
            heard = case.hear(draw.parts(stream[:at]), broken)
            where = f"{what}, cut at {at} of {len(stream)}, {'closed' if broken is None else 'reset'}"
            case.check(heard, where, whole=whole, counted=case.counted(at))


def cut(pair: Pair, draw: Draw) -> None:
    """A stream that is cut is whole or an error."""
    for what, case in cases(pair):
        _cut(case, what, draw)


def gathered(pair: Pair, draw: Draw) -> None:
    """The same for a client who wants it whole of a provider that is asked for a stream."""
    for what, case in cases(pair, folded=True):
        _cut(case, f"gathered, {what}", draw)


def line_ends(pair: Pair, draw: Draw) -> None:
    """The same where lines end otherwise: an end of a line may itself be cut."""
    for eol in (b"\n", b"\r\n", b"\r") if tongue(pair) != "bedrock" else ():
        for name in draw.some([*golden.of(tongue(pair), pair[0])], 1):
            _cut(Case(pair, name, eol=eol), f"{name}, lines end in {eol!r}", draw)


def garbled(pair: Pair, draw: Draw) -> None:
    """An event that cannot be read is an error, and never passed over: what it said is missing."""
    for what, case in cases(pair):
        for at in draw.events(case):
            raw = case.golden.events[at].raw
            spoiled = [garbles.truncated(raw, case.tongue, draw.random() * 0.98), *garbles.JUNK]
            if case.tongue == "bedrock":
                flipped = bytearray(raw)
                flipped[draw.randrange(len(raw))] ^= 0x20
                spoiled = [spoiled[0], bytes(flipped), *garbles.JUNK]
            for junk in draw.some(spoiled, 3):
                heard = case.hear(draw.parts(case.with_(at, junk, instead=True)))
                where = f"{what}, {junk!r} in place of event {at}"
                case.check(heard, where, whole=at > case.ends.event, counted=False)


def unknown(pair: Pair, draw: Draw) -> None:
    """An unknown event changes nothing, nor does an unknown member: providers add them as they like."""
    found = garbles.UNKNOWN[{"completions": "chat"}.get(tongue(pair), tongue(pair))]
    for what, case in cases(pair):
        for at in draw.events(case):
            for raw in draw.some(found, 2):
                heard = case.hear(draw.parts(case.with_(at, raw, instead=False)))
                case.check(heard, f"{what}, {raw!r} before event {at}", whole=True)
            more = garbles.with_member(case.golden.events[at].raw, case.tongue)
            case.check(case.hear(draw.parts(case.with_(at, more, instead=True))), f"{what}, more in {at}", whole=True)


def empty(pair: Pair, draw: Draw) -> None:
    """A delta of nothing changes nothing: servers send them for characters that are not whole yet."""
    for what, case in cases(pair):
        for at, event in enumerate(case.golden.events):
            if "delta" in event.tells:
                for raw in garbles.EMPTY[case.tongue](event.raw):
                    heard = case.hear(draw.parts(case.with_(at + 1, raw, instead=False)))
                    case.check(heard, f"{what}, {raw!r} behind event {at}", whole=True)


def twice(pair: Pair, draw: Draw) -> None:
    """An event that comes twice ends in one of the two. The last one is not read again."""
    for what, case in cases(pair):
        last = len(case.golden.events) - 1
        end = sse.frames(case.whole.sent)[-1]
        for at in {last, *draw.events(case)}:
            heard = case.hear(draw.parts(case.with_(at, case.golden.events[at].raw, instead=False)))
            if at == last:
                case.check(heard, f"{what}, the last event twice", whole=True)
            ended = bool(heard.sent) and case.client != "openai.responses" and sse.frames(heard.sent)[-1] == end
            assert not (ended and heard.failure is not None), (what, at)
            assert ended or heard.failure is not None or case.client == "openai.responses", (what, at)


def lost(pair: Pair, draw: Draw) -> None:
    """An answer that does not tell why it ended is an error, whatever end mark it has."""
    for what, case in cases(pair):
        heard = case.hear(draw.parts(case.with_(case.golden.place("finish"), b"", instead=True)))
        assert heard.failure is not None and heard.failure.kind is K.BROKEN_STREAM, what
        assert heard.answer is None and not case.read(heard).ended, what


def refused(pair: Pair, draw: Draw) -> None:
    """An error in the middle of an answer is told as what it is; behind one that is whole it is none of its own."""
    for what, case in cases(pair):
        for at in draw.events(case):
            for raw, kind in draw.some(garbles.errors(case.tongue, case.provider), 4):
                heard = case.hear(draw.parts(case.with_(at, raw, instead=True)))
                where = f"{what}, {raw!r} in place of event {at}"
                case.check(heard, where, whole=at > case.ends.event, counted=False, kinds={kind})


def refused_at_first(pair: Pair, draw: Draw) -> None:
    """So is every error before the first content, and in the middle of it."""
    [*_, (what, case)] = cases(pair)
    for raw, kind in garbles.errors(case.tongue, case.provider):
        for at in (0, case.ends.event):
            heard = case.hear(draw.parts(case.with_(at, raw, instead=True)))
            case.check(heard, f"{what}, {raw!r} as {at}", whole=False, kinds={kind})


CHECKS: list[Callable[[Pair, Draw], None]] = [cut, gathered, line_ends, garbled, unknown, empty, twice, lost, refused]
each_check = pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])


@each
@each_check
def test_a_stream_is_whole_or_an_error(pair: Pair, check: Callable[[Pair, Draw], None]) -> None:
    """At some places, between one pair of each kind."""
    check(pair, Draw(SEED))


@every
def test_an_error_in_a_stream_is_told_as_what_it_is(pair: Pair) -> None:
    """Every error that a provider documents, whoever its client is."""
    refused_at_first(pair, Draw(SEED))


@pytest.mark.timeout(900)
@every
@each_check
def test_everywhere(pair: Pair, check: Callable[[Pair, Draw], None]) -> None:
    """At every byte and every event, between all pairs."""
    draw = Draw(SEED)
    draw.everywhere = True
    check(pair, draw)


TWO = streams.TWO
SECOND = TWO.index(b'"finish_reason":"stop"', TWO.index(b'"finish_reason":"stop"') + 1)


@pytest.mark.parametrize("client", ["openai.chat", "openai.completions"])
def test_of_several_choices_all_have_to_end(client: str) -> None:
    """One that has ended makes no answer of another."""
    shape, wire = PAIRS[client, "openrouter"]
    line, draw = line_to(shape), Draw(SEED)
    for at in range(0, len(TWO), 3):
        for broken in (None, RESET):
            heard = hear(line, wire, draw.parts(TWO[:at]), broken, wants_usage=False, choices=2)
            if at <= SECOND:
                assert heard.failure is not None and b"[DONE]" not in heard.sent, at
            elif at > SECOND + 60:
                assert heard.failure is None and heard.sent.endswith(streams.DONE), at


# --- whole answers ---------------------------------------------------------------------------------------


@every
def test_a_whole_answer_that_is_cut_is_an_error(pair: Pair) -> None:
    """Its length was not told, or a proxy on the way lied about it."""
    wire = PAIRS[pair][1]
    for name, told in golden.of(tongue(pair), pair[0]).items():
        for at in range(len(told.whole) % 7, len(told.whole), 7):
            facts = wire.read(told.whole[:at], {}, 0.0)
            assert facts.failure is not None and facts.failure.kind is K.BAD_BODY, (name, at)
            assert facts.answer is None
        facts = wire.read(told.whole, {}, 0.0)
        assert facts.failure is None
        assert readings.BODIES[pair[0]](facts.answer or told.whole).reason is told.reason


@every
def test_what_is_no_answer_is_an_error(pair: Pair) -> None:
    """Junk, an empty answer, an error with a good status, a prompt that was blocked."""
    wire = PAIRS[pair][1]
    for junk in (b"", b"null", b"[]", b"17", b'"ok"', b"{}", garbles.PAGE, b"\xff\xfe", b"data: {}\n\n"):
        facts = wire.read(junk, {}, 0.0)
        assert facts.failure is not None and facts.failure.kind is K.BAD_BODY, junk
    for body, kind in garbles.WRONG[tongue(pair)]:
        facts = wire.read(body, {}, 0.0)
        assert facts.failure is not None and facts.failure.kind is kind, (body, facts.failure)


# Answers of what is no conversation, in the forms that providers write them in; sound is whatever it is.
OTHERS: dict[str, list[Any]] = {
    "openai.embeddings": [
        {"object": "list", "data": [{"index": 0, "embedding": [0.5, 1]}], "model": "m", "usage": {"prompt_tokens": 2}},
        {"embeddings": [{"values": [0.5, 1]}]},
        {"embedding": {"values": [0.5, 1]}},
        {"predictions": [{"embeddings": {"values": [0.5, 1], "statistics": {"token_count": 2}}}]},
        {"embedding": [0.5, 1], "inputTextTokenCount": 2},
        {"embeddings": [[0.5, 1]], "response_type": "embeddings_floats"},
    ],
    "openai.moderations": [{"id": "modr-1", "model": "m", "results": [{"flagged": False}]}],
    "openai.images": [{"created": 1, "data": [{"b64_json": "aGk="}]}],
    "openai.image_edits": [{"created": 1, "data": [{"b64_json": "aGk="}]}],
    "openai.transcriptions": [{"text": "hi", "usage": {"type": "tokens", "input_tokens": 2, "output_tokens": 1}}],
    "openai.translations": [{"text": "hi"}],
    "anthropic.count_tokens": [{"input_tokens": 9}, {"totalTokens": 9}],
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_an_answer_that_is_no_conversation_and_is_cut_is_an_error(name: str) -> None:
    """Vectors, pictures and counts are JSON, and half of it is none; and none of them is nothing."""
    for client, wire in bridge.wires(SHAPES[name], golden.MODEL, golden.SERVES).items():
        bodies = [json.dumps(told).encode() for told in OTHERS.get(client, [])]
        good = [body for body in bodies if wire.read(body, {}, 0.0).failure is None]
        assert wire.watch is not None or client == "openai.speech" or good, client
        for body in good:
            for at in range(2, len(body)):  # what was heard may begin with a bracket
                failure = wire.read(body[:at], {}, 0.0).failure
                assert failure is not None and failure.kind is K.BAD_BODY, (client, at)
            emptied = json.dumps({n: [] if isinstance(v, list) else v for n, v in json.loads(body).items()}).encode()
            assert emptied == body or wire.read(emptied, {}, 0.0).failure is not None, (client, emptied)


# --- what the client's own SDK makes of it ---------------------------------------------------------------

EVENTS = (b"content-type", b"text/event-stream")
ASKED: Any = [{"role": "user", "content": "hi"}]
FAILURES = [
    RESET,
    Failure(K.BROKEN_STREAM, "the stream ended before the answer was finished"),
    Failure(K.RATE, "slow down", status=429, retry_after_s=2.0, code="rate_limit_exceeded"),
    Failure(K.OVERLOADED, "there is no room"),
    Failure(K.CONTENT_FILTER, "it was filtered", status=200, code="content_filter"),
    Failure(K.CONTEXT, "it is too long", status=400, param="messages"),
    Failure(K.AUTH, "wrong key", status=401),
    Failure(K.INTERNAL, "a fault of lbd's own"),
]


class Sdk:
    """The official SDK of a client's shape, and what it is answered with."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._answer = httpx2.Response(500)
        http = httpx2.Client(transport=httpx2.MockTransport(lambda _: self._answer))
        if client == "anthropic.messages":
            self._claude = anthropic.Anthropic(api_key="k", base_url="http://lbd", http_client=http, max_retries=0)
        else:
            self._openai = openai.OpenAI(api_key="k", base_url="http://lbd/v1", http_client=http, max_retries=0)

    def _asked(self) -> Iterable[Any]:
        if self._client == "anthropic.messages":
            return self._claude.messages.create(model="m", max_tokens=9, messages=ASKED, stream=True)
        if self._client == "openai.responses":
            return self._openai.responses.create(model="m", input="hi", stream=True)
        if self._client == "openai.completions":
            return self._openai.completions.create(model="m", prompt="hi", stream=True)
        return self._openai.chat.completions.create(model="m", messages=ASKED, stream=True)

    def read(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[int, Exception | None]:
        """Return how many events an application reads of this answer, and what is raised to it then."""
        self._answer = httpx2.Response(status, headers=headers, content=body)
        count = 0
        try:
            for _ in self._asked():
                count += 1
        except (openai.APIError, anthropic.APIError) as e:
            return count, e
        return count, None


@each
def test_the_official_sdk_raises_at_the_end_of_what_was_cut(pair: Pair) -> None:
    """It reads what there is, and then the error; of a whole answer it reads all, and nothing is raised."""
    draw, sdk, shape = Draw(SEED), Sdk(pair[0]), CLIENTS[pair[0]]
    case = Case(pair, draw.choice([*golden.of(tongue(pair), pair[0])]))
    full, raised = sdk.read(200, [EVENTS], case.whole.sent)
    assert full and raised is None
    cut = [draw.randrange(case.ends.closed) for _ in range(len(FAILURES))]
    for at, failure in zip(cut, FAILURES, strict=True):
        sent = case.hear([case.golden.stream[:at]], failure).sent
        if sent:
            count, raised = sdk.read(200, [EVENTS], sent + shape.error_event(failure))
            assert count < full and raised is not None, (at, failure)
            assert failure.message in str(raised)


@pytest.mark.parametrize("client", list(readings.STREAMS))
def test_the_official_sdk_raises_what_failed_before_any_content(client: str) -> None:
    """By its status, as an error of its own kind; and behind a stream that was opened early."""
    sdk, shape = Sdk(client), CLIENTS[client]
    for failure in FAILURES:
        status, fields, body = told_whole(failure, shape)
        headers = [(n, v.strip()) for n, _, v in (line.partition(b":") for line in fields.splitlines())]
        count, raised = sdk.read(status, headers, body)
        assert not count and isinstance(raised, openai.APIStatusError | anthropic.APIStatusError)
        assert raised.status_code == status >= 400
        assert failure.message in str(raised)
        count, raised = sdk.read(200, [EVENTS], shape.keep_alive + shape.error_event(failure))
        assert raised is not None and failure.message in str(raised)
