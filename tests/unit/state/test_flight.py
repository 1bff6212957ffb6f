"""One request in flight: where it goes after each failure, and that it always ends."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import CLIENT_FAULTS, TABLE, TIMEOUTS, Failure, FailureKind, Retry
from lbd.state import flight as flights
from lbd.state.flight import PAUSE, SHORT_WAIT, Flight, Next, Step

K = FailureKind
FLIGHT = Flight(arrived=100.0, first_by=110.0, total_by=160.0)
NOW = 101.0

NEVER = sorted(k for k, row in TABLE.items() if row.retry is Retry.NEVER)
ELSEWHERE = sorted(k for k, row in TABLE.items() if row.retry is Retry.ELSEWHERE)
SAME_ONCE = sorted(k for k, row in TABLE.items() if row.retry is Retry.SAME_ONCE)
PRESSING = [k for k in SAME_ONCE if k is not K.RATE]


def failed(kind: FailureKind, wait: float | None = None) -> Failure:
    return Failure(kind, f"it was {kind}", retry_after_s=wait, body=b"{}")


def after(
    kind: FailureKind,
    *,
    flight: Flight | None = None,
    row: str = "p/a",
    wait: float | None = None,
    now: float = NOW,
    twins: int = 0,
    others: int = 0,
) -> tuple[Flight, Next]:
    """Return what follows a failure at ``row``, where a first attempt had gone unless a flight is given."""
    flight = flights.sent(FLIGHT, row) if flight is None else flight
    return flights.after(flight, row, failed(kind, wait), now, twins=twins, others=others)


# --- what is counted -------------------------------------------------------------------------------------


def test_attempts_moves_and_tried_rows_are_counted() -> None:
    """A further try at the same row is an attempt, but no move."""
    f = FLIGHT
    seen = []
    for row in ("p/a", "p/a", "p/b", "p/c", "p/b"):
        f = flights.sent(f, row)
        seen.append((f.attempts, f.moves, len(f.tried)))
    assert seen == [(1, 0, 1), (2, 0, 1), (3, 1, 2), (4, 2, 3), (5, 2, 3)]
    assert f.tried == ("p/a", "p/b", "p/c")
    assert (f.arrived, f.first_by, f.total_by) == (100.0, 110.0, 160.0)


# --- where it goes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NEVER)
def test_what_no_retry_can_help_goes_back_at_once(kind: FailureKind) -> None:
    """Client faults, content filters, lbd's own last words: whoever is left, nobody else is bothered."""
    f, verdict = after(kind, twins=3, others=5)
    assert verdict == Next(Step.GIVE, failed(kind))
    assert f.failures == (("p/a", failed(kind)),)


@pytest.mark.parametrize("kind", sorted(FailureKind))
def test_after_the_first_content_there_is_no_other_deployment(kind: FailureKind) -> None:
    """The client has seen text: glueing another answer to it is never right."""
    _, verdict = after(kind, flight=flights.committed(flights.sent(FLIGHT, "p/a")), twins=3, others=5)
    assert verdict == Next(Step.GIVE, failed(kind))


BROKEN = failed(K.BROKEN_STREAM)


def streaming(*, resumable: bool = True, failure: Failure = BROKEN) -> Flight:
    """Return a flight whose stream has just broken under its client's eyes."""
    flight = flights.committed(flights.sent(FLIGHT, "p/a"))
    return flights.broken(flight, failure, 130.0, within=10.0, resumable=resumable)


def onward(
    flight: Flight, kind: FailureKind = K.BROKEN_STREAM, *, row: str = "p/a", now: float = 130.0, **left: int
) -> tuple[Flight, Next]:
    """Return what follows a failure of the attempt that was made last."""
    failure = flight.broken if flight.broken is not None and flight.broken.kind is kind else failed(kind)
    return flights.after(flight, row, failure, now, twins=left.get("twins", 0), others=left.get("others", 0))


def test_an_answer_that_broke_is_gone_on_with_by_a_twin_from_the_budget() -> None:
    """The first move is not free here: it repeats what was paid for once. It has a deadline of its own."""
    flight, verdict = onward(streaming(), twins=1, others=3)
    assert (verdict.step, verdict.spend, flight.resumed) == (Step.MOVE, True, 1)
    assert flight.first_by == 140.0
    assert streaming(failure=failed(K.TIMEOUT_IDLE)).first_by <= FLIGHT.total_by


