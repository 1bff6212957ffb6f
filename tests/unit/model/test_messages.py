"""A conversation and its answer in no shape of anybody's."""

from __future__ import annotations

import typing

import msgspec
import pytest

from lbd.model import messages
from lbd.model.messages import Begin, Part, Piece, Prompt, Reason, Text, Turn

STRUCTS = [s for s in vars(messages).values() if isinstance(s, type) and issubclass(s, msgspec.Struct)]


@pytest.mark.parametrize("struct", STRUCTS)
def test_what_was_said_does_not_change(struct: type[msgspec.Struct]) -> None:
    """Pieces are held, gathered and said again: nobody may alter them on the way."""
    assert struct.__struct_config__.frozen


def test_a_prompt_asks_for_nothing_by_itself() -> None:
    """What a client does not say is the provider's to choose."""
    prompt = Prompt("m", (Turn("user", (Text("hi"),)),))
    silent = {f: getattr(prompt, f) for f in prompt.__struct_fields__ if f not in ("model", "turns")}
    assert {f: v for f, v in silent.items() if v not in (None, (), False)} == {"n": 1}


def test_pieces_name_their_choice() -> None:
    """Several answers to one prompt come interleaved; what names none belongs to the first."""
    whole = {"Begin", "Used"}
    for piece in typing.get_args(Piece):
        assert ("choice" in piece.__struct_fields__) is (piece.__name__ not in whole)
    assert Begin("i", "m").usage is None


def test_parts_and_reasons_have_each_a_name_of_their_own() -> None:
    """They are told apart by type and by word."""
    parts = typing.get_args(Part)
    assert len({p.__name__ for p in parts}) == len(parts) == 6
    assert len(set(Reason)) == len(Reason.__members__)
