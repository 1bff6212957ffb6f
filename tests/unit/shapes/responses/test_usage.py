"""Token counts of the Responses API."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Usage
from lbd.shapes.responses import usage

DETAILS = {"cached_tokens": 16, "cache_write_tokens": 2}
WHOLE = {
    "input_tokens": 20,
    "input_tokens_details": DETAILS,
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 27,
}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (WHOLE, Usage(20, 7, 16, 3, written=2)),
        ({"input_tokens": 20}, Usage(20)),
        ({"output_tokens": "7"}, Usage(0, 7)),
        ({"input_tokens": 10, "input_tokens_details": DETAILS}, Usage(10, 0, 10)),
        ({"input_tokens": 20, "input_tokens_details": None, "output_tokens_details": 3}, Usage(20)),
        ({"input_tokens": None}, None),
        ({"input_tokens": -1}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
)
def test_counts_are_read_as_far_as_they_can_be(found: Any, told: Usage | None) -> None:
    """What is no count is not known; parts of the prompt are never more than it."""
    assert usage.read(found) == told


counts = st.integers(0, 10**9)


@given(counts, counts, counts)
def test_what_is_written_is_read_again(fresh: int, completion: int, cached: int) -> None:
    """The total is the sum."""
    whole = Usage(min(fresh + cached, 10**9), completion, min(cached, 10**9))
    told = usage.fields(whole)
    assert usage.read(told) == whole
    assert told["total_tokens"] == told["input_tokens"] + told["output_tokens"]


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), st.none() | st.integers() | st.floats() | st.text(max_size=3)))
def test_junk_raises_nothing(found: dict[str, Any]) -> None:
    """An answer is good whatever its provider makes of counting."""
    read = usage.read(found)
    assert read is None or read.prompt >= read.cached
