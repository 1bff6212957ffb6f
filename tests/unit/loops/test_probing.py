"""Probing in virtual time: when which provider is asked what, and what it may cost."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lbd.loops import probing as module
from lbd.loops.probing import IDLE_AFTER, KICK_GAP, PAID_EVERY, ProbeSettings, Probing
from lbd.model.failure import FailureKind
from lbd.model.outcome import Load, ProbeResult, Usage, Verdict
from lbd.model.provider import BudgetSpec, DeploymentSpec, Price, ProviderSpec
from lbd.model.table import AdminState, HealthState
from lbd.ports import Endpoint, Receiver
from lbd.state import spend
from lbd.state.breaker import Phase
from lbd.state.evidence import observe
from lbd.state.row import Lock
from lbd.state.spend import ProbeSpend
from lbd.table.owner import Owner
from lbd.table.purses import Purses
from lbd.upstream import line as lines
from probes import PROBES, Kind
from tests.fakes import tables
from tests.fakes.harness import Sim, provider
from tests.fakes.targets import Play, Scripted, shape
from tests.fakes.virtual import EPOCH, START, VirtualEnv, run
from tests.fakes.world import SimHost, World

KINDS = tuple(PROBES.load().values())
USD = 1_000_000_000
LIST = b'{"object": "list", "data": [{"id": "m"}]}'
DONE = (
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],'
    b' "usage": {"prompt_tokens": 20, "completion_tokens": 4}}'
)
STREAM = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": null}]}\n\n',
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 4}}\n\ndata: [DONE]\n\n',
)
PROBE_COST = 20 * 1000 + 4 * 2000  # nano-USD, at one and two dollars per million tokens


class Bench:
    """The loops of some providers before one scripted server, without the rest of the daemon."""

    def __init__(
        self,
        env: VirtualEnv,
        rows: Sequence[DeploymentSpec | str] = ("p/a",),
        *,
        shape_name: str = "openai",
        settings: ProbeSettings | None = None,
        providers: Sequence[ProviderSpec] | None = None,
    ) -> None:
        self.env = env
        self.paid: Callable[[bool], Play] = lambda stream: Play(chunks=STREAM if stream else (DONE,))
        self.free: Callable[[str], Play] = lambda _path: Play(chunks=(LIST,))
        self.transport = Scripted(env, self._script)
        self.owner = Owner(env)
        specs = [tables.deployment(r) if isinstance(r, str) else r for r in rows]
        names = dict.fromkeys(s.provider for s in specs)
        self.providers = list(providers or [tables.provider(n, shape=shape_name) for n in names])
        tables.configure(self.owner, *specs, providers=self.providers)
        kinds = settings or ProbeSettings(KINDS, budget=USD // 2)
        self.probing = Probing(env, self.owner, kinds, ProbeSpend())
        self.owner.suspected = self.probing.kick
        by_name = {p.name: p for p in self.providers}
        self.probing.lines = {
            s.id: lines.build(s, by_name[s.provider], shape(shape_name), self.transport) for s in specs
        }
        self.shape = shape(shape_name)
        self.tasks: list[asyncio.Task[None]] = []
        self.asked: list[tuple[float, str, str]] = []  # when, method, path

    def _script(self, endpoint: Endpoint, body: bytes) -> Play:
        self.asked.append((self.env.now() - START, endpoint.method, endpoint.path))
        if endpoint.method == "POST":
            return self.paid(b'"stream":true' in body.replace(b" ", b""))
        return self.free(endpoint.path)

    def start(self) -> None:
        for p in self.providers:
            loop = self.probing.loop(p, self.shape, self.transport)
            self.tasks.append(asyncio.get_running_loop().create_task(loop()))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert not [t for t in self.tasks if not t.cancelled()], "a loop ended by itself"

    async def over(self, seconds: float) -> list[tuple[float, str, str]]:
        """Run so long and return what was asked."""
        if not self.tasks:
            self.start()
        begin = len(self.asked)
        await self.env.sleep(seconds)
        return self.asked[begin:]

    @property
    def posts(self) -> list[float]:
        return [at for at, method, _ in self.asked if method == "POST"]

    @property
    def spent(self) -> int:
        return self.probing.spend.total


def bench(main: Callable[[Bench], Any], *rows: DeploymentSpec | str, seed: int = 1, **more: Any) -> None:
    """Run ``main`` with a bench."""

    async def whole(env: VirtualEnv) -> None:
        made = Bench(env, rows or ("p/a",), **more)
        await main(made)
        await made.stop()

    run(whole, seed)


def gaps(times: Sequence[float]) -> list[float]:
    """Return the times between neighbours."""
    return [b - a for a, b in itertools.pairwise(times)]


def use(b: Bench, i: int = 0, outcome: Any = None) -> None:
    """Let a request end at row ``i``."""
    lease = b.owner.lease(i, b.env.now())
    assert not isinstance(lease, str), lease
    lease.settle(outcome or tables.good())


# --- rounds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_free_rounds_come_every_15_to_30_seconds_with_jitter(seed: int) -> None:
    """20 s, a fifth more or less, no two alike; the model list goes out once a round."""

    async def main(b: Bench) -> None:
        asked = await b.over(3600)
        between = gaps([at for at, _, path in asked if path == "/v1/models"])
        assert len(between) > 100
        assert all(15.9 <= gap <= 24.1 for gap in between), (min(between), max(between))
        assert min(between) < 17.5 and max(between) > 22.5, "no jitter"
        assert sum(between) / len(between) == pytest.approx(20, rel=0.05)

    bench(main, seed=seed)


def test_the_period_is_the_configurations() -> None:
    """every_s and jitter are taken, a new configuration's with the next round."""

    async def main(b: Bench) -> None:
        b.probing.settings = ProbeSettings(KINDS, every_s=60.0, jitter=0.0)
        await b.over(600)
        assert gaps([at for at, _, _ in b.asked]) == pytest.approx([60.0] * 9)
        b.probing.settings = ProbeSettings(KINDS, every_s=15.0, jitter=0.0)
        await b.over(60)
        asked = await b.over(150)
        assert gaps([at for at, _, _ in asked]) == pytest.approx([15.0] * (len(asked) - 1))

    bench(main)


