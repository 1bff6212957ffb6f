from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lbd.decide import pick, route
from lbd.model.event import Event
from lbd.model.failure import COUNTS, FailureKind
from lbd.model.outcome import Load, QuotaReading, Usage, Verdict
from lbd.model.plan import Query
from lbd.model.provider import ProviderSpec
from lbd.model.secret import Secret
from lbd.model.table import AdminState, HealthState
from lbd.state import breaker, health, quota
from lbd.state.breaker import Phase
from lbd.state.evidence import NO_MODEL_AGAIN
from lbd.state.row import LIVENESS, Row
from lbd.state.uplink import ANSWERS, RESOLVING, SIGNS
from lbd.table.accounts import group
from lbd.table.lease import Lease
from lbd.table.owner import JUST_SERVED, NOMINAL_CAPACITY, Owner
from tests.fakes.env import FakeEnv
from tests.fakes.tables import (
    ask,
    bad,
    break_open,
    configure,
    deployment,
    good,
    owned,
    probe,
    provider,
    serve,
    terms,
)

K = FailureKind
TERMS = terms()


def held(owner: Owner, env: FakeEnv, i: int = 0, **more: Any) -> Lease:
    lease = owner.lease(i, env.now(), **more)
    assert isinstance(lease, Lease), lease
    return lease


def listened(owner: Owner) -> list[Event]:
    events: list[Event] = []
    owner.listeners.append(events.append)
    return events


# --- leases ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ok", "bad", "ignore", "forgotten", "exception", "twice"])
def test_a_request_in_flight_is_counted_and_given_back_once(how: str) -> None:
    """On every path out of the block the count is what it was before."""
    env, owner = owned("p/a")
    outside = held(owner, env)
    try:
        with held(owner, env) as lease:
            assert (owner.rows[0].inflight, lease.inflight) == (2, 2)
            if how == "exception":
                raise RuntimeError
            if how in ("ok", "twice"):
                lease.settle(good())
            if how == "bad":
                lease.settle(bad())
            if how in ("ignore", "twice"):
                lease.ignore()
    except RuntimeError:
        pass
    assert owner.rows[0].inflight == 1
    outside.ignore()
    assert owner.rows[0].inflight == 0


def test_a_row_s_limit_is_kept_live() -> None:
    """max_concurrency: taking the lease re-checks what a snapshot may be late about."""
    env, owner = owned(deployment("p/a", max_concurrency=2))
    one, _two = held(owner, env), held(owner, env)
    assert owner.lease(0, env.now()) == "at_limit"
    one.settle(good())
    held(owner, env)
    assert owner.lease(0, env.now()) == "at_limit"


def test_a_provider_s_limit_is_shared_by_its_rows() -> None:
    """max_concurrency of an account counts all its deployments, and nobody else's."""
    env, owner = owned("p/a", "p/b", "q/c", providers=[provider("p", max_concurrency=2)])
    held(owner, env, 0)
    held(owner, env, 1)
    assert owner.lease(0, env.now()) == "at_limit"
    assert owner.lease(1, env.now()) == "at_limit"
    held(owner, env, 2)


def test_a_slot_of_a_shared_limit_is_free_for_every_row_under_it() -> None:
    """Whoever waits for a sibling is woken as well: the slot may be his."""
    env, owner = owned("p/a", "p/b", "q/c", providers=[provider("p", max_concurrency=1)])
    freed: list[int] = []
    owner.freed, owner.awaited = freed.append, True
    serve(owner, env, 0, good())
    assert set(freed) == {0, 1}
    freed.clear()
    serve(owner, env, 1, None)
    assert set(freed) == {0, 1}
    freed.clear()
    serve(owner, env, 2, good())
    assert freed == [2]


def test_a_self_hosted_row_starts_with_a_modest_limit_and_a_hosted_one_has_none() -> None:
    """The adaptive limit is for servers of one's own."""
    env, owner = owned("p/a", "q/b", providers=[provider("p", self_hosted=True)])
    for _ in range(8):
        held(owner, env, 0)
    assert owner.lease(0, env.now()) == "at_limit"
    for _ in range(200):
        held(owner, env, 1)


@pytest.mark.parametrize("state", [AdminState.DRAIN, AdminState.MAINT])
def test_a_drained_row_gives_no_lease_and_running_requests_finish(state: AdminState) -> None:
    """No new requests; the answer of a running one still counts."""
    env, owner = owned("p/a")
    running = held(owner, env)
    owner.order(owner.rows[0], state, by="anna", reason="quota moves")
    assert owner.lease(0, env.now()) == f"admin_{state}"
    running.settle(good())
    assert owner.rows[0].inflight == 0
    owner.order(owner.rows[0], AdminState.READY, by="anna", reason="")
    held(owner, env)


