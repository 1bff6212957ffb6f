"""One rate limit: what its headers tell of its ways, and how much room there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.outcome import QuotaReading
from lbd.state import bucket
from lbd.state.bucket import (
    LEARN_AFTER,
    LOOKED,
    MOST_LEAK,
    MOST_RESERVE,
    UNKNOWN_RESET,
    Bucket,
    Request,
    Told,
    level,
    read,
    reserve,
    used,
    when,
)
from lbd.state.need import NONE_OPEN, Open

NOW = 1000.0
LIMIT = 600
RATE = 10.0  # what a bucket of LIMIT a minute gets back in a second


def reading(remaining: float, reset_s: float | None, limit: int | None = LIMIT, *, fixed: bool = False) -> QuotaReading:
    return QuotaReading("tokens", limit, int(remaining), reset_s, fixed)


def told(at: float, sent: float = 0.0, since: float = 0.0, **more: object) -> Told:
    fields: dict[str, object] = {"age_s": 0.0, "open": NONE_OPEN, "believed": None, **more}
    return Told(at=at, sent=sent, since=since, **fields)  # type: ignore[arg-type]


def steady(**more: object) -> Bucket:
    """A bucket that is known to fill up steadily, empty."""
    fields: dict[str, object] = {"limit": LIMIT, "remaining": 0.0, "reset_at": NOW + 60, "at": NOW, "refill": RATE}
    return Bucket(**{**fields, **more})  # type: ignore[arg-type]


def history(
    *, window: bool, seconds: int = 50, rate: float = 11.0, first: int = 1
) -> Iterator[tuple[float, QuotaReading]]:
    """What a fixed window or a token bucket tells of requests at some rate, once a second."""
    left = float(LIMIT)
    for t in range(first, first + seconds):
        left = max(0.0, left - rate)
        if not window:
            left = min(LIMIT, left + RATE)
        yield NOW + t, reading(left, 60.0 - t if window else (LIMIT - left) / RATE)


# --- which kind of limit ---------------------------------------------------------------------------------


def test_a_bucket_is_told_from_a_window() -> None:
    """The rate to full is the same whenever a bucket tells it, and rises with use in a window."""
    for window, refill in ((True, 0.0), (False, RATE)):
        b: Bucket | None = None
        for at, r in history(window=window, rate=30.0, seconds=25):
            b = read(b, r, told(at), exact=True)
        assert b is not None and b.refill == pytest.approx(refill, rel=0.02)


def test_a_burst_tells_a_bucket_within_a_second() -> None:
    """It is the use that tells, not only time: whoever is empty at once must not wait for the whole reset."""
    b: Bucket | None = None
    for n in (100, 150, 200):
        b = read(b, reading(LIMIT - n, n / RATE), told(NOW + n / 1000), exact=True)
    assert b is not None and b.refill == pytest.approx(RATE)
    for n in (100, 150, 200):
        w = read(None if n == 100 else w, reading(LIMIT - n, 55.0), told(NOW + n / 1000), exact=True)  # noqa: F821
    assert w.refill == 0.0


def test_a_reset_that_was_told_as_a_time_counts_from_the_head() -> None:
    """The request was sent ten seconds before: the time to full was longer by as much then."""
    b: Bucket | None = None
    for n, age in ((300, 10.0), (400, 2.0), (500, 20.0)):
        r = reading(LIMIT - n, n / RATE - age, fixed=True)
        b = read(b, r, told(NOW + n / 10, age_s=age), exact=True)
    assert b is not None and b.refill == pytest.approx(RATE)


def test_what_was_a_bucket_and_behaves_like_a_window_is_one() -> None:
    """A provider may change its ways."""
    b = steady(rate=bucket.Rate(NOW, 300, 30.0))
    for at, r in history(window=True, rate=12.0, first=20, seconds=30):
        b = read(b, r, told(at), exact=True)
    assert b.refill == 0.0


def test_another_limit_is_another_bucket() -> None:
    """What was learned of the old one is forgotten."""
    b = read(steady(spread=3.0, leak=1.0), reading(500, 10.0, limit=1200), told(NOW + 1), exact=True)
    assert (b.limit, b.refill, b.spread, b.leak) == (1200, 0.0, 0.0, 0.0)


# --- how much is left ------------------------------------------------------------------------------------


def test_what_was_sent_since_is_taken_off_and_what_came_back_is_added() -> None:
    """The reading is as old as its request."""
    b = read(steady(), reading(50, 55.0), told(NOW, since=70.0), exact=True)
    assert level(b, NOW) == -20.0
    assert level(b, NOW + 5) == 30.0
    assert level(b, NOW + 500) == LIMIT


def test_a_full_bucket_saves_nothing_up() -> None:
    """What would come back while it is full is lost."""
    b = used(steady(remaining=590.0), 100.0, NOW + 50)
    assert level(b, NOW + 50) == LIMIT - 100


def test_a_window_is_full_from_its_reset_on_and_counts_anew() -> None:
    """Nothing comes back before; the next one's requests are taken off it although its end is not told yet."""
    b = Bucket(LIMIT, 3.0, NOW + 20, NOW)
    assert level(b, NOW + 19.9) == 3.0
    assert level(b, NOW + 20) == LIMIT
    b = used(used(b, 100.0, NOW + 21), 50.0, NOW + 22)
    assert level(b, NOW + 22) == LIMIT - 150
    assert b.reset_at == NOW + 21 + UNKNOWN_RESET


