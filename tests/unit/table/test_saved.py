from __future__ import annotations

import math
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.outcome import QuotaReading
from lbd.model.secret import Secret
from lbd.model.table import SIZES, AdminState
from lbd.state import breaker, health, quantile, quota
from lbd.state.breaker import Phase
from lbd.state.limit import Limit
from lbd.state.need import NOTHING
from lbd.state.outlier import Ejection
from lbd.state.quota import Answered, Quota
from lbd.state.row import Row, capacity
from lbd.state.window import DAY, FIVE_MINUTES, HOUR, MINUTE
from lbd.table import saved
from lbd.table.owner import Owner
from tests.fakes.env import FakeEnv
from tests.fakes.tables import WALL, bad, break_open, configure, deployment, good, owned, probe, provider, serve

K = FailureKind
LATER = 77.0  # the monotonic clock of the next run begins anywhere


def fresh(now: float = LATER, **more: Any) -> Row:
    """Return the row of a run that begins at ``now``."""
    _, owner = owned("p/a", env=FakeEnv(now, WALL), **more)
    return owner.rows[0]


def dumped(owner: Owner, env: FakeEnv) -> bytes:
    owner.fold()
    return saved.dump(owner.rows[0], env.now(), env.wall())


def restarted(owner: Owner, env: FakeEnv, gap: float = 0.0, now: float = LATER, **more: Any) -> Row:
    """Return the row as the next run has it, ``gap`` seconds of wall time later."""
    row = fresh(now, **more)
    assert saved.restore(row, dumped(owner, env), now, env.wall() + gap)
    return row


def used() -> tuple[FakeEnv, Owner]:
    """Return a table with some history behind its row."""
    env, owner = owned("p/a")
    for n in range(60):
        serve(owner, env, 0, good(0.2 + n / 100, 1.0 + n / 100, size=n % 2))
        env.advance(1.0)
    serve(owner, env, 0, bad(K.SERVER))
    serve(owner, env, 0, bad(K.RATE, retry_after_s=0.5))
    env.advance(1.0)
    owner.tick()
    return env, owner


# --- round trip ------------------------------------------------------------------------------------------


def test_how_answers_came_out_survives() -> None:
    """Quality is judged over an hour; a restart in between forgets none of it."""
    env, owner = used()
    for kind in (None, FailureKind.INVALID_ANSWER):
        owner.rows[0].checked.at(env.now()).add(kind)
    row = restarted(owner, env, 5.0)
    assert row.checked.over(HOUR, LATER).by_kind == {None: 1, FailureKind.INVALID_ANSWER: 1}


@pytest.mark.parametrize("gap", [0.0, 5.0])
def test_percentiles_and_counts_survive(gap: float) -> None:
    """Every window of every quantity, to a slot's width: a restart forgets no traffic."""
    env, owner = used()
    old, row = owner.rows[0], restarted(owner, env, gap)
    for window in (FIVE_MINUTES, HOUR):
        for before, after in ((old.total, row.total), (old.tpot, row.tpot), *zip(old.ttft, row.ttft, strict=True)):
            a, b = before.over(window, env.now()), after.over(window, LATER)
            assert b.n == a.n
            assert b.quantiles((0.5, 0.95, 0.99)) == a.quantiles((0.5, 0.95, 0.99))
            assert b.total == pytest.approx(a.total)
    for window in (FIVE_MINUTES, HOUR, DAY):
        assert row.outcomes.over(window, LATER).by_kind == old.outcomes.over(window, env.now()).by_kind
        assert row.volume.over(window, LATER).usage() == old.volume.over(window, env.now()).usage()
    assert row.volume.over(HOUR, LATER).prompt > 0
    assert row.length.usual == old.length.usual > 0
    assert (row.limit.value, row.limit.found) == (old.limit.value, old.limit.found)


@pytest.mark.parametrize("found", [True, False])
def test_a_limit_that_was_found_is_not_sought_from_afar_again(found: bool) -> None:
    """One that never was is, and what the base line was has to be seen anew."""
    env, owner = owned("p/a")
    owner.rows[0].limit = Limit(2.5, found=found)
    assert restarted(owner, env).limit == Limit(2.5, found=found)