def test_an_open_breaker_gives_no_lease() -> None:
    """Three failures in a row, and the row is out at once."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    assert owner.lease(0, env.now()) == "breaker_open"


async def test_a_half_open_breaker_admits_its_trials_and_no_more() -> None:
    """Under a thousand concurrent calls exactly ``TRIALS``."""
    env, owner = owned("p/a")
    break_open(owner, env, 0, K.CONNECT)
    owner.probed(owner.rows[0], probe(), completion=False)
    assert owner.rows[0].breaker.phase is Phase.HALF_OPEN

    start = asyncio.Event()

    async def call() -> Lease | str:
        await start.wait()
        return owner.lease(0, env.now())

    calls = [asyncio.ensure_future(call()) for _ in range(1000)]
    start.set()
    got = await asyncio.gather(*calls)
    leases = [x for x in got if isinstance(x, Lease)]
    assert len(leases) == breaker.TRIALS
    assert all(lease.trial for lease in leases)
    assert {x for x in got if isinstance(x, str)} == {"trials_under_way"}
    assert owner.rows[0].inflight == breaker.TRIALS


@pytest.mark.parametrize("start", ["completion", "liveness"])
def test_trials_are_given_back_and_end_in_closed_or_open(start: str) -> None:
    """An ignored trial may be taken again; enough good ones close, one bad one opens."""
    env, owner = owned("p/a")
    break_open(owner, env, 0, K.CONNECT if start == "liveness" else K.SERVER)
    owner.probed(owner.rows[0], probe(start), completion=start == "completion")
    left = breaker.TRIALS - (start == "completion")
    for _ in range(10):
        serve(owner, env, 0, None)
    for _ in range(10):
        serve(owner, env, 0, bad(K.BAD_REQUEST))
    leases = [held(owner, env) for _ in range(left)]
    assert owner.lease(0, env.now()) == "trials_under_way"
    assert owner.snapshot.rows[0].refusal == "trials_under_way"
    for lease in leases:
        lease.settle(good())
    assert owner.rows[0].breaker.phase is Phase.CLOSED
    assert owner.snapshot.rows[0].refusal is None
    assert owner.snapshot.rows[0].weight == pytest.approx(0.1)  # slow start

    break_open(owner, env, 0, K.CONNECT if start == "liveness" else K.SERVER)
    env.advance(breaker.FIRST_HOLD)
    owner.probed(owner.rows[0], probe(start), completion=start == "completion")
    serve(owner, env, 0, bad())
    assert owner.lease(0, env.now()) == "breaker_open"


def test_a_last_resort_is_one_trial_at_a_time_and_not_before_its_time() -> None:
    """Nothing else left: one counted trial a row, no sooner than ``retry_at``, and only where it is asked for."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    assert owner.lease(0, env.now(), last_resort=True) == "breaker_open"
    env.advance(breaker.FIRST_WAIT)
    assert owner.lease(0, env.now()) == "breaker_open"
    trial = held(owner, env, last_resort=True)
    assert trial.trial
    assert [owner.lease(0, env.now(), last_resort=True) for _ in range(50)] == ["breaker_open"] * 50
    trial.settle(bad())
    assert owner.lease(0, env.now(), last_resort=True) == "breaker_open"
    env.advance(breaker.LONGEST_WAIT)
    serve(owner, env, 0, good(), last_resort=True)
    assert owner.rows[0].breaker.phase is Phase.HALF_OPEN


def test_a_last_resort_that_says_nothing_gives_its_trial_back() -> None:
    """The client left: the next one may try."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    env.advance(breaker.FIRST_WAIT)
    serve(owner, env, 0, None, last_resort=True)
    held(owner, env, last_resort=True)


def test_a_last_resort_overrides_nothing_but_the_breaker() -> None:
    """Locks, quota, orders and limits hold."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    env.advance(breaker.FIRST_WAIT)
    owner.order(owner.rows[0], AdminState.DRAIN, by="a", reason="")
    assert owner.lease(0, env.now(), last_resort=True) == "admin_drain"
    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.AUTH))
    assert owner.lease(0, env.now(), last_resort=True) == "locked_auth"
    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.RATE, retry_after_s=9.0))
    assert owner.lease(0, env.now(), last_resort=True) == "quota_exhausted"


def test_the_live_inputs_of_a_pick_are_those_of_now() -> None:
    """In-flight counts, capacity, peak and penalty are read when they are needed, not from the snapshot."""
    env, owner = owned("p/a", deployment("q/b", max_concurrency=4))
    held(owner, env, 0)
    assert owner.live(0) == (1, NOMINAL_CAPACITY, 0.001, 0.0)
    serve(owner, env, 1, bad())
    live = owner.live(1)
    assert (live.inflight, live.capacity, live.penalty) == (0, 4.0, 1.0)
    env.advance(2.5)
    assert owner.live(1).penalty == pytest.approx(0.5)


# --- what one failure says of others ---------------------------------------------------------------------


def test_a_host_failure_makes_every_row_of_the_base_url_suspect() -> None:
    """Refused, TLS: whoever lives behind the same address, under whatever account."""
    one, two = (ProviderSpec(n, "vllm", "http://host.test/v1") for n in ("p", "q"))
    env, owner = owned("p/a", "p/b", "q/c", "r/d", providers=[one, two])
    asked: list[str] = []
    owner.suspected = asked.append
    serve(owner, env, 0, bad(K.CONNECT))
    assert [r.suspect for r in owner.snapshot.rows] == [True, True, True, False]
    assert [r.state for r in owner.rows] == [HealthState.SUSPECT] * 3 + [HealthState.UNKNOWN]
    assert owner.rows[1].breaker.fails == 0
    assert asked == ["p"]
    serve(owner, env, 2, good())
    assert [r.suspect for r in owner.snapshot.rows] == [True, True, False, False]


def test_a_deployment_failure_is_its_row_s_own() -> None:
    """A 5xx says nothing about its neighbours."""
    env, owner = owned("p/a", "p/b")
    break_open(owner, env, 0)
    assert owner.snapshot.rows[1].refusal is None
    assert not owner.snapshot.rows[1].suspect


@pytest.mark.parametrize("kind", [K.AUTH, K.MONEY])
def test_a_key_failure_locks_every_row_of_the_provider(kind: FailureKind) -> None:
    """They share the credential; it waits for a person."""
    env, owner = owned("p/a", "p/b", "q/c")
    serve(owner, env, 0, bad(kind, message="the key is dead"))
    assert [r.refusal for r in owner.snapshot.rows] == [f"locked_{kind}"] * 2 + [None]
    assert owner.snapshot.rows[1].reason.text == "the key is dead"
    assert owner.lease(1, env.now()) == f"locked_{kind}"
    env.advance(86400)
    owner.tick()
    assert owner.lease(0, env.now()) == f"locked_{kind}"


