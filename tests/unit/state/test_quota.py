"""All rate limits of an account together, as the provider told them, projected to now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.outcome import QuotaReading
from lbd.state import quota
from lbd.state.bucket import LOOKED
from lbd.state.freely import Free
from lbd.state.need import NOTHING, Ahead, Need
from lbd.state.quota import LEAST, SOON, UNKNOWN_RESET, Answered, Quota

NOW = 1000.0
WHATS = ("requests", "tokens", "input_tokens", "output_tokens")
ONE = Need(1, 30, 10, 0, 40)

readings = st.builds(
    QuotaReading,
    what=st.sampled_from(WHATS),
    limit=st.none() | st.integers(0, 1000),
    remaining=st.sampled_from((0, 0, 1, 2, 500)),
    reset_s=st.none() | st.floats(0, 3600),
)


def answered(ordinal: int = 0, sent: int = 0, at: float = NOW, each: Need = ONE, **more: object) -> Answered:
    """The answer to the account's request of this number, of so many sent until now."""
    mark, all_of = (Need(*(n * part for part in each)) for n in (ordinal, max(ordinal, sent)))
    return Answered(mark, all_of, at, **more)  # type: ignore[arg-type]


def read(q: Quota, *found: QuotaReading, at: float = NOW, **more: object) -> Quota:
    return quota.read(q, found, answered(at=at, **more), at)  # type: ignore[arg-type]


def _told(rounds: list[list[QuotaReading]], each: Need, wait: float) -> Quota:
    """Readings some seconds apart, the last one at ``NOW``; then a 429."""
    q = Quota()
    for i, found in enumerate(rounds):
        at = NOW - 6.0 * (len(rounds) - 1 - i)
        q = read(q, *found, at=at, ordinal=i, sent=i + 1, each=each)
        q = quota.used(q, each, at)
    return quota.blocked(q, wait, NOW)


quotas = st.builds(
    _told,
    st.lists(st.lists(readings, max_size=5), max_size=4),
    st.sampled_from((Need(1), ONE, Need(1, 300, 20, 200, 300))),
    st.sampled_from((0.0, 0.0, 5.0, 100.0)),
)


def reading(what: str, remaining: int, limit: int | None = 100, reset_s: float | None = 10.0) -> QuotaReading:
    return QuotaReading(what, limit, remaining, reset_s)


def test_where_nothing_is_known_everything_is_left() -> None:
    """A provider without limit headers is used freely."""
    assert quota.left(Quota(), NOW) == 1.0
    assert quota.next_timer(Quota(), NOW) is None
    assert quota.when(Quota(), ONE, NOW) == NOW
    none = Quota()
    assert quota.used(none, ONE, NOW) is none


def test_the_scarcest_limit_counts() -> None:
    """One of many limits is enough to refuse."""
    q = read(Quota(), reading("requests", 90), reading("tokens", 20))
    assert quota.left(q, NOW) == 0.2
    assert quota.when(q, Need(1, either=20), NOW) == NOW
    assert quota.when(q, Need(1, either=21), NOW) == NOW + 10.0


def test_at_its_reset_a_limit_is_full_again() -> None:
    """From ``reset_at`` on the reading says nothing more."""
    q = read(Quota(), reading("requests", 0, reset_s=10.0))
    assert quota.left(q, NOW + 9.9) == 0.0
    assert quota.next_timer(q, NOW + 9.9) == NOW + 10.0
    assert quota.left(q, NOW + 10.0) == 1.0
    assert quota.next_timer(q, NOW + 10.0) is None


def test_a_limit_without_a_reset_is_held_for_a_minute() -> None:
    """Most providers count in minutes."""
    q = read(Quota(), reading("tokens", 0, reset_s=None))
    assert quota.next_timer(q, NOW) == NOW + UNKNOWN_RESET


def test_without_a_limit_only_none_left_counts() -> None:
    """A share of an unknown whole cannot be told: all, or nothing; and nothing after its reset."""
    assert quota.left(read(Quota(), reading("tokens", 1, limit=None)), NOW) == 1.0
    q = read(Quota(), reading("tokens", 0, limit=None))
    assert quota.left(q, NOW) == 0.0
    assert quota.when(q, ONE, NOW + 10) == NOW + 10


def test_a_429_closes_it_for_as_long_as_was_asked() -> None:
    """Blocked whatever the headers say; a shorter wait never shortens a longer one."""
    q = quota.blocked(read(Quota(), reading("requests", 100)), 30.0, NOW)
    q = quota.blocked(q, 5.0, NOW + 1)
    assert quota.left(q, NOW + 29.9) == 0.0
    assert quota.next_timer(q, NOW + 1) == quota.when(q, ONE, NOW + 1) == NOW + 30.0
    assert quota.left(q, NOW + 30.0) == 1.0


