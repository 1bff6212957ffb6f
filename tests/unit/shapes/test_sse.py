"""Event-stream framing."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbd.shapes import sse
from tests.unit.shapes.streams import TRANSCRIPTS, cuts, pieces, spec_events

ENDS = [b"\n", b"\r\n", b"\r"]

line_ends = st.sampled_from(ENDS)
values = st.one_of(
    st.sampled_from([b"", b" ", b"x", b"[DONE]", b" two  spaces", b"a:b", "é🌍".encode(), b"{}", b"\x00"]),
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map(str.encode),
)
names = st.sampled_from(
    [b"data: ", b"data:", b"data", b"event: ", b"event:", b"id: ", b"retry: ", b"error: ", b": ", b":", b"other: ", b""]
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return a stream of fields and blank lines, each line with an end of its own, perhaps with an open end."""
    lines = draw(st.lists(st.one_of(st.just(b""), st.tuples(names, values).map(b"".join)), max_size=14))
    text = b"".join(line + draw(line_ends) for line in lines)
    bom = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    return bom + text + draw(st.sampled_from([b"", b"", b"dat", b"data: half", b"\r", b"\xf0\x9f"]))


def blanks_end(stream: bytes) -> int:
    """Say, line by line, where the last blank line ends whose end is certain."""
    end = start = at = 0
    while at < len(stream):
        if stream[at : at + 1] == b"\n":
            after = at + 1
        elif stream[at : at + 1] == b"\r":
            if at + 1 == len(stream):
                break  # an LF may follow
            after = at + (2 if stream[at + 1 : at + 2] == b"\n" else 1)
        else:
            at += 1
            continue
        if at == start:
            end = after
        start = at = after
    return end


def run(parts: list[bytes]) -> tuple[bytes, bytes]:
    framer = sse.Framer()
    whole = b"".join([framer.feed(part) for part in parts])
    kept = bytes(framer.tail)
    assert (framer.rest(), framer.rest()) == (kept, b"")
    return whole, kept


@given(streams().flatmap(lambda s: st.tuples(st.just(s), cuts(s))))
@example((b"a\n\n\nb", [b"a\n\n", b"\nb"]))
@example((b"a\r\n\r\nb", [b"a\r\n\r", b"\nb"]))
@example((b"a\r\r\nb", [b"a\r\r", b"\nb"]))
@example((b"a\r\rb", [b"a\r", b"\r", b"b"]))
@example((b"\r\n\r\n", [b"\r", b"\n\r", b"\n"]))
def test_every_split_gives_the_same_whole_events_and_the_same_tail(case: tuple[bytes, list[bytes]]) -> None:
    """Where the network cuts must not be seen by anybody."""
    stream, parts = case
    whole, tail = run(parts)
    assert whole + tail == stream
    assert len(whole) == blanks_end(stream)


@given(streams().flatmap(lambda s: st.tuples(st.just(s), cuts(s))))
def test_frames_of_the_slices_are_the_frames_of_the_whole(case: tuple[bytes, list[bytes]]) -> None:
    """What is done per event (keep, hide) must not depend on how many events one read brings."""
    stream, parts = case
    framer = sse.Framer()
    cut = [frame for part in parts for frame in sse.frames(framer.feed(part))]
    assert cut == sse.frames(stream[: blanks_end(stream)])


@given(streams())
def test_frames_lose_no_byte_and_read_events_as_the_standard_does(stream: bytes) -> None:
    """The relay keeps or drops events by their frames: together they are the slice, and say what a client hears."""
    block = stream[: blanks_end(stream)]
    found = sse.frames(block)
    assert b"".join([f.raw for f in found]) == block
    heard = [
        (f.event.decode("utf-8", "replace"), f.data.decode("utf-8", "replace")) for f in found if f.data is not None
    ]
    assert heard == spec_events(block)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_transcript_cut_into_single_bytes_is_the_same(name: str) -> None:
    """One byte a read is the worst split: UTF-8 sequences and CRLF pairs are cut everywhere."""
    stream = TRANSCRIPTS[name]
    whole, tail = run(pieces(stream, range(len(stream))))
    assert whole + tail == stream
    assert len(whole) == blanks_end(stream)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("size", [4090, 4094, 4095, 4096, 4097, 8192, 20_000])
def test_an_event_of_any_size_is_found(end: bytes, size: int) -> None:
    """The search begins near the end of what came: where exactly must not matter."""
    stream = b"data: 1" + end * 2 + b"data: " + b"x" * size + end * 2 + b"data: 2" + end
    parts = pieces(stream, range(0, len(stream), 1400))
    whole, tail = run(parts)
    assert (whole, tail) == (stream[: blanks_end(stream)], stream[blanks_end(stream) :])
    assert run([stream]) == (whole, tail)


