"""Token counts, in order and not."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Usage
from lbd.shapes.chat.usage import MOST_TOKENS, UsageFields, odd
from tests.unit.shapes.streams import USAGE


def strict(raw: bytes) -> Usage | None:
    return msgspec.json.decode(raw, type=UsageFields).usage()


def loose(raw: bytes) -> Usage | None:
    found = odd(json.loads(raw))
    assert found is not None
    return found.usage()


def test_usage_in_order_is_read_alike_in_both_ways() -> None:
    """The second look adds nothing and loses nothing."""
    raw = json.dumps(USAGE).encode()
    assert strict(raw) == loose(raw) == Usage(20, 7, 16, 3)


def test_null_is_no_usage() -> None:
    """Providers send it in every event but the last."""
    assert odd(None) is None


@pytest.mark.parametrize(
    ("count", "read"),
    [
        (b"12", 12),
        (b"12.0", 12),
        (b"1.2e1", 12),
        (b"12.7", 12),
        (b'"12"', 12),
        (b'" 12.0 "', 12),
        (b"0", 0),
        (b"-0.0", 0),
        (b"%d" % MOST_TOKENS, MOST_TOKENS),
        (b"%d" % (MOST_TOKENS + 1), None),
        (b"18446744073709551617", None),
        (b"-1", None),
        (b"-0.5", None),
        (b'"-1"', None),
        (b'"NaN"', None),
        (b'"Infinity"', None),
        (b'"twelve"', None),
        (b'""', None),
        (b"true", None),
        (b"null", None),
        (b"[12]", None),
        (b'{"value":12}', None),
    ],
)
def test_a_count_is_read_where_it_is_one(count: bytes, read: int | None) -> None:
    """In the place of each of the four."""
    assert loose(b'{"prompt_tokens":%b,"completion_tokens":1.0}' % count) == Usage(read or 0, 1)
    alone = loose(b'{"completion_tokens":%b}' % count)
    assert alone == (None if read is None else Usage(0, read))
    details = b'{"prompt_tokens":%d,"prompt_tokens_details":{"cached_tokens":%b},' % (MOST_TOKENS, count)
    details += b'"completion_tokens_details":{"reasoning_tokens":%b}}' % count
    assert loose(details) == Usage(MOST_TOKENS, 0, read or 0, read or 0)


@pytest.mark.parametrize("raw", [b"-1", b"%d" % (MOST_TOKENS + 1), b"1" * 40])
def test_the_strict_way_refuses_what_is_no_count(raw: bytes) -> None:
    """Or a bill below nothing, or beyond 64 bits, would get into the books."""
    with pytest.raises(msgspec.ValidationError):
        strict(b'{"prompt_tokens":%b}' % raw)


@pytest.mark.parametrize(
    "raw",
    [b"[]", b'"12"', b"12", b"true", b"{}", b'{"prompt_tokens":1e999}',
     b'{"prompt_tokens_details":{"cached_tokens":5}}', b'{"tokens":5}'],
)  # fmt: skip
def test_usage_that_counts_nothing_is_not_known(raw: bytes) -> None:
    """It is estimated then, as where there is none."""
    assert loose(raw) is None


@pytest.mark.parametrize("details", [b"[]", b"5", b'"x"', b"null", b'{"cached_tokens":[]}'])
def test_odd_details_do_not_cost_the_counts_beside_them(details: bytes) -> None:
    """As far as it can be read."""
    assert loose(b'{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":%b}' % details) == Usage(3, 2)


def test_no_more_of_a_prompt_is_cached_than_there_is() -> None:
    """What is cached is cheaper by its part: with more of it than prompt the cost would be negative."""
    raw = b'{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":500}}'
    assert strict(raw) == loose(raw) == Usage(10, 1, 10)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from([*USAGE, "cached_tokens"]), x, max_size=4),
    max_leaves=8,
)


@given(json_values)
def test_whatever_stands_there_raises_nothing_and_counts_within_bounds(value: object) -> None:
    """NaN included, which is no JSON."""
    found = odd(value)
    usage = None if found is None else found.usage()
    if usage is not None:
        assert all(0 <= n <= MOST_TOKENS for n in (usage.prompt, usage.completion, usage.cached, usage.reasoning))
        assert usage.cached <= usage.prompt


def test_what_was_written_to_a_cache_is_a_part_of_the_prompt() -> None:
    """Priced by itself, and never more than there is beside what was read from it."""
    raw = (
        b'{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":4}}'
    )
    assert strict(raw) == loose(raw) == Usage(10, 1, 3, written=4)
    assert strict(raw.replace(b":4}", b":40}")) == Usage(10, 1, 3, written=7)
