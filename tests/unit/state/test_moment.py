"""Requests that are sent in the same moment: how many a server had when each of them came."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lbd.state.moment import LASTS, Moment, joined

NEVER = Moment(-math.inf, 0)


def test_who_is_answered_first_came_first() -> None:
    """Of three that are sent at once, the first to be done met nobody, whichever was sent first."""
    moment = NEVER
    for inflight in (1, 2, 3):
        moment = joined(moment, inflight, 10.0)
    assert [moment.ended() for _ in range(3)] == [1, 2, 3]


def test_those_who_were_there_before_are_counted() -> None:
    """Four ran there already."""
    moment = joined(joined(NEVER, 5, 10.0), 6, 10.0 + LASTS / 2)
    assert [moment.ended(), moment.ended()] == [5, 6]


def test_a_later_one_is_in_a_moment_of_its_own() -> None:
    """By then the others have come."""
    first = joined(NEVER, 1, 10.0)
    second = joined(first, 2, 10.0 + 1.5 * LASTS)
    assert second is not first
    assert (second.ended(), first.ended()) == (2, 1)


def test_answers_within_the_moment_make_it_no_fuller_than_it_was() -> None:
    """A server that is quick answers many of them one after the other: never were there more than two at a time."""
    moment = NEVER
    for _ in range(10):
        moment = joined(joined(moment, 1, 10.0), 2, 10.0)
    assert [moment.ended() for _ in range(20)] == [1] + [2] * 19


@given(st.lists(st.tuples(st.floats(0, 0.2), st.booleans()), max_size=60))
def test_nobody_is_said_to_have_met_more_than_there_were(steps: list[tuple[float, bool]]) -> None:
    """Nor nobody at all, itself included, in any order of coming and going."""
    now, moment, most = 0.0, NEVER, 0
    open_: list[Moment] = []
    for gap, comes in steps:
        now += gap
        if comes:
            moment = joined(moment, len(open_) + 1, now)
            open_.append(moment)
            most = max(most, len(open_))
        elif open_:
            assert 1 <= open_.pop(0).ended() <= most
