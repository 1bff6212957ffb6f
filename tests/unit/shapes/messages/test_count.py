"""A count that a provider gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.messages.count import facts


def test_a_count_is_an_answer_that_costs_nothing() -> None:
    """It has no usage."""
    assert facts(b'{"input_tokens": 14}').failure is None
    assert facts(b'{"input_tokens": 14}').usage is None


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"input_tokens":"x"}', b'{"error":{"message":"no"}}'])
def test_anything_else_is_a_failure(body: bytes) -> None:
    """In spite of its 200."""
    assert facts(body).failure is not None


@given(st.binary(max_size=40))
def test_junk_raises_nothing(body: bytes) -> None:
    """Whatever answers."""
    facts(body)
