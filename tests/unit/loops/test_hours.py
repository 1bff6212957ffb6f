"""Peak hours come and go: by the calendar, or by load that stays high."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from lbd.loops.hours import LOOKS, Peak
from lbd.model.provider import PeakSpec


def rows(load: float, *, refusal: str | None = None) -> Any:
    return [SimpleNamespace(load=load, refusal=refusal), SimpleNamespace(load=9.0, refusal="breaker_open")]


def wall(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Watcher:
    def __init__(self, spec: PeakSpec | None) -> None:
        self.told: list[tuple[bool, str]] = []
        self.peak = Peak(lambda now, why: self.told.append((now, why)))
        self.peak.configure(spec)


def test_by_the_calendar() -> None:
    """It begins and ends once."""
    watched = Watcher(PeakSpec("UTC", ("mon-fri 08:00-18:00",)))
    assert not watched.peak.look(rows(1.0), wall("2026-11-26T07:00"))
    assert watched.peak.look(rows(0.0), wall("2026-11-26T09:00")) and watched.peak.look([], wall("2026-11-26T10:00"))
    assert not watched.peak.look(rows(0.0), wall("2026-11-26T18:00"))
    assert watched.told == [(True, "calendar"), (False, "calendar")]


def test_by_load_that_stays() -> None:
    """One burst is no peak, and one quiet second is not its end."""
    watched = Watcher(PeakSpec(load_above=0.8))
    for load in (0.9, 0.9, 0.1, *[0.9] * (LOOKS - 1)):
        assert not watched.peak.look(rows(load), 0.0)
    assert watched.peak.look(rows(0.9), 0.0)
    for load in (0.7, 0.1, 0.7, *[0.1] * (LOOKS - 1)):  # 0.7 is above 0.8 of the bar
        assert watched.peak.look(rows(load), 0.0)
    assert not watched.peak.look(rows(0.1), 0.0)
    assert watched.told == [(True, "load"), (False, "load")]


def test_without_peak_hours_there_are_none() -> None:
    """Nor after a reload has taken them away."""
    watched = Watcher(None)
    assert not watched.peak.look(rows(9.0), 0.0) and not watched.peak.background_waits
    watched.peak.configure(PeakSpec("UTC", ("daily 00:00-24:00",)))
    assert watched.peak.look([], 0.0) and watched.peak.background_waits
    watched.peak.configure(None)
    assert not watched.peak.look([], 0.0)
