"""Scores of one row: over all prompts and by family, as decisions and as people see them."""

from __future__ import annotations

import pytest

from lbd.model.table import ALL
from lbd.state import scores
from lbd.state.quality import LEARN, Phase
from lbd.state.row import Row
from lbd.state.scores import seen, swap, take, told
from tests.fakes.tables import deployment, owned

NOW = 1000.0


def row(**quality: float) -> Row:
    _, owner = owned(deployment("p/a", quality=quality))
    return owner.rows[0]


def scored(of: Row, family: str, *values: float, shadow: bool = False) -> list[scores.Change]:
    return [change for value in values for change in take(of, family, value, NOW, shadow=shadow)]


def test_without_scores_what_is_configured_is_seen() -> None:
    """And nothing is measured."""
    assert seen(row(default=0.8, code=0.9), NOW) == (0.8, None, {}, frozenset())
    assert told(row(default=0.8), NOW) == []


def test_a_score_counts_over_all_and_in_its_family() -> None:
    """A family begins at what is configured for it."""
    of = row(default=0.8, code=0.9)
    scored(of, "code", *[0.9] * 50)
    found = seen(of, NOW)
    assert found.value == pytest.approx(0.85)
    assert found.families["code"][0] == pytest.approx(0.925)  # what it was better by over all is its prior, too
    assert found.low is not None and found.low < 0.85
    assert [t.family for t in told(of, NOW)] == [ALL, "code"]
    assert scores.level(of, "code", NOW) == told(of, NOW)[1].level
    assert scores.level(of, ALL, NOW) == told(of, NOW)[0].level


def test_what_the_model_is_worse_by_over_all_moves_families_without_scores() -> None:
    """A model that was described wrongly is corrected as a whole."""
    of = row(default=0.8, code=0.9)
    scored(of, ALL, *[0.6] * 50)
    value, low = seen(of, NOW).families["code"]
    assert value == pytest.approx(0.8) and low < value


def test_without_a_configured_quality_it_is_known_once_there_are_enough() -> None:
    """Not before; and no family is held for known before it is."""
    of = row()
    scored(of, "code", *[0.5] * 19)
    assert seen(of, NOW) == (None, None, {}, frozenset())
    scored(of, "code", 0.5)
    assert seen(of, NOW).value == pytest.approx(0.5) and "code" in seen(of, NOW).families
    scored(of, "code", *[0.5] * LEARN)
    assert of.scores[ALL].reference is not None


def test_a_family_is_lost_and_comes_back_by_shadow_scores() -> None:
    """Each change is told once, and seen."""
    of = row(default=0.9)
    scored(of, "math", *[0.9] * 100)
    changes = scored(of, "code", *[0.0] * 40)
    assert {c.family: c.after.phase for c in changes} == {ALL: Phase.DROPPED, "code": Phase.DROPPED}
    assert seen(of, NOW).lost == {ALL, "code"}
    back = scored(of, "code", *[1.0] * 300, shadow=True)
    assert {c.family for c in back} == {ALL, "code"} and seen(of, NOW).lost == frozenset()


def test_another_configured_quality_is_seen_at_once() -> None:
    """A person has spoken: what was lost is back, under the new reference."""
    of = row(default=0.9)
    scored(of, ALL, *[0.0] * 60)
    assert seen(of, NOW).lost == {ALL}
    of.spec = deployment("p/a", quality={"default": 0.5})
    assert seen(of, NOW).lost == frozenset()
    assert told(of, NOW)[0].standing.reference == 0.5


def test_a_rating_that_is_changed_counts_once() -> None:
    """In both levels; a family that is not known is nobody's."""
    of = row(default=0.5)
    scored(of, "code", 0.0)
    swap(of, "code", 0.0, 1.0)
    assert all(s.level.total == 1 and s.level.n == 1 for s in of.scores.values())
    swap(of, "law", 1.0, 0.0)
    assert set(of.scores) == {ALL, "code"}