def test_without_a_limit_only_what_is_left_is_known() -> None:
    """Until its reset; then nothing is."""
    b = read(None, reading(0, None, limit=None), told(NOW), exact=True)
    assert when(b, Request(1), NOW) == NOW + UNKNOWN_RESET
    assert reserve(b) == 0.0
    assert not bucket.over(b, NOW + 59) and bucket.over(b, NOW + 60)


# --- when there is room ----------------------------------------------------------------------------------


def test_there_is_room_when_as_much_has_come_back() -> None:
    """By the refill, behind those who wait; at once where enough is left."""
    assert when(steady(remaining=50.0), Request(50.0), NOW) == NOW
    assert when(steady(), Request(50.0), NOW) == pytest.approx(NOW + 5)
    assert when(steady(), Request(50.0, ahead=100.0), NOW) == pytest.approx(NOW + 15)
    assert when(steady(factor=2.0), Request(50.0), NOW) == pytest.approx(NOW + 10)
    assert when(steady(factor=0.5), Request(50.0, one=100.0), NOW) == pytest.approx(NOW + 15)
    assert when(steady(factor=0.5), Request(50.0, ahead=100.0), NOW) == pytest.approx(NOW + 10)
    assert when(steady(leak=5.0), Request(50.0), NOW) == pytest.approx(NOW + 10)


def test_a_window_lets_in_at_its_reset_and_those_it_cannot_hold_at_a_later_one() -> None:
    """As many windows later as they fill."""
    b = Bucket(LIMIT, 0.0, NOW + 20, NOW)
    assert when(b, Request(50.0), NOW) == NOW + 20
    assert when(b, Request(50.0, ahead=LIMIT), NOW) == NOW + 20 + UNKNOWN_RESET


def test_a_request_larger_than_the_limit_goes_when_it_is_full() -> None:
    """Else it would wait for ever; what it is told is the provider's to say."""
    assert when(steady(), Request(5 * LIMIT), NOW) == pytest.approx(NOW + 60)
    assert when(steady(remaining=float(LIMIT)), Request(5 * LIMIT), NOW) == NOW


def test_a_limit_that_holds_longest_answers_back_must_have_room_for_one() -> None:
    """Where it counts only what an answer has, its usual length is enough."""
    ask = Request(20.0, most=200.0)
    assert when(steady(remaining=100.0), ask, NOW) == pytest.approx(NOW + 10)
    assert when(steady(remaining=100.0, holds=False), ask, NOW) == NOW
    assert when(steady(remaining=300.0), ask._replace(open=Open(50.0, 400.0)), NOW) > NOW
    assert when(steady(remaining=100.0), ask._replace(most=LIMIT + 1.0), NOW) == NOW, "nobody could hold that back"


# --- what is learned -------------------------------------------------------------------------------------


def truth(rounds: int, *, count: float = 1.0, others: float = 0.0, own: float = 8.0) -> Bucket:
    """A steady bucket after readings a second apart, of a provider that counts so and has other clients."""
    b: Bucket | None = None
    left, sent = 300.0, 0.0
    for n in range(rounds):
        left += RATE - own * count - others
        sent += own
        left = min(590.0, max(10.0, left))
        b = read(b or steady(), reading(left, (LIMIT - left) / RATE), told(NOW + n, sent), exact=count == 1.0)
    assert b is not None
    return b


def test_what_others_take_is_learned() -> None:
    """Room is told by what is left of the refill."""
    assert truth(60, others=2.0).leak == pytest.approx(2.0, abs=0.3)
    assert truth(60).leak == pytest.approx(0.0, abs=0.2)


