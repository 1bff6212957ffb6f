"""The alert loop: looks, tells, waits for nobody, and goes on after a restart where it was."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from lbd.loops.alerts import EVERY, LONGEST, TABLE, Alerts
from lbd.model.alert import AlertsSpec, Kind, Receiver, Rule, plans
from lbd.model.secret import Secret
from lbd.observe.alerting import RowSight, Sight
from lbd.state.alerts import KEPT, Phase
from lbd.store.memory import MemoryStore
from tests.fakes.virtual import VirtualEnv, run
from tests.unit.loops.test_persist import Moody

ID = "error_rate:a/m"
HOOK = Receiver("webhook", Kind.WEBHOOK, Secret("http://h/hook"))
AM = Receiver("alertmanager", Kind.ALERTMANAGER, Secret("http://am/api/v2/alerts"))
BAD = Sight(rows=[RowSight("a/m", True, 0.5, 40, None, 0, 1.5, 1.0)])
WELL = Sight(rows=[RowSight("a/m", True, 0.0, 40, None, 0, 1.5, 1.0)])


class Eyes:
    """Sees what it is told."""

    def __init__(self) -> None:
        self.sees = WELL

    def sight(self, now: float, wall: float) -> Sight:
        return self.sees

    async def seen(self, env: VirtualEnv) -> Sight:
        return self.sees


class Mail:
    """Takes everything, or says why not, or does not come back."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.tries: list[float] = []
        self.error: str | None = None
        self.stuck: asyncio.Event | None = None
        self.closed = False

    async def __call__(self, url: Secret, body: bytes) -> str | None:
        self.tries.append(asyncio.get_running_loop().time())
        if self.stuck is not None:
            await self.stuck.wait()
        if self.error is None:
            self.taken.append((url.reveal(), json.loads(body)))
        return self.error

    async def close(self) -> None:
        self.closed = True

    def states(self, url: str = "http://h/hook") -> list[tuple[str, str]]:
        """Return what the webhook heard, in order."""
        return [(a["id"], a["state"]) for to, body in self.taken if to == url for a in body["alerts"]]


