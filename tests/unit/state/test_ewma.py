"""Peak EWMA: up at once, down slowly, and reading changes nothing."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state import ewma
from lbd.state.ewma import TAU, PeakEwma

values = st.floats(0.001, 1000)
gaps = st.floats(0, 100)


def test_the_first_sample_is_the_average() -> None:
    """Nothing is known before it, not even zero."""
    assert ewma.add(None, 0.5, 3.0) == PeakEwma(0.5, 3.0)


@given(values, values, gaps)
def test_a_peak_replaces_the_average_at_once(value: float, sample: float, gap: float) -> None:
    """A sample at or above the average is the new average, however little time has passed."""
    if sample >= value:
        assert ewma.add(PeakEwma(value, 5.0), sample, 5.0 + gap) == PeakEwma(sample, 5.0 + gap)


@given(values, values, gaps)
def test_a_lower_sample_pulls_it_down_but_not_below_itself(value: float, sample: float, gap: float) -> None:
    """The new average lies between the sample and the old average."""
    after = ewma.add(PeakEwma(value, 5.0), sample, 5.0 + gap)
    assert min(sample, value) - 1e-9 <= after.value <= max(sample, value) + 1e-9
    assert after.at == 5.0 + gap


def test_one_time_constant_leaves_a_share_of_one_over_e() -> None:
    """The way down has weight 1 - exp(-dt / TAU)."""
    after = ewma.add(PeakEwma(11.0, 0.0), 1.0, TAU)
    assert after.value == pytest.approx(1.0 + 10.0 / math.e)
    assert ewma.at(PeakEwma(11.0, 0.0), TAU, 1.0) == pytest.approx(1.0 + 10.0 / math.e)


@given(values, st.lists(gaps, min_size=2, max_size=10), values)
def test_reading_does_not_mutate(value: float, times: list[float], floor: float) -> None:
    """Any reads in any order: the same instant reads the same, and a later sample is taken as if nobody had read."""
    state = PeakEwma(value, 1.0)
    first = [ewma.at(state, 1.0 + t, floor) for t in times]
    assert [ewma.at(state, 1.0 + t, floor) for t in reversed(times)] == first[::-1]
    assert state == PeakEwma(value, 1.0)


@given(values, st.lists(gaps, min_size=2, max_size=10).map(sorted), values)
def test_without_samples_it_sinks_towards_the_floor_and_never_below(
    value: float, times: list[float], floor: float
) -> None:
    """Monotone decay; where the average is below the floor already, the floor is what is read."""
    seen = [ewma.at(PeakEwma(value, 1.0), 1.0 + t, floor) for t in times]
    assert all(a >= b for a, b in pairwise(seen))
    assert all(floor <= s <= max(value, floor) * (1 + 1e-12) for s in seen)
    assert ewma.at(PeakEwma(value, 1.0), 1e6, floor) == floor


def test_nothing_known_reads_as_the_floor() -> None:
    """A row without samples has the best value there is."""
    assert ewma.at(None, 5.0, 0.001) == 0.001


@given(values, values, gaps)
def test_a_clock_that_steps_back_is_no_time(value: float, sample: float, gap: float) -> None:
    """An instant before the last change weighs like the same instant."""
    state = PeakEwma(value, 500.0)
    assert ewma.at(state, 500.0 - gap, 0.0) == pytest.approx(value)
    assert ewma.add(state, sample, 500.0 - gap).value == pytest.approx(max(value, sample))
