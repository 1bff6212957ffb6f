"""Repeats: the failures of one request are one piece of evidence, until a probe, or time, says otherwise."""

from __future__ import annotations

import pytest

from lbd.model.failure import COUNTS, FailureKind
from lbd.model.outcome import Verdict
from lbd.state.breaker import Phase
from lbd.state.evidence import observe, observe_probe
from lbd.state.repeats import ANSWERED, GRACE, LARGEST_KEPT, MOST, OF_BODY, REMEMBERED, WELL
from lbd.state.row import Row
from lbd.state.window import MINUTE
from tests.fakes.tables import TIERS, bad, deployment, good, probe, provider

K = FailureKind
NOW = 1000.0
POISON = b"poison"


def new() -> Row:
    return Row(deployment(), provider(), TIERS[0], 1.7e9)


def fail(row: Row, now: float, body: bytes = POISON, kind: FailureKind = K.SERVER, took: float = 0.1) -> Row:
    observe(row, bad(kind, asked=body, total_s=took), now)
    return row


def judged(row: Row, now: float) -> int:
    return row.outcomes.over(MINUTE, now).bad


@pytest.mark.parametrize("kind", sorted(OF_BODY))
def test_one_request_sent_again_and_again_opens_nothing(kind: FailureKind) -> None:
    """The row serves others: whatever the request brings about there counts once, and makes it suspect."""
    row = new()
    observe(row, good(asked=b"another"), NOW)
    for n in range(25):
        fail(row, NOW + 0.5 + n, kind=kind)
    assert (row.breaker.phase, row.breaker.fails, judged(row, NOW + 26)) == (Phase.CLOSED, 1, 1)
    assert row.suspect is kind and row.penalty_at == NOW + 24.5
    assert row.excused.over(MINUTE, NOW + 26).by_kind == {kind: 24}  # people see them all the same


@pytest.mark.parametrize("kind", sorted(COUNTS - OF_BODY))
def test_who_cannot_be_reached_has_read_no_request(kind: FailureKind) -> None:
    """So each of these counts."""
    row = new()
    observe(row, good(asked=b"another"), NOW)
    for n in range(3):
        fail(row, NOW + 1 + n, kind=kind)
    assert row.breaker.phase is Phase.OPEN


def test_three_requests_are_three_pieces_of_evidence() -> None:
    """Also where it has just served others, and where nobody knows what was asked."""
    for bodies in ((b"a", b"b", b"c"), (b"", b"", b"")):
        row = new()
        observe(row, good(asked=b"another"), NOW)
        for n, body in enumerate(bodies):
            fail(row, NOW + 1 + n, body)
        assert row.breaker.phase is Phase.OPEN


def test_what_was_under_way_already_was_not_sent_again() -> None:
    """Equal requests that run at once and are all lost are no repetition of one."""
    row = new()
    for n in range(3):
        fail(row, NOW + n, took=5.0)
    assert row.breaker.phase is Phase.OPEN


def test_what_the_row_has_just_answered_well_is_no_poison() -> None:
    """The same request again and again is all that its only client asks; a large body is not kept for that."""
    for body, others, phase in (
        (POISON, ANSWERED - 1, Phase.OPEN),
        (POISON, ANSWERED, Phase.CLOSED),
        (b"x" * (LARGEST_KEPT + 1), 0, Phase.CLOSED),
    ):
        row = new()
        observe(row, good(asked=body), NOW)
        for n in range(others):
            observe(row, good(asked=b"%d" % n), NOW)
        for n in range(3):
            fail(row, NOW + 1 + n, body)
        assert row.breaker.phase is phase


def test_a_row_that_is_not_known_to_be_well_has_so_long_to_be_probed() -> None:
    """Nobody else is served there: after ``GRACE`` the same request counts each time."""
    row = new()
    for at in (0.0, 1.0, GRACE):
        fail(row, NOW + at)
    assert row.breaker.fails == 1
    fail(row, NOW + GRACE + 0.5)
    assert row.breaker.fails == 2
    assert fail(row, NOW + GRACE + 1).breaker.phase is Phase.OPEN