class Made:
    """The loop over fakes."""

    def __init__(self, env: VirtualEnv, *receivers: Receiver, store: MemoryStore | None = None, **more: Any) -> None:
        self.env, self.eyes, self.mail = env, Eyes(), Mail()
        self.store = MemoryStore() if store is None else store
        self.events: list[dict[str, Any]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.alerts = Alerts(env, self.eyes, self.store, self.mail, self._emit, self._spawn)  # type: ignore[arg-type]
        self.alerts.configure(AlertsSpec(receivers=receivers, **more))

    def _emit(self, kind: str, subject: str, reason: str, **more: Any) -> None:
        self.events.append({"kind": kind, "subject": subject, "reason": reason, **more})

    def _spawn(self, _name: str, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def runs(self, seconds: float, sees: Sight | None = None) -> None:
        """Let the loop run."""
        if sees is not None:
            self.eyes.sees = sees
        task = asyncio.ensure_future(self.alerts.run())
        await self.env.sleep(seconds)
        task.cancel()

    @property
    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]


def test_a_begin_and_an_end_are_told_with_their_numbers() -> None:
    """To the receiver once, and to the timeline with evidence."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, HOOK)
        await made.runs(60, BAD)
        assert not made.mail.taken and made.alerts.listed()[0].state == "pending"
        await made.runs(600)
        assert made.mail.states() == [(ID, "firing")] and made.kinds == ["alert_firing"]
        (told,) = made.mail.taken[0][1]["alerts"]
        assert (told["value"], told["limit"], told["rule"], told["subject"]) == (0.5, 0.02, "error_rate", "a/m")
        assert told["text"] == "a/m: 50 % of 40 attempts failed in 5 min, limit 2 %"
        assert "lbd ctl drain a/m" in told["remedy"]
        event = made.events[0]
        assert (event["subject"], event["reason"], event["level"]) == ("a/m", "error_rate", "warning")
        assert (event["evidence"]["value"], event["evidence"]["limit"]) == (0.5, 0.02)
        await made.runs(200, WELL)
        assert made.mail.states() == [(ID, "firing"), (ID, "resolved")]
        assert made.kinds == ["alert_firing", "alert_resolved"] and made.events[1]["level"] == "info"
        await made.runs(KEPT + EVERY)
        assert not made.alerts.listed()

    run(main)


def test_what_goes_on_is_told_again_now_and_then() -> None:
    """Every ``repeat_s``; an Alertmanager every minute, as long as it fires, with an end that lies ahead."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, HOOK, AM, repeat_s=600.0)
        await made.runs(70 + 1800, BAD)
        assert made.mail.states() == [(ID, "firing")] * 4
        sent = [body[0] for to, body in made.mail.taken if "am" in to]
        assert 29 <= len(sent) <= 31
        assert all(one["labels"]["alertname"] == "LbdErrorRate" for one in sent)
        assert len({one["startsAt"] for one in sent}) == 1 and len({one["endsAt"] for one in sent}) == len(sent)
        await made.runs(300, WELL)
        last = [body[0] for to, body in made.mail.taken if "am" in to][-1]
        assert last["endsAt"] == made.alerts.listed()[0].changed

    run(main)


def test_a_receiver_that_takes_nothing_is_tried_again_and_said_once() -> None:
    """With longer and longer waits; then it hears how things stand."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, HOOK)
        made.mail.error = "HTTP 500"
        await made.runs(700, BAD)
        assert made.kinds == ["alert_firing", "alerts_unsent"]
        assert made.events[1]["evidence"] == {"error": "HTTP 500", "alerts": [ID]}
        gaps = [b - a for a, b in zip(made.mail.tries, made.mail.tries[1:], strict=False)]
        assert gaps == sorted(gaps) and gaps[0] == EVERY and gaps[-1] == LONGEST
        assert made.alerts.document()["receivers"][0]["error"] == "HTTP 500"
        made.mail.error = None
        await made.runs(LONGEST + EVERY)
        assert made.mail.states() == [(ID, "firing")] and made.kinds[-1] == "alerts_sent"
        assert made.alerts.document()["receivers"][0] == {
            "name": "webhook",
            "kind": "webhook",
            "sent": 1,
            "failed": len(made.mail.tries) - 1,
            "error": None,
        }

    run(main)


def test_an_end_that_cannot_be_told_is_tried_for_a_quarter_of_an_hour() -> None:
    """Not for ever: nothing grows."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, HOOK)
        await made.runs(100, BAD)
        made.mail.error = "refused"
        await made.runs(120 + KEPT, WELL)
        tries = len(made.mail.tries)
        assert tries > 10
        await made.runs(3600)
        assert len(made.mail.tries) <= tries + 1 and made.alerts.outboxes["webhook"].told.keys() <= {ID}

    run(main)


def test_a_receiver_that_hangs_holds_nobody_up() -> None:
    """Neither the other one nor the next look; one message to it is under way."""

    async def main(env: VirtualEnv) -> None:
        slow, quick = Mail(), Mail()
        slow.stuck = asyncio.Event()

        class Both(Mail):
            async def __call__(self, url: Secret, body: bytes) -> str | None:
                return await (slow if "hook" in url.reveal() else quick)(url, body)

        made = Made(env, HOOK, AM)
        made.alerts.post = Both()
        await made.runs(600, BAD)
        assert len(slow.tries) == 1 and len(quick.taken) >= 8
        await made.runs(200, WELL)
        assert made.kinds == ["alert_firing", "alert_resolved"]
        slow.stuck.set()
        await made.runs(10)
        assert slow.states() == [(ID, "firing"), (ID, "resolved")]

    run(main)


def test_what_is_silenced_is_told_to_nobody_until_that_is_over() -> None:
    """It still stands in the list; who and why too."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, HOOK)
        made.alerts.look()
        assert made.alerts.knows(ID) and not made.alerts.knows("error_rate:b/m")
        made.alerts.silence(ID, 600.0, by="me", reason="moving house")
        await made.runs(300, BAD)
        assert not made.mail.taken and made.kinds == ["alert_silenced", "alert_firing"]
        assert made.events[1]["evidence"]["silenced"] is True
        (shown,) = made.alerts.listed()
        assert (shown.state, shown.silenced_by, shown.silence_reason) == ("firing", "me", "moving house")
        assert made.alerts.document()["silences"][0]["until"] == shown.silenced_until
        await made.runs(310)
        assert made.mail.states() == [(ID, "firing")] and not made.alerts.document()["silences"]
        made.alerts.silence(ID, 600.0, by="me", reason="")
        made.alerts.silence(ID, 0.0, by="you", reason="")
        assert made.kinds[-1] == "alert_unsilenced" and made.events[-1]["by"] == "you"

    run(main)


def test_a_restart_begins_nothing_anew() -> None:
    """What fired fires on, told before and not again; a silence keeps its end; the clock of the run is another."""
    store = MemoryStore()
    at: list[float] = []

    async def before(env: VirtualEnv) -> None:
        made = Made(env, HOOK, store=store)
        await made.runs(100, BAD)
        made.alerts.silence("error_rate:b/m", 7200.0, by="me", reason="")
        await made.alerts.close()
        assert made.mail.closed and made.mail.states() == [(ID, "firing")]
        at.extend([made.alerts.board.alerts[ID].since - env.now(), env.now(), env.wall()])

    async def after(env: VirtualEnv) -> None:
        env._loop._virtual += 50_000.0  # type: ignore[attr-defined]  # the host was started again
        wall = env.wall
        env.wall = lambda: at[2] + 30.0 + wall() - first  # type: ignore[method-assign]
        first = wall()
        made = Made(env, HOOK, store=store)
        await made.alerts.restore()
        alert = made.alerts.board.alerts[ID]
        assert alert.phase is Phase.FIRING and abs(alert.since - env.now() - (at[0] - 30.0)) < 1e-6
        assert abs(made.alerts.board.silences["error_rate:b/m"].until - env.now() - 7170.0) < 1e-6
        await made.runs(100, BAD)
        assert not made.mail.taken and not made.events
        await made.runs(200, WELL)
        assert made.mail.states() == [(ID, "resolved")]

    run(before)
    run(after)


def test_a_store_that_fails_stops_no_alert() -> None:
    """It is tried again; what it had kept is taken up once it says so, and what is damaged is left out."""

    async def main(env: VirtualEnv) -> None:
        store = Moody()
        store.error = "disk full"
        made = Made(env, HOOK, store=store)
        await made.alerts.restore()
        await made.runs(200, BAD)
        assert made.mail.states() == [(ID, "firing")] and store.saves == 0
        store.error = None
        await made.runs(200, WELL)
        assert TABLE in store._tables
        await store.save(TABLE, {"board": b"\xc1junk"})
        again = Made(env, HOOK, store=store)
        await again.alerts.restore()
        assert not again.alerts.board.alerts

    run(main)


def test_a_reload_keeps_what_a_receiver_knows_unless_it_is_another() -> None:
    """Another URL is somebody else."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, HOOK)
        await made.runs(100, BAD)
        made.alerts.configure(AlertsSpec(receivers=(HOOK,), error_rate=0.03))
        await made.runs(100)
        assert len(made.mail.taken) == 1
        made.alerts.configure(AlertsSpec(receivers=(Receiver("webhook", Kind.WEBHOOK, Secret("http://h/other")),)))
        await made.runs(100)
        assert [to for to, _ in made.mail.taken] == ["http://h/hook", "http://h/other"]

    run(main)


def test_rules_in_use_are_counted_and_listed() -> None:
    """For the metrics page, zeroes too."""

    async def main(env: VirtualEnv) -> None:
        rules = {rule: plan for rule, plan in plans(0.0, 60.0).items() if rule is not Rule.PROBE_STALE}
        made = Made(env, rules=rules)
        await made.runs(11, BAD)
        counts = made.alerts.counts()
        assert counts[Rule.ERROR_RATE, Phase.FIRING] == 1 and counts[Rule.TIER_DOWN, Phase.PENDING] == 0
        assert (Rule.PROBE_STALE, Phase.FIRING) not in counts
        listed = {r["rule"] for r in made.alerts.document()["rules"]}
        assert listed == {str(rule) for rule in rules}

    run(main)