def test_a_server_that_answers_slowly_is_asked_as_often_as_others() -> None:
    """The period runs from start to start: 5 s for each of three paths would make 35 s of 20."""

    async def main(b: Bench) -> None:
        b.free = lambda path: Play(chunks=(LIST,), after_s=0.5) if path == "/health" else Play(hang="head")
        await b.over(1200)
        between = gaps([at for at, _, path in b.asked if path == "/health"])
        assert max(between) <= 30, between
        assert b.owner.rows[0].state is HealthState.UP

    bench(main, shape_name="llamacpp")


def test_the_same_path_is_asked_once_in_a_round_whoever_asks() -> None:
    """Liveness, models and quota read one answer; a server with four paths gets four requests."""

    async def main(b: Bench) -> None:
        b.free = lambda path: Play(chunks=(b"llamacpp:requests_processing 0\n" if path == "/metrics" else LIST,))
        asked = await b.over(15)
        assert sorted(path for _, _, path in asked) == ["/health", "/metrics", "/props", "/v1/models"]

    async def hosted(b: Bench) -> None:
        asked = await b.over(15)
        assert [path for _, _, path in asked] == ["/v1/models"]
        assert set(b.owner.rows[0].probes) == {"liveness", "models"}

    bench(main, shape_name="llamacpp")
    bench(hosted)


class Watched(World):
    """A world that notes when free probes begin, and that none of a host begins before the last one is over."""

    def watch(self) -> None:
        self.rounds: dict[str, list[float]] = {}
        self._running: dict[str, list[Any]] = {}
        self.together = 0

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: float) -> Any:
        host = self.by_port[endpoint.origin.port].name
        if endpoint.method == "GET":
            alive = [job for job in self._running.get(host, ()) if not job.over]
            self.together += bool(alive)
            if endpoint.path in ("/health", "/v1/models"):
                self.rounds.setdefault(host, []).append(self.env.now())
        job = await super().open(endpoint, body, receiver, by=by)
        if endpoint.method == "GET":
            self._running.setdefault(host, []).append(job)
        return job


def watched(sim: Sim) -> Watched:
    """Watch a simulation's world."""
    sim.world.__class__ = Watched
    world = sim.world
    assert isinstance(world, Watched)
    world.watch()
    return world


def test_rounds_go_on_under_traffic_and_never_two_at_once() -> None:
    """Free probes cost nothing, so traffic is no reason to leave them out; kicks do not make them overlap."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.2) for n in "ab"]
        for host in hosts:
            host.weather.status, host.weather.status_share = 500, 0.02  # each failure kicks
        config = {"providers": [provider(h, tier=t) for h, t in zip(hosts, ("primary", "secondary"), strict=True)]}
        sim = Sim(env, hosts, config)
        world = watched(sim)
        async with sim:
            await sim.traffic(5, 600)
            for name in "ab":
                between = gaps(world.rounds[name])
                assert max(between) <= 30.0, (name, max(between))
                assert min(between) >= KICK_GAP - 1e-9, (name, min(between))
            assert not world.together, "two free probes of one provider at once"
            assert not sum(h.paid_probes for h in hosts), "generation probes under load"

    run(main)


def test_providers_do_not_wait_for_one_another() -> None:
    """A silent one takes nobody's turn."""

    async def main(b: Bench) -> None:
        b.free = lambda _path: Play(chunks=(LIST,))
        script = b.transport.script
        b.transport.script = lambda e, body: Play(hang="connect") if e.origin.host == "p.test" else script(e, body)
        b.start()
        await b.env.sleep(600)
        times = [at for at, _, path in b.asked if path == "/v1/models"]
        assert max(gaps(times)) <= 24.1
        assert [str(r.state) for r in b.owner.rows] == ["down", "up"]

    bench(main, "p/a", "q/a")


