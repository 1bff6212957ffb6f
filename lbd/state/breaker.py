"""The circuit breaker of one deployment.

    closed     --three failures in a row within 10 s, or > 50 % of n >= 20-->  open
    closed     --liveness lost three times (probe, two re-probes)-->           open
    open       --probe of the kind that failed comes back up-->                half_open
    open       --a last-resort trial succeeds-->                               half_open (that one counted)
    half_open  --TRIALS successes-->                                           closed (slow start begins)
    half_open  --any counted failure-->                                        open (longer wait)

Being open is left by evidence, never by a timer: a 200 of ``/models`` says nothing about completions, so a
breaker that completions opened asks for a completion. The one exception is last resort: with nothing else
left for a request, one trial at a time, no sooner than ``retry_at``, may go to an open row.

Client faults and 429s are not reported here at all. Every function takes ``now`` and returns a new value.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.units import Instant, Seconds

IN_A_ROW = 3
ROW_SPAN: Seconds = 10.0  # the failures in a row must lie within this
MIN_TRAFFIC = 20  # no verdict by ratio on fewer attempts
BAD_RATIO = 0.5
TRIALS = 3
FIRST_WAIT: Seconds = 5.0  # until the first last-resort trial; doubles with each opening up to LONGEST_WAIT
LONGEST_WAIT: Seconds = 60.0
LONGEST_ASKED: Seconds = 900.0  # who has nobody else tries again, though a provider says that it is gone for a day
MOST_DOUBLINGS = 10  # far beyond LONGEST_WAIT: a row that stays down for days must not overflow the power
# A row that fails again as soon as it is trusted: probes are believed only so long after its opening. The first
# opening has no hold, and no hold is so long that a row that is well would wait for traffic beyond 30 s.
FIRST_HOLD: Seconds = 5.0
LONGEST_HOLD: Seconds = 20.0
FORGET: Seconds = 600.0  # closed for so long: the next opening counts as the first again


class Phase(StrEnum):
    """The three states."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


# What must be seen working before an open breaker may be tried again. A refused connection is answered by
# any answer; everything that only a completion shows asks for a completion.
LIVENESS_SUFFICES = frozenset(
    {FailureKind.DNS, FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.TLS, FailureKind.LOADING}
)


class Breaker(msgspec.Struct, frozen=True):
    """State of one breaker. Instants are monotonic seconds."""

    phase: Phase = Phase.CLOSED
    since: Instant = 0.0
    fails: int = 0  # counted failures with no success between, within ROW_SPAN: 0, 1 or 2
    fails_since: Instant = 0.0  # the first of them
    last_fail: Instant = 0.0  # the second
    cause: FailureKind | None = None
    openings: int = 0  # without a long closed time between
    opened_total: int = 0
    retry_at: Instant = 0.0  # open: earliest last-resort trial; before: the longest wait that failures asked for
    trials_out: int = 0  # half-open, or open with a last-resort trial under way
    trials_ok: int = 0


def needs_completion(breaker: Breaker) -> bool:
    """Tell whether only a completion can show that the cause is gone."""
    return breaker.cause is not None and breaker.cause not in LIVENESS_SUFFICES


def success(breaker: Breaker, now: Instant, *, trial: bool = False) -> Breaker:
    """Return the breaker after a good answer. ``trial``: it held a trial."""
    if breaker.phase is Phase.CLOSED:
        return breaker if not breaker.fails else replace(breaker, fails=0, retry_at=0.0)
    # an answer of a request sent before the opening proves nothing, a trial of the half-open time before included;
    # a last-resort trial does, and is the only one that counts as out while open
    if not trial or (breaker.phase is Phase.OPEN and not breaker.trials_out):
        return breaker
    if breaker.phase is Phase.OPEN:
        return replace(breaker, phase=Phase.HALF_OPEN, since=now, trials_out=0, trials_ok=1)
    done = breaker.trials_ok + 1
    if done < TRIALS:
        return replace(breaker, trials_ok=done, trials_out=max(0, breaker.trials_out - 1))
    return replace(
        breaker,
        phase=Phase.CLOSED,
        since=now,
        fails=0,
        cause=None,
        retry_at=0.0,
        trials_out=0,
        trials_ok=0,
    )