def test_the_wait_for_a_deployment_begins_when_the_stream_broke() -> None:
    """Else it would be over long since. Nothing waits beyond the deadline of the whole answer."""
    assert flights.waits_until(FLIGHT, 10.0) == 110.0
    assert flights.waits_until(streaming(), 10.0) == 140.0
    late = flights.broken(flights.committed(FLIGHT), BROKEN, 155.0, within=10.0, resumable=True)
    assert flights.waits_until(late, 10.0) == 160.0


def test_without_a_twin_the_same_row_says_it_again_likelier_than_another_model() -> None:
    """Once, after a pause; then whoever is left."""
    flight, verdict = onward(streaming(), others=2)
    assert (verdict.step, verdict.spend, verdict.wait_s) == (Step.AGAIN, True, PAUSE)
    flight, verdict = onward(flights.sent(flight, "p/a"), K.CONNECT, others=2)
    assert (verdict.step, verdict.spend, flight.resumed) == (Step.MOVE, True, 2)


def test_a_row_that_fell_silent_is_not_asked_again() -> None:
    """As before the first content."""
    _, verdict = onward(streaming(failure=failed(K.TIMEOUT_IDLE)), K.TIMEOUT_IDLE, others=1)
    assert verdict.step is Step.MOVE
    _, verdict = onward(streaming(failure=failed(K.TIMEOUT_IDLE)), K.TIMEOUT_IDLE)
    assert (verdict.step, verdict.failure.kind) == (Step.GIVE, K.TIMEOUT_IDLE)


def test_two_tries_to_go_on_are_all() -> None:
    """The client is told what broke its stream, and why that was the end; as one of the attempts put it: nothing."""
    flight, _ = onward(streaming(), twins=3, others=3)
    flight, _ = onward(flights.sent(flight, "p/b"), K.SERVER, row="p/b", twins=2, others=2)
    flight, verdict = onward(flights.sent(flight, "p/c"), K.OVERLOADED, row="p/c", twins=1, others=1)
    assert verdict.step is Step.GIVE
    last = verdict.failure
    assert last.kind is K.BROKEN_STREAM and last.body is None
    assert last.message == "it was broken_stream; the answer could not be continued: it was overloaded"
    assert flights.final(flight) == last


@pytest.mark.parametrize("kind", [K.DIFFERENT, K.CONTENT_FILTER, K.CONTEXT, K.TIMEOUT_TOTAL])
def test_what_no_further_attempt_can_help_ends_it(kind: FailureKind) -> None:
    """A difference most of all: who else could say the same?"""
    flight, _ = onward(streaming(), twins=3, others=3)
    _, verdict = onward(flights.sent(flight, "p/b"), kind, row="p/b", twins=2, others=2)
    assert (verdict.step, verdict.failure.kind) == (Step.GIVE, K.BROKEN_STREAM)


def test_a_daemon_that_ends_says_so() -> None:
    """It is not the broken stream that the client should hear of, but that asking again helps."""
    flight, _ = onward(streaming(), twins=3, others=3)
    _, verdict = onward(flights.sent(flight, "p/b"), K.DRAINING, row="p/b", twins=2)
    assert (verdict.step, verdict.failure) == (Step.GIVE, failed(K.DRAINING))


def test_an_answer_that_cannot_be_taken_up_fails_as_it_broke() -> None:
    """Whoever is left."""
    _, verdict = onward(streaming(resumable=False), twins=3, others=3)
    assert (verdict.step, verdict.failure) == (Step.GIVE, BROKEN)


@pytest.mark.parametrize(("now", "kind"), [(160.0, K.BROKEN_STREAM), (141.0, K.TIMEOUT_FIRST)])
def test_time_ends_it_too(now: float, kind: FailureKind) -> None:
    """The whole answer has its deadline, and so has the silence."""
    _, verdict = flights.after(streaming(), "p/b", failed(kind), now, twins=1, others=1)
    assert verdict.step is Step.GIVE


@pytest.mark.parametrize("kind", [*ELSEWHERE, *SAME_ONCE])
def test_a_twin_comes_first(kind: FailureKind) -> None:
    """Another deployment of the same model is better than waiting, and the first move is free."""
    _, verdict = after(kind, twins=1, others=1)
    assert (verdict.step, verdict.spend, verdict.wait_s) == (Step.MOVE, False, 0.0)


