"""Similarity of meaning by static word vectors: an extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.quality import embedding, pieces
from tests.unit.quality.test_pieces import make

numbers = st.lists(st.floats(-10, 10), min_size=3, max_size=3)
START = "\u2581"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that knows three words, of which two mean nearly the same."""
    words = ("car", "auto", "soup")
    vocabulary = {START: 0, **dict.fromkeys("acoprstu", 0)}
    merges = []
    table = [[0.0, 0.0], [1.0, 0.1], [0.9, 0.3], [-0.1, 1.0]]
    for number, word in enumerate(words, 1):
        for end in range(1, len(word) + 1):
            merges.append(f"{START}{word[: end - 1]} {word[end - 1]}")
            vocabulary[START + word[:end]] = number if end == len(word) else 0
    make(tmp_path, vocabulary, merges, table)
    monkeypatch.setattr(pieces, "folder", lambda: tmp_path)
    monkeypatch.setattr(embedding, "available", lambda: True)
    for memory in (embedding._vectors, embedding._vector):
        memory.cache_clear()
    yield
    for memory in (embedding._vectors, embedding._vector):
        memory.cache_clear()


@given(numbers, numbers)
def test_the_cosine_is_one(a: list[float], b: list[float]) -> None:
    """Between -1 and 1, the same both ways, 1 for a vector and itself unless it has no length."""
    assert -1 - 1e-9 <= embedding.cosine(a, b) <= 1 + 1e-9
    assert embedding.cosine(a, b) == embedding.cosine(b, a)
    if max(map(abs, a)) > 1e-3:
        assert embedding.cosine(a, a) == pytest.approx(1.0)


def test_without_the_extra_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the extra."""
    monkeypatch.setattr(embedding, "find_spec", lambda _name: None)
    for memory in (embedding._vectors, embedding._vector):
        memory.cache_clear()
    assert not embedding.available()
    with pytest.raises(ImportError, match=r"lbd\[embedding\]"):
        embedding.similarity("a", "b")


@pytest.mark.usefixtures("package")
def test_texts_of_one_meaning_are_nearer_than_others() -> None:
    """Whatever the words are; the same text is nearest, no text is near nothing."""
    assert 0.9 < embedding.similarity("Car!", "auto") < 1
    assert embedding.similarity("car", "soup") < 0.1
    assert embedding.similarity("car soup", "soup car") == pytest.approx(1.0)
    assert embedding.similarity("", "car") == embedding.similarity("...", "...") == 0.0