# --- what a round finds ----------------------------------------------------------------------------------


def test_one_lost_probe_makes_suspect_and_three_make_down() -> None:
    """The probe and two re-probes a second apart; not before."""

    async def main(b: Bench) -> None:
        await b.over(1)
        row = b.owner.rows[0]
        assert row.state is HealthState.UP
        lost: list[float] = []
        b.free = lambda _path: Play(fails=FailureKind.CONNECT)
        states = []
        for _ in range(400):
            await b.env.sleep(0.1)
            lost = [at for at, _, _ in b.asked if at > 1]
            states.append((len(lost), str(row.state)))
        first = next(i for i, (n, _) in enumerate(states) if n == 1)
        assert states[first][1] == "suspect"
        assert {s for n, s in states if n in (1, 2)} == {"suspect"}
        assert {s for n, s in states if n >= 3} == {"down"}
        assert gaps(lost[:3]) == pytest.approx([1.0, 1.0], abs=0.01)

    bench(main)


def test_one_lost_probe_and_an_answer_to_the_next_is_forgiven() -> None:
    """A hiccup costs a second of suspicion."""

    async def main(b: Bench) -> None:
        await b.over(1)
        row = b.owner.rows[0]
        for _ in range(10):
            fails = iter([True, False])
            b.free = lambda _path, fails=fails: (
                Play(fails=FailureKind.RESET) if next(fails, False) else Play(chunks=(LIST,))
            )
            await b.over(25)
            assert row.state is HealthState.UP
            assert row.probes_lost == 0
        assert row.breaker.opened_total == 0

    bench(main)


def test_a_saturated_server_is_busy_and_never_down() -> None:
    """All slots taken and a queue, by somebody else, for an hour: alive. Nor is it asked to do more."""

    async def main(b: Bench) -> None:
        pages = {
            "/metrics": b"llamacpp:requests_processing 2\nllamacpp:requests_deferred 40\n",
            "/props": b'{"total_slots": 2}',
        }
        b.free = lambda path: Play(chunks=(pages.get(path, LIST),))
        b.paid = lambda _stream: Play(hang="head")
        row = b.owner.rows[0]
        for _ in range(720):
            await b.over(5)
            assert row.state is HealthState.UP
        assert row.reason.code == "busy"
        assert row.foreign == Load(2, 40, 2, 42)
        assert row.breaker.opened_total == 0
        assert b.posts == [], "a full server was asked for a completion"

    bench(main, shape_name="llamacpp")


def test_an_open_row_on_a_full_server_is_asked_once_there_is_room() -> None:
    """Silence of a full queue would prove nothing."""

    async def main(b: Bench) -> None:
        load = [2]
        b.free = lambda path: Play(
            chunks=(b"llamacpp:requests_processing %d\n" % load[0] if path == "/metrics" else b'{"total_slots": 2}',)
        )
        b.start()
        await b.env.sleep(1)
        for _ in range(3):
            use(b, outcome=tables.bad(FailureKind.SERVER))
        await b.env.sleep(120)
        assert b.posts == []
        assert b.owner.rows[0].breaker.phase is Phase.OPEN
        load[0] = 1
        await b.env.sleep(60)
        assert b.posts
        assert b.owner.rows[0].breaker.phase is Phase.CLOSED

    bench(main, shape_name="llamacpp")


def test_a_wrong_key_is_found_though_liveness_says_200() -> None:
    """Locked within one round of its going bad, told to every row of the provider, and free again by itself."""

    async def main(b: Bench) -> None:
        wrong = Play(401, {}, (b'{"error": {"message": "wrong key", "code": "invalid_api_key"}}',))
        bad = [False]
        b.free = lambda path: wrong if bad[0] and path == "/v1/models" else Play(chunks=(LIST,))
        await b.over(30)
        assert {str(r.state) for r in b.owner.rows} == {"up"}
        bad[0] = True
        await b.over(25)
        assert {str(r.state) for r in b.owner.rows} == {"locked"}
        assert {r.reason.code for r in b.owner.rows} == {"locked_auth"}
        assert all(r.probes["liveness"].verdict is Verdict.UP for r in b.owner.rows)
        await b.over(1200)
        assert b.posts == [], "a provider that refuses the key was asked for a completion"
        bad[0] = False
        await b.over(25)
        assert {str(r.state) for r in b.owner.rows} == {"up"}

    bench(main, "p/a", "p/b", shape_name="vllm")


