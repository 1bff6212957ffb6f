"""The adaptive limit: it finds how many requests a server runs at once, and follows when that changes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state import limit
from lbd.state.limit import ALONE, BOUNDS, FORGET, HEADROOM, HIGHEST, LOWEST, SLACK, SOON, SPREAD, START, WAITING, Limit
from tests.fakes.slots import Load, Slots

STARTS = (1.0, 2.0, 4.0, 8.0, 32.0, 64.0)
LOADS = {
    "short prompts": Load(),
    "short answers": Load(tokens=(200, 1000), decode_s=(0.05, 0.15)),
    "prompts of all sizes": Load(tokens=(20, 8000)),
    "computed together": Load(tokens=(20, 2000), contention=0.5),
    "half of them from the cache": Load(tokens=(500, 1000), reads=500.0, cached=0.5),
    "at random": Load(rate=2.0),
}


def steps(at: float) -> int:
    """Two slots for a minute, then four, then two again."""
    return 4 if 60 <= at < 120 else 2


# --- a server's slots ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("load", LOADS)
def test_it_finds_two_slots_within_a_minute(load: str, start: float) -> None:
    """Within one of the truth, from any start, whatever is asked of the server: for the last third of the minute."""
    for seed in range(2):
        seen = Slots(lambda _at: 2, start, LOADS[load], seed).run(60).between(40, 60)
        assert seen
        assert sum(abs(value - 2) > 1 for value in seen) <= 0.03 * len(seen), (seed, seen)


@pytest.mark.parametrize("start", [1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("load", LOADS)
def test_it_follows_a_change_to_four_and_back(load: str, start: float) -> None:
    """Each within a minute; a server that is given 64 at once has first to work them off."""
    for seed in range(2):
        server = Slots(steps, start, LOADS[load], seed).run(180)
        for slots, (after, before) in ((2, (40, 60)), (4, (100, 120)), (2, (160, 180))):
            seen = server.between(after, before)
            assert sum(abs(value - slots) > 1 for value in seen) <= 0.03 * len(seen), (seed, slots, seen)


@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16, 32])
def test_it_serves_as_many_as_the_best_fixed_limit(slots: int) -> None:
    """95 % of the answers at least, from the second minute on, at servers with few slots and with many."""
    for load in (LOADS["short prompts"], LOADS["short answers"]):
        best = Slots(lambda _at: slots, slots, load, 3, fixed=True).run(180).done(60, 180)
        assert Slots(lambda _at: slots, START, load, 3).run(180).done(60, 180) >= 0.95 * best


def test_a_server_that_is_hardly_used_is_not_throttled() -> None:
    """Nothing queues at a third of what it can do: the limit stays above what is asked."""
    server = Slots(lambda _at: 8, START, Load(rate=1.2), 1).run(300)
    assert min(server.between(0, 300)) >= 8


def test_prompts_from_the_cache_of_which_nothing_is_told_cost_some_slots_and_no_more() -> None:
    """They look as if all the others had waited: then it stays between half the slots and all of them."""
    load = Load(tokens=(500, 1000), reads=500.0, cached=0.5, told=False)
    seen = Slots(lambda _at: 4, START, load, 1).run(180).between(60, 180)
    assert 1.5 <= sum(seen) / len(seen) <= 4.5


# --- one answer after the other -----------------------------------------------------------------------


def known(value: float, base: float = 0.2, **more: object) -> Limit:
    """Return a limit that has cut before, with a base line in the first bucket."""
    return Limit(value, (base, *(None,) * len(BOUNDS)), 100.0, cut=True, **more)  # type: ignore[arg-type]


def after(lim: Limit, *answers: tuple[float, float, int], tokens: int = 50) -> Limit:
    """Return the limit after answers: TTFT, total, in flight."""
    for ttft, total, inflight in answers:
        lim = limit.sample(lim, ttft, total, tokens, inflight, 100.0)
    return lim


def test_one_too_many_is_cut_to_what_is_served() -> None:
    """Of three in flight each waits a third of its time: two are served."""
    waits = (0.2 * SPREAD + 1.0, 3.0, 3)
    assert after(known(3.0), *[waits] * (SOON - 1)).value == 3.0
    cut = after(known(3.0), *[waits] * SOON)
    assert cut.value == pytest.approx(2.0 + HEADROOM)
    assert cut.answers == 0


def test_a_long_queue_is_cut_at_once() -> None:
    """The first three of sixty-four show it; no need to wait for the last."""
    lim = after(Limit(64.0), (0.2, 2.2, 1), (0.2, 2.2, 2), (2.2, 4.2, 3), (2.3, 4.3, 4), (4.4, 6.4, 5))
    assert lim.value <= 4.0


def test_what_was_sent_under_a_higher_limit_says_how_many_are_served() -> None:
    """It never raises the limit, and cuts it further where it was cut too little."""
    assert after(known(4.0), (0.2, 2.2, 5)).value == 4.0
    assert after(known(4.0), *[(60.0, 62.0, 62)] * 4).value == pytest.approx(2.5, abs=0.4)


def test_one_alone_never_waits_for_us() -> None:
    """What a single request meets is the server's own slowness, or others' traffic: the base line moves towards it."""
    lim = after(known(1.0), (2.0, 2.2, 1))
    assert lim.value > 1.0
    assert lim.base[0] == pytest.approx(0.2 + ALONE * 1.8)


def test_what_did_not_wait_at_the_limit_raises_it_slowly() -> None:
    """By half a request for each round of answers."""
    assert after(known(4.0), (0.2, 2.2, 4)).value == 4.125
    assert after(known(4.9), (0.2, 2.2, 4)).value == pytest.approx(4.9 + 0.5 / 4.9)
    assert after(known(4.0), (0.2 * SPREAD, 2.2, 4)).value == 4.125


def test_what_ran_far_from_the_limit_says_nothing() -> None:
    """An idle server's limit does not drift."""
    assert after(known(8.0), (0.2, 2.2, 7)).value == 8.0
    assert after(known(8.0), (0.2, 2.2, 4)).answers == 0
    assert after(Limit(8.0), (0.2, 2.2, 4), (0.2, 2.2, 4)).value == 8.0


