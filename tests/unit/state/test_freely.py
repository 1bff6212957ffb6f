"""Whether 429s are explained by how often an account is asked."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lbd.state import freely
from lbd.state.freely import ENOUGH, FREELY, GROWS, LEAST, NAMED, ODD, SOME, USUAL, Free

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
    """Two in three may be refused, but not all; and few of either show nothing."""
    free = Free(until=NOW + FREELY)
    for n in range(1, 300):
        free = freely.through(free, NOW, 1, paced=False) if n % 3 == 0 else freely.lost(free, NOW)
        assert freely.refused(free, NOW, 0.0) is free
    assert freely.refused(replace(free, lost=free.lost + 400), NOW, 0.0).until == 0.0
    few = Free(until=NOW + FREELY, lost=SOME - 1)
    assert freely.refused(few, NOW, 0.0) is few


@pytest.mark.parametrize(("gained", "stays"), [(30.0, False), (60.0, True)])
def test_where_asking_for_more_brings_no_more_it_was_a_limit(gained: float, stays: bool) -> None:
    """At ten a second before, in three seconds: thirty more are what a limit lets through, sixty are not."""
    free = Free(ODD / 2, NOW + FREELY, lost=2 * gained, gained=gained, rate=10.0)
    after = freely.refused(free, NOW + 3.0, 1.0)
    assert after is free if stays else after == Free()
    soon = ENOUGH / 10.0 - 0.1
    assert freely.refused(free, NOW + soon, 1.0) is free, "too soon to tell"
    for other, why in ((replace(free, rate=0.0), "what it was before"), (replace(free, lost=gained), "much refused")):
        assert freely.refused(other, NOW + 3.0, 1.0) is other, f"there is not {why}"


def test_what_is_asked_freely_follows_what_is_let_through() -> None:
    """Twice what it was before, or what it brings; at least what many ask for."""
    free = freely.refused(Free(ODD), NOW, 1.0, 40.0)
    assert free.until == NOW + FREELY and freely.pace(free, NOW) == 80.0
    assert freely.pace(freely.refused(Free(ODD), NOW, 1.0), NOW) == LEAST
    free = freely.through(free, NOW + 2.0, 100, paced=False)
    assert freely.pace(free, NOW + 2.0) == 80.0 * GROWS**2
    assert freely.pace(replace(free, lost=101.0), NOW + 2.0) == 100.0, "most are refused: no more than it brings"


def test_what_is_lost_counts_only_while_it_is_asked_freely() -> None:
    """Before and after that, refusals are what a pace is found by."""
    free = Free()
    assert freely.lost(free, NOW) is free
    assert freely.through(free, NOW, 3, paced=False) == free