@pytest.mark.parametrize("kind", PRESSING)
def test_without_a_twin_the_same_row_is_tried_once_more(kind: FailureKind) -> None:
    """After a pause in which a worker may restart, and paid from the retry budget; then the next model."""
    f, verdict = after(kind, others=2)
    assert (verdict.step, verdict.spend, verdict.wait_s) == (Step.AGAIN, True, PAUSE)
    f = flights.sent(f, "p/a")
    f, verdict = after(kind, flight=f, others=2)
    assert (verdict.step, verdict.spend) == (Step.MOVE, False)
    _, verdict = after(kind, flight=flights.sent(f, "p/b"), row="p/b", others=1)
    assert verdict.step is Step.MOVE, "once a request, not once a row"


@pytest.mark.parametrize("kind", SAME_ONCE)
def test_a_short_wait_that_was_asked_for_is_kept(kind: FailureKind) -> None:
    """At most two seconds, and the deadline for the first content must leave room for it."""
    _, verdict = after(kind, wait=SHORT_WAIT, others=2)
    assert (verdict.step, verdict.wait_s) == (Step.AGAIN, SHORT_WAIT)
    for late in ({"wait": SHORT_WAIT + 0.1}, {"wait": 1.0, "now": 109.0}):
        assert after(kind, others=2, **late)[1].step is Step.MOVE  # type: ignore[arg-type]
        assert after(kind, **late)[1].step is Step.GIVE  # type: ignore[arg-type]


def test_a_429_that_names_no_wait_is_waited_for_only_where_nobody_else_can_help() -> None:
    """Its limit may be a minute away."""
    assert after(K.RATE, others=1)[1].step is Step.MOVE
    assert after(K.RATE)[1].step is Step.AGAIN


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_the_same_row_cannot_mend_goes_to_the_next_model(kind: FailureKind) -> None:
    """And nothing left is the end; a lost connection alone is tried once more where it was."""
    assert after(kind, others=1)[1] == Next(Step.MOVE, failed(kind))
    left, verdict = after(kind)
    if kind in flights.CUT_OFF:
        assert verdict == Next(Step.AGAIN, failed(kind), wait_s=PAUSE, spend=True)
        verdict = after(kind, flight=left)[1]
    assert (verdict.step, verdict.failure.kind) == (Step.GIVE, kind)


def test_further_moves_spend_the_retry_budget() -> None:
    """Only the first move to a different deployment is free."""
    f = flights.sent(flights.sent(FLIGHT, "p/a"), "p/b")
    assert after(K.SERVER, flight=f, row="p/b", twins=1, others=1)[1].spend
    assert after(K.RESET, flight=f, row="p/b", others=1)[1].spend
    assert after(K.CONTEXT, flight=f, row="p/b", others=1)[1].spend


def test_context_overflow_grows_once() -> None:
    """One deployment with a larger or unknown context; overflowing there, too, is the caller's to hear."""
    f, verdict = after(K.CONTEXT, twins=1, others=2)
    assert verdict == Next(Step.MOVE, failed(K.CONTEXT), larger_context=True)
    _, verdict = after(K.CONTEXT, flight=flights.sent(f, "p/b"), row="p/b", others=1)
    assert verdict == Next(Step.GIVE, failed(K.CONTEXT))
    assert after(K.CONTEXT, twins=1, others=0)[1].step is Step.GIVE


@pytest.mark.parametrize("kind", [k for k in sorted(FailureKind) if k not in NEVER])
def test_nothing_starts_after_the_deadline(kind: FailureKind) -> None:
    """Past the deadline for the whole, or for the first content where the attempt was silent until then."""
    _, verdict = after(kind, now=160.0, twins=2, others=5)
    assert verdict == Next(Step.GIVE, failed(kind))
    _, verdict = after(kind, now=110.0, twins=2, others=5)
    assert (verdict.step is Step.GIVE) == (kind in TIMEOUTS)


# --- the last word ---------------------------------------------------------------------------------------


def told(*kinds: FailureKind) -> Failure:
    """Return the last word after these failures at p/0, p/1, ..."""
    return flights.final(Flight(0.0, 1.0, 2.0, failures=tuple((f"p/{i}", failed(k)) for i, k in enumerate(kinds))))


def test_the_last_word_is_the_most_telling_failure() -> None:
    """What a caller can act on: its own faults, then waiting, then the last of the others."""
    assert told(K.SERVER, K.UNSUPPORTED, K.RATE) == failed(K.UNSUPPORTED)
    assert told(K.SERVER, K.RATE, K.RESET) == failed(K.RATE)
    assert told(K.RESET) == failed(K.RESET)
    last = told(K.RESET, K.SERVER)
    assert last.kind is K.SERVER
    assert last.message == "every attempt failed (p/0: reset; p/1: server_error). Last: it was server_error"
    assert last.body is None  # the provider's own words speak of one attempt only


