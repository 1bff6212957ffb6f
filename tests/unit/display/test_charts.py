"""Bars as SVG: well-formed, in proportion, safe."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.display.charts import WIDTH, Bar, lying, standing

USD = st.floats(-10, 1e9, allow_nan=False)
BARS = st.lists(
    st.builds(Bar, st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40), USD, USD),
    max_size=8,
)
NS = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("draw", [lying, standing])
@given(bars=BARS)
def test_whatever_the_numbers_it_is_a_drawing(draw: object, bars: list[Bar]) -> None:
    """XML, without a script, nothing outside of it or of negative size."""
    text = draw(bars, "a < b")  # type: ignore[operator]
    root = ET.fromstring(text)
    for rect in root.iter(f"{NS}rect"):
        x, width, height = (float(rect.attrib[k]) for k in ("x", "width", "height"))
        assert 0 <= x <= WIDTH + 1 and 0 <= width <= WIDTH + 1 and height >= 0
    assert not re.search(r"<script|\bon\w+=|href", text)


def test_lengths_are_in_proportion() -> None:
    """Half the money, half the length; what would have been paid is behind."""
    root = ET.fromstring(lying([Bar("a", 1.0, 4.0), Bar("b", 2.0, 2.0)], "t"))
    paid = [float(r.attrib["width"]) for r in root.iter(f"{NS}rect") if r.attrib["class"] == "paid"]
    premium = [float(r.attrib["width"]) for r in root.iter(f"{NS}rect") if r.attrib["class"] == "premium"]
    assert paid[1] == pytest.approx(2 * paid[0]) and premium[0] == pytest.approx(4 * paid[0])


def test_labels_cannot_break_out() -> None:
    """A client may be called anything."""
    assert "<script>" not in lying([Bar("<script>alert(1)</script>", 1, 1)], "t")
