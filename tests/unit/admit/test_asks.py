"""The Asks of requests, shared between like ones."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from lbd.admit.asks import REMEMBERED, Asks
from lbd.admit.auth import LOCAL
from lbd.decide import names
from lbd.decide.classify import NO_WISHES
from lbd.model.failure import FailureKind, LbdError
from lbd.model.judged import NOT_JUDGED
from lbd.model.provider import AutoSpec, Deadlines, SurfaceSpec
from lbd.model.request import Ask, Head, Wishes
from lbd.model.table import Alternative
from tests.fakes import tables

PLAIN = tables.snapshot([tables.view("p/a"), tables.view(tables.deployment("p/b", model="n"))])
SPECS = [row.spec for row in PLAIN.rows]
OTHER = Alternative(names.build(SPECS, tables.TIERS, (), [("m", "n")]), PLAIN.scorer)
SNAPSHOT = replace(PLAIN, variants={"x": OTHER})


def ask(asks: Asks, **more: Any) -> Ask:
    head = more.pop("head", Head("m", text_bytes=100))
    wish, surface = more.pop("wish", NO_WISHES), more.pop("surface", None)
    whole = (LOCAL, surface, "openai.chat", Deadlines(), AutoSpec(), NOT_JUDGED)
    return asks.of(more.pop("snapshot", SNAPSHOT), head, wish, *whole, **{"peak": False, **more})


def test_like_requests_share_one() -> None:
    """What differs between them makes another."""
    asks = Asks()
    first = ask(asks)
    assert ask(asks) is first and ask(asks, head=Head("m", text_bytes=101)) is first
    assert ask(asks, peak=True) is not first and ask(asks, head=Head("n")) is not first
    assert len(asks.known) == 3


def test_the_treated_have_asks_of_their_own() -> None:
    """With what names mean to them."""
    asks = Asks()
    plain, treated = ask(asks), ask(asks, variant="x")
    assert (plain.target, plain.variant) == ("model:m", "")
    assert (treated.target, treated.variant) == ("model:n", "x")
    assert ask(asks, variant="x") is treated and ask(asks) is plain


def test_what_has_wishes_or_a_surface_is_made_anew() -> None:
    """It is seldom the same twice."""
    asks = Asks()
    ask(asks, wish=Wishes(max_usd=1.0))
    ask(asks, surface=SurfaceSpec("s"))
    assert not asks.known


def test_they_are_forgotten_with_the_names_or_when_there_are_too_many() -> None:
    """A reload changes what a name means."""
    asks = Asks()
    first = ask(asks)
    again = replace(SNAPSHOT, catalogue=replace(SNAPSHOT.catalogue, config_generation=2))
    assert ask(asks, snapshot=again) is not first and len(asks.known) == 1
    for n in range(REMEMBERED + 50):
        ask(asks, head=Head("m", max_output_tokens=n + 1))
        ask(asks, head=Head("m", n=n + 1))
        assert len(asks.known) <= REMEMBERED + 1
    asks.clear()
    assert not asks.known


def test_what_nobody_knows_is_refused_each_time() -> None:
    """And not remembered."""
    asks = Asks()
    for _ in range(2):
        with pytest.raises(LbdError) as refused:
            ask(asks, head=Head("nobody"))
        assert refused.value.failure.kind is FailureKind.UNKNOWN_MODEL
    assert not asks.known
