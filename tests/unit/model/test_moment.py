"""Times as people tell them."""

from __future__ import annotations

import pytest

from lbd.model.moment import instant

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOW - 5400),
        ("24h", NOW - 86400),
        ("7d", NOW - 7 * 86400),
        ("4w", NOW - 28 * 86400),
        ("1789000000", 1_789_000_000.0),
        ("2026-09-21", 1_789_948_800.0),
        ("2026-09-21T02:00:00+02:00", 1_789_948_800.0),
        ("2026-09-21T00:00:00Z", 1_789_948_800.0),
    ],
)
def test_times_are_told_as_people_write_them(text: str, expected: float) -> None:
    """Back from now, or by the calendar; a day begins in UTC."""
    assert instant(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "h", "x", "1y", "-1h", "nan", "inf", "9999999h", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """And not taken for another one."""
    with pytest.raises((ValueError, OverflowError)):
        instant(text, NOW)
