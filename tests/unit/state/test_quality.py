"""Levels that few scores move little, a drop that is found, and no way back but by shadow scores."""

from __future__ import annotations

import random  # noqa: TID251 (with a fixed seed)
from itertools import chain, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state import quality as q
from lbd.state.quality import HALF_LIFE, HORIZON, STEPS, Bet, Level, Phase, Sign, Standing, bet, held, scored
from tests.fakes.sequences import Scores, falls, found_at, graded, thumbs

ratios = st.floats(0, 1)
SEED = 20261127


def levels(scores: list[float]) -> Level:
    level = Level()
    for score in scores:
        level = q.add(level, score, 0.0)
    return level


def known(level: Level, prior: float | None) -> q.Held:
    found = held(level, prior, level.at)
    assert found is not None
    return found


# --- level


def test_without_scores_the_configured_quality_holds() -> None:
    """It is taken at its word; without one nothing is known."""
    assert held(Level(), 0.8, 0.0) == (0.8, 0.8, 0.8)
    assert held(Level(), None, 0.0) is None
    assert held(levels([0.5] * 19), None, 0.0) is None
    assert known(levels([0.5] * 20), None).value == pytest.approx(0.5)


def test_few_scores_move_little() -> None:
    """Fifty weigh as much as what was configured."""
    assert known(levels([0.0] * 2), 0.9).value == pytest.approx(0.9 - 2 / 52 * 0.9)
    assert known(levels([0.0] * 50), 0.9).value == pytest.approx(0.45)


def test_a_score_weighs_half_after_the_half_life() -> None:
    """And so the level comes back to what was configured."""
    level = levels([0.0] * 100)
    assert q.aged(level, HALF_LIFE).n == pytest.approx(50)
    found = held(level, 0.9, HALF_LIFE)
    assert found is not None
    assert found.value == pytest.approx(0.45)


def test_another_rating_of_the_same_answer_replaces_the_first() -> None:
    """It counts once."""
    level = q.swapped(levels([1.0, 0.0]), 0.0, 1.0)
    assert (level.n, level.total, level.squares, level.count) == (2, 2.0, 2.0, 2)


@given(st.lists(ratios, max_size=60), st.none() | ratios, st.floats(0, 1e8))
def test_a_level_lies_between_its_bounds(scores: list[float], prior: float | None, now: float) -> None:
    """And all of it on the scale."""
    found = held(levels(scores), prior, now)
    if found is not None:
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


@given(st.lists(ratios, min_size=1, max_size=40), ratios)
def test_a_level_lies_between_the_prior_and_the_mean(scores: list[float], prior: float) -> None:
    """It is shrunk, never beyond either."""
    mean = sum(scores) / len(scores)
    value = known(levels(scores), prior).value
    assert min(mean, prior) - 1e-9 <= value <= max(mean, prior) + 1e-9


def test_the_bounds_cover_what_they_should() -> None:
    """The lower one lies under a right prior's value in about 90 of 100 cases, or more often."""
    draw = random.Random(SEED)
    under = 0
    for _ in range(300):
        level = levels([float(draw.random() < 0.8) for _ in range(150)])
        under += known(level, 0.8).low <= 0.8
    assert under >= 260


# --- drop


def test_one_in_a_hundred_false_alarms_at_most() -> None:
    """Over 1,000 runs of 2,000 scores, the worst that are no drop: scores of 0 and 1 exactly at the reference."""
    alarms = falls(1000, HORIZON, thumbs, 0.85)
    assert alarms <= 10, alarms


@pytest.mark.parametrize(
    ("scores", "within", "power"),
    [(graded, 100, 0.98), (graded, 200, 0.999), (thumbs, 200, 0.7), (thumbs, 290, 0.88)],
)
def test_a_fall_by_ten_points_is_found(scores: Scores, within: int, power: float) -> None:
    """From 0.85 to 0.75. Of scores of 0 and 1, even the best of all tests that look once at 200 finds 89.8 %."""
    found = falls(500, within, scores, 0.75)
    assert found >= power * 500, found