def test_without_a_failure_there_is_no_last_word() -> None:
    """Asking is a bug of the caller."""
    with pytest.raises(ValueError, match="without failures"):
        flights.final(FLIGHT)


@given(st.lists(st.sampled_from(FailureKind), min_size=1, max_size=6))
def test_the_last_word_is_always_one_of_the_failures(kinds: list[FailureKind]) -> None:
    """Never made up; a client fault or a 429 is shown as it came, with the provider's own body.

    But where an answer that was not good enough came last, that is the word.
    """
    last = told(*kinds)
    assert last.kind in kinds
    faults = (
        []
        if kinds[-1] is K.INVALID_ANSWER
        else [k for k in kinds if k in CLIENT_FAULTS] or [k for k in kinds if k is K.RATE]
    )
    if faults:
        assert last == failed(faults[0])
    else:
        assert last.kind is kinds[-1]
        assert all(k in last.message for k in kinds)


def test_whether_it_is_a_limits_end_that_is_waited_for() -> None:
    """Only where every attempt met one may a client be told to come back at that time."""

    def limited(*failures: Failure) -> bool:
        return flights.all_limited(Flight(0.0, 10.0, 20.0, failures=tuple(("p/a", x) for x in failures)))

    assert limited(failed(K.RATE, 9.0), failed(K.RATE))
    assert not limited(failed(K.RATE, 9.0), failed(K.SERVER, 4.0))
    assert not limited()


# --- any history -----------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A deployment of the world in which requests fly."""

    id: str
    model: str
    context: int | None


worlds = st.lists(
    st.tuples(st.sampled_from("mno"), st.sampled_from((None, 100, 200, 300))), min_size=1, max_size=5
).map(lambda found: [Place(f"p/{i}", *f) for i, f in enumerate(found)])


class Ended(NamedTuple):
    """How a flight came to its end."""

    flight: Flight
    went: list[tuple[str, Step | None, FailureKind | None]]  # where, what followed, what happened
    verdict: Next | None  # None: served
    spent: int


def fly(world: list[Place], data: st.DataObject) -> Ended:
    """Drive one flight as :mod:`lbd.upstream.run` does, with an unlimited budget and any failures."""
    kinds = st.sampled_from([*FailureKind, *SAME_ONCE * 3, *ELSEWHERE, K.CONTEXT, K.CONTEXT])
    flight, now, spent = FLIGHT, NOW, 0
    place, went = world[0], []
    while True:
        assert len(went) <= 2 * len(world)
        flight = flights.sent(flight, place.id)
        now += data.draw(st.sampled_from((0.01, 0.5, 4.0)))
        if data.draw(st.integers(0, 9)) == 0:
            flight = flights.committed(flight)
        kind = data.draw(st.none() | kinds)
        if kind is None:
            went.append((place.id, None, None))
            return Ended(flight, went, None, spent)
        larger = None if kind is not K.CONTEXT else place.context or 0
        left = [
            p for p in world if p.id not in flight.tried and (larger is None or p.context is None or p.context > larger)
        ]
        twins = [p for p in world if p.id not in flight.tried and p.model == place.model]
        failure = failed(kind, data.draw(st.sampled_from((None, None, 0.5, 30.0))))
        before = flight
        flight, verdict = flights.after(flight, place.id, failure, now, twins=len(twins), others=len(left))
        went.append((place.id, verdict.step, kind))
        _law(before, flight, verdict, kind, now)
        spent += verdict.spend and verdict.step is not Step.GIVE
        if verdict.step is Step.GIVE:
            return Ended(flight, went, verdict, spent)
        if verdict.step is Step.AGAIN:
            now += verdict.wait_s
            continue
        place = data.draw(st.sampled_from(twins if twins and larger is None else left))


def _law(before: Flight, flight: Flight, verdict: Next, kind: FailureKind, now: float) -> None:
    assert len(flight.failures) == flight.attempts == len(before.failures) + 1
    if before.committed or kind in NEVER or now >= flight.total_by:
        assert verdict.step is Step.GIVE
    if verdict.step is Step.AGAIN:
        assert kind in SAME_ONCE or kind in flights.CUT_OFF
        assert kind not in TIMEOUTS
        assert 0 <= verdict.wait_s <= SHORT_WAIT
        assert now + verdict.wait_s < flight.first_by
        assert verdict.spend
    assert verdict.larger_context == (kind is K.CONTEXT and verdict.step is Step.MOVE)
    assert not (verdict.larger_context and before.grew)
    assert flight.grew == (before.grew or verdict.larger_context)
    assert flight.tried == before.tried