@pytest.mark.parametrize("kind", [FailureKind.CONNECT, FailureKind.TLS, FailureKind.LOADING])
def test_a_breaker_that_connecting_opened_is_left_by_liveness(kind: FailureKind) -> None:
    """Any answer proves that connections work."""

    async def main(b: Bench) -> None:
        b.probing.settings = ProbeSettings(KINDS, paid=False)
        b.start()
        await b.env.sleep(1)
        for _ in range(3):
            use(b, outcome=tables.bad(kind))
        assert b.owner.rows[0].breaker.phase is Phase.OPEN
        await b.env.sleep(20)
        assert b.owner.rows[0].breaker.phase is Phase.HALF_OPEN

    bench(main)


@pytest.mark.parametrize("kind", [FailureKind.SERVER, FailureKind.BROKEN_STREAM, FailureKind.BAD_BODY])
def test_a_breaker_that_completions_opened_is_left_by_a_completion_only(kind: FailureKind) -> None:
    """A 200 of the model list says nothing of completions, however often it is heard."""

    async def main(b: Bench) -> None:
        b.paid = lambda _stream: Play(500, {}, (b"{}",))
        b.start()
        await b.env.sleep(1)
        for _ in range(3):
            use(b, outcome=tables.bad(kind))
        row = b.owner.rows[0]
        await b.env.sleep(600)
        assert row.breaker.phase is Phase.OPEN
        assert row.probes["liveness"].verdict is Verdict.UP
        asked = len(b.posts)
        assert asked > 20
        b.paid = lambda _stream: Play(chunks=(DONE,))
        while row.breaker.phase is not Phase.CLOSED:
            await b.env.sleep(1)
            assert b.env.now() - START < 601 + 60
        assert len(b.posts) - asked == 3, "as many as there are trials"

    bench(main)


def test_without_paid_probes_such_a_breaker_waits_for_a_trial() -> None:
    """completion: never means never."""

    async def main(b: Bench) -> None:
        b.probing.settings = ProbeSettings(KINDS, paid=False)
        b.start()
        await b.env.sleep(1)
        for _ in range(3):
            use(b, outcome=tables.bad(FailureKind.SERVER))
        await b.env.sleep(3600)
        assert b.owner.rows[0].breaker.phase is Phase.OPEN
        assert b.posts == []

    bench(main)


# --- kicks -----------------------------------------------------------------------------------------------


def test_a_kick_asks_at_once() -> None:
    """Whoever meets trouble need not wait for the round."""

    async def main(b: Bench) -> None:
        await b.over(10)
        before = len(b.asked)
        b.probing.kick("p")
        b.probing.kick("nobody")
        await b.env.sleep(0.1)
        assert len(b.asked) == before + 1
        assert b.asked[-1][0] == pytest.approx(10.0, abs=0.01)

    bench(main)


def test_rounds_never_start_within_the_kick_gap() -> None:
    """A thousand failures a second make one round a second."""

    async def main(b: Bench) -> None:
        b.start()
        for _ in range(30_000):
            b.probing.kick("p")
            await b.env.sleep(0.001)
        times = [at for at, _, _ in b.asked]
        assert 25 <= len(times) <= 32
        assert min(gaps(times)) >= KICK_GAP - 1e-9

    bench(main)


def test_a_kick_during_a_round_is_not_lost() -> None:
    """Another round follows."""

    async def main(b: Bench) -> None:
        b.free = lambda _path: Play(chunks=(LIST,), after_s=3.0)
        b.start()
        await b.env.sleep(1)
        b.probing.kick("p")
        await b.env.sleep(2.5)
        assert [round(at) for at, _, _ in b.asked] == [0, 3]

    bench(main)


def test_a_kicked_probe_has_a_seconds_patience() -> None:
    """Whoever called for it waits: silent for a second is silent."""

    async def main(b: Bench) -> None:
        await b.over(5)
        b.free = lambda _path: Play(hang="head")
        b.probing.kick("p")
        await b.env.sleep(0.95)
        assert b.owner.rows[0].state is HealthState.UP
        await b.env.sleep(0.1)
        assert b.owner.rows[0].state is HealthState.SUSPECT

    bench(main)


def test_a_failure_that_counts_kicks_by_itself() -> None:
    """The owner says whom it suspects."""

    async def main(b: Bench) -> None:
        await b.over(5)
        before = len(b.asked)
        use(b, outcome=tables.bad(FailureKind.CONNECT))
        await b.env.sleep(0.1)
        assert len(b.asked) > before
        assert b.owner.rows[0].state is HealthState.UP, "the answer cleared it"

    bench(main)


def test_a_loop_that_is_stopped_leaves_nothing_behind() -> None:
    """No timer, no kick for the loop that takes its place."""

    async def main(b: Bench) -> None:
        b.probing.settings = ProbeSettings(KINDS, jitter=0.0)
        await b.over(5)
        await b.stop()
        b.tasks.clear()
        b.probing.kick("p")
        b.start()
        await b.env.sleep(18)  # past the old loop's next round, not yet at the new one's
        assert [round(at) for at, _, _ in b.asked] == [0, 5]
        await b.env.sleep(3)
        assert [round(at) for at, _, _ in b.asked] == [0, 5, 25]

    bench(main)


