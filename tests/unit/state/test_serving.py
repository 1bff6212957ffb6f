"""How many requests a server works on at once, from whole answers alone."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbd.state import serving
from lbd.state.serving import STEP, hypotheses, likelihood
from lbd.state.stays import Served
from tests.fakes.slots import LOADS, Load, Slots

MEMORY = 10.0
ENOUGH = 14


def told(slots: int, sent: int, load: Load, seed: int, skipped: int = 0) -> dict[int, float]:
    """Return what so many answers say, of a server that always has ``sent`` requests."""
    server = Slots(lambda _at: slots, sent, load, seed, whole=True, fixed=True)
    while len(server.stays.answered) < min(48, skipped + ENOUGH):
        server.run(1.0)
    return likelihood(list(server.stays.answered)[skipped : skipped + ENOUGH], MEMORY)


def best(likely: dict[int, float]) -> int:
    return max(likely, key=lambda number: (likely[number], number))


EASY = [name for name in LOADS if name not in ("half cached, untold", "short, noisy", "heavy-tailed")]


@pytest.mark.parametrize("load", EASY)
@pytest.mark.parametrize(("slots", "sent"), [(1, 2), (1, 3), (2, 3), (2, 8), (4, 8)])
def test_a_dozen_answers_tell_the_slots(load: str, slots: int, sent: int) -> None:
    """Of whatever length, with prompts of whatever size, also where each other one slows a request down."""
    skipped = 0 if load == "all alike" else 16  # where all are alike and nothing changes a queue looks like slowness
    found = [best(told(slots, sent, LOADS[load], seed, skipped)) for seed in range(3)]
    assert found.count(slots) >= 2, found


@pytest.mark.parametrize("load", EASY)
@pytest.mark.parametrize("sent", [4, 12])
def test_a_server_that_works_on_all_of_them_is_not_held_to_work_on_fewer(load: str, sent: int) -> None:
    """It batches: nobody waits. The most that were there is all that it says."""
    for seed in range(3):
        likely = told(10**6, sent, LOADS[load], seed, 16)
        assert max(likely) == sent
        assert likely[sent] > likely[best(likely)] - 3.0, likely


def test_what_slows_all_down_is_no_queue() -> None:
    """From one answer to the next all take twice the time: not of our making, and no number of slots explains it."""
    now, answers = 0.0, list[Served]()
    for i in range(40):
        tokens = 40 + 37 * i % 80
        took = tokens * (0.02 if i < 20 else 0.04)
        now += 0.4
        ended = now + took
        answers.append(Served(now, ended, 3, (now + 0.3, now + 0.7) if took > 0.7 else (now + 0.3,), 4, 20, tokens))
    likely = likelihood(answers, 30.0)
    assert best(likely) == 4, likely


def test_answers_that_overtake_refute_a_number_of_slots_that_leaves_them_no_time() -> None:
    """Three are there before each, and it is done before any of them."""
    answers = [Served(float(i), i + 1.0 + 0.01 * (i % 3), 3, (), 4, 20, 50) for i in range(6)]
    likely = likelihood(answers, MEMORY)
    assert best(likely) == 4
    assert likely[1] == likely[3] == -math.inf


def test_numbers_of_slots_are_told_apart_the_less_the_larger_they_are() -> None:
    """Each up to a few, then parts; the most that were there always."""
    assert hypotheses(1) == [1]
    assert hypotheses(7) == [1, 2, 3, 4, 5, 6, 7]
    assert hypotheses(100)[-3:] == [78, 97, 100]
    assert all(b - a <= max(1, a // STEP) for a, b in zip(hypotheses(512), hypotheses(512)[1:], strict=False))


answers = st.lists(
    st.tuples(
        st.floats(0.0, 50.0),
        st.floats(0.0, 100.0),
        st.integers(0, 12),
        st.lists(st.floats(0.0, 1.0), max_size=12),
        st.integers(0, 100_000),
        st.integers(0, 10_000),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=40)
@given(answers)
@example([(0.0, sys.float_info.min, 0, [], 0, 0)])
@example([(0.0, 1e-11, 0, [], 0, 0), (0.0, 100.0, 1, [], 0, 0)])
def test_any_answers_have_a_likelihood(made: list[tuple[float, float, int, list[float], int, int]]) -> None:
    """Finite, or none at all; of each number that is told apart."""
    served = [
        Served(came, came + took, before, tuple(came + took * part for part in sorted(left))[:before], 1, read, written)
        for came, took, before, left, read, written in made
    ]
    likely = likelihood(served, MEMORY)
    assert sorted(likely) == hypotheses(max(answer.before for answer in served) + 1)
    assert all(math.isfinite(value) or value == -math.inf for value in likely.values())


def test_the_fit_is_the_least_squares() -> None:
    """Two unknowns, no prior."""
    found = serving._solved([[4.0, 2.0], [2.0, 3.0]], [10.0, 8.0])
    assert found == pytest.approx([1.75, 1.5])
