"""Numbers right to the digit that matters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.page import numbers as n


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "·"),
        (0, "0"),
        (0.0314, "31"),
        (0.9994, "999"),
        (1.0, "1.00"),
        (9.999, "10.0"),
        (99.96, "100"),
        (314, "314"),
    ],
)
def test_a_latency_is_milliseconds_below_a_second(value: float | None, told: str) -> None:
    """Three digits at most."""
    assert n.seconds(value) == told


def test_a_latency_has_its_unit() -> None:
    """Unless there is none."""
    assert n.latency(0.25) == "250\u202fms"
    assert n.latency(2.5) == "2.50\u202fs"
    assert n.latency(None) == "·"
    assert n.micros(310.4) == "310\u202fµs" and n.micros(35_100) == "35.1\u202fms" and n.micros(None) == "·"


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        (None, "·"),
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50.0 %"),
        (0.99999, "99.9 %"),
        (0.00001, "<0.1 %"),
        (1.5, "150.0 %"),
    ],
)
def test_what_is_not_all_is_never_shown_as_all(ratio: float | None, told: str) -> None:
    """Nor what is not nothing as nothing."""
    assert n.percent(ratio).replace("\u202f", " ") == told


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(0, 3))
def test_a_part_looks_like_a_part(ratio: float, digits: int) -> None:
    """At any precision."""
    shown = n.percent(ratio, digits).removesuffix("\u202f%")
    assert shown.startswith("<") or 0 < float(shown) < 100


@given(st.floats(1e-9, 1e6))
def test_money_keeps_the_digits_that_count(value: float) -> None:
    """Within a twentieth of the sum, however small."""
    shown = float(n.usd(value).replace("$", "").replace(",", ""))
    assert shown == pytest.approx(value, rel=0.06)
    assert n.usd(-value) == f"-{n.usd(value)}"


def test_money_at_its_ends() -> None:
    """Nothing, too little to write, much."""
    assert n.usd(0) == "$0" and n.usd(None) == "·"
    assert n.usd(1e-12) == "<$0.000000001"
    assert n.usd(1234.5) == "$1,234.50" and n.usd(123456) == "$123,456"


def test_rates_and_counts() -> None:
    """Fewer digits where there is more."""
    assert [n.rate(v) for v in (None, 0, 0.12, 12.34, 123.4)] == ["·", "0", "0.12", "12.3", "123"]
    assert n.count(1234567) == "1\u202f234\u202f567" and n.count(None) == "·"


@pytest.mark.parametrize(
    ("value", "told"), [(0.2, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_a_span_is_told_in_its_largest_unit(value: float, told: str) -> None:
    """Rounded."""
    assert n.span(value).replace("\u202f", " ") == told


def test_ages_carry_their_time_for_the_script() -> None:
    """Words for who has none; what is past and due is due now."""
    past, soon, late = n.ago(1000.0, 1007.0), n.due(1009.0, 1007.0), n.due(1000.0, 1007.0)
    assert "data-t " in past and ">7\u202fs<" in past and past.count("1970-01-01T00:16:40Z") == 2
    assert n.ago(999.6, 1007.0, told=False).count("1970-01-01T00:16:40Z") == 1  # to the nearest second
    assert "data-due" in soon and ">in 2\u202fs<" in soon
    assert ">now<" in late
    assert n.ago(1010.0, 1007.0).count("0\u202fs") == 1
    assert re.search(r">00:16:40<", n.clock(1000.0))


def test_a_time_is_seconds_since_the_epoch() -> None:
    """And back."""
    assert n.epoch("1970-01-01T00:16:40Z") == 1000.0
    assert n.finite([None, 1, 2.5]) == [1.0, 2.5]
