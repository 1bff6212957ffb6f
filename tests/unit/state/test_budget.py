"""The retry budget: extra attempts are paid from the traffic, so that they cannot multiply an outage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.state.budget import SLOTS, WINDOW, RetryBudget

SLOT = WINDOW / SLOTS


def test_without_traffic_the_floor_is_what_may_be_spent() -> None:
    """Ten a second over ten seconds, then no more until the window has moved."""
    budget = RetryBudget()
    assert sum(budget.spend(100.0) for _ in range(1000)) == 100
    assert budget.spent == 100
    assert not budget.spend(109.9)
    assert budget.spend(110.0)


def test_each_request_earns_its_share() -> None:
    """A fifth of the requests may be tried once more, on top of the floor."""
    budget = RetryBudget(share=0.2, floor_per_s=0.0)
    assert not budget.spend(5.0)
    for _ in range(5):
        budget.request(5.0)
    assert budget.left(5.0) == 1.0
    assert budget.spend(5.0)
    assert not budget.spend(5.0)


def test_a_refused_spend_takes_nothing() -> None:
    """Asking in vain does not push the next attempt further away."""
    budget = RetryBudget(share=0.0, floor_per_s=0.1)
    assert budget.spend(0.0)
    for _ in range(50):
        assert not budget.spend(9.0)
    assert budget.spent == 1
    assert budget.spend(10.0)


def test_what_traffic_earned_is_gone_with_the_window() -> None:
    """Requests of ten seconds ago pay for nothing now, however long nobody looked."""
    budget = RetryBudget(share=1.0, floor_per_s=0.0)
    budget.request(3.0)
    assert budget.left(12.9) == 1.0
    assert budget.left(13.0) == 0.0
    budget.request(20.0)
    assert budget.left(1e6) == 0.0


def test_a_clock_that_stands_still_or_steps_back_counts_in_the_present_slot() -> None:
    """No count is lost and none is made up when the instant is older than the last one."""
    budget = RetryBudget(share=1.0, floor_per_s=0.0)
    budget.request(50.0)
    budget.request(47.0)
    assert budget.left(50.0) == 2.0


events = st.lists(
    st.tuples(st.sampled_from((0.0, 0.0, 0.0, 0.3, 1.0, 2.7, 12.0)), st.booleans(), st.integers(1, 40)), max_size=60
)


@given(events, st.sampled_from((0.0, 0.2, 1.0)), st.sampled_from((0.0, 0.5, 3.0)))
def test_extra_attempts_never_exceed_floor_and_share_in_any_window(
    events: list[tuple[float, bool, int]], share: float, floor: float
) -> None:
    """Against plain lists of instants: what was spent in the window is covered by it, right to one slot."""
    budget = RetryBudget(share, floor)
    requests: list[float] = []
    extras: list[float] = []
    now = 1000.0
    for gap, spends, count in events:
        now += gap
        for _ in range(count):
            if not spends:
                budget.request(now)
                requests.append(now)
                continue
            whole = int(now) - SLOTS + 1  # the window's first slot
            earned = floor * WINDOW + share * sum(t >= whole for t in requests)
            used = sum(t >= whole for t in extras)
            assert abs(budget.left(now) - (earned - used)) < 1e-6
            if budget.spend(now):
                extras.append(now)
                recent = sum(t > now - WINDOW + SLOT for t in extras)
                assert recent <= floor * WINDOW + share * sum(t > now - WINDOW for t in requests) + 1e-6
            else:
                assert earned - used < 1 + 1e-6
        assert budget.spent == sum(int(t) > int(now) - SLOTS for t in extras)
