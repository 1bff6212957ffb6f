"""Tokens over time, and usual lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Usage
from lbd.state.volume import LENGTH_WEIGHT, Length, Volume, volumes
from lbd.state.window import FIVE_MINUTES, HOUR

NOW = 1000.0


def test_tokens_add_up_over_a_window_and_age_out_of_it() -> None:
    """What is older than the window is no longer in it."""
    volume = volumes()
    volume.at(NOW).add(Usage(100, 10, cached=40))
    volume.at(NOW + 30).add(Usage(50, 5))
    assert volume.over(FIVE_MINUTES, NOW + 60).usage() == Usage(150, 15, 40)
    assert volume.over(FIVE_MINUTES, NOW + 400).usage() == Usage()
    assert volume.over(HOUR, NOW + 400).usage() == Usage(150, 15, 40)


def test_a_copy_goes_its_own_way() -> None:
    """As every slot's copy does."""
    one = Volume(1, 2, 1)
    other = one.copy()
    other.merge(one)
    assert (one.usage(), other.usage()) == (Usage(1, 2, 1), Usage(2, 4, 2))


def test_a_length_follows_slowly() -> None:
    """The first answer sets it, each further one moves it by a twentieth."""
    length = Length()
    assert length.told() == 0
    length.learn(100)
    length.learn(200)
    assert length.usual == pytest.approx(100 + LENGTH_WEIGHT * 100)


@given(st.floats(0, 1e6))
def test_a_length_is_told_within_seven_percent(usual: float) -> None:
    """In at most eight steps an octave, never less than nothing."""
    told = Length(usual).told()
    assert abs(told - usual) <= max(0.5, usual / 15) + 0.5


def test_small_moves_are_not_told() -> None:
    """So that decisions stay remembered."""
    assert len({Length(200 + n).told() for n in range(8)}) <= 2
