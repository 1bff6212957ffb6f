"""Answers against what was asked of them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.request import Body, Head
from lbd.model.validation import Validation
from lbd.shapes.validate.check import applies, judged
from lbd.shapes.validate.pattern import compiled
from tests.fakes.stage import whole

SCHEMA = orjson.dumps({"type": "object", "required": ["a"]})


def asked(**members: Any) -> Body:
    return Body("openai.chat", orjson.dumps({"model": "m", **members}), Head("m"))


def why(wanted: Validation, text: str, **members: Any) -> str | None:
    failure = judged(wanted, asked(**members), whole(text))
    if failure is None:
        return None
    assert failure.kind is FailureKind.INVALID_ANSWER
    return failure.message.removeprefix("the answer is not valid: ")


@pytest.mark.parametrize(
    ("wanted", "good", "bad", "reason"),
    [
        (Validation(min_chars=3), "abc", "ab", "min_chars: 2 characters, at least 3 were asked for"),
        (Validation(max_chars=3), "abc", "abcd", "max_chars: 4 characters, at most 3 were asked for"),
        (Validation(regex="^[0-9]+$"), "12", "1x", "regex: the expression is not found in it"),
        (Validation(schema=SCHEMA), '{"a": 1}', "{}", "json_schema: the answer breaks the schema at required"),
        (Validation(refusal=True), "Yes.", "I can't help with that.", "refusal: it begins like a refusal"),
        (Validation(language="en"), "short", "der und ist nicht " * 9, "language: de instead of en"),
    ],
)
def test_each_check_says_what_it_found(wanted: Validation, good: str, bad: str, reason: str) -> None:
    """By its own name, and without a word of the answer."""
    assert why(wanted, good) is None
    assert why(wanted, bad) == reason


def test_the_request_s_own_schema_is_held_to() -> None:
    """And where it names none, or one that is none, there is nothing to hold to."""
    own = Validation(own_schema=True)
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"required": ["a"], "type": "object"}}}
    assert why(own, "{}", response_format=form) == "json_schema: the answer breaks the schema at required"
    assert why(own, '{"a":1}', response_format=form) is None
    assert why(own, "no JSON") is None
    both = Validation(schema=SCHEMA, own_schema=True)
    assert why(both, "{}") == "json_schema: the answer breaks the schema at required", "the surface's"
    form["json_schema"] = {"name": "x", "schema": {"type": "nope"}}
    assert why(own, "{}", response_format=form) is None


def test_the_provider_s_own_word_is_a_refusal() -> None:
    """Whatever it says beside it."""
    answer = orjson.dumps({"choices": [{"message": {"content": None, "refusal": "No."}}]})
    failure = judged(Validation(refusal=True), asked(), answer)
    assert failure is not None and "the model refuses" in failure.message
    assert judged(Validation(min_chars=1), asked(), answer) is None, "its words are the text"


def test_a_call_is_no_last_word() -> None:
    """The client goes on from it; the words beside it are held to nothing."""
    answer = orjson.dumps({"choices": [{"message": {"content": None, "tool_calls": [{"id": "c"}]}}]})
    assert judged(Validation(min_chars=1, schema=SCHEMA, regex="x"), asked(), answer) is None


def test_every_choice_is_held_to_it() -> None:
    """One that fails is enough, and it is told which."""
    answer = orjson.dumps({"choices": [{"message": {"content": t}} for t in ("long enough", "no")]})
    failure = judged(Validation(min_chars=3), asked(), answer)
    assert failure is not None and failure.message.endswith("(choice 1)")


def test_a_text_beyond_the_window_of_an_expression_passes() -> None:
    """What is not looked at is not judged."""
    window = compiled("^x").window
    assert why(Validation(regex="^x"), "a" * window) is not None
    assert why(Validation(regex="^x"), "a" * (window + 1)) is None


def test_only_whole_answers_that_say_something_are_held_to_anything() -> None:
    """What was shown cannot be taken back; vectors say nothing."""
    assert applies("openai.chat", stream=False) and applies("anthropic.messages", stream=False)
    assert not applies("openai.chat", stream=True)
    assert not applies("openai.embeddings", stream=False)
    assert judged(Validation(min_chars=1), asked(), b"junk") is None


@given(st.text(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_bounds_of_length_are_exact(text: str, least: int, most: int) -> None:
    """In characters, as Python counts them."""
    assert (why(Validation(min_chars=least, max_chars=most), text) is None) is (least <= len(text) <= most)
