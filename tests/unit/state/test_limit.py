"""The adaptive limit: it finds how many requests a server runs at once, and follows when that changes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.state import limit
from lbd.state.baseline import BOUNDS, Baseline
from lbd.state.limit import (
    DRAIN,
    FIRST,
    FIRST_DRAIN,
    FIRST_REST,
    HEADROOM,
    HIGHEST,
    LEAP,
    LONG,
    LOWEST,
    MOST,
    REST,
    RUN,
    SELDOM,
    SLACK,
    SOON,
    START,
    Drain,
    Evidence,
    Limit,
)
from tests.fakes.slots import LOADS, STARTS, Load, Slots

SEEDS = 3


def steps(at: float) -> int:
    """Two slots for a minute, then four, then two again."""
    return 4 if 60 <= at < 120 else 2


def near(slots: int, start: float, load: Load, seed: int) -> float:
    """Return the share of the half minute after the first in which the limit is within one of the truth."""
    seen = Slots(lambda _at: slots, start, load, seed).run(90).between(60, 90)
    return sum(abs(value - slots) <= 1 for value in seen) / len(seen)


# --- a server's slots ---------------------------------------------------------------------------------


@pytest.mark.parametrize("load", LOADS)
def test_it_finds_two_slots_within_a_minute(load: str) -> None:
    """Within one of the truth from any start, whatever is asked of the server: nearly always, in nearly every run.

    Of a slow server a minute shows ten answers; there it takes a little longer at times.
    """
    shares = [near(2, start, LOADS[load], seed) for start in STARTS for seed in range(SEEDS)]
    assert sum(share >= 0.9 for share in shares) >= 0.85 * len(shares), shares
    assert sum(shares) / len(shares) >= (0.9 if load == "slow" else 0.95), shares


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("load", [load for load in LOADS if "noisy" not in load and "untold" not in load])
def test_it_finds_one_slot_and_four(load: str, slots: int) -> None:
    """As surely, where TTFTs that did not wait do not differ by multiples."""
    shares = [near(slots, start, LOADS[load], seed) for start in STARTS for seed in range(SEEDS)]
    assert sum(shares) / len(shares) >= (0.85 if load == "slow" else 0.93), shares


@pytest.mark.parametrize("load", ["short prompts", "log-normal", "half cached", "contention"])
def test_it_follows_a_change_to_four_and_back(load: str) -> None:
    """Each within a minute."""
    found = []
    for start in (1.0, 8.0):
        for seed in range(4):
            server = Slots(steps, start, LOADS[load], seed).run(180)
            for slots, (after, before) in ((2, (45, 60)), (4, (105, 120)), (2, (165, 180))):
                seen = server.between(after, before)
                found.append(sum(abs(value - slots) <= 1 for value in seen) >= 0.9 * len(seen))
    assert sum(found) >= 0.9 * len(found), found


@pytest.mark.parametrize("slots", [2, 4, 8, 16, 32])
def test_it_serves_nearly_as_many_as_the_best_fixed_limit(slots: int) -> None:
    """Nine of ten answers at least, from the second minute on, at servers with few slots and with many."""
    for load in ("short prompts", "short answers", "short, noisy"):
        done = [0, 0]
        for seed in range(1 if slots > 4 else 4):
            best = Slots(lambda _at: slots, slots, LOADS[load], seed, fixed=True).run(180)
            found = Slots(lambda _at: slots, START, LOADS[load], seed).run(180)
            done = [done[0] + found.done(60, 180), done[1] + best.done(60, 180)]
        assert done[0] >= (0.7 if "noisy" in load else 0.9) * done[1], (load, done)


@pytest.mark.parametrize("load", ["short prompts", "all alike", "log-normal", "some heavy prompts", "half cached"])
def test_it_finds_eight_slots(load: str) -> None:
    """As surely."""
    shares = [near(8, start, LOADS[load], seed) for start in (1.0, 8.0, 64.0) for seed in range(2)]
    assert sum(shares) / len(shares) >= 0.9, shares


@pytest.mark.parametrize(("noise", "after", "share"), [(0.3, 100, 0.95), (0.5, 140, 0.95), (1.0, 360, 0.6)])
def test_a_server_that_needs_no_limit_is_not_throttled_by_its_noise(noise: float, after: int, share: float) -> None:
    """Nothing ever waits there; its TTFTs differ, by several times in the end, and then it takes some minutes."""
    load = Load(decode_s=(1.0, 1.0), spread=0.5, noise=noise, overhead_s=0.3, tokens=(100, 4000), reads=8000.0, rate=20)
    ran = [Slots(lambda _at: 10**9, START, load, seed).run(after + 60) for seed in range(3)]
    served = [min(1.0, of.done(after, after + 60) / (60 * load.rate)) for of in ran]
    assert sum(served) >= share * len(served), served


def test_a_server_that_is_hardly_used_is_not_throttled() -> None:
    """Nothing queues at a third of what it can do: the limit stays above what is asked."""
    server = Slots(lambda _at: 8, START, Load(rate=1.2), 1).run(300)
    assert min(server.between(0, 300)) >= 8


@pytest.mark.parametrize("load", ["short prompts", "log-normal", "short answers", "short, noisy"])
def test_it_recovers_from_a_base_line_that_was_learned_behind_a_queue(load: str) -> None:
    """The server still has thirty requests of another when the first of ours come: within three minutes."""
    found = []
    for start in (2.0, 8.0):
        for seed in range(4):
            server = Slots(lambda _at: 2, start, replaced(LOADS[load], backlog=30), seed).run(240)
            seen = server.between(200, 240)
            found.append(sum(abs(value - 2) <= 1 for value in seen) >= 0.9 * len(seen))
    assert sum(found) >= 7, found


def replaced(load: Load, **more: int) -> Load:
    return Load(**{**vars(load), **more})


def test_prompts_from_the_cache_of_which_nothing_is_told_cost_some_slots_and_no_more() -> None:
    """They look as if all the others had waited: then it stays between a few of the slots and all of them."""
    seen = Slots(lambda _at: 4, START, LOADS["half cached, untold"], 1).run(180).between(60, 180)
    assert 1.2 <= sum(seen) / len(seen) <= 4.5


# --- one answer after the other -----------------------------------------------------------------------

SURE = Baseline((0.2,) * (len(BOUNDS) + 1), (50,) * (len(BOUNDS) + 1), 0.1, answers=50 * len(BOUNDS))


def known(value: float, **more: object) -> Limit:
    """Return a limit that was found, with a base line of 0.2 s, and no drain for a while."""
    return Limit(value, **{"line": SURE, "drain": Drain(1e6), "found": True, "answer_s": 2.0, **more})  # type: ignore[arg-type]


def after(lim: Limit, *answers: tuple[float, float, int], now: float = 100.0) -> Limit:
    """Return the limit after answers: TTFT, total, in flight."""
    for ttft, total, inflight in answers:
        lim = limit.sample(lim, ttft, total, 50, inflight, now)
    return lim


WAITED = (1.2 + SLACK, 3.0, 3)  # of three in flight each waits a third of its time
AT_ONCE = (0.2, 2.2, 3)


def test_one_too_many_is_cut_to_what_is_served() -> None:
    """Two of three are."""
    assert after(known(3.0), *[WAITED] * (SOON - 1)).value == 3.0
    cut = after(known(3.0), *[WAITED] * SOON)
    assert cut.value == pytest.approx(2.0 + HEADROOM)
    assert (cut.found, cut.too_high, cut.evidence) == (True, 3.0, Evidence(late=True))


def test_a_long_queue_is_cut_at_once() -> None:
    """The first few of sixty-four show it; no need to wait for the last."""
    first = [(0.2, 2.2, 1), (0.2, 2.2, 2), (2.2, 4.2, 3), (2.3, 4.3, 4), (4.4, 6.4, 5)]
    lim = after(Limit(64.0), *first)
    assert lim.value <= 4.0 and lim.found


def test_one_answer_that_took_long_is_no_queue() -> None:
    """Nor two of many: how long an answer is differs more than how long it waits."""
    assert after(known(3.0), *[AT_ONCE] * 4, WAITED, *[AT_ONCE] * 4, WAITED).value >= 3.0


def test_what_was_sent_under_a_higher_limit_corrects_the_cut_either_way() -> None:
    """It says how many are served, and never that more could be than were too many."""
    cut = after(known(64.0), *[(60.0, 62.0, 64)] * SOON)
    assert cut.value == pytest.approx(2.5, abs=0.4)
    low = after(cut, *[(30.0, 40.0, 40)] * 20)
    assert low.value == pytest.approx(10.5, abs=0.6)
    assert after(low, *[(55.0, 56.0, 40)] * 60).value < 8.0
    assert after(replace(cut, too_high=3.0), *[(30.0, 40.0, 40)] * 20).value == 3.0


def test_what_was_sent_since_a_cut_counts_for_more_than_what_comes_late() -> None:
    """Once there is any of it, a straggler changes nothing."""
    cut = after(known(3.0), *[WAITED] * SOON)
    since = after(cut, (0.2, 2.2, 2))
    assert since.evidence.answers == 1 and not since.evidence.late
    assert after(since, (60.0, 62.0, 30)).evidence == since.evidence


def test_one_alone_never_waits_for_us() -> None:
    """What a single request meets is the server's own slowness, or others' traffic: the base line moves towards it."""
    lim = after(known(1.0), *[(2.0, 2.2, 1)] * SOON)
    assert lim.value > 1.0
    assert (lim.line.usual_s[4] or 0) > 0.3


def test_what_did_not_wait_at_the_limit_raises_it_by_one() -> None:
    """After a round of answers, of four at least; a large limit by an eighth."""
    assert after(known(4.0), *[(0.2, 2.2, 4)] * 3).value == 4.0
    assert after(known(4.0), *[(0.2, 2.2, 4)] * 4).value == 5.0 + HEADROOM
    assert after(known(2.5), *[(0.2, 2.2, 2)] * 3).value == 2.5
    assert after(known(2.5), *[(0.2, 2.2, 2)] * 4).value == 3.0 + HEADROOM
    assert after(known(32.0), *[(0.2, 2.2, 32)] * 32).value == 36.0 + HEADROOM
    assert after(known(HIGHEST), *[(0.2, 2.2, 512)] * 512).value == HIGHEST


def test_the_more_ttfts_differ_the_more_answers_it_takes() -> None:
    """Where they differ by half of what an answer takes, a round proves nothing."""
    doubtful = replace(SURE, usual_s=(1.0,) * (len(BOUNDS) + 1), noise=0.5)
    lim = after(known(4.0, line=doubtful), *[(1.13, 1.63, 4)] * 8)
    assert lim.value == 4.0
    assert after(lim, *[(1.13, 1.63, 4)] * 60).value > 4.0
    assert after(known(4.0, line=doubtful), *[(1.3, 1.8, 4)] * 20).value == 4.0, "perhaps, and perhaps not"


def test_a_limit_of_which_neither_shows_for_long_rises() -> None:
    """The next shows more; and where none is needed, one that stays costs all that it keeps out."""
    doubtful = replace(SURE, usual_s=(1.0,) * (len(BOUNDS) + 1), noise=0.5)
    lim = after(known(4.0, line=doubtful), *[(1.2, 1.7, 4)] * (4 * LONG - 1))
    assert lim.value == 4.0
    assert after(lim, (1.2, 1.7, 4)).value == 5.0 + HEADROOM


def test_a_few_answers_that_took_very_long_are_no_queue() -> None:
    """Where one is too many, most wait."""
    at_once, long = (0.2, 2.2, 4), (9.0, 11.0, 4)
    assert after(known(4.0), *[at_once, at_once, long, at_once, long] * 2).value == 4.0
    assert after(known(4.0), *[long, long, at_once, long, long] * 2).value < 4.0


def test_one_late_answer_from_the_cache_hides_no_queue() -> None:
    """It took hundreds of times the usual, which is a second: of prompts that are read that would be minutes."""
    lim = Limit(16.5, found=True)
    for ttft, total, tokens, inflight, times in (
        (0.002, 1.0, 0, 2, 60),
        (1.0, 3.0, 2000, 2, 60),
        (1.0, 2.0, 0, 2, 1),
        (5.0, 7.0, 2000, 16, 16),
    ):
        for _ in range(times):
            lim = limit.sample(lim, ttft, total, tokens, inflight, 100.0)
    assert lim.value < 10


def test_a_limit_that_proved_too_high_is_tried_again_after_a_pause() -> None:
    """Of two seconds at first, of twenty in the end; where it is not too high any more, without one."""
    pauses = []
    lim, now = known(3.5), 1000.0
    for _ in range(6):
        lim = after(lim, *[WAITED] * SOON, now=now)
        assert lim.value < 3.0
        lim = after(lim, *[(0.2, 2.2, 2)] * 9, now=now + lim.rest_s - 0.1)
        assert lim.value < 3.0
        pauses.append(lim.rest_s)
        now += lim.rest_s + 0.1
        lim = after(lim, (0.2, 2.2, 2), now=now)
        assert lim.value == 3.0 + HEADROOM
    assert pauses == [FIRST_REST, 4.0, 8.0, 16.0, REST, REST]
    lim = after(lim, *[AT_ONCE] * 9, now=now)
    assert (lim.value, lim.rest_s) == (4.0 + HEADROOM, 0.0)


def test_rises_in_a_row_grow_until_it_is_cut() -> None:
    """From an eighth of the limit to a half."""
    lim, parts = known(16.0), []
    for _ in range(3 * RUN):
        at = limit.slots(lim)
        lim = after(lim, *[(0.2, 2.2, at)] * at)
        parts.append((limit.slots(lim) - at) / at)
    assert parts == pytest.approx([1 / 8] * RUN + [1 / 4] * RUN + [1 / 2] * RUN, abs=0.04)
    at = limit.slots(lim)
    assert after(lim, *[(9.0, 9.5, at)] * SOON).rises == 0


def test_what_ran_far_from_the_limit_says_nothing() -> None:
    """An idle server's limit does not drift."""
    lim = after(known(8.0), *[(0.2, 2.2, 7)] * 30, *[(3.0, 5.0, 7)] * 30)
    assert (lim.value, lim.evidence) == (8.0, Evidence())
    assert after(Limit(8.0), *[(0.2, 2.2, 4)] * 9).value == 8.0


