"""How fast an account is asked that has answered 429."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.state import pace as paces
from lbd.state.freely import FREELY, Free
from lbd.state.pace import (
    AT_ONCE,
    EARLY,
    EARLY_GAP,
    EARLY_WAITS,
    FIRST,
    FORGOTTEN,
    FULL,
    LEAST_PATIENCE,
    LONGEST_RATE_WAIT,
    LOOK,
    MISTRUSTED,
    MORE,
    MOST_PATIENCE,
    RATE_WAIT,
    Pace,
    Refusal,
)

NOW = 1000.0
TOOK = 0.05
PATIENCE = LEAST_PATIENCE


def first(wait: float = 1.0, *, asked: int = 0) -> Pace:
    """An account after its first 429."""
    return paces.refused(None, Refusal(NOW - TOOK, NOW + wait, asked), NOW)


def again(pace: Pace, sent_at: float, wait: float = 1.0, **more: object) -> Pace:
    """A 429 to what was sent then, and came as long after it as they do."""
    at = sent_at + TOOK
    return paces.refused(pace, Refusal(sent_at, at + wait, **more), at)  # type: ignore[arg-type]


def used(pace: Pace, now: float, n: int = 1, asked: int = 0) -> Pace:
    for _ in range(n):
        after = paces.used(pace, now, asked)
        assert after is not None
        pace = after
    return pace


def sendable(pace: Pace, now: float, **more: int) -> int:
    """Count what may be sent at once."""
    n = 0
    while paces.when(pace, now, **more) <= now and n < 1000:
        n, pace = n + 1, used(pace, now, asked=more.get("asked", 0))
    return n


def paced(rate: float = 10.0, now: float = NOW) -> Pace:
    """One whose rate is known for sure, with nothing left at this moment."""
    early = paces.Ahead(0, now)
    return Pace(now, now, early, level=0.0, rate=rate, finding=False, out_at=now, seen=(100.0, 100.0 / rate))


# --- after a wait -------------------------------------------------------------------------------------


def test_after_a_wait_one_goes_first_and_whoever_is_let_through_lets_two_follow() -> None:
    """Nobody before it is over; then one, two, four, and so on until nothing limits it."""
    q = first()
    assert paces.when(q, NOW) == paces.opens(q, NOW) == NOW + 1.0
    now, counts = NOW + 1.0, []
    while not paces.over(q, now):
        counts.append(sendable(q, now))
        q = used(q, now, counts[-1])
        assert paces.when(q, now) == pytest.approx(now + PATIENCE)
        now += PATIENCE
        q = paces.answered(q, 0.0, now)  # of a request that is not known: it is only brought up to now
    assert counts == [1, 2, 4, 8, 16] or counts == [1, 2, 4, 8, 16, 32]
    assert q.level >= FULL and paces.when(q, now) == paces.opens(q, now) == now
    assert paces.used(q, now, 0) is None, "it says nothing any more"


def test_an_answer_tells_at_once_that_it_was_let_through() -> None:
    """Nobody waits for the end of patience then; twice is once."""
    q = used(first(), NOW + 1.0)
    q = paces.answered(q, NOW + 1.0, NOW + 1.03)
    assert sendable(q, NOW + 1.03) == 2
    assert paces.answered(q, NOW + 1.0, NOW + 1.03) == q


@pytest.mark.parametrize(("took", "patience"), [(0.01, LEAST_PATIENCE), (0.2, 0.4), (3.0, MOST_PATIENCE)])
def test_patience_is_as_long_as_429s_take_twice(took: float, patience: float) -> None:
    """Within bounds; a quick one does not make it short at once."""
    q = paces.refused(None, Refusal(NOW - took, NOW + 1.0), NOW)
    assert q.patience_s == pytest.approx(patience)
    later = again(used(q, NOW + 1.0), NOW + 1.0)
    assert later.patience_s >= min(patience, MOST_PATIENCE) * 0.8


def test_what_was_under_way_says_the_same_once_more() -> None:
    """It is no news, but a longer wait that it names holds."""
    q = first()
    for n in range(20):
        q = paces.refused(q, Refusal(NOW - 0.01, NOW + 1.0), NOW + 0.001 * n)
    assert q.refusals == 1 and q.at == NOW + 1.0
    q = paces.refused(q, Refusal(NOW - 0.01, NOW + 9.0), NOW + 0.03)
    assert q.refusals == 1 and paces.when(q, NOW + 1.0) == NOW + 9.0
    assert not paces.is_news(q, NOW, NOW + 0.1) and paces.is_news(q, NOW + 0.05, NOW + 0.1)
    assert paces.is_news(None, NOW, NOW) and paces.is_news(q, NOW, NOW + 10 + FORGOTTEN)


def test_it_is_forgotten_in_time() -> None:
    """A minute without a 429 is as good as none."""
    q = first()
    assert not paces.over(q, NOW + 1.0 + FORGOTTEN)
    late = NOW + 1.1 + FORGOTTEN
    assert paces.over(q, late) and paces.when(q, late, ahead=50.0) == late
    assert paces.refused(q, Refusal(late, late + 1), late).refusals == 1


# --- a rate -------------------------------------------------------------------------------------------


def test_what_is_let_through_between_two_429s_is_the_rate() -> None:
    """A little more than that is asked for; those who wait have their turns by it."""
    q = used(first(0.0), NOW + 0.001)
    now = NOW + 0.001
    for _ in range(3):
        now += PATIENCE
        q = used(q, now, 2)
    q = again(used(q, now + PATIENCE), now + PATIENCE)
    n, of = q.seen
    assert n == 7 and of == pytest.approx(now + PATIENCE + TOOK - NOW)
    assert not q.finding and q.rate == pytest.approx(MORE * n / of)
    opens = q.at
    turns = [paces.when(replace(q, level=1.0), opens, ahead=float(k)) for k in range(4)]
    assert turns == pytest.approx([opens + k / q.rate for k in range(4)], abs=1e-4)


def test_what_was_under_way_at_the_429_counts_for_the_rate_that_was_read_off() -> None:
    """One answered and one not yet are two; without it a few a second are held to be half as many for long."""
    q = used(first(), NOW + 1.0)
    q = used(paces.answered(q, NOW + 1.0, NOW + 1.1), NOW + 1.1, 2)
    q = again(q, NOW + 1.1)
    at = NOW + 1.1 + TOOK
    assert q.rate == pytest.approx(MORE * 1 / (at - NOW)) and len(q.sent) == 1
    late = paces.answered(q, NOW + 1.1, at + 0.2)
    assert late.rate == pytest.approx(2 * q.rate) and late.seen == (pytest.approx(2 * q.seen[0]), q.seen[1])
    assert late.count == 0, "and not once more for the next"
    assert paces.when(late, late.at) == late.at and late.level <= max(1.0, late.rate * AT_ONCE)
    refused = again(q, NOW + 1.1)
    assert refused.rate == q.rate and refused.seen == q.seen, "the other of the two was refused as well"
    short = replace(q, seen=(1.0, 0.3))
    assert paces.answered(short, NOW + 1.1, at + 0.2).rate == q.rate, "it may as well belong to the next"


def test_what_was_under_way_where_many_were_seen_counts_for_the_next() -> None:
    """A rate that is sure loses as many at one end as it gains at the other."""
    q = used(replace(paced(), refusals=0, count=30, level=2.0), NOW + 1.0, 2)
    q = again(q, NOW + 1.0)
    late = paces.answered(q, NOW + 1.0, NOW + 1.2)
    assert late.rate == q.rate and late.seen == q.seen and late.count == 1


def test_where_headers_tell_the_rate_nothing_is_measured() -> None:
    """Only one goes first, and others follow."""
    q = used(first(0.0), NOW + 0.001)
    q = again(q, NOW + 0.5, measured=False)
    assert q.rate == 0.0 and q.finding


def test_what_came_back_while_nothing_was_sent_is_there() -> None:
    """As much as within a second: nobody knows how much more the account holds."""
    q = paced()
    assert sendable(q, NOW + 0.55) == 5
    assert sendable(q, NOW + 30.0) == round(10.0 * AT_ONCE)


def test_a_429_at_the_rate_makes_it_smaller_until_it_is_sure() -> None:
    """What few have shown is not exact."""
    unsure = replace(paced(), seen=(3.0, 0.3), refusals=0)
    q = again(used(unsure, NOW + 0.1), NOW + 0.1)
    assert q.rate < 10.0 * 0.8 + 0.01 and q.free.odd > 0
    sure = replace(paced(), refusals=0, count=11)
    q = again(used(sure, NOW + 1.05), NOW + 1.05)
    assert q.rate == pytest.approx(10.0, rel=0.1)


def test_a_wait_that_was_named_ends_the_pause_until_it_was_wrong_once() -> None:
    """Whoever names it knows best; after a 429 at its end lbd's own rate says when."""
    q = replace(paced(0.5), refusals=0, count=1)
    q = again(used(q, NOW + 2.1), NOW + 2.1)  # a second, though half a request comes back in it
    assert q.by_word and sendable(q, q.at) == 1
    sent = q.at
    q = again(used(q, sent), sent)
    assert q.doubted and not q.by_word and paces.when(q, q.at) > q.at + 0.5
    assert q.free.odd <= 1.0, "that it came at the named time is nothing odd"


