"""Chat-completion answers as pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import (
    Argued,
    Begin,
    Call,
    Calling,
    Finished,
    Piece,
    Reason,
    Refused,
    Said,
    Text,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes.chat import hear
from lbd.shapes.chat.fold import ChatFold
from lbd.shapes.gather import gather
from lbd.shapes.heard import loads
from tests.unit.shapes.conversations import DEEP, spoiled
from tests.unit.shapes.streams import (
    DONE,
    HEAD,
    NO_USAGE,
    OPENAI,
    ROLE,
    TRANSCRIPTS,
    USAGE,
    USAGE_EVENT,
    calls,
    choices_of,
    chunk,
    cuts,
    event,
    pieces,
    says,
    spec_events,
)

SEEN = Usage(prompt=20, completion=7, cached=16, reasoning=3)
ERROR = event({"error": {"message": "boom", "type": "server_error", "code": 500}})
FUNCTION = {"name": "f", "arguments": '{"a": 1}'}
ENDS = {"arguments": "{}"}
SIGNED = {"google": {"thought_signature": "s"}}
UNARY: dict[str, Any] = {
    **HEAD,
    "object": "chat.completion",
    "system_fingerprint": "fp",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "hi",
                "refusal": None,
                "reasoning_content": "hm",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": FUNCTION},
                    {"id": "c2", "type": "function", "function": FUNCTION, "extra_content": SIGNED},
                ],
            },
            "logprobs": {"content": [{"token": "hi", "logprob": -0.5, "bytes": None, "top_logprobs": []}]},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
}  # fmt: skip


def heard(*parts: bytes, choices: int = 1) -> tuple[list[Piece], Failure | None]:
    listener = hear.ChatListener("m", choices)
    out = [piece for part in parts for piece in listener.feed(part)]
    if listener.failure is not None:
        return out, listener.failure
    more, failure = listener.end()
    return [*out, *more], failure


def read(answer: Any) -> list[Piece]:
    return hear.read(json.dumps(answer).encode(), "m")


def answer(message: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "message": message, "finish_reason": finish, **more}]}


def test_the_pieces_of_an_answer_with_everything() -> None:
    """What was thought and said, calls with their signatures, why it ended, and the tokens."""
    assert read(UNARY) == [
        Begin("chatcmpl-1", "m-2025", 1753357673, "fp"),
        Thought("hm"),
        Said("hi", logprobs=UNARY["choices"][0]["logprobs"]),
        Calling(0, "c1", "f"),
        Argued(0, '{"a": 1}'),
        Calling(1, "c2", "f", token=Token("gemini", "s")),
        Argued(1, '{"a": 1}'),
        Finished(Reason.CALLS),
        Used(SEEN),
    ]


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_stream_says_what_its_fold_says(name: str) -> None:
    """The unary answer that a stream stands for is heard as the stream is."""
    fold = ChatFold()
    fold.feed(TRANSCRIPTS[name].replace(b"\r\n", b"\n"))
    said, failure = heard(TRANSCRIPTS[name], choices=choices_of(name))
    assert failure is None
    assert gather(said) == gather(hear.read(fold.result(), "m"))


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_every_split_is_heard_alike(name: str, data: st.DataObject) -> None:
    """The same pieces, however the network cut them."""
    stream, count = TRANSCRIPTS[name], choices_of(name)
    assert heard(*data.draw(cuts(stream)), choices=count) == heard(stream, choices=count)


@pytest.mark.parametrize(
    ("stream", "word", "said"),
    [
        (ERROR, "error_in_stream", []),
        (ROLE + says("a") + ERROR, "error_in_stream", ["a"]),
        (ROLE + says("a") + ERROR[:-2], "error_in_stream", ["a"]),
        (ROLE + says("a") + chunk(finish="stop") + ERROR[:-2], "error_in_stream", ["a"]),
        (ROLE + says("a"), "broken_stream", ["a"]),
        (ROLE + says("a") + says("b")[:40], "broken_stream", ["a"]),
        (ROLE + says("a") + b"data: {\n\n", "bad_body", ["a"]),
        (ROLE + DONE, "bad_body", []),
        (b"", "broken_stream", []),
    ],
)
def test_what_goes_wrong_is_heard_alike(stream: bytes, word: str, said: list[str]) -> None:
    """The same words before it and the same failure, however the bytes came."""
    found, failure = heard(stream)
    assert failure is not None and failure.kind == word
    assert [p.text for p in found if isinstance(p, Said)] == said
    assert heard(*pieces(stream, range(len(stream)))) == (found, failure)


def test_an_answer_whose_count_is_lost_is_whole() -> None:
    """The words are what the client waits for."""
    for stream in (NO_USAGE, NO_USAGE.removesuffix(DONE)):
        said, failure = heard(stream)
        assert failure is None and Finished(Reason.LENGTH) in said


@pytest.mark.parametrize(
    ("word", "called", "reason"),
    [
        ("stop", False, Reason.STOP),
        ("stop", True, Reason.CALLS),
        ("length", False, Reason.LENGTH),
        ("length", True, Reason.LENGTH),
        ("tool_calls", True, Reason.CALLS),
        ("function_call", True, Reason.CALLS),
        ("content_filter", False, Reason.FILTER),
        ("a later word", False, Reason.STOP),
        (7, False, Reason.STOP),
        ({"a": 1}, False, Reason.STOP),
        (None, False, None),
        ("", False, None),
    ],
)
def test_every_reason_is_understood(word: Any, called: bool, reason: Reason | None) -> None:
    """Some servers say stop after a call, and who goes by the word would never answer it."""
    message = {"content": "a", "tool_calls": [{"id": "c", "function": FUNCTION}] if called else None}
    found = [p.reason for p in read(answer(message, word)) if isinstance(p, Finished)]
    assert found == ([] if reason is None else [reason])


def test_a_choice_ends_once() -> None:
    """A second reason is nothing new."""
    said, _ = heard(ROLE + says("a") + chunk(finish="stop") + chunk(finish="length") + USAGE_EVENT + DONE)
    assert [p for p in said if isinstance(p, Finished)] == [Finished(Reason.STOP)]


@pytest.mark.parametrize(
    "deltas",
    [
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}, {"index": 0, "function": ENDS}],
        [{"id": "a", "function": {"name": "f"}}, {"id": "a", "function": {"arguments": "{}"}}],
        [{"id": "a", "function": {"name": "f"}}, {"function": {"arguments": "{}"}}],
        [{"index": None, "id": "a", "function": {"name": "f"}}, {"index": None, "function": {"arguments": "{}"}}],
        [{"index": [], "id": "a", "function": {"name": "f"}}, {"index": {}, "function": {"arguments": "{}"}}],
        [{"index": 3, "id": "a", "function": {"name": "f"}}, {"index": 3, "id": "", "function": {"name": "", **ENDS}}],
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {}}}],
    ],
)  # fmt: skip
def test_the_pieces_of_a_call_are_known(deltas: list[dict[str, Any]]) -> None:
    """By index, by id, or as what follows: servers differ."""
    stream = b"".join(chunk({"tool_calls": [d]}) for d in deltas)
    said, failure = heard(ROLE + stream + chunk(finish="tool_calls") + DONE)
    assert failure is None
    assert gather(said).choices[0].parts == (Call("a", "f", "{}"),)


def test_calls_without_an_index_are_told_apart() -> None:
    """By their ids, or where a new one begins; in a whole message by their places."""
    two = [{"id": i, "function": {"name": "f", "arguments": '{"a":1}'}} for i in ("x", "y")]
    nameless = [{"function": {"name": "f", "arguments": "{}"}}] * 2
    for told in (two, nameless):
        expected = [(i, c.get("id", f"call_0_{i}")) for i, c in enumerate(told)]
        stream, _ = heard(chunk({"tool_calls": told}) + chunk(finish="stop") + DONE)
        again, _ = heard(b"".join(chunk({"tool_calls": [c]}) for c in told) + chunk(finish="stop") + DONE)
        whole = read(answer({"tool_calls": told}))
        for said in (stream, again, whole):
            assert [(p.index, p.id) for p in said if isinstance(p, Calling)] == expected
    same = read(answer({"tool_calls": [two[0], two[0]]}))
    assert [p.index for p in same if isinstance(p, Argued)] == [0, 1]


def test_the_older_function_call_is_a_call() -> None:
    """Before there were tools."""
    said, _ = heard(
        chunk({"function_call": {"name": "f", "arguments": '{"a'}})
        + chunk({"function_call": {"arguments": '":1}'}})
        + chunk(finish="function_call")
        + DONE
    )
    assert gather(said).choices[0].parts == (Call("call_0", "f", '{"a":1}'),)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"reasoning": "a"}, [Thought("a")]),
        ({"reasoning_content": "a", "reasoning": "b"}, [Thought("a")]),
        ({"reasoning_content": "", "reasoning": {}}, []),
        (
            {"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "s"}]},
            [Thought("a", token=Token("", "s"))],
        ),
        ({"reasoning_details": [{"signature": "lbd.anthropic.s"}]}, [Thought(token=Token("anthropic", "s"))]),
        ({"reasoning_details": [{"summary": "sum"}]}, [Thought("sum")]),
        ({"reasoning_details": [{"data": "d"}]}, [Thought(token=Token("", "d"), redacted=True)]),
        ({"reasoning_details": [{"data": 1}, 2, {}]}, []),
        ({"reasoning_details": "x"}, []),
        ({"content": [{"type": "text", "text": "a"}, {"text": 1}, 2, {"text": "b"}]}, [Said("ab")]),
        ({"refusal": "no"}, [Refused("no")]),
        ({"refusal": 1, "content": {}, "tool_calls": {}, "function_call": []}, []),
    ],
)
def test_what_servers_say_in_other_ways(message: Any, expected: list[Piece]) -> None:
    """Thoughts in three forms, text as a list of parts; what is none of them is left out."""
    assert [p for p in read(answer(message)) if not isinstance(p, Begin | Finished)] == expected


def test_a_whole_message_in_a_stream_is_heard() -> None:
    """Of a server that cannot stream."""
    choice = {"index": 0, "message": {"content": "all", "tool_calls": [{"function": FUNCTION}]}}
    said, failure = heard(event({**HEAD, "choices": [choice]}) + chunk(finish="stop") + DONE)
    assert failure is None
    assert Said("all") in said and Argued(0, FUNCTION["arguments"]) in said


@pytest.mark.parametrize("index", [None, "0", [], {}, 1.5])
def test_an_index_that_is_none_is_the_place(index: Any) -> None:
    """In a whole answer; a stream with such an index is none."""
    two = [{"index": index, "message": {"content": t}, "finish_reason": "stop"} for t in "ab"]
    assert [(p.text, p.choice) for p in read({**HEAD, "choices": two}) if isinstance(p, Said)] == [("a", 0), ("b", 1)]


@pytest.mark.parametrize("odd", ["x", [1], 1, True, {}])
def test_log_probabilities_that_are_none_are_left_out(odd: Any) -> None:
    """A client's reader would fail at them."""
    assert Said("a") in read(answer({"content": "a"}, logprobs=odd))


