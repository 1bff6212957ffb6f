"""Small drawings: true to scale, within their frame, and told in words."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.page import marks
from lbd.page.markup import Html
from tests.fakes.scenes import Read

VALUES = st.lists(st.none() | st.floats(0, 1e6), max_size=60)


Walked = list[tuple[float, float]]


def walked(path: object) -> Walked:
    """Return where a path goes, in the few letters that drawings use."""
    out: Walked = []
    x = y = 0.0
    for letter, told in re.findall(r"([A-Za-z])([^A-Za-z]*)", str(path)):
        found = [float(n) for n in re.findall(r"-?\d+\.?\d*", told)]
        if letter == "z":
            continue
        for step in zip(found[::2], found[1::2], strict=True) if letter in "Ml" else [(n, n) for n in found]:
            x = {"M": step[0], "l": x + step[0], "h": x + step[0], "H": step[0]}.get(letter, x)
            y = {"M": step[1], "l": y + step[1], "v": y + step[1], "V": step[1]}.get(letter, y)
            out.append((x, y))
    return out


def paths(drawing: Html) -> dict[str, Walked]:
    """Return where each path of a drawing goes, by its class."""
    return {str(a["class"]): walked(a["d"]) for a in Read(drawing).all("path")}


@given(VALUES, st.floats(0.001, 100))
def test_a_line_stays_in_its_frame(values: list[float | None], limit: float) -> None:
    """Whatever is drawn, with its limit, and it is well formed."""
    drawn = marks.spark(tuple(values), limit, "words")
    read = Read(drawn)
    svg = read.all("svg")[0]
    assert svg["aria-label"] == "words" and read.all("path", class_="limit")
    _, _, wide, tall = (int(n) for n in str(svg["viewbox"]).split())
    for path in read.all("path"):
        assert all(0 <= x <= wide and 0 <= y <= tall for x, y in walked(path["d"]))


@given(st.lists(st.floats(0, 3), min_size=2, max_size=60))
def test_a_line_goes_through_every_value(values: list[float]) -> None:
    """Points that were left out lie on the straight line between those that were not."""
    line = paths(marks.spark(tuple(values), 1.0, ""))["run"]
    top = max(1.6, max(values) * 1.05)
    assert [x for x, _ in line] == sorted({x for x, _ in line}) and line[-1][0] == len(values) - 1
    for i, value in enumerate(values):
        (x1, y1), (x2, y2) = next((a, b) for a, b in pairwise(line) if a[0] <= i <= b[0])
        y = y1 + (y2 - y1) * (i - x1) / (x2 - x1)
        assert y == pytest.approx(5 + (1 - value / top) * 100, abs=0.51)


def test_a_calm_line_is_short() -> None:
    """One step, however many values."""
    assert paths(marks.spark((0.01,) * 30, 1.0, ""))["run"] == [(0, 104), (29, 104)]
    assert paths(marks.spark((0.0, 0.16, 0.32, 0.16, 0.0), 1.0, ""))["run"] == [(0, 105), (2, 85), (4, 105)]


def test_what_is_above_the_limit_is_filled() -> None:
    """And nothing else is."""
    assert "over" not in paths(marks.spark((0.1, 0.2, 0.1), 1.0, ""))
    drawn = paths(marks.spark((0.1, 2.0, 0.1), 1.0, ""))
    limit = drawn["limit"][0][1]
    assert all(y <= limit for _, y in drawn["over"]) and min(y for _, y in drawn["over"]) < limit


def test_a_gap_breaks_the_line_and_one_value_is_a_dot() -> None:
    """No data is not drawn over."""
    read = Read(marks.spark((1.0, 1.0, None, None, 1.0, None, 0.5, 0.5), 1.0, ""))
    assert len(read.all("path", class_="run")) == 2 and len(read.all("path", class_="dot")) == 1


def test_little_does_not_look_like_much() -> None:
    """The scale follows the limit while values are below it."""
    low, high = (paths(marks.spark((v, v), 1.0, ""))["run"] for v in (0.01, 0.9))
    assert low[0][1] > 75 and high[0][1] < 60


def test_the_target_is_always_at_the_middle() -> None:
    """A bar that ends there is at its target; beyond twice of it the bar is full."""
    drawn = paths(marks.bullet(0.5, 1.0, 50.0, 1.0))
    assert drawn.pop("tick")[0][0] == marks.BAR_WIDTH // 2
    widths = {name: line[-1][0] for name, line in drawn.items()}
    assert widths == {"p50": marks.BAR_WIDTH / 4, "p95": marks.BAR_WIDTH / 2, "p99": marks.BAR_WIDTH}
    assert "p95 late" in paths(marks.bullet(0.5, 1.1, None, 1.0))


@given(st.none() | st.floats(-1, 3), st.none() | st.floats(-1, 3))
def test_a_gauge_is_bounded(value: float | None, tick: float | None) -> None:
    """Also by values that should not be."""
    drawn = paths(marks.gauge(value, tick, "w"))
    assert all(0 <= x <= marks.GAUGE_WIDTH for line in drawn.values() for x, _ in line)
    assert ("tick" in drawn) is (tick is not None) and ("fill" in drawn) is (value is not None)


def test_a_drawing_whose_words_stand_beside_it_has_none_of_its_own() -> None:
    """Else they would be read twice."""
    assert 'aria-hidden="true"' in marks.gauge(0.5, None, None) and "role" not in marks.gauge(0.5, None, None)


def test_uptime_has_a_piece_for_each_time_and_shape_as_well_as_colour() -> None:
    """What was out is lower, what is not known stands apart; pieces alike are one line."""
    drawn = marks.uptime(((1.0, 1.0, 0.0, 0.0, None), (0.99, 0.6)), "w")
    found = paths(drawn)
    assert found.keys() == {"all", "out low", "none", "most", "most low"}
    assert found["all"] == [(0, 8), (5, 8)] and found["none"] == [(12, 8), (14, 8)]
    assert found["out low"] == [(7, 15), (7, 12), (10, 15), (10, 12)]
    assert found["most"] == [(19, 8), (21, 8)] and found["most low"] == [(23, 15), (23, 7)]
    assert Read(drawn).all("svg")[0]["width"] == "25"
    assert [marks.level(v) for v in (None, 1.0, 0.99, 0.2)] == ["none", "all", "most", "out"]


def test_a_stack_never_leaves_its_frame() -> None:
    """Also where more is spent than there was."""
    read = Read(marks.stack((("fill", 1.4), ("reserved", 0.5)), "w", width=100))
    assert [a["width"] for a in read.all("rect")] == ["100", "100", "0"]
