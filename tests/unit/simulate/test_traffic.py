"""Arrivals: as many as were asked for, when they were asked for; and a journal's own."""

from __future__ import annotations

import statistics

import pytest
from msgspec.structs import replace

from lbd.model.outcome import Usage
from lbd.simulate.scenario import Traffic
from lbd.simulate.traffic import drawn, recorded
from tests.fakes.records import attempt
from tests.unit.replay.test_whatif import journal


def test_a_day_has_its_mean_rate_and_its_peak() -> None:
    """Within four standard errors; the quietest hours have their share of the busiest."""
    arrivals = list(drawn(Traffic(peak_hour=14, trough=0.2), 24, 0.5, 1))
    n = 0.5 * 86400
    assert abs(len(arrivals) - n) < 4 * n**0.5
    assert [a.at_s for a in arrivals] == sorted(a.at_s for a in arrivals)
    busy = sum(13 <= a.at_s / 3600 < 15 for a in arrivals)
    quiet = sum(1 <= a.at_s / 3600 < 3 for a in arrivals)
    assert quiet / busy == pytest.approx(0.2, abs=0.04)


def test_sizes_and_kinds_are_as_the_scenario_has_them() -> None:
    traffic = Traffic(input_tokens=1000, output_tokens=100, stream=0.7, background=0.1, models={"a": 3, "b": 1})
    arrivals = list(drawn(traffic, 24, 0.2, 2))
    assert statistics.median(a.input_tokens for a in arrivals) == pytest.approx(1000, rel=0.05)
    assert statistics.median(a.output_tokens for a in arrivals) == pytest.approx(100, rel=0.05)
    assert sum(a.stream for a in arrivals) / len(arrivals) == pytest.approx(0.7, abs=0.02)
    assert sum(a.model == "a" for a in arrivals) / len(arrivals) == pytest.approx(0.75, abs=0.02)


def test_the_same_seed_gives_the_same_day() -> None:
    days = [list(drawn(Traffic(), 2, 0.2, seed)) for seed in (1, 1, 2)]
    assert days[0] == days[1] != days[2]


def test_a_journal_gives_its_requests_and_how_fast_who_answered() -> None:
    kept = journal(200)
    told = recorded(kept)
    assert told is not None
    assert len(told.arrivals) == 200 and told.begins % 3600 == 0 and told.hours == 1
    first = told.arrivals[0]
    assert (first.model, first.input_tokens, first.output_tokens, first.stream) == ("auto", 100, 20, True)
    assert told.begins + first.at_s == pytest.approx(kept[0].record.time - kept[0].record.total_s)
    # attempt(): its first content after 0.2 s, 20 tokens within 0.5 s
    assert told.speeds["a/m"].ttft_s == pytest.approx(0.2)
    assert told.speeds["a/m"].tokens_per_s == pytest.approx(19 / 0.3)


def test_failed_attempts_are_a_deployments_share_of_errors() -> None:
    kept = journal(100)
    failed = attempt("a/m", failure="server_error")
    some = [
        k._replace(record=replace(k.record, attempts=(failed, *k.record.attempts))) if n % 4 == 0 else k
        for n, k in enumerate(kept)
    ]
    told = recorded(some)
    assert told is not None and 0.1 < told.speeds["a/m"].error_share < 0.3


def test_a_request_that_nobody_served_is_one_all_the_same() -> None:
    (kept,) = journal(1)
    bare = kept._replace(record=replace(kept.record, attempts=(), usage=None, served_by=None))
    told = recorded([bare])
    assert told is not None and told.arrivals[0].output_tokens == 1
    assert recorded([]) is None


def test_usage_that_says_nothing_is_no_size() -> None:
    (kept,) = journal(1)
    told = recorded([kept._replace(record=replace(kept.record, usage=Usage(0, 0)))])
    assert told is not None
    assert (told.arrivals[0].input_tokens, told.arrivals[0].output_tokens) == (112, 1)