@pytest.mark.parametrize("message", ["text", 1, [], None])
def test_a_message_that_is_no_object_is_no_answer(message: Any) -> None:
    """An empty one in its place would end an agent's work."""
    with pytest.raises(LbdError) as e:
        read(answer(message))
    assert e.value.failure.kind is FailureKind.BAD_BODY


@pytest.mark.parametrize(
    ("word", "reason"),
    [("length", Reason.LENGTH), ("model_length", Reason.LENGTH), ("repetition", Reason.LENGTH), ("eos", Reason.STOP)],
)
def test_what_was_cut_short_is_not_told_as_finished(word: str, reason: Reason) -> None:
    """Whatever a server of the family calls it."""
    assert read(answer({"content": "a"}, finish=word))[-1] == Finished(reason)


def test_what_is_nested_too_deep_is_a_failure_after_what_was_good() -> None:
    """Not an exception of the JSON library; and what was said before it counts, in whatever reads it came."""
    deep = chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"a": DEEP}}}]})
    stream = ROLE + says("a") + deep + ERROR
    said, failure = heard(stream)
    assert failure is not None and failure.kind is FailureKind.BAD_BODY
    assert Said("a") in said
    assert heard(*pieces(stream, range(len(stream)))) == (said, failure)
    with pytest.raises(LbdError):
        read(answer({"tool_calls": [{"function": {"name": "f", "arguments": {"a": DEEP}}}]}))