def test_own_requests_lower_what_is_left() -> None:
    """Requests by one, tokens by what they take; what a request usually takes is learned of them."""
    q = read(Quota(), reading("requests", 2), reading("tokens", 50))
    q = quota.used(q, ONE, NOW)
    assert {w: b.remaining for w, b in q.buckets.items()} == {"requests": 1, "tokens": 10}
    assert q.each == ONE
    assert quota.left(q, NOW) == 0.0, "ten tokens are too few for another one"
    again = quota.used(q, Need(1, 130, 10, 0, 140), NOW)
    assert again.each == Need(1, 40, 10, 0, 50)


def test_what_was_sent_after_the_request_that_told_is_subtracted() -> None:
    """The answer to the third request of seven: four more are under way."""
    q = read(Quota(), reading("requests", 10), reading("tokens", 300, 1000), ordinal=3, sent=7)
    assert {w: b.remaining for w, b in q.buckets.items()} == {"requests": 6, "tokens": 140}
    q = read(Quota(), reading("requests", 3), ordinal=3, sent=7)
    assert quota.left(q, NOW) == 0.0


def test_an_older_view_never_replaces_a_younger_one() -> None:
    """Answers overtake each other."""
    young = read(Quota(), reading("requests", 5), ordinal=9, sent=9)
    assert read(young, reading("requests", 80), at=NOW + 1, ordinal=4, sent=9) is young


def test_a_window_that_ended_is_not_gone_back_to() -> None:
    """An answer that comes after the reset tells of a window in which nothing counts any more."""
    q = read(Quota(), reading("requests", 2, reset_s=5.0), ordinal=1)
    q = quota.used(quota.used(q, ONE, NOW + 6), ONE, NOW + 6)
    late = Answered(Need(2), Need(4), NOW + 1, age_s=2.0)
    q = quota.read(q, [reading("requests", 1, reset_s=2.0)], late, NOW + 7)
    assert quota.held(q.buckets["requests"], NOW + 7) == 98
    fresh = Answered(Need(3), Need(4), NOW + 6, age_s=0.5)
    q = quota.read(q, [reading("requests", 60, reset_s=50.0)], fresh, NOW + 7)
    assert quota.held(q.buckets["requests"], NOW + 7) == 59


def test_an_answer_tells_how_far_lbd_was_out_when_it_let_it_through() -> None:
    """By the limits of that moment; a limit that has changed since tells nothing."""
    q = read(Quota(), reading("requests", 50), ordinal=1)
    then = quota.used(q, ONE, NOW)
    for limits, spread in ((then, True), (None, False)):
        after = read(then, reading("requests", 40), at=NOW, ordinal=2, limits=limits)
        assert (after.buckets["requests"].spread > 0) is spread
    other = read(then, reading("requests", 40, 200), ordinal=2, limits=then)
    assert other.buckets["requests"].spread == 0


def filling(remaining: int = 0) -> Quota:
    """A limit of 600 that is known to fill up by 10 a second."""
    q = Quota()
    for n, left in enumerate((450, 300, 150, remaining)):
        q = read(q, reading("requests", left, 600, (600 - left) / 10), at=NOW, ordinal=n)
    assert q.buckets["requests"].refill == pytest.approx(10.0)
    return q


def test_what_fills_up_soon_is_not_shut() -> None:
    """Whoever comes waits its turn instead of being turned away; a share is told to be left."""
    q = filling()
    assert quota.when(q, ONE, NOW) == pytest.approx(NOW + 0.1)
    assert quota.next_timer(q, NOW) is None and quota.left(q, NOW) == LEAST
    for _ in range(30):
        q = quota.used(q, ONE, NOW)
    at = quota.next_timer(q, NOW)
    assert at == pytest.approx(NOW + 3.1 - SOON)
    assert quota.left(q, NOW) == 0.0


def test_those_before_it_go_first() -> None:
    """What they take is not free."""
    q = filling(20)
    assert quota.when(q, ONE, NOW) == NOW
    assert quota.when(q, ONE, NOW, ahead=Ahead(Need(20))) == pytest.approx(NOW + 0.1)


def test_longest_answers_under_way_are_not_free() -> None:
    """Of output tokens, until they are complete."""
    q = read(Quota(), reading("output_tokens", 500, 1000), ordinal=0)
    assert quota.when(q, Need(1, 0, 10, 90), NOW) == NOW
    assert quota.when(q, Need(1, 0, 10, 90), NOW, under_way=Need(5, 0, 50, 450)) > NOW