def test_before_the_first_cut_it_doubles() -> None:
    """Nothing has queued yet, so the way up is short: one more for each answer near the limit."""
    assert after(Limit(8.0), (0.2, 2.2, 5)).value == 8.0, "the first has nothing to be compared with"
    assert after(Limit(8.0), (0.2, 2.2, 5), (0.2, 2.2, 5)).value == 9.0


def test_a_few_milliseconds_are_noise() -> None:
    """A cached prompt's base line of a millisecond does not make fifty a queue."""
    line = replace(SURE, usual_s=(0.001,) * (len(BOUNDS) + 1))
    assert after(known(4.0, line=line), *[(0.001 + SLACK, 0.06, 4)] * 9).value > 4.0
    assert after(known(4.0, line=line), *[(0.1 + SLACK, 0.2, 4)] * 9).value < 4.0


def test_a_base_line_that_is_far_too_high_does_not_weigh_for_ever() -> None:
    """What lies below it counts as its own length at most."""
    line = replace(SURE, usual_s=(30.0,) * (len(BOUNDS) + 1))
    lim = after(known(4.0, line=line), (0.2, 2.2, 4))
    assert lim.evidence.waiting == pytest.approx(-4 * 0.2)


def test_a_server_that_became_slower_for_good_is_not_throttled_for_ever() -> None:
    """What runs beside few others, or alone, shows the new normal."""
    now, lim = 100.0, known(8.0, drain=Drain(110.0))
    for _ in range(900):
        now += 1.0
        lim = limit.sample(lim, 0.8, 1.0, 50, limit.admitted(lim), now)
    assert lim.value > 4.0
    assert lim.line.usual_s[4] == pytest.approx(0.8, rel=0.1)