def test_uptime_survives_and_the_time_between_two_runs_is_nobody_s() -> None:
    """Also over a day, and beside what a version before did not keep."""
    env, owner = owned("p/a")
    serve(owner, env, 0, good())
    for n in range(100):
        if n == 80:
            serve(owner, env, 0, bad(K.AUTH))
        env.advance(1.0)
        owner.tick()
    row = restarted(owner, env, gap=600.0)
    for window, share in ((FIVE_MINUTES, None), (HOUR, 0.8), (DAY, 0.8)):
        assert row.presence.over(window, LATER).share() == (None if share is None else pytest.approx(share, abs=0.01))
    known = msgspec.msgpack.decode(dumped(owner, env))
    del known["presence"]
    row = fresh()
    assert saved.restore(row, msgspec.msgpack.encode(known), LATER, env.wall())
    assert row.presence.over(DAY, LATER).share() is None
    assert row.lock is not None


def test_estimates_are_the_same_right_after_a_restart() -> None:
    """And as old as they are: a long gap lets them drift to the prior."""
    env, owner = used()
    old, row = owner.rows[0], restarted(owner, env)
    old.lately = None  # the new one adds up what the old one may have done a second ago
    for size in range(SIZES):
        before, after = health.estimate(old, size, env.now()), health.estimate(row, size, LATER)
        assert after == pytest.approx(before)
    later = restarted(owner, env, gap=3600.0)
    p95, _, backed, _ = health.estimate(later, 0, LATER)
    assert not backed
    assert p95 == pytest.approx(0.8 * 1.5, rel=0.01)


def test_an_old_sample_leaves_the_minute() -> None:
    """Ages count from when it happened, not from the restart."""
    env, owner = used()
    assert restarted(owner, env, gap=0.0).total.over(MINUTE, LATER).n > 40
    assert restarted(owner, env, gap=120.0).total.over(MINUTE, LATER).n == 0
    assert restarted(owner, env, gap=120.0).total.over(FIVE_MINUTES, LATER).n == 60


@pytest.mark.parametrize("gap", [0.0, 3.0, 4.0])
def test_an_open_breaker_stays_open_with_its_deadline(gap: float) -> None:
    """The cool-down ends when it would have ended."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    env.advance(0.5)
    old, row = owner.rows[0].breaker, restarted(owner, env, gap).breaker
    assert (row.phase, row.cause, row.openings, row.opened_total) == (Phase.OPEN, K.SERVER, 1, 1)
    assert row.retry_at - LATER == pytest.approx(old.retry_at - env.now() - gap, abs=1.0)
    assert LATER - row.since == pytest.approx(env.now() - old.since + gap, abs=1.0)
    assert breaker.admits_last_resort(row, LATER) is (gap >= 4.5)


def test_trials_under_way_are_forgotten_and_those_that_passed_are_kept() -> None:
    """They died with the process that had sent them: their slots are free again."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    owner.probed(owner.rows[0], probe("completion"), completion=True)
    for _ in range(2):
        owner.lease(0, env.now())
    assert owner.lease(0, env.now()) == "trials_under_way"
    row = restarted(owner, env)
    assert (row.breaker.phase, row.breaker.trials_out, row.breaker.trials_ok) == (Phase.HALF_OPEN, 0, 1)
    assert row.inflight == 0


def test_failures_in_a_row_do_not_go_on_over_a_restart() -> None:
    """Two failures before it and one after are not three within ten seconds of one run."""
    env, owner = owned("p/a")
    for _ in range(2):
        serve(owner, env, 0, bad())
    assert restarted(owner, env).breaker.fails == 0


def test_a_slow_start_goes_on_where_it_was() -> None:
    """A row that came back shortly before the restart does not get its full share at once."""
    env, owner = owned("p/a")
    break_open(owner, env, 0, K.CONNECT)
    owner.probed(owner.rows[0], probe(), completion=False)
    for _ in range(breaker.TRIALS):
        serve(owner, env, 0, good())
    env.advance(10.0)
    assert restarted(owner, env, gap=5.0).warm_since == pytest.approx(LATER - 15.0)
    env.advance(600.0)
    assert restarted(owner, env).warm_since is None


def test_locks_orders_and_ejections_survive() -> None:
    """What waits for a person waits on; what has a time ends when it would have."""
    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.MONEY, message="pay"))
    env.advance(3.0)
    lock = restarted(owner, env, gap=2.0).lock
    assert lock is not None
    assert (lock.kind, lock.message, lock.until, LATER - lock.since) == (K.MONEY, "pay", None, pytest.approx(5.0))

    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.NO_MODEL))
    lock = restarted(owner, env, gap=20.0).lock
    assert lock is not None
    assert lock.until == pytest.approx(LATER + 40.0)

    row = owner.rows[0]
    owner.order(row, AdminState.DRAIN, by="anna", reason="")
    owner.weigh(row, 0.25, by="ben", reason="")
    row.ejection = Ejection(env.now() + 30.0, 3, "outlier_ttft", 9.0, 3.0)
    row.fingerprints = ("fp_1", "fp_2")
    back = restarted(owner, env, gap=10.0)
    assert back.fingerprints == ("fp_1", "fp_2")
    assert (back.admin, back.admin_weight, back.admin_by) == (AdminState.DRAIN, 0.25, "ben")
    assert back.ejection == Ejection(LATER + 20.0, 3, "outlier_ttft", 9.0, 3.0)


