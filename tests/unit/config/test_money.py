"""Budgets, prices and limits as configured: what they become, and what is refused with its place."""

from __future__ import annotations

import pytest

from lbd.config.money import ALWAYS
from lbd.model.provider import BudgetSpec, Price
from lbd.model.units import NANO_PER_USD as USD
from tests.fakes.configs import LOCAL, checked, problems

HOSTED = """\
providers:
  - name: p
    shape: openai
    base_url: http://127.0.0.1:8000/v1
    {budget}
    deployments:
      - model: m
        {price}
        price_changes:
{changes}
"""
PRICE = "price: {input_usd_per_mtok: 2, output_usd_per_mtok: 8}"
NEW = "{from: '%s', input_usd_per_mtok: %d, output_usd_per_mtok: 4}"


def hosted(*changes: tuple[str, int], price: str = PRICE, budget: str = "{}") -> str:
    lines = "\n".join(f"          - {NEW % change}" for change in changes) or "          []"
    return (
        HOSTED.replace("{budget}", f"budget: {budget}" if budget != "{}" else "")
        .replace("{price}", price)
        .replace("{changes}", lines)
    )


def client(more: str) -> str:
    return f"{LOCAL}clients: [{{name: c, key: {{env: K}}, {more}}}]\n"


# --- budgets ------------------------------------------------------------------------------------------


def test_each_limit_of_a_budget_is_one() -> None:
    """In whole nano-USD; of a client, a surface, a provider."""
    text = client("budget: {usd_per_hour: 0.1, usd_per_day: 1, usd_per_month: 0, hard: false, warn_at: 0.5}")
    (found,) = checked(text, {"K": "k"}).clients
    assert found.budgets == (
        BudgetSpec("client", "c", "hour", USD // 10, False, 0.5),
        BudgetSpec("client", "c", "day", USD, False, 0.5),
        BudgetSpec("client", "c", "month", 0, False, 0.5),
    )
    surface = checked(f"{LOCAL}surfaces: [{{name: s, budget: {{usd_per_day: 5}}}}]\n").surfaces["s"]
    assert surface.budgets == (BudgetSpec("surface", "s", "day", 5 * USD),)
    (provider,) = checked(hosted(budget="{usd_per_month: 1000000000}")).providers
    assert provider.budgets == (BudgetSpec("provider", "p", "month", 10**9 * USD),)
    assert checked(LOCAL).providers[0].budgets == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (client("budget: {}"), "6:36: clients[0].budget: names no limit: usd_per_hour, usd_per_day or usd_per_month"),
        (client("budget: {hard: true}"), "6:36: clients[0].budget: names no limit"),
        (client("limit: {}"), "6:36: clients[0].limit: names no limit: requests_per_min or tokens_per_min"),
        (f"{LOCAL}surfaces: [{{name: s, budget: {{}}}}]\n", "6:22: surfaces[0].budget: names no limit"),
        (hosted(budget="{warn_at: 1}"), "5:5: providers[0].budget: names no limit"),
        (client("budget: {usd_per_day: 1e300}"), "6:45: clients[0].budget.usd_per_day: expected a number <="),
        (hosted(price=PRICE.replace("2", "1e9")), "8:17: providers[0].deployments[0].price.input_usd_per_mtok"),
        (hosted(("soon", 1)), "10:14: providers[0].deployments[0].price_changes[0].from: 'soon' is no day or instant"),
        (hosted(("2026-13-01", 1)), "providers[0].deployments[0].price_changes[0].from: '2026-13-01' is no day"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, told: str) -> None:
    """And says what to write."""
    (found,) = problems(text, {"K": "k"})
    assert told in found


# --- prices -------------------------------------------------------------------------------------------


def test_prices_stand_in_the_order_of_their_days() -> None:
    """However they are written; a day begins at midnight UTC, an instant where it says."""
    text = hosted(("2027-01-01T06:00:00+02:00", 3), ("2026-12-01", 2), ("2026-12-01T06:00:00Z", 1))
    (spec,) = checked(text).deployments
    assert spec.price == Price(2.0, 8.0)
    assert [(since, None if p is None else p.input_usd_per_mtok) for since, p in spec.prices] == [
        (ALWAYS, 2.0),
        (1_796_083_200, 2.0),
        (1_796_104_800, 1.0),
        (1_798_776_000, 3.0),
    ]


def test_a_list_price_holds_before_all_others() -> None:
    """Whatever their days."""
    (spec,) = checked(hosted(("1950-01-01", 1))).deployments
    assert spec.price == Price(2.0, 8.0) and [p and p.input_usd_per_mtok for _, p in spec.prices] == [2.0, 1.0]


def test_without_changes_there_is_only_the_price() -> None:
    """Nothing to look at later."""
    (spec,) = checked(hosted()).deployments
    assert spec.prices == () and spec.price == Price(2.0, 8.0)


def test_a_price_may_come_later() -> None:
    """Until then it is unknown at a hosted provider, and nothing at a server of one's own."""
    (spec,) = checked(hosted(("2026-12-01", 2), price="tier: primary")).deployments
    assert spec.price is None and spec.prices[0] == (ALWAYS, None)
    (own,) = checked(hosted(("2026-12-01", 2), price="tier: primary").replace("openai", "vllm")).deployments
    assert own.price == Price(0.0, 0.0, 0.0) == own.prices[0][1] and len(own.prices) == 2


def test_a_price_has_all_that_is_given_of_it() -> None:
    """Cached and written parts too."""
    text = hosted(price=PRICE.replace("8}", "8, cached_input_usd_per_mtok: 0.5, cache_write_usd_per_mtok: 2.5}"))
    assert checked(text).deployments[0].price == Price(2.0, 8.0, 0.5, 2.5)


# --- rates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "rates"),
    [("{requests_per_min: 60}", (60, None)), ("{requests_per_min: 1, tokens_per_min: 9}", (1, 9))],
)
def test_limits_are_by_the_minute(limit: str, rates: tuple[int | None, int | None]) -> None:
    """Either, or both."""
    (found,) = checked(client(f"limit: {limit}"), {"K": "k"}).clients
    assert (found.requests_per_min, found.tokens_per_min) == rates
