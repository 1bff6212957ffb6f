"""Rate limits as the provider told them, projected to now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import QuotaReading
from lbd.state import quota
from lbd.state.quota import UNKNOWN_RESET, Bucket, Quota

NOW = 1000.0
WHATS = ("requests", "tokens", "input_tokens", "output_tokens")

readings = st.builds(
    QuotaReading,
    what=st.sampled_from(WHATS),
    limit=st.none() | st.integers(0, 1000),
    remaining=st.sampled_from((0, 0, 1, 2, 500)),
    reset_s=st.none() | st.floats(0, 3600),
)
quotas = st.builds(
    lambda found, wait: quota.blocked(quota.read(Quota(), found, NOW), wait, NOW),
    st.lists(readings, max_size=5),
    st.sampled_from((0.0, 0.0, 5.0, 100.0)),
)


def reading(what: str, remaining: int, limit: int | None = 100, reset_s: float | None = 10.0) -> QuotaReading:
    return QuotaReading(what, limit, remaining, reset_s)


def test_where_nothing_is_known_everything_is_left() -> None:
    """A provider without limit headers is used freely."""
    assert quota.left(Quota(), NOW) == 1.0
    assert quota.next_timer(Quota(), NOW) is None
    assert quota.used(Quota(), 500) == Quota()


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
    """Requests by one, tokens by their number."""
    q = quota.read(Quota(), [reading("requests", 2), reading("tokens", 50)], NOW)
    q = quota.used(q, 40)
    assert {w: b.remaining for w, b in q.buckets.items()} == {"requests": 1, "tokens": 10}
    q = quota.used(quota.used(q, 40), 40)
    assert {w: b.remaining for w, b in q.buckets.items()} == {"requests": 0, "tokens": 0}


def test_a_reading_that_says_the_same_makes_no_new_value() -> None:
    """Nothing changed, so nothing is published; a reading of one limit leaves the others."""
    q = quota.read(Quota(), [reading("requests", 5), reading("tokens", 7)], NOW)
    assert quota.read(q, [reading("requests", 5)], NOW) is q
    after = quota.read(q, [reading("requests", 4)], NOW)
    assert after.buckets == {"requests": Bucket(100, 4, NOW + 10.0), "tokens": q.buckets["tokens"]}


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


@given(quotas, st.integers(0, 500), st.floats(0, 4000))
def test_using_it_never_raises_what_is_left(q: Quota, tokens: int, passed: float) -> None:
    """Monotone, and old values stay as they were."""
    before = quota.left(q, NOW + passed)
    assert quota.left(quota.used(q, tokens), NOW + passed) <= before
    assert quota.left(q, NOW + passed) == before
