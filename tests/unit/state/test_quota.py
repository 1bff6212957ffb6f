"""Rate limits as the provider told them, projected to now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import QuotaReading
from lbd.state import quota
from lbd.state.quota import UNKNOWN_RESET, Quota

NOW = 1000.0
WHATS = ("requests", "tokens", "input_tokens", "output_tokens")

readings = st.builds(
    QuotaReading,
    what=st.sampled_from(WHATS),
    limit=st.none() | st.integers(0, 1000),
    remaining=st.sampled_from((0, 0, 1, 2, 500)),
    reset_s=st.none() | st.floats(0, 3600),
)


def _told(rounds: list[list[QuotaReading]], tokens: int, wait: float) -> Quota:
    """Readings some seconds apart, the last one at ``NOW``; then a 429."""
    q = Quota()
    for i, found in enumerate(rounds):
        q = quota.read(q, found, NOW - 6.0 * (len(rounds) - 1 - i), ordinal=i, sent=i + 1, tokens=tokens)
    return quota.blocked(q, wait, NOW)


quotas = st.builds(
    _told,
    st.lists(st.lists(readings, max_size=5), max_size=4),
    st.sampled_from((0, 1, 300)),
    st.sampled_from((0.0, 0.0, 5.0, 100.0)),
)


def reading(what: str, remaining: int, limit: int | None = 100, reset_s: float | None = 10.0) -> QuotaReading:
    return QuotaReading(what, limit, remaining, reset_s)


def test_where_nothing_is_known_everything_is_left() -> None:
    """A provider without limit headers is used freely."""
    assert quota.left(Quota(), NOW) == 1.0
    assert quota.next_timer(Quota(), NOW) is None
    assert quota.used(Quota()) == Quota()


def test_the_scarcest_limit_counts() -> None:
    """One of many limits is enough to refuse."""
    q = quota.read(Quota(), [reading("requests", 90), reading("tokens", 20)], NOW)
    assert quota.left(q, NOW) == 0.2


def test_at_its_reset_a_limit_is_full_again() -> None:
    """From ``reset_at`` on the reading says nothing more."""
    q = quota.read(Quota(), [reading("requests", 0, reset_s=10.0)], NOW)
    assert quota.left(q, NOW + 9.9) == 0.0
    assert quota.next_timer(q, NOW + 9.9) == NOW + 10.0
    assert quota.left(q, NOW + 10.0) == 1.0
    assert quota.next_timer(q, NOW + 10.0) is None


def test_a_limit_without_a_reset_is_held_for_a_minute() -> None:
    """Most providers count in minutes."""
    q = quota.read(Quota(), [reading("tokens", 0, reset_s=None)], NOW)
    assert quota.next_timer(q, NOW) == NOW + UNKNOWN_RESET


def test_without_a_limit_only_none_left_counts() -> None:
    """A share of an unknown whole cannot be told: all, or nothing."""
    assert quota.left(quota.read(Quota(), [reading("tokens", 1, limit=None)], NOW), NOW) == 1.0
    assert quota.left(quota.read(Quota(), [reading("tokens", 0, limit=None)], NOW), NOW) == 0.0


def test_a_429_closes_it_for_as_long_as_was_asked() -> None:
    """Blocked whatever the headers say; a shorter wait never shortens a longer one."""
    q = quota.blocked(quota.read(Quota(), [reading("requests", 100)], NOW), 30.0, NOW)
    q = quota.blocked(q, 5.0, NOW + 1)
    assert quota.left(q, NOW + 29.9) == 0.0
    assert quota.next_timer(q, NOW + 1) == NOW + 30.0
    assert quota.left(q, NOW + 30.0) == 1.0


def test_own_requests_lower_what_is_left_and_never_below_nothing() -> None:
    """Requests by one, tokens by what a request usually takes."""
    q = quota.read(Quota(), [reading("requests", 2), reading("tokens", 50)], NOW, tokens=40)
    q = quota.used(q)
    assert {w: b.remaining for w, b in q.buckets.items()} == {"requests": 1, "tokens": 10}
    assert quota.left(q, NOW) == 0.0, "ten tokens are too few for another one"
    q = quota.used(quota.used(q))
    assert {w: b.remaining for w, b in q.buckets.items()} == {"requests": 0, "tokens": 0}


def test_what_was_sent_after_the_request_that_told_is_subtracted() -> None:
    """The answer to the third request of seven: four more are under way."""
    q = quota.read(Quota(), [reading("requests", 10)], NOW, ordinal=3, sent=7)
    assert q.buckets["requests"].remaining == 6
    q = quota.read(Quota(), [reading("requests", 3)], NOW, ordinal=3, sent=7)
    assert quota.left(q, NOW) == 0.0


def test_an_older_view_never_replaces_a_younger_one() -> None:
    """Answers overtake each other."""
    young = quota.read(Quota(), [reading("requests", 5)], NOW, ordinal=9, sent=9)
    assert quota.read(young, [reading("requests", 80)], NOW + 1, ordinal=4, sent=9) is young


def test_the_usual_size_of_a_request_is_learned() -> None:
    """A moving average, which answers that came late teach, too."""
    q = Quota()
    for n in range(200):
        q = quota.read(q, [reading("tokens", 1000, 1000)], NOW, ordinal=n % 3, sent=200, tokens=100 if n < 100 else 500)
    assert 495 < q.tokens_each <= 500


def bucket_readings(*, window: bool) -> list[tuple[float, QuotaReading]]:
    """One request a second, of a hundred a minute: what a fixed window or a token bucket tells of it."""
    out = []
    level = 100.0
    for t in range(1, 50):
        level -= 1
        if not window:
            level = min(100.0, level + 100 / 60)
        missing = 100 - level
        reset = 60.0 - t if window else missing * 60 / 100
        out.append((NOW + t, reading("requests", int(level), 100, reset)))
    return out


def test_a_fixed_window_stays_empty_until_its_end() -> None:
    """Nothing comes back before it."""
    q = Quota()
    for at, r in bucket_readings(window=True):
        q = quota.read(q, [r], at)
    at = NOW + 49
    q = quota.read(q, [reading("requests", 0, 100, 11.0)], at)
    assert q.buckets["requests"].refill == 0.0
    assert quota.left(q, at + 10.9) == 0.0
    assert quota.next_timer(q, at) == at + 11.0


def test_a_token_bucket_fills_up_steadily() -> None:
    """Empty, it has room for one more request long before it is full."""
    q = Quota()
    for t, remaining in enumerate((40, 30, 20, 10, 0)):
        at = NOW + 3 * t
        q = quota.read(q, [reading("requests", remaining, 100, (100 - remaining) * 0.6)], at)
    assert q.buckets["requests"].refill == pytest.approx(100 / 60)
    assert quota.left(q, at) == 0.0
    again = quota.next_timer(q, at)
    assert again == pytest.approx(at + 0.6)
    assert again is not None and quota.left(q, again) > 0.0
    assert quota.left(q, at + 30) == pytest.approx(0.5)
    assert quota.left(q, at + 59.9) <= 1.0


def test_a_reading_that_says_the_same_makes_no_new_value() -> None:
    """Nothing changed, so nothing is published; a reading of one limit leaves the others."""
    q = quota.read(Quota(), [reading("requests", 5), reading("tokens", 7)], NOW)
    assert quota.read(q, [reading("requests", 5)], NOW) is q
    after = quota.read(q, [reading("requests", 4)], NOW)
    assert after.buckets["tokens"] is q.buckets["tokens"]
    changed = after.buckets["requests"]
    assert (changed.limit, changed.remaining, changed.reset_at) == (100, 4, NOW + 10.0)


@given(quotas, st.floats(0, 4000))
def test_what_is_left_is_a_share_and_its_timer_ends_every_refusal(q: Quota, passed: float) -> None:
    """In [0, 1]; refused exactly while there is a timer, and at the timer it may be used again."""
    now = NOW + passed
    left = quota.left(q, now)
    at = quota.next_timer(q, now)
    assert 0.0 <= left <= 1.0
    assert (left == 0.0) == (at is not None)
    if at is not None:
        assert at > now
        assert quota.left(q, at) > 0.0
        assert quota.next_timer(q, at) is None


@given(quotas, st.floats(0, 4000))
def test_using_it_never_raises_what_is_left(q: Quota, passed: float) -> None:
    """Monotone, and old values stay as they were."""
    before = quota.left(q, NOW + passed)
    assert quota.left(quota.used(q), NOW + passed) <= before
    assert quota.left(q, NOW + passed) == before
