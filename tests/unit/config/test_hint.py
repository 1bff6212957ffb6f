"""What was probably meant."""

from __future__ import annotations

import time

import pytest

from lbd.config.hint import known, meant, unknown

WORDS = ["base_url", "api_key", "deployments", "env", "OpenAI"]


@pytest.mark.parametrize(
    ("word", "near"),
    [("base_ulr", "base_url"), ("apikey", "api_key"), ("deployment", "deployments"), ("envv", "env"), ("evn", "env"),
     ("BASE_URL", "base_url"), ("openai", "OpenAI"), ("base-url", "base_url")],
)  # fmt: skip
def test_a_mistyped_word_is_recognised(word: str, near: str) -> None:
    """Swapped, missing and doubled letters, and letters of the other case."""
    assert meant(word, WORDS) == f" (did you mean {near}?)"


@pytest.mark.parametrize("word", ["", "x", "frobnicate", "5"])
def test_nothing_is_made_up(word: str) -> None:
    """A hint that is far off is worse than none."""
    assert meant(word, WORDS) == ""
    assert meant(word, []) == ""


def test_a_word_that_is_far_off_gets_the_whole_list() -> None:
    """One of them is what it should have been."""
    assert unknown("frobnicate", ["b", "a"]) == ". Known: a, b"
    assert unknown("api_keys", WORDS) == " (did you mean api_key?)"
    assert unknown("x", []) == ""
    assert known(["b", "a"]) == " Known: a, b"


def test_a_text_is_no_mistyped_word() -> None:
    """Comparing a pasted certificate with every key would take seconds."""
    began = time.perf_counter()
    assert meant("api_key" * 10_000, WORDS) == ""
    assert time.perf_counter() - began < 0.1
