"""Google's counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import Usage
from lbd.shapes.gemini.usage import Counts, usage_of
from tests.unit.shapes.gemini.answers import FIRST, USAGE


def counted(*told: object) -> Usage | None:
    counts = Counts()
    for metadata in told:
        counts.add(metadata)
    return counts.usage()


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ([USAGE], Usage(20, 37, 16, 30)),
        ([FIRST, USAGE], Usage(20, 37, 16, 30)),
        ([USAGE, {"promptTokenCount": 21}], Usage(21, 37, 16, 30)),
        ([FIRST], Usage(20, 0, 16)),
        ([{"promptTokenCount": 5, "toolUsePromptTokenCount": 100, "candidatesTokenCount": 1}], Usage(105, 1)),
        ([{"promptTokenCount": 5, "cachedContentTokenCount": 9}], Usage(5, 0, 5)),
        ([{"candidatesTokenCount": "12"}], Usage(0, 12)),
        ([{"totalTokenCount": 12}], None),
        ([None, [], 5, {"promptTokenCount": -1, "candidatesTokenCount": {}}], None),
        ([], None),
    ],
)
def test_thoughts_are_part_of_the_answer_and_cached_of_the_prompt(told: list[object], usage: Usage | None) -> None:
    """As OpenAI counts; what a later event leaves out still holds."""
    assert counted(*told) == usage


def test_a_whole_answer_tells_its_usage_at_once() -> None:
    """Or none."""
    assert usage_of({"promptTokenCount": 5}) == Usage(5)
    assert usage_of(None) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(sorted(USAGE)), inner, max_size=4),
    max_leaves=6,
)


@given(st.lists(json_values, max_size=4))
def test_any_counts_raise_nothing(told: list[object]) -> None:
    """An answer is good whatever its provider makes of counting."""
    usage = counted(*told)
    assert usage is None or (0 <= usage.cached <= usage.prompt and 0 <= usage.reasoning <= usage.completion)
