"""A quick look for pieces of secrets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.veil import GRAM
from lbd.upstream.pieces import STEP, WINDOW, Pieces

IDS = st.text(st.sampled_from("abcdefABCDEF0123456789-_.é"), max_size=300)
SECRETS = st.text(st.sampled_from("abcdefABCDEF0123456789-_"), min_size=1, max_size=60)


@given(st.lists(SECRETS, max_size=3), IDS, IDS, st.data())
def test_the_quick_look_finds_every_piece_and_no_other(
    secrets: list[str], before: str, after: str, data: st.DataObject
) -> None:
    """As if each had been looked for, in any place of a text, whatever its case and length."""
    found = [s[at : at + 6] for s in secrets for at in range(0, max(1, len(s) - 5), 3)]
    pieces = Pieces(found)
    inner = data.draw(st.sampled_from([*found, *(p[1:] for p in found), ""]))
    whole = before + inner + after
    for told in (before, whole, inner, whole.lower(), whole.upper()):
        expected = any(piece.lower() in told.lower() for piece in found)
        assert pieces.within(told) is expected
        assert pieces.seen(told) is pieces.seen(told) is expected
    assert repr(pieces) == "Pieces(...)"


def test_every_piece_holds_a_window_whole_wherever_it_stands() -> None:
    """One that began right behind a place ends with the next, at the latest."""
    assert STEP + WINDOW - 1 <= GRAM
