"""Provider tables under a test's control: specs, rows, snapshots, owners, outcomes, and strategies for random ones.

``snapshot`` builds what decisions read, without any history behind it; ``owner`` builds the real owner on a
fake environment. The strategies make tables in which everything that may keep a row out does so now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide import names
from lbd.decide.terms import DEFAULT_WEIGHTS, TERMS, Term
from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Outcome, ProbeResult, Usage, Verdict
from lbd.model.plan import Choice, Decision, Live, Query, RankedStage, Ranking
from lbd.model.provider import DeploymentSpec, Price, ProviderSpec, RuleSpec, ScorerSpec, TierSpec
from lbd.model.request import Ask, Urgency
from lbd.model.table import SIZES, AdminState, DeploymentView, HealthState, Reason, Snapshot
from lbd.table.owner import Owner
from tests.fakes.env import FakeEnv

TIERS = (TierSpec("primary", 1.5), TierSpec("secondary", 3.0), TierSpec("tertiary", 10.0))
PRICE = Price(1.0, 2.0)
START = 1000.0
WALL = 1_700_000_000.0


def terms() -> Mapping[str, Term]:
    """Return every scoring term."""
    return TERMS.load()


# --- specs -----------------------------------------------------------------------------------------------


def provider(name: str = "p", **more: Any) -> ProviderSpec:
    """Return a hosted provider."""
    return ProviderSpec(name, more.pop("shape", "openai"), more.pop("base_url", f"http://{name}.test/v1"), **more)


def deployment(name: str = "p/a", **more: Any) -> DeploymentSpec:
    """Return a deployment: of model ``m``, in the first tier, with a price and a quality."""
    model = more.pop("model", "m")
    given: dict[str, Any] = {
        "upstream_model": model,
        "tier": "primary",
        "price": PRICE,
        "quality": {"default": 0.8},
        **more,
    }
    return DeploymentSpec(id=name, provider=name.partition("/")[0], model=model, **given)


# --- what decisions read ---------------------------------------------------------------------------------


def view(spec: DeploymentSpec | str = "p/a", *, ttft: float = 0.4, **more: Any) -> DeploymentView:
    """Return a healthy, idle, well measured row; ``ttft`` is its p95 at every prompt size."""
    spec = deployment(spec) if isinstance(spec, str) else spec
    tier = next((t for t in TIERS if t.name == spec.tier), TIERS[0])
    given: dict[str, Any] = {
        "state": HealthState.UP,
        "reason": Reason("ok"),
        "since": WALL,
        "admin": AdminState.READY,
        "refusal": None,
        "usable_at": None,
        "suspect": False,
        "ejected": False,
        "weight": spec.weight,
        "ttft_p95_s": (ttft,) * SIZES,
        "ttft_p99_s": (1.5 * ttft,) * SIZES,
        "fresh": (True,) * SIZES,
        "standing": (1.0,) * SIZES,
        "tier_target_s": tier.ttft_p95_s,
        "tpot_s": 0.02,
        "error_ratio": 0.0,
        "load": 0.0,
        "wait_s": 0.0,
        "quota_left": 1.0,
        "output_tokens": 200,
        "quality": spec.quality.get("default"),
    }
    for name in ("fresh", "standing"):
        if name in more and not isinstance(more[name], tuple):
            more[name] = (more[name],) * SIZES
    return DeploymentView(spec=spec, **{**given, **more})


def snapshot(
    rows: Sequence[DeploymentView],
    *,
    rules: Sequence[RuleSpec] = (),
    aliases: Sequence[tuple[str, str]] = (),
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    generation: int = 1,
) -> Snapshot:
    """Return the snapshot of these rows."""
    catalogue = names.build([r.spec for r in rows], TIERS, rules, aliases)
    scorer = ScorerSpec(tuple(sorted(weights.items())))
    return Snapshot(generation, START, WALL, tuple(rows), catalogue, scorer)


def ask(target: str = "auto", **more: Any) -> Ask:
    """Return the Ask of a short stream."""
    return Ask(target, **{"stream": True, "input_tokens": 112, "output_tokens": 256, **more})


IDLE = Live(0, 64.0, 0.2, 0.0)


def idle(_row: int) -> Live:
    """Read every row as idle."""
    return IDLE


def busy(inflight: Mapping[int, int], **more: Any) -> Callable[[int], Live]:
    """Read rows with these requests in flight."""
    return lambda row: IDLE._replace(inflight=inflight.get(row, 0), **more)


def decision(choice: Choice, ranking: Ranking, query: Query, seed: int, now: float = START) -> Decision:
    """Record a choice, as acquiring does."""
    return Decision(
        ranking.generation,
        now,
        ranking.ask,
        query,
        seed,
        choice.live,
        choice.candidate.id,
        choice.stage,
        choice.manner,
        choice.reason,
    )


def shares(ranking: Ranking) -> dict[str, float]:
    """Return the share of first draws that each deployment gets of an idle fleet, without exploration."""
    out: dict[str, float] = {}

    def give(stage: RankedStage, share: float) -> None:
        before = 0.0
        for c, cum in zip(stage.candidates, stage.cumulative, strict=True):
            out[c.id] = out.get(c.id, 0.0) + share * (cum - before) / stage.cumulative[-1]
            before = cum

    normal = [s for s in ranking.stages if s.manner == "normal"]
    passed = 0.0
    for stage in normal:
        give(stage, max(0.0, stage.standing - passed))
        passed = max(passed, stage.standing)
    if normal:
        give(min(normal, key=lambda s: min(c.predicted_s for c in s.candidates)), max(0.0, 1.0 - passed))
    elif ranking.stages:
        give(ranking.stages[0], 1.0)
    return out


# --- the owner -------------------------------------------------------------------------------------------


def configure(
    owner: Owner,
    *deployments: DeploymentSpec | str,
    providers: Sequence[ProviderSpec] = (),
    rules: Sequence[RuleSpec] = (),
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
) -> None:
    """Give ``owner`` a configuration; providers that are not given are plain ones."""
    specs = [deployment(d) if isinstance(d, str) else d for d in deployments]
    known = {p.name: p for p in providers}
    needed = [known.get(name) or provider(name) for name in dict.fromkeys(s.provider for s in specs)]
    scorer = ScorerSpec(tuple(sorted(weights.items())))
    owner.configure(specs, needed, TIERS, names.build(specs, TIERS, rules, ()), scorer)


def owned(*deployments: DeploymentSpec | str, env: FakeEnv | None = None, **more: Any) -> tuple[FakeEnv, Owner]:
    """Return an owner with this table and the environment it lives in."""
    env = env or FakeEnv(START, WALL)
    owner = Owner(env)
    configure(owner, *deployments, **more)
    return env, owner


def good(ttft_s: float | None = 0.2, total_s: float = 1.0, **more: Any) -> Outcome:
    """Return a good answer."""
    usage = more.pop("usage", Usage(prompt=100, completion=50))
    return Outcome(None, more.pop("size", 0), total_s, ttft_s, usage, **more)


def bad(kind: FailureKind = FailureKind.SERVER, *, retry_after_s: float | None = None, **more: Any) -> Outcome:
    """Return a failed attempt."""
    failure = Failure(kind, more.pop("message", f"it was {kind}"), retry_after_s=retry_after_s)
    return Outcome(failure, more.pop("size", 0), more.pop("total_s", 0.1), **more)


def serve(owner: Owner, env: FakeEnv, i: int, outcome: Outcome | None, *, last_resort: bool = False) -> None:
    """Send one request to row ``i``; None leaves what became of it untold."""
    lease = owner.lease(i, env.now(), last_resort=last_resort)
    assert not isinstance(lease, str), lease
    if outcome is None:
        lease.ignore()
    else:
        lease.settle(outcome)


def break_open(owner: Owner, env: FakeEnv, i: int, kind: FailureKind = FailureKind.SERVER) -> None:
    """Open the breaker of row ``i`` by three failures in a row."""
    for _ in range(3):
        serve(owner, env, i, bad(kind))
    assert owner.snapshot.rows[i].refusal == "breaker_open"


def probe(kind: str = "liveness", verdict: Verdict = Verdict.UP, at: float = START, **more: Any) -> ProbeResult:
    """Return what a probe found."""
    return ProbeResult(kind, verdict, at, more.pop("took_s", 0.01), **more)


# --- random tables ---------------------------------------------------------------------------------------

MODELS = ("m", "n", "meta/llama-3:free")
RULES = (
    RuleSpec("cheap", (("n",), ("m",)), max_cost_per_1k=0.002),
    RuleSpec("swift", (("m", "n"), ("meta/llama-3:free",)), max_latency_s=1.0),
)
_ratios = st.sampled_from((0.0, 0.02, 0.2, 0.5, 0.9, 1.0))
_seconds = st.sampled_from((0.05, 0.3, 0.9, 1.4, 2.0, 5.0, 20.0))
_prices = st.sampled_from((None, Price(0.0, 0.0), Price(0.5, 1.0), Price(2.0, 8.0), Price(30.0, 60.0)))
_refusals = st.sampled_from(
    (None,) * 8 + ("breaker_open", "breaker_open", "locked_auth", "quota_exhausted", "trials_under_way")
)


def _sizes(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*(of for _ in range(SIZES)))


@st.composite
def views(draw: st.DrawFn, number: int = 0) -> DeploymentView:
    """Draw a row, called ``p<number>/r<number>``."""
    spec = deployment(
        f"p{number}/r{number}",
        model=draw(st.sampled_from(MODELS)),
        tier=draw(st.sampled_from(TIERS)).name,
        context_tokens=draw(st.sampled_from((None, None, 100, 4_000, 128_000))),
        supports=draw(st.sampled_from((None, None, frozenset(), frozenset({"tools"}), frozenset({"tools", "images"})))),
        price=draw(_prices),
        quality=draw(st.sampled_from(({}, {"default": 0.3}, {"default": 0.8}, {"default": 0.95}))),
    )
    p95 = draw(_sizes(_seconds))
    return view(
        spec,
        admin=draw(st.sampled_from((AdminState.READY,) * 6 + (AdminState.DRAIN, AdminState.MAINT))),
        refusal=draw(_refusals),
        suspect=draw(st.sampled_from((False, False, False, True))),
        ejected=draw(st.sampled_from((False, False, True))),
        weight=draw(st.sampled_from((1.0, 1.0, 1.0, 0.0, 0.1, 3.0))),
        tpot_fresh=draw(st.booleans()),
        total_p95_s=draw(st.sampled_from((None, None, 0.1, 2.0, 9.0))),
        ttft_p95_s=p95,
        ttft_p99_s=tuple(s * 1.5 for s in p95),
        fresh=draw(_sizes(st.booleans())),
        standing=draw(_sizes(st.sampled_from((1.0, 1.0, 0.6, 0.0)))),
        error_ratio=draw(_ratios),
        load=draw(_ratios),
        wait_s=draw(st.sampled_from((0.0, 0.0, 0.0, 0.4, 3.0))),
        quota_left=draw(_ratios),
        output_tokens=draw(st.sampled_from((40, 256, 800))),
    )


@st.composite
def tables(draw: st.DrawFn, min_rows: int = 1, max_rows: int = 6) -> Snapshot:
    """Draw a table with two rules over three models."""
    rows = [draw(views(i)) for i in range(draw(st.integers(min_rows, max_rows)))]
    return snapshot(rows, rules=[r for r in RULES if _usable(r, rows)])


def _usable(rule: RuleSpec, rows: Sequence[DeploymentView]) -> bool:
    return any(row.spec.model in group for row in rows for group in rule.groups)


@st.composite
def asks(draw: st.DrawFn, table: Snapshot) -> Ask:
    """Draw an Ask that this table knows."""
    target = draw(st.sampled_from(["auto"] * len(table.catalogue.targets) + sorted(table.catalogue.targets)))
    first = draw(st.sampled_from((10.0, 10.0, 1.0)))
    return Ask(
        target,
        urgency=draw(st.sampled_from((Urgency.INTERACTIVE, Urgency.INTERACTIVE, Urgency.BACKGROUND))),
        stream=draw(st.booleans()),
        input_tokens=draw(st.sampled_from((16, 112, 1024, 5120, 131072))),
        output_tokens=draw(st.sampled_from((None, 16, 512))),
        needs=draw(st.sampled_from((frozenset(), frozenset(), frozenset({"tools"}), frozenset({"images"})))),
        slo_s=draw(st.sampled_from((None, None, 0.5, 2.0))),
        first_content_s=first,
        max_usd=draw(st.sampled_from((None, None, 0.0, 0.0005, 0.01))),
        quality_floor=draw(st.sampled_from((0.0, 0.0, 0.0, 0.5, 0.9))),
        allow=draw(st.sampled_from(((), (), ("m",), ("meta/*", "n")))),
    )


@st.composite
def cases(draw: st.DrawFn, min_rows: int = 1, max_rows: int = 6) -> tuple[Snapshot, Ask]:
    """Draw a table and an Ask for it."""
    table = draw(tables(min_rows, max_rows))
    return table, draw(asks(table))


@st.composite
def queries(draw: st.DrawFn, table: Snapshot) -> Query:
    """Draw what a pick is restricted to."""
    ids = [r.spec.id for r in table.rows]
    return Query(
        tuple(draw(st.lists(st.sampled_from(ids), max_size=3, unique=True))),
        draw(st.sampled_from((None, None, *MODELS))),
        draw(st.sampled_from((None, None, 100, 4_000))),
        draw(st.sampled_from((0, 1, 77))),
    )


seeds = st.integers(0, 2**64 - 1)
lives = st.builds(
    Live,
    inflight=st.integers(0, 40),
    capacity=st.sampled_from((1.0, 8.0, 64.0)),
    peak_s=st.floats(0.001, 20),
    penalty=st.floats(0, 1),
)


def changed(table: Snapshot, i: int, **fields: Any) -> Snapshot:
    """Return the table with row ``i`` changed in these fields."""
    rows = list(table.rows)
    rows[i] = replace(rows[i], **fields)
    return replace(table, rows=tuple(rows))


# --- random tables by the thousand: no shrinking, but fast -----------------------------------------------


class Dice:
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self._env = FakeEnv(seed=seed)

    def of(self, values: Sequence[Any]) -> Any:
        """Choose one."""
        return values[int(self._env.uniform() * len(values))]

    def seed(self) -> int:
        """Return 64 random bits."""
        return self._env.bits()

    def live(self) -> Live:
        """Return what a row may look like at the moment of a pick."""
        return Live(
            self.of((0, 0, 1, 2, 9, 40)),
            self.of((1.0, 8.0, 64.0)),
            self._env.uniform() * self.of((0.01, 1, 9)),
            self.of((0.0, 0.0, self._env.uniform())),
        )

    def table(self, generation: int = 1) -> Snapshot:
        """Return a table of up to eight rows in which a third of the breakers is open."""
        return snapshot([self._row(i) for i in range(self.of(range(1, 9)))], generation=generation)

    def _row(self, i: int) -> DeploymentView:
        spec = deployment(
            f"p{i}/r{i}",
            model=self.of(MODELS),
            tier=self.of(TIERS).name,
            context_tokens=self.of((None, None, 4_000)),
            price=self.of((None, PRICE, Price(0.0, 0.0), Price(30.0, 60.0))),
            quality={"default": self.of((0.3, 0.8, 0.95))},
        )
        return view(
            spec,
            ttft=self.of((0.05, 0.4, 1.4, 2.0, 20.0)),
            refusal=self.of((None, None, None, "breaker_open", "breaker_open", "locked_auth")),
            suspect=self.of((False, False, True)),
            ejected=self.of((False, False, True)),
            weight=self.of((0.0, 0.1, 1.0, 1.0, 3.0)),
            fresh=self.of((True, True, False)),
            standing=self.of((1.0, 1.0, 0.6, 0.0)),
            error_ratio=self.of((0.0, 0.02, 0.5)),
            load=self.of((0.0, 0.5, 1.0)),
            quota_left=self.of((1.0, 0.1)),
        )

    def ask(self, table: Snapshot) -> Ask:
        """Return an Ask that this table knows."""
        return Ask(
            self.of(("auto", *table.catalogue.targets)),
            urgency=self.of(tuple(Urgency)),
            stream=self.of((True, False)),
            input_tokens=self.of((16, 5120)),
            output_tokens=self.of((None, 512)),
            slo_s=self.of((None, None, 1.0)),
            max_usd=self.of((None, None, None, 0.01)),
            quality_floor=self.of((0.0, 0.0, 0.5)),
        )

    def query(self, table: Snapshot) -> Query:
        """Return what a pick may be restricted to."""
        ids = [r.spec.id for r in table.rows]
        out = tuple({self.of(ids) for _ in range(self.of((0, 0, 1, 3)))})
        return Query(
            out, self.of((None, None, None, *MODELS)), self.of((None, None, None, 4_000)), self.of((0, 5, 2**40))
        )
