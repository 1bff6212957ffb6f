"""Accounts: rows that share limits, and how far what was told has been overtaken."""

from __future__ import annotations

from lbd.model.outcome import QuotaReading
from lbd.state import quota
from lbd.table.accounts import group
from tests.fakes.tables import good, owned, probe, provider


def told(remaining: int, **more: float) -> dict[str, object]:
    return {"quota": (QuotaReading("requests", 100, remaining, 30.0),), **more}


def test_an_account_is_its_quota_group_or_its_provider() -> None:
    """Two providers may be one account; by default each is one."""
    _, owner = owned("p/a", "q/b", "r/c", providers=[provider(n, quota_group="team") for n in "pq"])
    assert [group(row) for row in owner.rows] == ["team", "team", "r"]
    assert set(owner.accounts.quotas) == {"team", "r"}


def test_requests_under_way_are_taken_off_what_an_answer_told() -> None:
    """Twelve are left when the first is answered, and eleven were sent since: one more, not twelve."""
    env, owner = owned("p/a", "p/b")
    leases = [owner.lease(i % 2, env.now()) for i in range(12)]
    assert not isinstance(leases[0], str)
    leases[0].settle(good(**told(12)))  # type: ignore[arg-type]
    last = owner.lease(0, env.now())
    assert not isinstance(last, str)
    assert owner.lease(1, env.now()) == "quota_exhausted", "the rows of one account share it"
    assert not isinstance(leases[1], str)
    leases[1].settle(good(**told(99)))  # type: ignore[arg-type]
    assert not isinstance(owner.lease(1, env.now()), str), "a later request's answer knows better"


def test_limits_count_from_the_head_that_told_them() -> None:
    """A stream of twenty seconds does not push the reset back by as much."""
    env, owner = owned("p/a")
    lease = owner.lease(0, env.now())
    assert not isinstance(lease, str)
    env.advance(20.0)
    lease.settle(good(**told(0, quota_age_s=20.0)))  # type: ignore[arg-type]
    assert quota.next_timer(owner.quota_of(owner.rows[0]), env.now()) == env.now() + 10.0


def test_a_probe_does_not_know_of_what_runs() -> None:
    """Its reading is held not to count it."""
    env, owner = owned("p/a")
    for _ in range(3):
        assert not isinstance(owner.lease(0, env.now()), str)
    owner.probed(owner.rows[0], probe("models", **told(10)), completion=False)
    assert owner.quota_of(owner.rows[0]).buckets["requests"].remaining == 7


def test_limits_of_an_account_that_a_reload_took_out_are_dropped() -> None:
    """An answer may come later than the reload."""
    env, owner = owned("p/a")
    lease = owner.lease(0, env.now())
    assert not isinstance(lease, str)
    assert owner.accounts.change(lease.row, lambda q: q, env.now()) is False
    owner.accounts.configure(())
    assert owner.accounts.change(lease.row, lambda q: q, env.now()) is None