# --- drains -------------------------------------------------------------------------------------------


def test_it_is_drained_where_nobody_is_ever_nearly_alone() -> None:
    """To a quarter for a few answers; these show the base line, and what it taught decides when the next is due."""
    lim = limit.sample(known(8.0, drain=Drain()), 3.0, 5.0, 50, 8, 100.0)
    assert lim.drain == Drain(100.0 + FIRST_DRAIN)
    lim = limit.sample(lim, 3.0, 5.0, 50, 8, 100.0 + FIRST_DRAIN)
    assert (limit.slots(lim), limit.admitted(lim), lim.drain.runs) == (8, 2, True)
    assert limit.admits(lim, 1) and not limit.admits(lim, 2)
    other = after(lim, (9.0, 11.0, 8), now=111.0)
    assert (other.drain, other.evidence, other.line) == (lim.drain, lim.evidence, lim.line), "it was sent before"
    for shown in range(1, SOON):
        lim = after(lim, (3.0, 5.0, 2), now=111.0)
        assert (lim.drain.runs, lim.drain.shown) == (True, shown)
    lim = after(lim, (3.0, 5.0, 2), now=112.0)
    assert (limit.admitted(lim), lim.evidence) == (8, Evidence())
    assert lim.drain.at == 112.0 + DRAIN, "it was off by much: soon again"


