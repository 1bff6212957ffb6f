"""Gathering a stream into the unary answer it stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.chat.fold import ChatFold
from lbd.shapes.chat.stream import ChatWatch
from tests.unit.shapes.streams import (
    DONE,
    HEAD,
    LLAMACPP,
    MULTI_LINE,
    OPENAI,
    REFUSAL,
    ROLE,
    TRANSCRIPTS,
    TWO,
    USAGE,
    VLLM_TOOLS,
    calls,
    chunk,
    content,
    cuts,
    event,
    says,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
extras = st.dictionaries(
    st.sampled_from(["system_fingerprint", "service_tier", "x_groq", "timings"]),
    st.one_of(words, st.integers(-(2**53), 2**53), st.dictionaries(words, st.booleans(), max_size=2)),
    max_size=3,
)
tokens = st.fixed_dictionaries(
    {"token": words, "logprob": st.floats(-20, 0), "bytes": st.lists(st.integers(0, 255), max_size=3)}
)
functions = st.fixed_dictionaries({"name": words, "arguments": texts})
tool_calls = st.lists(
    st.fixed_dictionaries({"id": words, "type": st.just("function"), "function": functions}), min_size=1, max_size=3
)
messages = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "content": words,
        "reasoning_content": words,
        "reasoning": words,
        "refusal": words,
        "tool_calls": tool_calls,
        "function_call": functions,
        "annotations": st.lists(words, max_size=2),
    },
).map(lambda m: {"content": None, **m})


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Return a unary answer."""
    choices = []
    for index in range(draw(st.integers(1, 3))):
        choice: dict[str, Any] = {
            "index": index,
            "message": draw(messages),
            "finish_reason": draw(st.sampled_from(["stop", "length"])),
        }
        if draw(st.booleans()):
            choice["logprobs"] = {"content": draw(st.lists(tokens, min_size=1, max_size=4))}
        choices.append(choice)
    answer = {**HEAD, "object": "chat.completion", "choices": choices, **draw(extras)}
    if draw(st.booleans()):
        answer["usage"] = USAGE
    return answer


def _parts(draw: st.DrawFn, text: str) -> list[str]:
    places = [0, *sorted(draw(st.lists(st.integers(0, len(text)), max_size=3))), len(text)]
    return [text[a:b] for a, b in zip(places, places[1:])]  # noqa: B905, RUF007


def _deltas(draw: st.DrawFn, message: dict[str, Any]) -> list[dict[str, Any]]:
    """Say a message in pieces, as servers do."""
    out: list[dict[str, Any]] = [{"role": "assistant"} | ({"content": None} if draw(st.booleans()) else {})]
    for field, value in message.items():
        if field in ("reasoning_content", "reasoning", "content", "refusal") and value is not None:
            out += [{field: part} for part in _parts(draw, value)]
        elif field == "tool_calls":
            for index, call in enumerate(value):
                named = {"name": call["function"]["name"], "arguments": ""}
                out.append({"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": named}]})
                blank = draw(st.sampled_from([{}, {"id": ""}, {"id": None, "type": None}]))
                for part in _parts(draw, call["function"]["arguments"]):
                    again = draw(st.sampled_from([{}, {"name": ""}, {"name": None}]))
                    out.append({"tool_calls": [{"index": index, **blank, "function": {"arguments": part, **again}}]})
        elif field == "function_call":
            out.append({"function_call": {"name": value["name"], "arguments": ""}})
            out += [{"function_call": {"arguments": part}} for part in _parts(draw, value["arguments"])]
        elif field == "annotations":
            out.append({field: value})
    return out


