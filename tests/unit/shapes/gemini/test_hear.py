"""Streams and whole answers heard."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import TABLE, Failure, FailureKind, LbdError
from lbd.model.messages import Begin, Finished, Piece, Reason, Said, Used
from lbd.model.outcome import Usage
from lbd.shapes import sse
from lbd.shapes.gather import gather
from lbd.shapes.gemini.hear import GeminiListener, read
from tests.unit.shapes.conversations import spoiled
from tests.unit.shapes.gemini.answers import (
    FIRST,
    HEAD,
    OVERLOADED,
    PAIRS,
    USAGE,
    answer,
    candidate,
    event,
    text,
    whole,
)
from tests.unit.shapes.streams import cuts, pieces, spec_events

K = FailureKind
TEXT, UNARY = PAIRS["text"]
SAYS = event(answer(candidate(text("half an answer")), usageMetadata=FIRST))
DONE = event(answer(candidate(finish="STOP"), usageMetadata=USAGE))


def hear(parts: Iterable[bytes], choices: int = 1) -> tuple[list[Piece], Failure | None, GeminiListener]:
    listener = GeminiListener("m", choices)
    out = [piece for part in parts for piece in listener.feed(part)]
    more, failure = listener.end()
    return [*out, *more], failure, listener


def kind(*parts: bytes) -> FailureKind | None:
    failure = hear(parts)[1]
    return None if failure is None else failure.kind


@pytest.mark.parametrize("name", PAIRS)
def test_a_stream_and_the_whole_are_the_same_answer(name: str) -> None:
    """A client cannot tell how it came."""
    stream, unary = PAIRS[name]
    told, failure, listener = hear([stream], 2 if "two" in name else 1)
    assert failure is None
    assert listener.whole
    assert gather(told) == gather(read(unary, "m"))


@pytest.mark.parametrize("name", PAIRS)
def test_the_transcripts_are_answers_by_googles_own_types(name: str) -> None:
    """They know no other members."""
    types = pytest.importorskip("google.genai.types")
    stream, unary = PAIRS[name]
    for body in (unary, *(data for _, data in spec_events(stream))):
        assert types.GenerateContentResponse.model_validate_json(body).candidates


@given(st.sampled_from(sorted(PAIRS)), st.booleans(), st.data())
def test_however_it_is_cut_it_says_the_same(name: str, lf: bool, data: st.DataObject) -> None:
    """Reads end anywhere, in the middle of a character too."""
    stream = PAIRS[name][0]
    if lf:
        stream = stream.replace(b"\r\n", b"\n")
    told, failure, _ = hear(data.draw(cuts(stream)))
    again, other, _ = hear([stream])
    assert (told, failure) == (again, other)


def test_single_bytes_are_taken() -> None:
    """The worst network."""
    for stream, _ in PAIRS.values():
        assert hear(pieces(stream, range(len(stream))))[:2] == hear([stream])[:2]


def test_the_parts_of_a_stream_go_on_as_they_come() -> None:
    """Only the ends wait: for the end."""
    listener = GeminiListener("m", 1)
    assert [type(p) for p in listener.feed(SAYS)] == [Begin, Said]
    assert not listener.whole
    assert listener.usage == Usage(20, 0, 16)
    assert listener.feed(DONE) == []
    assert listener.whole
    assert not listener.done
    assert listener.usage == Usage(20, 37, 16, 30)
    more, failure = listener.end()
    assert failure is None
    assert isinstance(more[0], Finished)


def test_a_stream_that_stops_early_is_broken() -> None:
    """What came is handed on, with the failure."""
    told, failure, _ = hear([SAYS])
    assert [type(p) for p in told] == [Begin, Said]
    assert failure is not None
    assert failure.kind is K.BROKEN_STREAM
    assert kind() is K.BROKEN_STREAM
    assert kind(SAYS, b"data: {") is K.BROKEN_STREAM
    assert kind(SAYS, DONE[:-9]) is K.BROKEN_STREAM


def test_candidates_that_never_came_are_not_waited_for() -> None:
    """Google may give fewer than were asked for; while the stream lives it is not whole without them."""
    told, failure, listener = hear([SAYS + DONE], 2)
    assert failure is None
    assert not listener.whole
    assert Finished(Reason.STOP) in told
    other = event(answer(candidate(text("b"), index=1)))
    assert hear([SAYS + other + DONE], 2)[1] is not None


def test_the_last_event_may_lack_its_blank_line() -> None:
    """It is whole as JSON."""
    assert kind(SAYS, DONE.rstrip()) is None
    assert kind(TEXT, b"data: {") is None  # nothing is missing


def test_another_servers_end_mark_is_one() -> None:
    """Behind a gateway; without an answer before it, it ends nothing."""
    listener = GeminiListener("m", 1)
    told = [*listener.feed(SAYS), *listener.feed(DONE + b"data: [DONE]\n\n")]
    assert listener.done
    assert isinstance(told[-2], Finished)
    assert listener.feed(SAYS) == []
    assert listener.end() == ([], None)
    assert kind(SAYS, DONE, b"data: [DONE]") is None
    assert kind(SAYS, b"data: [DONE]\n\n") is K.BAD_BODY


ERROR = json.dumps(OVERLOADED, indent=2).encode()


@pytest.mark.parametrize(
    "error",
    [
        event(OVERLOADED),
        event([OVERLOADED]),
        b"event: error\n" + event(OVERLOADED),
        b"error: " + json.dumps(OVERLOADED["error"]).encode() + b"\n\n",
        ERROR,
        ERROR + b"\n",
        ERROR + b"\r\n\r\n",
        b"[" + ERROR + b"]\n",
    ],
)
@pytest.mark.parametrize("before", [b"", SAYS, SAYS + DONE])
def test_an_error_in_a_stream_is_a_failure(before: bytes, error: bytes) -> None:
    """As an event, or as bare JSON after the last one; what came after it is nobody's."""
    told, failure, listener = hear([before + error, SAYS] if error.endswith(b"\n\n") else [before + error])
    assert failure is not None
    assert failure.kind is K.OVERLOADED
    assert "high demand" in failure.message
    assert listener.failure == failure
    assert len(told) == {b"": 0, SAYS: 2}.get(before, 4)


