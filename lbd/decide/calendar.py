"""Peak hours: spans of the week in a time zone's own wall clock, so that they move with daylight saving time.

    mon-fri 08:00-18:00     sat 10:00-14:00     daily 22:00-06:00 (ends on the next day)

A day on which the clock jumps has the spans that its wall clock shows: one that begins in the hour that is left out
begins when the clock has jumped, one in the hour that comes twice holds from the first to the last time. What a zone
says is data of the host, which the standard library reads once and keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from lbd.model.units import WallTime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:(?P<a>[a-z]{3})(?:-(?P<b>[a-z]{3}))?|(?P<daily>daily)) (?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)")
DAY_MINUTES = 24 * 60


class Span(msgspec.Struct, frozen=True):
    """On these days (0 is Monday) from one minute of the day to another; ``end`` above a day's: on the next one."""

    days: frozenset[int]
    begin: int
    end: int


class Hours(msgspec.Struct, frozen=True):
    """Spans in a time zone, by its IANA name."""

    zone: str
    spans: tuple[Span, ...]


def read(text: str) -> Span:
    """Read a span. Raises ValueError, with what would be right."""
    found = _SPAN.fullmatch(" ".join(text.lower().split()))
    if found is None:
        raise ValueError(f"{text!r} is no span: write mon-fri 08:00-18:00, sat 10:00-14:00 or daily 22:00-06:00")
    if found["daily"]:
        days = frozenset(range(7))
    else:
        first, last = _day(found["a"]), _day(found["b"] or found["a"])
        days = frozenset((first + i) % 7 for i in range((last - first) % 7 + 1))
    begin, end = _minute(found["from"]), _minute(found["to"])
    if begin == end or begin >= DAY_MINUTES:
        raise ValueError(f"{text!r} is no span: it has to end at another time than it begins, within a day")
    return Span(days, begin, end if end > begin else end + DAY_MINUTES)


def _day(word: str) -> int:
    if word not in DAYS:
        raise ValueError(f"{word!r} is no day: {', '.join(DAYS)}")
    return DAYS.index(word)


def _minute(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    if minutes > 59 or hours > 24 or (hours == 24 and minutes):
        raise ValueError(f"{text!r} is no time of a day")
    return hours * 60 + minutes


def zone(name: str) -> ZoneInfo:
    """Return a time zone. Raises ValueError where this host does not know it."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(
            f"{name!r} is no time zone that this host knows: write Europe/Berlin (none is known at all: install tzdata)"
        ) from None


def holds(hours: Hours, wall: WallTime) -> bool:
    """Tell whether one of the spans holds at this time."""
    return any(begin <= wall < end for begin, end in _around(hours, wall))


def _around(hours: Hours, wall: WallTime) -> Iterable[tuple[WallTime, WallTime]]:
    """Yield the spans of today and yesterday as times: those of yesterday may reach into today."""
    tz = zone(hours.zone)
    today = datetime.fromtimestamp(wall, tz).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for ahead in (-1, 0):
        day = today + timedelta(days=ahead)
        for span in hours.spans:
            if day.weekday() in span.days:
                yield _at(day, span.begin, tz, 0), _at(day, span.end, tz, 1)


def _at(day: datetime, minutes: int, tz: ZoneInfo, fold: int) -> WallTime:
    """Return when the wall clock shows this; of an hour that comes twice the first (``fold`` 0) or the second time."""
    return (day + timedelta(minutes=minutes)).replace(tzinfo=tz, fold=fold).astimezone(UTC).timestamp()


def hours(name: str, texts: Sequence[str]) -> Hours:
    """Return spans in a zone. Raises ValueError."""
    zone(name)
    return Hours(name, tuple(map(read, texts)))
