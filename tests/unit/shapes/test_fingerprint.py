"""The build that answered, found in the bytes and nowhere else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.fingerprint import fingerprint


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_it_is_found_in_answers_and_events(separators: tuple[str, str]) -> None:
    """With and without blanks, at either end."""
    answer = {"id": "x", "choices": [], "system_fingerprint": "fp_44709d6fcb"}
    text = json.dumps(answer, separators=separators)
    assert fingerprint(text.encode()) == "fp_44709d6fcb"
    assert fingerprint(f"data: {text}\n\ndata: [DONE]\n\n".encode()) == "fp_44709d6fcb"


@pytest.mark.parametrize("value", [None, 7, "", "x" * 129, "a\nb", 'a"b', "\u00e9", ["fp"], {"a": "b"}])
def test_what_is_no_plain_word_is_none(value: object) -> None:
    """It goes into events and logs: short, printable, or nothing."""
    assert fingerprint(json.dumps({"system_fingerprint": value}).encode()) is None


def test_without_one_there_is_none() -> None:
    """Most providers tell none."""
    assert fingerprint(b"") is None
    assert fingerprint(b'{"choices": []}') is None


@given(st.text())
def test_no_text_of_a_model_passes_for_one(text: str) -> None:
    """Whatever a model says, its quotes are escaped."""
    said = 'say "system_fingerprint": "fp_false" ' + text
    assert fingerprint(json.dumps({"choices": [{"message": {"content": said}}]}).encode()) is None
