"""Newcomers wait while there is nothing to serve them with, and not a moment longer."""

from __future__ import annotations

import os
import resource

import pytest

from lbd.ingress import gate as module
from lbd.ingress.gate import MOST_HELD, Gate, Spare
from tests.fakes.descriptors import exhausted


class Held:
    """Descriptors held back, as far as a gate sees."""

    def __init__(self) -> None:
        self.there = True
        self.taken = 0

    def take(self) -> bool:
        self.taken += 1
        return self.there


def gate(places: int = 100) -> tuple[Gate, Held, list[bool]]:
    held = Held()
    made = Gate(places, held)  # type: ignore[arg-type]
    told: list[bool] = []
    made.turned = lambda: told.append(made.open)
    return made, held, told


def test_it_is_open_and_tells_each_change_once() -> None:
    """Closing what is shut changes nothing, nor does looking while it is open."""
    made, held, told = gate()
    assert made.open
    made.look(0)
    assert not told and not held.taken
    made.close()
    made.close()
    assert told == [False]
    made.look(99)
    made.look(0)
    assert told == [False, True] and made.open


def test_newcomers_come_in_when_a_few_places_are_free_not_at_each_one() -> None:
    """Closing and opening listeners for each request would cost more than the request."""
    made, _, _ = gate(1000)
    made.close()
    made.look(1000)
    made.look(991)
    assert not made.open
    made.look(990)
    assert made.open
    few, _, _ = gate(4)
    few.close()
    few.look(4)
    assert not few.open
    few.look(3)
    assert few.open


def test_it_stays_shut_while_there_are_no_descriptors_to_hold_back() -> None:
    """They are asked for last: while the places are taken, none is opened in vain."""
    made, held, told = gate()
    held.there = False
    made.close()
    made.look(100)
    assert held.taken == 0
    made.look(50)
    assert held.taken == 1 and not made.open
    held.there = True
    made.look(50)
    assert told == [False, True]


def test_descriptors_are_held_back_and_given_when_there_are_none() -> None:
    """All of them, and as many again must be free; what cannot be had whole is left to those who need it."""
    spare = Spare()
    assert spare.most == min(MOST_HELD, int(resource.getrlimit(resource.RLIMIT_NOFILE)[0] / 16))
    spare.most = 4
    assert spare.take() and spare.take() and len(spare._held) == 4
    with exhausted() as rest:
        assert not Spare.left()
        spare.give()
        assert Spare.left() and not spare._held
        for _ in range(3):
            os.close(rest.pop())
            assert not spare.take(), "eight have to be free"
            assert not spare._held
        os.close(rest.pop())
        assert spare.take() and len(spare._held) == 4 and Spare.left()
        spare.give()
    assert Spare.left()


@pytest.mark.parametrize(("soft", "most"), [(256, 16), (1024, 64), (1 << 20, MOST_HELD), (-1, MOST_HELD)])
def test_no_more_than_a_sixteenth_is_held_back(monkeypatch: pytest.MonkeyPatch, soft: int, most: int) -> None:
    """Of few descriptors few."""
    monkeypatch.setattr(resource, "getrlimit", lambda _of: (soft, soft))
    assert Spare().most == most


def test_a_process_without_standard_error_is_not_taken_for_one_without_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only one errno says so."""

    def closed(_fd: int) -> int:
        raise OSError(9, "bad file descriptor")

    monkeypatch.setattr(module.os, "dup", closed)
    assert Spare.left()