def failure(
    breaker: Breaker,
    kind: FailureKind,
    now: Instant,
    *,
    bad: int,
    judged: int,
    trial: bool = False,
    retry_after_s: Seconds | None = None,
) -> Breaker:
    """Return the breaker after a failure that counts.

    ``bad`` of ``judged`` attempts of the last minute failed, this one included. ``retry_after_s`` is what
    the provider asked for, up to ``LONGEST_ASKED``: the wait is the longest of all signals.
    """
    asked = now + min(retry_after_s or 0.0, LONGEST_ASKED)
    longest = replace(breaker, retry_at=max(breaker.retry_at, asked))
    if breaker.phase is Phase.OPEN:
        # of trials that were out together only the first failure is news: later ones were sent before the opening
        return _open(longest, kind, now) if trial and breaker.trials_out else longest
    if breaker.phase is Phase.HALF_OPEN:
        return _open(longest, kind, now)
    recent = [at for at in (breaker.fails_since, breaker.last_fail)[: breaker.fails] if now - at <= ROW_SPAN]
    if len(recent) + 1 >= IN_A_ROW or (judged >= MIN_TRAFFIC and bad > BAD_RATIO * judged):
        return _open(longest, kind, now)
    return replace(longest, fails=len(recent) + 1, fails_since=recent[0] if recent else now, last_fail=now)


def _open(breaker: Breaker, kind: FailureKind, now: Instant) -> Breaker:
    recent = breaker.phase is not Phase.CLOSED or now - breaker.since < FORGET
    openings = breaker.openings + 1 if recent and breaker.openings else 1
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(openings - 1, MOST_DOUBLINGS))
    return replace(
        breaker,
        phase=Phase.OPEN,
        since=breaker.since if breaker.phase is Phase.OPEN else now,
        fails=0,
        cause=kind,
        openings=openings,
        opened_total=breaker.opened_total + (breaker.phase is not Phase.OPEN),
        retry_at=max(breaker.retry_at, now + wait),
        trials_out=0,
        trials_ok=0,
    )


def liveness_lost(breaker: Breaker, kind: FailureKind, now: Instant) -> Breaker:
    """Return the breaker after the probe and both re-probes found nobody there."""
    if breaker.phase is Phase.OPEN:
        return breaker
    return _open(breaker, kind, now)


def ignored(breaker: Breaker, *, trial: bool) -> Breaker:
    """Return the breaker after an attempt that says nothing: a trial it held is given back."""
    if not trial or not breaker.trials_out:
        return breaker
    return replace(breaker, trials_out=breaker.trials_out - 1)


def probe_up(breaker: Breaker, now: Instant, *, completion: bool) -> Breaker:
    """Return the breaker after a probe that found the deployment working.

    ``completion``: the probe was a completion. While half-open such a probe counts as a trial.
    """
    if breaker.phase is Phase.CLOSED:
        return success(breaker, now) if completion else breaker
    if breaker.phase is Phase.OPEN:
        if (needs_completion(breaker) and not completion) or now - breaker.since < hold(breaker):
            return breaker
        return replace(breaker, phase=Phase.HALF_OPEN, since=now, trials_out=0, trials_ok=1 if completion else 0)
    if not completion:
        return breaker
    taken = replace(breaker, trials_out=breaker.trials_out + 1)
    return success(taken, now, trial=True)


def hold(breaker: Breaker) -> Seconds:
    """Return how long after its opening an open breaker stays so whatever probes say."""
    if breaker.openings < 2:
        return 0.0
    return min(LONGEST_HOLD, FIRST_HOLD * 2.0 ** min(breaker.openings - 2, MOST_DOUBLINGS))


def admits(breaker: Breaker) -> bool:
    """Tell whether a normal request may go there now (half-open: while trials are left)."""
    if breaker.phase is Phase.CLOSED:
        return True
    return breaker.phase is Phase.HALF_OPEN and breaker.trials_out + breaker.trials_ok < TRIALS


def admits_last_resort(breaker: Breaker, now: Instant) -> bool:
    """Tell whether a request with nothing else left may try an open row now."""
    return breaker.phase is Phase.OPEN and not breaker.trials_out and now >= breaker.retry_at


def take_trial(breaker: Breaker) -> Breaker:
    """Return the breaker with one trial under way; only after ``admits`` or ``admits_last_resort``."""
    if breaker.phase is Phase.CLOSED:
        return breaker
    return replace(breaker, trials_out=breaker.trials_out + 1)


def taken_back(breaker: Breaker) -> Breaker:
    """Return ``breaker``, as it was before failures that were nobody's fault; trials out then were given up since."""
    return replace(breaker, trials_out=0)


def reset(breaker: Breaker, now: Instant) -> Breaker:
    """Return it closed, by an operator's word."""
    return Breaker(since=now, opened_total=breaker.opened_total)


def next_timer(breaker: Breaker) -> Instant | None:
    """Return when time alone changes what the breaker admits, None if it never does."""
    return breaker.retry_at if breaker.phase is Phase.OPEN and not breaker.trials_out else None
