"""How requests fared of late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.experiment import Arm
from lbd.observe.pulse import BATCH, OBJECTIVE, Promises, Pulse, Way, Ways, budget_left
from tests.fakes.env import FakeEnv
from tests.fakes.records import attempt, record


def made() -> tuple[FakeEnv, Pulse]:
    env = FakeEnv()
    return env, Pulse(env.now, {"p/a": 1.5}.get)


def test_requests_are_counted_by_their_way() -> None:
    """What served, whether it was the first that was asked, whose treatment; and what it cost."""
    env, pulse = made()
    env.advance(300)
    for _ in range(3):
        pulse.later(record())
    pulse.later(record(moved=1, arms=(Arm(experiment="x", key="k", treated=True, unit=1),)))
    pulse.later(record(served_by=None, outcome="budget_exceeded", cost=0))
    assert list(pulse.ways()) == [
        (Way("support", "interactive", "p/a", False, False), 3, 420_000),
        (Way("support", "interactive", None, False, False, "budget_exceeded"), 1, 0),
        (Way("support", "interactive", "p/a", True, True), 1, 140_000),
    ]
    assert pulse.rate() == pytest.approx(5 / 60)


def test_ways_are_forgotten_after_five_minutes() -> None:
    """And promises after an hour."""
    env, pulse = made()
    pulse.later(record())
    pulse.fold()
    env.advance(320)
    assert list(pulse.ways()) == [] and pulse.promises() == {"interactive": (1, 1)}
    env.advance(3700)
    assert pulse.promises() == {}


def test_a_pace_is_not_told_from_less_than_there_was() -> None:
    """A daemon that has just begun divides by its own age."""
    env, pulse = made()
    assert pulse.span(300.0) == 10.0
    env.advance(60)
    assert pulse.span(300.0) == 60.0
    env.advance(600)
    assert pulse.span(300.0) == 300.0


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({}, (1, 1)),
        ({"ttft_s": 1.6}, (0, 1)),  # later than its tier's target
        ({"ttft_s": 1.6, "stream": False}, (1, 1)),
        ({"ttft_s": 9.0, "served_by": "gone/x"}, (1, 1)),  # its tier is not known any more
        ({"slo_missed": True}, (0, 1)),
        ({"outcome": "reset"}, (0, 1)),
        ({"outcome": "client_gone"}, None),
        ({"outcome": "budget_exceeded"}, None),
        ({"ttft_s": None}, (1, 1)),
    ],
)
def test_a_promise_is_kept_in_time_and_broken_by_failure(more: dict[str, object], kept: tuple[int, int] | None) -> None:
    """What is the client's own doing counts in neither."""
    _, pulse = made()
    pulse.later(record(**more))
    assert pulse.promises() == ({} if kept is None else {"interactive": kept})


def test_a_request_s_own_target_stands_before_its_tier_s() -> None:
    """It asked for it."""
    from msgspec.structs import replace

    _, pulse = made()
    one = attempt()
    own = replace(one, decision=replace(one.decision, ask=replace(one.decision.ask, slo_s=5.0)))
    pulse.later(record(ttft_s=4.0, attempts=(own,)))
    assert pulse.promises() == {"interactive": (1, 1)}


def test_background_work_is_judged_by_its_end_alone() -> None:
    """Nobody waits for its first word."""
    _, pulse = made()
    pulse.later(record(urgency="background", ttft_s=60.0))
    assert pulse.promises() == {"background": (1, 1)}


def test_own_time_is_kept_as_percentiles() -> None:
    """In seconds."""
    _, pulse = made()
    for n in range(1, 101):
        pulse.later(record(overhead_us=10.0 * n))
    assert pulse.overhead().quantile(0.5) == pytest.approx(500e-6, rel=0.05)
    assert pulse.overhead().n == 100


def test_records_are_folded_in_batches() -> None:
    """No more than a batch is held."""
    _, pulse = made()
    for _ in range(BATCH + 1):
        pulse.later(record())
    assert len(pulse._pending) == 1


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_the_budget_is_what_may_be_missed(kept: int, missed: int) -> None:
    """All of it while nothing is missed, none at the objective, below none beyond."""
    n = kept + missed
    left = budget_left(kept, n)
    if not n:
        assert left is None
        return
    assert left is not None and left <= 1
    assert (left < -1e-9) == (kept / n < OBJECTIVE - 1e-12)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5)), max_size=8))
def test_merging_slots_is_adding_counts(told: list[tuple[str, int]]) -> None:
    """In any order, and a copy is its own."""
    way = {name: Way(name, "interactive", None, False, False) for name in "ab"}
    one, many, promises = Ways(), Ways(), Promises()
    for name, n in told:
        part = Ways()
        part.add(way[name], 10 * n, n)
        many.merge(part)
        one.add(way[name], 10 * n, n)
        promises.merge(Promises({name: (n, n)}))
    assert one.of == many.of
    copied = many.copy()
    copied.add(way["a"], 1)
    assert one.of == many.of
    assert {name: n for name, (_, n) in promises.copy().of.items()} == {
        way_.surface: n for way_, (n, _) in one.of.items()
    }
