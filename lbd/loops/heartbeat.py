"""A timer that notices when the process did not run: stopped, or its machine suspended, or its loop kept busy.

It is short, so that it is overdue before nearly everything else that came due meanwhile, and says so in the call of the
timer itself, before any task sees a time-out. While a machine is suspended the monotonic clock may stand still; then
only the clock on the wall has moved on.
"""

from __future__ import annotations

from collections.abc import Callable

from lbd.model.units import Instant, Seconds
from lbd.ports import Env, Timer
from lbd.state.stall import LATE, Stall

EVERY: Seconds = 0.25
JUMP: Seconds = 2.0  # by so much the clocks drift apart at once where the machine was suspended, or one was set


class Heartbeat:
    """See the module. ``told`` gets each stall."""

    def __init__(self, env: Env, told: Callable[[Stall], None]) -> None:
        self._env = env
        self._told = told
        self._timer: Timer | None = None
        self._due: Instant = 0.0
        self._ahead: Seconds = 0.0  # of the clock on the wall

    def start(self) -> None:
        """Begin to beat."""
        now = self._env.now()
        self._ahead = self._env.wall() - now
        self._arm(now)

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, now: Instant) -> None:
        self._due = now + EVERY
        self._timer = self._env.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._env.now()
        ahead = self._env.wall() - now
        jumped, self._ahead = ahead - self._ahead, ahead
        if now - self._due > LATE or jumped > JUMP:
            self._told(Stall(self._due, now, max(0.0, jumped)))
        self._arm(now)