def test_the_first_cut_without_a_base_line_is_followed_by_a_drain() -> None:
    """What it was judged by is no more than the luckiest answer's time."""
    lim = after(Limit(8.0), (0.2, 2.2, 2), *[(2.2, 3.2, 8)] * SOON)
    assert lim.found and lim.drain.at == 100.0
    assert after(lim, (2.2, 3.2, 8)).drain.runs
    assert after(known(8.0), *[(2.2, 3.2, 8)] * SOON).drain.at == 1e6, "it has one"


def test_a_drain_lasts_the_longer_the_more_ttfts_differ() -> None:
    """Until their mean is close to the truth, and never for more than a few answers."""
    for noise, answers in ((0.3, SOON), (0.6, 6), (2.0, MOST)):
        lim = after(known(8.0, drain=Drain(100.0), line=replace(SURE, noise=noise)), (0.2, 2.2, 8))
        shown = 0
        while lim.drain.runs:
            lim = limit.sample(lim, 0.2 * (1 - noise / 3), 2.0, 50, 2, 100.0)
            shown += 1
        assert abs(shown - answers) <= 1, (noise, shown)


def test_drains_that_teach_nothing_become_seldom() -> None:
    """From a quarter of a minute to five; and only to a half."""
    now, lim, gaps = 100.0, known(8.0, drain=Drain(100.0)), []
    for _ in range(7):
        lim = after(lim, (0.2, 2.2, 8), now=now)
        assert lim.drain.runs
        low = limit.admitted(lim)
        lim = after(lim, *[(0.2, 2.2, low)] * SOON, now=now)
        assert lim.drain.at is not None and not lim.drain.runs
        gaps.append(lim.drain.at - now)
        now = lim.drain.at
        lim = replace(lim, value=8.0, evidence=Evidence())
    assert gaps == [30.0, 60.0, 120.0, 240.0, SELDOM, SELDOM, SELDOM]
    assert low == 4