def test_standing_survives() -> None:
    """A tier that had lost it does not get everything again at once."""
    env, owner = owned("p/a")
    owner.rows[0].standing = [0.0, 0.4, 1.0, 1.0, 1.0, 1.0]
    row = restarted(owner, env)
    assert row.standing == [0.0, 0.4, 1.0, 1.0, 1.0, 1.0]
    assert row.standing is not owner.rows[0].standing


def test_a_row_that_was_never_used_is_restored_as_that() -> None:
    """No instant of long ago is made up."""
    env, owner = owned("p/a")
    row = restarted(owner, env)
    assert row.last_used == -math.inf
    assert row.last_sample == [-math.inf] * SIZES
    assert health.view(row, Quota(), LATER, steered=False).fresh == (False,) * SIZES


def test_a_wall_clock_that_went_backwards_ages_nothing() -> None:
    """A gap is never negative."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    row = fresh()
    assert saved.restore(row, dumped(owner, env), LATER, WALL - 3600)
    assert row.breaker.retry_at - LATER == pytest.approx(breaker.FIRST_WAIT)


def test_the_restored_table_is_what_readers_see() -> None:
    """After the rows were restored the owner publishes them."""
    env, owner = owned("p/a")
    break_open(owner, env, 0)
    data = dumped(owner, env)
    later, new = owned("p/a")
    assert saved.restore(new.rows[0], data, later.now(), later.wall())
    new.restored({})
    assert new.snapshot.rows[0].refusal == "breaker_open"
    assert new.lease(0, later.now()) == "breaker_open"


_ops = st.lists(
    st.tuples(
        st.sampled_from(("good", "bad", "wait", "probe", "trial")),
        st.sampled_from((K.SERVER, K.CONNECT, K.RATE, K.NO_MODEL, K.BROKEN_STREAM)),
        st.floats(0.001, 40.0),
    ),
    max_size=25,
)


@given(ops=_ops, gap=st.sampled_from((0.0, 2.0, 50.0, 4000.0)), now=st.sampled_from((0.0, 3.0, 1e6)))
def test_any_history_survives_with_the_same_meaning(
    ops: list[tuple[str, FailureKind, float]], gap: float, now: float
) -> None:
    """What the row refuses, its deadlines and its counts are those of the old run ``gap`` seconds later."""
    env, owner = owned("p/a")
    for what, kind, seconds in ops:
        if what == "wait":
            env.advance(seconds)
            owner.tick()
        elif what == "probe":
            owner.probed(owner.rows[0], probe("completion", at=env.now()), completion=True)
        else:
            lease = owner.lease(0, env.now(), last_resort=what == "trial")
            if not isinstance(lease, str):
                lease.settle(bad(kind) if what == "bad" else good(seconds / 10, seconds))
    row = restarted(owner, env, gap, now)
    old = owner.rows[0]
    assert health.refusal(row, 1.0, now) == health.refusal(old, 1.0, env.now() + gap)
    assert row.breaker.phase is old.breaker.phase
    if old.breaker.phase is Phase.OPEN and old.breaker.retry_at > env.now():
        assert row.breaker.retry_at - now == pytest.approx(old.breaker.retry_at - env.now() - gap, abs=1.0)
    day = old.outcomes.over(DAY, env.now()).by_kind
    assert row.outcomes.over(DAY, now).by_kind == day
    if gap < 100:
        assert row.total.over(HOUR, now).n == old.total.over(HOUR, env.now()).n
    for size in range(SIZES):
        assert (row.last_sample[size] == -math.inf) is (old.last_sample[size] == -math.inf)


def test_restoring_twice_is_restoring_once() -> None:
    """What was restored may be saved and restored again."""
    env, owner = used()
    once = restarted(owner, env)
    twice = fresh()
    assert saved.restore(twice, saved.dump(once, LATER, env.wall()), LATER, env.wall())
    a, b = (msgspec.msgpack.decode(saved.dump(r, LATER, env.wall())) for r in (once, twice))
    assert a == b


# --- what does not fit -----------------------------------------------------------------------------------


def unchanged(data: bytes, now: float = LATER, wall: float = WALL, row: Row | None = None) -> bool:
    """Tell whether ``data`` was refused without a change."""
    row = row or fresh()
    before = saved.dump(row, now, wall)
    return not saved.restore(row, data, now, wall) and saved.dump(row, now, wall) == before


def test_another_row_s_state_is_dropped() -> None:
    """Another server, model or id: its percentiles say nothing here."""
    env, owner = used()
    data = dumped(owner, env)
    for spec, of in (
        (deployment("p/b"), provider("p")),
        (deployment("p/a", upstream_model="m-2"), provider("p")),
        (deployment("p/a"), provider("p", base_url="http://elsewhere.test")),
        (deployment("p/a"), provider("p", shape="vllm")),
    ):
        other = Owner(FakeEnv(LATER, WALL))
        configure(other, spec, providers=[of])
        assert unchanged(data, wall=env.wall(), row=other.rows[0])


def test_what_is_older_than_a_day_is_dropped() -> None:
    """It describes another day's provider."""
    env, owner = used()
    data = dumped(owner, env)
    assert unchanged(data, wall=env.wall() + saved.TOO_OLD + 1)
    assert saved.restore(fresh(), data, LATER, env.wall() + saved.TOO_OLD - 1)