@pytest.mark.parametrize("body", [{}, [], None, 1, {"choices": []}, {"choices": [1]}, {"error": {"message": "m"}}])
def test_what_is_no_answer_is_a_failure(body: Any) -> None:
    """In spite of its status."""
    with pytest.raises(LbdError):
        read(body)


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.data())
def test_junk_in_a_stream_is_a_failure_or_left_out(name: str, data: st.DataObject) -> None:
    """Never another exception; and what is heard can be put together."""
    events = [json.loads(payload) for _, payload in spec_events(TRANSCRIPTS[name]) if payload != "[DONE]"]
    at = data.draw(st.integers(0, len(events) - 1))
    events[at] = data.draw(spoiled(events[at]))
    said, failure = heard(b"".join(b"data: %b\n\n" % json.dumps(e).encode() for e in events) + DONE)
    assert failure is None or isinstance(failure, Failure)
    gather(said)


@given(st.data())
def test_junk_in_an_answer_is_a_failure_or_left_out(data: st.DataObject) -> None:
    """Never another exception; and what is heard can be put together."""
    try:
        gather(read(data.draw(spoiled(UNARY))))
    except LbdError as e:
        assert e.failure.kind is not FailureKind.BAD_REQUEST


@given(st.binary(max_size=60))
def test_any_bytes_are_a_failure_or_an_answer(body: bytes) -> None:
    """Whatever a server sends."""
    heard(body)
    try:
        hear.read(body, "m")
    except LbdError as e:
        assert e.failure.kind is FailureKind.BAD_BODY


