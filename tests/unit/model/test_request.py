"""A request: its bytes untouched, and an Ask that may be remembered and written down."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.request import Ask, Body, Head, Urgency

asks = st.builds(
    Ask,
    target=st.sampled_from(("auto", "model:m")),
    urgency=st.sampled_from(Urgency),
    stream=st.booleans(),
    input_tokens=st.integers(0, 10**6),
    needs=st.frozensets(st.sampled_from(("tools", "images"))),
    slo_s=st.none() | st.floats(0.1, 100),
    allow=st.lists(st.sampled_from(("m", "gpt-*"))).map(tuple),
)


@given(asks, asks)
def test_like_requests_share_one_ask(one: Ask, other: Ask) -> None:
    """Rankings are remembered under it: equal fields, equal key; different fields, another one."""
    same = replace(one)
    assert {one: "ranking"}[same] == "ranking"
    assert (one == other) == (msgspec.structs.asdict(one) == msgspec.structs.asdict(other))
    if one == other:
        assert hash(one) == hash(other)


@given(asks)
def test_an_ask_survives_the_journal(ask: Ask) -> None:
    """So that a decision can be executed again from its record."""
    assert msgspec.json.decode(msgspec.json.encode(ask), type=Ask) == ask


def test_an_ask_has_no_place_for_a_prompt() -> None:
    """Its texts are names of lbd's own: target, surface, capabilities, patterns, a shape, a family, an experiment."""
    texts = {f.name for f in msgspec.structs.fields(Ask) if "str" in str(f.type) or f.type is bytes}
    assert texts == {"target", "surface", "needs", "allow", "shape", "family", "variant"}


@given(st.binary(max_size=200))
def test_the_client_s_bytes_are_kept_as_they_came(raw: bytes) -> None:
    """What is passed on to a provider of the same shape is what was sent; nobody can change it on the way."""
    body = Body("chat", raw, Head("m"))
    assert body.raw is raw
    with pytest.raises(AttributeError):
        body.raw = b""  # type: ignore[misc]
