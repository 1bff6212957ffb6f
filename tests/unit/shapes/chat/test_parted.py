"""Answers whose content is a list of parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given

from lbd.model.messages import Said, Thought
from lbd.shapes.chat import hear, parted
from lbd.shapes.chat.parted import PartedWatch, flat
from lbd.shapes.chat.stream import ChatWatch
from tests.unit.shapes.streams import cuts

THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "reference"}]}
PARTS = [THINKING, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: %b\n\n" % json.dumps({"id": "i", "model": "m", "choices": [choice]}, separators=(",", ":")).encode()


STREAM = (
    event({"role": "assistant", "content": ""}),
    event({"content": [THINKING]}),
    event({"content": PARTS}).replace(b'"content":', b'"content" : '),
    event({"content": "c"}),
    event({}, "stop"),
    b"data: [DONE]\n\n",
)
PLAIN = (
    event({"role": "assistant", "content": ""}),
    event({"reasoning_content": "hm"}),
    event({"content": "ab", "reasoning_content": "hm"}),
    *STREAM[3:],
)


def test_parts_are_a_text_and_thoughts_beside_it() -> None:
    """What is neither says nothing here."""
    assert flat({"role": "assistant", "content": PARTS}) == {
        "role": "assistant",
        "content": "ab",
        "reasoning_content": "hm",
    }
    assert flat({"content": [{"type": "thinking", "thinking": "hm"}, 1]}) == {"reasoning_content": "hm"}
    assert flat({"content": []}) == {}


def test_a_whole_answer_is_what_the_official_client_reads() -> None:
    """One whose content is a text stays as it came."""
    pytest.importorskip("openai")
    from openai.types.chat import ChatCompletion

    message = {"role": "assistant", "content": [THINKING]}
    choices = [{"index": 0, "message": {**message, "content": c}, "finish_reason": "stop"} for c in (PARTS, [THINKING])]
    body = {"id": "i", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    facts = parted.facts(json.dumps(body).encode())
    assert facts.answer is not None and facts.model == "m"
    told = ChatCompletion.model_validate_json(facts.answer)
    assert [c.message.content for c in told.choices] == ["ab", None]
    assert json.loads(facts.answer)["choices"][0]["message"]["reasoning_content"] == "hm"
    text = json.dumps({**body, "choices": [{**choices[0], "message": {**message, "content": '"content":['}}]})
    assert json.loads(parted.facts(text.encode()).answer or text) == json.loads(text)
    assert parted.facts(text.replace('\\"content\\":[', "a").encode()).answer is None
    assert parted.facts(b'{"choices":[]}').failure is not None


def told(pieces: list[bytes]) -> list[Any]:
    watch = PartedWatch()
    out = b"".join(map(watch.feed, pieces))
    more, failure = watch.end()
    assert failure is None and watch.done and watch.committed
    return [json.loads(e[6:]) for e in (out + more).split(b"\n\n") if e.startswith(b"data: {")]


EXPECTED = [json.loads(e[6:]) for e in PLAIN if e.startswith(b"data: {")]


@given(cuts(b"".join(STREAM)))
@example([b"".join(STREAM)])
@example(list(STREAM))
def test_a_stream_is_told_so_however_its_bytes_come(cut: list[bytes]) -> None:
    """An event is rewritten when all of it is there."""
    assert told(cut) == EXPECTED


def test_events_without_parts_stay_as_they_came() -> None:
    """To the byte."""
    plain = PartedWatch()
    assert b"".join(map(plain.feed, PLAIN)) == b"".join(PLAIN)


def test_what_cannot_be_read_is_judged_as_ever() -> None:
    """Junk, a cut, and an event that is too large."""
    for raw in (b'data: {"choices":[{"delta":{"content":[}\n\n', b"".join(STREAM[:2]), event({"content": PARTS})[:-1]):
        ours, theirs = PartedWatch(), ChatWatch()
        ours.feed(raw), theirs.feed(raw)
        mine, other = ours.end()[1], theirs.end()[1]
        assert mine is not None and other is not None and mine.kind is other.kind
    large = PartedWatch()
    assert large.feed(b"data: " + b"x" * (16 * 1024 * 1024 + 1)) == b"" and large.failure is not None


def test_thoughts_in_parts_are_heard_by_clients_of_other_shapes() -> None:
    """They are no text, and they come before it."""
    listener = hear.ChatListener("m", 1)
    pieces = [p for e in STREAM for p in listener.feed(e) if isinstance(p, Said | Thought)]
    assert pieces == [Thought("hm"), Thought("hm"), Said("ab"), Said("c")]
