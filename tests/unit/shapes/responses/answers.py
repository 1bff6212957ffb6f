"""What the tests of the Responses API share: answers as pieces, their events, what the official SDK makes of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from lbd.model.messages import (
    Argued,
    Begin,
    Calling,
    Finished,
    Piece,
    Reason,
    Refused,
    Said,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes.responses.speak import ResponsesSpeaker
from tests.unit.shapes.streams import spec_events

_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_RESPONSE = TypeAdapter(Response)
# members that this version of the SDK has no type for: store and bytes it has elsewhere, or others have
_UNTYPED = {"store", "name", "thought_signature", "bytes", "error"}

BEGIN = Begin("chatcmpl-1", "m-2025", 1753357673)
USAGE = Usage(20, 7, 16, 3, written=2)
SIGNED = Token("anthropic", "c2ln")
PROB = {"token": "Hi", "bytes": [72, 105], "logprob": -0.5, "top_logprobs": []}


def plain(*pieces: Piece, reason: Reason = Reason.STOP) -> list[Piece]:
    """Return a whole answer with these pieces in it."""
    return [BEGIN, *pieces, Finished(reason), Used(USAGE)]


ANSWERS: dict[str, list[Piece]] = {
    "text": plain(Said("Hello"), Said(" wörld 🌍")),
    "nothing": plain(),
    "cut": plain(Said("Hello"), reason=Reason.LENGTH),
    "filtered": plain(Said("Hel"), reason=Reason.FILTER),
    "refused": plain(Refused("I"), Refused(" will not"), reason=Reason.REFUSAL),
    "refused without a word": plain(Said("How to"), reason=Reason.REFUSAL),
    "text, then a refusal": plain(Said("Well"), Refused("no")),
    "thoughts": plain(Thought("Let me"), Thought(" see"), Thought(token=SIGNED), Said("42")),
    "thoughts of nobody": plain(Thought("hm"), Said("42")),
    "thoughts that are not shown": plain(Thought(token=SIGNED), Thought(token=SIGNED, redacted=True), Said("42")),
    "thoughts alone": plain(Thought("hm"), reason=Reason.LENGTH),
    "a call": plain(Said("So"), Calling(0, "call_1", "f"), Argued(0, '{"a"'), Argued(0, ":1}"), reason=Reason.CALLS),
    "two calls": plain(
        Calling(0, "call_1", "f", token=Token("gemini", "eA")),
        Argued(0, "{}"),
        Calling(1, "call_2", "g"),
        Argued(1, '{"b":[]}'),
        reason=Reason.CALLS,
    ),
    "calls in turn": plain(
        Calling(0, "call_1", "f"),
        Argued(0, '{"a":'),
        Calling(1, "call_2", "g"),
        Argued(1, "{"),
        Argued(0, "1}"),
        Argued(1, "}"),
        reason=Reason.CALLS,
    ),
    "a call of nothing": plain(Calling(0, "call_1", "f"), Calling(1, "call_2", "f"), reason=Reason.CALLS),
    "a call, then text": plain(Calling(0, "call_1", "f"), Argued(0, "{}"), Said("ok"), reason=Reason.CALLS),
    "log-probabilities": plain(Said("Hi", logprobs={"content": [PROB]}), Said("!", logprobs={"content": None})),
    "no beginning": [Said("Hi"), Finished(Reason.STOP)],
}


def spoken(pieces: list[Piece]) -> bytes:
    """Return the whole stream of these pieces."""
    speaker = ResponsesSpeaker(False)
    return speaker.say(pieces) + speaker.end()


def events(stream: bytes) -> list[dict[str, Any]]:
    """Return the data of each event; its name must be its type, and the SDK must know it, strictly."""
    out = []
    for name, data in spec_events(stream):
        event = json.loads(data)
        assert name == event["type"]
        checked = _EVENTS.validate_python(event, strict=True)
        assert checked.type == event["type"]
        assert not _untyped(checked) - _UNTYPED, _untyped(checked)
        out.append(event)
    return out


def response(body: bytes) -> dict[str, Any]:
    """Return a response; the SDK must know it, strictly."""
    found: dict[str, Any] = json.loads(body)
    checked = _RESPONSE.validate_python(found, strict=True)
    assert not _untyped(checked) - _UNTYPED, _untyped(checked)
    return found


def _untyped(model: Any) -> set[str]:
    """Return the names, however deep, that a model holds without a type."""
    if isinstance(model, list):
        return {name for item in model for name in _untyped(item)}
    if not hasattr(model, "model_extra"):
        return set()
    inner = {name for field in type(model).model_fields for name in _untyped(getattr(model, field))}
    return inner | set(model.model_extra or ())


_texts = st.text(max_size=6)
_tokens = st.none() | st.just(SIGNED) | st.just(Token("openai", "ZW5j"))
any_piece: st.SearchStrategy[Piece] = st.one_of(
    st.builds(Said, _texts, logprobs=st.none() | st.just({"content": [PROB]}) | st.just({"content": [1, {}]})),
    st.builds(Thought, _texts, token=_tokens),
    st.just(Thought(token=SIGNED, redacted=True)),
    st.builds(Refused, _texts),
    st.builds(Calling, st.integers(0, 2), st.just("") | st.just("call_9"), st.just("f"), token=_tokens),
    st.builds(Argued, st.integers(0, 3), st.sampled_from(["", "{}", '{"a":', "1}", " "])),
    st.builds(Finished, st.sampled_from(Reason)),
    st.just(Used(USAGE)),
    st.just(BEGIN),
    st.just(Said("of another choice", 1)),
)


def event(kind: str, number: int = 0, **more: Any) -> bytes:
    """Return one event as OpenAI writes it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **more})}\n\n".encode()


_NATIVE = {
    "id": "resp_67cb",
    "object": "response",
    "created_at": 1741290958,
    "model": "gpt-x",
    "error": None,
    "x": 1.50,
}
_COUNTED = {"input_tokens": 20, "output_tokens": 7, "total_tokens": 27}
FINAL = {**_NATIVE, "status": "completed", "output": [{"type": "web_search_call", "id": "ws_1"}], "usage": _COUNTED}
# A stream of OpenAI's own, shortened, with a tool that runs there and events that lbd has no name for.
NATIVE = b"".join(
    [
        event("response.created", 0, response={**_NATIVE, "status": "in_progress", "output": [], "usage": None}),
        event("response.in_progress", 1, response={**_NATIVE, "status": "in_progress", "output": [], "usage": None}),
        event("response.output_item.added", 2, output_index=0, item={"type": "web_search_call", "id": "ws_1"}),
        event("response.web_search_call.searching", 3, output_index=0, item_id="ws_1"),
        event("response.output_item.done", 4, output_index=0, item={"type": "web_search_call", "id": "ws_1"}),
        event("response.output_text.delta", 5, delta="Hi", obfuscation="x8"),
        event("response.completed", 6, response=FINAL),
    ]
)
STREAMS = {**{name: spoken(pieces) for name, pieces in ANSWERS.items()}, "native": NATIVE}
