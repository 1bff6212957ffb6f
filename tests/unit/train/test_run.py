"""All of training: the same rows give the same weights, which the router loads; too few rows are refused."""

from __future__ import annotations

import pytest

from lbd.router.judge import Router
from lbd.train.rows import RowError
from lbd.train.run import KNOWN, UNSEEN, train
from lbd.train.vectors import Signs
from tests.unit.train.made import rows


def test_training_twice_gives_the_same() -> None:
    """Weights and figures; progress is told."""
    said: list[str] = []
    one = train(rows(), said.append, source=Signs())
    two = train(rows(), said.append, source=Signs())
    assert one.weights == two.weights and one.lines == two.lines and len(said) > 20
    assert {x.by for x in one.lines} >= {KNOWN, UNSEEN}
    assert Router.from_bytes(one.weights).judge(rows()[0].prompt).fired


def test_too_few_rows_are_refused() -> None:
    """Nothing could be checked."""
    with pytest.raises(RowError, match="too few"):
        train(rows()[:50], print, source=Signs())
