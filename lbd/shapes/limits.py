"""Waits and rate limits as providers write them: in headers, in both reset forms, and in error bodies."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from lbd.model.outcome import QuotaReading
from lbd.model.units import Seconds, WallTime

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|h|m|s|d)")
_UNIT = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
# Longer than any Unix time in milliseconds: not a time.
_LONGEST: Seconds = 1e14
_EPOCH: Seconds = 1e8  # what is more is no wait but a Unix time
# A provider's clock tells whole seconds, and its answer was on its way: by so much the two clocks may differ.
_SKEW: Seconds = 5.0
LONGEST_WAIT: Seconds = 86400.0
_MOST = 10**15  # requests or tokens; what is more is no count
_WORDS = r"(?:milliseconds?|ms|days?|d|hours?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])"
# As in: Please try again in 1.5s; retry after 7 seconds; Please retry in 48.2s; a body's retryDelay of 48s
_IN_TEXT = re.compile(
    r"""(?:try again in|retry after|retry in|retry_?delay"?\s*:\s*"?)\s*"""
    rf"""((?:\d+(?:\.\d+)?\s*{_WORDS}\s*)+|\d+(?:\.\d+)?)""",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)


def duration_s(text: str) -> Seconds | None:
    """Read ``1s``, ``6m0s``, ``120ms``, ``1h2m`` or a plain number of seconds."""
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        pass
    else:
        return value if 0 <= value < _LONGEST else None
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    total = sum(float(number) * _UNIT[unit] for number, unit in parts)
    return total if total < _LONGEST else None


def _in_words_s(text: str) -> Seconds | None:
    """Read ``6m0s``, ``7 seconds``, ``1 day 2 hours`` or a plain number of seconds."""
    parts = [(number, unit.lower()) for number, unit in _PART.findall(text)]
    short = [number + ("ms" if unit.startswith(("ms", "milli")) else unit[:1]) for number, unit in parts]
    return duration_s("".join(short))


def _ahead_s(then: datetime, wall: WallTime) -> Seconds:
    """Return how far a time lies ahead, 0 where it is past. One without a zone is in UTC, as HTTP's are."""
    return max(0.0, (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - wall)


@lru_cache(256)  # of one second many answers come
def _http_time(text: str) -> WallTime | None:
    from email.utils import parsedate_to_datetime  # slow to import, and providers send seconds

    try:
        return _ahead_s(parsedate_to_datetime(text), 0.0)
    except (ValueError, OverflowError):
        return None


def _theirs(headers: Mapping[str, str], wall: WallTime) -> WallTime:
    """Return what points of time in an answer count from: its own ``date``, where this host's clock is wrong."""
    there = _http_time(headers.get("date", ""))
    return wall if there is None or abs(there - wall) <= _SKEW else there


def reset_s(text: str, wall: WallTime) -> Seconds | None:
    """Read a reset as a duration, an RFC 3339 time, or a Unix time in seconds or milliseconds."""
    seconds = duration_s(text)
    if seconds is not None:
        if seconds > 1e11:  # milliseconds since the epoch
            seconds = seconds / 1000
        return max(0.0, seconds - wall) if seconds > _EPOCH else seconds
    try:
        return _ahead_s(datetime.fromisoformat(text.strip()), wall)
    except ValueError:
        return None


def _is_time(text: str) -> bool:
    """Tell whether a reset is a point of time and no duration."""
    seconds = duration_s(text)
    return seconds is None or seconds > _EPOCH


def retry_after_s(headers: Mapping[str, str], wall: WallTime, body_text: str = "") -> Seconds | None:
    """Return how long the provider asks to wait.

    ``retry-after-ms`` wins over ``retry-after`` (seconds or an HTTP date); a wait in the body's words is used
    where no header says anything. A point of time counts from now by the provider's own clock, and nobody is believed
    to ask for more than a day.
    """
    wait = _told_wait_s(headers, body_text)
    if wait is None:
        return None
    return min(LONGEST_WAIT, max(0.0, wait - _theirs(headers, wall)) if wait > _EPOCH else wait)


def _told_wait_s(headers: Mapping[str, str], body_text: str) -> Seconds | None:
    if (ms := headers.get("retry-after-ms")) is not None and (value := duration_s(ms)) is not None:
        return value / 1000
    if (text := headers.get("retry-after")) is not None:
        if (value := duration_s(text)) is not None:
            return value
        if (value := _http_time(text)) is not None:
            return max(value, math.nextafter(_EPOCH, math.inf))  # before that it is past in any case
    if match := _IN_TEXT.search(body_text):
        return _in_words_s(match.group(1))
    return None


def readings(headers: Mapping[str, str], prefix: str, wall: WallTime) -> tuple[QuotaReading, ...]:
    """Collect ``<prefix>-{limit,remaining,reset}-<what>`` headers (and ``<prefix>-<what>-{limit,...}``).

    ``prefix`` is ``x-ratelimit`` or ``anthropic-ratelimit``. No reset is believed to be more than a day away. A limit
    without a sensible remaining count is left out (Azure was seen to send -1).
    """
    found: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        if not name.startswith(prefix):
            continue
        parts = name[len(prefix) + 1 :].split("-")
        for field in ("limit", "remaining", "reset"):
            if field in parts:
                what = "_".join(p for p in parts if p != field) or "requests"
                found.setdefault(what, {})[field] = value
    out = []
    for what, fields in sorted(found.items()):
        remaining = _whole(fields.get("remaining"))
        if remaining is None:
            continue
        reset = fields.get("reset")
        limit = _whole(fields.get("limit"))
        fixed = reset is not None and _is_time(reset)
        after = None if reset is None else reset_s(reset, _theirs(headers, wall) if fixed else wall)
        if after is not None:  # what stands there wrong must not shut a deployment for years
            after = min(LONGEST_WAIT, after)
        out.append(QuotaReading(what, limit, remaining, after, fixed and after is not None))
    return tuple(out)


def _whole(text: str | None) -> int | None:
    try:
        value = -1 if text is None else int(float(text))
    except (ValueError, OverflowError):
        return None
    return value if 0 <= value <= _MOST else None