def test_a_late_429_takes_back_what_was_held_to_be_let_through() -> None:
    """It is not counted, then."""
    q = used(first(0.0), NOW + 0.001)
    q = paces.answered(q, 0.0, NOW + 0.001 + PATIENCE)
    assert q.count == 1
    assert paces.refused(q, Refusal(NOW + 0.001, NOW + 2), NOW + 0.5).seen == (0.0, pytest.approx(0.5))


# --- ahead of its time --------------------------------------------------------------------------------


def test_one_of_many_that_want_it_goes_ahead_of_its_time() -> None:
    """At most one at a time, not too often, and nobody who is not the next."""
    q, now = replace(paced(0.1), refusals=0, wait_s=0.2), NOW + EARLY_GAP + EARLY_WAITS * 0.2
    assert paces.when(q, now, asked=EARLY) == now
    for no in (
        paces.when(q, now, asked=EARLY - 1),
        paces.when(q, now, asked=EARLY, ahead=1.0),
        paces.when(q, now - 0.01, asked=EARLY),
        paces.when(used(q, now, asked=EARLY), now, asked=5 * EARLY),
        paces.when(replace(q, refusals=MISTRUSTED), now, asked=FIRST),
    ):
        assert no > now + 1.0


def test_who_was_let_through_ahead_of_its_time_shows_that_there_is_more() -> None:
    """Two follow beside the rate, those four; what was sent at the rate before lets nobody follow."""
    q = replace(paced(2.0), refusals=0)
    now = NOW + 1.0
    q = used(q, now, 2, asked=EARLY)  # one at the rate, or two, and
    q = used(q, now, asked=EARLY)  # one before its time
    assert not q.early.known
    q = paces.answered(q, now, now + PATIENCE)
    assert q.finding and q.early.known and q.rate == 2.0
    assert sendable(q, now + PATIENCE) == 2
    assert sendable(used(q, now + PATIENCE, 2), now + 2 * PATIENCE) == 4