def test_the_listener_tells_how_far_it_is() -> None:
    """Whole when the finish and the count came, done at the end mark."""
    listener = hear.ChatListener("m", 1)
    listener.feed(ROLE + says("a") + chunk(finish="stop"))
    assert not listener.whole and not listener.done
    listener.feed(USAGE_EVENT)
    assert listener.whole and not listener.done
    listener.feed(DONE)
    assert listener.done and listener.usage == SEEN
    assert calls(0, arguments="x") and OPENAI


def test_oddities_are_read_and_what_is_too_deep_is_told() -> None:
    """Half a character is replaced, NaN is nothing."""
    odd = b'{"choices":[{"index":0,"delta":{"content":"a\\ud83d"},"logprobs":{"x":NaN},"finish_reason":"stop"}]}'
    said, failure = heard(b"data: %b\n\n" % odd + DONE)
    assert failure is None and Said("a\ufffd", logprobs={"x": None}) in said
    with pytest.raises(LbdError) as raised:
        loads(b"[" * 5000)
    assert raised.value.failure.kind is FailureKind.BAD_BODY


@pytest.mark.parametrize("kind", [Text, Call])
def test_a_character_whose_halves_come_in_two_events_is_whole(kind: type[Text | Call]) -> None:
    """Servers that count text in units of UTF-16 cut it there; a client of another shape cannot join what they send."""
    whole, parts = '{"a":"\U0001f600"}', ('{"a":"\ud83d', '\ude00"}')
    said = [{"content": part} for part in parts]
    begins = {"index": 0, "id": "c", "function": {"name": "f"}}
    called = [{"tool_calls": [c]} for c in (begins, *({"index": 0, "function": {"arguments": p}} for p in parts))]
    listener = hear.ChatListener("m", 1)
    told: list[Piece] = []
    for delta in said if kind is Text else called:
        told += listener.feed(b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n")
    told += listener.feed(chunk(finish="stop") + USAGE_EVENT + DONE)
    assert gather(told).choices[0].parts == (Text(whole) if kind is Text else Call("c", "f", whole),)
