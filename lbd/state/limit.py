"""Adaptive concurrency limit of a self-hosted deployment, from the time to the first token.

A server with k slots begins at once while fewer than k requests run, and makes the rest wait inside, without a word.
What a TTFT has beyond the base line (:mod:`lbd.state.baseline`) was waiting, and how many wait there follows from
Little's law: of n requests in flight that spend W of their time T waiting, n W / T wait at any moment, and the others
fill the slots. One more in flight than there are slots makes it one more that waits, whatever the server is like.

So each limit is tried in turn, on answers that were sent at it. Where more than ``WAITING`` wait, it is cut to what was
served; where clearly fewer do, it rises to the next. Both rest on sums over several answers, not on one, and on more
the more TTFTs differ where nobody waits. Who is one too many makes nearly all wait, and a few that took long are no
queue: it is cut only where most took longer than they should have. Where TTFTs differ so much that neither shows for
long, it rises: that shows more at the next, and a limit where none is needed costs all that it keeps out. Rises in a
row grow. Answers that were sent under a limit that has been cut since still say how many are served, and correct the
cut. A limit that was too high is tried again after a pause, which grows to ``REST``.

While it works at its limit nobody is ever nearly alone, and nothing would tell a base line that was learned behind a
queue from the truth. Then it is drained now and then, to a part of the limit for a few answers, as BBR drains a path to
see its round-trip time: with the first cut while there is no base line, soon at first, and the less often, the less it
teaches; for the longer, the more TTFTs differ.

Where it shows in when answers are complete how many are served (:mod:`lbd.state.whole`), that goes before: it needs no
base line and no drain. All this is for where it does not.

Tried and left: cutting by a factor whenever a TTFT is a multiple of the smallest, as in Netflix's concurrency-limits
(a minute from 64 to 2, and 32 slots taken for 10); the smallest TTFT as the base line (half the slots lie idle where
prompts are cached or TTFTs differ); taking a lasting excess for the server's manner (it then follows a queue), also
only where it outlasts a cut (small servers show too little to tell, and one in ten took a queue for it).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from lbd.model.units import Instant, Ratio, Seconds, Tokens
from lbd.state import baseline
from lbd.state.baseline import Baseline

LOWEST, HIGHEST = 1.0, 512.0
START = 8.0
FIRST = 2  # of background work, while nothing is known
SLACK: Seconds = 0.03  # of waiting is noise of the network and the scheduler
WAITING = 0.55  # requests that may wait inside on the average: one too many makes it 1
WAITING_SHARE: Ratio = 0.1  # and of those in flight beyond ``FEW``: the cost of one that waits falls with their number
FEW = 8
MOSTLY: Ratio = 0.6  # of the answers took longer than they should have where one is too many
SURELY = 1.5  # times what chance may do, over it: then it is cut
CLEARLY: Ratio = 0.6  # of that, or less: then more are tried
EASILY: Ratio = 0.5  # of what chance may do counts against a rise: it is soon taken back
HEADROOM = 0.5  # a cut leaves so much over what was served: half the way to the next whole number
SOON = 4  # a change rests on so many answers at least
FADE = 8  # rounds of answers after which one hardly counts any more
LONG = 8  # rounds of answers that showed neither: then what chance may do counts for a rise
STEPS, LEAP = 8, 2  # a rise is by one, or by such a part of the limit; which doubles up to this
RUN = 4  # rises in a row, each time
REST: Seconds = 20.0  # the longest pause before a limit that was too high is tried again
FIRST_REST: Seconds = 2.0
FIRST_DRAIN: Seconds = 10.0  # from the first answer
DRAIN: Seconds = 15.0  # to the next, doubled each time up to ``SELDOM``
SELDOM: Seconds = 300.0
CLOSE: Ratio = 0.25  # how close to the truth the answers of a drain are to come together
MOST = 8  # of them, for that: while they are waited for, the rest of the server is idle
DEEP, SHALLOW = 4, 2  # parts of the limit to which it is drained, while the base line is doubtful and later
OFF: Ratio = 0.25  # a base line that is so wrong is doubtful
OFF_NOISE: Ratio = 0.5  # or of the noise, which makes a few answers differ
PATIENCE = 4.0  # answers' usual time that a drain may take


class Evidence(msgspec.Struct, frozen=True):
    """Sums over answers that count for the limit under trial.

    ``weight``: of them, and ``answers``: how many there were; ``waiting``: of n W; ``noise``: of n times what W may be
    off by chance, and ``doubt`` by a base line that is; ``inside``: of n T; ``spent_s``: of T. ``longer``: of those
    that took longer than they should have. ``late``: they were sent under a limit that was higher.
    """

    answers: int = 0
    weight: float = 0.0
    waiting: float = 0.0
    noise: float = 0.0
    doubt: float = 0.0
    inside: float = 0.0
    spent_s: Seconds = 0.0
    longer: float = 0.0
    late: bool = False


class _Answer(NamedTuple):
    """An answer on its way into the evidence."""

    inflight: int
    waited_s: Seconds
    total_s: Seconds
    noise_s: Seconds
    doubt_s: Seconds


class Drain(msgspec.Struct, frozen=True):
    """``runs``: one is under way. ``at``: when it began, or when the next is due.

    ``shown``: answers beside few others since the last; where enough came by themselves none is needed. ``every_s``:
    from one to the next; ``off``: how far such answers lay from the base line.
    """

    at: Instant | None = None
    runs: bool = False
    shown: int = 0
    every_s: Seconds = DRAIN
    off: float = 0.0


class Limit(msgspec.Struct, frozen=True):
    """The limit and what it learned from.

    ``found``: it was cut at least once, so the search from afar is over; ``too_high`` is from where; ``rises``: how
    often it rose since. ``sure``: so many were seen to be served at once, 0 for not known; ``proved`` the same where
    whole answers showed it, which holds until ``proved_until``: then they alone judge the limit
    (:mod:`lbd.state.whole`). ``answer_s``: how long an answer takes, usually.
    """

    value: float = START
    line: Baseline = Baseline()
    evidence: Evidence = Evidence()
    drain: Drain = Drain()
    found: bool = False
    too_high: float = HIGHEST
    rises: int = 0
    sure: float = 0.0
    proved: int = 0
    proved_until: Instant = -math.inf
    rest_s: Seconds = 0.0
    rests_until: Instant = -math.inf
    answer_s: Seconds | None = None


def slots(limit: Limit) -> int:
    """Return how many the server is held to run at once."""
    return math.floor(limit.value)


def relied_on(limit: Limit) -> int:
    """Return how many slots background work may count on: those that were seen; twice as many in a search."""
    if not limit.found:
        return min(slots(limit), max(FIRST, math.floor(2 * limit.sure)))
    return min(slots(limit), math.floor(limit.sure or HIGHEST))


def admitted(limit: Limit) -> int:
    """Return how many may run there now: fewer while it is drained."""
    return _low(limit) if limit.drain.runs else slots(limit)


def admits(limit: Limit, inflight: int) -> bool:
    """Tell whether one more request fits."""
    return inflight < admitted(limit)


def slots_known(limit: Limit, told: int) -> Limit:
    """Return the limit set to what the server itself says it can run at once."""
    value = min(HIGHEST, max(LOWEST, float(told)))
    if limit.value == value and not limit.drain.runs:
        return limit
    return replace(limit, value=value, drain=Drain(), sure=value)


def over_in_time(limit: Limit, now: Instant) -> Limit:
    """Return the limit with a drain given up that takes too long: nothing may come any more of which it learns."""
    drain = limit.drain
    if not drain.runs or drain.at is None or now - drain.at <= PATIENCE * (limit.answer_s or 0.0) + 1.0:
        return limit
    return replace(limit, drain=replace(drain, runs=False, at=now + drain.every_s))


def sample(limit: Limit, ttft_s: Seconds, total_s: Seconds, tokens: Tokens, inflight: int, now: Instant) -> Limit:
    """Return the limit after one good answer, which took ``total_s`` and for which ``tokens`` of its prompt were read.

    ``inflight`` is how many requests ran there when this one came, itself included: an answer that came
    while the limit was far away says nothing about whether it could be higher.
    """
    total_s = max(total_s, ttft_s, 1e-9)
    expected_s = baseline.expected(limit.line, tokens)
    low = inflight <= _low(limit)
    line = baseline.learned(limit.line, ttft_s, tokens, waited=not low)
    usual = total_s if limit.answer_s is None else limit.answer_s + 0.1 * (total_s - limit.answer_s)
    limit = replace(limit, line=line, answer_s=usual)
    limit = _drained(limit, (ttft_s / expected_s - 1.0) if low and expected_s else None, inflight, now)
    at_limit = inflight >= slots(limit) or not limit.found
    if expected_s is None or not at_limit or (limit.drain.runs and inflight <= slots(limit)):
        return limit
    if now < limit.proved_until:
        return limit
    # nobody waits for itself; and a base line that is too high shows as a wait below nothing, which says no more
    waited_s = max(-ttft_s, ttft_s - expected_s - SLACK) if inflight > 1 else 0.0
    noise_s, doubt_s = expected_s * line.noise, expected_s * baseline.doubt(line, tokens)
    return _judged(limit, _Answer(inflight, waited_s, total_s, noise_s, doubt_s), now)


def _low(limit: Limit) -> int:
    """Return beside how many, itself included, nobody waits for a slot: as far as is known."""
    if limit.drain.runs:
        return max(1, slots(limit) // (DEEP if limit.drain.every_s <= DRAIN else SHALLOW))
    return max(1, slots(limit) // SHALLOW, min(limit.proved, slots(limit))) if limit.found else 1


def _drained(limit: Limit, off: float | None, inflight: int, now: Instant) -> Limit:
    """Return the limit with a drain begun, gone on with, or over.

    ``off``: how far what an answer beside few others took lay from the base line, None for another answer.
    """
    drain = limit.drain
    at = now + FIRST_DRAIN if drain.at is None else drain.at
    if off is not None:
        drain = replace(drain, at=at, shown=drain.shown + 1, off=drain.off + 0.2 * (off - drain.off))
        if drain.shown < (max(_enough(limit), _low(limit)) if drain.runs else SOON):
            return replace(limit, drain=drain)
        doubtful = abs(drain.off) > max(OFF, OFF_NOISE * limit.line.noise)
        every = DRAIN if doubtful else min(SELDOM, 2 * drain.every_s)
        evidence = Evidence() if drain.runs else limit.evidence
        return replace(limit, drain=Drain(now + every, False, 0, every, drain.off), evidence=evidence)
    if drain.runs:
        return over_in_time(limit, now)
    if now >= max(at, limit.proved_until) and slots(limit) >= SHALLOW and inflight >= slots(limit):
        return replace(limit, drain=replace(drain, runs=True, shown=0, at=now))
    return replace(limit, drain=replace(drain, at=at))


def _enough(limit: Limit) -> int:
    """Return of how many answers the mean is close to the truth."""
    return min(MOST, max(SOON, math.ceil((limit.line.noise / CLOSE) ** 2)))


def _judged(limit: Limit, answer: _Answer, now: Instant) -> Limit:
    """Return the limit after an answer that was sent at it, or under a higher one."""
    seen, late = limit.evidence, answer.inflight > slots(limit)
    if late and limit.found and not seen.late:
        return limit  # what was sent since says more
    if not late and seen.late:
        seen = Evidence()
    kept = 1.0 if late else 1.0 - 1.0 / (FADE * max(2.0, limit.value))
    seen = _with(seen, answer, kept, late=late and limit.found)
    limit = replace(limit, evidence=seen)
    waiting, inside = seen.waiting / seen.spent_s, seen.inside / seen.spent_s
    chance = math.hypot(seen.noise / math.sqrt(seen.weight), seen.doubt) / seen.spent_s
    allowed = max(WAITING, WAITING_SHARE * (inside - FEW))
    # those of a search were sent under many limits, most of which were not too high
    most = seen.longer > MOSTLY * seen.weight or not limit.found
    if waiting > allowed + SURELY * chance and seen.answers >= SOON and most:
        return cut(limit, inside - waiting + HEADROOM, now)
    if seen.late:
        return limit
    if not limit.found:
        calm = answer.inflight * answer.waited_s < allowed * answer.total_s and 2 * waiting < allowed
        return sought(limit, answer.inflight, 1) if calm and 2 * answer.inflight > limit.value else limit
    undecided = seen.answers >= LONG * max(2.0, limit.value)
    clear = waiting + (-chance if undecided else EASILY * chance) < CLEARLY * allowed
    if clear and seen.answers >= max(SOON, slots(limit)) and now >= limit.rests_until:
        return raised(limit)
    return limit


def _with(seen: Evidence, answer: _Answer, kept: Ratio, *, late: bool) -> Evidence:
    n = answer.inflight
    return Evidence(
        seen.answers + 1,
        seen.weight * kept + 1.0,
        seen.waiting * kept + n * answer.waited_s,
        seen.noise * kept + n * answer.noise_s,
        seen.doubt * kept + n * answer.doubt_s,
        seen.inside * kept + n * answer.total_s,
        seen.spent_s * kept + answer.total_s,
        seen.longer * kept + (answer.waited_s > 0),
        late,
    )


def sought(limit: Limit, served: int, answers: int) -> Limit:
    """Return the limit while nothing has queued yet: it doubles with each generation of answers."""
    return replace(limit, value=min(HIGHEST, limit.value + answers), sure=max(limit.sure, served))


def cut(limit: Limit, served: float, now: Instant) -> Limit:
    """Return the limit cut to what was served; what was sent under the old one corrects the cut."""
    served = max(LOWEST, served)
    if limit.evidence.late:  # the cut that was made is corrected, either way
        value = min(served, limit.too_high)
        return replace(limit, value=value, sure=math.floor(value))
    drain = replace(limit.drain, at=now) if limit.line.answers < baseline.KNOWN else limit.drain
    return replace(lowered(limit, served, now), evidence=Evidence(late=True), drain=drain)


def lowered(limit: Limit, value: float, now: Instant) -> Limit:
    """Return the limit lowered, to be tried again after a pause."""
    rest = min(REST, max(FIRST_REST, 2 * limit.rest_s)) if limit.found else 0.0
    value = min(max(LOWEST, value), limit.value)
    return replace(
        limit,
        value=value,
        sure=math.floor(value),
        proved=min(limit.proved, math.floor(value)),
        evidence=Evidence(),
        found=True,
        too_high=limit.value,
        rises=0,
        rest_s=rest,
        rests_until=now + rest,
    )


def raised(limit: Limit) -> Limit:
    """Return the limit with the next one under trial; one that was too high once and is not now starts a new search."""
    at = slots(limit)
    part = max(LEAP, STEPS >> limit.rises // RUN)
    value = min(HIGHEST, at + max(1, at // part) + HEADROOM)
    rest = limit.rest_s if at < math.floor(limit.too_high) else 0.0
    return replace(limit, value=value, evidence=Evidence(), rest_s=rest, rises=limit.rises + 1, sure=at)
