"""Amazon's Converse and ConverseStream, signed and in binary frames, with clients of every shape before them.

Its streams tell why they ended before they tell what they took: cut between the two, an answer that is read as it
comes is whole, and its usage an estimate.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from tests.faults import connection, content, outage, status, timing, transport
from tests.faults.content import named
from tests.faults.drive import EVERY, Scenario
from tests.faults.upstream import FRAMES, JSON, Call, Fault, chunk, well
from tests.unit.shapes import amazon

# --- frames ----------------------------------------------------------------------------------------------


async def frame_cut(call: Call) -> None:
    """The body ends in order, but in the middle of a frame."""
    if not call.stream:
        await call.body(call.unary[: call.draw.randrange(len(call.unary))])
        return
    events = call.events
    at = call.draw.randrange(call.finish)
    await call.pieces(*events[:at], events[at][: call.draw.randrange(1, len(events[at]))])


def _spoilt(name: str, text: str, spoil: Callable[[bytes], bytes], *, first: bool) -> Fault:
    async def act(call: Call) -> None:
        if not call.stream:
            await call.body(spoil(call.unary))
            return
        events = call.events
        at = 0 if first else call.middle()
        events[at] = spoil(events[at])
        await call.pieces(*events)

    return named(f"{name}_{'first' if first else 'middle'}", text, act)


def _payload(frame: bytes) -> bytes:
    """Return a frame in which a byte of the payload has changed on its way: its checksum tells."""
    return frame[:-6] + bytes([frame[-6] ^ 0x20]) + frame[-5:]


def _prelude(frame: bytes) -> bytes:
    """Return a frame in which its length has changed on its way."""
    return frame[:3] + bytes([frame[3] ^ 1]) + frame[4:]


def _checksum(frame: bytes) -> bytes:
    """Return a frame whose last checksum is another's."""
    return frame[:-4] + b"\0\0\0\0"


def _huge(frame: bytes) -> bytes:
    """Return a frame that says, with a right checksum, to be longer than any may be."""
    lengths = struct.pack("!II", 2**31, struct.unpack_from("!I", frame, 4)[0])
    return lengths + struct.pack("!I", amazon.crc32(lengths)) + frame[12:]


SPOILT = [
    _spoilt(name, text, spoil, first=first)
    for name, text, spoil in (
        ("payload_changed", "A changed byte, which the checksum tells.", _payload),
        ("length_changed", "A changed length, which its own checksum tells.", _prelude),
        ("wrong_checksum", "A checksum that is wrong.", _checksum),
        ("huge_frame", "A frame that is longer than any may be.", _huge),
    )
    for first in (True, False)
]


async def events_as_text(call: Call) -> None:
    """An event stream of the usual kind, called Amazon's."""
    if not call.stream:
        await call.body(b"data: " + call.unary + b"\n\n")
        return
    await call.pieces(*(b"data: " + json.dumps({"delta": d}).encode() + b"\n\n" for d in call.answer.deltas))


async def one_piece(call: Call) -> None:
    """All frames in one chunk."""
    await (call.pieces(b"".join(call.events)) if call.stream else call.body(call.unary))


async def odd_frames(call: Call) -> None:
    """Frames split at odd bytes, and some that nobody knows between them."""
    if not call.stream:
        await call.body(call.unary)
        return
    unknown = amazon.event("somethingNew", {"a": [1, {"b": None}], "p": "abc"})
    body = unknown.join(call.events)
    await call.head(call.kind)
    for at in range(0, len(body), 89):
        await call.send(chunk(body[at : at + 89]))
    await call.send(b"0\r\n\r\n")


async def no_metadata(call: Call) -> None:
    """Everything but the usage, which comes last."""
    await (call.pieces(*call.events[:-1]) if call.stream else call.body(call.unary))


async def no_stop(call: Call) -> None:
    """The usage, but not why the answer ended."""
    if not call.stream:
        body = json.loads(call.unary)
        del body["output"]
        await call.body(json.dumps(body).encode())
        return
    events = call.events
    await call.pieces(*events[:-2], events[-1])


# --- exceptions ------------------------------------------------------------------------------------------