def test_an_end_long_before_the_open_event_is_found() -> None:
    """A long event that has only begun must not hide the ones before it."""
    stream = b"data: 1\n\n" + b"data: " + b"x" * 10_000
    assert run([stream]) == (b"data: 1\n\n", stream[9:])


def test_a_long_event_in_many_reads_is_not_searched_or_copied_again_each_time() -> None:
    """An image in one event is megabytes long, and the event loop waits meanwhile."""
    framer = sse.Framer()
    part = b"x" * 1400
    began = time.process_time()
    for _ in range(6000):
        assert framer.feed(part) == b""
    assert framer.feed(b"\n\n") == part * 6000 + b"\n\n"
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("raw", "event", "data"),
    [
        (b"data: x\n\n", b"", b"x"),
        (b"data:x\n\n", b"", b"x"),
        (b"data:  x\n\n", b"", b" x"),
        (b"data\n\n", b"", b""),
        (b"data:\n\n", b"", b""),
        (b"data: a\ndata: b\n\n", b"", b"a\nb"),
        (b"data: a\r\ndata: b\r\n\r\n", b"", b"a\nb"),
        (b"data: a\rdata: b\r\r", b"", b"a\nb"),
        (b"event: error\ndata: {}\n\n", b"error", b"{}"),
        (b"\xef\xbb\xbfdata: x\n\n", b"", b"x"),
        (b": comment\n\n", b"", None),
        (b"id: 1\nretry: 5\n\n", b"", None),
        (b"event: ping\n\n", b"ping", None),
        (b"\n", b"", None),
    ],
)
def test_an_events_fields_are_read(raw: bytes, event: bytes, data: bytes | None) -> None:
    """A comment dispatches nothing, empty data does; one space after the colon belongs to the syntax."""
    assert sse.frames(raw) == [sse.Frame(raw, event, data)]


@pytest.mark.parametrize(
    ("raw", "data", "error"),
    [
        (b'error: {"code":500}\n\n', None, b'{"code":500}'),
        (b"error:x\r\n\r\n", None, b"x"),
        (b"error\n\n", None, b""),
        (b"data: 1\nerror: x\n\n", b"1", b"x"),
        (b"errors: x\n\n", None, None),
        (b": error: x\n\n", None, None),
    ],
)
def test_an_error_that_is_a_field_is_read(raw: bytes, data: bytes | None, error: bytes | None) -> None:
    """The standard ignores it; whoever asked the server for an answer must not."""
    assert sse.frames(raw) == [sse.Frame(raw, b"", data, error)]


def test_what_lacks_its_blank_line_is_a_frame_of_its_own() -> None:
    """The last words of a stream are read with the same function."""
    assert [f.raw for f in sse.frames(b"data: 1\n\ndata: 2\n")] == [b"data: 1\n\n", b"data: 2\n"]


@given(st.binary(max_size=60).filter(lambda b: b"\r" not in b), st.sampled_from([b"", b"error"]))
def test_what_is_encoded_is_read_again(data: bytes, event: bytes) -> None:
    """An event that lbd writes is whole and says what was given, line feeds included."""
    raw = sse.encode(data, event)
    assert sse.Framer().feed(raw) == raw
    assert sse.frames(raw) == [sse.Frame(raw, event, data)]


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n", b"\xef\xbb\xbf\r\n ", b" \t\r"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"data: {}\n\n", True),
        (b"data:", True),
        (b"event: x\n", True),
        (b": keep-alive\n\n", True),
        (b"id:1\n", True),
        (b"retry: 5", True),
        (b'{"choices":[]}', False),
        (b"<html>data:", False),
        (b"dataset: x", False),
        (b"error: x", False),
        (b"even ", False),
        (b"\xff", False),
        (b"", None),
        (b"d", None),
        (b"data", None),
        (b"even", None),
        (b"retr", None),
    ],
)
def test_events_are_known_by_their_first_bytes(before: bytes, data: bytes, said: bool | None) -> None:
    """A stream that is announced as something else is a stream all the same."""
    assert sse.looks_like_events(before + data) is said


def test_half_a_byte_order_mark_tells_nothing() -> None:
    """Only as the very first bytes: after a blank line it is no mark."""
    assert sse.looks_like_events(b"\xef\xbb") is None
    assert sse.looks_like_events(b"\n\xef\xbb") is False


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_whether_it_is_a_stream_is_never_taken_back(name: str) -> None:
    """Too few bytes say so, and no more."""
    said = [sse.looks_like_events(TRANSCRIPTS[name][:size]) for size in range(40)]
    assert said == sorted(said, key=lambda x: x is not None)
    assert set(said) == {None, True}


def test_a_comment_is_an_event_of_nothing() -> None:
    """It keeps a connection alive and reaches no application."""
    raw = sse.comment(b"waiting")
    assert sse.Framer().feed(raw) == raw
    assert spec_events(raw) == []
