"""The page: whole by itself, and nothing in it is more than text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from lbd.simulate import page, report
from tests.unit.simulate.test_report import day


def test_it_has_drawings_and_no_script_and_loads_nothing() -> None:
    html = page.page(report.document(day()), "lbd.yaml: a simulated day")
    assert html.count("<svg") == 5
    for word in ("<script", "src=", "href=", "url(", "http"):
        assert word not in html, word


def test_its_markup_is_well_formed_and_names_stay_text() -> None:
    told = report.document(day())
    told["events"] = [{**told["events"][0], "provider": "<b>&"}]
    html = page.page(told, "<i>")
    assert "<b>" not in html and "<i>" not in html
    for part in html.split("<svg")[1:]:
        ET.fromstring("<svg" + part.split("</svg>")[0] + "</svg>")


def test_hours_without_requests_are_gaps() -> None:
    told = report.document(day())
    told["hours"][0] |= {"slo": None, "shares": {}}
    assert "nan" not in page.page(told, "x")
