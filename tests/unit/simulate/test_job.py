"""How long an answer is stands in its prompt."""

from __future__ import annotations

import pytest

from lbd.simulate.job import length, text


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b'{"content": "hello #answer-tokens=123#"}', 123),
        (b"#answer-tokens=7# then #answer-tokens=8#", 8),
        (b"hello", None),
        (b"#answer-tokens=", None),
        (b"#answer-tokens=x#", None),
    ],
)
def test_the_last_mark_counts(body: bytes, tokens: int | None) -> None:
    assert length(body) == tokens


def test_the_right_answer_has_as_many_words_as_tokens() -> None:
    assert text(3) == "w0 w1 w2 "