@pytest.mark.parametrize("days", [1.1, 4, 400])
def test_an_order_does_not_grow_too_old(days: float) -> None:
    """A machine that was off over a holiday, or whose clock was set, sends nobody to what is being repaired."""
    env, owner = used()
    row = owner.rows[0]
    owner.order(row, AdminState.MAINT, by="anna", reason="new disks")
    owner.weigh(row, 0.25, by="ben", reason="", for_s=saved.TOO_OLD * 2)
    back = fresh()
    assert not saved.restore(back, dumped(owner, env), LATER, env.wall() + saved.TOO_OLD * days)
    assert (back.admin, back.admin_by, back.admin_until) == (AdminState.MAINT, "ben", None)
    assert back.admin_weight == 0.25 and back.weight_until == pytest.approx(LATER + saved.TOO_OLD * (2 - days))
    assert back.breaker == fresh().breaker and back.last_used == -math.inf, "the rest is another day's"


def altered(data: bytes, **fields: Any) -> bytes:
    plain = msgspec.msgpack.decode(data)
    assert set(fields) <= set(plain)
    return msgspec.msgpack.encode({**plain, **fields})


def test_counts_as_numbers_are_read_too() -> None:
    """An earlier version wrote each bucket with its count."""
    env, owner = used()
    data = dumped(owner, env)
    plain = msgspec.msgpack.decode(data)
    for rolling in (*plain["ttft"], plain["total"], plain["tpot"]):
        for slot in (slot for level in rolling for slot in level):
            slot[1] = quantile.unpack(slot[1], slot[2]).counts
    rows = [fresh(), fresh()]
    for row, written in zip(rows, (data, msgspec.msgpack.encode(plain)), strict=True):
        assert saved.restore(row, written, LATER, WALL)
    assert len({saved.dump(row, LATER, WALL) for row in rows}) == 1 and rows[0].total.over(HOUR, LATER).n


def test_a_full_row_is_dumped_without_much_ado() -> None:
    """It is done every few seconds, on the event loop: an object for each of its buckets would be 2 MB and 8 ms."""
    env, owner = owned("p/a")
    for n in range(3700):
        for k in range(20):
            serve(owner, env, 0, good(0.05 * 1.05 ** (n % 90) + k / 100, 2.0 + k / 10))
        env.advance(1.0)
    owner.fold()
    dumped(owner, env)
    tracemalloc.start()
    try:
        size = len(dumped(owner, env))
        assert tracemalloc.get_traced_memory()[1] < 6 * size, "at its peak"
    finally:
        tracemalloc.stop()


def test_another_version_is_dropped() -> None:
    """Older or newer: a row then starts unknown, which is safe."""
    env, owner = used()
    for version in (0, saved.VERSION + 1):
        assert unchanged(altered(dumped(owner, env), version=version))


