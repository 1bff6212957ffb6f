"""The report as a page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from lbd.display import report_page


def facts(requests: int = 10, *, paid: float = 1.0, saved: float | None = 3.0, **more: Any) -> dict[str, Any]:
    return {
        "requests": requests, "failed_attempts": 2, "cost_usd": paid, "saved_usd": saved, "interval_usd": None,
        "saved_share": None if saved is None else saved / (paid + saved),
        "compared": {"requests": requests, "cost_usd": paid, "premium_usd": paid + (saved or 0), "cheapest_usd": 0.5},
        "estimated_entries": 1, "unpriced_entries": 0, **more,
    }  # fmt: skip


def whole(**more: Any) -> dict[str, Any]:
    own = {"probe_usd": 0.5, "evaluation_usd": 0.0, "failed_attempts_usd": 1.0, "cpu_usd": 0.01, "share": 0.1}
    return {**facts(), "since": "a", "until": "b", "baseline": None, "overhead": own, "lost_entries": 0, **more}


class Tags(HTMLParser):
    """Checks that what is opened is closed, and nothing is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe")
        assert not [a for a, _ in attrs if a in ("src", "href") or a.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("rect", "line")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> str:
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    return tags.text


def test_a_page_holds_everything_and_loads_nothing() -> None:
    """Headline, bars, tables, what it rests on."""
    groups = {
        "hour": [{"hour": 1_700_002_800 + 3600 * i, **facts()} for i in range(3)],
        "model": [{"model": "gpt-4.1", **facts()}, {"model": "<b>", **facts(saved=None)}],
        "surface": [],
    }
    text = read(report_page.page(whole(), groups))
    assert "$3.00 saved, 75.0%" in text and "2023-11-14 23:00" in text
    assert "By hour (UTC)" in text and "By model" in text and "By surface" not in text
    assert "<b>" in text and "attempts told no usage" in text


def test_many_hours_are_days() -> None:
    """And each day's sum is its hours'."""
    rows = [{"hour": 1_700_000_000 // 86400 * 86400 + 3600 * i, **facts()} for i in range(24 * 20)]
    text = read(report_page.page(whole(), {"hour": rows}))
    assert "By day (UTC)" in text and "2023-11-14: $24.0000 paid, $96.0000 without routing" in text


def test_many_rows_are_one_bar_beyond_the_first() -> None:
    """The table has them all."""
    rows = [{"model": f"m{i}", **facts(paid=float(i))} for i in range(40)]
    text = read(report_page.page(whole(), {"model": rows}))
    assert "15 more" in text and "m39" in text and "m0" in text


def test_nothing_was_served() -> None:
    """Is said, too."""
    empty = whole(requests=0, compared={"requests": 0}, saved_usd=None, saved_share=None)
    assert "no requests were served" in read(report_page.page(empty, {}))


def test_hours_without_requests_are_shown() -> None:
    """Time goes on where nothing is asked."""
    rows = [{"hour": 1_700_002_800, **facts()}, {"hour": 1_700_002_800 + 3600 * 9, **facts()}]
    assert report_page.page(whole(), {"hour": rows}).count('class="paid"') == 10
