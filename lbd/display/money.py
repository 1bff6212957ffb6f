"""Money in words: sums as people write them, and what was saved in one sentence."""

from __future__ import annotations

from typing import Any


def money(usd: float) -> str:
    """Return USD as people write them; small sums keep their first digits."""
    return f"${usd:,.2f}" if abs(usd) >= 1 or usd == 0 else f"${usd:.6f}".rstrip("0").rstrip(".")


def headline(document: dict[str, Any]) -> str:
    """Return the one sentence that matters."""
    if not document["requests"]:
        return "no requests were served in this period"
    if not document["compared"]["requests"]:
        return f"{document['requests']} requests cost {money(document['cost_usd'])}; there is no price to compare with"
    found = document["interval_usd"]
    between = "" if found is None else f" (95 %: {money(found[0])} to {money(found[1])})"
    word = "saved" if document["saved_usd"] >= 0 else "spent more"
    share = abs(document["saved_share"] or 0.0)
    return f"{money(abs(document['saved_usd']))} {word}, {share:.1%}{between}"
