"""Models for deployments that are meant by provider or by key."""

from __future__ import annotations

from typing import Any

from lbd.adapt.bifrost_key import Account
from lbd.adapt.bifrost_pools import Pools
from lbd.adapt.draft import Draft
from lbd.adapt.source import read


def pools() -> tuple[Pools, Draft]:
    draft = Draft(read("{}", "f"))
    accounts: list[Account] = []
    for name, of, models in (
        ("openai", "openai", ["a", "b"]),
        ("azure-us", "azure", ["a"]),
        ("azure-eu", "azure", ["a"]),
    ):
        provider: dict[str, Any] = draft.provider(name, "openai", f"https://{name}.example.net", key=None)
        for model in models:
            draft.deploy(provider, model, f"their-{model}", ())
        accounts.append(Account(provider, of, frozenset({name})))
    return Pools(accounts, draft), draft


def test_all_who_offer_a_model_are_the_model() -> None:
    """Nothing is added for what a name says already."""
    found, draft = pools()
    assert found.model(found.of(None, "a"), ()) == "a" and found.model(found.of("openai", "b"), ()) == "b"
    assert found.model([], ()) is None and found.names == set() and draft.models == {"a", "b"}


def test_some_of_them_are_a_model_of_their_own() -> None:
    """Once; named by provider, and by account where a provider has others. It is at these providers alone."""
    found, draft = pools()
    name = found.model(found.of("azure", "a"), ())
    assert name == "a@azure" == found.model(found.of("azure", "a"), ()) and len(draft.rows("a@azure")) == 2
    assert draft.rows("a@azure")[0]["upstream_model"] == "their-a"
    assert found.model(found.of("azure", "a", frozenset({"azure-eu"})), ()) == "a@azure-eu"
    assert found.places("a@azure") == {"azure"} and found.names == {"a@azure", "a@azure-eu"}


def test_shares_make_it_another_one() -> None:
    """With the weights in proportion to the largest."""
    found, draft = pools()
    rows = [row._replace(weight=w) for row, w in zip(found.of(None, "a"), (3.0, 1.5, 1.5), strict=True)]
    name = found.model(rows, ())
    assert name == "a@openai+azure" and [r.get("weight", 1) for r in draft.rows(str(name))] == [1, 0.5, 0.5]
    again = [row._replace(weight=w) for row, w in zip(found.of(None, "a"), (1.0, 1.0, 3.0), strict=True)]
    assert found.model(again, ()) == "a@openai+azure#2"