@pytest.mark.parametrize("data", [b"", b"\x00", b"junk", b"\x80", b"\xff" * 100, msgspec.msgpack.encode([1, 2])])
def test_junk_is_dropped(data: bytes) -> None:
    """Whatever a store brings."""
    assert unchanged(data)
    assert saved.restore_quota(data, LATER, WALL) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": math.nan},
        {"limit": 0.0},
        {"limit": math.inf},
        {"output": math.nan},
        {"output": -1.0},
        {"standing": [1.0] * (SIZES - 1)},
        {"standing": [1.0] * (SIZES - 1) + [math.nan]},
        {"standing": [7.0] * SIZES},
        {"sample_ages": [1.0]},
        {"sample_ages": [math.nan] * SIZES},
        {"ttft": []},
        {"total": [[[1.0, {1: "x"}, 2.0]]]},
        {"total": [[[1.0, {1: -1}, 2.0]]]},
        {"total": [[[math.nan, {1: 1}, 2.0]]]},
        {"tpot": [[[1.0, {10**9: 1}, 2.0]]]},
        {"outcomes": [[[math.inf, {"": 1}]]]},
        {"outcomes": [[[1.0, {"": -1}]]]},
        {"breaker_age": math.nan},
        {"retry_in": math.inf},
        {"admin_weight": math.nan},
        {"admin_weight": -1.0},
        {"admin": "somewhere"},
        {"lock": {"kind": "nonsense", "age": 1.0, "message": "", "left": None}},
        {"used_age": math.nan},
        {"ejected_for": math.inf},
        {"wall": math.nan},
    ],
    ids=str,
)
def test_a_damaged_field_drops_the_whole(fields: dict[str, Any]) -> None:
    """Dropped as a whole, and the row is as it was: half a state is worse than none."""
    env, owner = used()
    assert unchanged(altered(dumped(owner, env), **fields), wall=env.wall())


@pytest.mark.parametrize(
    "fields", [{"trials_ok": 3}, {"trials_ok": -1}, {"openings": -1}, {"opened_total": -1}], ids=str
)
def test_a_breaker_that_cannot_be_drops_the_whole(fields: dict[str, int]) -> None:
    """Half-open with all trials passed would never end."""
    env, owner = used()
    data = dumped(owner, env)
    broken = {**msgspec.msgpack.decode(data)["breaker"], **fields}
    assert unchanged(altered(data, breaker=broken), wall=env.wall())


def test_a_kind_of_failure_that_is_not_known_any_more_is_left_out() -> None:
    """A newer version counted it; the other counts are good."""
    env, owner = used()
    data = altered(dumped(owner, env), outcomes=[[[1.0, {"": 5, "server_error": 2, "of_the_future": 9}]]])
    row = fresh()
    assert saved.restore(row, data, LATER, env.wall())
    assert row.outcomes.over(MINUTE, LATER).by_kind == {None: 5, K.SERVER: 2}


def sane(row: Row, now: float) -> None:
    """Use the row as the owner would; nothing may raise or leave its range."""
    most = capacity(row)
    assert most is None or 1 <= most <= 512
    seen = health.view(row, Quota(), now, steered=True)
    assert all(0 <= s <= 1 for s in seen.standing)
    assert all(0 < s < math.inf for s in (*seen.ttft_p95_s, *seen.ttft_p99_s))
    assert 0 <= seen.error_ratio <= 1
    assert 0 <= seen.weight < math.inf
    saved.dump(row, now, WALL)


