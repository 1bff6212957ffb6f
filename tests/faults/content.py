"""What comes in a 200 and is no answer, or is one in a form that nobody expects."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faults.drive import Scenario
from tests.faults.renderings import ESSENTIAL
from tests.faults.upstream import Call, chunk, pause

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome to the portal</body></html>"
Fault = Callable[[Call], Awaitable[None]]


def named(name: str, text: str, act: Fault) -> Fault:
    """Return a fault under this name."""
    act.__name__, act.__doc__ = name, text
    return act


async def _both(call: Call, pieces: list[bytes], body: bytes) -> None:
    await (call.pieces(*pieces) if call.stream else call.body(body))


# --- no answer -------------------------------------------------------------------------------------------


async def empty(call: Call) -> None:
    """Nothing at all."""
    await call.body(b"", call.kind)


async def html(call: Call) -> None:
    """A page for people."""
    await call.body(PAGE, "content-type: text/html")


async def html_as_asked(call: Call) -> None:
    """A page for people, that says to be what was asked for."""
    await call.body(PAGE, call.kind)


async def json_null(call: Call) -> None:
    """JSON, but nothing in it."""
    await call.body(b"null")


async def null_choices(call: Call) -> None:
    """An answer without choices."""
    told = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": None}
    await _both(call, [b"data: %b\n\n" % json.dumps(told).encode(), b"data: [DONE]\n\n"], json.dumps(told).encode())


async def empty_choices(call: Call) -> None:
    """An answer with no choice."""
    told = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    await _both(call, [b"data: %b\n\n" % json.dumps(told).encode(), b"data: [DONE]\n\n"], json.dumps(told).encode())


async def only_the_end(call: Call) -> None:
    """An end mark, and nothing before it."""
    await _both(call, [b"data: [DONE]\n\n"], b"[DONE]")


async def only_the_role(call: Call) -> None:
    """A role, then the end mark."""
    await _both(call, [call.events[0], b"data: [DONE]\n\n"], b"{}")


async def truncated_json(call: Call) -> None:
    """JSON that ends too soon, in a body or an event that is whole."""
    if not call.stream:
        await call.body(call.unary[: call.draw.randrange(len(call.unary))])
        return
    events = call.events
    at = call.draw.randrange(call.finish)
    begin = events[at].index(b"{") + 1
    events[at] = events[at][: call.draw.randrange(begin, len(events[at]) - 3)] + b"\n\n"
    await call.pieces(*events)


async def truncated_usage(call: Call) -> None:
    """The whole stream in one read, and JSON behind its finish that ends too soon."""
    if not call.stream:
        await call.body(call.unary)
        return
    events = call.events
    await call.pieces(b"".join([*events[:-1], b'data: {"choices": [], "usa\n\n', events[-1]]))


async def malformed_json(call: Call) -> None:
    """A byte that does not belong there, in an event of the middle or the body."""
    if not call.stream:
        await call.body(b"{" + call.unary)
        return
    events = call.events
    at = call.middle()
    events[at] = events[at].replace(b"{", b"{{", 1)
    await call.pieces(*events)


async def not_utf8(call: Call) -> None:
    """Text that is no UTF-8."""
    spoil = (call.answer.deltas[2][:3]).encode()
    if not call.stream:
        await call.body(call.unary.replace(spoil, b"\xff\xfe" + spoil))
        return
    events = call.events
    events[call.contents + 2] = events[call.contents + 2].replace(spoil, b"\xff\xfe" + spoil, 1)
    await call.pieces(*events)


async def huge_event(call: Call) -> None:
    """An event of twenty megabytes, an answer of seventy."""
    if not call.stream:
        await call.head("content-type: application/json", "content-length: 70000002", chunked=False)
        await call.send(b'{"choices":[{"message":{"content":"')
        for _ in range(70):
            await call.send(b"x" * 10**6)
        return
    events = call.events
    events[call.middle()] = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 20_000_000 + b'"}}]}\n\n'
    await call.pieces(*events)


async def endless_line(call: Call) -> None:
    """A line of blanks that never ends, as a body and as an event."""
    await call.head(call.kind)
    for _ in range(80):
        await call.send(chunk(b" " * 2**20))


# --- the stream's end ------------------------------------------------------------------------------------


async def no_finish(call: Call) -> None:
    """Neither a finish nor what comes behind it but the end mark: nobody can know whether it is whole."""
    if not call.stream:
        body = json.loads(call.unary)
        del body[ESSENTIAL[call.shape]]
        await call.body(json.dumps(body).encode())
        return
    await call.pieces(*call.events[: call.finish])


async def no_done(call: Call) -> None:
    """Everything but the end mark: the answer is whole."""
    await (call.pieces(*call.events[:-1]) if call.stream else call.body(call.unary))


async def no_usage_no_done(call: Call) -> None:
    """Everything up to the finish."""
    if not call.stream:
        await call.body(call.unary)
        return
    await call.pieces(*call.events[: call.finish + 1])


async def done_too_soon(call: Call) -> None:
    """The end mark in the middle: a fake end."""
    events = call.events
    await (call.pieces(*events[: call.middle()], events[-1]) if call.stream else call.body(call.unary))


async def more_behind_the_end(call: Call) -> None:
    """The end mark, and then further events."""
    await (call.pieces(*call.events, *call.events[1:]) if call.stream else call.body(call.unary))


# --- errors in the stream --------------------------------------------------------------------------------

OPENAI = b'data: {"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}\n\n'
OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
BARE = b'data: {"error":"internal error"}\n\n'
FIELD = b'error: {"code":500,"message":"internal error","type":"server_error"}\n\n'
STATUS = b'data: {"error":{"message":"slow down","type":"rate_limit","code":429}}\n\n'


async def error_finish(call: Call) -> None:
    """A finish that is an error, as OpenRouter has it."""
    if not call.stream:
        body = json.loads(call.unary)
        body["choices"][0] |= {"finish_reason": "error", "error": {"code": 502, "message": "Provider failed"}}
        await call.body(json.dumps(body).encode())
        return
    events = call.events[: call.middle()]
    await call.pieces(*events, call.answer.chunk({"content": ""}, "error"), b"data: [DONE]\n\n")


def _erring(name: str, event: bytes, *, first: bool) -> Fault:
    async def act(call: Call) -> None:
        if not call.stream:
            data = event.partition(b"data: ")[2] or event.partition(b"error: ")[2]
            await call.body(data.strip() if b'"error"' in data else b'{"error":' + data.strip() + b"}")
            return
        events = call.events[: call.contents if first else call.middle()]
        await call.pieces(*events, event)

    where = "before any content" if first else "in the middle"
    return named(f"error_{name}_{'first' if first else 'middle'}", f"An error event {where}.", act)


ERRORS = [
    _erring(name, event, first=first)
    for name, event in (("openai", OPENAI), ("bare", BARE), ("field", FIELD), ("status", STATUS))
    for first in (True, False)
]
ANTHROPIC_ERRORS = [_erring("anthropic", OVERLOADED, first=first) for first in (True, False)]

# --- other forms of a right answer -----------------------------------------------------------------------


def _form(name: str, text: str, change: Callable[[bytes], bytes]) -> Fault:
    async def act(call: Call) -> None:
        if not call.stream:
            await call.body(call.unary)
            return
        body = change(b"".join(call.events))
        await call.head(call.kind)
        for at in range(0, len(body), 97):  # events are split at odd bytes
            await call.send(chunk(body[at : at + 97]))
            await pause(0)
        await call.send(b"0\r\n\r\n")

    return named(name, text, act)


def _typed(kind: str) -> Fault:
    async def act(call: Call) -> None:
        body = b"".join(call.events) if call.stream else call.unary
        await call.body(body, *(() if not kind else (f"content-type: {kind}",)))

    return named(f"type_{kind.replace('/', '_') or 'none'}", "A content type that is wrong, or none.", act)


async def untyped(call: Call) -> None:
    """No content type."""
    await call.body(b"".join(call.events) if call.stream else call.unary, "x-type: none")


async def odd_fields(call: Call) -> None:
    """Fields that nobody knows, and known ones that hold what they should not."""

    def odd(data: bytes) -> bytes:
        return data.replace(b'"object":', b'"x_new": {"a": [1, 2]}, "system_fingerprint": null, "object":')

    await (call.pieces(*map(odd, call.events)) if call.stream else call.body(odd(call.unary)))


async def heartbeats(call: Call) -> None:
    """Comments and events of nothing in between."""
    between = (b": ping\n\n", b"data:\n\n", b"\n", b"id: 7\n\n", b"retry: 10\n\n")
    pieces: list[bytes] = []
    for i, event in enumerate(call.events):
        pieces += [between[i % len(between)], event]
    await (call.pieces(*pieces) if call.stream else call.body(b" \n" + call.unary + b"\n"))


FORMS = [
    _form("split_events", "Events split at odd bytes.", lambda body: body),
    _form("crlf", "Lines that end in CRLF.", lambda body: body.replace(b"\n", b"\r\n")),
    _form("cr", "Lines that end in CR.", lambda body: body.replace(b"\n", b"\r")),
    _form("bom", "A byte order mark.", lambda body: b"\xef\xbb\xbf" + body),
    _form("no_blank", "No blank behind the colon.", lambda body: re.sub(rb"(?m)^data: ", b"data:", body)),
    _form("last_line", "No blank line at the end.", lambda body: body.removesuffix(b"\n")),
]
WHOLE = (
    no_done,
    more_behind_the_end,
    odd_fields,
    heartbeats,
    untyped,
    _typed("application/json"),
    _typed("text/plain"),
)
NONE = (empty, html, html_as_asked, json_null, null_choices, empty_choices, only_the_end, only_the_role)
BROKEN = (
    truncated_json,
    truncated_usage,
    malformed_json,
    no_finish,
    done_too_soon,
    no_usage_no_done,
    error_finish,
    not_utf8,
)
HEAVY = (huge_event, endless_line)


def _plain(f: Fault, **more: Any) -> Scenario:
    return Scenario(f.__name__, f, **more)


SCENARIOS = [
    *(_plain(f, cuts=False) for f in (*FORMS, *WHOLE)),
    *(_plain(f) for f in (*NONE, *BROKEN, *ERRORS)),
    *(
        Scenario(f"{f.__name__}_anthropic", f, shape="anthropic", client="anthropic")
        for f in (
            *ANTHROPIC_ERRORS,
            *FORMS[:3],
            empty,
            html_as_asked,
            truncated_json,
            malformed_json,
            no_finish,
            no_done,
        )
    ),
    *(
        Scenario(f"{f.__name__}_translated", f, shape="anthropic")
        for f in (*ANTHROPIC_ERRORS, FORMS[0], truncated_json, no_finish, no_done, done_too_soon)
    ),
    *(Scenario(f"{f.__name__}_retold", f, client="anthropic") for f in (ERRORS[1], no_finish, done_too_soon, FORMS[0])),
    *(Scenario(f"{f.__name__}_folded", f, shape="llamacpp") for f in (*FORMS[:3], *NONE[:3], *BROKEN[:6], *ERRORS[:2])),
]