def test_a_key_that_is_refused_for_one_model_may_be_good_for_those_that_it_just_served() -> None:
    """They are told themselves if it is not; those that nobody has used lately are locked until a probe says more."""
    env, owner = owned("p/a", "p/b", "p/c", "p/d")
    asked: list[str] = []
    owner.suspected = asked.append
    serve(owner, env, 3, good())
    env.advance(JUST_SERVED + 1)
    serve(owner, env, 1, good())
    serve(owner, env, 0, bad(K.AUTH))
    owner.tick()
    assert [r.refusal for r in owner.snapshot.rows] == ["locked_auth", None, "locked_auth", "locked_auth"]
    assert asked == ["p"], "a probe with the key tells at once"
    serve(owner, env, 1, bad(K.MONEY))
    assert owner.snapshot.rows[2].refusal == "locked_out_of_money", "money is one for all"


@pytest.mark.parametrize("kind", [K.AUTH, K.MONEY])
def test_a_refusal_of_a_key_that_was_replaced_locks_nothing(kind: FailureKind) -> None:
    """The request was on its way when a person brought the new one; the same key read again is still refused."""
    env, owner = owned("p/a", providers=[provider("p", api_key=Secret("old"))])
    late, later = held(owner, env), held(owner, env)
    configure(owner, "p/a", providers=[provider("p", api_key=Secret("new"))])
    late.settle(bad(kind))
    assert owner.rows[0].lock is None and owner.rows[0].inflight == 1
    configure(owner, "p/a", providers=[provider("p", api_key=Secret("old"))])
    later.settle(bad(kind))
    assert owner.rows[0].lock is not None


def test_a_model_that_is_not_served_locks_its_row_for_a_while() -> None:
    """404: asked again after a minute."""
    env, owner = owned("p/a", "p/b")
    serve(owner, env, 0, bad(K.NO_MODEL))
    assert [r.refusal for r in owner.snapshot.rows] == ["locked_model_not_served", None]
    assert owner.snapshot.rows[0].usable_at == env.now() + 60
    env.advance(60.0)
    owner.tick()
    assert owner.snapshot.rows[0].refusal is None
    held(owner, env)


def test_a_429_blocks_the_whole_quota_group_for_as_long_as_it_says() -> None:
    """Providers may share one quota; others go on."""
    shared = [provider("p", quota_group="team"), provider("q", quota_group="team")]
    env, owner = owned("p/a", "q/b", "r/c", providers=shared)
    serve(owner, env, 0, bad(K.RATE, retry_after_s=7.0))
    assert [r.refusal for r in owner.snapshot.rows] == ["quota_exhausted", "quota_exhausted", None]
    assert owner.snapshot.rows[1].usable_at == env.now() + 7
    assert owner.lease(1, env.now()) == "quota_exhausted"
    env.advance(7.0)
    held(owner, env, 1)
    owner.tick()
    assert owner.snapshot.rows[0].refusal is None
    assert owner.rows[0].breaker.fails == 0


def test_of_several_waits_the_longest_counts() -> None:
    """A later 429 with a shorter wait opens nothing early."""
    env, owner = owned("p/a")
    leases = [held(owner, env) for _ in range(3)]
    leases[0].settle(bad(K.RATE, retry_after_s=30.0))
    leases[1].settle(bad(K.RATE, retry_after_s=2.0))
    leases[2].settle(bad(K.RATE))
    assert owner.snapshot.rows[0].usable_at == env.now() + 30


@pytest.mark.parametrize("told", [None, 0.0], ids=["no wait", "a wait of 0 s"])
def test_a_429_without_a_wait_blocks_for_a_moment(told: float | None) -> None:
    """Pressure is pressure, whatever the provider says of it: else every request would be tried there first.

    For how long is drawn, so that many gateways do not come back together.
    """
    waits = set()
    env, owner = owned(*(f"{name}/a" for name in "pqrst"))
    for i in range(5):
        serve(owner, env, i, bad(K.RATE, retry_after_s=told))
        waits.add((owner.snapshot.rows[i].usable_at or 0.0) - env.now())
    assert len(waits) == 5 and min(waits) >= quota.LEAST_WAIT and max(waits) <= quota.RATE_WAIT


@pytest.mark.parametrize("plain", [True, False], ids=["a good answer", "a failure"])
def test_limit_headers_at_their_end_keep_the_whole_group_out_at_once(plain: bool) -> None:
    """Steer away before the first 429: quota is a transition, for every row under it."""
    shared = [provider("p", quota_group="team"), provider("q", quota_group="team")]
    env, owner = owned("p/a", "q/b", providers=shared)
    used_up = (QuotaReading("requests", 100, 0, 20.0),)
    serve(owner, env, 0, good(quota=used_up) if plain else bad(K.BAD_REQUEST, quota=used_up))
    assert [r.refusal for r in owner.snapshot.rows] == ["quota_exhausted"] * 2
    assert owner.lease(1, env.now()) == "quota_exhausted"
    env.advance(20.0)
    owner.tick()
    assert [r.refusal for r in owner.snapshot.rows] == [None] * 2


def test_a_look_that_opens_nothing_goes_through_no_other_row() -> None:
    """It is asked of all rows that are shut, for each request that waits: of thousands that took a second."""
    env, owner = owned(*(f"p{n}/a" for n in range(5)))

    class Watched(list[Row]):
        gone_through = 0

        def __iter__(self) -> Iterator[Row]:
            self.gone_through += 1
            return super().__iter__()

    for i in range(4):
        serve(owner, env, i, bad(K.RATE, retry_after_s=30.0))
    rows = owner.rows = Watched(owner.rows)
    assert not any(owner.look(row, env.now()) for row in tuple(list.__iter__(rows)))
    assert not rows.gone_through and owner.rows[4].calm, "it is not limited at all"
    serve(owner, env, 4, good(quota=(QuotaReading("requests", 100, 0, 20.0),)))
    assert owner.look(rows[4], env.now()) and owner.snapshot.rows[4].refusal is None, "where it does, all are told"


