"""The ledger's words: an entry, its hour, and what entries are added up to."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.ledger import GROUPS, HOUR, SUMS, Entry, Kind, Total
from tests.fakes.entries import entry


@given(st.floats(0, 4e9))
def test_an_entry_belongs_to_the_hour_in_which_it_ended(time: float) -> None:
    """Whole hours since the epoch; their sums are kept for ever."""
    hour = entry(time=time).hour
    assert hour % HOUR == 0 and hour <= time < hour + HOUR


def test_what_is_grouped_by_are_fields_of_an_entry() -> None:
    """Each of them text, and beside them the hour."""
    types = {f.name: f.type for f in msgspec.structs.fields(Entry)}
    assert all(types[name] in (str, Kind) for name in GROUPS)
    assert len(set(GROUPS)) == len(GROUPS)


def test_a_total_of_nothing_is_nothing() -> None:
    """Every sum of it; the group it is of is none."""
    assert "of" not in SUMS and Total().of == ()
    assert [getattr(Total(), name) for name in SUMS] == [0] * len(SUMS)


@pytest.mark.parametrize("name", ["cost", "failed_cost", "compared_cost", "premium", "cheapest", "saved"])
def test_money_is_whole_nano_usd(name: str) -> None:
    """So that sums are the same however they are grouped."""
    assert {f.name: f.type for f in msgspec.structs.fields(Total)}[name] is int


def test_kinds_are_words() -> None:
    """They stand in the ledger, and in its pages."""
    assert [str(kind) for kind in Kind] == ["client", "probe", "evaluation"]