@st.composite
def told(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """Return a unary answer and a stream that says the same, its choices in turns."""
    answer = draw(answers())
    queues = []
    for choice in answer["choices"]:
        steps = [
            {"index": choice["index"], "delta": d, "finish_reason": None} for d in _deltas(draw, choice["message"])
        ]
        probs = list(choice.get("logprobs", {}).get("content", ()))
        for step in steps if probs else ():
            taken = draw(st.integers(0, len(probs)))
            step["logprobs"] = {"content": probs[:taken], "refusal": None} if taken else None
            probs = probs[taken:]
        last = {"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}
        if probs:
            last["logprobs"] = {"content": probs}
        queues.append([*steps, last])
    top = {k: v for k, v in answer.items() if k not in ("choices", "usage", "object")}
    stream = b""
    while any(queues):
        queue = draw(st.sampled_from([q for q in queues if q]))
        stream += event({**top, "object": "chat.completion.chunk", "choices": [queue.pop(0)]})
    if "usage" in answer:
        stream += event({**top, "choices": [], "usage": answer["usage"]})
    return answer, stream + DONE


def fold(stream: bytes) -> dict[str, Any]:
    gathered = ChatFold()
    gathered.feed(stream)
    answer: dict[str, Any] = json.loads(gathered.result())
    return answer


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a stream cannot say: a field that is null."""
    for choice in answer["choices"]:
        if "logprobs" in choice:
            choice["logprobs"] = {k: v for k, v in choice["logprobs"].items() if v is not None}
    return answer


@given(told())
def test_the_gathered_stream_equals_the_unary_answer(case: tuple[dict[str, Any], bytes]) -> None:
    """A unary client must not be able to tell that its answer came as a stream."""
    answer, stream = case
    assert plain(fold(stream)) == answer


@given(told().flatmap(lambda case: st.tuples(st.just(case[0]), cuts(case[1]))))
def test_it_gathers_whatever_slices_the_watch_lets_pass(case: tuple[dict[str, Any], list[bytes]]) -> None:
    """In the daemon the two stand one behind the other."""
    answer, parts = case
    watch, gathered = ChatWatch(len(answer["choices"])), ChatFold()
    for part in parts:
        gathered.feed(watch.feed(part))
    assert watch.done
    assert plain(json.loads(gathered.result())) == answer


def test_a_plain_answer() -> None:
    """What llama.cpp's stream becomes: its timings are kept."""
    assert fold(LLAMACPP) == {
        **HEAD,
        "object": "chat.completion",
        "timings": {"predicted_n": 3, "predicted_per_second": 81.6},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "abc"}, "finish_reason": "stop"}],
    }


def test_usage_comes_last_and_whole() -> None:
    """All its details are billed."""
    raw = ChatFold()
    raw.feed(OPENAI)
    assert json.loads(raw.result())["usage"] == USAGE
    assert list(json.loads(raw.result())) == ["id", "object", "created", "model", "choices", "usage"]


def test_tool_calls_keep_their_ids_and_order() -> None:
    """The application answers a call by its id; the index belongs to streams only."""
    message = fold(VLLM_TOOLS)["choices"][0]["message"]
    assert message["reasoning_content"] == "The user wants"
    assert message["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": "x\\n"}'}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_pieces_of_two_calls_may_alternate() -> None:
    """The index tells which call a piece belongs to."""
    stream = b"".join(
        [
            calls(0, name="f", arguments=""),
            calls(1, name="g", arguments=""),
            calls(0, arguments="1"),
            calls(1, arguments="2"),
            calls(0, arguments="3"),
        ]
    )
    found = fold(stream)["choices"][0]["message"]["tool_calls"]
    assert [(c["function"]["name"], c["function"]["arguments"]) for c in found] == [("f", "13"), ("g", "2")]


def test_calls_without_an_index_are_calls_of_their_own() -> None:
    """Servers that send each call whole leave it out."""
    whole = [
        {"id": "1", "function": {"name": "f", "arguments": "{}"}},
        {"id": "2", "function": {"name": "g", "arguments": "{}"}},
    ]
    found = fold(chunk({"tool_calls": whole[:1]}) + chunk({"tool_calls": whole[1:]}))
    assert found["choices"][0]["message"]["tool_calls"] == whole


def test_empty_repetitions_do_not_wipe_out_a_calls_name() -> None:
    """DashScope and DeepSeek send id and name as empty strings with every further piece."""
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    later = {"index": 0, "id": "", "type": "", "function": {"name": "", "arguments": "{}"}}
    found = fold(chunk({"tool_calls": [first]}) + chunk({"tool_calls": [later]}))
    assert found["choices"][0]["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


def test_arguments_that_are_no_string_are_taken_as_they_are() -> None:
    """Some servers send the object itself."""
    found = fold(calls(0, name="f", arguments={"a": 1}))
    assert found["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": {"a": 1}}


def test_choices_are_told_apart_and_sorted() -> None:
    """With n > 1 their pieces come mixed."""
    found = fold(TWO)
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in found["choices"]] == [
        (0, "one!!", "stop"),
        (1, "uno", "stop"),
    ]


