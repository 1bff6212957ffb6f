"""What a request would have cost elsewhere: whose price is the premium, and which is the least."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide import names
from lbd.decide.counterfactual import Compared, compared
from lbd.model.money import cost
from lbd.model.outcome import Usage
from lbd.model.provider import Price, RuleSpec
from lbd.model.table import Alternative, Snapshot
from tests.fakes import tables

DEAR, MIDDLE, CHEAP, FREE = Price(30.0, 60.0), Price(5.0, 10.0), Price(1.0, 2.0), Price(0.0, 0.0)


def row(name: str, price: Price | None, quality: float | None = 0.8, **more: Any) -> Any:
    given = {"quality": {} if quality is None else {"default": quality}, "model": name.partition("/")[2], **more}
    return tables.view(tables.deployment(name, price=price, **given))


def table(*rows: Any, **more: Any) -> Snapshot:
    standard = (
        row("a/large", DEAR, 0.9),
        row("b/medium", MIDDLE, 0.8),
        row("c/small", CHEAP, 0.6, tier="secondary"),
        row("d/none", None, 1.0),
    )
    return tables.snapshot(rows or standard, **more)


def found(
    snapshot: Snapshot, asked: str = "auto", baseline: str | None = None, target: str = "auto", **more: Any
) -> Compared:
    return compared(snapshot, tables.ask(target, **more), asked, baseline)


# --- the premium --------------------------------------------------------------------------------------


def test_the_configurations_baseline_comes_first() -> None:
    """Then the model that the application asked for, then the best of the best tier."""
    snapshot = table()
    assert found(snapshot, "small", "medium").baseline == "b/medium"
    assert found(snapshot, "small").baseline == "c/small"
    assert found(snapshot, "auto") == found(snapshot, "gpt-4o") == found(snapshot, "auto", "gone")
    assert found(snapshot, "auto").baseline == "a/large" and found(snapshot, "auto").premium == DEAR


def test_a_baseline_without_a_price_is_none() -> None:
    """The next one is taken; an unknown price is compared with nothing."""
    snapshot = table()
    assert found(snapshot, "none").baseline == "a/large"
    only = table(row("d/none", None))
    assert found(only) == Compared() and found(only).premium_of(Usage(10, 10)) is None
    assert found(only).cheapest_of(Usage(10, 10)) is None


def test_what_could_not_have_served_is_no_baseline() -> None:
    """It takes no images, or no prompt of that size: its price for them is a fiction."""
    snapshot = table(row("a/large", DEAR, supports=frozenset()), row("b/medium", MIDDLE))
    asked = found(snapshot, "large", "large", needs=frozenset({"images"}))
    assert asked.baseline == "b/medium" and asked.feasible == (MIDDLE,)
    short = table(row("a/large", DEAR, context_tokens=100), row("b/medium", MIDDLE))
    assert found(short, "large", "large", input_tokens=112).baseline == "b/medium"


def test_the_dearest_of_a_models_deployments_speaks_for_it() -> None:
    """Told by an everyday request."""
    snapshot = table(row("a/m", CHEAP), row("b/m", MIDDLE), row("c/m", None))
    assert found(snapshot, "m").baseline == "b/m"


def test_the_best_is_of_the_best_tier_and_the_highest_quality() -> None:
    """Among equals the dearest; also for what a rule has sent elsewhere."""
    twins = table(row("a/x", CHEAP, 0.9), row("b/y", DEAR, 0.9), row("c/z", DEAR, 0.5), row("d/w", DEAR, None))
    assert found(twins).baseline == "b/y"
    rules = [RuleSpec("quick", (("small",), ("large",)))]
    assert found(table(rules=rules), target="rule:quick").baseline == "a/large"
    second = table(row("a/none", None), row("b/x", CHEAP, tier="secondary"))
    assert found(second).baseline == "b/x"


def test_for_a_target_that_a_reload_took_away_nobody_was_cheapest() -> None:
    """No exception: the request is over, and its record comes late."""
    assert found(table(), target="model:gone") == Compared("a/large", DEAR)
    assert found(table(), "small", target="model:gone") == Compared("c/small", CHEAP)


# --- the cheapest -------------------------------------------------------------------------------------


def test_the_cheapest_is_among_those_that_could_and_might_have_served() -> None:
    """Of the target, within the context and the client's models, good enough."""
    snapshot = table()
    assert found(snapshot).feasible == (CHEAP,)
    assert found(snapshot, quality_floor=0.7).feasible == (MIDDLE,)
    assert found(snapshot, allow=("s*",)).feasible == (CHEAP,)
    assert found(snapshot, allow=("large",)).feasible == (DEAR,)
    assert found(snapshot, target="model:medium").feasible == (MIDDLE,)
    small = table(row("a/large", DEAR), row("c/small", CHEAP, context_tokens=100), row("b/x", MIDDLE, None))
    assert found(small, input_tokens=101).feasible == (MIDDLE,)
    assert found(small, input_tokens=101, quality_floor=0.1).feasible == (DEAR,)


@pytest.mark.parametrize(("usage", "least"), [(Usage(1000, 0), FREE), (Usage(0, 1000), FREE)])
def test_what_is_free_is_the_cheapest(usage: Usage, least: Price) -> None:
    """A server of one's own."""
    assert found(table(row("a/large", DEAR), row("b/own", FREE))).cheapest_of(usage) == cost(least, usage) == 0


@given(st.integers(0, 10**6), st.integers(0, 10**5))
def test_no_price_of_the_table_is_below_the_cheapest(prompt: int, completion: int) -> None:
    """Which of two is cheaper may depend on the answer."""
    crossing = table(row("a/x", Price(10.0, 1.0)), row("b/y", Price(1.0, 10.0)))
    usage, compared_with = Usage(prompt, completion), found(crossing)
    costs = [cost(r.spec.price, usage) for r in crossing.rows]
    assert compared_with.cheapest_of(usage) == min(costs)
    assert compared_with.premium_of(usage) in costs


_USD = st.sampled_from((0.0, 0.5, 1.0, 2.0, 8.0))
_PRICES = st.lists(st.builds(Price, _USD, _USD, st.none() | _USD, st.none() | _USD), min_size=1, max_size=6)


@given(_PRICES, st.integers(0, 999), st.integers(0, 499), st.integers(0, 500), st.integers(0, 500))
def test_only_what_another_price_undercuts_in_all_is_left_out(
    prices: list[Price], plain: int, completion: int, cached: int, written: int
) -> None:
    """Whatever of the prompt came from a cache or went into one."""
    rows = table(*(row(f"p/m{i}", price) for i, price in enumerate(prices)))
    usage = Usage(plain + cached + written, completion, cached, written=written)
    assert found(rows).cheapest_of(usage) == min(cost(price, usage) for price in prices)
    assert len(found(rows).feasible) <= len(set(prices))


def test_the_treated_are_compared_by_what_names_mean_to_them() -> None:
    """The cheapest is of those that could have served under the experiment."""
    snapshot = table(rules=[RuleSpec("r", (("large",),))])
    specs = [r.spec for r in snapshot.rows]
    other = Alternative(names.build(specs, tables.TIERS, [RuleSpec("r", (("small",),))], ()), snapshot.scorer)
    snapshot = replace(snapshot, variants={"x": other})
    assert found(snapshot, target="rule:r").feasible == (DEAR,)
    assert found(snapshot, target="rule:r", variant="x").feasible == (CHEAP,)
