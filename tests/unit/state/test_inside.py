"""What a server tells of who runs and waits inside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Load
from lbd.state import inside
from lbd.state.limit import FIRST_REST, HEADROOM, LOWEST, Limit, sample, slots

NOW = 1000.0
counts = st.integers(0, 200)


def test_those_of_others_are_counted_until_it_is_told_again() -> None:
    """Also where lbd has sent more since, or fewer."""
    load = inside.taken(Load(8, 3), 5)
    assert load == Load(8, 3, others=6)
    assert [inside.busy(load, n) for n in (5, 0, 9)] == [11, 6, 15]
    assert inside.busy(Load(8, 3), 5) == 11, "before it was taken in"
    assert inside.busy(None, 5) == 5
    assert inside.taken(Load(2, 0), 5).others == 0, "lbd has sent some that it does not know of yet"


@pytest.mark.parametrize(("running", "waiting", "inflight", "expected"), [(4, 4, 8, 4), (4, 60, 64, 4), (8, 8, 12, 6)])
def test_a_queue_of_its_own_cuts_the_limit_to_what_runs(
    running: int, waiting: int, inflight: int, expected: int
) -> None:
    """At once, from however far it was; of others' those that run are shared."""
    cut = inside.limited(Limit(64.0), Load(running, waiting), inflight, NOW)
    assert slots(cut) == expected and cut.found and cut.too_high == 64.0


@pytest.mark.parametrize(
    ("load", "inflight"),
    [
        (Load(8, 0), 8),
        (Load(8, 1), 9),  # it may be gone at the next step
        (Load(100, 8), 108),  # hardly more than run
        (Load(0, 20), 20),  # it begins, or stands still
        (Load(8, 8), 7),  # it is others' queue
        (Load(8, 8), 0),
    ],
    ids=str,
)
def test_what_is_no_queue_of_its_own_says_nothing_of_the_limit(load: Load, inflight: int) -> None:
    """It is load all the same."""
    limit = Limit(64.0)
    assert inside.limited(limit, load, inflight, NOW) is limit


def test_a_limit_that_is_lower_already_stays() -> None:
    """What waits there was sent before it was cut."""
    limit = Limit(4 + HEADROOM, found=True)
    assert inside.limited(limit, Load(4, 20), 24, NOW) is limit


def test_after_a_cut_it_is_tried_again_as_after_any_other() -> None:
    """A pause, and then by answers: the gauges cut it no further where nobody waits."""
    limit = Limit(8.0, found=True)
    cut = inside.limited(limit, Load(4, 4), 8, NOW)
    assert slots(cut) == 4 and cut.rests_until == NOW + FIRST_REST
    for n in range(200):
        cut = sample(cut, 0.2, 1.0, 100, slots(cut) if n % 4 else 1, NOW + FIRST_REST + 0.25 * n)
    assert slots(cut) > 4


@given(st.floats(LOWEST, 512), counts, counts, counts)
def test_it_is_never_raised_and_never_below_the_lowest(value: float, running: int, waiting: int, own: int) -> None:
    """Whatever a server tells."""
    found = inside.limited(Limit(value), Load(running, waiting), own, NOW)
    assert LOWEST <= found.value <= value
