"""Reading gauges out of a Prometheus text exposition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from lbd.shapes import promtext

labels = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def test_named_samples_are_read_and_others_passed_over() -> None:
    """A scrape is thousands of lines, and two of them matter."""
    text = b"""# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting 2
vllm:num_requests_waiting_by_reason{reason="capacity"} 9
other 1
"""
    found = promtext.sums(text, ["vllm:num_requests_running", "vllm:num_requests_waiting", "absent"])
    assert found == {"vllm:num_requests_running": 7.0, "vllm:num_requests_waiting": 2.0}


@given(st.dictionaries(labels, st.integers(-1000, 10**9), max_size=4), st.integers(0, 100))
def test_what_the_official_library_writes_is_summed(values: dict[str, int], plain: int) -> None:
    """Label values may hold braces, quotes, blanks and line ends."""
    registry = CollectorRegistry()
    gauge = Gauge("queue", "Waiting\nrequests {x}", ["model"], registry=registry)
    Gauge("queue_size", "another", registry=registry).set(plain)
    for label, value in values.items():
        gauge.labels(label).set(value)
    found = promtext.sums(generate_latest(registry), ["queue", "queue_size"])
    assert found.pop("queue_size") == plain
    assert found == ({"queue": pytest.approx(sum(values.values()))} if values else {})


@pytest.mark.parametrize(
    "line",
    [
        b"queue",
        b"queue ",
        b"queue x",
        b"queue{",
        b'queue{a="b"}',
        b'queue{a="b"} ',
        b"queue NaN",
        b"queue +Inf",
        b"queue -Inf",
        b"queue 1e300",
        b"# queue 1",
    ],
)
def test_a_sample_that_is_no_count_is_left_out(line: bytes) -> None:
    """A gauge nobody has set yet is NaN, and there are no such requests."""
    assert promtext.sums(line + b"\n", ["queue"]) == {}
    assert promtext.sums(line + b"\nqueue 2\n", ["queue"]) == {"queue": 2.0}


def test_a_time_stamp_is_no_value() -> None:
    """It may follow the value, in milliseconds."""
    assert promtext.sums(b'queue{a="b"} 2 1395066363000\nqueue 3 1395066363000\r\n', ["queue"]) == {"queue": 5.0}


@given(st.binary(max_size=80) | st.text('queue{}" 19.eN\n#', max_size=60).map(str.encode))
def test_junk_raises_nothing_and_gives_finite_numbers(text: bytes) -> None:
    """What answers at a metrics path may be a web page; the sums are made whole numbers of."""
    for value in promtext.sums(text, ["queue", "e", "q"]).values():
        int(value)
