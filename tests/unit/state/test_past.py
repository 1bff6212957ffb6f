"""Six hours of a row by the minute."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.state import past
from tests.fakes.tables import bad, good, owned, serve

MINUTE = 60.0


def test_a_closed_minute_is_summed_up_with_its_percentiles_and_failures() -> None:
    """Over all prompt sizes."""
    env, owner = owned("p/a")
    env.advance(MINUTE - env.now() % MINUTE)
    for n in range(100):
        serve(owner, env, 0, good(0.1 + n / 100, 2.0, size=n % 3))
    serve(owner, env, 0, bad(FailureKind.SERVER))
    env.advance(MINUTE)
    owner.fold()
    (minute,) = past.minutes(owner.rows[0], 1, env.now())
    assert minute.p50_s == pytest.approx(0.6, rel=0.05) and minute.p95_s == pytest.approx(1.05, rel=0.05)
    assert minute.p99_s == pytest.approx(1.09, rel=0.05)
    assert minute.error_ratio == pytest.approx(1 / 101) and minute.attempts == 101


def test_six_hours_are_kept_and_no_more() -> None:
    """Looked at each minute, as the daemon does; silence is no zero latency."""
    env, owner = owned("p/a")
    row = owner.rows[0]
    for n in range(400):
        if n % 2:
            serve(owner, env, 0, good(0.5, 1.0))
        env.advance(MINUTE)
        owner.fold()
        past.note(row, env.now())
    found = past.minutes(row, past.KEPT, env.now())
    assert len(row.past) == past.KEPT == len(found)
    assert sum(m.attempts for m in found) == past.KEPT / 2
    assert {m.p95_s is None for m in found} == {True, False}
    assert all((m.p95_s is None) == (m.attempts == 0) for m in found)


def test_a_minute_is_summed_up_once() -> None:
    """Looking again changes nothing."""
    env, owner = owned("p/a")
    serve(owner, env, 0, good(0.5, 1.0))
    env.advance(2 * MINUTE)
    owner.fold()
    first = past.minutes(owner.rows[0], 10, env.now())
    assert past.minutes(owner.rows[0], 10, env.now() + 1) == first


def test_what_nobody_looked_at_for_long_is_missing() -> None:
    """The windows keep an hour."""
    env, owner = owned("p/a")
    serve(owner, env, 0, good(0.5, 1.0))
    env.advance(2 * 3600.0)
    assert past.minutes(owner.rows[0], past.KEPT, env.now()) == [past.NOTHING] * past.KEPT
