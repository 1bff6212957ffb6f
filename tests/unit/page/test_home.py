"""The first screen, whole and in parts; hostile words in every document stay words."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.page import home, shell
from lbd.page.markup import Html, text
from tests.fakes import console_server as made
from tests.fakes.scenes import Read, alert, budget, document, experiment, fleet, savings, scene, way

ASSETS = shell.Assets("/assets/1-page.css", "/assets/2-page.js")
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' autofocus onfocus=alert(1) x='",
    "</td></tr></table></main>",
    "<!--",
    "javascript:alert(1)",
    "a\u202eb\x00c",
    "../../../etc/passwd?x=1#y",
    "\ud800",
)


def page(now: home.Scene) -> Read:
    return Read(home.page(home.drawn(now), assets=ASSETS, visitor=shell.Visitor(), live="/live?since=1"))


def test_the_page_is_whole() -> None:
    """Every part once, in a sound document, and nothing in it runs."""
    read = page(scene())
    read.harmless()
    ids = [a["id"] for _, a in read.elements if "id" in a]
    assert len(ids) == len(set(ids))
    drawn = home.drawn(scene())
    assert set(drawn.parts) | {"table"} <= set(ids)
    assert read.all("body", data_live="/live?since=1")


def test_every_part_is_the_element_of_its_name() -> None:
    """So that it can be put in its place."""
    for name, part in home.drawn(scene()).parts.items():
        tag, attributes = Read(part).elements[0]
        assert attributes["id"] == name, (tag, name)


def test_rows_stand_in_their_tier() -> None:
    """The layout names them; a row that comes or goes changes it."""
    drawn = home.drawn(scene())
    assert drawn.rows == (("tier-0", ("row-local-a/smollm2", "row-openai-eu/gpt-4.1")),)
    assert home.drawn(scene(document(made.row()))).rows != drawn.rows


def test_many_rows_that_are_well_take_a_line_each() -> None:
    """So that a fleet fits on one screen; a few keep what there is room for."""
    assert page(scene(fleet(home.ROOMY))).all("table", class_="providers")
    assert page(scene(fleet(home.ROOMY + 1))).all("table", class_="providers dense")


def folds(told: dict[str, Any]) -> list[str]:
    return [str(a["id"]) for a in page(scene(told)).all("input", type="checkbox")]


def test_of_a_crowd_only_tiers_with_news_are_open() -> None:
    """A tier that is well is one line with its sums; one row that is down, late or under an order opens it again."""
    assert folds(fleet(home.CROWDED)) == []
    assert folds(fleet(home.CROWDED + 1)) == ["fold-0", "fold-1", "fold-2"]
    assert folds(fleet(home.CROWDED + 1, down=1)) == ["fold-1", "fold-2"]
    assert folds(fleet(home.CROWDED + 1, slow=1)) == ["fold-1", "fold-2"]
    told = fleet(home.CROWDED + 1)
    told["tiers"][2]["deployments"][0]["admin"]["weight"] = 0.5
    assert folds(told) == ["fold-0", "fold-1"]
    group = home.drawn(scene(told)).parts["tier-0"]
    assert "42.7/s, the slowest p95 820" in group and "show its 7 rows" in group


def test_what_time_alone_changes_is_no_news() -> None:
    """The script keeps ages true; a second later with the same facts every part is the same."""
    later = document()
    later["time"] = "2026-11-24T09:20:01.000Z"
    later["data_age_ms"] = 210.0
    for tier in later["tiers"]:
        for row in tier["deployments"]:
            for probe in row["probes"]:
                probe["age_s"] += 1.0
    now, then = home.drawn(scene()), home.drawn(scene(later))
    assert now.parts != then.parts
    assert {n: home.steady(p) for n, p in now.parts.items()} == {n: home.steady(p) for n, p in then.parts.items()}


def test_a_change_of_a_row_is_news_of_that_row() -> None:
    """And of no other."""
    changed = document()
    changed["tiers"][0]["deployments"][0]["inflight"] = 15
    now, then = home.drawn(scene()), home.drawn(scene(changed))
    news = {name for name, part in now.parts.items() if home.steady(part) != home.steady(then.parts[name])}
    assert news == {"row-openai-eu/gpt-4.1"}


def hostile(value: Any, word: str) -> Any:
    """Put a word in place of every text that somebody else writes."""
    free = {"summary", "id", "provider", "model", "upstream_model", "region", "shape", "base_url", "code", "text", "by"}
    free |= {
        "detail",
        "cause",
        "surface",
        "urgency",
        "tier",
        "deployment",
        "outcome",
        "name",
        "scope",
        "subject",
        "kind",
    }
    free |= {"reason", "before", "after", "verdict", "title", "remedy", "silenced_by", "what", "hash", "last_error"}
    if isinstance(value, dict):
        return {k: word if k in free and isinstance(v, str) else hostile(v, word) for k, v in value.items()}
    return [hostile(v, word) for v in value] if isinstance(value, list) else value


@settings(max_examples=40)
@given(st.sampled_from(HOSTILE) | st.text(st.characters(codec=None), min_size=1, max_size=30))
def test_hostile_words_stay_words(word: str) -> None:
    """A provider's answer, a client's name, a reason somebody gave: text, wherever it stands."""
    told = document(
        made.row(quality={}),
        made.down(),
        flow=[way("x/y"), way(None, outcome="z")],
        alerts=[alert(silenced_until="2026-11-24T09:50:00.000Z")],
        last_error="x",
    )
    told["tiers"][0]["deployments"][0]["errors"] = {
        **told["tiers"][0]["deployments"][0]["errors"], "ratio": 0.5, "by_kind": {word: 3}
    }  # fmt: skip
    told["quality_floors"] = {word: 0.5}
    events = [hostile(made.event(1, evidence={word: word}), word)]
    now = scene(
        hostile(told, word),
        savings=savings(),
        budgets=[{**budget(), "name": word}],
        experiments=[hostile(experiment(), word)],
        events=events,
    )
    read = page(now)
    read.harmless()
    scripts = read.all("script")
    assert [s["src"] for s in scripts] == [ASSETS.js]
    shown = text(word)
    assert "<" not in shown
    json.dumps({name: str(part) for name, part in home.drawn(now).parts.items()}).encode()  # can be sent


def test_the_page_of_many_rows_is_small_enough() -> None:
    """What is sent for 14 rows, with style and script, is less than 95 KB even before it is packed; a row takes 2.6."""
    import gzip
    from pathlib import Path

    def sent(rows: int) -> bytes:
        events = [made.event(n) for n in range(1, 100)]
        now = home.drawn(scene(fleet(rows, down=1, slow=1), events=events))
        return home.page(now, assets=ASSETS, visitor=shell.Visitor(), live="/live?since=1")

    folder = Path(home.__file__).with_name("static")
    whole = [sent(14), *((folder / name).read_bytes() for name in ("page.css", "page.js"))]
    assert sum(map(len, whole)) < 95_000
    assert sum(len(gzip.compress(part)) for part in whole) < 15_000
    assert len(sent(60)) - len(sent(40)) < 20 * 2_600
    assert isinstance(home.grid(home.drawn(scene())), Html)


def test_a_crowd_is_drawn_in_the_order_that_it_had() -> None:
    """With who is down first; a picture whose rows changed places would be sent as a whole, tick by tick."""
    told = fleet(home.CROWDED + 1, down=1)
    first = home.drawn(scene(told))
    for tier in told["tiers"]:
        for i, row in enumerate(tier["deployments"]):
            row["share"]["target"] += i * 0.001
    assert home.drawn(scene(told), first).rows == first.rows != home.drawn(scene(told)).rows
    down = {f"row-{row['id']}" for tier in told["tiers"] for row in tier["deployments"] if row["state"] == "down"}
    assert down and down <= {names[0] for _, names in first.rows}