_junk = st.sampled_from(
    (None, True, -1, 0, 2**63, -0.0, 0.5, 1e300, math.inf, -math.inf, math.nan, "", "open", b"\x00", [], {}, [1.0])
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path to every value within ``value``."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, v in inside for p in leaves(v, (*path, key)))]


@given(data=st.data())
def test_no_single_damage_raises_or_leaves_half_a_state(data: st.DataObject) -> None:
    """Any value anywhere replaced by junk: dropped without change, or restored to something that works."""
    env, owner = used()
    plain = msgspec.msgpack.decode(dumped(owner, env))
    path = data.draw(st.sampled_from(leaves(plain)[1:]))
    inner = plain
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = data.draw(_junk)
    row = fresh(providers=[provider("p", self_hosted=True)])
    before = saved.dump(row, LATER, WALL)
    if saved.restore(row, msgspec.msgpack.encode(plain), LATER, env.wall()):
        sane(row, LATER)
    else:
        assert saved.dump(row, LATER, WALL) == before


_whole = dumped(*reversed(used()))


@given(at=st.integers(0, len(_whole) - 1), by=st.integers(1, 255), cut=st.booleans())
def test_no_flipped_or_missing_byte_raises_or_leaves_half_a_state(at: int, by: int, cut: bool) -> None:
    """A disk may do this."""
    data = _whole[:at] if cut else _whole[:at] + bytes([_whole[at] ^ by]) + _whole[at + 1 :]
    row = fresh()
    before = saved.dump(row, LATER, WALL)
    if saved.restore(row, data, LATER, WALL + 61):
        sane(row, LATER)
    else:
        assert saved.dump(row, LATER, WALL) == before


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    """Anything is dropped or read."""
    assert unchanged(data)
    saved.restore_quota(data, LATER, WALL)


# --- quota -----------------------------------------------------------------------------------------------


def limits(now: float) -> Quota:
    told = (QuotaReading("requests", 100, 20, 30.0), QuotaReading("tokens", None, 5, 90.0))
    return quota.blocked(quota.read(Quota(), told, Answered(NOTHING, NOTHING, now), now), 12.0, now)


@pytest.mark.parametrize("gap", [0.0, 10.0])
def test_rate_limits_survive_aged(gap: float) -> None:
    """The block and each reset end when they would have ended."""
    back = saved.restore_quota(saved.dump_quota(limits(1000.0), 1000.0, WALL), LATER, WALL + gap)
    assert back is not None
    assert back.blocked_until == pytest.approx(LATER + 12.0 - gap)
    assert {w: (b.limit, b.remaining, b.reset_at - LATER) for w, b in back.buckets.items()} == {
        "requests": (100, 20, pytest.approx(30.0 - gap)),
        "tokens": (None, 5, pytest.approx(90.0 - gap)),
    }


def test_what_a_limit_fills_up_by_is_known_after_a_restart() -> None:
    """Nothing is sent before its reset otherwise, though there is room long before."""
    before = replace(limits(1000.0).buckets["requests"], refill=2.0)
    back = saved.restore_quota(saved.dump_quota(Quota({"requests": before}), 1000.0, WALL), LATER, WALL + 5)
    assert back is not None
    assert quota.held(back.buckets["requests"], LATER) == pytest.approx(30.0)


def test_what_an_account_taught_of_its_429s_is_known_after_a_restart() -> None:
    """Else it is asked as fast as requests come, once the wait is over; a file of before has none of it."""
    shut = quota.refused(Quota(), 4.0, 1000.0, sent_at=999.9)
    data = saved.dump_quota(shut, 1000.0, WALL)
    back = saved.restore_quota(data, LATER, WALL + 3)
    assert back is not None and back.pace is not None
    assert back.pace.at == back.blocked_until == pytest.approx(LATER + 1.0)
    without = msgspec.msgpack.decode(data)
    del without["pace"]
    assert saved.restore_quota(msgspec.msgpack.encode(without), LATER, WALL + 3) == replace(back, pace=None)


def test_limits_that_ended_meanwhile_are_gone() -> None:
    """A block and a reset that the restart outlasted keep nobody out."""
    back = saved.restore_quota(saved.dump_quota(limits(1000.0), 1000.0, WALL), LATER, WALL + 60)
    assert back is not None
    assert back.blocked_until == 0.0
    assert set(back.buckets) == {"tokens"}
    assert quota.left(back, LATER) == 1.0
    assert saved.restore_quota(saved.dump_quota(Quota(), 1000.0, WALL), LATER, WALL) == Quota()


@pytest.mark.parametrize(
    "fields",
    [
        {"blocked_for": math.inf},
        {"blocked_for": math.nan},
        {"buckets": {"requests": (10, 5, math.nan)}},
        {"buckets": {"requests": (10, 5, math.inf)}},
        {"buckets": {"requests": (10, -5, 1.0)}},
        {"buckets": {"requests": (0, 5)}},
        {"wall": math.nan},
        {"pace": {"rate": math.nan}},
    ],
    ids=str,
)
def test_damaged_limits_are_dropped(fields: dict[str, Any]) -> None:
    """A block without an end would keep a provider out for ever."""
    data = altered(saved.dump_quota(limits(1000.0), 1000.0, WALL), **fields)
    assert saved.restore_quota(data, LATER, WALL) is None


def test_a_saved_row_holds_no_secret() -> None:
    """What is kept on disk has no key in it."""
    env, owner = owned("p/a", providers=[provider("p", api_key=Secret("sk-very-secret"), headers=(("x-org", "o-1"),))])
    serve(owner, env, 0, bad(K.AUTH))
    data = dumped(owner, env)
    assert b"sk-very-secret" not in data
    assert b"o-1" not in data
