"""The breaker: what opens it, what does not, and that only evidence closes it again."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from lbd.model.failure import COUNTS, FailureKind
from lbd.state import breaker
from lbd.state.breaker import (
    FIRST_WAIT,
    FORGET,
    IN_A_ROW,
    LIVENESS_SUFFICES,
    LONGEST_ASKED,
    LONGEST_WAIT,
    MIN_TRAFFIC,
    ROW_SPAN,
    TRIALS,
    Breaker,
    Phase,
)

SERVER, CONNECT = FailureKind.SERVER, FailureKind.CONNECT
START = 1000.0
NEW = Breaker()

kinds = st.sampled_from(sorted(COUNTS))
phases = st.sampled_from(Phase)


def fail(b: Breaker, now: float, kind: FailureKind = SERVER, **more: object) -> Breaker:
    """Return ``b`` after a failure on thin traffic, where only the row of failures can open it."""
    return breaker.failure(b, kind, now, **{"bad": 1, "judged": 1, **more})  # type: ignore[arg-type]


def opened(
    now: float = START,
    kind: FailureKind = SERVER,
    b: Breaker = NEW,
    **more: object,
) -> Breaker:
    """Return ``b`` after three failures opened it at ``now``."""
    for _ in range(IN_A_ROW):
        b = fail(b, now, kind, **more)
    assert b.phase is Phase.OPEN
    return b


def half_open(now: float = START) -> Breaker:
    """Return a breaker that liveness brought to half-open, with no trial passed."""
    b = breaker.probe_up(opened(now, CONNECT), now, completion=False)
    assert b.phase is Phase.HALF_OPEN
    return b


def closed_again(b: Breaker, now: float) -> Breaker:
    """Return ``b`` brought back by completion probes."""
    for _ in range(TRIALS):
        b = breaker.probe_up(b, now, completion=True)
    assert b.phase is Phase.CLOSED
    return b


# --- closed ----------------------------------------------------------------------------------------------


def test_three_failures_in_a_row_open_it() -> None:
    """Three counted failures within 10 s with no success between: open, with the last kind as the cause."""
    b = fail(fail(Breaker(), 1.0), 2.0)
    assert b.phase is Phase.CLOSED
    b = fail(b, 3.0, FailureKind.RESET)
    assert (b.phase, b.since, b.cause, b.openings, b.opened_total) == (Phase.OPEN, 3.0, FailureKind.RESET, 1, 1)


@pytest.mark.parametrize(("third", "opens"), [(10.0, True), (10.1, False)])
def test_the_row_of_failures_lies_within_ten_seconds(third: float, opens: bool) -> None:
    """Three that are spread wider are a matter of the ratio."""
    b = fail(fail(fail(Breaker(), 0.0), 9.0), third)
    assert (b.phase is Phase.OPEN) == opens


def test_the_ten_seconds_need_not_begin_with_the_first_failure() -> None:
    """An old failure before them does not hide three in a row."""
    b = Breaker()
    for now in (0.0, 9.0, 11.0):
        b = fail(b, now)
        assert b.phase is Phase.CLOSED
    assert fail(b, 12.0).phase is Phase.OPEN


def test_a_success_between_starts_the_row_anew() -> None:
    """Failures that alternate with successes are a matter of the ratio, not of the row."""
    b = Breaker()
    for i in range(10):
        b = breaker.success(fail(fail(b, i), i), i)
    assert b.phase is Phase.CLOSED


@given(st.lists(st.floats(0, 30), min_size=1, max_size=12).map(sorted))
def test_it_opens_exactly_when_three_in_a_row_lie_within_ten_seconds(times: list[float]) -> None:
    """Any three failures in a row count, not only those from the first one on."""
    b = Breaker()
    for i, now in enumerate(times):
        b = fail(b, now)
        should = i >= IN_A_ROW - 1 and now - times[i - IN_A_ROW + 1] <= ROW_SPAN
        assert (b.phase is Phase.OPEN) == should
        if should:
            return


def test_half_of_thin_traffic_does_not_open_it() -> None:
    """Fewer than 20 judged attempts give no verdict by ratio."""
    assert fail(Breaker(), 1.0, bad=19, judged=19).phase is Phase.CLOSED
    assert fail(Breaker(), 1.0, bad=20, judged=20).phase is Phase.OPEN


@given(st.integers(1, 200), st.data())
def test_a_first_failure_opens_it_only_by_the_ratio(judged: int, data: st.DataObject) -> None:
    """More than half of at least 20: exactly half is not enough."""
    bad = data.draw(st.integers(1, judged))
    b = fail(Breaker(), 1.0, bad=bad, judged=judged)
    assert (b.phase is Phase.OPEN) == (judged >= MIN_TRAFFIC and 2 * bad > judged)


@given(st.lists(st.sampled_from(["success", "ignored", "up", "completion"]), max_size=30))
def test_nothing_but_failures_opens_it(events: list[str]) -> None:
    """Successes, ignored attempts and probes that found it working leave a closed breaker closed."""
    b = fail(fail(Breaker(), 0.0), 0.0)
    act = {
        "success": partial(breaker.success, now=1.0),
        "ignored": partial(breaker.ignored, trial=False),
        "up": partial(breaker.probe_up, now=1.0, completion=False),
        "completion": partial(breaker.probe_up, now=1.0, completion=True),
    }
    for event in events:
        b = act[event](b)
        assert b.phase is Phase.CLOSED
        assert breaker.admits(b)


def test_a_closed_breaker_without_failures_is_left_as_it_is() -> None:
    """A good answer on a healthy row makes no new value: nothing has changed, so nothing is published."""
    b = Breaker()
    assert breaker.success(b, 5.0) is b
    assert breaker.take_trial(b) is b
    assert breaker.probe_up(b, 5.0, completion=True) is b
    assert breaker.next_timer(b) is None


def test_a_lost_deployment_opens_it_at_once() -> None:
    """The probe and both re-probes found nobody: open, whatever traffic there was."""
    b = breaker.liveness_lost(Breaker(), CONNECT, 9.0)
    assert (b.phase, b.since, b.cause, b.retry_at) == (Phase.OPEN, 9.0, CONNECT, 9.0 + FIRST_WAIT)
    assert breaker.liveness_lost(b, CONNECT, 20.0) is b


# --- open ------------------------------------------------------------------------------------------------


@given(kinds, st.lists(st.floats(0, 1e6), max_size=5))
def test_time_alone_never_leaves_open(kind: FailureKind, times: list[float]) -> None:
    """However long it waits, an open breaker admits no normal request."""
    b = opened(START, kind)
    for t in times:
        now = START + t
        assert not breaker.admits(b)
        assert breaker.admits_last_resort(b, now) == (now >= b.retry_at)


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_a_probe_of_the_kind_that_failed_opens_the_way(kind: FailureKind) -> None:
    """Liveness answers for connections only; what a completion showed, a completion must disprove."""
    b = opened(START, kind)
    by_liveness = breaker.probe_up(b, START + 1, completion=False)
    assert (by_liveness.phase is Phase.HALF_OPEN) == (kind in LIVENESS_SUFFICES)
    assert breaker.needs_completion(b) == (kind not in LIVENESS_SUFFICES)
    by_completion = breaker.probe_up(b, START + 1, completion=True)
    assert (by_completion.phase, by_completion.trials_ok) == (Phase.HALF_OPEN, 1)


def test_a_row_that_relapses_is_held_open_longer_each_time_and_never_beyond_30_seconds() -> None:
    """Half a minute is what a server that is well may wait; the first recovery waits for nothing."""
    now, holds = START, []
    b = Breaker()
    for _ in range(7):
        b = opened(now, CONNECT, b)
        held = now
        while breaker.probe_up(b, now, completion=True) is b:
            now += 0.5
        holds.append(now - held)
        b = breaker.probe_up(b, now, completion=True)
    assert holds == [0, 5, 10, 20, 20, 20, 20]
    for _ in range(breaker.TRIALS):
        b = breaker.probe_up(b, now, completion=True)
    assert b.phase is Phase.CLOSED
    b = opened(now + breaker.FORGET + 1, CONNECT, b)
    assert breaker.probe_up(b, b.since, completion=True).phase is Phase.HALF_OPEN, "long ago is forgotten"


def test_without_a_cause_no_completion_is_needed() -> None:
    """A breaker that never opened asks for nothing."""
    assert not breaker.needs_completion(Breaker())


def test_an_answer_sent_before_the_opening_proves_nothing() -> None:
    """Late good answers and late failures of requests that were out already leave it open."""
    b = opened()
    assert breaker.success(b, START + 1) is b
    late = fail(b, START + 1)
    assert (late.phase, late.openings, late.retry_at) == (Phase.OPEN, 1, b.retry_at)
    trying = breaker.take_trial(b)
    assert breaker.failure(trying, SERVER, START + 9, bad=1, judged=1).trials_out == 1  # it is not the trial's end


def test_last_resort_is_one_trial_at_a_time_after_the_wait() -> None:
    """With nothing else left, one counted trial may go to an open row, no sooner than ``retry_at``."""
    b = opened()
    at = b.retry_at
    assert at == START + FIRST_WAIT == breaker.next_timer(b)
    assert not breaker.admits_last_resort(b, at - 0.001)
    assert breaker.admits_last_resort(b, at)
    b = breaker.take_trial(b)
    assert not breaker.admits_last_resort(b, at)
    assert breaker.next_timer(b) is None
    given_back = breaker.ignored(b, trial=True)
    assert breaker.admits_last_resort(given_back, at)
    passed = breaker.success(b, at + 1, trial=True)
    assert (passed.phase, passed.trials_ok, passed.since) == (Phase.HALF_OPEN, 1, at + 1)


def test_a_failed_last_resort_trial_waits_twice_as_long() -> None:
    """The wait doubles with each opening, up to a minute; the row has been open all the time."""
    b = opened()
    waits = []
    for _ in range(8):
        now = b.retry_at
        b = fail(breaker.take_trial(b), now, trial=True)
        waits.append(b.retry_at - now)
    assert waits == [10, 20, 40, 60, 60, 60, 60, 60]
    assert (b.since, b.opened_total) == (START, 1)


def test_a_row_that_is_down_for_days_still_has_a_wait() -> None:
    """Thousands of failed trials: the wait stays at its longest and no number overflows."""
    b = opened()
    for _ in range(3000):
        b = fail(breaker.take_trial(b), b.retry_at, trial=True)
    assert b.openings == 3001
    now = b.retry_at
    assert fail(breaker.take_trial(b), now, trial=True).retry_at == now + LONGEST_WAIT


@given(
    st.lists(st.tuples(st.floats(0, 3), st.none() | st.floats(0, 500)), min_size=3, max_size=12),
    st.booleans(),
)
def test_the_wait_is_the_longest_of_all_signals(signals: list[tuple[float, float | None]], trial_fails: bool) -> None:
    """Every ``retry-after`` since the last good answer counts, whichever failure named it, and so does our own wait."""
    b, now, opened_at = Breaker(), START, 0.0
    asked = [0.0]
    for gap, wait in signals:
        now += gap
        asked.append(now + (wait or 0.0))
        was = b.phase
        b = fail(b, now, retry_after_s=wait)
        if was is Phase.CLOSED and b.phase is Phase.OPEN:
            opened_at = now
    assume(b.phase is Phase.OPEN)
    assert b.retry_at == max(*asked, opened_at + FIRST_WAIT)
    if trial_fails:
        later = fail(breaker.take_trial(b), now + 1, trial=True)
        assert later.retry_at == max(b.retry_at, now + 1 + 2 * FIRST_WAIT)


def test_a_good_answer_ends_what_earlier_failures_asked_for() -> None:
    """A wait that a success has disproved does not hold back trials after a later opening."""
    b = breaker.success(fail(Breaker(), START, retry_after_s=900.0), START + 1)
    for _ in range(IN_A_ROW):
        b = fail(b, START + 2)
    assert b.retry_at == START + 2 + FIRST_WAIT
    b = closed_again(opened(START, retry_after_s=900.0), START + 5)
    assert breaker.liveness_lost(b, CONNECT, START + 6).retry_at == START + 6 + 2 * FIRST_WAIT


def test_a_provider_that_says_it_is_gone_for_a_day_is_tried_before() -> None:
    """Where nobody else is left: a day may be no more than a default."""
    assert opened(START, retry_after_s=86400.0).retry_at == START + LONGEST_ASKED


def test_a_completion_that_works_is_a_success_between() -> None:
    """Failures before it are in no row with those after it; that somebody is alive is none."""
    b = fail(fail(Breaker(), START), START + 1)
    assert breaker.probe_up(b, START + 2, completion=False) is b
    b = breaker.probe_up(b, START + 2, completion=True)
    assert fail(fail(b, START + 3), START + 4).phase is Phase.CLOSED


# --- half-open -------------------------------------------------------------------------------------------


@given(st.integers(TRIALS, 50))
def test_half_open_admits_exactly_its_trials(takers: int) -> None:
    """Of many requests that come at once, three go."""
    b, taken = half_open(), 0
    for _ in range(takers):
        if breaker.admits(b):
            b = breaker.take_trial(b)
            taken += 1
    assert taken == TRIALS


def test_three_passed_trials_close_it() -> None:
    """Each passed trial is counted, the third closes: from then on everything is forgotten but the openings."""
    b = half_open()
    for n in range(TRIALS):
        assert b.trials_ok == n
        b = breaker.success(breaker.take_trial(b), START + 10 + n, trial=True)
    assert b == Breaker(since=START + 12, openings=1, opened_total=1, fails_since=START, last_fail=START)


def test_only_trials_count_as_passed() -> None:
    """A good answer of a request from before says nothing; nor does liveness, which cannot pass a trial."""
    b = half_open()
    assert breaker.success(b, START + 1) is b
    assert breaker.probe_up(b, START + 1, completion=False) is b


def test_a_completion_probe_is_a_trial() -> None:
    """While half-open a completion that a probe asked for counts as one more passed trial."""
    b = closed_again(half_open(), START + 5)
    assert (b.phase, b.since) == (Phase.CLOSED, START + 5)


@given(st.booleans(), st.integers(0, TRIALS - 1))
def test_any_counted_failure_while_half_open_opens_it_again(trial: bool, passed: int) -> None:
    """One failure is enough, and the next wait is longer."""
    b = half_open()
    for _ in range(passed):
        b = breaker.success(breaker.take_trial(b), START + 1, trial=True)
    b = fail(b, START + 2, trial=trial)
    assert (b.phase, b.since, b.openings, b.opened_total) == (Phase.OPEN, START + 2, 2, 2)
    assert b.retry_at == START + 2 + 2 * FIRST_WAIT
    assert (b.trials_out, b.trials_ok) == (0, 0)


def test_trials_that_fail_together_are_one_opening() -> None:
    """Three trials were out and all fail: the wait doubles once, not three times."""
    b = half_open()
    for _ in range(TRIALS):
        b = breaker.take_trial(b)
    for i in range(TRIALS):
        b = fail(b, START + 1 + i, trial=True)
    assert (b.openings, b.opened_total, b.since) == (2, 2, START + 1)
    assert b.retry_at == START + 1 + 2 * FIRST_WAIT


def test_a_trial_that_passes_after_another_failed_proves_nothing() -> None:
    """It was sent before the opening, as any other late answer."""
    b = breaker.take_trial(breaker.take_trial(half_open()))
    b = fail(b, START + 1, trial=True)
    assert breaker.success(b, START + 2, trial=True) is b


def test_ignoring_gives_a_trial_back() -> None:
    """A trial whose client left says nothing: another request may have it. Others had none to give."""
    b = half_open()
    for _ in range(TRIALS):
        b = breaker.take_trial(b)
    assert not breaker.admits(b)
    assert breaker.ignored(b, trial=False) is b
    b = breaker.ignored(b, trial=True)
    assert breaker.admits(b)
    assert breaker.ignored(half_open(), trial=True) == half_open()


# --- over its life ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quiet", "wait"), [(FORGET - 1, 2 * FIRST_WAIT), (FORGET, FIRST_WAIT)])
def test_openings_are_forgotten_after_ten_good_minutes(quiet: float, wait: float) -> None:
    """Closed for so long, the next opening counts as the first again."""
    b = closed_again(opened(), START + 20)
    now = START + 20 + quiet
    for _ in range(IN_A_ROW):
        b = fail(b, now)
    assert b.retry_at == now + wait
    assert b.opened_total == 2


@given(phases)
def test_an_operator_closes_it(phase: Phase) -> None:
    """Reset forgets everything but how often it opened."""
    b = replace(opened(), phase=phase, trials_out=2)
    assert breaker.reset(b, 77.0) == Breaker(since=77.0, opened_total=1)


class Lease(NamedTuple):
    """A request under way: whether it holds a trial, and since when the breaker had been as it was."""

    trial: bool
    period: int


# Every change of phase and what may cause it; anything else is a bug.
TABLE = {
    (Phase.CLOSED, Phase.OPEN): {"failure", "liveness_lost"},
    (Phase.OPEN, Phase.HALF_OPEN): {"probe_up", "trial_ok"},
    (Phase.HALF_OPEN, Phase.CLOSED): {"trial_ok", "probe_up", "reset"},
    (Phase.HALF_OPEN, Phase.OPEN): {"failure", "liveness_lost"},
    (Phase.OPEN, Phase.CLOSED): {"reset"},
}


class AnyHistory(RuleBasedStateMachine):
    """Requests, trials, probes and operators in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.b = Breaker()
        self.leases: list[Lease] = []
        self.period = 0  # counts the changes of phase
        self.disturbed = False  # a trial of an earlier half-open time ended in this one

    def go(self, cause: str, after: Breaker) -> None:
        before = self.b
        if after.phase is not before.phase:
            assert cause in TABLE[before.phase, after.phase], (cause, before, after)
            note(f"{before.phase} -> {after.phase} by {cause}")
            self.period += 1
            self.disturbed = False
            assert after.since == self.now
            assert after.opened_total == before.opened_total + (after.phase is Phase.OPEN)
        self.b = after

    @rule(seconds=st.sampled_from((0.1, 1.0, 4.0, 11.0, 61.0, 700.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_request_comes(self) -> None:
        if breaker.admits(self.b):
            trial = self.b.phase is not Phase.CLOSED
            self.go("take", breaker.take_trial(self.b))
            self.leases.append(Lease(trial, self.period))

    @rule()
    def a_request_has_nothing_else_left(self) -> None:
        if breaker.admits_last_resort(self.b, self.now):
            assert self.now >= self.b.retry_at
            self.go("take", breaker.take_trial(self.b))
            self.leases.append(Lease(True, self.period))

    @precondition(lambda self: self.leases)
    @rule(
        data=st.data(),
        end=st.sampled_from(("ok", "bad", "bad", "ignored")),
        kind=kinds,
        wait=st.sampled_from((None, None, 2.0, 90.0)),
        ratio=st.sampled_from(((1, 1), (19, 19), (10, 20), (11, 20))),
    )
    def a_request_ends(
        self, data: st.DataObject, end: str, kind: FailureKind, wait: float | None, ratio: tuple[int, int]
    ) -> None:
        lease = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
        if lease.trial and lease.period != self.period:
            self.disturbed = True
        before = self.b
        if end == "ok":
            cause = "trial_ok" if lease.trial else "ok"
            self.go(cause, breaker.success(before, self.now, trial=lease.trial))
        elif end == "ignored":
            self.go("ignored", breaker.ignored(before, trial=lease.trial))
        else:
            bad, judged = ratio
            after = breaker.failure(
                before, kind, self.now, bad=bad, judged=judged, trial=lease.trial, retry_after_s=wait
            )
            if before.phase is Phase.CLOSED and after.phase is Phase.OPEN:
                by_row = before.fails == IN_A_ROW - 1 and self.now - before.fails_since <= ROW_SPAN
                assert by_row or (judged >= MIN_TRAFFIC and 2 * bad > judged)
            if before.phase is Phase.OPEN:
                assert after.retry_at >= before.retry_at
            self.go("failure", after)

    @rule(completion=st.booleans())
    def a_probe_finds_it_working(self, completion: bool) -> None:
        before = self.b
        self.go("probe_up", breaker.probe_up(before, self.now, completion=completion))
        if before.phase is Phase.OPEN and self.b.phase is not Phase.OPEN:
            assert completion or not breaker.needs_completion(before)
        if not completion:
            assert self.b.trials_ok in (0, before.trials_ok)

    @rule(kind=st.sampled_from((CONNECT, FailureKind.LOADING)))
    def probes_find_nobody(self, kind: FailureKind) -> None:
        self.go("liveness_lost", breaker.liveness_lost(self.b, kind, self.now))
        assert self.b.phase is Phase.OPEN

    @precondition(lambda self: self.b.phase is not Phase.CLOSED)
    @rule()
    def an_operator_resets_it(self) -> None:
        self.go("reset", breaker.reset(self.b, self.now))

    @invariant()
    def trials_are_bounded(self) -> None:
        out = sum(1 for lease in self.leases if lease.trial and lease.period == self.period)
        if self.b.phase is Phase.HALF_OPEN and not self.disturbed:
            assert self.b.trials_out == out
            assert out <= TRIALS  # what probes find counts besides
            assert breaker.admits(self.b) == (out + self.b.trials_ok < TRIALS)
        if self.b.phase is Phase.OPEN:
            assert out <= 1 or self.disturbed

    @invariant()
    def it_admits_what_its_phase_says(self) -> None:
        match self.b.phase:
            case Phase.CLOSED:
                assert breaker.admits(self.b)
                assert self.b.fails < IN_A_ROW
                assert (self.b.trials_out, self.b.trials_ok, self.b.cause) == (0, 0, None)
            case Phase.OPEN:
                assert not breaker.admits(self.b)
                assert self.b.cause is not None
            case Phase.HALF_OPEN:
                assert 0 <= self.b.trials_ok < TRIALS
        assert self.b.trials_out >= 0

    @invariant()
    def the_timer_is_when_something_changes(self) -> None:
        """At ``next_timer`` what is admitted changes, before it does not, and without one it never does."""
        at = breaker.next_timer(self.b)
        seen = [breaker.admits_last_resort(self.b, t) for t in (0.0, START, self.now, self.now + 1e9)]
        if at is None:
            assert not any(seen)
        else:
            assert breaker.admits_last_resort(self.b, at)
            assert not breaker.admits_last_resort(self.b, at - 0.01)
            assert all(a <= b for a, b in pairwise(seen))


TestAnyHistory = AnyHistory.TestCase