def _raising(name: str, message: str, *, first: bool, **more: Any) -> Fault:
    """Return the fault of an exception: in a frame of its own in a stream, else the status that it has."""

    async def act(call: Call) -> None:
        if call.stream:
            at = call.contents if first else call.middle()
            await call.pieces(*call.events[:at], amazon.exception(name, message, **more))
            return
        code = {"throttlingException": 429, "modelStreamErrorException": 424, "internalServerException": 500}
        kind = f"x-amzn-errortype: {name[:1].upper()}{name[1:]}:http://internal.amazon.com/coral/"
        told = json.dumps({"message": message, **more}).encode()
        await call.body(told, JSON, kind, status=code.get(name, 503))

    where = "before any content" if first else "in the middle"
    return named(f"{name}_{'first' if first else 'middle'}", f"An exception {where}.", act)


EXCEPTIONS = [
    _raising(name, message, first=first, **more)
    for name, message, more in (
        ("throttlingException", "Too many requests, please wait before trying again.", {}),
        ("modelStreamErrorException", "x", {"originalStatusCode": 500, "originalMessage": "y"}),
        ("internalServerException", "The system encountered an unexpected error.", {}),
        ("serviceUnavailableException", "The service is unavailable.", {}),
    )
    for first in (True, False)
]


async def error_frame(call: Call) -> None:
    """A frame of type error, which has no payload and tells what is wrong in its headers."""
    if not call.stream:
        await call.body(b'{"__type":"InternalServerException","message":"x"}')
        return
    names = amazon.header(":error-code", "InternalError") + amazon.header(":error-message", "An internal error")
    frame = amazon.framed(names + amazon.header(":message-type", "error"), b"")
    await call.pieces(*call.events[: call.middle()], frame)


async def malformed_output(call: Call) -> None:
    """The model wrote what is neither text nor a call."""
    if not call.stream:
        await call.body(json.dumps({**json.loads(call.unary), "stopReason": "malformed_model_output"}).encode())
        return
    events = call.events
    await call.pieces(*events[: call.middle()], amazon.ended("malformed_tool_use"), events[-1])


async def exception_as_json(call: Call) -> None:
    """An exception as the body of a 200, whatever was asked for."""
    await call.body(b'{"__type":"ThrottlingException","message":"Too many requests"}', JSON)


async def exception_as_stream(call: Call) -> None:
    """The same, called a stream."""
    kind = FRAMES if call.stream else JSON
    await call.body(b'{"__type":"ThrottlingException","message":"Too many requests"}', kind)


FAULTS = (
    timing.silent,
    timing.stall_behind_head,
    timing.stall_behind_role,
    timing.stall_in_the_middle,
    connection.reset_before_head,
    content.no_finish,
    frame_cut,
    *SPOILT,
    *EXCEPTIONS,
    events_as_text,
    error_frame,
    malformed_output,
    exception_as_json,
    exception_as_stream,
    no_stop,
)
# cut at any byte: it may be behind the finish
CUT = (
    timing.stall_before_the_end,
    timing.stall_at_odd_byte,
    connection.close_anywhere,
    connection.reset_anywhere,
    connection.reset_at_the_end,
    transport.chunk_too_long,
    transport.until_close_cut,
    transport.gzip_cut,
)
HARMLESS = (well, timing.bytewise, one_piece, odd_frames, transport.gzipped_in_pieces)
THROTTLED = status.answering(
    429, "x-amzn-errortype: ThrottlingException", body=b'{"message":"Too many requests, please wait."}'
)


def _scenario(fault: Fault, **more: Any) -> Scenario:
    return Scenario(f"{fault.__name__}_bedrock", fault, shape="bedrock", client=EVERY, **more)


SCENARIOS = [
    *(_scenario(f, cuts=False) for f in HARMLESS),
    *(_scenario(f) for f in FAULTS),
    *(_scenario(f, counts=False) for f in CUT),
    _scenario(no_metadata, cuts=False, counts=False),
    _scenario(named("429", "Its quota.", THROTTLED), cuts=False),
    Scenario("refuse_bedrock", door=connection.refuse, shape="bedrock", client=EVERY),
    Scenario("accept_and_reset_bedrock", door=connection.accept_and_reset, shape="bedrock", client=EVERY),
    *(
        outage.sporadic(f, f"{f.__name__}_bedrock", shape="bedrock", client=EVERY, counts=False)
        for f in (connection.close_anywhere, timing.stall_at_odd_byte, transport.until_close_cut, EXCEPTIONS[1])
    ),
]
