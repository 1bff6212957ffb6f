"""Small drawings: true to scale, within their frame, and told in words."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lbd.page import marks
from lbd.page.markup import Html
from tests.fakes.scenes import Read

VALUES = st.lists(st.none() | st.floats(0, 1e6), max_size=60)


def numbers(drawing: Html) -> list[float]:
    """Return every coordinate in it."""
    return [
        float(v) for v in re.findall(r"-?\d+\.?\d*", " ".join(re.findall(r'(?:points|[xy]\d?|d)="([^"]*)"', drawing)))
    ]


@given(VALUES, st.floats(0.001, 100))
def test_a_line_stays_in_its_frame(values: list[float | None], limit: float) -> None:
    """Whatever is drawn, with its limit, and it is well formed."""
    drawn = marks.spark(values, limit, "words")
    read = Read(drawn)
    assert read.all("svg")[0]["aria-label"] == "words" and read.all("line", class_="limit")
    assert all(-0.1 <= v <= marks.WIDTH + 0.1 for v in numbers(drawn))


def test_what_is_above_the_limit_is_filled() -> None:
    """And nothing else is."""
    assert not Read(marks.spark([0.1, 0.2, 0.1], 1.0, "")).all("path", class_="over")
    assert Read(marks.spark([0.1, 2.0, 0.1], 1.0, "")).all("path", class_="over")


def test_a_gap_breaks_the_line_and_one_value_is_a_dot() -> None:
    """No data is not drawn over."""
    read = Read(marks.spark([1.0, 1.0, None, None, 1.0, None, 0.5, 0.5], 1.0, ""))
    assert len(read.all("polyline")) == 2 and len(read.all("circle")) == 1


def test_little_does_not_look_like_much() -> None:
    """The scale follows the limit while values are below it."""
    low, high = (numbers(marks.spark([v, v], 1.0, "")) for v in (0.01, 0.9))
    assert min(low[-3:]) > 15 and min(high[-3:]) < 12


def test_the_target_is_always_at_the_middle() -> None:
    """A bar that ends there is at its target; beyond twice of it the bar is full."""
    read = Read(marks.bullet(0.5, 1.0, 50.0, 1.0, ""))
    assert read.all("line", class_="tick")[0]["x1"] == str(marks.BAR_WIDTH // 2)
    widths = {a["class"]: float(a["width"] or 0) for a in read.all("rect") if a["class"] != "rail"}
    assert widths == {"p50": marks.BAR_WIDTH / 4, "p95": marks.BAR_WIDTH / 2, "p99": marks.BAR_WIDTH}
    assert not read.all("rect", class_="p95 late")
    assert Read(marks.bullet(0.5, 1.1, None, 1.0, "")).all("rect", class_="p95 late")


@given(st.none() | st.floats(-1, 3), st.none() | st.floats(-1, 3))
def test_a_gauge_is_bounded(value: float | None, tick: float | None) -> None:
    """Also by values that should not be."""
    drawn = marks.gauge(value, tick, "w", width=56)
    assert all(0 <= v <= 56 for v in numbers(drawn))
    assert bool(Read(drawn).all("line")) is (tick is not None)


def test_uptime_has_a_piece_for_each_time_and_shape_as_well_as_colour() -> None:
    """What was out is lower, what is not known stands apart."""
    drawn = marks.uptime([[1.0, 0.0, None], [0.9]], "w")
    read = Read(drawn)
    assert {a["class"] for a in read.all("path")} == {"all", "out", "none", "most"}
    assert "v14" in drawn and "v3h" in drawn
    assert [marks.level(v) for v in (None, 1.0, 0.99, 0.2)] == ["none", "all", "most", "out"]


def test_a_stack_never_leaves_its_frame() -> None:
    """Also where more is spent than there was."""
    read = Read(marks.stack((("fill", 1.4), ("reserved", 0.5)), "w", width=100))
    assert [a["width"] for a in read.all("rect")] == ["100", "100", "0"]