@pytest.mark.parametrize("junk", [event(OVERLOADED), ERROR, b"data: {\r\n\r\n"])
def test_what_comes_behind_a_whole_answer_takes_nothing_of_it_away(junk: bytes) -> None:
    """Why it ended and its usage are told at the end: a broken one told a cut answer as a complete one, of 0 tokens."""
    cut = event(answer(candidate(finish="MAX_TOKENS"), usageMetadata=USAGE))
    told, failure, listener = hear([SAYS, cut + junk])
    assert failure is not None
    assert listener.whole
    assert told[-2:] == hear([SAYS, cut])[0][-2:]
    assert [type(piece) for piece in told[-2:]] == [Finished, Used]
    assert listener.end()[0] == []


def test_a_blocked_prompt_is_told() -> None:
    """Its usage, too."""
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": FIRST, **HEAD}
    told, failure, listener = hear([event(blocked)])
    assert told == []
    assert failure is not None
    assert failure.kind is K.CONTENT_FILTER
    assert listener.usage == Usage(20, 0, 16)
    assert refused(json.dumps(blocked).encode()) is K.CONTENT_FILTER


@pytest.mark.parametrize(
    ("junk", "found"),
    [
        (b"data: {]\n\n", K.BAD_BODY),
        (b"data: 5\n\n", K.BAD_BODY),
        (b"data: []\n\n", K.BAD_BODY),
        (b"data: " + b"[" * 100_000 + b"\n\n", K.BAD_BODY),
        (b"{]\n\n", K.BAD_BODY),
        (b"<html>\n\n", K.BAD_BODY),
        (b"data: {}\n\n", K.BROKEN_STREAM),
        (b": waiting\n\ndata:\n\n", K.BROKEN_STREAM),
    ],
)
def test_junk_is_a_failure(junk: bytes, found: FailureKind) -> None:
    """Typed, whatever came."""
    assert kind(junk) is found