# --- rows in trouble -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["refuse", "freeze", "completions fail"])
@pytest.mark.parametrize("every", [15.0, 20.0, 60.0])
def test_a_row_in_trouble_is_asked_at_most_15_seconds_apart(how: str, every: float) -> None:
    """However long it has been open, and whatever the period."""

    async def main(b: Bench) -> None:
        b.probing.settings = ProbeSettings(KINDS, every_s=every, timeout_s=5.0)
        b.paid = lambda _stream: Play(500, {}, (b"{}",))
        b.start()
        await b.env.sleep(1)
        if how == "refuse":
            b.free = lambda _path: Play(fails=FailureKind.CONNECT)
        elif how == "freeze":
            b.free = lambda _path: Play(hang="head")
        for _ in range(3):
            use(b, outcome=tables.bad(FailureKind.SERVER))
        await b.env.sleep(3600)
        free = [at for at, method, _ in b.asked if method == "GET" and at > 1]
        assert max(gaps(free)) <= 15.0 + 1e-6
        assert b.owner.rows[0].state is HealthState.DOWN

    bench(main)


def test_a_suspect_row_is_asked_every_few_seconds() -> None:
    """It is out of first choice until the next sign."""

    async def main(b: Bench) -> None:
        b.paid = lambda _stream: Play(429, {}, (b"{}",))
        b.start()
        await b.env.sleep(1)
        b.owner.rows[0].suspect = FailureKind.TIMEOUT_FIRST
        b.free = lambda _path: Play(429, {}, (b"{}",))  # neither up nor down
        b.probing.kick("p")
        await b.env.sleep(60)
        assert max(gaps([at for at, m, _ in b.asked if at > 1 and m == "GET"])) <= 5.01

    bench(main)


def test_a_request_that_is_in_doubt_calls_for_a_completion_though_the_row_is_alive() -> None:
    """Whose fault it is only that tells; it is asked once, and comes out well."""

    async def main(b: Bench) -> None:
        b.start()
        await b.env.sleep(1)
        before = len(b.posts)
        for _ in range(2):
            observe(b.owner.rows[0], tables.bad(FailureKind.SERVER, asked=b"x"), b.env.now())
            await b.env.sleep(0.2)
        b.probing.kick("p")
        await b.env.sleep(3)
        assert len(b.posts) == before + 1
        assert b.owner.rows[0].breaker.fails == 0 and not b.owner.rows[0].repeats.held

    bench(main)


def test_maintenance_stops_every_probe() -> None:
    """Free and paid, from the next round on, until it is taken back."""

    async def main(b: Bench) -> None:
        await b.over(60)
        for row in b.owner.rows:
            b.owner.order(row, AdminState.MAINT, by="me", reason="disk")
        await b.over(30)
        assert await b.over(3600) == []
        b.probing.kick("p")
        assert await b.over(60) == []
        b.owner.order(b.owner.rows[0], AdminState.READY, by="me", reason="done")
        assert len(await b.over(60)) >= 2

    bench(main, "p/a", "p/b")


def test_a_drained_row_that_failed_is_brought_back_by_probes() -> None:
    """No request will do it, and it must be well when it is let in again."""

    async def main(b: Bench) -> None:
        for _ in range(3):
            use(b, outcome=tables.bad(FailureKind.SERVER))
        assert b.owner.rows[0].breaker.phase is Phase.OPEN
        b.owner.order(b.owner.rows[0], AdminState.DRAIN, by="me", reason="")
        await b.over(120)
        assert b.owner.rows[0].breaker.phase is Phase.CLOSED

    bench(main)


def test_a_draining_row_that_is_well_is_still_asked_for_free_but_not_for_money() -> None:
    """It may come back at any time, and nobody waits for it."""

    async def main(b: Bench) -> None:
        b.owner.order(b.owner.rows[0], AdminState.DRAIN, by="me", reason="")
        await b.over(7200)
        assert len(b.asked) > 300
        assert b.posts == []

    bench(main)


# --- money -----------------------------------------------------------------------------------------------


def priced(name: str, usd: float = 1.0, **more: Any) -> DeploymentSpec:
    """Return a deployment with a price: so many dollars per million tokens in, twice as many out."""
    return tables.deployment(name, price=Price(usd, 2 * usd), **more)