def test_what_the_provider_counts_for_an_estimated_token_is_learned() -> None:
    """An estimate that is twice too high, or too low, is put right."""
    assert truth(60, count=0.5, own=20.0).factor < 0.7
    high = truth(60, count=1.6, own=6.0)
    assert high.factor * 6.0 + high.leak == pytest.approx(9.6, rel=0.1)


def test_others_who_take_everything_do_not_shut_it_for_good() -> None:
    """A part of the refill is believed in: a request goes now and then, and its answer tells better."""
    b = truth(60, others=30.0)
    assert b.leak <= MOST_LEAK * b.refill
    assert when(b, Request(50.0), NOW + 60) < NOW + 300


@pytest.mark.parametrize("holds", [True, False])
def test_whether_longest_answers_are_held_back_is_learned(holds: bool) -> None:
    """The level follows the answers under way, or does not."""
    b = steady(limit=LIMIT, holds=not holds)
    for n in range(200):
        most = 60.0 + 50.0 * ((n // 3) % 2)
        left = 300.0 - (most if holds else 0.0)
        at = NOW + n * LEARN_AFTER
        # sent as much as comes back, all of it complete
        b = read(
            b,
            reading(left, (LIMIT - left) / RATE),
            told(at, sent=n * RATE * LEARN_AFTER, open=Open(0.0, most)),
            exact=False,
        )
    assert b.holds is holds


def test_a_reserve_follows_the_errors() -> None:
    """None at first; more where lbd was out by more; less again when it is not; never above its bound."""
    b = steady()
    assert reserve(b) == 0.0
    for n in range(40):
        b = read(b, reading(300, 30.0), told(NOW + n / 10, believed=300.0 + (4.0 if n % 2 else -4.0)), exact=True)
    wide = reserve(b)
    assert 10.0 < wide <= MOST_RESERVE * LIMIT
    for n in range(200):
        b = read(b, reading(300, 30.0), told(NOW + 4 + n / 10, believed=300.0), exact=True)
    assert reserve(b) < 1.0
    for n in range(40):
        b = read(b, reading(100, 30.0), told(NOW + 30 + n / 10, believed=500.0), exact=True)
    assert reserve(b) == MOST_RESERVE * LIMIT


def test_more_left_than_believed_is_hardly_an_error() -> None:
    """A window that began anew must not take a tenth of the next one away."""
    b = read(Bucket(LIMIT, 5.0, NOW + 1, NOW), reading(590, 59.0), told(NOW + 2, believed=5.0), exact=True)
    assert reserve(b) < 0.01 * LIMIT


# --- laws ------------------------------------------------------------------------------------------------

buckets = st.builds(
    Bucket,
    limit=st.just(LIMIT),
    remaining=st.floats(-300, LIMIT),
    reset_at=st.floats(NOW, NOW + 60),
    at=st.just(NOW),
    refill=st.sampled_from((0.0, RATE)),
    factor=st.floats(0.1, 4),
    holds=st.booleans(),
    leak=st.floats(0, 5),
    bias=st.floats(-5, 5),
    spread=st.floats(0, 20),
).map(lambda b: b if b.refill else replace(b, leak=0.0))
requests = st.builds(
    Request,
    takes=st.floats(0, 300),
    ahead=st.just(0.0),
    one=st.just(0.0),
    most=st.floats(0, 900),
    open=st.builds(Open, st.floats(0, 300), st.floats(0, 300)),
)


@given(buckets, requests, st.floats(0, 100))
def test_there_is_room_at_the_time_that_was_told_and_none_before(b: Bucket, request: Request, passed: float) -> None:
    """Exact to the millisecond: what a client is told is what it finds."""
    now = NOW + passed
    at = when(b, request, now)
    assert at >= now
    assert when(b, request, at) == at
    if at > now + 0.002:
        assert when(b, request, at - 0.001) > at - 0.001


@given(buckets, requests, st.floats(0, 50), st.floats(0, 50))
def test_whoever_has_more_before_it_never_goes_sooner(b: Bucket, request: Request, one: float, two: float) -> None:
    """Monotone in what the others take."""
    fewer = when(b, request._replace(ahead=min(one, two)), NOW)
    assert fewer <= when(b, request._replace(ahead=max(one, two)), NOW)


@given(buckets, requests, st.floats(0, 100), st.floats(0, 100))
def test_time_alone_never_takes_room_away(b: Bucket, request: Request, passed: float, more: float) -> None:
    """Monotone, and time that does not go on changes nothing."""
    now = NOW + passed
    assert level(b, now + more) >= level(b, now)
    assert when(b, request, now + more) <= max(when(b, request, now), now + more) + 1e-6


@given(buckets, st.lists(st.tuples(st.floats(0, 3), st.floats(1, 100)), max_size=40))
def test_never_more_is_let_through_than_the_limit_holds(b: Bucket, asked: list[tuple[float, float]]) -> None:
    """Conservation: all that went is within what was left and what came back."""
    b = replace(b, leak=0.0, factor=1.0, bias=0.0, spread=0.0)
    now, went, windows, began = NOW, 0.0, 0, b.reset_at
    for gap, takes in asked:
        now += gap
        if when(b, Request(takes), now) <= now:
            b = used(b, takes, now)
            went += takes
            if not b.refill and b.reset_at != began:
                windows, began = windows + 1, b.reset_at
    assert went <= max(0.0, b.limit * windows + 300.0 + LIMIT if not b.refill else LIMIT + RATE * (now - NOW)) + 1e-3
    assert level(b, now) >= -300.0 - 1e-3
    if went:
        assert level(b, now) <= LIMIT


@given(buckets, st.floats(0, 100), st.floats(0.1, 300))
def test_what_is_sent_is_taken_off(b: Bucket, passed: float, takes: float) -> None:
    """By exactly what it takes, and the old value stays as it was."""
    now = NOW + passed
    before = level(b, now)
    assert level(used(b, takes, now), now) == pytest.approx(before - takes * b.factor, abs=1e-6)
    assert level(b, now) == before


# --- what is told and not so -----------------------------------------------------------------------------


def lying() -> Bucket:
    """Nothing is left, says the first good answer, for six minutes."""
    return read(None, reading(0, 360.0), told(NOW, served=True), exact=True)


def free_at(b: Bucket, now: float) -> float:
    return when(b, Request(1.0), now)


def test_somebody_who_has_nobody_else_may_look_whether_a_limit_is_so() -> None:
    """One, and another one where no answer comes; whoever has others is kept out all the while."""
    b = lying()
    assert free_at(b, NOW + 1) == NOW + 360 and not bucket.over(b, NOW + 1)
    b = bucket.look(b, NOW + 1)
    assert free_at(b, NOW + 1) == NOW + 1
    b = used(b, 1.0, NOW + 1)
    assert free_at(b, NOW + 1) > NOW + 350 and bucket.look(b, NOW + 1 + LOOKED / 2) is b
    assert bucket.look(b, NOW + 1 + LOOKED) is not b


def test_a_good_answer_to_who_looked_disproves_the_limit() -> None:
    """From then on its word is not taken, whatever it says, until something is refused."""
    b = used(bucket.look(lying(), NOW + 1), 1.0, NOW + 1)
    b = read(b, reading(0, 360.0), told(NOW + 1, served=True), exact=True)
    for at, left in ((2, 0), (3, 500), (4, 0)):
        b = read(b, reading(left, 360.0), told(NOW + at, served=True), exact=True)
        assert bucket.over(b, NOW + at) and free_at(b, NOW + at) == NOW + at
    b = bucket.refused(b, NOW + 5)
    assert not bucket.over(b, NOW + 5) and bucket.look(b, NOW + 5) is b
    assert bucket.look(b, NOW + 5 + bucket.REFUSED) is not b


def test_an_answer_that_was_under_way_proves_nothing() -> None:
    """It was sent while there was room."""
    b = used(bucket.look(lying(), NOW + 1), 1.0, NOW + 1)
    b = read(b, reading(0, 360.0), told(NOW + 0.5, served=True), exact=True)
    assert free_at(b, NOW + 2) > NOW + 350


def test_what_was_to_be_expected_is_not_doubted() -> None:
    """Where lbd had counted as much itself, or a refusal or a probe tells it, or something is left after all."""
    full = read(None, reading(500, 60.0), told(NOW, served=True), exact=True)
    for b in (
        read(full, reading(0, 50.0), told(NOW + 9, served=True, believed=20.0), exact=True),
        read(None, reading(0, 50.0), told(NOW + 9), exact=True),
        read(lying(), reading(5, 50.0), told(NOW + 9, served=True), exact=True),
    ):
        assert bucket.look(b, NOW + 10) is b and bucket.refused(b, NOW + 10) is b
    surprising = read(full, reading(0, 50.0), told(NOW + 9, served=True, believed=400.0), exact=True)
    assert bucket.look(surprising, NOW + 10) is not surprising
