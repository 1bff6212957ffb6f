"""Whether routing pays, from the ledger's own numbers."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.cli.advise import advise


def document(requests: int, *, saved: float = 50.0, named: int = 0, **more: Any) -> dict[str, Any]:
    by = [{"rule": "auto", "requests": requests - named}, {"rule": "model:m", "requests": named}]
    overhead = {"probe_usd": 0.1, "evaluation_usd": 0.0, "failed_attempts_usd": 0.2, "cpu_usd": 0.1, "share": 0.01}
    told: dict[str, Any] = {
        "requests": requests,
        "cost_usd": 50.0,
        "saved_usd": saved,
        "saved_share": saved / (50.0 + saved),
        "interval_usd": [saved - 5, saved + 5],
        "overhead": overhead,
        "by": by,
    }
    return {**told, **more}


def verdicts(*args: Any) -> list[bool | None]:
    return [advice.pays for advice in advise(*args)]


def test_it_pays_where_the_saving_is_sure_and_above_its_own_cost() -> None:
    """And the sentence holds the numbers."""
    told = advise(document(5000), {"a", "b"})
    assert [a.pays for a in told] == [True]
    assert "$50.00 were saved, 50.0%" in told[0].text and "$0.4" in told[0].text


@pytest.mark.parametrize(
    ("told", "models", "word"),
    [
        (document(999), {"a", "b"}, "999 requests"),
        (document(5000), {"a"}, "only one model"),
        (document(5000, named=4600), {"a", "b"}, "pinned"),
        (document(5000, saved=3.0), {"a", "b"}, "chance"),
        (document(5000, saved=0.2, interval_usd=[0.1, 0.3]), {"a", "b"}, "$0.2 were saved"),
    ],
)
def test_it_says_why_it_does_not_pay(told: dict[str, Any], models: set[str], word: str) -> None:
    """In words, from the numbers."""
    found = advise(told, models)
    assert any(a.pays is False and word in a.text for a in found), found


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    """Neither without requests nor without prices."""
    assert verdicts(document(0, saved=0.0), {"a", "b"}) == [False]
    assert verdicts(document(5000, saved_share=None, interval_usd=None), {"a", "b"}) == [None]