def test_a_429_ahead_of_its_time_changes_nothing_else() -> None:
    """It was to be expected: the turns of the others stay, and it is nothing odd."""
    q = replace(paced(0.5), refusals=0, level=0.5, count=20, seen=(20.0, 40.0))
    q = used(q, NOW + 0.2, asked=EARLY)
    after = again(q, NOW + 0.2, wait=0.0, named=False)
    assert after.free.odd == 0.0 and after.early.known
    assert after.level == pytest.approx(0.5 + 0.25 * 0.5, abs=0.05)


# --- waits that are of no use -------------------------------------------------------------------------


def shut(n: int = MISTRUSTED, draw: float = 1.0) -> Pace:
    """One that has refused whoever went first, so many times."""
    q = first()
    for _ in range(n - 1):
        q = again(used(q, q.at), q.at, draw=draw)
    return q


def test_the_ends_of_waits_are_not_believed_for_ever() -> None:
    """Some must want it, or a time is over that doubles up to its longest; the next who waits looks soon."""
    q = shut(MISTRUSTED - 1)
    assert paces.when(q, q.at) == q.at
    held = []
    for n in range(MISTRUSTED, MISTRUSTED + 7):
        q = shut(n)
        held.append(q.first_at - q.since)
        assert q.rate == 0.0 and q.seen == (0.0, 0.0)
        assert paces.when(q, q.at, asked=FIRST) == q.at
    assert held == pytest.approx([RATE_WAIT * 2**n for n in range(5)] + [LONGEST_RATE_WAIT] * 2)
    assert paces.when(q, q.at, asked=FIRST - 1) == q.at + LOOK
    assert paces.when(q, q.at, asked=FIRST - 1, ahead=1.0) > q.at + RATE_WAIT
    assert paces.when(q, q.first_at) == q.first_at
    assert paces.opens(q, NOW) == q.at, "people are told what the provider says"


