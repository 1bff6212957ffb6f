"""The dashboard: of the form that Grafana imports, in a grid without overlaps, of metrics that lbd has."""

from __future__ import annotations

import json
import re

from lbd.model.alert import AlertsSpec
from lbd.observe.grafana import SCHEMA, WIDTH, document
from tests.unit.observe.test_metrics import full_page

BOARD = document(AlertsSpec(error_rate=0.07, probe_age_s=91.0))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def test_it_can_be_imported() -> None:
    """No id of its own, a uid, a schema, a data source that is a variable, and nothing but JSON."""
    assert json.loads(json.dumps(BOARD)) == BOARD
    assert "id" not in BOARD and re.fullmatch(r"[a-z-]{1,40}", BOARD["uid"])
    assert (BOARD["schemaVersion"], BOARD["title"]) == (SCHEMA, "lbd")
    names = [variable["name"] for variable in BOARD["templating"]["list"]]
    assert names == ["datasource", "instance"]
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"] and panel["fieldConfig"]["defaults"]["unit"] and panel["options"]
        assert [t["refId"] for t in panel["targets"]] == ["A", "B", "C"][: len(panel["targets"])]


def test_panels_have_ids_and_do_not_overlap() -> None:
    """Each cell of the grid belongs to one at most, and none lies outside."""
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids) > 20
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_it_asks_for_metrics_that_lbd_has() -> None:
    """With balanced brackets; rates over the interval that Grafana finds right."""
    known = set(re.findall(r"^([a-z_]+)[{ ]", full_page(), re.MULTILINE))
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    expressions += [a["expr"] for a in BOARD["annotations"]["list"]]
    for text in expressions:
        used = set(re.findall(r"\blbd_\w+", text))
        assert used and used <= known, used - known
        for left, right in ("()", "{}", "[]"):
            assert text.count(left) == text.count(right), text


def test_thresholds_are_those_of_the_alerts() -> None:
    """A line at the limit."""
    steps = {panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in PANELS}
    assert steps["Attempts that failed"][-1] == {"color": "red", "value": 0.07}
    assert steps["Age of the last probe"][-1] == {"color": "red", "value": 91.0}