def test_readings_of_one_limit_leave_the_others() -> None:
    """Each answer tells what it tells."""
    q = read(Quota(), reading("requests", 5), reading("tokens", 7))
    after = read(q, reading("requests", 4))
    assert after.buckets["tokens"] is q.buckets["tokens"]
    changed = after.buckets["requests"]
    assert (changed.limit, changed.remaining, changed.reset_at) == (100, 4, NOW + 10.0)


@given(quotas, st.floats(0, 4000))
def test_what_is_left_is_a_share_and_its_timer_ends_every_refusal(q: Quota, passed: float) -> None:
    """In [0, 1]; shut exactly while there is a timer, and at the timer it is open."""
    now = NOW + passed
    left = quota.left(q, now)
    at = quota.next_timer(q, now)
    assert 0.0 <= left <= 1.0
    assert (left == 0.0) == (at is not None)
    if at is not None:
        assert at > now
        at += 1e-9 * at  # rounding
        assert quota.left(q, at) > 0.0
        assert quota.next_timer(q, at) is None


@given(quotas, st.floats(0, 4000))
def test_using_it_never_raises_what_is_left(q: Quota, passed: float) -> None:
    """Monotone, and old values stay as they were."""
    before, at = quota.left(q, NOW + passed), quota.when(q, ONE, NOW + passed)
    after = quota.used(q, ONE, NOW + passed)
    assert quota.when(after, ONE, NOW + passed) >= at
    assert quota.left(q, NOW + passed) == before


@given(quotas, st.lists(readings, max_size=4), st.integers(0, 6), st.floats(0, 100))
def test_only_views_that_are_not_older_change_anything(
    q: Quota, found: list[QuotaReading], ordinal: int, passed: float
) -> None:
    """And those that are taken in are remembered by their number."""
    after = read(q, *found, at=NOW + passed, ordinal=ordinal, sent=7)
    if ordinal < q.as_of:
        assert after is q
    else:
        assert after.as_of == ordinal
        assert set(after.buckets) == set(q.buckets) | {r.what for r in found}


def test_the_first_view_of_nothing_sent_is_kept() -> None:
    """A probe may tell before anybody has asked."""
    q = quota.read(Quota(), [reading("requests", 7)], Answered(NOTHING, NOTHING, NOW), NOW)
    assert q.buckets["requests"].remaining == 7 and q.as_of == 0


# --- 429s ---------------------------------------------------------------------------------------------


