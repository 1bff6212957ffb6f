"""The review of all rows: compared within their tier, by their last minute."""

from __future__ import annotations

import pytest

from lbd.state import outlier
from lbd.state.ejection import review
from lbd.state.evidence import observe
from lbd.state.outlier import FIRST, MIN_TRAFFIC
from lbd.state.row import Row
from tests.fakes.tables import TIERS, bad, deployment, good, provider

NOW = 1000.0


def row(*, tier: int = 0, ttft: float | None = 0.3, answers: int = 40, failures: int = 0, at: float = NOW) -> Row:
    """Return a row with this last minute; failures come between answers, so that no breaker opens."""
    made = Row(deployment(tier=TIERS[tier].name), provider(), TIERS[tier], 1.7e9)
    for i in range(answers):
        observe(made, good(ttft, 1.0), at)
        if i < failures:
            observe(made, bad(), at)
    return made


@pytest.mark.parametrize(
    ("other", "reason"), [({"failures": 10}, "outlier_errors"), ({"ttft": 1.5}, "outlier_ttft"), ({"ttft": None}, None)]
)
def test_a_row_that_stands_out_is_set_aside(other: dict[str, float], reason: str | None) -> None:
    """For errors or for slowness; unary answers have no first content to be slow at."""
    rows = [row(), row(**other), row()]  # type: ignore[arg-type]
    assert review(rows, NOW) == ({1} if reason else set())
    assert rows[1].ejection.reason == (reason or "")
    assert [outlier.active(r.ejection, NOW) for r in rows] == [False, reason is not None, False]


def test_rows_are_compared_within_their_tier() -> None:
    """The tertiary tier is slow by nature; two rows of a tier have no peers to stand out from."""
    rows = [row(), row(), row(), row(tier=2, ttft=8.0), row(tier=2, ttft=0.3)]
    assert review(rows, NOW) == set()
    assert review([row(tier=i % 2, failures=10 if i == 5 else 0) for i in range(6)], NOW) == {5}


def test_slowness_is_judged_on_enough_first_contents_only() -> None:
    """Few streams among many unary answers say little."""
    slow = row(ttft=None, answers=40)
    for _ in range(MIN_TRAFFIC - 1):
        observe(slow, good(5.0, 6.0), NOW)
    rows = [row(), slow, row()]
    assert review(rows, NOW) == set()
    observe(slow, good(5.0, 6.0), NOW)
    assert review(rows, NOW) == {1}


def test_only_the_last_minute_counts() -> None:
    """What was bad before is over."""
    assert review([row(), row(failures=10, at=NOW - 200), row()], NOW) == set()


def test_a_row_is_told_of_once_and_comes_back_with_time() -> None:
    """While it is set aside nothing is new; the end comes with time alone, and then it may be found again."""
    rows = [row(), row(failures=10), row()]
    assert review(rows, NOW) == {1}
    assert review(rows, NOW + 1) == set()
    assert not outlier.active(rows[1].ejection, NOW + FIRST)
    later = NOW + FIRST + 15
    for at, failures in enumerate((0, 10, 0)):
        for i in range(40):
            observe(rows[at], good(0.3, 1.0), later)
            if i < failures:
                observe(rows[at], bad(), later)
    assert review(rows, later) == {1}
    assert rows[1].ejection.times == 2
    assert review(rows, later + 2 * FIRST + 100) == set()
    assert not outlier.active(rows[1].ejection, later + 2 * FIRST + 100)


@pytest.mark.parametrize("other", [{"failures": 10}, {"ttft": 1.5}])
def test_nobody_is_set_aside_twice_for_the_same(other: dict[str, float]) -> None:
    """When its time is over what it does from then on counts, and is enough to be set aside again."""
    rows = [row(), row(**other), row()]  # type: ignore[arg-type]
    assert review(rows, NOW) == {1}
    for passed in range(1, 31):
        for at in (0, 2):
            observe(rows[at], good(0.3, 1.0), NOW + passed)
    for passed in range(int(FIRST), int(FIRST) + 90):
        assert review(rows, NOW + passed) == set()
    again = [row(at=NOW + 100), rows[1], row(at=NOW + 100)]
    for i in range(40):
        observe(again[1], good(other.get("ttft", 0.3), 1.0), NOW + 100)
        if i < other.get("failures", 0):
            observe(again[1], bad(), NOW + 100)
    assert review(again, NOW + 100) == {1}
