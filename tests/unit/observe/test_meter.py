"""Counting requests: every one once, in batches, under labels that clients cannot choose."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.observe.meter import BATCH, LATENCY_BOUNDS, OVERHEAD_BOUNDS, Histogram, Meter
from tests.fakes.records import attempt, record


def test_a_good_request_is_counted_everywhere() -> None:
    """Request, attempt, tokens, money, times."""
    meter = Meter()
    meter.add(record())
    assert meter.requests == {("support", "interactive", "p/a", "ok"): 1}
    assert meter.attempts == {("p/a", "ok"): 1}
    assert meter.tokens == {("p/a", "input"): 100, ("p/a", "output"): 20}
    assert meter.cost == {"p/a": 140_000}
    assert meter.moves == {}
    assert sum(meter.seconds["interactive"].counts) == sum(meter.ttft["interactive"].counts) == 1
    assert sum(meter.overhead.counts) == 1
    assert meter.overhead.total == pytest.approx(9e-5)


def test_a_move_names_from_to_and_why() -> None:
    """Each attempt on the wire is one; a second try of the same row is no move; a refused lease is nothing."""
    meter = Meter()
    tries = (
        attempt("p/a", failure="server_error"),
        attempt("p/a", failure="connect"),
        attempt("p/c", failure="auth", refused="at_limit"),
        attempt("p/b"),
    )
    meter.add(record(attempts=tries, served_by="p/b"))
    assert meter.attempts == {("p/a", "server_error"): 1, ("p/a", "connect"): 1, ("p/b", "ok"): 1}
    assert meter.moves == {("p/a", "p/b", "connect"): 1}


def test_each_try_to_go_on_with_a_broken_stream_is_counted_by_what_became_of_it() -> None:
    """One request may have several."""
    meter = Meter()
    meter.add(record(splices=("failed", "went_on")))
    meter.add(record(splices=("went_on", "different")))
    assert meter.splices == {"failed": 1, "went_on": 2, "different": 1} == meter.copy().splices


def test_a_hedge_is_no_move_and_counted_by_what_became_of_it() -> None:
    """It won, it was stopped since the other was sooner, or it failed by itself."""
    meter = Meter()
    for first, second in (("hedged", None), (None, "hedged"), (None, "reset"), ("reset", None)):
        tries = (attempt("p/a", failure=first), attempt("p/b", failure=second, hedge=True))
        meter.add(record(attempts=tries))
    assert meter.hedges == {"won": 2, "lost": 1, "failed": 1} == meter.copy().hedges
    assert not meter.moves


def test_a_request_that_nobody_served_is_counted_without_a_deployment() -> None:
    """Label value empty, never absent."""
    meter = Meter()
    meter.add(record(attempts=(), outcome="all_deployments_busy", served_by=None, ttft_s=None))
    assert meter.requests == {("support", "interactive", "", "all_deployments_busy"): 1}
    assert meter.ttft == {}


def test_a_client_that_left_spoils_no_latency() -> None:
    """It is counted; how long it took says nothing."""
    meter = Meter()
    meter.add(record(outcome=FailureKind.CLIENT_GONE, total_s=0.001))
    assert sum(meter.requests.values()) == 1
    assert not meter.seconds and not sum(meter.overhead.counts)


def test_free_attempts_and_missed_targets() -> None:
    """What costs nothing adds nothing; usage counts all the same."""
    meter = Meter()
    meter.add(record(attempts=(attempt("p/a", cost=0, usage=Usage(7, 0)),), slo_missed=True))
    assert not sum(meter.cost.values())
    assert meter.tokens == {("p/a", "input"): 7, ("p/a", "output"): 0}
    assert meter.slo_missed == {("interactive", "auto"): 1}


@given(st.integers(0, 3 * BATCH + 5))
def test_batches_lose_and_double_nothing(n: int) -> None:
    """Whatever is noted later is counted once, in batches or at a look."""
    meter = Meter()
    for _ in range(n):
        meter.later(record())
    assert sum(meter.requests.values()) == n // BATCH * BATCH
    assert sum(meter.copy().requests.values()) == n
    assert sum(meter.requests.values()) == n
    meter.fold()
    assert sum(meter.requests.values()) == n


def test_a_request_that_was_sent_again_on_a_fresh_connection_is_counted() -> None:
    """However often providers give up kept connections, it should show."""
    meter = Meter()
    meter.add(record(attempts=(attempt("p/a", resent=True), attempt("p/b"))))
    assert meter.stale_retries == 1


def test_a_copy_is_independent() -> None:
    """It is read in another thread while the original goes on."""
    meter = Meter()
    meter.add(record(slo_missed=True, attempts=(attempt("p/a", failure="connect"), attempt("p/b"))))
    meter.inflight, meter.stale_retries = 3, 2
    copy = meter.copy()
    before = {name: repr(value) for name, value in vars(copy).items() if name not in ("seconds", "ttft", "overhead")}
    counts = (list(copy.overhead.counts), list(copy.seconds["interactive"].counts))
    assert (copy.inflight, copy.stale_retries) == (3, 2)
    for _ in range(3):
        meter.add(record(surface="other", urgency="background", slo_missed=True, served_by="q/z"))
        meter.add(record(attempts=(attempt("p/a", failure="connect"), attempt("p/c"))))
    assert before == {k: repr(v) for k, v in vars(copy).items() if k not in ("seconds", "ttft", "overhead")}
    assert counts == (copy.overhead.counts, copy.seconds["interactive"].counts)
    assert "background" not in copy.seconds


def test_junk_model_names_add_nothing() -> None:
    """What a client asks for is no label; a hundred thousand of them leave as many series as one."""
    meter = Meter()
    meter.add(record())
    series = [len(v) for v in vars(meter).values() if isinstance(v, dict)]
    plain = record()
    for i in range(100_000):
        meter.add(replace(plain, asked=f"junk-{i}", target=f"junk-{i}", id=f"req_{i}", client=f"c{i}"))
    assert [len(v) for v in vars(meter).values() if isinstance(v, dict)] == series


@pytest.mark.parametrize("bounds", [LATENCY_BOUNDS, OVERHEAD_BOUNDS])
def test_bounds_ascend(bounds: tuple[float, ...]) -> None:
    """A histogram's buckets are in order, without doubles."""
    assert list(bounds) == sorted(set(bounds))


@given(st.lists(st.floats(0, 1000), max_size=50))
def test_a_histogram_counts_each_value_in_the_bucket_that_holds_it(values: list[float]) -> None:
    """At most its bound, above the one before; the sum is the sum."""
    h = Histogram((0.1, 1.0, 10.0))
    for value in values:
        h.add(value)
    edges = [-1.0, 0.1, 1.0, 10.0, float("inf")]
    assert h.counts == [sum(lo < v <= hi for v in values) for lo, hi in itertools.pairwise(edges)]
    assert h.total == pytest.approx(sum(values))
    copy = h.copy()
    copy.add(0.5)
    assert sum(copy.counts) == sum(h.counts) + 1


def test_exemplars_are_of_requests_whose_trace_can_be_looked_up() -> None:
    """The last of them in each bucket, however many others come after it; they count all the same."""
    kept = {"1" * 32}
    meter = Meter(lambda record: record.trace in kept)
    for trace in ("0" * 32, "1" * 32, "2" * 32):
        meter.add(record(trace=trace))
    for histogram in (meter.seconds["interactive"], meter.ttft["interactive"], meter.firsts["p/a"]):
        assert [e.trace_id for e in histogram.exemplars if e is not None] == ["1" * 32]
        assert sum(histogram.counts) == 3
