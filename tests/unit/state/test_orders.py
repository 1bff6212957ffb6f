"""Orders that end by themselves."""

from __future__ import annotations

from lbd.model.table import AdminState
from lbd.state import orders
from lbd.table import saved
from tests.fakes.tables import owned


def test_an_order_without_an_end_never_ends() -> None:
    """It waits for a person."""
    env, owner = owned("p/a")
    owner.order(owner.rows[0], AdminState.DRAIN, by="anna", reason="x")
    env.advance(orders.LONGEST)
    assert list(orders.states_over(owner.rows, env.now())) == list(orders.weights_over(owner.rows, env.now())) == []
    assert orders.end(None, 5.0) is None and orders.end(3.0, 5.0) == 8.0
    assert orders.told(None) == {} and orders.told(3.0) == {"for_s": 3.0}


def test_a_drain_for_a_time_is_over_when_its_time_is() -> None:
    """Not a moment before; an event says so, and by whom it was taken back."""
    env, owner = owned("p/a", "p/b")
    row = owner.rows[0]
    told = []
    owner.listeners.append(told.append)
    owner.order(row, AdminState.DRAIN, by="anna", reason="x", for_s=60.0)
    assert told[-1].evidence == {"for_s": 60.0}
    env.advance(59.9)
    owner.tick()
    assert row.admin is AdminState.DRAIN
    env.advance(0.2)
    owner.tick()
    assert row.admin is AdminState.READY and row.admin_until is None
    assert (told[-1].kind, told[-1].by, told[-1].reason) == ("admin_ready", orders.BY, orders.OVER)
    owner.tick()
    assert told[-1].before == AdminState.DRAIN  # told once


def test_a_weight_and_a_state_end_each_by_themselves() -> None:
    """The weight goes back to the configured one; what is ordered anew begins anew."""
    env, owner = owned("p/a")
    row = owner.rows[0]
    owner.weigh(row, 0.1, by="anna", reason="x", for_s=10.0)
    owner.order(row, AdminState.MAINT, by="anna", reason="x", for_s=20.0)
    env.advance(11.0)
    owner.tick()
    assert row.admin_weight is None and row.admin is AdminState.MAINT
    owner.order(row, AdminState.MAINT, by="ben", reason="longer")
    env.advance(100.0)
    owner.tick()
    assert row.admin is AdminState.MAINT


def test_an_end_survives_a_restart() -> None:
    """Counted from when it was ordered: the time of the restart counts, too."""
    env, owner = owned("p/a")
    owner.order(owner.rows[0], AdminState.DRAIN, by="anna", reason="x", for_s=100.0)
    owner.weigh(owner.rows[0], 0.5, by="anna", reason="x", for_s=30.0)
    data = saved.dump(owner.rows[0], env.now(), env.wall())
    again, fresh = owned("p/a")
    again.advance(40.0)
    assert saved.restore(fresh.rows[0], data, again.now(), again.wall())
    assert fresh.rows[0].admin_until == again.now() + 60.0
    fresh.tick()
    assert fresh.rows[0].admin is AdminState.DRAIN and fresh.rows[0].admin_weight is None
