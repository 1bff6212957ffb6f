"""What is read of a prompt: kinds, measures, limits, and what does not matter."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.router.cues import NAMES
from lbd.router.text import HEAD, SLOTS, TAIL, Kind, read, said, shortened

LISTED = (
    "Where is Ghirardelli Square located?\nA. Milan\nB. Rome, 3 km away\nC. Washington DC\nD. San Francisco\nAnswer:"
)
STORY = "Mrs. Thompson bought 3 chickens for $3 each and paid $15 in total with a bag. How much did the bag cost?"


def measure(text: str, name: str) -> float:
    """Return one measure."""
    return read(text).measures[NAMES.index(name)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (LISTED, Kind.LISTED),
        ("Pick:\n(a) one of them\n(b) another", Kind.LISTED),
        ("Pick:\nA. only one", Kind.OPEN),
        (STORY, Kind.SUMS),
        ("Compute $3 + 4 = 7$ for 3 and 4 of the numbers that were given to you here", Kind.OPEN),
        ("who owns the first casino", Kind.OPEN),
        ("", Kind.OPEN),
    ],
)
def test_the_kind_is_told_by_form(text: str, kind: Kind) -> None:
    """Options, a story with numbers, anything else."""
    assert read(text).kind is kind


def test_options_are_counted_and_measured() -> None:
    """How many, how long, how many with numbers."""
    assert measure(LISTED, "options") == 4
    assert measure(LISTED, "numeric_options") == 0.25
    assert measure(LISTED, "longest_option") > measure(LISTED, "option_words")


def test_numbers_count_by_their_length() -> None:
    """12 and 99 are one word to the tables; their values are measures."""
    assert read("add 12 to it now").slots == read("add 99 to it now").slots
    assert measure("1,250.5 apples and 3", "largest_number") == math.log1p(1250.5)
    assert measure("1,250.5 apples and 3", "decimals") == math.log1p(1)


def test_case_does_not_matter() -> None:
    """Shouting is no difficulty."""
    assert read(STORY.upper()).measures == read(STORY).measures
    assert read(STORY.upper()).slots == read(STORY).slots


def test_only_head_and_tail_are_read() -> None:
    """The middle of a long text changes nothing."""
    text = "a" * HEAD + "b" * 10_000 + "c" * TAIL
    assert shortened(text) == "a" * HEAD + "\n" + "c" * TAIL
    assert shortened("short") == "short"


def test_slots_are_those_of_words_and_pairs() -> None:
    """Each can be named again."""
    found = read("alpha beta alpha")
    assert found.tokens == ["alpha", "beta", "alpha"]
    assert {said(found, slot) for slot in found.slots} == {"alpha", "beta", "alpha beta", "beta alpha"}
    assert {found.codes[t] % SLOTS for t in found.tokens} < found.slots
    assert said(found, next(s for s in range(SLOTS) if s not in found.slots)) == ""


def test_a_story_may_say_its_numbers_as_words() -> None:
    """Where it is asked how many, one figure is enough; elsewhere not."""
    told = "Luke ate 2 hot dogs and Thomas ate three times as many as Luke did"
    assert read(told + ". How many did Thomas eat?").kind is Kind.SUMS
    assert read(told + ". Why does that matter to anyone here?").kind is Kind.OPEN
    assert measure("It costs $3.50 or 4 or 2.25", "points") == math.log1p(2)


@given(st.text(max_size=400))
def test_any_text_gives_finite_measures(text: str) -> None:
    """Also empty, with NULs, in any script."""
    found = read(text)
    assert len(found.measures) == len(NAMES)
    assert all(math.isfinite(x) for x in found.measures)
    assert all(0 <= s < SLOTS for s in found.slots)


@pytest.mark.parametrize(
    "text", ["9" * 5000, "\x00" * 100, "٣ ٤ ²³ ½", "x" * 1_000_000, "\ud800 lone", "1,000,000.5.5"]
)
def test_odd_texts_are_read(text: str) -> None:
    """Numbers beyond floats, digits of other scripts, a megabyte."""
    assert all(math.isfinite(x) for x in read(text).measures)
