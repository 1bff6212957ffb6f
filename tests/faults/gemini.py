"""Google's generateContent and streamGenerateContent, with clients of every shape before them.

Its streams have no end mark, and its calls of tools come in one piece.
"""

from __future__ import annotations

import json
from typing import Any

from tests.faults import connection, content, outage, status, timing, transport
from tests.faults.content import named
from tests.faults.drive import EVERY, Scenario
from tests.faults.upstream import Call, Fault, well
from tests.unit.shapes.gemini import answers as google


def _error(code: int, word: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": word, "details": list(details)}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
EXHAUSTED = _error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", RETRY)
INTERNAL = _error(500, "INTERNAL", "An internal error has occurred.")


def _ending(name: str, text: str, *, stream: bytes, whole: bytes, first: bool) -> Fault:
    """Return the fault that ends an answer so, before any content or within it."""

    async def act(call: Call) -> None:
        if call.stream:
            await call.pieces(*call.events[: call.contents if first else call.middle()], stream)
        else:
            await call.body(whole)

    return named(f"{name}_{'first' if first else 'middle'}", f"{text} {'Alone' if first else 'Behind content'}.", act)


def _errors(name: str, error: dict[str, Any]) -> list[Fault]:
    data = json.dumps(error).encode()
    return [
        _ending(name, "An error inside a 200.", stream=google.event(error), whole=data, first=first)
        for first in (True, False)
    ]


def _finishing(word: str, *, first: bool) -> Fault:
    told = google.answer(google.candidate(finish=word, finishMessage="Malformed function call: print("))
    whole = google.whole(google.candidate(google.text("half of"), finish=word))
    return _ending(
        f"finish_{word.lower()}", "A finish that is none.", stream=google.event(told), whole=whole, first=first
    )


def _bare(*, first: bool) -> Fault:
    """Return JSON that is no event, as it comes where a request loses its place."""
    data = json.dumps([google.OVERLOADED], indent=2).encode()
    return _ending("bare_error", "An error that is no event.", stream=data + b"\r\n\r\n", whole=data, first=first)


async def no_candidates(call: Call) -> None:
    """Usage and a version, and nothing else."""
    told = google.answer(usageMetadata={"promptTokenCount": 9, "totalTokenCount": 9})
    del told["candidates"]
    await (call.pieces(google.event(told)) if call.stream else call.body(json.dumps(told).encode()))


async def an_array(call: Call) -> None:
    """The stream as one JSON array, which it is without alt=sse."""
    if not call.stream:
        await call.body(b"[" + call.unary + b"]")
        return
    await call.body(b"[" + b",\r\n".join(e[6:].strip() for e in call.events) + b"]")


async def no_finish_reason(call: Call) -> None:
    """The last event tells the usage, but not why it ended."""
    if not call.stream:
        await call.body(call.unary[: call.unary.rindex(b'"finishReason"')])
        return
    events = call.events
    await call.pieces(*events[:-1], events[-1].replace(b'"finishReason"', b'"finishWhatever"'))


FAULTS = (
    timing.silent,
    timing.stall_behind_head,
    timing.stall_in_the_middle,
    timing.stall_at_odd_byte,
    connection.reset_before_head,
    connection.close_anywhere,
    connection.reset_anywhere,
    connection.reset_at_the_end,
    transport.chunk_too_long,
    transport.until_close_cut,
    transport.gzip_cut,
    content.truncated_json,
    content.malformed_json,
    content.no_finish,
    content.html_as_asked,
    no_candidates,
    no_finish_reason,
    *_errors("exhausted", EXHAUSTED),
    *_errors("internal", INTERNAL),
    *(_bare(first=first) for first in (True, False)),
    *(_finishing("MALFORMED_FUNCTION_CALL", first=first) for first in (True, False)),
    _finishing("MALFORMED_RESPONSE", first=False),
)
HARMLESS = (well, timing.bytewise, content.FORMS[0], transport.gzipped_in_pieces)


def _scenario(fault: Fault, **more: Any) -> Scenario:
    return Scenario(f"{fault.__name__}_gemini", fault, shape="gemini", client=EVERY, **more)


SCENARIOS = [
    *(_scenario(f, cuts=False) for f in HARMLESS),
    *(_scenario(f) for f in FAULTS),
    _scenario(an_array, cuts=False),
    _scenario(named("429", "Its quota.", status.answering(429, body=json.dumps(EXHAUSTED).encode())), cuts=False),
    _scenario(
        named("503", "Its load.", status.answering(503, body=json.dumps(google.OVERLOADED).encode())), cuts=False
    ),
    Scenario("refuse_gemini", door=connection.refuse, shape="gemini", client=EVERY),
    Scenario("accept_and_reset_gemini", door=connection.accept_and_reset, shape="gemini", client=EVERY),
    *(
        outage.sporadic(f, f"{f.__name__}_gemini", shape="gemini", client=EVERY, counts=False)
        for f in (connection.close_anywhere, timing.stall_at_odd_byte, transport.until_close_cut)
    ),
]