def refused(q: Quota, wait_s: float | None, now: float, **more: object) -> Quota:
    """A 429 to what was sent 50 ms ago."""
    return quota.refused(q, wait_s, now, **{"sent_at": now - 0.05, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("told", [None, 0.0])
def test_a_wait_that_nobody_named_is_drawn(told: float | None) -> None:
    """Up to a second, and never none: else every request would be tried there."""
    for draw, wait in ((0.0, quota.LEAST_WAIT), (0.5, 0.55), (1.0, quota.RATE_WAIT)):
        q = refused(Quota(), told, NOW, draw=draw)
        assert q.blocked_until - NOW == pytest.approx(wait)
        assert quota.left(q, NOW) == 0.0 and quota.next_timer(q, NOW) == q.blocked_until


def test_a_wait_that_is_named_is_kept_to() -> None:
    """To the millisecond, also one that is named later and is longer."""
    q = refused(Quota(), 0.02, NOW)
    assert quota.when(q, ONE, NOW) == NOW + 0.02
    q = refused(q, 5.0, NOW + 0.01)
    assert quota.when(q, ONE, NOW) == NOW + 5.01
    assert refused(q, None, NOW + 0.01) == q, "what was under way says nothing new"


def test_where_it_is_asked_freely_waits_that_nobody_named_are_short() -> None:
    """They are no more than a moment then."""
    q = refused(Quota(), None, NOW)
    assert q.pace is not None
    q = replace(q, pace=replace(q.pace, free=Free(until=NOW + 20)))
    q = quota.used(q, ONE, NOW + 2)
    assert refused(q, None, NOW + 2.05, draw=0.5).blocked_until == pytest.approx(NOW + 2.05 + quota.LEAST_WAIT / 2)


def test_after_a_429_one_request_goes_first_and_its_answer_lets_others_follow() -> None:
    """Until then something is left, but not at this moment: who comes in time waits its turn."""
    q = refused(Quota(), 1.0, NOW)
    then = NOW + 1.0
    assert quota.when(q, ONE, then) == then and quota.left(q, then) == 1.0
    q = quota.used(q, ONE, then)
    assert quota.when(q, ONE, then) > then
    assert quota.left(q, then) == LEAST and quota.next_timer(q, then) is None
    assert quota.when(quota.answered(q, then, then + 0.04), ONE, then + 0.04) == then + 0.04
    none = Quota()
    assert quota.answered(none, NOW, NOW) is none


def test_those_before_it_go_first_after_a_429_too() -> None:
    """Each lets two follow: the fourth behind the first comes in the third round."""
    q = refused(Quota(), 1.0, NOW)
    turns = [quota.when(q, ONE, NOW, ahead=Ahead(Need(n))) for n in range(4)]
    assert turns[0] == NOW + 1.0 and turns == sorted(turns) and turns[3] > turns[1] > turns[0]


def test_limits_that_are_told_say_more_than_429s() -> None:
    """Where headers tell how a limit fills up, no rate is measured; what both allow is sent."""
    known, unknown = filling(20), Quota()
    for q, measured in ((known, False), (unknown, True)):
        after = refused(q, 0.5, NOW)
        after = quota.used(after, ONE, NOW + 0.5)
        after = quota.used(quota.answered(after, NOW + 0.5, NOW + 0.6), ONE, NOW + 0.65)
        after = refused(after, 0.5, NOW + 0.7, sent_at=NOW + 0.65)
        assert after.pace is not None and (after.pace.rate > 0) is measured
    q = quota.used(refused(known, 0.5, NOW), ONE, NOW + 0.5)
    assert q.buckets["requests"].remaining < known.buckets["requests"].remaining and q.pace is not None
    assert quota.used(q, ONE, NOW + 100).pace is None, "it is forgotten in time"


# --- looks -----------------------------------------------------------------------------------------------


def shut(wait_s: float = 86400.0) -> Quota:
    return refused(Quota(), wait_s, NOW)


def test_a_wait_of_a_day_lets_one_look_now_and_then() -> None:
    """Five minutes after the 429, and not at once again; a good answer ends the wait."""
    q = shut()
    assert quota.look(q, NOW + quota.FIRST_LOOK - 1) is q
    at = NOW + quota.FIRST_LOOK
    q = quota.look(q, at)
    assert quota.when(q, ONE, at) == at and quota.left(q, at) > 0 and quota.look(q, at) is q
    q = quota.used(q, ONE, at)
    assert quota.left(q, at) == 0 and quota.when(q, ONE, at) == NOW + 86400
    assert quota.look(q, at + 10) is q, "it is awaited how that one ends"
    well = quota.answered(q, at, at + 1)
    assert quota.left(well, at + 1) == 1.0
    late = quota.answered(q, at - 1000, at + 1)
    assert quota.left(late, at + 1) == 0, "that was sent before"


def test_looks_become_rarer() -> None:
    """Each refusal doubles the time to the next."""
    at, q = NOW, shut()
    for n in range(3):
        at += quota.FIRST_LOOK * 2**n
        assert quota.look(q, at - 1) is q
        q = refused(quota.used(quota.look(q, at), ONE, at), 86400.0, at)
        assert quota.left(q, at) == 0


def test_a_wait_of_minutes_is_believed() -> None:
    """It is honoured to its end."""
    q = shut(quota.LONG_WAIT)
    assert quota.look(q, NOW + quota.LONG_WAIT - 1) is q


def test_a_limit_that_is_doubted_lets_one_look() -> None:
    """The others stay as they are; where none is doubted nothing changes."""
    q = read(Quota(), reading("requests", 0, reset_s=360.0), reading("tokens", 50), served=True)
    assert quota.left(q, NOW + 1) == 0
    opened = quota.look(q, NOW + 1)
    assert quota.when(opened, Need(1), NOW + 1) == NOW + 1 and quota.left(opened, NOW + 1) > 0
    sure = read(Quota(), reading("requests", 0, reset_s=360.0))
    assert quota.look(sure, NOW + 1) is sure


def test_a_limit_is_looked_into_until_what_came_of_it_is_known_or_another_may_look() -> None:
    """The others wait for it that long."""
    empty = reading("requests", 0, reset_s=360.0)
    doubtful = read(Quota(), empty, served=True)
    sent = quota.used(quota.look(doubtful, NOW + 1), ONE, NOW + 1)
    assert not quota.looked_into(doubtful, NOW + 1)
    assert quota.looked_into(sent, NOW + 1) and quota.looked_into(sent, NOW + LOOKED)
    assert not quota.looked_into(sent, NOW + 1 + LOOKED)
    assert not quota.looked_into(quota.refused(sent, 1.0, NOW + 2, sent_at=NOW + 1), NOW + 2), "it is so"
    assert not quota.looked_into(read(sent, empty, at=NOW + 2, served=True), NOW + 2), "it is not"
