"""What the messages of a request hold beside words, read out exactly: blocks, and what blocks hold.

What a tool was called with may look like a block and is none, so types alone do not tell. Only requests with a sign of
such a block are read so.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lbd.shapes.loose import UNREADABLE

# A quote in a prompt is escaped, so these bytes can only be JSON structure.
_SIGN = re.compile(rb'"type"\s*:\s*"(?:image|document)"')
_WORDS = {"image": "images", "document": "files"}


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()


class _Block(msgspec.Struct):
    type: Any = None
    content: msgspec.Raw = msgspec.Raw()
    citations: Any = None


_messages = msgspec.json.Decoder(list[_Message]).decode
_blocks = msgspec.json.Decoder(list[_Block]).decode


def needs(messages: memoryview) -> set[str]:
    """Return the capabilities that the blocks of these messages (JSON) ask for; none where they cannot be read."""
    found: set[str] = set()
    if _SIGN.search(messages) is None:
        return found
    try:
        for message in _messages(messages):
            _look(message.content, found)
    except UNREADABLE:  # its provider's to refuse
        pass
    return found


def _look(content: msgspec.Raw, found: set[str]) -> None:
    told = memoryview(content)
    if bytes(told[:1]) != b"[":
        return
    for block in _blocks(told):
        if isinstance(block.type, str) and block.type in _WORDS:
            found.add(_WORDS[block.type])
            if isinstance(block.citations, dict) and block.citations.get("enabled"):
                found.add("citations")
        elif block.type == "tool_result":
            _look(block.content, found)
