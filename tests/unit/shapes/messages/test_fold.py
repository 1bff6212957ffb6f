"""Gathering a stream of Anthropic's Messages API into the message that it stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.messages.fold import MessagesFold
from lbd.shapes.messages.stream import MessagesWatch
from tests.unit.shapes.conversations import spoiled
from tests.unit.shapes.messages.transcripts import START, STOP, TRANSCRIPTS, UNARY, delta, finish, start
from tests.unit.shapes.streams import cuts, spec_events


def folded(*parts: bytes) -> Any:
    watch, fold = MessagesWatch(), MessagesFold()
    for part in parts:
        fold.feed(watch.feed(part))
    more, _ = watch.end()
    fold.feed(more)
    return json.loads(fold.result())


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_stream_is_folded_into_its_unary_answer(name: str) -> None:
    """Same content, reason and usage, unknown fields and all; and it is a message by the SDK."""
    answer = folded(TRANSCRIPTS[name])
    assert answer == UNARY[name]
    Message.model_validate(answer)


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_splits_make_no_difference(name: str, data: st.DataObject) -> None:
    """What is folded does not depend on how the bytes came."""
    assert folded(*data.draw(cuts(TRANSCRIPTS[name]))) == UNARY[name]


def test_halves_of_characters_become_whole() -> None:
    """Servers that cut by UTF-16 units send the other half in the next delta."""
    halves = [rb'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%b"}}' % half
              for half in (rb"\ud83c", rb"\udf0d")]  # fmt: skip
    stream = START + start(0, type="text", text="") + b"".join(b"data: %b\n\n" % h for h in halves) + finish() + STOP
    assert folded(stream)["content"][0]["text"] == "🌍"


def test_arguments_that_are_no_json_are_none() -> None:
    """They were cut: a client must not fail at them."""
    stream = START + start(0, type="tool_use", id="t", name="f", input={})
    stream += delta(0, "input_json_delta", partial_json='{"a": ') + finish("max_tokens") + STOP
    assert folded(stream)["content"][0]["input"] == {}


def test_a_delta_without_a_block_is_text() -> None:
    """Servers that leave out the beginning of a block."""
    stream = START + delta(0, "text_delta", text="a") + finish() + STOP
    assert folded(stream)["content"] == [{"type": "text", "text": "a"}]


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_junk_in_an_event_raises_nothing(name: str, data: st.DataObject) -> None:
    """What the watch lets pass is folded, whatever it is."""
    events = [json.loads(payload) for _, payload in spec_events(TRANSCRIPTS[name])]
    at = data.draw(st.integers(0, len(events) - 1))
    events[at] = data.draw(spoiled(events[at]))
    folded(b"".join(b"data: %b\n\n" % json.dumps(e).encode() for e in events))
