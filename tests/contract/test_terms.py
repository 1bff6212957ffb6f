"""The laws of every registered scoring term, whatever it scores."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from lbd import plugins
from lbd.decide import eligible
from lbd.decide.terms import DEFAULT_WEIGHTS, TERMS, Predicted, Term
from lbd.model.provider import Price
from lbd.model.request import Ask
from lbd.model.table import DeploymentView, Snapshot, size_bucket
from tests.fakes.tables import cases

plugins.load()
EACH = pytest.mark.parametrize("name", sorted(TERMS))

# What is worse for a row, one input at a time. A term of a new input adds its line here.
WORSE: dict[str, Any] = {
    "slower": lambda r, p: (replace(r, ttft_p95_s=tuple(2 * s for s in r.ttft_p95_s)), replace(p, ttft_s=2 * p.ttft_s)),
    "longer wait": lambda r, p: (replace(r, wait_s=r.wait_s + 1), replace(p, ttft_s=p.ttft_s + 1)),
    "more errors": lambda r, p: (replace(r, error_ratio=min(1.0, r.error_ratio + 0.1)), p),
    "fuller": lambda r, p: (replace(r, load=min(1.0, r.load + 0.3)), p),
    "less quota": lambda r, p: (replace(r, quota_left=r.quota_left / 2), p),
    "dearer": lambda r, p: (
        replace(r, spec=replace(r.spec, price=Price(99.0, 99.0))),
        replace(p, usd=None if p.usd is None else 2 * p.usd + 0.001),
    ),
    "worse answers": lambda r, p: (r if r.quality is None else replace(r, quality=r.quality * 0.5), p),
}


def judged(term: Term, case: tuple[Snapshot, Ask]) -> list[tuple[DeploymentView, Predicted, float]]:
    table, ask = case
    out = []
    for row in table.rows:
        predicted = eligible.predict(row, ask, size_bucket(ask.input_tokens), row.tier_target_s)
        out.append((row, predicted, term(ask, row, predicted)))
    return out


@EACH
@given(case=cases(max_rows=3))
def test_a_term_is_a_number_from_0_to_1(name: str, case: tuple[Snapshot, Ask]) -> None:
    """Finite and within [0, 1] for whatever a table holds."""
    for _, _, value in judged(TERMS[name], case):
        assert isinstance(value, float)
        assert math.isfinite(value)
        assert 0.0 <= value <= 1.0


@EACH
@given(case=cases(max_rows=3))
def test_a_term_is_a_function_of_its_inputs(name: str, case: tuple[Snapshot, Ask]) -> None:
    """The same row and Ask give the same number: decisions can be executed again."""
    assert judged(TERMS[name], case) == judged(TERMS[name], case)


@EACH
@given(case=cases(max_rows=2))
def test_no_term_rewards_what_is_worse(name: str, case: tuple[Snapshot, Ask]) -> None:
    """Monotone in its own input, constant in the others."""
    _, ask = case
    for row, predicted, value in judged(TERMS[name], case):
        for what, spoil in WORSE.items():
            worse, later = spoil(row, predicted)
            assert TERMS[name](ask, worse, later) <= value + 1e-12, what


@EACH
def test_every_term_has_a_weight_by_default(name: str) -> None:
    """What is registered takes part in the default score."""
    assert DEFAULT_WEIGHTS[name] > 0
    assert set(DEFAULT_WEIGHTS) == set(TERMS)


@EACH
@given(case=cases(max_rows=2))
def test_a_name_earns_no_points(name: str, case: tuple[Snapshot, Ask]) -> None:
    """A row by another name, of another provider, gets the same number."""
    _, ask = case
    for row, predicted, value in judged(TERMS[name], case):
        renamed = replace(row, spec=replace(row.spec, id="x/y", provider="x"))
        assert TERMS[name](ask, renamed, predicted) == value