@pytest.mark.parametrize("providers", [4, 20])
def test_providers_with_free_endpoints_and_some_traffic_cost_nothing_in_a_day(providers: int) -> None:
    """The ladder: traffic, then free endpoints; money only where both say nothing. 2,880 rounds of each."""

    async def main(env: VirtualEnv) -> None:
        names = [f"p{i}" for i in range(providers)]
        specs = [priced(f"{n}/m", 60.0) for n in names]
        b = Bench(env, specs)
        b.transport = Instant(env, b)  # type: ignore[assignment]
        b.probing.lines = {
            s.id: lines.build(s, p, b.shape, b.transport) for s, p in zip(specs, b.providers, strict=True)
        }
        b.start()
        for _ in range(24 * 12):
            await env.sleep(300)
            for i in range(providers):
                use(b, i)
        await b.stop()
        assert b.spent == 0
        assert b.transport.gets >= providers * 86400 / 30
        assert {str(r.state) for r in b.owner.rows} == {"up"}

    run(main)


class Instant:
    """A transport whose answers cost a test nothing but a call."""

    def __init__(self, env: VirtualEnv, b: Bench) -> None:
        self.env, self.gets = env, 0
        b.probing.settings = ProbeSettings(KINDS, every_s=30.0, jitter=0.0, budget=USD // 2)

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: float) -> Instant:
        assert endpoint.method == "GET", "a completion was asked for"
        self.gets += 1
        receiver.head(200, {})
        receiver.data(LIST)
        receiver.end()
        return self

    def cancel(self) -> None:
        pass


def test_an_idle_row_is_asked_every_ten_minutes_and_a_used_one_never() -> None:
    """Without traffic for 600 s: one streamed completion each 600 s."""

    async def main(b: Bench) -> None:
        b.start()
        for _ in range(720):
            await b.env.sleep(10)
            use(b, 1)
        idle = b.posts
        assert idle[0] >= IDLE_AFTER
        assert all(600 <= gap <= 625 for gap in gaps(idle))
        assert 10 <= len(idle) <= 12
        assert {e.path for e, body in b.transport.sent if e.method == "POST"} == {"/v1/chat/completions"}
        assert b.owner.rows[0].probes["stream"].verdict is Verdict.UP
        assert "stream" not in b.owner.rows[1].probes
        assert b.spent == len(idle) * PROBE_COST

    # late in the day there is enough of the idle rows' share
    bench(main, priced("p/a"), priced("p/b"))


def test_a_row_in_trouble_is_asked_no_oftener_than_every_ten_seconds() -> None:
    """And a healthy neighbour at the same provider not at all."""

    async def main(b: Bench) -> None:
        b.paid = lambda _stream: Play(500, {}, (b"{}",))
        b.start()
        await b.env.sleep(1)
        for _ in range(3):
            use(b, 0, tables.bad(FailureKind.SERVER))
        for _ in range(60):
            await b.env.sleep(5)
            use(b, 1)
        assert len(b.posts) > 10
        assert min(gaps(b.posts)) >= PAID_EVERY
        assert "completion" in b.owner.rows[0].probes and "completion" not in b.owner.rows[1].probes

    bench(main, priced("p/a"), priced("p/b"))


def test_a_lock_that_has_run_out_is_asked_about_once() -> None:
    """A model that was missing is asked for after its minute: gone again, or up; then there is no more to pay for."""

    async def main(b: Bench) -> None:
        b.free = lambda _path: Play(chunks=(b'{"data": []}',))
        b.paid = lambda _stream: Play(404, {}, (b'{"error": {"code": "model_not_found", "message": "no"}}',))
        b.start()
        await b.env.sleep(1)
        use(b, outcome=tables.bad(FailureKind.NO_MODEL))
        await b.env.sleep(300)
        assert 3 <= len(b.posts) <= 5, "about once a minute"
        b.paid = lambda _stream: Play(chunks=(DONE,))
        before = len(b.posts)
        for _ in range(100):
            await b.env.sleep(10)
            if not b.owner.snapshot.rows[0].refusal:
                use(b)
        assert len(b.posts) == before + 1, "it works, and was paid for over and over"

    bench(main)


