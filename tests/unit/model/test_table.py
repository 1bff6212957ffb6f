"""The table as readers see it: prompt-size buckets, and rows by their id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.table import SIZE_BOUNDS, SIZES, size_bucket
from tests.fakes.tables import snapshot, view


@pytest.mark.parametrize(("tokens", "bucket"), [(0, 0), (256, 0), (257, 1), (65536, 4), (65537, 5), (10**9, 5)])
def test_a_bound_belongs_to_its_bucket(tokens: int, bucket: int) -> None:
    """Upper bounds are inclusive; the last bucket has none."""
    assert size_bucket(tokens) == bucket


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_more_tokens_never_mean_a_smaller_bucket(a: int, b: int) -> None:
    """Monotone, and always an index of the tuples that are kept by size."""
    assert 0 <= size_bucket(a) < SIZES == len(SIZE_BOUNDS) + 1
    assert size_bucket(min(a, b)) <= size_bucket(max(a, b))


def test_a_snapshot_finds_its_rows_by_id() -> None:
    """None for a deployment that a reload took away."""
    table = snapshot([view("p/a"), view("p/b")])
    found = table.row("p/b")
    assert found is table.rows[1]
    assert table.row("p/gone") is None
