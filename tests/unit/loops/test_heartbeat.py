"""The heartbeat: silent while all is well, and the first to know when it was not."""

from __future__ import annotations

import pytest

from lbd.loops.heartbeat import EVERY, JUMP, Heartbeat
from lbd.state.stall import LATE, Stall
from tests.fakes.env import FakeEnv


def beating() -> tuple[FakeEnv, Heartbeat, list[Stall]]:
    env, told = FakeEnv(100.0, 5000.0), []
    heartbeat = Heartbeat(env, told.append)
    heartbeat.start()
    return env, heartbeat, told


def stand_still(env: FakeEnv, seconds: float) -> None:
    """Let time pass in which nothing runs; what is due runs after it."""
    env._now += seconds
    env.advance(0.0)


def test_a_process_that_runs_is_told_nothing_of() -> None:
    """Also not where it is a little late."""
    env, _, told = beating()
    env.advance(60.0)
    stand_still(env, EVERY + LATE - 0.01)
    env.advance(60.0)
    assert not told


@pytest.mark.parametrize("seconds", [0.6, 5.0, 4000.0])
def test_a_stall_is_told_once_with_its_length(seconds: float) -> None:
    """To the beat, from which on it is not known to have run."""
    env, _, told = beating()
    env.advance(10.0)
    stand_still(env, seconds)
    env.advance(10.0)
    (stall,) = told
    assert stall.until == pytest.approx(110.0 + seconds)
    assert seconds - EVERY <= stall.length_s + 1e-9 <= seconds


def test_a_machine_that_was_suspended_is_known_by_its_clocks() -> None:
    """The monotonic one has stood still; a clock that was set back or slewed is no stall."""
    env, _, told = beating()
    for change, expected in ((JUMP - 0.1, 0), (-100.0, 0), (600.0, 1)):
        env._offset += change
        env.advance(1.0)
        assert len(told) == expected
    assert told[0].span_s == pytest.approx(600.0)
    assert told[0].length_s == told[0].span_s


def test_it_ends() -> None:
    """Twice is no fault, nor is an end before the beginning."""
    env, heartbeat, told = beating()
    heartbeat.stop()
    heartbeat.stop()
    stand_still(env, 100.0)
    assert not told
    Heartbeat(env, told.append).stop()
