"""What stands behind a name: capabilities, percentiles of the last half hour, uptimes."""

from __future__ import annotations

from lbd.table.offered import POINTS, offers
from tests.fakes.tables import deployment, owned

CARRIES = {"openai.chat": frozenset({"tools", "images"})}


def test_a_row_that_served_nothing_tells_no_numbers() -> None:
    """Null is not 0; what it carries is what its shape does, narrowed by what the model supports."""
    rows = (
        deployment("a/m", carries=CARRIES, supports=frozenset({"tools"}), context_tokens=1000),
        deployment("b/m", carries=CARRIES),
    )
    env, owner = owned(*rows)
    narrow, wide = offers(owner, [0, 1], env.now())
    assert (narrow.ttft_s, narrow.tpot_s, narrow.context_tokens) == (None, None, 1000)
    assert narrow.carries == {"tools"} and wide.carries == {"tools", "images"}


def test_rows_come_in_the_order_they_are_asked_for() -> None:
    """By their numbers; one sample gives a value at every point."""
    env, owner = owned(deployment("a/m"), deployment("b/m"))
    now = env.now()
    owner.rows[1].ttft[0].at(now).add(0.5)
    owner.rows[1].tpot.at(now).add(0.02)
    second, first = offers(owner, [1, 0], now)
    assert (second.deployment, first.deployment) == ("b/m", "a/m") and first.ttft_s is None
    assert second.ttft_s is not None and len(second.ttft_s) == len(POINTS) and abs(second.ttft_s[0] - 0.5) < 0.02
