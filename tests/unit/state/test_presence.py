"""Seconds in which a row was known, and in which of them it was out."""

from __future__ import annotations

import pytest

from lbd.state.presence import Presence


def test_of_no_time_there_is_no_share() -> None:
    """Nothing was known."""
    assert Presence().share() is None


def test_slots_add_up_and_a_copy_stays_as_it_was() -> None:
    """A minute of which a quarter was out, and another that was whole."""
    sum_ = Presence(60.0, 15.0)
    before = sum_.copy()
    sum_.merge(Presence(60.0))
    assert (sum_.known_s, sum_.out_s, sum_.share()) == (120.0, 15.0, pytest.approx(0.875))
    assert (before.known_s, before.share()) == (60.0, 0.75)
