"""Rate limits of clients: requests and tokens together or not at all, and a wait that is true."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.admit.rate import USUAL_ANSWER, Rates, expected
from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import ClientSpec
from lbd.model.request import Ask
from tests.fakes import tables

NOW = 1000.0


def client(**limits: Any) -> ClientSpec:
    return ClientSpec("c", b"", **limits)


def admit(rates: Rates, who: ClientSpec, ask: Ask, now: float, id_: str = "r") -> Failure | None:
    return rates.admit(who, ask, now, id_)


def wait(found: Failure | None) -> float:
    assert found is not None and found.kind is FailureKind.RATE_LIMIT and found.retry_after_s is not None
    return found.retry_after_s


def test_a_minutes_worth_may_come_at_once_and_no_more() -> None:
    """Then one each sixtieth; whose limit it is, and of what, is told."""
    rates, who = Rates(), client(requests_per_min=60)
    assert all(admit(rates, who, tables.ask(), NOW) is None for _ in range(60))
    found = admit(rates, who, tables.ask(), NOW)
    assert wait(found) == pytest.approx(1.0) and found is not None
    assert found.message == "client 'c' may use 60 requests a minute"
    assert admit(rates, who, tables.ask(), NOW + 1.0) is None


def test_clients_do_not_share_a_limit_and_who_has_none_is_not_limited() -> None:
    """Each has its own."""
    rates = Rates()
    assert admit(rates, client(requests_per_min=1), tables.ask(), NOW) is None
    assert admit(rates, ClientSpec("d", b"", requests_per_min=1), tables.ask(), NOW) is None
    assert all(admit(rates, client(), tables.ask(), NOW) is None for _ in range(1000))


def test_what_is_refused_takes_nothing_of_either() -> None:
    """Refused for its tokens it takes no request, and the other way round."""
    rates, who = Rates(), client(requests_per_min=60, tokens_per_min=1000)
    big, small = tables.ask(input_tokens=900, output_tokens=50), tables.ask(input_tokens=10, output_tokens=10)
    assert admit(rates, who, big, NOW) is None
    assert all(wait(admit(rates, who, big, NOW)) == pytest.approx(54.0) for _ in range(100))
    assert admit(rates, who, small, NOW) is None
    assert all(admit(rates, client(requests_per_min=60), small, NOW) is None for _ in range(58))
    before = dict(rates._tokens)
    wait(admit(rates, who, small, NOW))
    assert rates._tokens == before


def test_the_longer_of_two_waits_is_told() -> None:
    """Who comes back after the shorter one would be refused once more."""
    rates, who = Rates(), client(requests_per_min=60, tokens_per_min=600)
    assert admit(rates, who, tables.ask(input_tokens=600, output_tokens=1), NOW) is None
    for _ in range(59):
        admit(rates, client(requests_per_min=60), tables.ask(), NOW)
    found = admit(rates, who, tables.ask(input_tokens=99, output_tokens=1), NOW)
    assert wait(found) == pytest.approx(10.1) and "tokens" in str(found)


def test_what_is_larger_than_a_minute_may_come_when_nothing_else_has() -> None:
    """Else it never could; then it takes its time."""
    rates, who = Rates(), client(tokens_per_min=100)
    ask = tables.ask(input_tokens=1000, output_tokens=0)
    assert admit(rates, who, ask, NOW) is None
    assert wait(admit(rates, who, ask, NOW)) == pytest.approx(600.0)


def test_an_answer_is_counted_as_usual_until_it_is_known() -> None:
    """A limit of its own may be lower; choices are answers of their own."""
    assert expected(tables.ask(input_tokens=100, output_tokens=None)) == 100 + USUAL_ANSWER
    assert expected(tables.ask(input_tokens=100, output_tokens=5, choices=3)) == 115
    assert expected(tables.ask(input_tokens=100, output_tokens=10**9)) == 100 + USUAL_ANSWER


@pytest.mark.parametrize(("used", "left"), [(0, 1000), (600, 400), (1000, 0), (2000, -1000)])
def test_the_difference_to_what_it_used_is_made_good(used: int, left: int) -> None:
    """Both ways: nothing came of it, or the answer was long."""
    rates, who, ask = Rates(), client(tokens_per_min=1000), tables.ask(input_tokens=500, output_tokens=100)
    assert admit(rates, who, ask, NOW) is None
    rates.settle("r", who, (None, Usage(used // 2), Usage(0, used - used // 2)), NOW)
    rates.settle("r", who, (Usage(10**6),), NOW)  # once
    next_ = tables.ask(input_tokens=1000, output_tokens=0)
    found = admit(rates, who, next_, NOW)
    assert (0.0 if found is None else wait(found)) == pytest.approx((1000 - left) * 0.06)


def test_a_limit_or_a_client_that_a_reload_took_away_needs_nothing_made_good() -> None:
    """And nothing of it is left."""
    rates, who, ask = Rates(), client(tokens_per_min=1000), tables.ask(input_tokens=500)
    for id_, then in (("a", client()), ("b", None)):
        assert admit(rates, who, ask, NOW + 600 * ord(id_), id_) is None
        rates.settle(id_, then, (Usage(10**6),), NOW + 600 * ord(id_))
    rates.settle("never", who, (Usage(10**6),), NOW)
    assert not rates._counted
    assert admit(rates, client(requests_per_min=1), ask, NOW) is None and not rates._counted


@given(
    st.integers(1, 1000),
    st.integers(1, 100_000),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3000)), min_size=1, max_size=40),
)
def test_who_waits_as_long_as_told_is_let_in(requests: int, tokens: int, asked: list[tuple[int, int]]) -> None:
    """Unless somebody else came meanwhile: the wait is honest, and never longer than it must be."""
    rates, who, now = Rates(), client(requests_per_min=requests, tokens_per_min=tokens), NOW
    for pause, size in asked:
        now += pause
        ask = tables.ask(input_tokens=size, output_tokens=0)
        found = admit(rates, who, ask, now)
        if found is not None:
            assert admit(rates, who, ask, now + 0.99 * wait(found) - 1e-6) is not None
            now += wait(found) + 0.001  # it is told in whole milliseconds, rounded up
            assert admit(rates, who, ask, now) is None