def test_a_refusal_is_no_content() -> None:
    """Clients show it differently."""
    assert fold(REFUSAL)["choices"][0]["message"] == {"role": "assistant", "content": "", "refusal": "I cannot."}


def test_lists_are_joined_as_text_is() -> None:
    """Reasoning details and content parts come as lists, each delta with further ones."""
    found = fold(chunk({"reasoning_details": [{"text": "a"}]}) + chunk({"reasoning_details": [{"text": "b"}]}))
    assert found["choices"][0]["message"]["reasoning_details"] == [{"text": "a"}, {"text": "b"}]


def test_logprobs_of_both_kinds_are_joined() -> None:
    """Content and refusal have lists of their own, and null while they are empty."""
    one = event({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [1], "refusal": None}}]})
    two = event({"choices": [{"index": 0, "delta": {"refusal": "b"}, "logprobs": {"content": None, "refusal": [2]}}]})
    assert fold(one + two)["choices"][0]["logprobs"] == {"content": [1], "refusal": [2]}


def test_unknown_fields_are_kept_where_they_stood() -> None:
    """Of several values the last one wins, and null says nothing."""
    stream = b"".join(
        [
            event({**HEAD, "choices": [{"index": 0, "delta": {"role": "assistant", "z": 1}, "y": 1}], "x": 1}),
            event({**HEAD, "choices": [{"index": 0, "delta": {"content": "a", "z": 2}, "y": 2}], "x": 2}),
            event({**HEAD, "choices": [{"index": 0, "delta": {"z": None}, "y": None}], "x": None}),
        ]
    )
    found = fold(stream)
    assert (found["x"], found["choices"][0]["y"], found["choices"][0]["message"]["z"]) == (2, 2, 2)


def test_a_whole_message_in_a_chunk_is_the_message() -> None:
    """Servers that cannot stream send the unary choice in one event."""
    message = {"role": "assistant", "content": "all"}
    found = fold(event({**HEAD, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}) + DONE)
    assert found["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]


def test_what_is_cut_has_no_finish() -> None:
    """A unary client that gets what there was must see that it did not end."""
    assert fold(ROLE + says("x"))["choices"][0]["finish_reason"] is None


def test_comments_end_marks_and_split_data_are_no_trouble() -> None:
    """It is fed what the client would have got."""
    stream = b": hello\n\n" + MULTI_LINE.replace(DONE, b"data: [DONE] \r\n\r\n")
    assert fold(stream)["choices"][0]["message"]["content"] == "two lines"


def test_a_stream_without_choices_gives_an_answer_without_choices() -> None:
    """There is always a body to give."""
    assert fold(b"") == {"object": "chat.completion", "choices": []}


def told_as(*texts: bytes) -> bytes:
    """Return chunks whose texts are JSON strings as they stand here."""
    return b"".join([b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text for text in texts])


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        ([rb"a\ud83d", rb"\ude00b"], "a😀b"),
        ([rb"\ud83d", rb"\ude00\ud83d", rb"\ude00"], "😀😀"),
        ([rb"\ud83d", b"x"], "\ufffdx"),
        ([b"x", rb"\ude00"], "x\ufffd"),
        ([rb"\ude00", rb"\ud83d"], "\ufffd\ufffd"),
        ([rb"\ud83d", rb"\ud83d", rb"\ude00"], "\ufffd😀"),
        ([rb"\\ud83d", rb"\ud83d", rb"\ude00"], "\\ud83d😀"),
    ],
)
def test_halves_of_a_character_become_one(texts: list[bytes], whole: str) -> None:
    """Servers that cut by UTF-16 units send the halves in two deltas; what stays half cannot be written."""
    raw = told_as(*texts)
    assert ChatWatch().feed(raw) == raw
    assert fold(raw)["choices"][0]["message"]["content"] == whole


def test_halves_of_a_character_become_one_in_a_calls_arguments() -> None:
    """An application parses them."""
    raw = calls(0, name="f", arguments="") + calls(0, arguments="HIGH") + calls(0, arguments="LOW")
    raw = raw.replace(b"HIGH", rb"\ud83d").replace(b"LOW", rb"\ude00")
    assert fold(raw)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "😀"


