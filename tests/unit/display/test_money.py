"""Money in words."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.display.money import headline as told
from lbd.display.money import money
from tests.unit.cli.test_report import document


@pytest.mark.parametrize(
    ("more", "headline"),
    [
        ({"requests": 0}, "no requests were served in this period"),
        ({"compared": {"requests": 0}}, "100 requests cost $1,320.00; there is no price to compare with"),
        ({"saved_usd": -5.0, "saved_share": -0.1, "interval_usd": None}, "$5.00 spent more, 10.0%"),
    ],
)
def test_the_headline_never_claims_what_is_not_known(more: dict[str, Any], headline: str) -> None:
    """A loss is a loss."""
    assert told(document(**more)) == headline


@pytest.mark.parametrize(("usd", "text"), [(0, "$0.00"), (1234.5, "$1,234.50"), (0.00042, "$0.00042"), (-2, "$-2.00")])
def test_money_is_written_as_people_do(usd: float, text: str) -> None:
    """Small sums keep their first digits."""
    assert money(usd) == text
