"""Scores as bytes and back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.table import ALL
from lbd.state import scores
from lbd.state.quality import HALF_LIFE, Phase
from lbd.state.row import Row
from lbd.table import saved_scores
from tests.fakes.tables import WALL, owned

NOW, LATER = 1000.0, 77.0


def row(name: str = "p/a") -> Row:
    _, owner = owned(name)
    return owner.rows[0]


def scored(*values: float) -> Row:
    of = row()
    for value in values:
        scores.take(of, "code", value, NOW)
    return of


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_what_was_learned_is_there_again(values: list[float]) -> None:
    """The level, the bet, the phase and the reference of every family."""
    old, new = scored(*values), row()
    assert saved_scores.restore(new, saved_scores.dump(old, NOW, WALL), LATER, WALL)
    assert set(new.scores) == {ALL, "code"}
    for family, before in old.scores.items():
        after = new.scores[family]
        assert (after.bet, after.phase, after.reference, after.prior) == (
            before.bet,
            before.phase,
            before.reference,
            before.prior,
        )
    was, seen = scores.seen(old, NOW), scores.seen(new, LATER)
    assert seen == was


def test_time_in_between_ages_it() -> None:
    """Half of it is gone after the half-life."""
    old, new = scored(*[0.0] * 100), row()
    assert saved_scores.restore(new, saved_scores.dump(old, NOW, WALL), LATER, WALL + HALF_LIFE)
    assert new.scores[ALL].phase is Phase.DROPPED, "time alone brings nothing back"
    assert scores.seen(new, LATER).value == pytest.approx(0.4)


def test_of_another_deployment_or_damaged_it_is_left_out() -> None:
    """As a whole."""
    data = saved_scores.dump(scored(0.5), NOW, WALL)
    other, same = row("q/a"), row()
    assert not saved_scores.restore(other, data, LATER, WALL) and not other.scores
    bad = msgspec.msgpack.decode(data)
    bad["families"]["code"]["total"] = 99.0
    nan = msgspec.msgpack.decode(data)
    nan["families"]["code"]["n"] = float("nan")
    for broken in (data[:-1], b"", msgspec.msgpack.encode(bad), msgspec.msgpack.encode(nan)):
        assert not saved_scores.restore(same, broken, LATER, WALL) and not same.scores
