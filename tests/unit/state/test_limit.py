"""The adaptive limit: it finds how many requests a server runs at once, and follows when that changes."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.table import SIZES
from lbd.state import limit
from lbd.state.limit import DECREASE, FORGET, HIGHEST, HOLD, LOWEST, SLACK, START, TOLERANCE, Limit

GOLDEN = 0.6180339887498949


class Server:
    """A server with slots, under more demand than it can take: whenever the limit admits one more, one more is sent.

    A request waits in the server's own queue for a slot, has its first token ``prefill_s`` later, and holds the slot
    until its answer is complete. Times vary evenly within their range, in a fixed order.
    """

    def __init__(self, slots: Callable[[float], int], start: float, prefill_s: float, decode_s: tuple[float, float]):
        self.slots = slots
        self.limit = Limit(start)
        self.prefill_s = prefill_s
        self.decode_s = decode_s
        self.chance = (i * GOLDEN % 1.0 for i in itertools.count(1))
        self.now = 100.0
        self.inflight = 0
        self.running: list[tuple[float, float, float, int]] = []  # end, TTFT, sent, in flight then
        self.queue: deque[tuple[float, int]] = deque()
        self.seen: list[tuple[float, float]] = []  # instants and limits

    def run(self, seconds: float) -> Server:
        begin = self.now
        while self.now < begin + seconds:
            self._send(begin)
            end, ttft, _, inflight = heapq.heappop(self.running)
            self.now = end
            self.inflight -= 1
            self.limit = limit.sample(self.limit, ttft, 0, inflight, end)
            self.seen.append((end - begin, self.limit.value))
        return self

    def _send(self, begin: float) -> None:
        while limit.admits(self.limit, self.inflight):
            self.inflight += 1
            self.queue.append((self.now, self.inflight))
        while self.queue and len(self.running) < self.slots(self.now - begin):
            sent, inflight = self.queue.popleft()
            prefill = self.prefill_s * (0.9 + 0.2 * next(self.chance))
            low, high = self.decode_s
            end = self.now + prefill + low + (high - low) * next(self.chance)
            heapq.heappush(self.running, (end, self.now + prefill - sent, sent, inflight))

    def between(self, after: float, before: float) -> list[int]:
        """Return how many it admitted at once from then to then."""
        return [math.floor(value) for at, value in self.seen if after <= at <= before]


@pytest.mark.parametrize("start", [1.0, 8.0, 64.0])
@pytest.mark.parametrize("slots", [1, 2, 4, 8])
@pytest.mark.parametrize("service", [(0.05, (0.2, 0.6)), (0.2, (1.0, 3.0)), (0.5, (2.0, 6.0))])
def test_it_finds_the_number_of_slots(slots: int, start: float, service: tuple[float, tuple[float, float]]) -> None:
    """From far below, near and far above: within one of the truth for the last quarter of a minute."""
    seen = Server(lambda _t: slots, start, *service).run(60).between(45, 60)
    assert seen
    assert all(abs(value - slots) <= 1 for value in seen), seen


@pytest.mark.parametrize("start", [1.0, 8.0, 64.0])
@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 2)])
def test_it_follows_a_change_of_the_slots(before: int, after: int, start: float) -> None:
    """A server that was restarted with other slots is found again within a minute, in both directions."""
    server = Server(lambda t: before if t < 60 else after, start, 0.2, (1.0, 3.0)).run(120)
    for slots, seen in ((before, server.between(45, 60)), (after, server.between(105, 120))):
        assert seen
        assert all(abs(value - slots) <= 1 for value in seen), seen


def test_a_long_queue_from_the_start_is_cut_to_what_it_disproves() -> None:
    """Answers that waited behind sixty others are about the old limit: they do not push it to the floor."""
    server = Server(lambda _t: 4, 64.0, 0.2, (1.0, 3.0)).run(60)
    assert min(server.between(0, 60)) >= 3


def known(value: float, base: float = 0.2, at: float = 100.0) -> Limit:
    """Return a limit that has cut before, with its base line in the first bucket."""
    return Limit(value, (base, *(None,) * (SIZES - 1)), at, at - 60)


QUEUED = 0.2 * TOLERANCE + SLACK + 0.01  # well above a base line of 0.2 s


def test_a_queued_answer_cuts_and_at_most_once_in_a_while() -> None:
    """Answers that queued together count once."""
    cut = limit.sample(known(8.0), QUEUED, 0, 8, 100.0)
    assert cut.value == 8.0 * DECREASE
    assert limit.sample(cut, QUEUED, 0, 6, 100.0 + HOLD / 2).value == cut.value
    assert limit.sample(cut, QUEUED, 0, 6, 100.0 + HOLD).value == cut.value * DECREASE


def test_a_cut_goes_down_to_what_had_to_wait() -> None:
    """A request that queued as the third in flight disproves any limit above three."""
    assert limit.sample(known(40.0), QUEUED, 0, 3, 100.0).value == 3.0


def test_an_answer_that_was_sent_under_a_higher_limit_does_not_cut() -> None:
    """It queued for what has been answered already."""
    assert limit.sample(known(4.0), QUEUED, 0, 5, 100.0).value == 4.0
    assert limit.sample(known(4.0), QUEUED, 0, 4, 100.0).value == 4.0 * DECREASE


def test_one_alone_is_never_queued_by_us() -> None:
    """What a single request meets is the server's own slowness, or others' traffic."""
    assert limit.sample(known(4.0), 60.0, 0, 1, 100.0).value == 4.0


@pytest.mark.parametrize("ttft", [0.2 * TOLERANCE, 0.2])
def test_what_did_not_wait_at_the_limit_raises_it_slowly(ttft: float) -> None:
    """By one for each round of answers."""
    assert limit.sample(known(4.0), ttft, 0, 4, 100.0).value == 4.25
    assert limit.sample(known(4.9), ttft, 0, 4, 100.0).value == pytest.approx(4.9 + 1 / 4.9)


def test_what_ran_far_from_the_limit_says_nothing() -> None:
    """An idle server's limit does not drift."""
    assert limit.sample(known(8.0), 0.2, 0, 7, 100.0).value == 8.0
    assert limit.sample(Limit(8.0), 0.2, 0, 4, 100.0).value == 8.0


