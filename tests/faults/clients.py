"""Clients of the Responses API and of text completions, before providers that have them, and before those that do not.

The other families ask chat completions and messages. Where the answer of such a client comes of a chat, its usage is
told behind its finish: cut between the two, what was read as it came is whole, and its usage an estimate.
"""

from __future__ import annotations

import json
from typing import Any

from tests.faults import connection, content, outage, status, timing, transport
from tests.faults.content import named
from tests.faults.drive import EVERY, Scenario
from tests.faults.upstream import Call, Fault, well

NEW_AND_OLD = "responses+completions"
SERVES = ("chat", "responses", "completions")


def _erring(name: str, told: dict[str, object], *, first: bool) -> Fault:
    async def act(call: Call) -> None:
        if not call.stream:
            await call.body(json.dumps(told.get("response") or {"error": told["error"]}).encode())
            return
        at = call.contents if first else call.middle()
        event = json.dumps({**told, "sequence_number": at}).encode()
        await call.pieces(*call.events[:at], b"event: %b\ndata: %b\n\n" % (str(told["type"]).encode(), event))

    where = "before any content" if first else "in the middle"
    return named(f"responses_{name}_{'first' if first else 'middle'}", f"An event of failure {where}.", act)


_ERROR = {"code": "server_error", "message": "The server had an error", "param": None}
_FAILED = {
    "id": "resp_1",
    "object": "response",
    "status": "failed",
    "output": [],
    "error": {"code": "rate_limit_exceeded", "message": "Rate limit reached for m"},
}
ERRORS = [
    _erring(name, told, first=first)
    for name, told in (
        ("error", {"type": "error", **_ERROR, "error": _ERROR}),
        ("failed", {"type": "response.failed", "response": _FAILED}),
    )
    for first in (True, False)
]


async def last_event_missing(call: Call) -> None:
    """The answer is whole but for its last event, which says all of it again: nobody can know that it is."""
    await (call.pieces(*call.events[:-1]) if call.stream else call.body(call.unary[:-1]))


# cut at any byte
_CUT = (
    connection.close_anywhere,
    connection.reset_anywhere,
    connection.reset_at_the_end,
    timing.stall_before_the_end,
    timing.stall_at_odd_byte,
    transport.until_close_cut,
    transport.gzip_cut,
)
_BROKEN = (
    *_CUT,
    timing.silent,
    timing.stall_in_the_middle,
    connection.reset_before_head,
    transport.length_too_short,
    content.truncated_json,
    content.malformed_json,
    content.no_finish,
    content.html_as_asked,
    content.ERRORS[0],
    content.ERRORS[1],
)
_SPORADIC = (*(_CUT[i] for i in (0, 2, 4, 5)), content.truncated_json)


def _served(fault: Fault, client: str = NEW_AND_OLD, name: str = "new_and_old", **more: Any) -> Scenario:
    """Return a scenario whose deployments have these clients' own APIs."""
    return Scenario(f"{fault.__name__}_{name}", fault, client=client, serves=("chat", *client.split("+")), **more)


def _sporadic(fault: Fault, name: str, **more: Any) -> Scenario:
    return outage.sporadic(fault, f"{fault.__name__}_{name}", **more)


SCENARIOS = [
    Scenario("well_every_client", well, client=EVERY, serves=SERVES, cuts=False),
    *(_served(f) for f in _BROKEN),
    *(_served(f, cuts=False) for f in (timing.bytewise, content.FORMS[0], content.heartbeats)),
    _served(named("503", "Its load.", status.answering(503)), cuts=False),
    _served(content.done_too_soon, "completions", "old"),
    _served(last_event_missing, "responses", "new"),
    *(_served(f, "responses", "new") for f in ERRORS),
    *(_sporadic(f, "new_and_old", client=NEW_AND_OLD, serves=SERVES) for f in _SPORADIC),
    *(_sporadic(f, "new_and_old_retold", client=NEW_AND_OLD, counts=False) for f in _SPORADIC),
    *(
        Scenario(f"{f.__name__}_new_and_old_translated", f, shape="anthropic", client=NEW_AND_OLD)
        for f in (
            connection.reset_anywhere,
            timing.stall_in_the_middle,
            content.no_finish,
            content.FORMS[0],
            content.ANTHROPIC_ERRORS[1],
        )
    ),
    *(
        Scenario(f"{f.__name__}_new_and_old_folded", f, shape="llamacpp", client=NEW_AND_OLD, counts=False)
        for f in (connection.close_anywhere, transport.until_close_cut, content.no_finish)
    ),
]
