"""Events known by their bytes: never another verdict than the reader's."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbd.shapes import alike
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.held import HeldStream
from lbd.shapes.messages.stream import MessagesWatch


def chat(delta: object, **more: object) -> bytes:
    """Return a chunk of OpenAI's."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**head, "choices": [choice], "usage": None}).encode() + b"\n\n"


def said(delta: object) -> bytes:
    """Return a delta of Anthropic's."""
    data = {"type": "content_block_delta", "index": 0, "delta": delta}
    return b"event: content_block_delta\ndata: " + json.dumps(data).encode() + b"\n\n"


FIRST = {
    ChatWatch: chat({"content": "Hi"}),
    MessagesWatch: said({"type": "text_delta", "text": "Hi"}),
}
EVENTS = {
    ChatWatch: [
        chat({"content": "there"}),
        chat({"content": 'a "quote"\n'}),
        chat({"content": "Grüße"}),
        chat({"content": ""}),
        chat({"reasoning_content": "so"}),
        chat({"content": "x", "reasoning": "y"}),
        chat({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}),
        chat({}, finish_reason="stop"),
        chat({"content": "no"}, finish_reason="error"),
        chat({"content": "no"}, error={"message": "boom"}),
        b'data: {"error":{"message":"boom"}}\n\n',
        b"data: [DONE]\n\n",
        b": wait\n\n",
    ],
    MessagesWatch: [
        said({"type": "text_delta", "text": "there"}),
        said({"type": "text_delta", "text": ""}),
        said({"type": "thinking_delta", "thinking": "so"}),
        said({"type": "input_json_delta", "partial_json": "{"}),
        said({"type": "signature_delta", "signature": "c2ln"}),
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"boom"}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        b'event: ping\ndata: {"type":"ping"}\n\n',
    ],
}


class Never(alike.Luck):
    """Looks for no template."""

    def try_at(self, contents: int) -> bool:
        """Never."""
        return False


def state(watch: HeldStream) -> tuple[object, ...]:
    """Return all that a caller sees."""
    return watch.committed, watch.contents, watch.done, watch.failure, watch.finished, watch.usage


@pytest.mark.parametrize("kind", list(EVENTS))
@given(data=st.data())
def test_known_by_bytes_is_read_alike(kind: type[HeldStream], data: st.DataObject) -> None:
    """Whatever comes, also with bytes changed, is forwarded, counted and refused as if each event were read."""
    quick, slow = kind(), kind()
    slow._luck = Never()
    for event in [FIRST[kind], *data.draw(st.lists(st.sampled_from(EVENTS[kind]), max_size=8))]:
        part = event
        if data.draw(st.integers(0, 3)) == 0:
            at = data.draw(st.integers(0, len(event) - 3))
            part = event[:at] + data.draw(st.binary(max_size=3)) + event[at + data.draw(st.integers(0, 2)) :]
        assert quick.feed(part) == slow.feed(part), part
        assert state(quick) == state(slow), part
    assert quick.end() == slow.end()


@pytest.mark.parametrize("kind", list(EVENTS))
def test_the_next_event_is_not_read(kind: type[HeldStream], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is alike to the byte but for its text goes on unread, and counts; what is not alike is read."""
    watch = kind()
    assert watch.feed(FIRST[kind]) == FIRST[kind]
    read: list[bytes] = []
    monkeypatch.setattr(kind, "_event", lambda _self, payload: read.append(payload) or True)
    like, other = FIRST[kind].replace(b"Hi", b"there."), EVENTS[kind][-1]
    assert watch.feed(like) == like
    assert (read, watch.contents) == ([], 2)
    watch.feed(other)
    watch.feed(like)
    assert read[-1] == like.rpartition(b"data: ")[2][:-2]  # after another event the next one is read again


@pytest.mark.parametrize("bad", [b'x"y', b"x\\", b"x\ny", b"x\n\ny", b"x\x00", b"\xff", b"", b"x\x7f\x80"])
def test_what_needs_reading_is_read(bad: bytes) -> None:
    """A text with a quote, an escape, a control character, or none, is not taken for plain."""
    found = alike.around(FIRST[ChatWatch][6:-2], ChatWatch.TEXTS, ChatWatch()._text)
    assert found is not None
    assert alike.plain(bad) is None
    watch, slow = ChatWatch(), ChatWatch()
    slow._luck = Never()
    for part in (FIRST[ChatWatch], FIRST[ChatWatch].replace(b"Hi", bad)):
        assert watch.feed(part) == slow.feed(part)
    assert state(watch) == state(slow)


@given(st.text(max_size=20), st.text(max_size=20))
@example('"content": "', "x")
@example("\\", '"')
def test_the_place_of_a_text_is_proved(name: str, text: str) -> None:
    """Wherever the key stands else, another text in the found place is what is read."""
    event = json.dumps({"id": name, "content": name, "choices": [{"delta": {"content": text}}], "x": name}).encode()
    found = alike.around(event, ChatWatch.TEXTS, ChatWatch()._text)
    if found is not None:
        read = json.loads(found.head + b"other" + found.foot)
        assert read["choices"][0]["delta"]["content"] == "other"
        assert {**read, "choices": 0} == {"id": name, "content": name, "choices": 0, "x": name}


@pytest.mark.parametrize(
    "event",
    [
        chat({"content": "x"}, finish_reason="stop"),
        chat({"content": "x", "refusal": "y"}),
        chat({"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}),
        b'data: {"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
        b'data: {"choices":[{"delta":{"content":"x"}},{"delta":{"content":"y"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"x"}}],"error":{"message":"boom"}}\n\n',
        b"data: junk\n\n",
    ],
)
def test_no_template_of_what_says_more(event: bytes) -> None:
    """A finish, a usage, a second text, another choice, an error: each has to be read."""
    assert alike.around(event[6:-2], ChatWatch.TEXTS, ChatWatch()._text) is None


def test_luck_ends_where_every_event_is_another() -> None:
    """Eight templates in vain; one that served begins anew."""
    luck = alike.Luck()
    assert sum(luck.try_at(n) for n in range(1, 40)) == 9
    luck = alike.Luck()
    assert sum(luck.try_at(n) for n in range(1, 40, 5)) == 8
