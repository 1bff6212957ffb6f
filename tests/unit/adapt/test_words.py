"""Words and numbers."""

from __future__ import annotations

import pytest

from lbd.adapt import words


def test_names_become_ours() -> None:
    """Slugs, variables, and the first that is free."""
    assert words.slug("Team A / (prod)") == "team-a-prod" and words.slug("//") == "unnamed"
    assert words.variable("openai-prod") == "OPENAI_PROD" and words.variable("7up") == "KEY_7UP"
    assert words.free("a", ["a", "a-2"], "-") == "a-3"


def test_patterns_and_keys_of_others() -> None:
    """A value that fits itself alone; camel case as snake case."""
    assert words.literal("a*[b]?") == "a[*][[]b][?]" and words.literal(True) == "true"
    assert words.snake({"apiKey": {"aB": 1}, "x": 2}) == {"api_key": {"aB": 1}, "x": 2}


@pytest.mark.parametrize(("value", "found"), [(1, 1.0), ("2.5", 2.5), (True, None), ("x", None), (None, None)])
def test_numbers_may_be_written_as_texts(value: object, found: float | None) -> None:
    """Truth is none."""
    assert words.number(value) == found


def test_counts_and_prices() -> None:
    """At least one; per million."""
    assert (words.whole("3"), words.whole(0), words.whole(2.9)) == (3, None, 2)
    assert (words.per_mtok("0.0000015"), words.per_mtok(-1), words.per_mtok(7)) == (1.5, None, None)


@pytest.mark.parametrize(
    ("usd", "period", "made"),
    [
        (5, "1d", {"usd_per_day": 5.0}),
        ("5", "1M", {"usd_per_month": 5.0}),
        (5, "1m", None),
        (5, "7d", None),
        (None, "1h", None),
    ],
)
def test_budgets_are_of_our_periods(usd: object, period: str, made: dict[str, float] | None) -> None:
    """M is a month, m a minute."""
    assert words.budget(usd, period) == made
