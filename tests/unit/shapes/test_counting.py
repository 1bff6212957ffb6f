"""What stands in for counts that a provider did not tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.model.outcome import Usage
from lbd.model.units import BYTES_PER_TOKEN
from lbd.shapes.counting import answer_tokens, filled, prompt_tokens, unsaid

COUNTS = st.integers(0, 1000)
TOLD = st.none() | st.builds(Usage, COUNTS, COUNTS, estimated=st.booleans())
WORDS = "w" * 40  # ten tokens


@given(TOLD, st.integers(1, 1000), COUNTS)
def test_what_was_filled_lacks_nothing_and_takes_nothing_back(told: Usage | None, prompt: int, contents: int) -> None:
    """It is marked, and never less than was told."""
    found = filled(told, prompt, contents)
    assert found.estimated and found.prompt and (found.completion or not contents)
    if told is not None:
        assert found.prompt == (told.prompt or prompt) and found.completion == max(told.completion, contents)
    assert filled(found, prompt, contents) == found


@pytest.mark.parametrize(
    ("told", "contents", "missing"),
    [
        (None, 0, True),
        (Usage(), 0, True),
        (Usage(0, 5), 5, True),  # some servers leave out a prompt that they had in their cache
        (Usage(5, 0), 5, True),
        (Usage(5, 1, estimated=True), 5, True),
        (Usage(5, 0), 0, False),  # refused before a word was written
        (Usage(5, 1), 9, False),  # it knows best
    ],
)
def test_noughts_are_missing_counts_where_something_is_there(told: Usage | None, contents: int, missing: bool) -> None:
    """And no others."""
    assert unsaid(told, contents) is missing


@pytest.mark.parametrize(("size", "tokens"), [(0, 1), (1, 1), (40, 10), (400, 100)])
def test_a_prompt_has_a_token_for_some_bytes(size: int, tokens: int) -> None:
    """One at least; how many bytes, the models of late have taught."""
    assert prompt_tokens(size) == tokens
    assert prompt_tokens(size, 2 / BYTES_PER_TOKEN) == max(1, 2 * size // BYTES_PER_TOKEN)


def _chat(**message: Any) -> dict[str, Any]:
    return {
        "id": "x" * 500,
        "choices": [{"index": 0, "message": message, "logprobs": {"content": [{"token": "x" * 99}]}}],
    }


CALL = {"id": "c" * 60, "type": "function", "function": {"name": "f", "arguments": WORDS}}
ANSWERS: dict[str, tuple[Any, int]] = {
    "chat": (_chat(content=WORDS), 10),
    "parts": (_chat(content=[{"type": "text", "text": WORDS}] * 2), 20),
    "thoughts and a call": (_chat(content=None, reasoning_content=WORDS, tool_calls=[CALL]), 20),
    "thoughts told twice": (_chat(reasoning_content=WORDS, reasoning_details=[{"text": WORDS}]), 10),
    "a refusal": (_chat(refusal=WORDS), 10),
    "two choices": ({"choices": [{"text": WORDS}, {"text": WORDS}]}, 20),
    "messages": ({"content": [{"type": "thinking", "thinking": WORDS, "signature": "s" * 400}, {"text": WORDS}]}, 20),
    "a call of messages": ({"content": [{"type": "tool_use", "input": {"a": "w" * 32}}]}, 10),
    "responses": ({"instructions": WORDS, "output": [{"content": [{"type": "output_text", "text": WORDS}]}]}, 10),
    "a call of responses": ({"output": [{"type": "function_call", "arguments": WORDS}]}, 10),
    "not English": ({"choices": [{"text": "ж" * 20}]}, 10),
    "a part of a token": ({"choices": [{"text": "wwwww"}]}, 2),
    "nothing": ({"choices": []}, 0),
    "no answer": ({}, 0),
    "a list": ([1, 2], 2),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_counted_by_what_was_written(name: str) -> None:
    """Not by what stands around it, and nothing of it twice."""
    answer, tokens = ANSWERS[name]
    assert answer_tokens(json.dumps(answer, ensure_ascii=False).encode()) == tokens


@pytest.mark.parametrize("answer", [b"w" * 40, b"{" * 40, b"\xff" * 40, b"[" * 100_000])
def test_what_cannot_be_read_is_counted_by_its_bytes(answer: bytes) -> None:
    """Something was written, after all."""
    assert answer_tokens(answer) == len(answer) // BYTES_PER_TOKEN


@settings(max_examples=50)
@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_no_answer_is_refused(value: Any) -> None:
    """Whatever stands in it is no more than its bytes."""
    for name in ("choices", "content", "output", "x"):
        answer = json.dumps({name: value, "input": {"a": value}}, ensure_ascii=False).encode("utf-8", "replace")
        assert 0 <= answer_tokens(answer) <= len(answer)


def test_the_arguments_of_a_call_may_be_nested_deeper_than_json_is_written() -> None:
    """They count for something."""
    deep = '{"content": [{"input": ' + '{"a":' * 300 + "1" + "}" * 300 + "}]}"
    assert answer_tokens(deep.encode()) >= 1
