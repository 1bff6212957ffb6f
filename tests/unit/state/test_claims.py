"""What those take who wait for room under rate limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.state.claims import Bid, Claims
from lbd.state.need import NOBODY, NOTHING, Ahead, Need

needs = st.builds(
    Need,
    st.just(1),
    st.integers(0, 5000).map(float),
    st.integers(0, 5000).map(float),
    st.integers(0, 5000).map(float),
    st.integers(0, 5000).map(float),
)


def after(count: int, **more: int) -> Bid:
    """One that has so many before it."""
    return Bid(Need(), count, **more)


def waiting(*takes: Need) -> tuple[Claims, list[int]]:
    claims = Claims()
    return claims, [claims.enter(need) for need in takes]


def test_who_is_first_finds_nothing_claimed() -> None:
    """All that is free is for the first."""
    claims, _ = waiting(Need(1, 500), Need(1, 700))
    assert claims.before(after(0)) == NOBODY
    assert Claims().before(after(3)) == NOBODY


def test_who_comes_last_finds_everything_claimed() -> None:
    """Also where more wait in the queue than here: they wait for something else."""
    claims, _ = waiting(Need(1, 500, 10, 5), Need(1, 700))
    assert claims.before(after(2)) == Ahead(Need(2, 1200, 10, 5))
    assert claims.before(after(9)) == Ahead(Need(2, 1200, 10, 5))


def test_whoever_goes_before_others_leaves_room_for_each_of_them() -> None:
    """A client's first request goes before another's flood, but not past one that is too large for what is free."""
    claims, _ = waiting(Need(1, 4000), Need(1, 100), Need(1, 100), Need(1, 100))
    assert claims.before(after(1)) == Ahead(Need(1, 1075), Need(1, 4000))
    assert claims.before(after(3)) == Ahead(Need(3, 3225), Need(1, 4000))
    small, _ = waiting(*[Need(1, 100)] * 4)
    assert small.before(after(2)) == Ahead(Need(2, 200), Need(1, 100))


def test_whose_turn_it_is_is_not_overtaken_while_it_waits_for_room() -> None:
    """It may be out of the queue for a moment, to see whether there is room, and others be called meanwhile."""
    claims, (large, small) = waiting(Need(1, 4000), Need(1, 100))
    claims.lead(after(0, ticket=large))
    claims.lead(after(0, ticket=small))
    assert claims.before(after(0, ticket=large)) == NOBODY
    assert claims.before(after(0, ticket=small)) == Ahead(NOTHING, Need(1, 4000))
    assert claims.before(after(0)) == Ahead(NOTHING, Need(1, 4000))
    assert claims.before(after(2)) == Ahead(Need(2, 4100), Need(1, 4000))
    claims.leave(large)
    assert claims.before(after(0)) == NOBODY


def test_background_work_leads_nobody_else() -> None:
    """Interactive work goes before it, whosever turn it was."""
    claims, (quiet, user) = waiting(Need(1, 4000), Need(1, 100))
    claims.lead(after(0, ticket=quiet, rank=1))
    assert claims.before(after(0)) == NOBODY
    assert claims.before(after(0, rank=1)) == Ahead(NOTHING, Need(1, 4000))
    claims.lead(after(0, ticket=user))
    assert claims.before(after(0, ticket=quiet, rank=1)) == Ahead(NOTHING, Need(1, 100))


def test_a_claim_ends_once() -> None:
    """Twice is harmless, and nothing is left of it."""
    claims, (first, second) = waiting(Need(1, 500), Need(1, 700))
    claims.leave(first)
    claims.leave(first)
    assert len(claims) == 1 and claims.before(after(1)) == Ahead(Need(1, 700))
    claims.leave(second)
    assert len(claims) == 0 and claims.before(after(1)) == NOBODY


@given(st.lists(needs, max_size=8), st.integers(0, 10), st.data())
def test_more_before_it_never_claim_less(takes: list[Need], count: int, data: st.DataObject) -> None:
    """Monotone in the count, bounded by the sum; what is left after some went is the sum of the others."""
    claims, tickets = waiting(*takes)
    fewer, more = claims.before(after(count)), claims.before(after(count + 1))
    total = claims.before(after(len(takes) or 1))
    assert all(a <= b + 1e-6 <= c + 2e-6 for a, b, c in zip(fewer.total, more.total, total.total, strict=True))
    gone = data.draw(st.sets(st.sampled_from(tickets))) if tickets else set()
    for ticket in gone:
        claims.leave(ticket)
    rest = NOTHING
    for ticket, need in zip(tickets, takes, strict=True):
        rest = rest if ticket in gone else rest.plus(need)
    assert claims.before(after(99)).total == rest
