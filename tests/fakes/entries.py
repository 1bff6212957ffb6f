"""Entries of the ledger, and strategies for random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lbd.model.ledger import Entry, Kind
from tests.fakes import tables

WALL = tables.WALL


def entry(id_: str = "req_1/1", **more: Any) -> Entry:
    """Return the entry of a good attempt that served."""
    given: dict[str, Any] = {
        "time": WALL,
        "request": id_.partition("/")[0],
        "kind": Kind.CLIENT,
        "client": "c",
        "surface": "s",
        "rule": "auto",
        "model": "m",
        "provider": "p",
        "deployment": "p/m",
        "urgency": "interactive",
        "outcome": "ok",
        "input": 100,
        "output": 20,
        "cost": 140_000,
        "served": True,
        **more,
    }
    return Entry(id=id_, **given)


_money = st.integers(0, 10**12)
_tokens = st.integers(0, 10**6)


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    """Draw entries of some hours, clients, models and outcomes, each with an id of its own."""
    out = []
    for n in range(draw(st.integers(0, 12))):
        served = draw(st.booleans())
        saved = draw(st.none() | st.integers(-(10**12), 10**12)) if served else None
        out.append(
            entry(
                f"req_{n}/1",
                time=WALL + draw(st.integers(0, 3 * 3600)),
                kind=draw(st.sampled_from(Kind)),
                client=draw(st.sampled_from(["c", "d", ""])),
                model=draw(st.sampled_from(["m", "n"])),
                outcome="ok" if served else "server_error",
                input=draw(_tokens),
                output=draw(_tokens),
                cost=draw(_money),
                estimated=draw(st.booleans()),
                unpriced=draw(st.booleans()),
                served=served,
                compared=saved is not None,
                premium=None if saved is None else draw(_money),
                cheapest=None if saved is None else draw(_money),
                saved=saved,
            )
        )
    return out
