"""Whether 429s are explained by how often an account is asked."""

from __future__ import annotations

import pytest

from lbd.state import freely
from lbd.state.freely import FREELY, LOST, NAMED, ODD, USUAL, Free

NOW = 100.0


def test_429s_that_no_rate_explains_let_it_be_asked_freely_for_a_while() -> None:
    """Some; and half as many, once that was found before."""
    free = Free()
    for _ in range(int(ODD) - 1):
        free = freely.refused(free, NOW, 1.0)
        assert free.until == 0.0
    free = freely.refused(free, NOW, 1.0)
    assert free.until == NOW + FREELY and free.odd == ODD / 2
    later = NOW + FREELY
    assert freely.refused(freely.refused(free, later, 1.0), later, 1.0).until == later + FREELY


def test_who_names_a_wait_is_held_to_know_a_limit() -> None:
    """It takes more of its 429s."""
    free = Free()
    for _ in range(int(ODD / NAMED) - 1):
        free = freely.refused(free, NOW, NAMED)
    assert free.until == 0.0 and freely.refused(free, NOW, NAMED).until > NOW


@pytest.mark.parametrize(("share", "found"), [(1 / 40, False), (1 / 5, True)])
def test_few_among_many_that_come_at_the_rate_are_to_be_expected(share: float, found: bool) -> None:
    """One in forty is how a rate shows that it is a little too much; one in five is none."""
    free, freed = Free(), False
    for _ in range(40):
        free = freely.through(free, NOW, round(1 / share) - 1, paced=True)
        free = freely.refused(free, NOW, 1.0)
        freed |= free.until > NOW
    assert freed is found
    assert freely.through(Free(1.0), NOW, 4, paced=False).odd == 1.0, "what comes at no rate shows nothing"
    assert freely.through(Free(1.0), NOW, 4, paced=True).odd == 1.0 - 4 * USUAL


def test_where_hardly_anything_is_let_through_it_is_a_limit_after_all() -> None:
    """Two in three may be refused, but not all."""
    free = Free(until=NOW + FREELY)
    for n in range(300):
        free = freely.through(free, NOW, 1, paced=False) if n % 3 == 0 else freely.lost(free, NOW)
    assert 0.6 < free.lost < LOST and freely.refused(free, NOW, 0.0) is free
    for _ in range(50):
        free = freely.lost(free, NOW)
    assert freely.refused(free, NOW, 0.0).until == 0.0


def test_what_is_lost_counts_only_while_it_is_asked_freely() -> None:
    """Before and after that, refusals are what a pace is found by."""
    free = Free()
    assert freely.lost(free, NOW) is free
    assert freely.through(free, NOW, 3, paced=False) == free
