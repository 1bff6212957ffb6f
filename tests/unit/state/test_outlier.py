"""Statistical ejection: who stands out, for how long, and when nobody obeys it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state import outlier
from lbd.state.outlier import (
    ERROR_FACTOR,
    ERROR_FLOOR,
    FIRST,
    LONGEST,
    MIN_PEERS,
    MIN_TRAFFIC,
    PANIC,
    TTFT_FACTOR,
    Ejection,
    Peer,
)

GOOD = Peer(0.0, 0.3, 100)
VERDICT = ("outlier_errors", 0.5, 0.1)

peers = st.builds(
    Peer,
    error_ratio=st.floats(0, 1),
    ttft_p50_s=st.none() | st.floats(0.01, 20),
    n=st.integers(0, 60),
)


@pytest.mark.parametrize(("ratio", "out"), [(ERROR_FLOOR, False), (0.11, True)])
def test_with_clean_peers_a_tenth_of_errors_is_the_limit(ratio: float, out: bool) -> None:
    """Below the floor nobody is ejected, however clean the others are."""
    verdict = outlier.judge([Peer(ratio, 0.3, 100), GOOD, GOOD], 0)
    assert verdict == (("outlier_errors", ratio, ERROR_FLOOR) if out else None)


def test_errors_are_measured_against_the_median_of_the_others() -> None:
    """Three times what the peers have: where all are bad, nobody stands out."""
    others = [Peer(0.2, 0.3, 100), Peer(0.1, 0.3, 100), Peer(0.3, 0.3, 100), Peer(0.9, 0.3, 100)]
    limit = ERROR_FACTOR * 0.25
    assert outlier.judge([Peer(limit, 0.3, 100), *others], 0) is None
    assert outlier.judge([Peer(0.8, 0.3, 100), *others], 0) == ("outlier_errors", 0.8, pytest.approx(limit))


def test_slowness_is_measured_against_the_median_of_the_others() -> None:
    """Three times the peers' median time to the first token."""
    others = [Peer(0.0, t, 100) for t in (0.25, 0.5, 5.0)]
    assert outlier.judge([*others, Peer(0.0, 1.5, 100)], 3) is None
    found = outlier.judge([*others, Peer(0.0, 1.6, 100)], 3)
    assert found == ("outlier_ttft", 1.6, TTFT_FACTOR * 0.5)


def test_unary_peers_have_no_first_token_to_compare() -> None:
    """Slowness needs three measured rows, and one's own measure."""
    unmeasured = Peer(0.0, None, 100)
    assert outlier.judge([Peer(0.0, 99.0, 100), GOOD, unmeasured], 0) is None
    assert outlier.judge([unmeasured, GOOD, GOOD], 0) is None


@pytest.mark.parametrize(
    "table",
    [
        [Peer(1.0, 9.0, 100), GOOD],
        [Peer(1.0, 9.0, MIN_TRAFFIC - 1), GOOD, GOOD],
        [Peer(1.0, 9.0, 100), GOOD, Peer(0.0, 0.3, MIN_TRAFFIC - 1)],
    ],
)
def test_few_peers_or_thin_traffic_give_no_verdict(table: list[Peer]) -> None:
    """At least three rows with twenty attempts each, itself included."""
    assert outlier.judge(table, 0) is None


def test_three_rows_with_twenty_attempts_are_enough() -> None:
    """Exactly at the bounds there is a verdict, for errors and for slowness."""
    least = Peer(0.0, 0.3, 20)
    assert outlier.judge([Peer(1.0, 0.3, 20), least, least], 0) == ("outlier_errors", 1.0, ERROR_FLOOR)
    assert outlier.judge([Peer(0.0, 9.0, 20), least, least], 0) == ("outlier_ttft", 9.0, pytest.approx(0.9))