def test_limit_headers_lower_the_quota_of_the_whole_group_with_the_next_tick() -> None:
    """Half of it left is a statistic: it may wait."""
    shared = [provider("p", quota_group="team"), provider("q", quota_group="team")]
    env, owner = owned("p/a", "q/b", providers=shared)
    before = owner.publishes
    serve(owner, env, 0, good(quota=(QuotaReading("tokens", 1000, 500, 20.0),)))
    assert owner.publishes == before
    owner.tick()
    assert [r.quota_left for r in owner.snapshot.rows] == [0.5, 0.5]


def test_a_client_s_fault_touches_nobody() -> None:
    """Bad request, filter, client gone: they say nothing about the provider."""
    env, owner = owned("p/a")
    before = (owner.rows[0].breaker, owner.rows[0].suspect, owner.rows[0].lock)
    asked: list[str] = []
    owner.suspected = asked.append
    for kind in (K.BAD_REQUEST, K.CONTENT_FILTER, K.CONTEXT, K.CLIENT_GONE, K.TOO_LARGE, K.UNSUPPORTED, K.STALE) * 10:
        serve(owner, env, 0, bad(kind))
    assert (owner.rows[0].breaker, owner.rows[0].suspect, owner.rows[0].lock) == before
    assert owner.snapshot.rows[0].error_ratio == 0.0
    assert asked == []


def test_silence_of_a_server_that_tells_its_load_counts_only_where_it_is_not_busy() -> None:
    """A full queue is not sickness; a reading that is old proves nothing."""
    for load, age, blamed in (
        (Load(1, 0, 4), 0.0, True),
        (Load(4, 0, 4), 0.0, False),
        (Load(1, 2, 4), 0.0, False),
        (Load(1, 0, None), 0.0, True),
        (Load(1, 0, 4), 5.0, False),
        (None, 0.0, True),
    ):
        env, owner = owned("p/a", providers=[provider("p", self_hosted=True)])
        if load is not None:
            owner.probed(owner.rows[0], probe("load", load=load, at=env.now()), completion=False)
        env.advance(age)
        serve(owner, env, 0, bad(K.TIMEOUT_FIRST))
        assert (owner.rows[0].breaker.fails == 1) is blamed, load
        assert owner.rows[0].suspect is K.TIMEOUT_FIRST


def test_a_cut_that_was_not_slow_for_its_row_does_not_count() -> None:
    """The cut counts against the breaker only if the attempt exceeded its row's own p99."""
    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.TIMEOUT_FIRST, exceeded_own_p99=False))
    assert owner.rows[0].breaker.fails == 0


def test_a_breaker_that_opens_is_told_to_whoever_waits_there() -> None:
    """Attempts without a first content had better move."""
    env, owner = owned("p/a", "q/b")
    lost: list[str] = []
    owner.lost = lost.append
    break_open(owner, env, 0)
    assert lost == ["p/a"]
    serve(owner, env, 1, bad())
    assert lost == ["p/a"]


def test_a_freed_slot_is_told_once_somebody_waits() -> None:
    """Good answers cost nothing more while nobody waits; what may bring a row back is always told."""
    env, owner = owned("p/a")
    freed: list[int] = []
    owner.freed = freed.append
    serve(owner, env, 0, good())
    assert freed == []
    owner.awaited = True
    serve(owner, env, 0, good())
    serve(owner, env, 0, bad())
    serve(owner, env, 0, None)
    assert freed == [0, 0, 0]


def test_real_usage_teaches_the_token_estimate() -> None:
    """Slowly, from answers to prompts of some length, and never beyond a token a byte."""
    env, owner = owned("p/a")
    for _ in range(300):
        serve(owner, env, 0, good(text_bytes=1000, usage=Usage(400, 10)))
    assert owner.tokens_per_byte == pytest.approx(0.4, abs=0.01)
    env.advance(1)
    assert owner.snapshot.tokens_per_byte == pytest.approx(0.4, abs=0.01)
    for outcome in (good(text_bytes=10, usage=Usage(400, 10)), good(text_bytes=1000, usage=None), bad(K.SERVER)):
        before = owner.tokens_per_byte
        serve(owner, env, 0, outcome)
        assert owner.tokens_per_byte == before
    for _ in range(1000):
        serve(owner, env, 0, good(text_bytes=1000, usage=Usage(9000, 10)))
    assert owner.tokens_per_byte <= 1.0


# --- probes ----------------------------------------------------------------------------------------------


def test_lost_liveness_makes_suspect_and_the_third_opens() -> None:
    """One lost probe makes suspect, never down; each is told to whoever waits there."""
    env, owner = owned("p/a")
    lost: list[str] = []
    owner.lost = lost.append
    down = probe(LIVENESS, Verdict.DOWN, failure=K.CONNECT)
    for n, state in ((1, HealthState.SUSPECT), (2, HealthState.SUSPECT), (3, HealthState.DOWN)):
        owner.probed(owner.rows[0], down, completion=False)
        assert owner.snapshot.rows[0].state is state, n
    assert set(lost) == {"p/a"}
    assert owner.lease(0, env.now()) == "breaker_open"
    owner.probed(owner.rows[0], probe(LIVENESS), completion=False)
    assert owner.snapshot.rows[0].state is HealthState.RECOVERING


def test_a_model_list_ends_a_lock_that_it_disproves() -> None:
    """Asked for with the key: AUTH is disproved by any list, NO_MODEL by one that holds the model; MONEY by none."""
    for kind, models, unlocked in (
        (K.AUTH, frozenset({"x"}), True),
        (K.NO_MODEL, frozenset({"m", "x"}), True),
        (K.NO_MODEL, frozenset({"x"}), False),
        (K.MONEY, frozenset({"m"}), False),
        (K.AUTH, None, False),
    ):
        env, owner = owned("p/a")
        serve(owner, env, 0, bad(kind))
        owner.probed(owner.rows[0], probe("models", models=models), completion=False)
        assert (owner.snapshot.rows[0].refusal is None) is unlocked, (kind, models)


