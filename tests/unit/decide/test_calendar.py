"""Peak hours: what the wall clock of a zone shows, also on days when it jumps."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.decide import calendar

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


WORK = calendar.hours(BERLIN, ["mon-fri 08:00-18:00", "sat 10:00-14:00"])
NIGHT = calendar.hours(BERLIN, ["daily 22:00-06:00"])


@pytest.mark.parametrize(
    ("when", "peak"),
    [
        ("2026-11-26T07:59:59", False),  # a Thursday
        ("2026-11-26T08:00:00", True),
        ("2026-11-26T17:59:59", True),
        ("2026-11-26T18:00:00", False),
        ("2026-11-28T09:00:00", False),
        ("2026-11-28T10:00:00", True),
        ("2026-11-29T12:00:00", False),
    ],
)
def test_spans_of_the_week(when: str, peak: bool) -> None:
    """The first minute belongs to a span, the last does not."""
    assert calendar.holds(WORK, at(when)) is peak


def test_a_night_ends_on_the_next_day() -> None:
    """Also over the end of a week and of a year."""
    assert calendar.holds(NIGHT, at("2026-12-31T23:00")) and calendar.holds(NIGHT, at("2027-01-01T05:59"))
    assert not calendar.holds(NIGHT, at("2027-01-01T06:00"))
    assert calendar.holds(calendar.hours(BERLIN, ["sun 22:00-06:00"]), at("2026-11-30T05:00"))


def test_daylight_saving_moves_the_hours() -> None:
    """Eight in the morning is eight in the morning: another hour of UTC in summer than in winter."""
    assert calendar.holds(WORK, at("2026-07-01T08:00")) and calendar.holds(WORK, at("2026-12-01T08:00"))
    summer, winter = at("2026-07-01T08:00") % 86400, at("2026-12-01T08:00") % 86400
    assert winter - summer == 3600


def test_the_hour_that_is_left_out_and_the_one_that_comes_twice() -> None:
    """On 2026-03-29 the clock goes from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00."""
    early = calendar.hours(BERLIN, ["sun 02:30-04:00"])
    begin = at("2026-03-29T03:00")
    assert not calendar.holds(early, at("2026-03-29T01:59")) and calendar.holds(early, begin + 1800)
    late = calendar.hours(BERLIN, ["sun 02:30-02:45"])
    first = at("2026-10-25T02:30")  # the first of the two
    assert calendar.holds(late, first) and calendar.holds(late, first + 3600 + 899)
    assert not calendar.holds(late, first + 3600 + 900) and not calendar.holds(late, first - 1)


@pytest.mark.parametrize(
    "text", ["", "mon", "mon 8:00-9:00", "mon 08:00", "moo 08:00-09:00", "mon 08:00-08:00", "mon 25:00-26:00",
             "mon 08:60-09:00", "mon-fri 24:00-01:00", "daily 24:01-01:00"],
)  # fmt: skip
def test_what_is_no_span_is_refused_with_what_would_be(text: str) -> None:
    """An operator reads it."""
    with pytest.raises(ValueError, match=r"is no (span|day|time)"):
        calendar.read(text)


def test_a_zone_that_nobody_knows_is_refused() -> None:
    """By its name."""
    with pytest.raises(ValueError, match=r"'Europe/Nowhere' is no time zone"):
        calendar.hours("Europe/Nowhere", [])
    with pytest.raises(ValueError, match="is no time zone"):
        calendar.zone("../etc/passwd")


@given(st.floats(1.7e9, 1.9e9))
def test_a_span_holds_as_the_wall_clock_shows(wall: float) -> None:
    """Whatever the day, and whether the clock jumps on it: an hour after midnight is night, noon is none."""
    shown = datetime.fromtimestamp(wall, ZoneInfo(BERLIN))
    assert calendar.holds(NIGHT, wall) is (shown.hour >= 22 or shown.hour < 6)
    weekday, hour = shown.weekday(), shown.hour
    assert calendar.holds(WORK, wall) is ((weekday < 5 and 8 <= hour < 18) or (weekday == 5 and 10 <= hour < 14))