def test_halves_of_characters_and_numbers_that_are_none_are_taken() -> None:
    """A second look at what the strict reader refuses."""
    told, failure, _ = hear([SAYS + DONE.replace(b'"role"', b'"odd": NaN, "half": "\\ud83d", "role"')])
    assert failure is None
    assert isinstance(told[-2], Finished)


def test_an_event_without_end_is_given_up() -> None:
    """Memory is not the provider's to fill."""
    listener = GeminiListener("m", 1)
    assert listener.feed(b"data: " + b"x" * (sse.LARGEST_EVENT + 1)) == []
    assert listener.failure is not None
    assert listener.failure.kind is K.BAD_BODY
    assert listener.feed(SAYS) == []
    assert listener.end() == ([], listener.failure)


parts = st.sampled_from([SAYS, DONE, event(OVERLOADED), ERROR, b"data: [DONE]\n\n", b"\r\n", b"data:", b": x\n\n"])


@given(st.lists(st.binary(max_size=30) | parts, max_size=6).map(b"".join), st.data())
def test_any_bytes_give_pieces_or_a_failure(stream: bytes, data: st.DataObject) -> None:
    """The same for every cut, and never an exception."""
    told, failure, listener = hear(data.draw(cuts(stream)))
    again, other, _ = hear([stream] if stream else [])
    assert told == again
    assert (failure is None) == (other is None)
    assert failure is None or other is None or failure.kind is other.kind
    assert failure is not None or any(isinstance(p, Finished) for p in told)
    assert listener.usage is None or isinstance(listener.usage, Usage)


def refused(body: bytes) -> FailureKind:
    with pytest.raises(LbdError) as e:
        read(body, "m")
    return e.value.failure.kind


def test_a_whole_answer_may_begin_with_a_mark() -> None:
    """Of the byte order."""
    assert read(b"\xef\xbb\xbf" + UNARY, "m") == read(UNARY, "m")


def test_a_whole_answer_without_an_end_has_stopped() -> None:
    """There is nothing more to come."""
    assert gather(read(whole(candidate(text("a"))), "m")).choices[0].reason is Reason.STOP


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", K.BAD_BODY),
        (b"<html>", K.BAD_BODY),
        (b"[]", K.BAD_BODY),
        (b"{}", K.BAD_BODY),
        (b'{"candidates":[]}', K.BAD_BODY),
        (b"[" * 100_000, K.BAD_BODY),
        (json.dumps(OVERLOADED).encode(), K.OVERLOADED),
        (json.dumps([OVERLOADED]).encode(), K.OVERLOADED),
        (b'{"code":429,"message":"Slow down","type":"rate_limit_error"}', K.RATE),
    ],
)
def test_what_is_no_answer_is_a_failure(body: bytes, found: FailureKind) -> None:
    """In spite of its 200."""
    assert refused(body) is found


@given(st.sampled_from(sorted(PAIRS)), st.data())
def test_junk_in_an_event_is_a_failure_or_left_out(name: str, data: st.DataObject) -> None:
    """In any place of it; and what is heard can be put together."""
    events = [json.loads(e[6:]) for e in PAIRS[name][0].split(b"\r\n\r\n") if e]
    at = data.draw(st.integers(0, len(events) - 1))
    events[at] = data.draw(spoiled(events[at]))
    told, failure, _ = hear([b"data: %b\n\n" % json.dumps(e).encode() for e in events])
    assert failure is None or failure.kind in TABLE
    gather(told)


@given(st.sampled_from(sorted(PAIRS)), st.data())
def test_junk_in_a_whole_answer_is_a_failure_or_left_out(name: str, data: st.DataObject) -> None:
    """Never another exception; and what is read can be put together."""
    body = json.dumps(data.draw(spoiled(json.loads(PAIRS[name][1])))).encode()
    try:
        gather(read(body, "m"))
    except LbdError as e:
        assert e.failure.kind is not K.BAD_REQUEST


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """Nothing else is raised."""
    with pytest.raises(LbdError):
        read(body, "m")