def test_before_the_first_cut_it_doubles() -> None:
    """Nothing has queued yet, so the way up is short: one more for each answer near the limit."""
    assert after(Limit(8.0), (0.2, 2.2, 5)).value == 8.0, "the first has nothing to be compared with"
    assert after(Limit(8.0), (0.2, 2.2, 5), (0.2, 2.2, 5)).value == 9.0


def test_a_few_milliseconds_are_noise() -> None:
    """A cached prompt's base line of a millisecond does not make fifty a queue."""
    assert after(known(4.0, base=0.001), *[(0.001 + SLACK, 0.06, 4)] * 9).value > 4.0
    assert after(known(4.0, base=0.001), *[(0.1 + SLACK, 0.2, 4)] * 9).value < 4.0


def test_a_long_prompt_is_no_queue_and_a_short_one_does_not_excuse_it() -> None:
    """What a bucket has not shown follows from the others: in proportion upwards, no less downwards."""
    lim = known(4.0)
    assert after(lim, *[(0.2 * 2 * SPREAD, 2.0, 4)] * 9, tokens=200).value > 4.0
    assert after(lim, *[(20.0, 22.0, 4)] * 9, tokens=200).value < 4.0
    longest = limit.sample(Limit(4.0, cut=True), 3.0, 5.0, 60_000, 1, 100.0)
    assert longest.base[-2] == 3.0
    assert after(longest, *[(3.0 * SPREAD, 6.0, 4)] * 9).value > 4.0, "a short prompt is not expected to take less"


def test_a_server_that_became_slower_for_good_is_not_throttled_for_ever() -> None:
    """The base line rises by half a percent a second, so that the new normal is learned within minutes."""
    now, lim = 100.0, known(8.0)
    for _ in range(600):
        now += 1.0
        lim = limit.sample(lim, 0.8, 1.0, 50, math.floor(lim.value), now)
    assert lim.value > 4.0
    assert lim.base[0] == pytest.approx(0.8)


def test_the_server_s_own_word_is_taken() -> None:
    """Slots that it tells are the limit, within the bounds; the same word again changes nothing."""
    assert limit.slots_known(Limit(), 3).value == 3.0
    assert limit.slots_known(Limit(), 0).value == LOWEST
    assert limit.slots_known(Limit(), 10**6).value == HIGHEST
    same = Limit(3.0)
    assert limit.slots_known(same, 3) is same


def test_it_admits_up_to_the_whole_number_below_it() -> None:
    """4.9 is four."""
    assert limit.admits(Limit(4.9), 3)
    assert not limit.admits(Limit(4.9), 4)
    assert limit.admits(Limit(START), 0)


samples = st.lists(
    st.tuples(
        st.floats(0.0, 5.0),  # time that passes
        st.floats(1e-6, 60.0),
        st.floats(0.0, 60.0),  # of the rest of the answer
        st.integers(0, 200_000),
        st.integers(1, 600),
    ),
    max_size=60,
)


@given(st.floats(LOWEST, HIGHEST), samples)
def test_any_history_keeps_its_bounds(start: float, history: list[tuple[float, float, float, int, int]]) -> None:
    """Within 1..512, up by at most one a sample, down only after so many answers; no base line but its own moves."""
    lim, now = Limit(start), 1000.0
    for gap, ttft, rest, tokens, inflight in history:
        now += gap
        new = limit.sample(lim, ttft, ttft + rest, tokens, inflight, now)
        assert LOWEST <= new.value <= HIGHEST
        assert new.value <= lim.value + 1.0
        if new.value < lim.value:
            assert lim.answers + 1 >= SOON and new.cut and new.answers == 0
        passed = 0.0 if not lim.base_at else now - lim.base_at
        moved = 0
        for old, b in zip(lim.base, new.base, strict=True):
            if old is None or b != pytest.approx(old * (1 + FORGET * passed)):
                moved += b is not None
        assert moved <= 1
        assert 0 <= new.waiting <= max(new.inside, WAITING) + 1e-9
        lim = new
