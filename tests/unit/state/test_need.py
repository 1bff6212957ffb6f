"""What requests take of rate limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.state.need import NONE_OPEN, NOTHING, Need, Open, amount, answers

whole = st.integers(0, 10**9).map(float)
needs = st.builds(Need, whole, whole, whole, whole, whole)


def test_what_a_need_is_to_a_limit_goes_by_its_name() -> None:
    """A limit of all tokens counts the longest answer; one of output tokens what it has when it is complete."""
    need = Need(1, 100, 20, 5, 110)
    names = ("requests", "input_tokens", "output_tokens", "tokens")
    assert [amount(what, need) for what in names] == [1, 100, 20, 110]
    assert answers("output_tokens", need) == Open(20, 25)
    assert answers("tokens", need) == NONE_OPEN
    assert need.plus(need).minus(need) == need


@given(needs, needs)
def test_sums_and_differences_undo_each_other(a: Need, b: Need) -> None:
    """In whole tokens nothing is lost, however much was added up."""
    assert a.plus(b).minus(b) == a
    assert a.plus(NOTHING) == a == b.plus(a).minus(b)
    for what in ("requests", "input_tokens", "output_tokens", "tokens"):
        assert amount(what, a.plus(b)) == amount(what, a) + amount(what, b)