@given(st.lists(peers, min_size=1, max_size=8), st.data())
def test_a_verdict_names_a_value_over_its_limit(table: list[Peer], data: st.DataObject) -> None:
    """It is explained by numbers; a row that is no worse than the median of its peers never gets one."""
    mine = data.draw(st.integers(0, len(table) - 1))
    verdict = outlier.judge(table, mine)
    busy = [p for i, p in enumerate(table) if i == mine or p.n >= MIN_TRAFFIC]
    if verdict is None:
        return
    reason, value, limit = verdict
    assert value > limit
    assert len(busy) >= MIN_PEERS
    me = table[mine]
    assert value == (me.error_ratio if reason == "outlier_errors" else me.ttft_p50_s)
    better = [p for p in busy if p is not me]
    field = "error_ratio" if reason == "outlier_errors" else "ttft_p50_s"
    below = [p for p in better if getattr(p, field) is not None and getattr(p, field) <= value]
    assert 2 * len(below) >= len([p for p in better if getattr(p, field) is not None])


def test_repeated_ejections_last_longer() -> None:
    """30 s, 60 s, ... up to five minutes."""
    e, now, spans = Ejection(), 1000.0, []
    for _ in range(12):
        e = outlier.step(e, VERDICT, now)
        assert outlier.active(e, now)
        spans.append(e.until - now)
        now = e.until
        assert not outlier.active(e, now)
    assert spans == [min(LONGEST, FIRST * n) for n in range(1, 13)]
    assert (e.reason, e.value, e.limit) == VERDICT


def test_while_it_lasts_nothing_changes_it() -> None:
    """A row that is set aside gets no traffic that could be judged; only time ends it."""
    e = outlier.step(Ejection(), VERDICT, 1000.0)
    assert outlier.step(e, VERDICT, 1029.0) is e
    assert outlier.step(e, None, 1029.0) is e


def test_quiet_time_is_forgiven_step_by_step() -> None:
    """Each five minutes without an ejection take one repetition off."""
    e = Ejection()
    now = 1000.0
    for _ in range(3):
        e = outlier.step(e, VERDICT, now)
        now = e.until
    for left in (2, 1, 0):
        assert outlier.step(e, None, now + LONGEST) is e
        now += LONGEST + 1
        e = outlier.step(e, None, now)
        assert (e.times, outlier.active(e, now)) == (left, False)
    assert outlier.step(e, None, now + 9999) is e
    assert outlier.step(e, VERDICT, now).until == now + FIRST


@given(st.lists(st.tuples(st.floats(0.1, 400), st.booleans()), max_size=40))
def test_an_ejection_is_bounded_in_any_history(history: list[tuple[float, bool]]) -> None:
    """It begins by a verdict only, ends by time, and never lasts longer than five minutes."""
    e, now = Ejection(), 0.0
    for gap, bad in history:
        now += gap
        was = outlier.active(e, now)
        after = outlier.step(e, VERDICT if bad else None, now)
        if outlier.active(after, now) and not was:
            assert bad
        assert after.until <= now + LONGEST
        assert 0 <= after.times <= e.times + 1
        e = after


@given(st.integers(0, 50), st.integers(0, 50))
def test_ejections_never_leave_a_request_with_nobody(eligible: int, ejected: int) -> None:
    """The panic law: obeyed only where somebody is left, and of three or more at least half."""
    ejected = min(ejected, eligible)
    if outlier.obeyed(eligible, ejected):
        assert eligible == 0 or ejected < eligible
        assert eligible < MIN_PEERS or ejected <= PANIC * eligible
    else:
        assert ejected


@pytest.mark.parametrize(
    ("eligible", "ejected", "obeyed"),
    [(0, 0, True), (1, 0, True), (1, 1, False), (2, 1, True), (2, 2, False), (3, 1, True), (3, 2, False), (4, 2, True)],
)
def test_panic_needs_three_rows_and_more_than_half_of_them_out(eligible: int, ejected: int, obeyed: bool) -> None:
    """With two rows one may be set aside, but never both."""
    assert outlier.obeyed(eligible, ejected) == obeyed
