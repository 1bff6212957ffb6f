"""Token counts as Anthropic writes them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Usage
from lbd.shapes.messages.usage import UsageFields, fields
from tests.unit.shapes.conversations import junk

counts = st.integers(0, 10**6)


@given(counts, counts, counts, counts, counts)
def test_counts_go_both_ways(fresh: int, read: int, written: int, out: int, thought: int) -> None:
    """Anthropic's input leaves out what came of the cache or went to it; lbd's prompt, as OpenAI's, holds it."""
    usage = Usage(fresh + read + written, out, read, thought, written=written)
    told = fields(usage)
    assert told["input_tokens"] == fresh
    assert told["cache_read_input_tokens"] == read
    assert told["cache_creation_input_tokens"] == written
    assert told["output_tokens"] == out
    assert msgspec.convert(told, UsageFields).usage() == usage


def test_counts_of_which_the_cached_ones_are_too_many_are_never_negative() -> None:
    """Some servers count what is cached apart from the prompt."""
    assert fields(Usage(prompt=3, cached=5, written=1))["input_tokens"] == 0


def test_nothing_told_is_nothing_known() -> None:
    """A count that cannot be read is not known, and not zero."""
    assert UsageFields().usage() is None
    assert UsageFields(input_tokens="many", output_tokens=-1).usage() is None
    assert UsageFields(output_tokens_details={"thinking_tokens": 3}).usage() is None


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (UsageFields(output_tokens=9), Usage(20, 9, 10, 2, written=6)),
        (UsageFields(input_tokens=1), Usage(17, 5, 10, 2, written=6)),
        (UsageFields(cache_read_input_tokens=0), Usage(10, 5, 0, 2, written=6)),
        (UsageFields(cache_creation_input_tokens=7), Usage(21, 5, 10, 2, written=7)),
        (UsageFields(output_tokens=5, output_tokens_details={"thinking_tokens": 4}), Usage(20, 5, 10, 4, written=6)),
        (UsageFields(), Usage(20, 5, 10, 2, written=6)),
    ],
)
def test_a_later_word_replaces_an_earlier_one(later: UsageFields, expected: Usage) -> None:
    """Counts are cumulative; what an event does not tell remains."""
    assert later.usage(Usage(20, 5, 10, 2, written=6)) == expected


@given(st.lists(junk, min_size=5, max_size=5))
def test_junk_is_left_out(values: list[object]) -> None:
    """Counts are not negative, whatever stands there."""
    usage = UsageFields(*values).usage()
    if usage is not None:
        assert min(usage.prompt, usage.completion, usage.cached, usage.written, usage.reasoning) >= 0
