"""The flow band: widths are shares, nothing is lost on the way."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.page import flow
from lbd.ports.turns import at_once
from tests.fakes.scenes import Read, document, way

WAYS = st.lists(
    st.builds(
        lambda surface, served, rps, moved, treated: way(
            served,
            rps,
            surface=surface,
            tier=None if served is None else f"t{served[-1]}",
            moved=moved,
            treated=treated,
        ),
        st.sampled_from([None, "support", "drafts"]),
        st.sampled_from([None, "p/a", "p/b", "q/a", "q/b"]),
        st.floats(0.001, 1000),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(WAYS)
def test_every_column_holds_all_that_came_in(ways: list[dict[str, object]]) -> None:
    """Boxes of each column are as high together as those of any other, within the frame."""
    read = Read(flow.drawing(ways, "rps", str))
    heights: dict[str, float] = {}
    for box in read.all("rect"):
        x = str(box["x"])
        heights[x] = heights.get(x, 0.0) + float(box["height"] or 0)
        assert float(box["y"] or 0) + float(box["height"] or 0) <= flow.HEIGHT + 1
    assert max(heights.values()) - min(heights.values()) <= 0.9 * 12 + 1
    wide: dict[str, float] = {}
    for band in read.all("path"):
        x = str(band["d"]).split(" ")[0]
        wide[x] = wide.get(x, 0.0) + float(band["stroke-width"] or 0)
    assert len(wide) == 3 and max(wide.values()) - min(wide.values()) <= 0.7 * 12 + 1


@given(WAYS)
def test_words_do_not_stand_upon_each_other(ways: list[dict[str, object]]) -> None:
    """In each column."""
    found: dict[str, list[float]] = {}
    for label in Read(flow.drawing(ways, "rps", str)).all("text"):
        found.setdefault(str(label["x"]), []).append(float(label["y"] or 0))
    for column in found.values():
        assert all(b - a >= 10.9 for a, b in zip(sorted(column), sorted(column)[1:], strict=False))


def test_widths_are_shares() -> None:
    """A band of a third is a third as wide."""
    drawn = flow.drawing([way("p/a", 2.0), way("p/b", 1.0)], "rps", str)
    boxes = {float(a["y"] or 0): float(a["height"] or 0) for a in Read(drawn).all("rect", x="376")}
    assert boxes[min(boxes)] == pytest.approx(2 * boxes[max(boxes)], rel=0.02)


def test_what_was_moved_or_treated_or_not_served_is_told_apart() -> None:
    """By colour, by dashes, by a box of its own, and by a key."""
    told = document(flow=[way("p/a", moved=True), way("p/b", treated=True), way(None, outcome="reset")])
    read = Read(at_once(flow.panel(told)))
    assert len(read.all("path", class_="moved")) == len(read.all("path", class_="treated")) == 2 * 3
    assert read.all("rect", class_="lost")
    assert "moved before the first word" in read.text and "treated by an experiment" in read.text
    assert "nobody" in read.text


def test_the_choice_of_widths_needs_no_script() -> None:
    """Both are there; one is shown by what is checked."""
    read = Read(at_once(flow.panel(document())))
    radios = read.all("input", name="flow-by")
    assert [r["id"] for r in radios] == ["flow-by-rps", "flow-by-usd"] and "checked" in radios[0]
    assert len(read.all("label")) == 2 and "$1.50/h" in read.text and "4.00/s" in read.text


def test_nothing_is_said_to_flow_where_nothing_does() -> None:
    """No requests, or none that cost anything."""
    assert "nothing to show yet" in flow.drawing([], "rps", str)
    assert "nothing to show yet" in flow.drawing([way(usd_per_h=0.0)], "usd_per_h", str)


def test_long_names_are_cut_and_still_there_in_full() -> None:
    """In the words for who does not see the drawing."""
    name = "provider/" + "m" * 60
    drawn = flow.drawing([way(name)], "rps", str)
    assert "…" in drawn and re.search(f'aria-label="[^"]*{name}', drawn)


@pytest.mark.parametrize("count", [14, 15, 40, 500])
def test_a_crowd_of_names_stays_within_the_frame(count: int) -> None:
    """Those with the least are one box, which stands last; bytes do not grow with their number."""
    ways = [way(f"p/{n:03}", 2.0 + (n < 3), surface=f"s{n}") for n in range(count)]
    drawn = flow.drawing(ways, "rps", lambda v: f"{v:g}/s")
    read = Read(drawn)
    boxes = read.all("rect", x="376")
    assert len(boxes) == min(count, flow.MOST) and len(drawn) < 12_000
    for box in read.all("rect"):
        assert float(box["y"] or 0) >= 0 and float(box["height"] or 0) > 0
        assert float(box["y"] or 0) + float(box["height"] or 0) <= flow.HEIGHT + 1
    rest = count - flow.MOST + 1
    assert (f"… {rest} more {2 * rest}/s" in read.text) is (count > flow.MOST)
    label = str(read.all("svg")[0]["aria-label"])
    assert f"{count - 8} more: {2 * (count - 8)}/s" in label and "p/001" in label
