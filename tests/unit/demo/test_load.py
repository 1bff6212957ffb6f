"""The demonstration's load: what one server can answer alone, or a clear word that this machine cannot show it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.demo import load
from lbd.demo.load import LEAST, LENGTHS, MOST, SHARE, SHARE_MOST, TARGETS_S, Load, fitting
from lbd.demo.traffic import PATIENCE_S
from lbd.demo.weights import DemoError

LONG, SHORT = LENGTHS[0], LENGTHS[-1]


def test_a_fast_machine_gets_the_usual_rate_and_no_more() -> None:
    """More would show nothing more."""
    assert fitting(LONG, 0.01) == Load(MOST, LONG, 0.01)


def test_half_of_what_one_server_can_do_is_asked_of_it() -> None:
    """The rest is for everything else that happens on the machine."""
    found = fitting(LONG, 0.4)
    assert found is not None and found.rate == pytest.approx(SHARE / 0.4)


def test_where_long_answers_take_too_long_shorter_ones_are_tried() -> None:
    """With a request every two seconds nobody would be there when a server breaks."""
    for tokens in LENGTHS[:-1]:
        assert fitting(tokens, 0.6) is None
    assert fitting(SHORT, 0.6) == Load(LEAST, SHORT, 0.6)


def test_a_machine_that_cannot_do_it_is_told_and_lbd_is_not_blamed() -> None:
    """Before anything has failed."""
    with pytest.raises(DemoError, match=r"too slow, or too busy now.* 1\.20 s .*Nothing is known of lbd"):
        fitting(SHORT, 1.2)


@given(st.sampled_from(LENGTHS), st.floats(0.001, 10))
def test_one_server_can_always_carry_it(tokens: int, answer_s: float) -> None:
    """And it is at least a request a second."""
    try:
        found = fitting(tokens, answer_s)
    except DemoError:
        assert tokens == SHORT and LEAST * answer_s > SHARE_MOST
        return
    if found is not None:
        assert LEAST <= found.rate <= MOST
        assert found.rate * answer_s <= SHARE_MOST
        assert 20 <= found.first_content_s() < PATIENCE_S
        assert all(mine >= usual for mine, usual in zip(found.targets_s(), TARGETS_S, strict=True))


def test_a_slow_machine_is_judged_by_its_own_measure() -> None:
    """The usual machine by the usual one."""
    assert Load().targets_s() == TARGETS_S
    assert Load(1.0, SHORT, 2 * load.USUAL_S).targets_s() == tuple(2 * t for t in TARGETS_S)
    assert Load(1.0, SHORT, 0.5).first_content_s() == 30


def test_what_was_chosen_is_told() -> None:
    """Rate, length, and the share of one server that it takes."""
    told = Load(1.25, 24, 0.4).told()
    assert "0.40 s for an answer of 24 tokens" in told
    assert "1.2 requests a second" in told and "50%" in told
