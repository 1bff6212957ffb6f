"""Tokens over time, and usual lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Usage
from lbd.state.volume import LENGTH_HALF_LIFE, LONGEST_SAMPLE, USUAL_OUTPUT, Length, Volume, volumes
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


def learned(*lengths: int, at: float = NOW) -> Length:
    length = Length()
    for tokens in lengths:
        length.learn(tokens, at)
    return length


def test_a_length_begins_with_what_is_usual_and_follows_slowly() -> None:
    """The first answers weigh as in a mean that begins with one usual answer; later ones move it by a twentieth."""
    assert learned().expected(NOW) == USUAL_OUTPUT
    assert learned(100).usual == pytest.approx((USUAL_OUTPUT + 100) / 2)
    assert learned(100, 100, 100).usual == pytest.approx((USUAL_OUTPUT + 300) / 4)
    many = learned(*[100] * 400)
    assert many.usual == pytest.approx(100, abs=0.01)
    many.learn(200, NOW)
    assert many.usual == pytest.approx(105, abs=0.01)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=5))
def test_no_single_answer_moves_it_far(lengths: list[int]) -> None:
    """Whatever a provider counts: at most some times what it was."""
    length = Length()
    for tokens in lengths:
        before = length.usual
        length.learn(tokens, NOW)
        assert 0 < length.usual <= (1 + LONGEST_SAMPLE) / 2 * before + 1


def test_without_answers_it_drifts_to_what_is_usual() -> None:
    """A model that was shut out for its long answers is tried again."""
    long = learned(*[2000] * 50)
    start = long.expected(NOW)
    assert long.expected(NOW + LENGTH_HALF_LIFE) == pytest.approx((start + USUAL_OUTPUT) / 2)
    assert long.expected(NOW + 50 * LENGTH_HALF_LIFE) == pytest.approx(USUAL_OUTPUT)


def test_what_was_kept_is_taken_over_aged_unless_answers_know_better() -> None:
    """A row of the same model may have told it already."""
    length = Length()
    length.restore(0.0, NOW, 0.0)
    assert length.expected(NOW) == USUAL_OUTPUT
    length.restore(1000.0, NOW, LENGTH_HALF_LIFE)
    assert length.expected(NOW) == pytest.approx((1000 + USUAL_OUTPUT) / 2)
    length.restore(5.0, NOW, 0.0)
    assert length.usual == 1000


@given(st.integers(1, 10**6))
def test_a_length_is_told_within_seven_percent(tokens: int) -> None:
    """In at most eight steps an octave, never less than nothing."""
    length = learned(tokens)
    assert abs(length.told(NOW) - length.usual) <= length.usual / 15 + 1


def test_small_moves_are_not_told() -> None:
    """So that decisions stay remembered."""
    assert len({learned(200 + n).told(NOW) for n in range(8)}) <= 2
