"""The base line: how long a first token takes where nobody waits, by the size of the prompt."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.baseline import (
    BOUNDS,
    KNOWN,
    MIDDLES,
    NORMAL,
    OUTLIER,
    STEP,
    Baseline,
    doubt,
    expected,
    learned,
    least,
)


def after(line: Baseline, *firsts: float, tokens: int = 100, waited: bool = False) -> Baseline:
    """Return the base line after so many answers."""
    for first in firsts:
        line = learned(line, first, tokens, waited=waited)
    return line


def test_nothing_is_expected_before_the_first_answer() -> None:
    """And of nothing there is no least."""
    assert expected(Baseline(), 100) is None
    assert least(Baseline()) is None


def test_it_is_the_mean_of_what_did_not_wait() -> None:
    """Not the smallest: half of the prompts are from the cache, and nobody says so."""
    line = after(Baseline(), *[0.5, 1.5] * 100)
    assert expected(line, 100) == pytest.approx(1.0, abs=0.25)
    assert line.noise == pytest.approx(0.6, abs=0.2), "1.25 times the mean deviation of a half"


def test_an_answer_that_may_have_waited_does_not_raise_it() -> None:
    """However many of them come."""
    line = after(Baseline(), 0.2, 0.2, 0.2)
    assert after(line, *[9.0] * 50, waited=True) == line
    assert after(line, *[0.1] * 50, waited=True) == line, "nor does one that was lucky lower it"


def test_while_nobody_was_seen_alone_the_quickest_counts() -> None:
    """It waited least of those that are known."""
    line = after(Baseline(), 3.0, 2.0, 5.0, waited=True)
    assert expected(line, 100) == 2.0
    assert after(line, 0.2).usual_s[6] == 0.2, "the first of which it is known takes its place"


def test_a_first_answer_behind_others_requests_is_forgotten_at_once() -> None:
    """Thirty seconds of somebody else's queue are no base line."""
    line = after(Baseline(), 30.0)
    assert expected(after(line, 0.3, waited=True), 100) == 0.3


def test_one_answer_behind_others_requests_later_hardly_moves_it() -> None:
    """It counts as eight times the usual at most."""
    line = after(Baseline(), *[1.0] * 40)
    assert expected(after(line, 60.0), 100) == pytest.approx(1.0 + 0.05 * (OUTLIER - 1))


def test_a_server_that_became_slower_is_learned() -> None:
    """Within some tens of answers that did not wait."""
    line = after(Baseline(), *[0.2] * 40)
    assert expected(after(line, *[0.8] * 60), 100) == pytest.approx(0.8, rel=0.1)


def test_a_bucket_that_is_not_known_follows_from_the_others() -> None:
    """A longer prompt takes no less, and no more than in proportion."""
    line = after(Baseline(), *[0.2] * KNOWN, tokens=100)
    assert expected(line, 20) == 0.2, "a shorter one takes no longer"
    four = expected(line, 400)
    assert four is not None and 0.2 * 400 / 128 <= four <= 0.2 * 4 * STEP**2
    line = after(line, *[5.0] * KNOWN, tokens=400)
    assert expected(line, 400) == pytest.approx(5.0, rel=0.15), "once it is known it is what it is, nearly"
    assert expected(line, 100) == pytest.approx(0.2, abs=0.2)
    line = after(after(line, *[0.2] * 60, tokens=100), *[5.0] * 60, tokens=400)
    assert expected(line, 400) == pytest.approx(5.0, rel=0.05)
    assert expected(line, 100) == pytest.approx(0.2, rel=0.05)


def test_few_answers_do_for_many_buckets() -> None:
    """A straight line through them tells of those that were not seen, and more than one that was seen once."""
    line = Baseline()
    for tokens in (100, 400, 1600, 6400):
        line = after(line, 0.1 + MIDDLES[bisect_left(BOUNDS, tokens)] / 2000, tokens=tokens)
    for tokens in (200, 800, 3200):
        assert expected(line, tokens) == pytest.approx(0.1 + MIDDLES[bisect_left(BOUNDS, tokens)] / 2000, rel=0.05)
    lucky = expected(after(line, 0.01, tokens=800), 800)
    assert lucky is not None and lucky > 0.2
    assert doubt(line, 800) < doubt(Baseline(), 800)


def test_noise_does_not_shift_the_line() -> None:
    """However much answers differ, and of however many sizes they are: a bucket's luck is not taken for its truth."""
    luck, off = NormalDist(-0.125, 0.5), []  # of the logarithm: its mean is one
    for run in range(20):
        line = Baseline()
        for i in range(80 * run + 1, 80 * run + 81):  # two sequences that fill the square evenly
            tokens = round(100 * 40 ** (i * 0.7548776662 % 1))
            took = (0.3 + tokens / 8000) * math.exp(luck.inv_cdf(i * 0.5698402910 % 1))
            line = after(line, took, tokens=tokens)
        off += [(expected(line, tokens) or 0.0) / (0.3 + tokens / 8000) - 1 for tokens in (150, 700, 3000)]
        assert 0.3 < line.noise < 0.8
    assert abs(sum(off) / len(off)) < 0.05
    assert sum(abs(each) for each in off) / len(off) < 0.2


def test_the_line_neither_falls_nor_begins_below_nothing() -> None:
    """Whatever was seen: a longer prompt takes no less."""
    falling = after(after(Baseline(), *[2.0] * KNOWN, tokens=100), *[1.0] * KNOWN, tokens=1000)
    assert falling.slope == (pytest.approx(1.5, abs=0.5), 0.0)
    steep = after(after(Baseline(), *[0.01] * KNOWN, tokens=1000), *[9.0] * KNOWN, tokens=4000)
    assert steep.slope is not None and steep.slope[0] == 0.0 and steep.slope[1] > 0


def test_what_a_bucket_met_first_may_have_waited() -> None:
    """It is held to be no more than the others say."""
    line = after(Baseline(), *[0.2] * KNOWN, tokens=100)
    line = after(line, 9.0, tokens=100 * 2, waited=True)
    assert (expected(line, 200) or 9) < 1.0


def test_prompts_from_the_cache_say_nothing_about_those_that_are_read() -> None:
    """Of one nothing is left to read: in proportion to it a long prompt would take no time."""
    line = after(Baseline(), *[0.05] * KNOWN, tokens=1)
    assert expected(line, 700) is None
    assert expected(line, 3) == 0.05
    assert least(after(line, 2.0, tokens=700)) == 0.05


def test_the_buckets_are_in_order() -> None:
    """From a prompt that is all cached to the longest."""
    assert (BOUNDS[0], BOUNDS[-1]) == (16, 65_536)
    assert all(1.3 < b / a < 1.5 for a, b in pairwise(BOUNDS))


@given(st.lists(st.tuples(st.floats(0.0, 60.0), st.integers(0, 200_000), st.booleans()), max_size=80))
def test_any_history_keeps_it_within_what_was_seen(history: list[tuple[float, int, bool]]) -> None:
    """No bucket is beyond its longest answer, and one moves at a time."""
    line, longest = Baseline(), 0.0
    for first, tokens, waited in history:
        new = learned(line, first, tokens, waited=waited)
        longest = max(longest, first)
        moved = sum(a != b for a, b in zip(line.usual_s, new.usual_s, strict=True))
        assert moved <= 1
        assert all(usual is None or 0 <= usual <= longest + 1e-9 for usual in new.usual_s)
        assert 0 <= new.noise <= NORMAL * (OUTLIER - 1)
        line = new
        assert expected(line, tokens) is not None or tokens <= BOUNDS[0] or line.usual_s[0] is not None
