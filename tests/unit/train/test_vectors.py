"""Vectors of words: signs are fixed by the word; pieces follow the merges of their vocabulary."""

from __future__ import annotations

import numpy as np

from lbd.train.vectors import Signs, best


def test_signs_are_fixed_by_the_word() -> None:
    """Another word has others."""
    source = Signs()
    assert (source.of("tide") == source.of("tide")).all()
    assert (source.of("tide") != source.of("moon")).any()
    assert set(np.unique(source.of("tide")).tolist()) == {-1.0, 1.0}
    assert source.known() == []


def test_there_is_always_a_source() -> None:
    """With the package or without it."""
    assert best().of("tide").any()