def test_a_large_limit_is_drained_until_a_round_has_answered() -> None:
    """Of sixteen, four would be too few to tell."""
    lim = after(known(64.0, drain=Drain(100.0)), (0.2, 2.2, 64))
    lim = after(lim, *[(0.2, 2.2, 16)] * 15)
    assert lim.drain.runs
    assert not after(lim, (0.2, 2.2, 16)).drain.runs


def test_a_drain_that_takes_too_long_is_given_up() -> None:
    """Who is inside does not come out: the limit serves again, and tries it another time."""
    lim = after(known(8.0, drain=Drain(100.0)), (3.0, 5.0, 8))
    assert lim.drain.runs
    lim = after(lim, (3.0, 5.0, 8), now=120.0)
    assert (lim.drain.runs, lim.drain.at) == (False, 120.0 + DRAIN)


def test_a_drain_is_given_up_by_time_alone() -> None:
    """Where no answer comes any more of which it learns: none at all, only failures, or only such as come whole."""
    lim = after(known(8.0, drain=Drain(100.0)), (3.0, 5.0, 8))
    assert lim.drain.runs
    assert limit.over_in_time(lim, 101.0) is lim
    given_up = limit.over_in_time(lim, 200.0)
    assert (given_up.drain.runs, given_up.drain.at, limit.admitted(given_up)) == (False, 200.0 + DRAIN, 8)
    assert limit.over_in_time(given_up, 300.0) is given_up


def test_who_works_beside_few_others_anyhow_needs_no_drain() -> None:
    """A few such answers are as good as one; one slot needs none, nor does a limit that is not reached."""
    lim = after(known(8.0, drain=Drain(90.0)), *[(0.2, 2.2, 3)] * SOON)
    assert lim.drain == Drain(100.0 + 2 * DRAIN, every_s=2 * DRAIN)
    assert not after(known(8.0, drain=Drain(90.0)), (0.2, 2.2, 7)).drain.runs
    assert not after(known(1.5, drain=Drain(90.0)), (0.2, 2.2, 1)).drain.runs


