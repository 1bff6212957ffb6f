"""Alerts: looks every few seconds, tells who is to be told, and keeps both over a restart.

Nothing waits for a receiver: each has one message under way at most, and what is sent is where things stand then, not
a queue of what happened. A receiver that takes nothing is tried again after a second, then two, up to ``LONGEST``; that
is an event. What is over before it could be told is not told; an end is tried for a quarter of an hour.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from lbd.loops.posting import Posts
from lbd.loops.watching import Watching
from lbd.model.alert import RULES, AlertOut, AlertsSpec, Kind, Receiver, Rule, Severity
from lbd.model.units import Instant, Seconds, WallTime
from lbd.observe import notices
from lbd.observe.alerting import Sight, readings
from lbd.observe.notices import Written
from lbd.ports import Env, Store, StoreError
from lbd.state import alerts as board_of
from lbd.state.alerts import Alert, Board, Change, Phase, Silence, Told
from lbd.table.report import rfc3339

EVERY: Seconds = 5.0
FIRST: Seconds = 1.0
LONGEST: Seconds = 60.0
TABLE = "alerts"
_BOARD = "board"
_DAMAGED = (msgspec.MsgspecError, ValueError)
_SHOWN = (Phase.FIRING, Phase.PENDING, Phase.RESOLVED)


class _Kept(msgspec.Struct, frozen=True):
    """What is written down: instants of the run that wrote it, and its clocks then."""

    board: Board
    told: dict[str, dict[str, Told]]
    now: Instant
    wall: WallTime


class Outbox:
    """What one receiver was told, and how that goes."""

    __slots__ = ("busy", "error", "failed", "receiver", "retry_at", "sent", "told", "wait_s")

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.told: dict[str, Told] = {}
        self.busy = False
        self.error: str | None = None
        self.wait_s: Seconds = FIRST
        self.retry_at: Instant = 0.0
        self.sent = 0  # messages that were taken
        self.failed = 0


class Alerts:
    """See the module."""

    def __init__(
        self,
        env: Env,
        watching: Watching,
        store: Store,
        post: Posts,
        emit: Callable[..., object],
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
    ) -> None:
        self._env = env
        self._watching = watching
        self._store = store
        self.post = post
        self._emit = emit
        self._spawn = spawn
        self._spec = AlertsSpec()
        self._read = False
        self._dirty = False
        self._known: set[str] = set()  # ids that were looked at last
        self.board = Board()
        self.outboxes: dict[str, Outbox] = {}

    def configure(self, spec: AlertsSpec) -> None:
        """Take what is watched and who is told; a receiver that stays knows what it was told."""
        self._spec = spec
        before = self.outboxes
        self.outboxes = {}
        for receiver in spec.receivers:
            known = before.get(receiver.name)
            if known is None or known.receiver != receiver:
                known = Outbox(receiver)
            self.outboxes[receiver.name] = known

    # --- the loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._env.sleep(EVERY)
            self.look(await self._watching.seen(self._env))
            self.send()
            if self._dirty:
                await self.save()

    def look(self, sight: Sight | None = None) -> None:
        """Look once; what began or ended is told to the timeline."""
        now = self._env.now()
        if sight is None:
            sight = self._watching.sight(now, self._env.wall())
        found = list(readings(self._spec, sight))
        self._known = {reading.id for reading in found if reading.rule in self._spec.rules}
        before = self.board
        self.board, changes = board_of.look(before, found, self._spec.rules, now)
        self._dirty |= bool(changes) or self.board.silences != before.silences
        for change in changes:
            self._tell(change)

    def _tell(self, change: Change) -> None:
        alert = change.alert
        fires = alert.phase is Phase.FIRING
        level = "info" if not fires else "error" if alert.severity is Severity.CRITICAL else "warning"
        evidence: dict[str, object] = {"alert": alert.id, "value": alert.value, "limit": alert.limit}
        evidence |= {"text": alert.text, "remedy": notices.remedy(alert)} if fires else {"text": alert.text}
        if alert.id in self.board.silences:
            evidence["silenced"] = True
        kind = "alert_firing" if fires else "alert_resolved"
        self._emit(kind, alert.subject, str(alert.rule), level=level, evidence=evidence)

    # --- telling -------------------------------------------------------------------------------------

    def send(self) -> None:
        """Begin to tell every receiver what it has to be told now, but those that are busy or to be left alone."""
        now = self._env.now()
        for outbox in self.outboxes.values():
            if outbox.busy or now < outbox.retry_at:
                continue
            again = notices.AGAIN if outbox.receiver.kind is Kind.ALERTMANAGER else self._spec.repeat_s
            due = board_of.due(self.board, outbox.told, now, again)
            if due:
                outbox.busy = True
                self._spawn(f"alerts to {outbox.receiver.name}", self._deliver(outbox, due))

    async def _deliver(self, outbox: Outbox, due: Sequence[Alert]) -> None:
        now, wall = self._env.now(), self._env.wall()
        try:
            written = [self._written(alert, now, wall) for alert in due]
            until = rfc3339(wall + notices.HOLDS)
            body = notices.body(outbox.receiver.kind, written, self._spec.labels, rfc3339(wall), until)
            error = await self.post(outbox.receiver.url, orjson.dumps(body))
        finally:
            outbox.busy = False
        if error is None:
            outbox.sent += 1
            outbox.told = board_of.note(self.board, outbox.told, due, now)
            outbox.wait_s, outbox.retry_at = FIRST, 0.0
            self._dirty = True
            if outbox.error is not None:
                outbox.error = None
                self._emit("alerts_sent", "alerts", outbox.receiver.name)
            return
        outbox.failed += 1
        outbox.retry_at = self._env.now() + outbox.wait_s
        outbox.wait_s = min(LONGEST, 2 * outbox.wait_s)
        if outbox.error is None:
            evidence: dict[str, object] = {"error": error, "alerts": [alert.id for alert in due]}
            self._emit("alerts_unsent", "alerts", outbox.receiver.name, level="error", evidence=evidence)
        outbox.error = error

    def _written(self, alert: Alert, now: Instant, wall: WallTime) -> Written:
        since, changed = (rfc3339(wall + instant - now) for instant in (alert.since, alert.changed))
        return Written(alert, since, changed)

    # --- what people see and do ----------------------------------------------------------------------

    def listed(self) -> list[AlertOut]:
        """Return every alert: what fires first, the youngest first."""
        found = sorted(self.board.alerts.values(), key=lambda a: (_SHOWN.index(a.phase), -a.changed, a.id))
        return [self._out(alert) for alert in found]

    def _out(self, alert: Alert) -> AlertOut:
        now, wall = self._env.now(), self._env.wall()
        written = self._written(alert, now, wall)
        silence = self.board.silences.get(alert.id)
        return AlertOut(
            alert.id,
            alert.rule,
            alert.subject,
            alert.severity,
            alert.phase.value,
            written.since,
            written.changed,
            alert.value,
            alert.limit,
            RULES[alert.rule].title,
            alert.text,
            notices.remedy(alert),
            *((None, None, None) if silence is None else self._silence(silence, now, wall)),
        )

    @staticmethod
    def _silence(silence: Silence, now: Instant, wall: WallTime) -> tuple[str, str, str]:
        return rfc3339(wall + silence.until - now), silence.by, silence.reason

    def document(self) -> dict[str, Any]:
        """Return alerts, silences, who is told and what is watched."""
        now, wall = self._env.now(), self._env.wall()
        silences = []
        for id_, silence in self.board.silences.items():
            until, by, reason = self._silence(silence, now, wall)
            silences.append({"id": id_, "until": until, "by": by, "reason": reason})
        return {
            "object": "list",
            "data": [msgspec.to_builtins(alert) for alert in self.listed()],
            "silences": silences,
            "receivers": [
                {"name": o.receiver.name, "kind": o.receiver.kind, "sent": o.sent, "failed": o.failed, "error": o.error}
                for o in self.outboxes.values()
            ],
            "rules": [
                {"rule": rule, "title": RULES[rule].title, **plan._asdict()} for rule, plan in self._spec.rules.items()
            ],
        }

    def knows(self, id_: str) -> bool:
        """Tell whether an id is of an alert or of something that is watched."""
        return id_ in self.board.alerts or id_ in self.board.silences or id_ in self._known

    def silence(self, id_: str, for_s: Seconds, *, by: str, reason: str) -> None:
        """Tell nobody of an id for so long; 0: from now on again."""
        told = Silence(self._env.now() + for_s, by, reason) if for_s > 0 else None
        self.board = board_of.silence(self.board, id_, told)
        self._dirty = True
        kind = "alert_silenced" if told is not None else "alert_unsilenced"
        self._emit(kind, id_, reason, by=by, evidence={"for_s": for_s} if told is not None else {})

    def counts(self) -> dict[tuple[Rule, Phase], int]:
        """Return how many alerts of each rule in use are pending and firing."""
        out = {(rule, phase): 0 for rule in self._spec.rules for phase in (Phase.PENDING, Phase.FIRING)}
        for alert in self.board.alerts.values():
            if (alert.rule, alert.phase) in out:
                out[alert.rule, alert.phase] += 1
        return out

    # --- over a restart ------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Put back what was kept: what fired fires on, who was told is not told again."""
        try:
            rows = await self._store.load(TABLE)
        except StoreError:
            return  # the loop that keeps the table's state tells it; here it is tried again
        self._read = True
        kept = _kept(rows)
        if kept is None:
            return
        by = (self._env.now() - kept.now) - max(0.0, self._env.wall() - kept.wall)
        self.board = _joined(self.board, board_of.shifted(kept.board, by))
        for name, told in kept.told.items():
            if name in self.outboxes and not self.outboxes[name].told:
                self.outboxes[name].told = {id_: Told(t.phase, t.at + by) for id_, t in told.items()}

    async def save(self) -> None:
        """Write down where things stand."""
        if not self._read:
            await self.restore()
        if not self._read:
            return
        told = {name: outbox.told for name, outbox in self.outboxes.items()}
        kept = _Kept(self.board, told, self._env.now(), self._env.wall())
        self._dirty = False
        try:
            await self._store.save(TABLE, {_BOARD: msgspec.msgpack.encode(kept)})
        except StoreError:
            self._dirty = True

    async def close(self) -> None:
        """Write down where things stand, and let go."""
        await self.save()
        await self.post.close()


def _kept(rows: Mapping[str, bytes]) -> _Kept | None:
    if _BOARD in rows:
        with contextlib.suppress(*_DAMAGED):
            return msgspec.msgpack.decode(rows[_BOARD], type=_Kept)
    return None


def _joined(new: Board, old: Board) -> Board:
    """Return what was kept, and what was found since."""
    return Board({**old.alerts, **new.alerts}, {**old.silences, **new.silences})
