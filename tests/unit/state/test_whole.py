"""The adaptive limit, where answers come whole: it finds a server's slots, follows them, and throttles nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from lbd.state import limit, whole
from lbd.state.limit import HEADROOM, START, Drain, Limit
from lbd.state.moment import LASTS
from lbd.state.stays import Served, Stays
from lbd.state.whole import FEWEST, GAP, KNOWN, LONG
from tests.fakes.slots import LOADS, Load, Slots

SURE = [load for load in LOADS if load not in ("half cached, untold", "slow")]


def steps(at: float) -> int:
    """Two slots for a minute, then four, then two again."""
    return 4 if 60 <= at < 120 else 2


def near(slots: int, start: float, load: str, seed: int) -> float:
    """Return the share of the half minute after the first in which the limit is within one of the truth."""
    seen = Slots(lambda _at: slots, start, LOADS[load], seed, whole=True).run(90).between(60, 90)
    return sum(abs(value - slots) <= 1 for value in seen) / len(seen)


# --- a server's slots ---------------------------------------------------------------------------------


@pytest.mark.parametrize("load", LOADS)
def test_two_slots_are_found_within_a_minute(load: str) -> None:
    """Within one of the truth from any start; where half of the prompts are cached and nothing says which, nearly."""
    shares = [near(2, start, load, 1) for start in (8.0, 64.0)]
    assert sum(shares) / len(shares) >= (0.95 if load in SURE else 0.6), shares


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("load", ["all sizes", "contention"])
def test_so_are_one_and_four(load: str, slots: int) -> None:
    """As surely."""
    shares = [near(slots, start, load, seed) for seed, start in enumerate((1.0, 8.0))]
    assert sum(shares) / len(shares) >= 0.9, shares


@pytest.mark.parametrize("load", ["half cached", "contention"])
def test_it_follows_a_change_to_four_and_back(load: str) -> None:
    """Each within a minute."""
    found = []
    for start, seed in ((1.0, 1), (8.0, 2)):
        server = Slots(steps, start, LOADS[load], seed, whole=True).run(180)
        for slots, (after, before) in ((2, (45, 60)), (4, (105, 120)), (2, (165, 180))):
            seen = server.between(after, before)
            found.append(sum(abs(value - slots) <= 1 for value in seen) >= 0.9 * len(seen))
    assert sum(found) >= len(found) - 1, found


@pytest.mark.parametrize(
    ("load", "seed"),
    [
        (Load(decode_s=(0.1, 0.3), tokens=(20, 40), overhead_s=0.0, reads=1e5), 77),
        (Load(spread=0.6, decode_s=(1.0, 1.0), overhead_s=0.02), 2),
    ],
)
def test_the_end_of_a_burst_takes_back_nothing_that_it_has_shown(load: Load, seed: int) -> None:
    """Answers differ more than their tokens tell: of many looks one is out by chance, and no other comes after it."""
    server = Slots(lambda _at: 4, START, replace(load, way_s=LASTS, burst=64, written=3), seed, whole=True).run(90)
    assert min(server.between(30, 90)) >= 3


@pytest.mark.parametrize(("noise", "contention", "share"), [(0.5, 0.02, 0.8), (1.0, 0.0, 0.9)])
def test_a_server_that_batches_is_not_throttled(noise: float, contention: float, share: float) -> None:
    """Nobody waits there, however much times differ, and though each other one slows a request down a little."""
    load = Load(
        decode_s=(1.0, 1.0),
        spread=0.5,
        noise=noise,
        overhead_s=0.3,
        tokens=(100, 4000),
        reads=8000.0,
        rate=20,
        contention=contention,
    )
    server = Slots(lambda _at: 10**9, START, load, 1, whole=True).run(110)
    assert server.done(80, 110) >= share * 30 * load.rate, server.seen[-1]


# --- one answer after the other -----------------------------------------------------------------------


def answered(*of: tuple[float, int, int], at: float = 100.0) -> Stays:
    """Return stays of a server with two slots, busy all the time: seconds of work, how many were before, tokens."""
    stays = Stays()
    for i, (took, before, tokens) in enumerate(of):
        left = tuple(at + i + 0.5 * (n + 1) for n in range(max(0, before - 1)))
        began = at + i if before < 2 else left[before - 2]
        stays.answered.append(Served(at + i, began + took, before, left, before + 1, 20, tokens))
    stays.fresh = stays.since = len(of)
    return stays


MIXED = [(tokens * 0.02, 7, tokens) for tokens in (50, 120, 80, 30, 100, 60)]
ALONE = [(tokens * 0.02, 0, tokens) for tokens in (50, 120)]


def test_a_few_answers_that_waited_cut_it_to_the_slots() -> None:
    """Six of which each found seven before it."""
    lim = whole.learned(Limit(8.0), answered(*ALONE, *MIXED), 200.0)
    assert (lim.value, lim.found, lim.sure, lim.too_high) == (2 + HEADROOM, True, 2.0, 8.0)
    assert (lim.proved, lim.proved_until) == (2, 200.0 + KNOWN)


def test_fewer_are_not_enough_and_nothing_new_is_not_looked_at() -> None:
    """Nor is it looked at twice within a moment: each look costs a millisecond."""
    lim = Limit(8.0)
    assert whole.learned(lim, answered(*MIXED[: FEWEST - 1]), 200.0) is lim
    stays = answered(*ALONE, *MIXED)
    stays.looked_at = 200.0 - GAP / 2
    assert whole.learned(lim, stays, 200.0) is lim
    assert whole.learned(lim, stays, 201.0) is not lim
    assert whole.learned(lim, stays, 202.0) is lim


def test_what_ran_far_from_the_limit_changes_nothing() -> None:
    """It shows how long answers take, no more; nor is background work held to so few."""
    lim = Limit(8.0, found=True)
    assert whole.learned(lim, answered(*ALONE * 4), 200.0) is lim


def test_a_cut_that_went_too_far_is_taken_back_by_what_was_sent_before_it() -> None:
    """It shows two; but no more than were too many."""
    lim = Limit(1.5, found=True, too_high=8.0, rests_until=1e9)
    assert whole.learned(lim, answered(*ALONE, *MIXED), 200.0).value == 2 + HEADROOM
    low = changed(lim, too_high=1.5)
    assert whole.learned(low, answered(*ALONE, *MIXED), 200.0).value == 1.5


def test_where_all_at_the_limit_are_worked_on_the_next_is_tried() -> None:
    """Not during a pause; and what was seen of the next before is forgotten."""
    at_once = [(tokens * 0.02, before, tokens) for tokens in (50, 120, 80, 30, 100, 60) for before in (0, 1)]
    lim = Limit(2.5, found=True, rests_until=300.0)
    assert whole.learned(lim, answered(*at_once), 200.0).value == 2.5
    stays = answered(*at_once)
    raised = whole.learned(lim, stays, 300.0)
    assert (raised.value, raised.sure, raised.rises) == (3 + HEADROOM, 2.0, 1)
    assert all(answer.before < 2 for answer in stays.answered)


def test_while_it_is_proved_times_to_the_first_token_do_not_judge_it_and_nothing_is_drained() -> None:
    """They say less; after that they are all there is."""
    proved = Limit(2.5, found=True, drain=Drain(50.0), proved=2, proved_until=200.0, answer_s=2.0)
    lim = proved
    for _ in range(12):
        lim = limit.sample(lim, 0.2, 2.2, 50, 2, 150.0)
    assert (lim.value, lim.evidence.answers, lim.drain.runs) == (2.5, 0, False)
    assert lim.line.answers >= 12, "beside so many nobody waits: they show what the first token takes"
    assert limit.sample(changed(lim, drain=Drain(50.0)), 0.2, 2.2, 50, 2, 250.0).evidence.answers == 1


def test_a_search_of_which_nothing_is_learned_goes_on() -> None:
    """Answers without tokens count, and so do many that are looked at in vain; once it is found none of them does."""
    assert whole.unjudged(Limit(8.0), 1.0).sure == 1.0
    found = Limit(8.0, found=True)
    assert whole.unjudged(found, 1.0) is found
    alike = [(2.0, before, 100) for before in (1, 1, 1, 1)]
    lim = whole.learned(Limit(8.0), answered(*alike), 200.0)
    assert lim.sure in (2.0, pytest.approx(4 / LONG))
