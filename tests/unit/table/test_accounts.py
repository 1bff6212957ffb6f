"""Accounts: rows that share limits, and how far what was told has been overtaken."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import QuotaReading
from lbd.state import quota
from lbd.state.bucket import Bucket
from lbd.state.claims import Bid
from lbd.state.need import NOTHING, Need
from lbd.state.pace import FIRST, MISTRUSTED
from lbd.state.quota import Quota
from lbd.table.accounts import group
from tests.fakes.tables import bad, deployment, good, owned, probe, provider, serve


def told(remaining: int, **more: float) -> dict[str, object]:
    return {"quota": (QuotaReading("requests", 100, remaining, 30.0),), **more}


def test_an_account_is_its_quota_group_or_its_provider() -> None:
    """Two providers may be one account; by default each is one."""
    _, owner = owned("p/a", "q/b", "r/c", providers=[provider(n, quota_group="team") for n in "pq"])
    assert [group(row) for row in owner.rows] == ["team", "team", "r"]
    assert set(owner.accounts.quotas) == {"team", "r"}


def test_two_models_at_one_provider_have_limits_of_their_own() -> None:
    """What the answers of one tell says nothing of the other."""
    rows = [deployment("p/a", account="p/a"), deployment("p/b", account="p/b")]
    env, owner = owned(*rows)
    for i, remaining in enumerate((0, 50)):
        lease = owner.lease(i, env.now())
        assert not isinstance(lease, str)
        lease.settle(good(**told(remaining)))  # type: ignore[arg-type]
    assert [owner.accounts.of(row).buckets["requests"].remaining for row in owner.rows] == [0, 50]
    assert owner.lease(0, env.now()) == "quota_exhausted" and not isinstance(owner.lease(1, env.now()), str)


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


def filling(remaining: float, **more: object) -> Quota:
    """A limit of 6000 tokens that gets back a hundred a second; the clock stands at 100."""
    return Quota({"tokens": Bucket(6000, remaining, 160.0, 100.0, 100.0)}, **more)  # type: ignore[arg-type]


def big(tokens: float) -> Need:
    return Need(1, tokens, either=tokens)


def test_a_request_has_room_when_what_it_takes_itself_is_there() -> None:
    """A large one is refused where a small one goes; and each is taken off at once."""
    env, owner = owned("p/a", "p/b")
    owner.restored({"p": quota.used(filling(1000.0), big(100), env.now())})
    now = env.now()
    level = quota.held(owner.accounts.quotas["p"].buckets["tokens"], now)
    assert owner.lease(0, now, bid=Bid(big(level + 50))) == "quota_exhausted"
    assert owner.accounts.when(owner.rows[0], Bid(big(level + 50)), now) == pytest.approx(now + 0.5)
    assert not isinstance(owner.lease(1, now, bid=Bid(big(level - 50))), str)
    assert owner.lease(0, now, bid=Bid(big(100))) == "quota_exhausted"
    env.advance(0.51)
    assert not isinstance(owner.lease(0, env.now(), bid=Bid(big(100))), str)


def test_claims_keep_room_until_they_are_withdrawn() -> None:
    """For those who have others before them; the rows of the account are told when one ends."""
    env, owner = owned("p/a", "q/b", "r/c", providers=[provider(n, quota_group="team") for n in "pq"])
    accounts, now = owner.accounts, env.now()
    owner.restored({"team": Quota({"tokens": Bucket(6000, 300.0, now + 60, now, 100.0)})})
    ticket = accounts.claim(owner.rows[0], big(1000))
    small = Bid(big(100), 1)
    assert accounts.when(owner.rows[1], small, now) == pytest.approx(now + 8)
    assert accounts.when(owner.rows[1], small._replace(ahead=0), now) == now
    assert accounts.when(owner.rows[2], small, now) == now
    assert accounts.withdraw("team", ticket) == {0, 1}
    assert accounts.when(owner.rows[1], small, now) == now


def test_what_is_under_way_is_known_by_what_ended() -> None:
    """Leases of every end give back what they held."""
    env, owner = owned("p/a")
    need = Need(1, 100, 20, 80, 100)
    leases = [owner.lease(0, env.now(), bid=Bid(need)) for _ in range(3)]
    for n, lease in enumerate(leases):
        assert not isinstance(lease, str)
        assert lease.sent.mark[0] == n + 1 == lease.sent.open[0]
        if n:
            lease.ignore()
        else:
            lease.settle(good())
    assert owner.accounts._tally("p") == (Need(*(3 * part for part in need)), NOTHING)


def test_after_a_429_one_request_goes_first_and_its_answer_opens_the_account() -> None:
    """All rows of the account wait for it."""
    env, owner = owned("p/a", "p/b")
    serve(owner, env, 0, bad(FailureKind.RATE, retry_after_s=1.0))
    assert owner.lease(1, env.now()) == "quota_exhausted"
    env.advance(1.01)
    first = owner.lease(0, env.now())
    assert not isinstance(first, str)
    assert owner.lease(0, env.now()) == owner.lease(1, env.now()) == "quota_exhausted"
    env.advance(0.03)
    first.settle(good())
    followed = [owner.lease(i, env.now()) for i in (0, 1, 0)]
    assert [isinstance(lease, str) for lease in followed] == [False, False, True], "two follow"


def test_many_that_want_an_account_are_reason_enough_to_try_it() -> None:
    """Where the ends of waits are not believed, one goes first for some of them."""
    env, owner = owned("p/a")
    for _ in range(MISTRUSTED):
        owner.accounts.wanted("p")
        while isinstance(lease := owner.lease(0, env.now()), str):
            env.advance(0.05)
        env.advance(0.02)
        lease.settle(bad(FailureKind.RATE, retry_after_s=0.1))
    env.advance(0.101)
    for n in range(FIRST):
        assert owner.lease(0, env.now()) == "quota_exhausted", n
        owner.accounts.wanted("p")
    assert not isinstance(owner.lease(0, env.now()), str)