def test_a_row_that_served_others_is_believed_for_a_while() -> None:
    """Up to ``WELL`` from its last good answer."""
    row = new()
    observe(row, good(asked=b"another"), NOW)
    fail(row, NOW + WELL - 1)
    assert fail(row, NOW + WELL).breaker.phase is not Phase.OPEN
    for n in range(1, 4):
        fail(row, NOW + WELL + GRACE + n)
    assert row.breaker.phase is Phase.OPEN


def test_a_completion_that_fails_too_has_what_was_held_back_counted() -> None:
    """A dead row with one client is open as soon as its probe has failed."""
    row = new()
    observe(row, good(asked=b"another"), NOW)
    fail(fail(row, NOW + 1), NOW + 2)
    assert (row.breaker.fails, row.repeats.doubted(NOW + 2)) == (1, True)
    down = probe("completion", Verdict.DOWN, NOW + 2.5, failure=K.SERVER)
    observe_probe(row, down, NOW + 2.5, completion=True)
    assert row.breaker.phase is Phase.OPEN and not row.repeats.doubted(NOW + 2.5)


def test_after_a_failed_probe_each_repetition_counts() -> None:
    """It is not known to be well any more."""
    row = new()
    observe(row, good(asked=b"another"), NOW)
    fail(row, NOW + 1)
    observe_probe(row, probe("completion", Verdict.DOWN, NOW + 2, failure=K.SERVER), NOW + 2, completion=True)
    assert row.breaker.fails == 2
    assert fail(row, NOW + 3).breaker.phase is Phase.OPEN


def test_a_completion_that_works_clears_the_row() -> None:
    """It is a success between: the request is to blame, and goes on being."""
    row = new()
    fail(fail(row, NOW), NOW + 1)
    observe_probe(row, probe("completion", at=NOW + 1.5), NOW + 1.5, completion=True)
    assert (row.breaker.fails, row.suspect, row.repeats.held) == (0, None, [])
    for n in range(20):
        fail(row, NOW + 2 + n)
    assert row.breaker.phase is Phase.CLOSED and row.breaker.fails == 0


def test_where_others_are_served_between_no_completion_is_asked_for() -> None:
    """It costs money, and is known already; the failure is not held against the row either."""
    row = new()
    for n in range(5):
        fail(row, NOW + 2 * n)
        observe(row, good(asked=b"another"), NOW + 2 * n + 1)
    assert not row.repeats.doubted(NOW + 9) and row.suspect is None and judged(row, NOW + 9) == 1


def test_a_liveness_probe_decides_nothing() -> None:
    """That somebody is there says nothing about completions: one is still called for, for a while."""
    row = new()
    fail(fail(row, NOW), NOW + 1)
    observe_probe(row, probe(at=NOW + 1.5), NOW + 1.5, completion=False)
    assert row.suspect is None and row.breaker.fails == 1
    assert row.repeats.doubted(NOW + 1 + GRACE) and not row.repeats.doubted(NOW + 1.1 + GRACE)


def test_a_trial_that_only_repeats_what_is_known_is_given_back() -> None:
    """The row came back; the request that never works anywhere does not close it off again."""
    row = new()
    for n in range(3):
        fail(row, NOW + n, b"%d" % n)
    observe_probe(row, probe("completion", at=NOW + 8), NOW + 8, completion=True)
    assert row.breaker.phase is Phase.HALF_OPEN
    observe(row, bad(K.SERVER, asked=b"1"), NOW + 9, trial=True)
    assert row.breaker.phase is Phase.HALF_OPEN


def test_what_is_remembered_is_bounded_and_forgotten() -> None:
    """So many bodies, each for so long after it failed last."""
    row = new()
    for n in range(3 * MOST):
        observe(row, good(asked=b"another"), NOW + n / 100)
        fail(row, NOW + n / 100, b"%d" % n, took=0.0)
    assert len(row.repeats.failed) == MOST
    later = NOW + REMEMBERED + 10
    observe(row, good(asked=b"another"), later)
    fail(row, later + 0.1, b"%d" % (3 * MOST - 1))
    assert row.breaker.fails == 1 and not row.repeats.held