def test_what_was_sent_under_a_higher_limit_corrects_the_cut_during_a_drain_too() -> None:
    """It comes out first."""
    cut = after(known(64.0), *[(60.0, 62.0, 64)] * SOON)
    drained = replace(cut, drain=Drain(100.0, True))
    assert after(drained, *[(30.0, 40.0, 40)] * 20).value == pytest.approx(10.5, abs=0.6)


# --- what background work may count on ----------------------------------------------------------------


def test_background_work_counts_on_slots_that_were_seen() -> None:
    """Not on the one under trial; of a limit that was kept over a restart nothing else is known."""
    assert limit.relied_on(Limit(8.0, found=True)) == 8
    raised = after(known(2.5), *[(0.2, 2.2, 2)] * 4)
    assert (limit.slots(raised), limit.relied_on(raised)) == (3, 2)
    again = after(raised, *[(0.2, 2.2, 3)] * 4)
    assert (limit.slots(again), limit.relied_on(again)) == (4, 3)
    cut = after(known(3.0, sure=3.0), *[WAITED] * SOON)
    assert (limit.slots(cut), limit.relied_on(cut)) == (2, 2)
    assert limit.relied_on(limit.slots_known(Limit(), 6)) == 6


def test_in_a_search_it_begins_with_few_and_doubles() -> None:
    """What was seen to be served, times two; never beyond the limit."""
    assert limit.relied_on(Limit(8.0)) == FIRST
    assert limit.relied_on(Limit(1.0)) == 1
    assert limit.relied_on(limit.sought(Limit(8.0), 3, 2)) == 6
    assert limit.relied_on(limit.sought(Limit(8.0), 30, 1)) == 9


# --- what is told, and the bounds ---------------------------------------------------------------------


def test_the_server_s_own_word_is_taken() -> None:
    """Slots that it tells are the limit, within the bounds; the same word again changes nothing."""
    assert limit.slots_known(Limit(), 3).value == 3.0
    assert limit.slots_known(Limit(), 0).value == LOWEST
    assert limit.slots_known(Limit(), 10**6).value == HIGHEST
    same = Limit(3.0)
    assert limit.slots_known(same, 3) is same
    drained = Limit(8.0, drain=Drain(100.0, True))
    assert limit.admitted(limit.slots_known(drained, 6)) == 6
    assert limit.admitted(limit.slots_known(drained, 8)) == 8


def test_it_admits_up_to_the_whole_number_below_it() -> None:
    """4.9 is four."""
    assert limit.admits(Limit(4.9), 3)
    assert not limit.admits(Limit(4.9), 4)
    assert limit.admits(Limit(START), 0)


samples = st.lists(
    st.tuples(
        st.floats(0.0, 20.0),  # time that passes
        st.floats(1e-6, 60.0),
        st.floats(0.0, 60.0),  # of the rest of the answer
        st.integers(0, 200_000),
        st.integers(1, 600),
    ),
    max_size=60,
)


@given(st.floats(LOWEST, HIGHEST), samples)
def test_any_history_keeps_its_bounds(start: float, history: list[tuple[float, float, float, int, int]]) -> None:
    """Within 1..512, and never below one that is admitted; what is cut rests on enough answers; a rise is a step."""
    lim, now = Limit(start), 1000.0
    for gap, ttft, rest, tokens, inflight in history:
        now += gap
        new = limit.sample(lim, ttft, ttft + rest, tokens, inflight, now)
        assert LOWEST <= new.value <= HIGHEST
        assert 1 <= limit.admitted(new) <= limit.slots(new)
        if new.value < lim.value:
            assert lim.evidence.answers + 1 >= SOON or lim.evidence.late
            assert new.found
        elif not lim.evidence.late:
            assert new.value <= max(lim.value + 1.0, math.floor(lim.value) * (1 + 1 / LEAP) + 1.0 + HEADROOM)
        else:
            assert new.value <= max(lim.value, lim.too_high, lim.value + 1.0 + HEADROOM)
        assert 0 <= new.rest_s <= REST
        assert new.drain.at is not None and new.drain.shown >= 0 and DRAIN <= new.drain.every_s <= SELDOM
        lim = new