def test_a_key_that_a_list_has_cleared_and_one_model_refuses_again_waits() -> None:
    """The key is good for the list, and not for this model: it is asked once a minute, not at each probe."""
    env, owner = owned("p/a", "p/b")
    for refused in (False, True):
        serve(owner, env, 0, bad(K.AUTH))
        assert owner.lease(1, env.now()) != "locked_auth" if refused else owner.lease(1, env.now()) == "locked_auth"
        for _ in range(2):
            env.advance(1)
            for row in owner.rows:
                owner.probed(row, probe("models", models=frozenset({"m"})), completion=False)
            assert (owner.lease(0, env.now()) == "locked_auth") is refused
            assert owner.snapshot.rows[1].refusal is None, "nobody refused that one"
            owner.rows[0].inflight = 0
    env.advance(NO_MODEL_AGAIN)
    owner.tick()
    assert owner.snapshot.rows[0].refusal is None


def test_a_probe_s_limit_headers_count() -> None:
    """Whatever answer brings them."""
    _, owner = owned("p/a", "p/b")
    owner.probed(owner.rows[0], probe("models", quota=(QuotaReading("requests", 10, 0, 30.0),)), completion=False)
    assert [r.refusal for r in owner.snapshot.rows] == ["quota_exhausted"] * 2


# --- operators -------------------------------------------------------------------------------------------


def test_an_order_leaves_an_event_with_who_and_why() -> None:
    """Mutations leave an event with who and why, and what it was before."""
    env, owner = owned("p/a")
    events = listened(owner)
    row = owner.rows[0]
    owner.order(row, AdminState.DRAIN, by="anna", reason="quota moves tonight")
    owner.weigh(row, 0.5, by="ben", reason="")
    owner.reset(row, by="cleo", reason="fixed")
    told = [(e.kind, e.subject, e.reason, e.by) for e in events]
    assert told == [
        ("admin_drain", "p/a", "quota moves tonight", "anna"),
        ("admin_weight", "p/a", "ordered", "ben"),
        ("breaker_reset", "p/a", "fixed", "cleo"),
    ]
    assert (events[0].before, events[0].after) == ("ready", "drain")
    assert (events[1].before, events[1].after) == ("configured", "0.5")
    assert [e.id for e in events] == sorted({e.id for e in events})
    assert all(e.time == env.wall() for e in events)


def test_an_order_is_seen_at_once() -> None:
    """Admin state and weight are in the next decision."""
    _, owner = owned("p/a")
    row = owner.rows[0]
    owner.order(row, AdminState.MAINT, by="a", reason="")
    assert owner.snapshot.rows[0].admin is AdminState.MAINT
    owner.weigh(row, 0.0, by="a", reason="")
    assert owner.snapshot.rows[0].weight == 0.0
    owner.weigh(row, None, by="a", reason="")
    assert owner.snapshot.rows[0].weight == 1.0


def test_a_reset_lifts_everything_that_keeps_a_row_out_but_orders() -> None:
    """Breaker, lock-out, suspicion, ejection and the rate-limit block."""
    env, owner = owned("p/a", "p/b")
    break_open(owner, env, 0, K.CONNECT)
    row = owner.rows[0]
    row.ejection = owner.rows[0].ejection.__class__(env.now() + 100, 1, "outlier_errors")
    leases_of_sibling = held(owner, env, 1)
    leases_of_sibling.settle(bad(K.RATE, retry_after_s=500.0))
    owner.order(row, AdminState.DRAIN, by="a", reason="")
    owner.reset(row, by="a", reason="")
    seen = owner.snapshot.rows[0]
    assert (seen.refusal, seen.suspect, seen.ejected, seen.admin) == (None, False, False, AdminState.DRAIN)
    assert owner.snapshot.rows[1].refusal is None  # the block was the whole group's
    assert row.breaker.opened_total == 1  # history stays


def test_a_reset_of_a_locked_row_lets_it_be_tried() -> None:
    """A person has acted."""
    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.MONEY))
    owner.reset(owner.rows[0], by="a", reason="paid")
    held(owner, env)


# --- reload ----------------------------------------------------------------------------------------------


def test_a_row_of_the_same_identity_keeps_everything() -> None:
    """Percentiles, breaker, requests in flight: a reload never forgets an unchanged row."""
    env, owner = owned("p/a", "q/b")
    break_open(owner, env, 0)
    running = held(owner, env, 1)
    serve(owner, env, 1, good(0.7))
    row = owner.rows[1]
    # another order, tier, weight and price: not what makes a row the row it is
    configure(owner, deployment("q/b", tier="secondary", weight=2.0, price=None), "p/a", "r/new")
    assert [r.spec.id for r in owner.rows] == ["q/b", "p/a", "r/new"]
    assert owner.rows[0] is row
    assert (row.inflight, row.tier.name, row.spec.weight) == (1, "secondary", 2.0)
    assert owner.snapshot.rows[1].refusal == "breaker_open"
    assert owner.snapshot.rows[2].state is HealthState.UNKNOWN
    running.settle(good())
    assert row.inflight == 0
    assert row.outcomes.over(60, env.now()).good == 1  # folded at the reload, and one more waits
    owner.fold()
    assert row.outcomes.over(60, env.now()).good == 2