def test_a_gathered_answer_holds_no_number_that_is_none() -> None:
    """NaN is no JSON, whichever encoder writes it."""
    probs = b'{"content":[NaN,-Infinity,1e999,-1.5]}'
    raw = b'data: {"choices":[{"index":0,"logprobs":%b,"delta":{"content":"x"}}]}\n\n' % probs
    assert ChatWatch().feed(raw) == raw
    for stream in (raw, raw + told_as(rb"\ud83d")):
        gathered = ChatFold()
        gathered.feed(stream)
        answer = json.loads(gathered.result(), parse_constant=pytest.fail)
        assert answer["choices"][0]["logprobs"] == {"content": [None, None, None, -1.5]}


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000, b"123456789012345678901234567890"])
def test_a_number_out_of_range_does_not_lose_the_answer(number: bytes) -> None:
    """JSON has numbers of any size."""
    raw = b'data: {"x":' + number + b',"choices":[{"index":0,"delta":{"content":"y"}}]}\n\n'
    assert ChatWatch().feed(raw) == raw
    assert fold(raw)["choices"][0]["message"]["content"] == "y"


def test_a_field_nested_deeply_is_kept() -> None:
    """The fast encoder stops at 254 levels."""
    raw = b'data: {"x":' + b"[" * 400 + b"]" * 400 + b',"choices":[{"delta":{"content":"y"}}]}\n\n'
    assert ChatWatch().feed(raw) == raw
    gathered = ChatFold()
    gathered.feed(raw)
    assert b"[" * 400 + b"]" * 400 in gathered.result()


@pytest.mark.parametrize(
    ("delta", "message"),
    [
        ({"tool_calls": 5}, {"tool_calls": []}),
        ({"tool_calls": [5, None]}, {"tool_calls": []}),
        ({"tool_calls": [{"index": 0, "id": "1", "function": "f"}]}, {"tool_calls": [{"id": "1"}]}),
        ({"function_call": "f"}, {}),
        ({"content": ["x"]}, {"content": ["x"]}),
    ],
)
def test_a_malformed_piece_is_left_out(delta: dict[str, Any], message: dict[str, Any]) -> None:
    """The rest of the answer is worth having."""
    odd = event({"choices": [{"index": 0, "delta": {"content": None}, "logprobs": [1], "message": 1}]})
    last = chunk(delta, finish="stop")
    assert ChatWatch().feed(odd + last) == odd + last
    [choice] = fold(odd + last)["choices"]
    assert choice == {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": "stop"}


keys = [
    "index",
    "delta",
    "content",
    "role",
    "tool_calls",
    "function",
    "function_call",
    "arguments",
    "name",
    "id",
    "logprobs",
    "type",
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4),
    max_leaves=12,
)
choices = st.fixed_dictionaries(
    {"index": st.integers(0, 1)},
    optional={
        "delta": st.none() | st.dictionaries(st.sampled_from(keys), junk, max_size=5),
        "logprobs": junk,
        "message": junk,
        "finish_reason": junk,
    },
)


@given(st.lists(st.lists(choices, max_size=2), max_size=5))
def test_nothing_that_the_watch_lets_pass_raises(chunks: list[list[dict[str, Any]]]) -> None:
    """The watch looks at what it needs only; a call that is none is left out, and the answer is a body all the same."""
    watch, gathered = ChatWatch(2), ChatFold()
    for found in chunks:
        gathered.feed(watch.feed(event({"choices": found})))
    answer = json.loads(gathered.result())
    assert answer["object"] == "chat.completion"
    assert [c["index"] for c in answer["choices"]] == sorted({c["index"] for c in answer["choices"]})


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_every_transcript_says_the_same_gathered(name: str) -> None:
    """What a streaming client reads piece by piece, the unary client reads at once."""
    found: dict[tuple[int, str], str] = {}
    for choice in fold(TRANSCRIPTS[name])["choices"]:
        message = dict(choice["message"])
        for at, call in enumerate(message.pop("tool_calls", ())):
            message[f"call {at}"] = call["function"]["arguments"]
        found |= {(choice["index"], field): text for field, text in message.items() if isinstance(text, str) and text}
    assert {where: text for where, text in found.items() if where[1] != "role"} == content(TRANSCRIPTS[name])


def test_a_whole_message_after_its_pieces_does_not_double_them() -> None:
    """Some servers repeat the message in the last chunk."""
    last = event(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "xy"}, "finish_reason": "stop"}]}
    )
    assert fold(says("x") + says("y") + last)["choices"][0]["message"]["content"] == "xy"