def test_one_at_a_time_goes_first() -> None:
    """However many want it; and what is let through ends it."""
    q = shut()
    now = q.at
    q = used(q, now, asked=FIRST)
    assert paces.when(q, now, asked=50 * EARLY) == pytest.approx(now + PATIENCE)
    assert paces.answered(q, now, now + 0.06).refusals == 0


def test_how_long_it_is_held_is_drawn() -> None:
    """Many gateways do not come back together."""
    assert shut(6, draw=0.5).first_at - shut(6, draw=0.5).since == pytest.approx(4.0)


# --- freely -------------------------------------------------------------------------------------------


def test_where_no_rate_explains_its_429s_much_more_is_asked_as_soon_as_the_waits_are_over() -> None:
    """What comes together in a wait goes at its end; many at once are no sign that nothing limits it."""
    q = replace(paced(), free=Free(until=NOW + FREELY, rate=40.0))
    q = again(used(q, NOW + 2.0), NOW + 2.0, wait=0.5)
    assert q.rate == 80.0 and not q.finding and paces.when(q, q.since) == paces.opens(q, q.since) == q.at
    assert sendable(q, q.at) == 40 and sendable(q, q.at + 1.0) == 80
    assert not paces.over(replace(q, finding=True, level=FULL), NOW + 2.0)


def test_refusals_while_it_is_asked_freely_are_no_sign_that_it_is_shut() -> None:
    """Three in a row are usual where two in three are refused by chance."""
    q = replace(paced(), free=Free(until=NOW + FREELY, rate=40.0))
    for n in range(1, 2 * MISTRUSTED):
        at = NOW + 0.6 * n
        q = again(used(q, at), at, wait=0.5)
        assert paces.when(q, q.at) == q.at


def test_who_goes_ahead_while_it_is_asked_freely_finds_out_that_nothing_is_refused_any_more() -> None:
    """Without a 429 nothing else would tell: much more is still a rate, and less than what many want."""
    q = replace(paced(), free=Free(until=NOW + FREELY, rate=10.0), refusals=2 * MISTRUSTED, wait_s=0.2)
    now = NOW + EARLY_GAP + EARLY_WAITS * 0.2
    q = used(q, now, sendable(q, now))
    assert paces.when(q, now, asked=EARLY - 1) > now == paces.when(q, now, asked=EARLY)
    q = paces.answered(used(q, now, asked=EARLY), now, now + TOOK)
    assert q.finding and sendable(q, now + TOOK) >= 2


# --- laws ---------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(("send", "send", "answer", "refuse", "wait")),
        st.sampled_from((0.0, 0.01, 0.05, 0.3, 2.0)),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_comes_there_is_a_next_time_and_it_is_kept(history: list[tuple[str, float, bool]]) -> None:
    """Finite, not past, later for whoever stands behind others; and at that time one may go."""
    now, q, sent, asked = NOW, first(0.2), [], 0
    for what, passed, flag in history:
        now += passed
        if q is None:
            break
        asked += 3
        if what == "send":
            after = paces.used(q, now, asked)
            sent.append(now)
            if after is None:
                break
            q = after
        elif what == "answer" and sent:
            q = paces.answered(q, sent.pop(0 if flag else -1), now)
        elif what == "refuse" and sent:
            at = sent.pop(-1 if flag else 0)
            q = paces.refused(q, Refusal(at, now + passed, asked, 0.5, named=flag), now)
        turns = [paces.when(q, now, ahead=float(k), asked=asked) for k in range(6)]
        assert turns == sorted(turns) and now <= turns[0] and turns[-1] < now + 3600
        assert 0.0 <= q.level <= FULL and q.rate >= 0.0 and q.count >= 0
        at = paces.when(q, now, asked=asked)
        for _ in range(200):  # who waits looks again when it was told to
            if paces.when(q, at, asked=asked) <= at:
                break
            at = paces.when(q, at, asked=asked)
        assert paces.when(q, at, asked=asked) <= at
