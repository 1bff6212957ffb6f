"""How well a deployment is held to answer one prompt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide import fitness
from lbd.model.request import Ask
from lbd.model.table import ALL, DeploymentView
from tests.fakes import tables

ratios = st.floats(0, 1)


def row(quality: float | None, strength: float = 0.0, **families: float) -> DeploymentView:
    view = tables.view("p/a", quality=quality)
    return replace(view, spec=replace(view.spec, strength=strength, quality=families))


def test_a_strong_model_does_as_it_always_does() -> None:
    """However hard the prompt; a weak one does worse where it gains more than usual, better where less."""
    hard, easy = Ask("auto", excess=0.2), Ask("auto", excess=-0.1)
    assert fitness.expected(row(0.9, 1.0), hard) == fitness.expected(row(0.9, 1.0), easy) == 0.9
    assert round(fitness.expected(row(0.8), hard) or 0, 6) == 0.6
    assert round(fitness.expected(row(0.8), easy) or 0, 6) == 0.9


def test_what_is_known_of_the_family_comes_first() -> None:
    """Else what is known on the whole."""
    known = row(0.8, 1.0, default=0.8, code=0.95)
    assert fitness.expected(known, Ask("auto", family="code")) == 0.95
    assert fitness.expected(known, Ask("auto", family="math")) == 0.8


def test_what_was_measured_comes_before_what_was_configured() -> None:
    """Also of a family; the bound is the one that was measured."""
    known = replace(row(0.8, 1.0, code=0.95), quality_low=0.7, families={"code": (0.6, 0.5)})
    assert fitness.expected(known, Ask("auto", family="code")) == 0.6
    assert fitness.least(known, Ask("auto", family="code")) == 0.5
    assert fitness.expected(known, Ask("auto")) == 0.8
    assert fitness.least(known, Ask("auto", family="math")) == 0.7


def test_what_became_worse_over_all_did_so_in_every_family() -> None:
    """What did in one, in that alone."""
    whole, part = replace(row(0.8), lost=frozenset({ALL})), replace(row(0.8), lost=frozenset({"code"}))
    assert fitness.lost(whole, Ask("auto")) and fitness.lost(whole, Ask("auto", family="code"))
    assert fitness.lost(part, Ask("auto", family="code"))
    assert not fitness.lost(part, Ask("auto")) and not fitness.lost(row(0.8), Ask("auto"))


def test_nothing_known_stays_nothing() -> None:
    """It is no number to compare with."""
    assert fitness.expected(row(None), Ask("auto", excess=0.3)) is None
    assert fitness.least(row(None), Ask("auto", doubt=1.0)) is None


@given(ratios, ratios, st.floats(-1, 1), ratios)
def test_the_lower_bound_is_a_lower_bound(quality: float, strength: float, excess: float, doubt: float) -> None:
    """Both within 0 and 1; the farther from what was seen, the lower for the weak."""
    ask = Ask("auto", excess=excess, doubt=doubt)
    expected, least = fitness.expected(row(quality, strength), ask), fitness.least(row(quality, strength), ask)
    assert expected is not None and least is not None
    assert 0 <= least <= expected <= 1
    assert least <= (fitness.least(row(quality, strength), Ask("auto", excess=excess)) or 0)
    assert fitness.least(row(quality, 1.0), ask) == quality


@given(ratios, ratios, st.floats(-0.5, 0.5), st.floats(0, 0.5))
def test_a_harder_prompt_never_makes_a_model_better(
    quality: float, strength: float, excess: float, more: float
) -> None:
    """And a stronger model is never worse at it."""
    view = row(quality, strength)
    assert (fitness.expected(view, Ask("auto", excess=excess + more)) or 0) <= (
        fitness.expected(view, Ask("auto", excess=excess)) or 0
    ) + 1e-9