@given(worlds, st.data())
def test_any_history_ends_once_and_keeps_every_law(world: list[Place], data: st.DataObject) -> None:
    """Rows are tried once, or twice where the second follows the first; all but one further attempt is paid for."""
    end = fly(world, data)
    ids = [row for row, _, _ in end.went]
    steps = [step for _, step, _ in end.went]
    assert set(steps[:-1]) <= {Step.MOVE, Step.AGAIN}
    assert steps[-1] in (Step.GIVE, None)
    for i, row in enumerate(ids[:-1]):
        assert (ids[i + 1] == row) == (steps[i] is Step.AGAIN)
    assert len(ids) <= len(world) + len(end.flight.repeated)
    assert len(set(end.flight.repeated)) == len(end.flight.repeated)
    for row in set(ids):
        assert ids.count(row) <= 1 + (row in end.flight.repeated)
    for i, (row, _, kind) in enumerate(end.went):
        if kind in TIMEOUTS:
            assert row not in ids[i + 1 :]
    assert end.flight.attempts == len(ids)
    assert end.flight.tried == tuple(dict.fromkeys(ids))
    assert end.spent >= len(ids) - 2
    if end.verdict is not None:
        kinds = [k for _, _, k in end.went]
        assert end.verdict.failure.kind in kinds
        if kinds[-1] in NEVER or end.flight.committed:
            assert end.verdict.failure.kind is kinds[-1]


def test_a_context_that_was_too_small_is_told_apart() -> None:
    """Only a larger one helps then; one that is not known counts as nothing."""
    small = Failure(FailureKind.CONTEXT, "too long")
    assert (flights.too_small(small, 8192), flights.too_small(small, None)) == (8192, 0)
    assert flights.too_small(Failure(FailureKind.SERVER, "x"), 8192) is None


def test_an_answer_that_was_not_good_enough_has_the_last_word() -> None:
    """It shows that the request was in order, and that no wait would have helped."""
    for kind in (FailureKind.UNSUPPORTED, FailureKind.RATE, FailureKind.SERVER):
        failures = (("p/a", Failure(kind, "x")), ("p/b", Failure(FailureKind.INVALID_ANSWER, "regex: no")))
        last = flights.final(Flight(0.0, 1.0, 1.0, failures=failures))
        assert last.kind is FailureKind.INVALID_ANSWER and last.message.endswith("Last: regex: no")


# --- while this host reaches nobody ------------------------------------------------------------------------


def test_each_pause_is_twice_as_long_and_there_is_a_last_try() -> None:
    """Half a second before its time is over; after that it is told."""
    flight, now, began = FLIGHT, FLIGHT.arrived, []
    for _ in range(20):
        found = flights.anew(flights.sent(flight, "p/a"), now, 30.0)
        if found is None:
            break
        flight, now = found
        began.append(now - FLIGHT.arrived)
    assert began == [0.5, 1.5, 3.5, 7.5, 15.5, 29.5]
    assert flight.attempts == len(began) and flight.rounds == len(began)
    long = replace(FLIGHT, rounds=40, total_by=1e6)
    assert flights.anew(long, 0.0, 1e6) is not None
    found = flights.anew(long, 0.0, 1e6)
    assert found is not None and found[1] == flights.LONGEST_PAUSE


def test_all_may_be_tried_once_more_when_nobody_is_left() -> None:
    """Until then who failed stays out; of the failures the last is kept. What a client has begun to read is not begun
    anew.
    """
    flight = flights.sent(flights.sent(FLIGHT, "p/a"), "p/b")
    flight = flights.failed(flights.failed(flight, "p/a", failed(K.DNS)), "p/b", failed(K.CONNECT))
    for over, tried in ((True, ()), (False, ("p/a", "p/b"))):
        found = flights.anew(flight, FLIGHT.arrived, 10.0, over=over)
        assert found is not None
        again = found[0]
        assert (again.tried, again.rounds, again.attempts) == (tried, 1, 2)
        assert [row for row, _ in again.failures] == ["p/b"]
        assert flights.sent(again, "p/a").attempts == 3, "those before are not forgotten"
    assert flights.anew(flights.committed(flight), FLIGHT.arrived, 10.0) is None
