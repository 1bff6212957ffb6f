"""Probing: each provider's rounds of free probes, and the paid ones that single rows need.

One loop a provider, so that no two rounds of it overlap. A round asks liveness first; where nobody is there
it asks twice more, a second apart, with shorter patience, so that an idle provider's death is known within a
period, its jitter, one time-out and the two re-probes. A provider with a suspect or open row is asked sooner;
whoever meets trouble there (:meth:`Probing.kick`) has it asked at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from lbd.loops.target import ProbeTarget
from lbd.model.failure import TIMEOUTS, FailureKind
from lbd.model.money import cost
from lbd.model.outcome import ProbeResult, Usage, Verdict
from lbd.model.provider import ProviderSpec
from lbd.model.table import AdminState
from lbd.model.units import DeploymentId, Instant, NanoUsd, Ratio, Seconds
from lbd.ports import Env, Transport
from lbd.shapes.providers import Shape
from lbd.state import spend
from lbd.state.breaker import Phase
from lbd.state.evidence import PROBES_LOST
from lbd.state.row import LIVENESS, READING_FRESH, Row, locked
from lbd.state.spend import ProbeSpend
from lbd.table.owner import Owner
from lbd.table.purses import Hold, Purses, Short
from lbd.upstream.line import Line
from probes import Kind

SUSPECT_EVERY: Seconds = 5.0  # while a row is suspect or newly open
TROUBLED_EVERY: Seconds = 15.0  # while one stays open
NEWLY: Seconds = 60.0
AGAIN_AFTER: Seconds = 1.0  # between the re-probes of a provider that was silent
AGAIN_TIMEOUT: Seconds = 1.5
KICK_TIMEOUT: Seconds = 1.0  # a probe that was called for answers within this, or the row is silent
KICK_GAP: Seconds = 1.0  # between the starts of two rounds that were called for
IDLE_AFTER: Seconds = 600.0
PAID_EVERY: Seconds = 10.0  # between two paid probes of one row in trouble
PAID_TIME: Seconds = 5.0  # in one round; silent rows must not keep the free probes of their provider waiting
USUAL_PROBE = Usage(prompt=20, completion=4)
# The provider computed something, although nothing that could be used came of it.
_WORKED = TIMEOUTS - {FailureKind.CONNECT_TIMEOUT} | {
    FailureKind.BROKEN_STREAM,
    FailureKind.STREAM_ERROR,
    FailureKind.BAD_BODY,
}


class ProbeSettings(msgspec.Struct, frozen=True):
    """How one configuration wants probing done."""

    kinds: tuple[Kind, ...]
    every_s: Seconds = 20.0
    jitter: Ratio = 0.2
    timeout_s: Seconds = 5.0
    paid: bool = True
    budget: NanoUsd = 0


class Probing:
    """Runs the probes. One for the process; a reload changes its settings and which loops run."""

    def __init__(self, env: Env, owner: Owner, settings: ProbeSettings, spent: ProbeSpend) -> None:
        self.env = env
        self.owner = owner
        self.settings = settings
        self.spend = spent
        self.purses: Purses | None = None  # of providers: what a probe costs counts there, too
        self.charged: Callable[[DeploymentId, Usage, NanoUsd], None] = lambda _row, _usage, _cost: None
        self.lines: Mapping[DeploymentId, Line] = {}
        self._kicks: dict[str, asyncio.Event] = {}
        self._began: dict[str, Instant] = {}
        self._asked: dict[tuple[str, str], Instant] = {}
        self._paid_at: dict[str, Instant] = {}
        self._holds: dict[DeploymentId, Hold] = {}
        self._born = env.now()

    def kick(self, provider: str) -> None:
        """Ask ``provider`` at once: something there looks wrong."""
        event = self._kicks.get(provider)
        if event is not None:
            event.set()

    def loop(
        self, provider: ProviderSpec, shape: Shape, transport: Transport
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        """Return the coroutine function that probes ``provider`` for ever."""

        async def run() -> None:
            kick = self._kicks.setdefault(provider.name, asyncio.Event())
            kick.clear()
            for key in [k for k in self._asked if k[1] == provider.name]:
                del self._asked[key]  # it may be another server now
            while True:
                kicked = kick.is_set()
                kick.clear()
                rows = [r for r in self.owner.rows if r.provider.name == provider.name]
                self._began[provider.name] = self.env.now()
                if any(r.admin is not AdminState.MAINT for r in rows):
                    await _Round(self, provider, shape, transport, rows).run(kicked=kicked)
                await self._wait(provider.name, rows, kick)

        return run

    async def _wait(self, provider: str, rows: Sequence[Row], kick: asyncio.Event) -> None:
        """Wait for the next round, or for a kick; two rounds never start within ``KICK_GAP``.

        The period runs from start to start, so that a server that takes long to answer is not asked less often.
        """
        began = self._began[provider]
        due = max(began + self._pause(rows), self.env.now() + AGAIN_AFTER)
        timer = self.env.call_at(due, kick.set)
        try:
            await kick.wait()
        finally:
            timer.cancel()
        if self.env.now() >= due:
            kick.clear()
        gap = began + KICK_GAP - self.env.now()
        if gap > 0:
            await self.env.sleep(gap)

    def _pause(self, rows: Sequence[Row]) -> Seconds:
        """Return the time between the starts of two rounds; the bound of a row in trouble is never passed."""
        now = self.env.now()
        bound = float("inf")
        for row in rows:
            if row.suspect is not None or row.breaker.phase is Phase.HALF_OPEN:
                bound = min(bound, SUSPECT_EVERY)
            elif row.breaker.phase is Phase.OPEN:
                newly = now - row.breaker.since < NEWLY
                bound = min(bound, SUSPECT_EVERY if newly else TROUBLED_EVERY)
        jitter, draw = self.settings.jitter, self.env.uniform()
        return min(self.settings.every_s * (1 + jitter * (2 * draw - 1)), bound * (1 - jitter * draw))

    def due(self, kind: Kind, provider: str) -> bool:
        """Tell whether a kind is to be asked in this round; notes that it is."""
        now = self.env.now()
        key = (kind.name, provider)
        last = self._asked.get(key)
        if kind.period_s and last is not None and now - last < kind.period_s:
            return False
        self._asked[key] = now
        return True

    def paid_at(self, row: Row) -> Instant:
        """Return when ``row`` had its last paid probe."""
        return self._paid_at.get(row.spec.id, float("-inf"))

    def affords(self, row: Row, need: str) -> bool:
        """Tell whether the budget allows a paid probe of ``row`` now; notes that it is made."""
        expected = cost(row.spec.price, USUAL_PROBE)
        wall = self.env.wall()
        if not spend.allows(self.spend, expected, self.settings.budget, wall, recovery=need == "recovery"):
            return False
        if self.purses is not None and expected > 0:
            held = self.purses.hold("", "", row.provider.name, expected, wall)
            if isinstance(held, Short):  # the provider's own budget has not so much left
                return False
            self._holds[row.spec.id] = held
        self._paid_at[row.spec.id] = self.env.now()
        return True

    def charge(self, row: Row, result: ProbeResult) -> None:
        """Book a paid probe of ``row``; work whose usage nobody told is booked at what it usually costs."""
        worked = result.verdict is Verdict.UP or result.failure in _WORKED
        guess = USUAL_PROBE if worked else Usage()
        told = result.cost or cost(row.spec.price, guess)
        self.spend = spend.add(self.spend, told, self.env.wall())
        self._settle(row, told)
        if told:
            self.charged(row.spec.id, replace(guess, estimated=True), told)

    def _settle(self, row: Row, nano: NanoUsd) -> None:
        held = self._holds.pop(row.spec.id, None)
        if self.purses is not None and held is not None:
            self.purses.settle(held, nano)

    def forgo(self, row: Row) -> None:
        """Note that a paid probe of ``row`` was not made after all."""
        self._settle(row, 0)

    def need(self, row: Row) -> str | None:
        """Return why row needs a paid probe now: ``recovery``, ``idle``, or None."""
        if not row.spec.can_be_tried:
            return None
        now = self.env.now()
        last = self.paid_at(row)
        if row.admin is AdminState.MAINT or locked(row, now) or _saturated(row, now):
            return None
        doubted = row.suspect is not None or row.repeats.doubted(now)
        troubled = doubted or row.breaker.phase is not Phase.CLOSED
        unlocked = row.lock is not None and last <= row.lock.since  # its time has run out: asked once whether it is so
        if (troubled or unlocked) and now - last >= PAID_EVERY:
            return "recovery"
        idle = now - max(row.last_used, self._born) >= IDLE_AFTER and now - last >= IDLE_AFTER
        if idle and row.admin is AdminState.READY:  # what is drained should come back well; nobody asks how fast it is
            return "idle"
        return None


def _saturated(row: Row, now: Instant) -> bool:
    """Tell whether the server has just said that it has no slot free: a completion could only wait there.

    A silent answer would be held against a row that is merely busy, and would make it busier.
    """
    told = row.probes.get("load")
    return told is not None and told.verdict is Verdict.BUSY and now - told.at <= READING_FRESH


class _Round:
    """One round of probes of one provider."""

    def __init__(
        self, probing: Probing, provider: ProviderSpec, shape: Shape, transport: Transport, rows: Sequence[Row]
    ) -> None:
        self._probing = probing
        self._env = probing.env
        self._provider = provider
        self._shape = shape
        self._transport = transport
        self._rows = rows

    def _target(self, timeout_s: Seconds, line: Line | None = None) -> ProbeTarget:
        return ProbeTarget(self._env, self._provider, self._shape, self._transport, timeout_s, line)

    async def run(self, *, kicked: bool) -> None:
        """Liveness first; with nobody there the rest is spared."""
        patience = self._probing.settings.timeout_s
        target = self._target(min(KICK_TIMEOUT, patience) if kicked else patience)
        free = [k for k in self._probing.settings.kinds if not k.paid]
        for kind in sorted(free, key=lambda k: k.name != LIVENESS):
            if not kind.applies(self._shape, self._provider) or not self._probing.due(kind, self._provider.name):
                continue
            result = await kind.run(target)
            lost = 0
            while result is not None and result.verdict is Verdict.DOWN and kind.name == LIVENESS:
                self._tell(self._rows, result)
                lost += 1
                if lost >= PROBES_LOST:
                    return
                await self._env.sleep(AGAIN_AFTER)
                result = await kind.run(self._target(min(AGAIN_TIMEOUT, patience)))
                target = self._target(patience)
            if result is not None:
                self._tell(self._rows, result)
        await self._paid()

    def _tell(self, rows: Sequence[Row], result: ProbeResult, *, completion: bool = False) -> None:
        for row in rows:
            self._probing.owner.probed(row, result, completion=completion)

    async def _paid(self) -> None:
        probing = self._probing
        if not probing.settings.paid:
            return
        kinds = {k.name: k for k in probing.settings.kinds if k.paid}
        until = self._env.now() + PAID_TIME
        for row in sorted(self._rows, key=probing.paid_at):
            if self._env.now() >= until:
                return
            need = probing.need(row)
            kind = kinds.get("stream" if need == "idle" else "completion") or next(iter(kinds.values()), None)
            line = probing.lines.get(row.spec.id)
            if need is None or kind is None or line is None or not probing.affords(row, need):
                continue
            result = None
            try:
                result = await kind.run(self._target(row.tier.ttft_p95_s + probing.settings.timeout_s, line))
            finally:
                if result is None:
                    probing.forgo(row)
            if result is not None:
                probing.charge(row, result)
                self._tell([row], result, completion=True)