def test_a_day_of_idle_rows_stays_within_the_paced_half_of_the_budget() -> None:
    """Refreshing may spend the share of the day that has passed of one half; the rest waits for recovery."""

    async def main(b: Bench) -> None:
        budget = b.probing.settings.budget
        b.env.wall = lambda: EPOCH // 86400 * 86400 + b.env.now() - START  # type: ignore[method-assign]
        b.start()
        for hour in range(24):
            await b.env.sleep(3600)
            share = (hour + 1) / 24
            assert b.spent <= budget * 0.5 * share + 1e-9
        assert b.spent >= budget * 0.4, "the half was there to be used"
        for i in range(3):
            for _ in range(3):
                use(b, i, tables.bad(FailureKind.SERVER))
        b.paid = lambda _stream: Play(chunks=(b"{}",), after_s=0.1)
        before = b.spent
        await b.env.sleep(3 * 60 - 1)
        assert b.spent > before, "nothing was left for recovery"

    # 400 times dearer than is usual: ten idle rows would ask 1,440 times a day and spend 16 USD
    rows = [priced(f"p/m{i}", 400.0) for i in range(10)]
    bench(main, *rows, settings=ProbeSettings(KINDS, budget=USD // 2))


def test_recovery_stops_at_the_days_budget_and_begins_anew_the_next_day() -> None:
    """Never more than the cap, by a single probe."""

    async def main(b: Bench) -> None:
        budget = b.probing.settings.budget
        start = EPOCH // 86400 * 86400
        b.env.wall = lambda: start + b.env.now() - START  # type: ignore[method-assign]
        b.free = lambda _path: Play(429, {}, (b"{}",))  # neither up nor down
        b.start()
        for _ in range(2000):
            await b.env.sleep(10)
            b.owner.rows[0].suspect = FailureKind.TIMEOUT_FIRST
        assert budget - 100 * PROBE_COST < b.spent <= budget
        spent = b.spent
        await b.env.sleep(86400 - 20_000)
        for _ in range(100):
            b.owner.rows[0].suspect = FailureKind.TIMEOUT_FIRST
            await b.env.sleep(10)
        assert b.spent > spent
        assert b.probing.spend.spent == b.spent - spent

    bench(main, priced("p/a", 100.0), settings=ProbeSettings(KINDS, budget=500 * 100 * PROBE_COST + 1))


def test_work_that_nobody_counted_is_booked_at_what_it_usually_costs() -> None:
    """A provider that tells no usage, or is silent, may bill all the same; one that refuses does not."""

    async def main(b: Bench) -> None:
        bare = DONE.partition(b' "usage"')[0].rstrip(b",") + b"}"
        plays = [
            (Play(chunks=(DONE,)), PROBE_COST),
            (Play(chunks=(bare,)), PROBE_COST),
            (Play(hang="head"), PROBE_COST),
            (Play(hang="body", fails=FailureKind.BROKEN_STREAM), PROBE_COST),
            (Play(500, {}, (b"{}",)), 0),
            (Play(401, {}, (b"{}",)), 0),
            (Play(fails=FailureKind.CONNECT), 0),
            (Play(hang="connect"), 0),
            (Play(429, {}, (b"{}",)), 0),
        ]
        b.start()
        for play, price in plays:
            b.owner.reset(b.owner.rows[0], by="me", reason="")
            await b.env.sleep(30)
            spent, asked = b.spent, len(b.posts)
            b.paid = lambda _stream, play=play: play
            b.owner.rows[0].suspect = FailureKind.TIMEOUT_FIRST
            b.free = lambda _path: Play(429, {}, (b"{}",))
            b.probing.kick("p")
            while len(b.posts) == asked:
                await b.env.sleep(0.5)
            await b.env.sleep(8)
            assert b.spent - spent == price * (len(b.posts) - asked), play

    bench(main, priced("p/a"))


def test_many_silent_rows_do_not_keep_the_free_probes_waiting() -> None:
    """Paid probes of one round end in time; those left out come first in the next."""

    async def main(b: Bench) -> None:
        b.paid = lambda _stream: Play(hang="head")
        b.start()
        await b.env.sleep(1)
        for i in range(12):
            for _ in range(3):
                use(b, i, tables.bad(FailureKind.SERVER))
        await b.env.sleep(600)
        free = [at for at, method, _ in b.asked if method == "GET" and at > 1]
        assert max(gaps(free)) <= 30
        asked = {row.spec.id: row.probes["completion"] for row in b.owner.rows}
        assert len(asked) == 12, "every row had its turn"

    bench(main, *(priced(f"p/{c}") for c in "abcdefghijkl"))


def test_an_unpriced_row_may_always_be_asked() -> None:
    """What costs nothing passes at any cap."""

    async def main(b: Bench) -> None:
        await b.over(1300)
        assert len(b.posts) == 2
        assert b.spent == 0

    bench(main, tables.deployment("p/a", price=None), settings=ProbeSettings(KINDS, budget=0))


def test_a_budget_of_nothing_forbids_every_probe_with_a_price() -> None:
    """Recovery too."""

    async def main(b: Bench) -> None:
        await b.over(1300)
        use(b, outcome=tables.bad(FailureKind.BROKEN_STREAM))
        b.owner.rows[0].suspect = FailureKind.RESET
        b.free = lambda _path: Play(429, {}, (b"{}",))
        await b.over(600)
        assert b.posts == []

    bench(main, priced("p/a"), settings=ProbeSettings(KINDS, budget=0))


# --- kinds with a period of their own --------------------------------------------------------------------


def noting(kind: Kind, asked: list[float]) -> Kind:
    """Return a kind that notes when it runs and finds nothing."""

    async def run_(target: Any) -> ProbeResult | None:
        asked.append(target.now() - START)
        return None

    return dataclasses.replace(kind, run=run_)


def test_the_certificate_is_asked_for_hourly_per_provider_and_again_after_a_change() -> None:
    """3,600 s, not every round; a new loop of the provider may mean a new server."""

    async def main(b: Bench) -> None:
        asked: list[float] = []
        free = tuple(k for k in KINDS if not k.paid and k.name != "tls")
        b.probing.settings = ProbeSettings((*free, noting(PROBES["tls"], asked)))
        b.start()
        await b.env.sleep(6 * 3600)
        assert len(asked) == 2 * 6
        assert all(3600 <= gap <= 3625 for gap in gaps(asked[::2]))
        await b.stop()
        b.tasks.clear()
        b.start()
        await b.env.sleep(5)
        assert len(asked) == 2 * 7

    servers = [tables.provider(n, base_url=f"https://{n}.test/v1") for n in "pq"]
    bench(main, "p/a", "q/a", providers=servers)


def test_kinds_that_are_not_configured_are_not_asked() -> None:
    """probes.kinds is the whole list; without a paid one no row is paid for."""

    async def main(b: Bench) -> None:
        await b.over(3600)
        assert {path for _, _, path in b.asked} == {"/health"}
        assert set(b.owner.rows[0].probes) == {"liveness"}

    bench(main, shape_name="llamacpp", settings=ProbeSettings((PROBES["liveness"],), budget=USD))


def test_the_only_paid_kind_stands_in_for_the_other() -> None:
    """stream alone serves for recovery, completion alone for idle rows."""

    async def main(b: Bench) -> None:
        await b.over(1300)
        assert b.posts
        assert set(b.owner.rows[0].probes) == {"completion"}

    bench(main, priced("p/a"), settings=ProbeSettings((PROBES["completion"],), budget=USD))


def test_a_probe_that_breaks_is_not_swallowed() -> None:
    """The supervisor is told and starts the loop again; nothing here hides it."""

    async def main(b: Bench) -> None:
        async def broken(_target: Any) -> ProbeResult | None:
            raise ZeroDivisionError

        b.probing.settings = ProbeSettings((dataclasses.replace(PROBES["liveness"], run=broken),))
        with pytest.raises(ZeroDivisionError):
            await b.probing.loop(b.providers[0], b.shape, b.transport)()

    bench(main)


# --- pieces ----------------------------------------------------------------------------------------------


def test_need_in_every_case() -> None:
    """The table of reasons."""

    async def main(b: Bench) -> None:
        p, row, env = b.probing, b.owner.rows[0], b.env
        assert p.need(row) is None
        row.suspect = FailureKind.RESET
        assert p.need(row) == "recovery"
        row.admin = AdminState.DRAIN
        assert p.need(row) == "recovery"
        row.admin = AdminState.MAINT
        assert p.need(row) is None
        row.admin = AdminState.READY
        row.lock = Lock(FailureKind.AUTH, env.now(), "")
        assert p.need(row) is None
        row.lock, row.suspect = Lock(FailureKind.NO_MODEL, env.now(), "", env.now() - 1), None
        assert p.need(row) == "recovery"
        assert p.affords(row, "recovery")
        assert p.need(row) is None
        row.lock = None
        await env.sleep(IDLE_AFTER + 1)
        assert p.need(row) == "idle"
        row.admin = AdminState.DRAIN
        assert p.need(row) is None
        row.admin = AdminState.READY
        row.last_used = env.now() - 5
        assert p.need(row) is None
        row.suspect = FailureKind.RESET
        row.probes["load"] = ProbeResult("load", Verdict.BUSY, env.now(), 0.1, load=Load(2, 1))
        assert p.need(row) is None
        await env.sleep(module.READING_FRESH + 0.1)
        assert p.need(row) == "recovery"

    bench(main)


def test_the_expected_cost_is_a_small_probes() -> None:
    """What the budget reckons with is what such a probe uses."""
    assert Usage(prompt=20, completion=4) == module.USUAL_PROBE
    assert spend.allows(ProbeSpend(), PROBE_COST, PROBE_COST, EPOCH, recovery=True)


def test_a_provider_s_own_budget_holds_for_probes_too() -> None:
    """Held before, settled after, never passed; nothing stays held."""

    async def main(b: Bench) -> None:
        purses = Purses(lambda *_: None)
        limit = 3 * PROBE_COST
        purses.configure([BudgetSpec("provider", "p", "day", limit)], b.env.wall())
        purses.granted(purses.due(b.env.wall()))
        b.probing.purses = purses

        def grant() -> None:
            purses.granted(purses.due(b.env.wall()))
            b.env.call_at(b.env.now() + 1, grant)

        grant()
        await b.over(6 * 3600)
        (told,) = purses.report(b.env.wall())
        assert b.posts, "the row was idle, and asked"
        assert told["reserved_usd"] == 0 and 0 < told["spent_usd"] * 1e9 <= limit  # type: ignore[operator]
        assert b.spent == round(told["spent_usd"] * 1e9)  # type: ignore[operator]
        assert len(b.posts) == 3

    bench(main, priced("p/a"), settings=ProbeSettings(KINDS, budget=USD))
