"""OpenAI's older text completions, client side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes.clients.completions import read


def head(**more: Any) -> Head:
    found = read(json.dumps({"model": "m", **more}).encode())
    assert isinstance(found, Head), found
    return found


@pytest.mark.parametrize(
    ("prompt", "n", "choices"),
    [
        ("hi", None, 1),
        ("hi", 2, 2),
        (["a", "b"], None, 2),
        (["a", "b"], 2, 4),
        ([1, 2, 3], None, 1),
        ([[1], [2]], 1, 2),
    ],
)
def test_every_prompt_gets_answers_of_its_own(prompt: Any, n: int | None, choices: int) -> None:
    """A stream is whole when all of them have ended."""
    assert head(prompt=prompt, n=n).n == choices


def test_answers_that_are_thrown_away_count_too() -> None:
    """They are paid for; a stream does not wait for them."""
    read_ = head(prompt=["a", "b"], n=2, best_of=5)
    assert (read_.n, read_.draws) == (4, 10)


def test_what_routing_needs_is_read() -> None:
    """The bound is sixteen tokens where none is named, as the API has it."""
    assert head(prompt="hi").max_output_tokens == 16
    read_ = head(prompt="x" * 5000, max_tokens=9, stream=True, stream_options={"include_usage": True})
    assert (read_.max_output_tokens, read_.stream, read_.include_usage) == (9, True, True)
    assert read_.text_bytes == 5002 and read_.prefix_hash
    assert head(prompt="hi").prefix_hash == 0


@pytest.mark.parametrize("raw", [b"", b'{"prompt":"x"}', b'{"model":""}', b'{"model":"m","stream":"yes"}', b"[1]"])
def test_what_cannot_be_read_is_refused(raw: bytes) -> None:
    """In words."""
    assert isinstance(read(raw), Failure)
