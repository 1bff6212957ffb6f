"""The timeline: youngest first, with evidence, filters and links to keep; alerts on top."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.page import timeline
from lbd.ports.turns import at_once
from tests.fakes import console_server as made
from tests.fakes.scenes import NOW, Read, alert, document

IDS = frozenset({"local-a/smollm2"})


def drawn(*events: dict[str, Any], alerts: list[dict[str, Any]] | None = None) -> Read:
    return Read(at_once(timeline.panel(list(events), alerts or [], NOW, ids=IDS)))


def test_the_youngest_comes_first_and_each_can_be_linked_to() -> None:
    """By its number; the subject leads to its row where it has one."""
    read = drawn(made.event(1), made.event(2, subject="config", kind="config_reloaded", level="info"))
    assert [a["id"] for a in read.all("li")] == ["e2", "e1"]
    assert [a["href"] for a in read.all("a", class_="when")] == ["/events/2", "/events/1"]
    assert len(read.all("a", href="/deployments/local-a/smollm2")) == 1


def test_an_event_says_what_became_of_what_and_why() -> None:
    """With its evidence, folded."""
    read = drawn(
        made.event(1, evidence={"share": 0.123456789, "names": ["a", "b"], "of": {"x": 1}, "none": []}, by="anna")
    )
    assert "local-a/smollm2 state changed suspect → down: breaker_open, by anna" in read.text
    assert "share0.123457namesa, bofx: 1nonenone" in read.text
    assert "open" not in read.all("details")[0]
    assert "→" not in drawn(made.event(1, before=None, after=None)).text


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (made.event(1, level="error"), "trouble"),
        (made.event(1, level="info", kind="config_reloaded"), "config"),
        (made.event(1, level="info", kind="admin_drain", by="anna"), "orders"),
        (made.event(1, level="info", kind="peak_begun"), "other"),
    ],
)
def test_every_event_is_under_its_filter(event: dict[str, Any], kind: str) -> None:
    """The filters need no script: the class tells."""
    assert timeline.kind_of(event) == kind
    assert drawn(event).all("li")[0]["class"] == f"event {kind}"


def test_no_more_than_the_last_are_shown() -> None:
    """The rest has a page of its own."""
    read = drawn(*[made.event(n) for n in range(1, 90)])
    assert len([a for a in read.all("li") if "id" in a]) == timeline.SHOWN and read.all("a", href="/events")
    assert not drawn(made.event(1)).all("a", href="/events")
    assert "nothing has happened yet" in drawn().text


def test_alerts_stand_on_top_with_what_to_do() -> None:
    """Those that are over do not; those that only may come are not shouted."""
    alerts = [
        alert(),
        alert(id="a2", state="pending", title="Another"),
        alert(id="a3", state="resolved"),
        alert(id="a4", silenced_until="2026-11-24T09:50:00.000Z", silenced_by="ben"),
    ]
    read = drawn(made.event(1), alerts=alerts)
    assert [a["id"] for a in read.all("li")] == ["alert-a1", "alert-a2", "alert-a4", "e1"]
    assert "A deployment fails too often: 2.8 % of 288 attempts failed for 10 min" in read.text.replace("\u202f", " ")
    assert "Another (pending)" in read.text and "silenced by ben, ends in 30" in read.text
    assert "Take it out: lbd ctl drain." in read.text
    assert len(read.all("span", class_="bad")) == 1


def test_the_page_of_one_event_opens_it() -> None:
    """Among those around it."""
    events = [made.event(n) for n in (1, 2, 3)]
    parts = timeline.page(document(), events, "words", shown=2, now=NOW)
    read = Read("".join(p for p in parts if p is not None))
    assert [a["class"] for a in read.all("li")] == ["event trouble", "event trouble shown", "event trouble"]
    assert ["open" in a for a in read.all("details")] == [False, True, False]
