"""What a day came to, as a document and as text."""

from __future__ import annotations

from collections import Counter

from lbd.display.paint import Paint
from lbd.model.ledger import Total
from lbd.simulate import report
from lbd.simulate.report import Hour, Report


def day() -> Report:
    """Return two hours, one of them bad."""
    good = Hour(100, 0, 80, 80, 2, 1, Counter({"a/m": 90, "b/m": 10}), Counter(), 2_000_000_000, 3_000_000_000, 10**9)
    bad = Hour(50, 5, 40, 30, 9, 0, Counter({"b/m": 45}), Counter({"timeout_total": 5}), 10**9, 10**9, 0)
    money = Total(compared=145, premium=4_000_000_000, saved=1_000_000_000, saved_square=0.02)
    event = {"at_h": 1.0, "for_min": 20.0, "provider": "a", "what": "outage", "slow": 5.0, "share": 0.5}
    return Report(1_767_571_200.0, 7, [good, bad], money, 250_000, [event], 2)


def test_hours_add_up() -> None:
    told = report.document(day())
    total = told["total"]
    assert (total["requests"], total["failed"], total["moves"]) == (150, 5, 11)
    assert total["slo"] == 110 / 120
    assert (total["cost_usd"], total["saved_usd"]) == (3.0, 1.0)
    assert total["shares"] == {"a/m": round(90 / 145, 6), "b/m": round(55 / 145, 6)}
    assert [h["slo"] for h in told["hours"]] == [1.0, 0.75]
    low, high = total["saved_interval_usd"]
    assert low < 1.0 < high


def test_the_text_has_a_line_an_hour_and_says_what_failed() -> None:
    text = "\n".join(report.words(report.document(day()), Paint(colour=False), 100))
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["HOUR", "00:00", "01:00", "all"]
    assert "75.0%" in lines[2]
    assert "$1.00 saved (25.0%)" in text and "failed: 5 timeout_total" in text
    assert "a: outage at 1 h for 20 min" in text


def test_an_hour_without_anything_is_a_line_all_the_same() -> None:
    empty = Report(0.0, 1, [Hour()], Total())
    text = "\n".join(report.words(report.document(empty), Paint(colour=False), 80))
    assert "00:00" in text and "-" in text
