from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.outcome import Outcome
from lbd.state.need import NOTHING
from lbd.table.accounts import Sent
from lbd.table.lease import Lease
from lbd.table.owner import Owner
from tests.fakes.tables import bad, good, owned

SENT = Sent("p", NOTHING, 10.0, None, NOTHING, NOTHING)


class Recorder:
    """Stands where the owner stands, and counts."""

    def __init__(self) -> None:
        self.settled: list[Outcome | None] = []

    def settle(self, _lease: Lease, outcome: Outcome | None) -> None:
        self.settled.append(outcome)


def taken() -> tuple[Recorder, Lease]:
    _, owner = owned("p/a")
    recorder = Recorder()
    return recorder, Lease(cast("Owner", recorder), owner.rows[0], False, 1, SENT)


def test_a_lease_ends_with_what_became_of_the_attempt() -> None:
    """ok and bad are told to the owner as they are."""
    for outcome in (good(), bad()):
        recorder, lease = taken()
        with lease:
            lease.settle(outcome)
        assert recorder.settled == [outcome]


def test_a_lease_may_end_saying_nothing() -> None:
    """The client left: the third outcome."""
    recorder, lease = taken()
    lease.ignore()
    assert recorder.settled == [None]


def test_what_was_forgotten_is_ignored_at_the_end_of_the_block() -> None:
    """Leaving the block gives the slot back."""
    recorder, lease = taken()
    with lease:
        pass
    assert recorder.settled == [None]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, asyncio.CancelledError])
def test_an_exception_gives_the_slot_back_and_goes_on(error: type[BaseException]) -> None:
    """No exception, not even a cancellation, leaks a slot or is swallowed."""
    recorder, lease = taken()
    with pytest.raises(error), lease:
        raise error
    assert recorder.settled == [None]


@given(st.lists(st.sampled_from(("ok", "bad", "ignore", "exit")), min_size=1, max_size=6))
def test_only_the_first_end_counts(ends: list[str]) -> None:
    """A lease ends exactly once, however often and in whatever way it is ended."""
    recorder, lease = taken()
    outcomes = {"ok": good(), "bad": bad()}
    for end in ends:
        if end == "ignore":
            lease.ignore()
        elif end == "exit":
            lease.__exit__(None, None, None)
        else:
            lease.settle(outcomes[end])
    assert recorder.settled == [outcomes.get(ends[0])]


def test_a_lease_is_its_own_context() -> None:
    """``with table.lease(row) as lease``."""
    _, lease = taken()
    with lease as inside:
        assert inside is lease


@pytest.mark.parametrize(("calm", "noted"), [(False, True), (True, False)])
def test_its_time_at_the_server_is_noted_where_a_limit_learns_from_it(calm: bool, noted: bool) -> None:
    """And nowhere else: a hosted deployment has no limit of lbd's own."""
    _, owner = owned("p/a")
    row = owner.rows[0]
    row.provider, row.calm = replace(row.provider, self_hosted=True), calm
    with Lease(cast("Owner", Recorder()), row, False, 1, SENT) as lease:
        assert (lease.stay is not None) == noted
    assert taken()[1].stay is None


def test_it_knows_at_its_end_how_many_there_were_when_it_came() -> None:
    """Two are sent at once: the one that is done first met nobody, though it was sent last."""
    _, owner = owned("p/a")
    recorder = Recorder()
    first, second = (Lease(cast("Owner", recorder), owner.rows[0], False, n, SENT) for n in (1, 2))
    second.settle(good())
    first.settle(good())
    assert (second.inflight, first.inflight) == (1, 2)
