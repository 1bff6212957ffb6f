"""Stalls: what was under way meanwhile is excused for as long as it lost, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.state.stall import LATE, LONGEST, Stall, excuses, joined
from lbd.state.uplink import SIGNS

K = FailureKind
STALL = Stall(10.0, 15.0)


@pytest.mark.parametrize(
    ("kind", "began", "now", "excused"),
    [
        (K.TIMEOUT_FIRST, 9.0, 15.05, True),
        (K.CONNECT_TIMEOUT, 12.0, 20.0, True),
        (K.RESET, 9.0, 15.05, True),
        (K.TIMEOUT_FIRST, 9.0, 20.01, False),
        (K.TIMEOUT_FIRST, 15.01, 16.0, False),
        (K.SERVER, 9.0, 15.05, False),
        (K.TIMEOUT_TOTAL, 9.0, 15.05, False),
    ],
)
def test_what_a_stall_excuses(kind: FailureKind, began: float, now: float, excused: bool) -> None:
    """What was begun before its end, and fails within the time that the stall took of it. Answers are answers."""
    assert excuses(STALL, kind, began, now) is excused
    assert not excuses(None, kind, began, now)


def test_a_suspended_machine_is_excused_by_the_clock_on_the_wall_but_not_for_ever() -> None:
    """Its monotonic clock stood still: connections are of no use any more, and that shows within half a minute."""
    asleep = Stall(10.0, 10.0, 3600.0)
    assert excuses(asleep, K.TIMEOUT_FIRST, 9.0, 10.0 + LONGEST)
    assert not excuses(asleep, K.TIMEOUT_FIRST, 9.0, 10.1 + LONGEST)


def test_two_timers_notice_one_stall() -> None:
    """It is as long as both say together; a later one is another."""
    assert joined(None, STALL) == STALL
    assert joined(STALL, Stall(10.2, 15.1, 7.0)) == Stall(10.0, 15.1, 7.0)
    assert joined(STALL, Stall(15.5, 16.0)) == Stall(15.5, 16.0)


@given(st.sampled_from(sorted(SIGNS)), st.floats(0, 50), st.floats(0, 50), st.floats(0, 10), st.floats(0, 60))
def test_a_later_beginning_or_a_later_failure_is_never_excused_the_more(
    kind: FailureKind, began: float, until: float, length: float, later: float
) -> None:
    """Monotone in both, and a stall that did not come near excuses nothing."""
    stall = Stall(until - length, until)
    now = max(began, until)
    if not excuses(stall, kind, began, now):
        assert not excuses(stall, kind, began + later, now + later)
    assert not excuses(stall, kind, until + 0.001, now + 1)
    assert not excuses(stall, kind, began, until + max(LATE, length) + 0.001)