def test_before_the_first_cut_it_doubles() -> None:
    """Nothing has queued yet, so the way up is short: one more for each answer near the limit."""
    assert limit.sample(Limit(8.0), 0.2, 0, 5, 100.0).value == 9.0


def test_a_few_milliseconds_are_noise() -> None:
    """A cached prompt's base line of a millisecond does not make fifty a queue."""
    fast = known(4.0, base=0.001)
    assert limit.sample(fast, 0.001 + SLACK, 0, 4, 100.0).value > 4.0
    assert limit.sample(fast, 0.002 + SLACK, 0, 4, 100.0).value < 4.0


def test_a_server_that_became_slower_for_good_is_not_throttled_for_ever() -> None:
    """The base line rises by half a percent a second, so that the new normal is learned within minutes."""
    now, lim = 100.0, known(8.0)
    for _ in range(600):
        now += 1.0
        inflight = math.floor(lim.value)
        lim = limit.sample(lim, 0.8, 0, inflight, now)
    assert lim.value > 4.0
    assert lim.base[0] == pytest.approx(0.8)


def test_prompt_sizes_have_base_lines_of_their_own() -> None:
    """A long prompt's prefill is no queueing."""
    lim = known(4.0)
    after = limit.sample(lim, 5.0, 3, 4, 100.0)
    assert after.value > lim.value
    assert after.base == (0.2, None, None, 5.0, None, None)


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
        st.integers(0, SIZES - 1),
        st.integers(1, 600),
    ),
    max_size=60,
)


@given(st.floats(LOWEST, HIGHEST), samples)
def test_any_history_keeps_its_bounds(start: float, history: list[tuple[float, float, int, int]]) -> None:
    """Within 1..512, up by at most one a sample, down at most once a second, and only by a sample that waited."""
    lim, now, cut_at = Limit(start), 1000.0, -math.inf
    for gap, ttft, size, inflight in history:
        now += gap
        after = limit.sample(lim, ttft, size, inflight, now)
        assert LOWEST <= after.value <= HIGHEST
        assert after.value <= lim.value + 1.0
        old = lim.base[size]
        if after.value < lim.value:
            assert old is not None
            assert ttft > old * TOLERANCE
            assert 1 < inflight <= lim.value
            assert now - cut_at >= HOLD
            cut_at = now
        passed = 0.0 if not lim.base_at else now - lim.base_at
        grown = None if old is None else old * (1 + FORGET * passed)
        assert after.base[size] == pytest.approx(ttft if grown is None else min(ttft, grown))
        others = [(a, b) for i, (a, b) in enumerate(zip(lim.base, after.base, strict=True)) if i != size]
        assert all((a is None) == (b is None) for a, b in others)
        lim = after
