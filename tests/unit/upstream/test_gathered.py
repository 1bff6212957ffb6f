"""A body that is gathered: its bytes as they came, and when it began."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.upstream.gathered import Gathered


@given(st.lists(st.sampled_from([b"", b" ", b"\n\n", b"{", b'"a" ', b"}"])))
def test_it_is_what_came_and_begins_once_with_the_first_that_is_no_blank(pieces: list[bytes]) -> None:
    """Blanks count as bytes, and begin nothing."""
    body = Gathered()
    begins = [body.add(piece) for piece in pieces]
    assert body.whole() == b"".join(pieces) and body.size == len(body.whole())
    first = next((i for i, piece in enumerate(pieces) if piece.strip()), None)
    assert [i for i, begun in enumerate(begins) if begun] == ([] if first is None else [first])
    assert body.began == (first is not None)
