"""What the messages of a request hold beside words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.messages import parts

IMAGE = {"type": "image", "source": {"type": "url", "url": "u"}}
FILE = {"type": "document", "source": {"type": "url", "url": "u"}}
CITED = {**FILE, "citations": {"enabled": True}}


def needs(*content: Any) -> set[str]:
    return parts.needs(memoryview(json.dumps([{"role": "user", "content": list(content)}]).encode()))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (IMAGE, {"images"}),
        (FILE, {"files"}),
        (CITED, {"files", "citations"}),
        ({**FILE, "citations": {"enabled": False}}, {"files"}),
        ({**FILE, "citations": None}, {"files"}),
        ({"type": "text", "text": '"type": "image"'}, set()),
        ({"type": "tool_result", "tool_use_id": "t", "content": [IMAGE, CITED]}, {"images", "files", "citations"}),
        ({"type": "tool_result", "tool_use_id": "t", "content": "words"}, set()),
        ({"type": "tool_use", "id": "t", "name": "f", "input": {"type": "image", "blocks": [IMAGE]}}, set()),
        ({"type": ["image"]}, set()),
    ],
)
def test_blocks_are_read_and_what_tools_were_called_with_is_not(block: Any, words: set[str]) -> None:
    """A tool's input may look like an image; a deployment that takes none can read it all the same."""
    assert needs(block) == words
    assert needs({"type": "tool_use", "id": "t", "name": "f", "input": IMAGE}, block) == words


def test_all_messages_count() -> None:
    """Words alone may stand between them."""
    told = [{"content": [IMAGE]}, {"content": "words"}, {"content": [FILE]}]
    assert parts.needs(memoryview(json.dumps(told).encode())) == {"images", "files"}


@pytest.mark.parametrize(
    "junk", [b"", b'{"type":"image"}', b'[{"content":[{"type":"image"},]}]', b'[1,{"type":"image"}]', b"[" * 9999]
)
def test_what_cannot_be_read_is_its_providers_to_refuse(junk: bytes) -> None:
    """Nothing is raised."""
    assert parts.needs(memoryview(junk)) <= {"images"}
    assert parts.needs(memoryview(junk + b'"type":"image"')) <= {"images"}


@given(st.binary(max_size=60))
def test_junk_raises_nothing(junk: bytes) -> None:
    """Whatever comes."""
    assert parts.needs(memoryview(b'[{"content":[{"type":"image"}' + junk)) <= {"images", "files", "citations"}
