"""Whose fault a failure is: its row's, or this host's own.

Three things may be wrong here that look like failures of providers: the way out or name resolution is lost
(:mod:`lbd.state.uplink`), the process did not run (:mod:`lbd.state.stall`), or it is short of descriptors, ports or
buffers. No row is blamed then: while the way out is lost who failed is suspect, and no more. What was begun before it
was back may fail long after, and says nothing.

The first failures come before the cause can be known, and may open a breaker. Until anybody is reached again what rows
were charged with is remembered as it was before, and taken back if it turns out that the way out was lost.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from lbd.model.failure import COUNTS, TIMEOUTS, Failure, FailureKind
from lbd.model.outcome import Outcome, ProbeResult, Verdict
from lbd.model.units import Instant, Seconds
from lbd.state import breaker, stall, uplink
from lbd.state.breaker import Breaker, Phase
from lbd.state.evidence import HASTY
from lbd.state.row import Row
from lbd.state.stall import Stall
from lbd.state.uplink import ANSWERS, CLEAR, LEAST, RESOLVING, SIGNS, STRANDED, UNREACHED, WINDOW, Hosts, Uplink, beyond
from lbd.state.window import Counts
from lbd.table import telling

TOLD_AGAIN: Seconds = 60.0  # a shortage or a stall that lasts is an event once in so long


class Whose(StrEnum):
    """Whom a failure speaks against."""

    ROW = "row"
    HOST = "host"  # this one, which reaches nobody: the row cannot be told to work
    NOBODY = "nobody"


class Charge(NamedTuple):
    """A row as it was before its first failure since anybody was reached, and the failures that were counted since."""

    breaker: Breaker
    suspect: FailureKind | None
    probes_lost: int
    penalty_at: Instant
    counted: list[tuple[FailureKind, Instant]]


class Way:
    """One way out: the signs that it is lost, and what rows were charged with meanwhile."""

    def __init__(self) -> None:
        self.uplink: Uplink = CLEAR
        self.charges: dict[Row, Charge] = {}
        self.lost_at: Instant = 0.0
        self.outage: Stall | None = None  # the last that is over


class Blame:
    """See the module. ``ask`` has a provider probed; ``moved`` is told of rows that changed by it."""

    def __init__(
        self,
        rows: Callable[[], Sequence[Row]],
        emit: Callable[..., None],
        ask: Callable[[str], None],
        moved: Callable[[Row], None],
    ) -> None:
        self._rows = rows
        self._emit = emit
        self._ask = ask
        self._moved = moved
        self.way = Way()
        self.names = Way()
        self.stall: Stall | None = None
        self.short: Failure | None = None  # the last that this host was short of something for
        self.short_at: Instant = -math.inf
        self._told: dict[str, Instant] = {}

    # --- what is observed ----------------------------------------------------------------------------

    def attempt(self, row: Row, outcome: Outcome, now: Instant) -> Whose:
        """Take in how an attempt at ``row`` ended; tell whom its failure speaks against."""
        failure = outcome.failure
        if failure is None or failure.kind in ANSWERS:
            self._reached(row, now, fresh=False)
            return Whose.ROW
        kind = failure.kind
        if kind is FailureKind.LOCAL:
            self.lacking(failure, now)
            return Whose.NOBODY
        if self.excused(row, kind, now - outcome.total_s, now):
            return Whose.NOBODY
        if kind not in SIGNS or (kind in STRANDED & HASTY and not outcome.exceeded_own_p99):
            return Whose.ROW
        counted = (kind not in HASTY or outcome.exceeded_own_p99) and not row.repeats.has(outcome, now)
        return self._failed(row, kind, now, counted=counted)

    def probe(self, row: Row, result: ProbeResult, now: Instant) -> Whose:
        """Take in what a probe of ``row`` found; tell whom its failure speaks against."""
        kind = result.failure
        if result.verdict is not Verdict.DOWN or kind in ANSWERS:
            self._reached(row, now, fresh=True)
            return Whose.ROW
        if kind is FailureKind.LOCAL:
            self.lacking(Failure(kind, result.detail), now)
            return Whose.NOBODY
        if kind is None or kind not in SIGNS:
            return Whose.ROW
        if self.excused(row, kind, result.at - result.took_s, now):
            return Whose.NOBODY
        return self._failed(row, kind, now, counted=False)  # of attempts alone error ratios are made

    def excused(self, row: Row, kind: FailureKind, began: Instant, now: Instant) -> bool:
        """Tell whether what was begun at ``began`` may have failed for a stall, or an outage that is over."""
        gaps = [self.stall]
        if remote(row) is not None:
            gaps += [self.way.outage, self.names.outage]
        return any(stall.excuses(gap, kind, began, now) for gap in gaps)

    def stalled(self, found: Stall) -> None:
        """The process did not run for a while."""
        self.stall = stall.joined(self.stall, found)
        if self._again("loop_stalled", found.until):
            self._emit(**telling.stalled(found))

    # --- the way out ---------------------------------------------------------------------------------

    def _failed(self, row: Row, kind: FailureKind, now: Instant, *, counted: bool) -> Whose:
        host = remote(row)
        way = self.names if kind in RESOLVING else self.way
        if host is None:
            return Whose.ROW
        if _out(row, way):
            return Whose.HOST if way.uplink.lost else Whose.ROW
        before = way.uplink
        way.uplink = uplink.failed(before, host, kind, self._hosts(way, now), now)
        if way.uplink.lost and not before.lost:
            self._take_back(way, now)
        if way.charges.get(row) is None:
            way.charges[row] = Charge(row.breaker, row.suspect, row.probes_lost, row.penalty_at, [])
        if way.uplink.lost:
            return Whose.HOST
        if counted and kind in COUNTS:
            way.charges[row].counted.append((kind, now))
        if uplink.doubtful(way.uplink):
            self._ask_others(way.uplink)
        return Whose.ROW

    def _hosts(self, way: Way, now: Instant) -> Hosts:
        """Return whom the verdict on ``way`` is about: hosts that were not out before."""
        known, heard, busy = set(), set(), set()
        for row in self._rows():
            host = remote(row)
            if host is None or _out(row, way) or (way is self.names and _is_address(host)):
                continue
            known.add(host)
            at = row.resolved if way is self.names else (now if row.pending else row.heard)
            if now - at <= WINDOW:
                heard.add(host)
            if row.inflight:
                busy.add(host)
        # a host that failed since it was heard is not one that is reachable; a reach forgets all failures
        return Hosts(known, heard, busy)

    def _ask_others(self, seen: Uplink) -> None:
        """Have everybody probed who is not known to fail: any answer ends the doubt."""
        failed = set(seen.hosts)
        for name in dict.fromkeys(r.provider.name for r in self._rows() if remote(r) not in failed | {None}):
            self._ask(name)

    def _take_back(self, way: Way, now: Instant) -> None:
        """The way out is lost: nobody is to blame for what came before this was known."""
        way.lost_at = now
        closed = []
        for row, charge in way.charges.items():
            if row.breaker.phase is Phase.OPEN and charge.breaker.phase is not Phase.OPEN:
                closed.append(row.spec.id)
            row.breaker = breaker.taken_back(charge.breaker)
            row.probes_lost, row.penalty_at = charge.probes_lost, charge.penalty_at
            for kind, at in charge.counted:
                row.outcomes.amend(at, lambda counts, kind=kind: _uncount(counts, kind))  # type: ignore[misc]
                if kind in TIMEOUTS:
                    row.excused.at(now).add(kind)
            charge.counted.clear()
            self._moved(row)
        self._emit(**telling.uplink(way.uplink, closed))
        self._ask_others(way.uplink)

    def _reached(self, row: Row, now: Instant, *, fresh: bool) -> None:
        """Somebody was reached, ``fresh``: by a connection that was made for it."""
        host = remote(row)
        if host is None:
            return
        row.heard = now
        self._clear(self.way, now)
        if fresh and not _is_address(host):
            row.resolved = now
            self._clear(self.names, now)

    def _clear(self, way: Way, now: Instant) -> None:
        was, way.uplink = way.uplink, CLEAR
        charges, way.charges = way.charges, {}
        if not was.lost:
            return
        way.outage = Stall(way.lost_at, now, stall.LONGEST)
        self._emit(**telling.uplink(CLEAR))
        hosts = {remote(row) for row in charges}
        for row in self._rows():  # they may be chosen at once; probes confirm it
            if row.suspect in SIGNS and remote(row) in hosts:
                row.suspect = None
                self._moved(row)
        for name in dict.fromkeys(row.provider.name for row in charges):
            self._ask(name)

    def configured(self, now: Instant) -> None:
        """Forget the signs of hosts that a reload took away: those that are left may not be enough for a verdict."""
        known = {host for row in self._rows() if (host := remote(row)) is not None}
        for way in (self.way, self.names):
            way.charges = {row: charge for row, charge in way.charges.items() if row.index >= 0}
            left = tuple(sign for sign in way.uplink.signs if sign.host in known)
            if len(left) == len(way.uplink.signs):
                continue
            if way.uplink.lost and len(left) >= LEAST:
                way.uplink = replace(way.uplink, signs=left)
            else:
                self._clear(way, now)

    def forget(self, row: Row) -> None:
        """What ``row`` was charged with is settled otherwise: by an operator, or it is gone."""
        self.way.charges.pop(row, None)
        self.names.charges.pop(row, None)

    # --- shortages, and what is told -----------------------------------------------------------------

    def lacking(self, failure: Failure, now: Instant) -> None:
        """Note that this host is short of something, also where whoever wants it waits and is served in the end."""
        self.short, self.short_at = failure, now
        if self._again("local_fault", now):
            self._emit("local_fault", "lbd", "short", level="error", evidence={"error": failure.message})

    def _again(self, kind: str, now: Instant) -> bool:
        due = now - self._told.get(kind, -math.inf) >= TOLD_AGAIN
        if due:
            self._told[kind] = now
        return due

    def words(self, now: Instant) -> list[str]:
        """Return what is wrong with this host now, in sentences."""
        out = [telling.cut_off(way.uplink) for way in (self.way, self.names) if way.uplink.lost]
        if self.short is not None and now - self.short_at <= WINDOW:
            out.append(self.short.message)
        return out

    def explains(self, row: Row, kind: FailureKind, now: Instant) -> bool:
        """Tell whether it is this host's own fault that a connection failed so: another one may soon not."""
        if remote(row) is None:
            return False
        if kind in RESOLVING:
            return self.names.uplink.lost
        return kind in UNREACHED and self.cut_off(now)

    def cut_off(self, now: Instant) -> bool:
        """Tell whether nobody beyond this host can be reached: without names, connections that stand may go on."""
        if self.way.uplink.lost:
            return True
        heard = (now if row.pending else row.heard for row in self._rows() if remote(row) is not None)
        return self.names.uplink.lost and all(now - at > WINDOW for at in heard)


def remote(row: Row) -> str | None:
    """Return the host behind ``row``, None where it is this one."""
    return beyond(row.provider.base_url)


def _out(row: Row, way: Way) -> bool:
    """Tell whether ``row`` was out before: that it still fails says nothing about the way out."""
    return row.breaker.phase is Phase.OPEN and row not in way.charges


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _uncount(counts: Counts, kind: FailureKind) -> None:
    left = counts.by_kind.get(kind, 0) - 1
    if left > 0:
        counts.by_kind[kind] = left
    else:
        counts.by_kind.pop(kind, None)