@pytest.mark.parametrize(
    "other",
    [
        (deployment("p/a", upstream_model="m-2"), provider("p")),
        (deployment("p/a"), provider("p", base_url="http://elsewhere.test/v1")),
        (deployment("p/a"), provider("p", shape="vllm")),
    ],
)
def test_a_row_of_another_identity_starts_anew(other: Any) -> None:
    """Another server or model behind the same id is another row."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    old = owner.rows[0]
    configure(owner, other[0], providers=[other[1]])
    assert owner.rows[0] is not old
    assert owner.snapshot.rows[0].refusal is None


def test_a_changed_key_lifts_a_lock_out_and_an_unchanged_one_does_not() -> None:
    """A person changed the key: that is what the lock waited for."""
    for key, locked in (("old", True), ("new", False)):
        env, owner = owned("p/a", providers=[provider("p", api_key=Secret("old"))])
        serve(owner, env, 0, bad(K.AUTH))
        configure(owner, "p/a", providers=[provider("p", api_key=Secret(key))])
        assert (owner.snapshot.rows[0].refusal == "locked_auth") is locked


def test_a_reload_keeps_rate_limits_of_groups_that_stay() -> None:
    """A block outlives a reload; a group that nobody uses any more is forgotten."""
    env, owner = owned("p/a", "q/b")
    serve(owner, env, 0, bad(K.RATE, retry_after_s=60.0))
    configure(owner, "p/a", "p/new")
    assert [r.refusal for r in owner.snapshot.rows] == ["quota_exhausted"] * 2
    assert set(owner.accounts.quotas) == {"p"}


@pytest.mark.parametrize(
    "outcome",
    [
        good(),
        good(quota=(QuotaReading("requests", 10, 0, 30.0),)),
        bad(K.RATE, retry_after_s=5.0),
        bad(K.SERVER, quota=(QuotaReading("requests", 10, 0, 30.0),)),
        bad(K.AUTH),
        bad(K.CONNECT),
        None,
    ],
    ids=["good", "good with limits", "rate", "server with limits", "auth", "connect", "ignored"],
)
def test_a_request_outlives_a_reload_that_takes_its_row_away(outcome: Any) -> None:
    """Reload never drops a request: its lease ends without harm, and touches nobody who took the row's place."""
    env, owner = owned("p/a", "q/b")
    lease = held(owner, env, 0)
    configure(owner, "q/b", "r/c")
    generation = owner.snapshot.generation
    if outcome is None:
        lease.ignore()
    else:
        lease.settle(outcome)
    env.advance(1.0)
    owner.tick()
    assert lease.row.inflight == 0
    assert [r.refusal for r in owner.snapshot.rows] == [None, None]
    assert owner.snapshot.generation == generation


def test_a_probe_outlives_a_reload_that_takes_its_row_away() -> None:
    """Also one that brings limits."""
    _, owner = owned("p/a", "q/b")
    row = owner.rows[0]
    configure(owner, "q/b")
    owner.probed(row, probe("models", quota=(QuotaReading("requests", 10, 0, 30.0),)), completion=False)
    owner.probed(row, probe(LIVENESS, Verdict.DOWN, failure=K.CONNECT), completion=False)
    owner.reset(row, by="a", reason="")
    assert [r.refusal for r in owner.snapshot.rows] == [None]


def test_a_row_is_found_by_its_id() -> None:
    """For operators; None where there is none."""
    _, owner = owned("p/a", "q/b")
    assert owner.find("q/b") is owner.rows[1]
    assert owner.find("q/x") is None
    assert owner.snapshot.row("q/b") is owner.snapshot.rows[1]
    assert owner.snapshot.row("q/x") is None


def test_before_any_configuration_there_is_an_empty_table() -> None:
    """Readers never find None."""
    owner = Owner(FakeEnv())
    assert owner.snapshot.rows == ()
    owner.tick()
    assert owner.find("p/a") is None


def test_kept_rate_limits_are_taken_over_for_groups_that_exist() -> None:
    """After a restart a block still holds."""
    env, owner = owned("p/a")
    owner.restored({"p": quota.Quota({}, env.now() + 9), "gone": quota.Quota({}, env.now() + 9)})
    assert owner.snapshot.rows[0].refusal == "quota_exhausted"
    assert owner.lease(0, env.now()) == "quota_exhausted"
    assert set(owner.accounts.quotas) == {"p"}


# --- many requests ---------------------------------------------------------------------------------------

DECISIONS = 1_000_000 if os.environ.get("LBD_HYPOTHESIS") == "thorough" else 100_000
FATES = (
    *(good(t) for t in (0.1, 0.3, 2.0)),
    *(bad(k) for k in (K.SERVER, K.CONNECT, K.RESET, K.RATE, K.BAD_REQUEST)),
    None,
)


def test_no_request_reaches_an_open_breaker_but_as_a_trial() -> None:
    """Over 10^5 decisions and leases on a live table (10^6 when thorough), through outages and recoveries."""
    specs = [deployment(f"p{i}/r", tier="primary" if i < 3 else "secondary") for i in range(5)]
    env, owner = owned(*specs)
    running: list[Lease] = []
    seen: Counter[str] = Counter()
    weather = [0.02] * 5
    ranking = route.rank(owner.snapshot, ask(), TERMS)
    for n in range(DECISIONS):
        if ranking.generation != owner.snapshot.generation:
            ranking = route.rank(owner.snapshot, ask(), TERMS)
        bits = env.bits()
        choice = pick.choose(ranking, Query(), bits, owner.live)
        if choice is not None:
            row = owner.rows[choice.candidate.row]
            phase = row.breaker.phase
            owner.accounts.wanted(group(row))
            lease = owner.lease(choice.candidate.row, env.now(), last_resort=choice.manner == "trial")
            if isinstance(lease, Lease):
                assert (phase is Phase.OPEN) is (choice.manner == "trial")
                seen[choice.manner] += 1
                running.append(lease)
            else:
                assert choice.manner == "trial" or lease != "breaker_open"  # the snapshot is never late about it
                seen["refused"] += 1
        if len(running) > 8:
            lease = running.pop(bits >> 8 & 7)
            badly = (bits >> 16 & 0xFFFF) / 0x10000 < weather[lease.row.index]
            outcome = FATES[(3 + (bits >> 32) % 6) if badly else (bits >> 32) % 3]
            lease.ignore() if outcome is None else lease.settle(outcome)
        if n % 50 == 0:
            env.advance(0.05)
        if n % 1000 == 0:
            env.advance(1.0)
            owner.tick()
            for i, other in enumerate(owner.rows):
                well = weather[i] < 0.5
                owner.probed(
                    other,
                    probe(
                        "completion" if n % 3000 == 0 else LIVENESS,
                        Verdict.UP if well else Verdict.DOWN,
                        env.now(),
                        failure=None if well else K.CONNECT,
                    ),
                    completion=n % 3000 == 0,
                )
        if n % 5000 == 0:
            weather[bits % 5] = 0.9 if bits >> 40 & 1 else 0.02
    assert seen["trial"]
    assert seen["normal"] > DECISIONS / 3
    for lease in running:
        lease.ignore()
    assert all(row.inflight == 0 for row in owner.rows)
    assert sum(row.breaker.opened_total for row in owner.rows) > 3


