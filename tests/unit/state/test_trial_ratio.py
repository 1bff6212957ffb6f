"""The sample-ratio test."""

from __future__ import annotations

import math
from random import Random  # noqa: TID251  seeded: the same sequences each time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.trial_ratio import ALPHA, log_evidence, mismatch


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0.01, 0.99))
def test_before_anything_is_seen_there_is_no_evidence(control: int, treated: int, share: float) -> None:
    """And it is the same from both sides."""
    assert log_evidence(0, 0, share) == pytest.approx(0, abs=1e-9)
    assert log_evidence(control, treated, share) == pytest.approx(log_evidence(treated, control, 1 - share), abs=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_it_is_a_martingale_where_the_ratio_is_right(share: float) -> None:
    """The mean of the factor after one more unit is the factor before it: exactly what Ville's bound needs."""
    for control, treated in ((0, 0), (5, 0), (90, 10), (50, 50), (1000, 200)):
        before = math.exp(log_evidence(control, treated, share))
        after = share * math.exp(log_evidence(control, treated + 1, share))
        after += (1 - share) * math.exp(log_evidence(control + 1, treated, share))
        assert after == pytest.approx(before, rel=1e-6)


def test_it_does_not_cry_where_the_ratio_is_right() -> None:
    """Looked at after every unit of 1,000 sequences; one in 1,000 may, three would be far beyond chance."""
    random = Random(7)
    false = 0
    for _ in range(1000):
        counts = [0, 0]
        for n in range(1, 1001):
            counts[random.random() < 0.1] += 1
            if n % 5 == 0 and mismatch(counts[0], counts[1], 0.1):
                false += 1
                break
    assert false <= 5, false
    assert ALPHA == 0.001


def test_it_finds_units_that_get_lost() -> None:
    """A fifth of the treated: within 10,000 units of 5 in 10."""
    random = Random(3)
    for _ in range(20):
        counts = [0, 0]
        while not mismatch(counts[0], counts[1], 0.5):
            treated = random.random() < 0.5
            counts[treated] += not treated or random.random() < 0.8
            assert sum(counts) < 10_000
