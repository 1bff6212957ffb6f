"""Six hours as a drawing, and in numbers."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lbd.page import chart
from tests.fakes.scenes import Read

SINCE = "2026-11-24T03:20:00.000Z"
START = 1795490400.0


def history(p95: list[float | None] | None = None, errors: list[float | None] | None = None) -> dict[str, Any]:
    values = p95 or [None] * 360
    return {
        "step_s": 60.0,
        "since": SINCE,
        "ttft_p50_s": [None if v is None else v / 2 for v in values],
        "ttft_p95_s": values,
        "ttft_p99_s": values,
        "error_ratio": errors or [None] * len(values),
        "rps": [0.0] * len(values),
    }


@given(st.lists(st.none() | st.floats(0.001, 1000), min_size=360, max_size=360))
def test_lines_stay_within_the_frame(values: list[float | None]) -> None:
    """Whatever was measured."""
    read = Read(chart.six_hours(history(values), 1.5, [], source="/v1/x"))
    for path in read.all("path"):
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", str(path["d"])):
            assert chart.LEFT - 1 <= float(x) <= chart.WIDTH and 0 <= float(y) <= chart.HEIGHT + chart.LOW


def test_it_says_in_words_what_it_shows() -> None:
    """And where the data are that a script may draw."""
    values: list[float | None] = [None] * 358 + [0.4, 2.0]
    errors: list[float | None] = [None] * 359 + [0.25]
    drawn = chart.six_hours(history(values, errors), 1.5, [], source="/v1/deployments/a/b")
    read = Read(drawn)
    words = str(read.all("svg", class_="six")[0]["aria-label"]).replace("\u202f", " ")
    assert words == "Six hours: p95 of the first content from 400 ms to 2.00 s, errors up to 25.0 % in a minute"
    assert read.all("div", id="chart")[0]["data-history"] == "/v1/deployments/a/b"
    assert read.all("path", class_="errors")
    assert Read(chart.six_hours(history(), 1.5, [], source="x")).all("svg", aria_label="Six hours: no answers")


def test_transitions_stand_where_they_were_and_those_before_are_left_out() -> None:
    """By their time."""
    read = Read(chart.six_hours(history(), 1.5, [START + 180 * 60, START - 60, START + 400 * 60], source="x"))
    marks = read.all("line", class_="mark")
    assert len(marks) == 1
    assert abs(float(str(marks[0]["x1"])) - (chart.LEFT + 180 / 359 * (chart.WIDTH - chart.LEFT - 4))) < 0.2


def test_the_same_stands_in_numbers() -> None:
    """By the hour, for who does not see the drawing."""
    values: list[float | None] = [None] * 300 + [0.4] * 59 + [2.0]
    read = Read(chart.table(history(values, [None] * 359 + [0.5])))
    told = read.text.replace("\u202f", " ")
    assert len(read.all("tr")) == 7
    assert "-1 h to now400 ms2.00 s50.0 %0.00" in told and "-6 h to -5 h··" in told
