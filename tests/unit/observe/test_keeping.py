"""Which traces are kept: what somebody will ask about, and a share of the rest that everybody agrees on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import CLIENT_FAULTS, TABLE, FailureKind
from lbd.model.tracing import Keep
from lbd.observe.keeping import Keeping
from lbd.upstream.trace import Ids
from tests.fakes.records import attempt, record

LOW = "f" * 18 + "0" * 14  # what samplers look at are the last 56 bits
NONE = Keeping(0.0, sampled=False)

moved = (attempt("p/a", failure="server_error"), attempt("p/b"))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, None),
        ({"outcome": "all_deployments_busy", "status": 503, "attempts": ()}, Keep.ERROR),
        ({"outcome": "bad_request", "status": 400, "attempts": (attempt(failure="bad_request"),)}, None),
        ({"outcome": "client_rate_limit", "status": 429, "attempts": ()}, None),
        ({"outcome": "all_deployments_rate_limited", "status": 429, "attempts": ()}, Keep.ERROR),
        ({"outcome": "no_eligible_deployment", "status": 400, "attempts": ()}, Keep.ERROR),
        (
            {"outcome": "bad_request", "status": 400, "attempts": (attempt(failure="reset"), attempt("p/b"))},
            Keep.FALLBACK,
        ),
        ({"attempts": (attempt(failure="context_overflow"), attempt("p/b")), "moved": 1}, Keep.FALLBACK),
        ({"outcome": "error_in_stream", "splices": ("failed",)}, Keep.ERROR),
        ({"attempts": moved, "moved": 1}, Keep.FALLBACK),
        ({"attempts": (attempt(failure="rate_limited"), attempt())}, Keep.FALLBACK),
        ({"attempts": (attempt(failure="invalid_answer"),)}, Keep.FALLBACK),
        ({"attempts": moved, "splices": ("went_on",), "moved": 1}, Keep.SPLICE),
        ({"attempts": (attempt(failure="hedged"), attempt("p/b", hedge=True))}, Keep.HEDGE),
        ({"slo_missed": True}, Keep.SLO_MISSED),
        ({"slo_missed": True, "attempts": moved}, Keep.FALLBACK),
        ({"outcome": "client_gone", "status": 499, "attempts": (attempt(failure="client_gone"),)}, None),
        ({"outcome": "client_gone", "status": 499, "attempts": ()}, None),
        ({"outcome": "client_gone", "status": 499, "slo_missed": True}, Keep.SLO_MISSED),
        ({"attempts": (attempt(refused="at_limit"), attempt("p/b"))}, None),
    ],
)
def test_what_somebody_will_ask_about_is_kept(more: dict[str, Any], why: Keep | None) -> None:
    """By the first reason; what a client is to blame for and a lease that was refused are ordinary."""
    made = record(trace=LOW, **more)
    assert NONE.why(made) == why and NONE.keeps(made) is (why is not None)


def test_what_its_client_records_is_kept_where_that_is_wanted() -> None:
    """By the flag of its traceparent; otherwise it has its chance like all others."""
    for flags, why in (("00", None), ("01", Keep.SAMPLED), ("02", None), ("03", Keep.SAMPLED)):
        made = record(trace=LOW, parent="1" * 16, flags=flags)
        assert Keeping(0.0, sampled=True).why(made) == why and NONE.why(made) is None


def test_without_a_trace_there_is_nothing_to_keep() -> None:
    """However bad it went."""
    for share in (0.0, 0.5, 1.0):
        keeping = Keeping(share, sampled=True)
        assert keeping.why(record(outcome="internal", status=500)) is None
        assert share == 1.0 or keeping.why(record()) is None


def test_a_share_of_all_or_nothing_is_that() -> None:
    """Whatever the id."""
    for trace in ("0" * 32, "f" * 32, LOW):
        assert Keeping(1.0, sampled=False).why(record(trace=trace)) == Keep.SHARE
        assert NONE.why(record(trace=trace)) is None


def test_the_share_is_of_those_whose_last_bits_are_largest() -> None:
    """As OpenTelemetry's consistent samplers decide it: 56 bits, at least (1 - share) of their range."""
    quarter = Keeping(0.25, sampled=False)
    for last, kept in (("bfffffffffffff", False), ("c0000000000000", True), ("ffffffffffffff", True)):
        assert quarter.keeps(record(trace="0" * 18 + last)) is kept
    assert not quarter.keeps(record(trace="f" * 18 + "b" * 14))


@given(trace=st.integers(1, 2**128 - 1), small=st.floats(0, 1), large=st.floats(0, 1))
def test_a_larger_share_keeps_what_a_smaller_one_keeps(trace: int, small: float, large: float) -> None:
    """Whatever the shares, and however often it is asked."""
    small, large = sorted((small, large))
    made = record(trace=f"{trace:032x}")
    kept = [Keeping(share, sampled=False).keeps(made) for share in (small, large, large)]
    assert kept[0] <= kept[1] == kept[2]


def test_of_traces_that_begin_here_it_is_that_share() -> None:
    """Their ids are spread evenly."""
    ids, keeping = Ids(), Keeping(0.01, sampled=False)

    class Bare:
        def header(self, _name: str) -> None:
            return None

    assert 90 <= sum(keeping.keeps(record(trace=ids.trace(Bare()).id)) for _ in range(10_000)) <= 110


def test_every_failure_is_an_error_but_what_its_client_is_to_blame_for() -> None:
    """Also one that comes to be; an answer below 400 or from 500 on never is the client's own doing."""
    own = CLIENT_FAULTS | {FailureKind.RATE_LIMIT, FailureKind.BUDGET}
    assert all(400 <= TABLE[kind].status < 500 for kind in own)
    for kind in FailureKind:
        expected = None if kind in own else Keep.ERROR
        assert NONE.why(record(trace=LOW, outcome=str(kind), attempts=(attempt(failure=kind),))) == expected


def test_the_share_is_also_of_requests_that_their_client_is_to_blame_for() -> None:
    """And what its client records is kept."""
    faulty = {"outcome": "bad_request", "status": 400, "attempts": (attempt(failure="bad_request"),)}
    assert Keeping(1.0, sampled=False).why(record(trace=LOW, **faulty)) is Keep.SHARE
    assert Keeping(0.0, sampled=True).why(record(trace=LOW, flags="01", **faulty)) is Keep.SAMPLED
