"""The word and the sentence on the whole table."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.model.table import AdminState, HealthState
from lbd.table import verdict
from lbd.table.owner import Owner
from tests.fakes.env import FakeEnv
from tests.fakes.tables import bad, break_open, good, owned, probe, serve

K = FailureKind
EVERY = 20.0


def told(owner: Owner, env: FakeEnv) -> tuple[str, str]:
    owner.fold()
    return verdict.verdict(owner, env.now(), EVERY)


def test_all_well_is_pass() -> None:
    """Also what was never used, and what was taken out by order."""
    env, owner = owned("p/a", "q/b")
    assert told(owner, env) == ("pass", "all deployments are well")
    owner.order(owner.rows[1], AdminState.MAINT, by="a", reason="")
    assert told(owner, env) == ("pass", "all deployments are well; out by order: q/b")
    serve(owner, env, 0, good())
    env.advance(1)
    assert told(owner, env)[0] == "pass"


def test_what_is_out_by_order_is_no_fault() -> None:
    """However it is: whoever took it out knows."""
    env, owner = owned("p/a", "q/b", "r/c")
    break_open(owner, env, 1)
    serve(owner, env, 2, bad(K.AUTH))
    owner.order(owner.rows[1], AdminState.DRAIN, by="a", reason="")
    owner.order(owner.rows[2], AdminState.MAINT, by="a", reason="")
    assert told(owner, env) == ("pass", "all deployments are well; out by order: q/b, r/c")
    owner.order(owner.rows[1], AdminState.READY, by="a", reason="")
    assert told(owner, env)[0] == "warn"


def test_a_row_of_which_nothing_is_heard_is_not_green() -> None:
    """Two rounds of probes without a probe or a request; a new one is given that time, and requests are news."""
    env, owner = owned("p/a", "q/b")
    env.advance(2 * EVERY)
    assert told(owner, env)[0] == "pass"
    env.advance(1.0)
    assert told(owner, env) == ("warn", "p/a stale and 1 more, no_news: neither probed nor used for 41 s")
    owner.probed(owner.rows[0], probe(at=env.now()), completion=False)
    assert told(owner, env) == ("warn", "q/b stale, no_news: neither probed nor used for 41 s")
    serve(owner, env, 1, good())
    assert told(owner, env)[0] == "pass"
    assert not verdict.stale(owner.rows[1], env.now(), EVERY)
    owner.order(owner.rows[0], AdminState.MAINT, by="a", reason="")
    for _ in range(9):
        env.advance(EVERY)
        serve(owner, env, 1, good())
    assert told(owner, env)[0] == "pass"
    assert verdict.stale(owner.rows[0], env.now(), EVERY)


def test_the_worst_is_named_with_its_numbers() -> None:
    """One sentence that says what is wrong and how many more there are."""
    env, owner = owned("p/a", "q/b", "r/c")
    serve(owner, env, 0, bad(K.RESET))
    status, summary = told(owner, env)
    assert (status, summary) == ("warn", "p/a suspect, suspect_reset: the last sign of it was bad")
    break_open(owner, env, 1)
    assert told(owner, env) == ("warn", "q/b down and 1 more, breaker_open: opened by server_error")
    serve(owner, env, 2, bad(K.AUTH, message="no such key"))
    status, summary = told(owner, env)
    assert status == "warn"  # the suspect one still serves
    assert summary.startswith("r/c locked and 2 more, locked_auth: no such key")


def test_a_number_is_told_against_its_limit() -> None:
    """A rate over its limit is shown as both."""
    env, owner = owned("p/a", "q/b")
    for n in range(40):
        serve(owner, env, 0, bad(K.BROKEN_STREAM) if n % 8 == 7 else good())
    assert told(owner, env) == ("warn", "p/a degraded, error_rate: over the tier's limit (0.125 against 0.02)")


def test_nobody_left_to_serve_is_fail() -> None:
    """Down, locked or out by order, all of them."""
    env, owner = owned("p/a", "q/b")
    break_open(owner, env, 0)
    assert told(owner, env)[0] == "warn"
    owner.order(owner.rows[1], AdminState.DRAIN, by="a", reason="")
    assert told(owner, env) == ("fail", "no deployment can serve")
    assert verdict.verdict(Owner(FakeEnv()), 0.0, EVERY)[0] == "fail"


@pytest.mark.parametrize(
    ("state", "serves"),
    [
        (HealthState.UP, True),
        (HealthState.UNKNOWN, True),
        (HealthState.DEGRADED, True),
        (HealthState.RECOVERING, True),
        (HealthState.SUSPECT, True),
        (HealthState.DOWN, False),
        (HealthState.LOCKED, False),
    ],
)
def test_serving_means_that_requests_are_sent_there(state: HealthState, serves: bool) -> None:
    """By its health, and by order."""
    _, owner = owned("p/a")
    owner.rows[0].state = state
    assert verdict.serving(owner.rows[0]) is serves
    owner.rows[0].admin = AdminState.DRAIN
    assert not verdict.serving(owner.rows[0])