# --- any history -----------------------------------------------------------------------------------------

KINDS = sorted(set(FailureKind) - {K.TIMEOUT_FIRST})  # silence is excused where the server is busy: see above


class AnyHistory(RuleBasedStateMachine):
    """Requests, probes, orders, reloads and time in any order, against the laws that hold between them."""

    @initialize()
    def begin(self) -> None:
        self.env, self.owner = owned("p/a", "p/b", deployment("q/c", max_concurrency=3), deployment("r/d", model="n"))
        self.events = listened(self.owner)
        self.open: list[Lease] = []
        self.judged: Counter[int] = Counter()
        self.charged: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}  # since anybody was reached
        self.generation = 0

    def _reached(self, *, fresh: bool) -> None:
        """Somebody answered: what was charged stands."""
        self.charged[False].clear()
        if fresh:
            self.charged[True].clear()

    def _taken_back(self, names: bool, lost: bool) -> None:
        """The way out is lost, and was not a moment ago: nobody is to blame for what came since anybody was reached."""
        way = self.owner.blame.names if names else self.owner.blame.way
        if way.uplink.lost and not lost:
            self.judged.subtract(self.charged[names])
            self.charged[names].clear()

    # what happens
    @rule(i=st.integers(0, 3), last_resort=st.booleans())
    def lease(self, i: int, last_resort: bool) -> None:
        row = self.owner.rows[i]
        phase, admin, lock = row.breaker.phase, row.admin, row.lock
        out = self.owner.lease(i, self.env.now(), last_resort=last_resort)
        if isinstance(out, Lease):
            assert admin is AdminState.READY
            assert phase is not Phase.OPEN or last_resort
            assert lock is None or (lock.until is not None and lock.until <= self.env.now())
            assert out.trial is (phase is not Phase.CLOSED)
            self.open.append(out)

    @precondition(lambda self: self.open)
    @rule(at=st.integers(0, 99), ttft=st.sampled_from((None, 0.05, 0.3, 6.0)))
    def answer(self, at: int, ttft: float | None) -> None:
        lease = self.open.pop(at % len(self.open))
        lease.settle(good(ttft))
        self.judged[id(lease.row)] += 1
        self._reached(fresh=False)

    @precondition(lambda self: self.open)
    @rule(at=st.integers(0, 99), kind=st.sampled_from(KINDS), wait=st.sampled_from((None, 0.5, 30.0)))
    def fail(self, at: int, kind: FailureKind, wait: float | None) -> None:
        lease = self.open.pop(at % len(self.open))
        names = kind in RESOLVING
        way = self.owner.blame.names if names else self.owner.blame.way
        lost, out = way.uplink.lost, lease.row.breaker.phase is Phase.OPEN and lease.row not in way.charges
        self.env.advance(0.001)  # what was begun before the way out was back is excused
        lease.settle(bad(kind, retry_after_s=wait, total_s=0.0))
        if kind in ANSWERS:
            self._reached(fresh=False)
        if kind in SIGNS:
            self._taken_back(names, lost)
            if not way.uplink.lost and not out:
                self.charged[names][id(lease.row)] += 1
        self.judged[id(lease.row)] += kind in COUNTS and not (kind in SIGNS and way.uplink.lost)

    @precondition(lambda self: self.open)
    @rule(at=st.integers(0, 99))
    def leave(self, at: int) -> None:
        self.open.pop(at % len(self.open)).ignore()

    @rule(
        i=st.integers(0, 3),
        kind=st.sampled_from(("liveness", "completion", "models", "load")),
        verdict=st.sampled_from(Verdict),
        failure=st.sampled_from((K.CONNECT, K.SERVER, K.AUTH, K.LOADING)),
        left=st.sampled_from((None, 0, 5)),
    )
    def probe(self, i: int, kind: str, verdict: Verdict, failure: FailureKind, left: int | None) -> None:
        row = self.owner.rows[i]
        readings = () if left is None else (QuotaReading("requests", 10, left, 4.0),)
        result = probe(
            kind,
            verdict,
            self.env.now(),
            failure=failure if verdict is Verdict.DOWN else None,
            quota=readings,
            load=Load(1, 0, 4) if kind == "load" else None,
            models=frozenset({"m"}) if kind == "models" and verdict is Verdict.UP else None,
        )
        lost = self.owner.blame.way.uplink.lost
        self.owner.probed(row, result, completion=kind == "completion")
        if result.failure in ANSWERS:
            self._reached(fresh=True)
        else:
            self._taken_back(False, lost)

    @rule(i=st.integers(0, 3), state=st.sampled_from((AdminState.READY, AdminState.READY, AdminState.DRAIN)))
    def order(self, i: int, state: AdminState) -> None:
        self.owner.order(self.owner.rows[i], state, by="anna", reason="")

    @rule(i=st.integers(0, 3))
    def reset(self, i: int) -> None:
        row = self.owner.rows[i]
        self.owner.reset(row, by="anna", reason="")
        for charged in self.charged.values():
            del charged[id(row)]

    @rule(seconds=st.sampled_from((0.01, 0.2, 1.0, 6.0, 61.0)))
    def wait(self, seconds: float) -> None:
        self.env.advance(seconds)
        self.owner.tick()

    @rule(order=st.permutations(("p/a", "p/b", "q/c", "r/d")))
    def reload(self, order: list[str]) -> None:
        specs = {r.spec.id: r.spec for r in self.owner.rows}
        configure(self.owner, *(specs[i] for i in order))

    # what holds
    @invariant()
    def slots_are_counted(self) -> None:
        running = Counter(id(lease.row) for lease in self.open)
        assert all(row.inflight == running[id(row)] for row in self.owner.rows)

    @invariant()
    def every_outcome_was_counted_once(self) -> None:
        self.owner.fold()
        for row in self.owner.rows:
            counts = row.outcomes.over(86400, self.env.now())
            assert counts.judged == self.judged[id(row)]

    @invariant()
    def readers_see_every_transition(self) -> None:
        now = self.env.now()
        for i, (row, seen) in enumerate(zip(self.owner.rows, self.owner.snapshot.rows, strict=True)):
            assert row.index == i
            assert seen.spec.id == row.spec.id
            assert seen.admin is row.admin
            assert seen.suspect is (row.suspect is not None)
            truth = health.refusal(row, quota.left(self.owner.quota_of(row), now), now)
            assert seen.refusal == truth, (row.spec.id, seen.refusal, truth)

    @invariant()
    def generations_only_rise(self) -> None:
        assert self.owner.snapshot.generation >= self.generation
        self.generation = self.owner.snapshot.generation

    @invariant()
    def the_timeline_has_no_gaps(self) -> None:
        for row in self.owner.rows:
            told = [e for e in self.events if e.kind == "state_changed" and e.subject == row.spec.id]
            for a, b in pairwise(told):
                assert a.after == b.before
            if told:
                assert told[-1].after == row.state
                assert all("inflight" in e.evidence for e in told)

    @invariant()
    def trials_are_bounded(self) -> None:
        for row in self.owner.rows:
            b = row.breaker
            assert 0 <= b.trials_out <= (breaker.TRIALS if b.phase is Phase.HALF_OPEN else 1)
            assert b.phase is not Phase.CLOSED or b.trials_out == 0

    @invariant()
    def no_decision_chooses_what_is_out(self) -> None:
        ranking = route.rank(self.owner.snapshot, ask(), TERMS)
        choice = pick.choose(ranking, Query(), self.env.bits(), self.owner.live)
        if choice is not None:
            refusal = self.owner.snapshot.rows[choice.candidate.row].refusal
            assert refusal == ("breaker_open" if choice.manner == "trial" else None)