def test_a_fall_after_a_long_good_time_is_found() -> None:
    """What was lost in good times is not all there is. Half of all falls within 220 scores, nearly all within 500."""
    draw = random.Random(SEED)
    late = []
    for _ in range(300):
        at = found_at(chain(islice(thumbs(draw, 0.85), 1000), thumbs(draw, 0.75)), 1700)
        late.append(9999 if at is None else at - 1000)
    late.sort()
    assert late[len(late) // 2] <= 240
    assert late[round(len(late) * 0.93)] <= 500


@given(st.lists(ratios, max_size=200), st.floats(0.05, 0.95))
def test_nobody_can_lose_more_than_the_money(scores: list[float], fair: float) -> None:
    """Whatever the scores."""
    now = Bet()
    for score in scores:
        now = bet(now, score, fair)
        assert now.stake > 0
        assert now.cash >= 0


@given(st.floats(0.05, 0.95), st.lists(st.booleans(), max_size=50))
def test_the_bet_is_fair(fair: float, before: list[bool]) -> None:
    """At the reference what is won and lost is worth the same: no gain is to be expected."""
    now = Bet()
    for score in before:
        now = bet(now, float(score), fair)
    good, bad = bet(now, 1.0, fair), bet(now, 0.0, fair)
    expected = fair * (good.stake + good.cash) + (1 - fair) * (bad.stake + bad.cash)
    assert expected == pytest.approx(now.stake + now.cash)


# --- phases


def dropped(prior: float = 0.9) -> Standing:
    now = q.begun(prior)
    for _ in range(100):
        now = scored(now, 0.0, 0.0)
    assert now.phase is Phase.DROPPED
    return now


def test_the_table_of_steps_has_no_way_back_but_one_by_scores() -> None:
    """Out of dropped only shadow scores lead, or a person."""
    back = {(phase, sign) for (phase, sign), to in STEPS.items() if to is Phase.IN_USE}
    assert back == {(Phase.PROBATION, Sign.PROVEN), (Phase.DROPPED, Sign.TOLD), (Phase.PROBATION, Sign.TOLD)}
    assert q.step(Phase.IN_USE, Sign.PROVEN) is Phase.IN_USE


def test_what_is_good_stays_in_use() -> None:
    """However many scores."""
    now = q.begun(0.9)
    for i in range(HORIZON + 10):
        now = scored(now, 0.0 if i % 10 == 0 else 1.0, 0.0)
    assert now.phase is Phase.IN_USE
    assert now.bet.n == 10  # begun anew
    assert now.reference is not None
    assert 0.87 < now.reference < 0.9  # the lower bound of what it was found to be


def test_scores_of_answers_that_were_given_bring_nothing_back() -> None:
    """They are of before the drop, or of who insists."""
    now = dropped()
    for _ in range(1000):
        now = scored(now, 1.0, 0.0)
    assert now.phase is Phase.DROPPED


def test_good_shadow_scores_bring_it_back() -> None:
    """First on probation, then in use."""
    now = scored(dropped(), 1.0, 0.0, shadow=True)
    assert now.phase is Phase.PROBATION
    n = 1
    while now.phase is Phase.PROBATION:
        now = scored(now, float(n % 10 != 0), 0.0, shadow=True)
        n += 1
    assert now.phase is Phase.IN_USE
    assert n < 200
    assert now.bet == Bet()


def test_bad_shadow_scores_do_not() -> None:
    """It stays on probation, over the horizon of the bet, too."""
    now = dropped()
    for i in range(HORIZON + 5):
        now = scored(now, float(i % 10 < 7), 0.0, shadow=True)
    assert now.phase is Phase.PROBATION
    assert now.bet.n == 5


def test_a_person_who_configures_another_quality_brings_it_back() -> None:
    """The scores stay, the reference is the new one; the same quality is no news."""
    was = dropped()
    assert q.told(was, 0.9) is was
    now = q.told(was, 0.6)
    assert (now.phase, now.reference, now.level) == (Phase.IN_USE, 0.6, was.level)
    assert q.told(was, None).reference is None


def test_without_a_configured_quality_the_reference_is_learned() -> None:
    """From 200 scores; until then there is nothing to fall from."""
    now = q.begun(None)
    for i in range(q.LEARN):
        assert now.reference is None
        now = scored(now, float(i % 5 != 0), 0.0)
    assert now.reference is not None
    assert 0.7 < now.reference < 0.8


def test_a_quality_of_one_is_no_proof_of_a_drop_at_the_first_miss() -> None:
    """References keep away from the edges."""
    assert q.begun(1.0).reference == 0.95
    assert scored(q.begun(1.0), 0.0, 0.0).phase is Phase.IN_USE
