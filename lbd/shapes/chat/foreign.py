"""What lbd itself put into a conversation for the sake of another provider, taken out before a chat passes through.

Servers of OpenAI's family refuse members that they do not know, and none of them can read another maker's tokens.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lbd.shapes import edit, tokens
from lbd.shapes.loose import UNREADABLE


class _Conversation(msgspec.Struct):
    messages: list[msgspec.Raw]


_conversation = msgspec.json.Decoder(_Conversation).decode


def without_foreign(raw: bytes) -> bytes:
    """Return a request without tagged tokens and the thoughts they belong to; every other message stays as it came."""
    try:
        messages = list(map(bytes, _conversation(raw).messages))
        kept = list(map(_purged, messages))
    except UNREADABLE:  # out of order: its provider's to refuse
        return raw
    return raw if kept == messages else edit.with_members(raw, {"messages": b"[%b]" % b",".join(kept)})


def _purged(message: bytes) -> bytes:
    if tokens.MARK_BYTES not in message:
        return message
    told: Any = orjson.loads(message)
    if not isinstance(told, dict):
        return message
    details = told.get("reasoning_details")
    if isinstance(details, list):
        left = [d for d in details if not _tagged(d, "signature", "data")]
        if len(left) < len(details):
            told.pop("reasoning_content", None)
            told.pop("reasoning_details")
            if left:
                told["reasoning_details"] = left
    calls = told.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        extra = call.get("extra_content") if isinstance(call, dict) else None
        if isinstance(extra, dict) and _tagged(extra.get("google"), "thought_signature"):
            del call["extra_content"]
    return orjson.dumps(told)


def _tagged(value: object, *names: str) -> bool:
    return isinstance(value, dict) and any(
        isinstance(value.get(name), str) and value[name].startswith(tokens.MARK) for name in names
    )