AnyHistory.TestCase.settings = settings(
    settings.default, max_examples=settings.default.max_examples, stateful_step_count=40
)
TestAnyHistory = AnyHistory.TestCase


# --- the way out -----------------------------------------------------------------------------------------


def away(name: str) -> Any:
    """Return a provider beyond this host."""
    return provider(name, base_url=f"https://api.{name}.example/v1")


def test_failures_at_unrelated_providers_at_once_are_this_hosts_own() -> None:
    """No breaker opens, no uptime falls; who cannot be reached is suspect, and one answer ends it."""
    env, owner = owned("p/a", "q/b", "r/c", "l/d", providers=[away("p"), away("q"), away("r"), provider("l")])
    events: list[Event] = []
    owner.listeners.append(events.append)
    for _ in range(10):
        for i in range(3):
            serve(owner, env, i, bad(K.CONNECT))
        for row in owner.rows[:3]:
            owner.probed(row, probe(verdict=Verdict.DOWN, failure=K.CONNECT_TIMEOUT), completion=False)
    assert owner.blame.way.uplink.lost
    assert [row.breaker.phase for row in owner.rows] == [Phase.CLOSED] * 4
    assert [row.suspect is not None for row in owner.rows] == [True, True, True, False]
    assert owner.rows[2].outcomes.over(60.0, env.now()).bad == 0
    assert [e.kind for e in events if e.subject == "lbd"] == ["uplink_lost"]
    owner.probed(owner.rows[1], probe(), completion=False)
    assert not owner.blame.way.uplink.lost
    assert [e.kind for e in events if e.subject == "lbd"] == ["uplink_lost", "uplink_back"]
    assert owner.rows[1].suspect is None


def test_a_provider_on_this_host_says_nothing_about_the_way_out() -> None:
    """Two dead servers on loopback are two dead servers."""
    here = [provider(n, base_url=f"http://{at}/v1") for n, at in (("p", "127.0.0.1:8000"), ("q", "[::1]:8001"))]
    env, owner = owned("p/a", "q/b", providers=here)
    break_open(owner, env, 0, K.CONNECT)
    break_open(owner, env, 1, K.CONNECT)
    assert not owner.blame.way.uplink.lost


def test_one_provider_that_answers_shows_that_the_others_are_down() -> None:
    """An answer between the failures of two others: the breakers do their work."""
    env, owner = owned("p/a", "q/b", "r/c", providers=[away("p"), away("q"), away("r")])
    for _ in range(3):
        serve(owner, env, 2, good())
        serve(owner, env, 0, bad(K.CONNECT))
        serve(owner, env, 2, good())
        serve(owner, env, 1, bad(K.CONNECT))
    assert not owner.blame.way.uplink.lost
    assert [row.breaker.phase for row in owner.rows] == [Phase.OPEN, Phase.OPEN, Phase.CLOSED]


# --- builds ----------------------------------------------------------------------------------------------


def test_a_build_that_never_answered_before_is_told_once() -> None:
    """The first one is where it starts; providers that serve two at once are no news each time."""
    env, owner = owned("p/a")
    events: list[Event] = []
    owner.listeners.append(events.append)
    for seen in ("fp_1", None, "fp_1", "fp_2", "fp_1", "fp_2"):
        serve(owner, env, 0, good(fingerprint=seen))
    told = [e for e in events if e.kind == "fingerprint_changed"]
    assert [(e.subject, e.before, e.after) for e in told] == [("p/a", "fp_1", "fp_2")]
    for n in range(100):
        serve(owner, env, 0, good(fingerprint=f"fp_{n}"))
    assert len(owner.rows[0].fingerprints) == 8
