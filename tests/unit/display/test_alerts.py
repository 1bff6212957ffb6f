"""Alerts for the terminal: what fires with what to do, what is silenced as a number."""

from __future__ import annotations

from typing import Any

from lbd.display.alerts import lines, table
from lbd.display.paint import Paint

TIME = "2026-11-27T10:05:00.000Z"


def alert(**more: Any) -> dict[str, Any]:
    return {
        "id": "error_rate:a/m",
        "state": "firing",
        "severity": "warning",
        "since": "2026-11-27T10:00:00.000Z",
        "changed": "2026-11-27T10:01:00.000Z",
        "text": "a/m: 25 % of 40 attempts failed in 5 min, limit 2 %",
        "remedy": "Take it out: lbd ctl drain a/m.",
        "silenced_until": None,
        **more,
    }


def document(*data: dict[str, Any], **more: Any) -> dict[str, Any]:
    receiver = {"name": "webhook", "error": None}
    return {"data": list(data), "silences": [], "receivers": [receiver], **more}


def test_what_fires_is_told_with_what_to_do() -> None:
    """And for how long; what is pending or over is not."""
    assert lines([alert(), alert(state="pending"), alert(state="resolved")], Paint(False), TIME) == [
        "▲ a/m: 25 % of 40 attempts failed in 5 min, limit 2 %  error_rate:a/m for 4m00s",
        "  Take it out: lbd ctl drain a/m.",
    ]
    assert lines([], Paint(False), TIME) == []


def test_what_is_silenced_is_counted() -> None:
    """Whoever silenced it knows it."""
    quiet = alert(silenced_until=TIME)
    assert lines([quiet], Paint(False), TIME) == ["△ 1 more alert is silenced: lbd ctl alerts"]
    assert lines([quiet, quiet], Paint(False), TIME) == ["△ 2 more alerts are silenced: lbd ctl alerts"]


def test_words_of_others_cannot_command_the_terminal() -> None:
    """A configured name, or what a provider said, may stand in them."""
    assert "\x1b" not in "".join(lines([alert(text="a\x1b[2J", id="x:\x1b]0;y\x07")], Paint(False), TIME))


def test_the_table_shows_silences_and_who_takes_nothing() -> None:
    """And that nobody is told, where nobody is."""
    silence = {"id": "error_rate:a/m", "until": TIME, "by": "me", "reason": "lunch"}
    told = table(
        document(
            alert(silenced_until=TIME),
            silences=[silence],
            receivers=[{"name": "slack", "error": "HTTP 500"}, {"name": "webhook", "error": None}],
        ),
        Paint(False),
        None,
    )
    assert told[0].split()[:3] == ["STATE", "SEVERITY", "ALERT"] and told[1].startswith("firing")
    assert told[2].startswith("silence of error_rate:a/m until ") and told[2].endswith("by me: lunch")
    assert told[3:] == ["slack takes nothing: HTTP 500"]
    assert table(document(receivers=[]), Paint(False), None) == [
        "no alert is pending or fires",
        "nobody is told: alerts names no webhook, alertmanager or slack",
    ]
