"""Cost caps that no price keeps are told when the configuration is read, with their place and what would help."""

from __future__ import annotations

import pytest

from tests.fakes.configs import LOCAL, warnings

OFFERS = """\
providers:
  - {name: a, shape: vllm, base_url: http://127.0.0.1/v1, deployments: [
      {model: dear, price: {input_usd_per_mtok: 10, output_usd_per_mtok: 30}},
      {model: cheap, price: {input_usd_per_mtok: 0.5, output_usd_per_mtok: 2}},
      {model: free, price: {input_usd_per_mtok: 0, output_usd_per_mtok: 0}}]}
  - {name: b, shape: openai, base_url: http://127.0.0.1/v1, deployments: [{model: unknown}]}
"""


def told_of(text: str) -> list[str]:
    """Return what is doubtful, but for the want of a price itself."""
    return [told for told in warnings(text) if ": no price: its cost counts as unknown" not in told]


DEAR = (
    "a/dear, the cheapest, costs at least 0.01 USD for 1,000 tokens, and what is dearer or has no price is never used. "
    "Raise the cap of 0.002: every request of this rule is refused"
)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{primary: dear, max_cost_per_1k: 0.02}", []),
        ("{primary: dear, max_cost_per_1k: 0.01}", []),
        ("{primary: [cheap, free], fallback: cheap, max_cost_per_1k: 0.002}", []),
        ("{primary: free, max_cost_per_1k: 0}", []),
        ("{primary: dear}", []),
        (
            "{primary: dear, max_cost_per_1k: 0.002}",
            [f"8:22: warning: routing_rules.r.max_cost_per_1k: {DEAR}"],
        ),
        (
            "{primary: unknown, max_cost_per_1k: 0.002}",
            ["routing_rules.r.max_cost_per_1k: no price is known of b/unknown, and what is dearer or has no price"],
        ),
        (
            "{primary: [dear, cheap], fallback: [unknown, free], max_cost_per_1k: 0.002}",
            [
                "routing_rules.r.primary[0]: a/dear, the cheapest",
                "routing_rules.r.fallback[0]: no price is known of b/",
            ],
        ),
        ("{primary: dear, fallback: unknown, max_cost_per_1k: 0.002}", ["r.max_cost_per_1k: a/dear, the cheapest"]),
        ("{primary: [nobody, cheap], max_cost_per_1k: 0.002}", ["r.primary[0]: no provider offers 'nobody'"]),
    ],
)
def test_a_rule_s_cap_that_no_price_keeps_is_told(rule: str, told: list[str]) -> None:
    """Of the whole rule, else of each entry that is there in vain; a price at the cap is within it."""
    found = told_of(f"{OFFERS}routing_rules:\n  r: {rule}\n")
    assert len(found) == len(told), found
    assert all(part in one for part, one in zip(told, found, strict=True)), found
    assert all(any(word in one for word in ("Raise", "Give", "offers")) for one in found)


@pytest.mark.parametrize(
    ("surface", "told"),
    [
        ("max_usd_per_request: 0", None),
        ("max_usd_per_request: 0, pin: free", None),
        ("max_usd_per_request: 0.1, pin: dear", None),
        ("max_usd_per_request: 0, pin: cheap", "a/cheap, the cheapest, costs at least 2.5e-06 USD for the smallest"),
        ("max_usd_per_request: 0.00001, pin: a/dear", "a/dear, the cheapest"),
        ("max_usd_per_request: 5, pin: unknown", "no price is known of b/unknown"),
        ("quality_floor: 0, pin: unknown", None),
    ],
)
def test_a_surface_s_cap_that_no_price_keeps_is_told(surface: str, told: str | None) -> None:
    """Of those that may serve it."""
    found = told_of(f"{OFFERS}surfaces:\n  - {{name: s, {surface}}}\n")
    assert len(found) == (told is not None), found
    assert told is None or (f"surfaces[0].max_usd_per_request: {told}" in found[0] and "is refused" in found[0])


def test_a_price_that_is_to_come_counts() -> None:
    """It may be why the cap is there."""
    text = LOCAL.replace("{model: m", "{model: m, price: PRICE", 1)
    assert text != LOCAL
    rule = "routing_rules: {r: {primary: m, max_cost_per_1k: 0.001}}\n"
    dear, cheap = (f"{{input_usd_per_mtok: {usd}, output_usd_per_mtok: {usd}}}" for usd in (9, 1))
    later = f"{dear}, price_changes: [{{{cheap[1:-1]}, from: 2999-01-01}}]"
    assert warnings(text.replace("PRICE", dear) + rule) and not warnings(text.replace("PRICE", cheap) + rule)
    assert not warnings(text.replace("PRICE", later) + rule)
