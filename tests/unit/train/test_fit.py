"""Fitting: the same rows give the same bytes, what can be learned is, and folds without a kind still load."""

from __future__ import annotations

import numpy as np

from lbd.router.judge import Router
from lbd.router.text import Kind
from lbd.train.corpus import of_kind
from lbd.train.fit import MOST_FAMILIES, Recipe, fit, groups
from lbd.train.measure import apgr
from tests.unit.train.made import data

ALL = np.arange(len(data().rows))


def test_the_same_rows_give_the_same_bytes() -> None:
    """No time, no chance."""
    assert fit(data(), ALL) == fit(data(), ALL)


def test_what_can_be_learned_is() -> None:
    """On rows that were held out."""
    router = Router.from_bytes(fit(data(), ALL[ALL % 8 < 4]))
    test = ALL[ALL % 8 >= 4]
    told = np.array([router.verdict(data().readings[i]).gain for i in test])
    for name in data().names:
        here = data().sets[test] == name
        assert apgr(told[here], data().weak[test][here], data().strong[test][here]) > 0.6


def test_a_kind_without_rows_is_judged_all_the_same() -> None:
    """By what is left: nothing."""
    router = Router.from_bytes(fit(data(), of_kind(data(), ALL, Kind.OPEN)))
    found = router.judge("pick one\nA. x\nB. y")
    assert found.kind == "listed" and np.isfinite(found.gain) and found.family == "unknown"


def test_many_families_are_grouped_by_coarse_words() -> None:
    """Few stay as they are."""
    assert groups(["a", "b"]).tolist() == ["a", "b"]
    found = groups([f"f{i}" for i in range(40)] + ["algebra", "calculus"])
    assert len(set(found.tolist())) <= MOST_FAMILIES
    assert found[-1] == found[-2]


def test_a_recipe_is_data() -> None:
    """Another one gives another file."""
    assert fit(data(), ALL, recipe=Recipe(margin=0.1)) != fit(data(), ALL)
