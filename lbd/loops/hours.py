"""Peak hours as they come and go: by the calendar, or by load that stays high. Whoever needs to know is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lbd.decide import calendar
from lbd.decide.calendar import Hours
from lbd.model.provider import PeakSpec
from lbd.model.table import DeploymentView
from lbd.model.units import Ratio, WallTime

# Of the load above which a peak begins: it ends below this part of it, and is held to have begun or ended only after so
# many looks in a row, so that one burst is no peak.
ENDS: Ratio = 0.8
LOOKS = 5


class Peak:
    """See the module; ``look`` is called every second."""

    def __init__(self, told: Callable[[bool, str], None]) -> None:
        self._told = told
        self._spec: PeakSpec | None = None
        self._hours: Hours | None = None
        self._looks = 0
        self._loaded = False
        self.now = False

    def configure(self, spec: PeakSpec | None) -> None:
        """Take what a configuration says; its hours have been checked."""
        self._spec = spec
        self._hours = None if spec is None or not spec.hours else calendar.hours(spec.timezone, spec.hours)

    @property
    def background_waits(self) -> bool:
        """Tell whether background work waits while it is peak."""
        return self._spec is not None and self._spec.background_waits

    def look(self, rows: Iterable[DeploymentView], wall: WallTime) -> bool:
        """Return whether it is peak now."""
        timed = self._hours is not None and calendar.holds(self._hours, wall)
        now = timed or self._by_load(rows)
        if now is not self.now:
            self.now = now
            self._told(now, "calendar" if timed or (self._hours is not None and not self._loaded) else "load")
        return now

    def _by_load(self, rows: Iterable[DeploymentView]) -> bool:
        bar = None if self._spec is None else self._spec.load_above
        if bar is None:
            self._loaded, self._looks = False, 0
            return False
        loads = [row.load for row in rows if row.refusal is None]
        load = sum(loads) / len(loads) if loads else 0.0
        other = load < bar * ENDS if self._loaded else load >= bar
        self._looks = self._looks + 1 if other else 0
        if self._looks >= LOOKS:
            self._loaded, self._looks = not self._loaded, 0
        return self._loaded
