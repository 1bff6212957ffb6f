"""The dashboard: of the form that Grafana imports, in a grid without overlaps, of metrics that lbd has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import prometheus, units
from grafana_foundation_sdk.models.dashboard import Dashboard, DataSourceRef

from lbd.model.alert import AlertsSpec
from lbd.observe.grafana import SCHEMA, WIDTH, document
from tests.unit.observe.test_metrics import told_labels, unknown

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
    """By labels that they have."""
    known = told_labels()
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    expressions += [a["expr"] for a in BOARD["annotations"]["list"]]
    expressions += re.findall(r"label_values\((\w+), \w+\)", BOARD["templating"]["list"][1]["query"]["query"])
    for text in expressions:
        assert "lbd_" in text and unknown(text, known) == [], text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: the queries were not parsed")
def test_prometheus_can_parse_what_is_beside_the_panels(tmp_path: Path) -> None:
    """Annotations; the queries of panels are parsed beside those."""
    found = [
        {"record": f"annotation:lbd:{i}", "expr": one["expr"].replace("$instance", ".*")}
        for i, one in enumerate(BOARD["annotations"]["list"])
    ]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "annotations", "rules": found}]}))
    words = ["promtool", "check", "rules", "rules.yml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# what plugins put beside what the schema has: Grafana's editor of variables, and its plugin for Prometheus
BESIDE = {".templating.list[1].definition", ".annotations.list[0].titleFormat", ".annotations.list[0].step"}


def lost(given: Any, read: Any, at: str = "") -> Iterator[str]:
    """Yield what is not there any more, or is otherwise."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from lost(value, read[key], f"{at}.{key}") if key in read else (f"{at}.{key}",)
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for i, (one, other) in enumerate(zip(given, read, strict=True)):
            yield from lost(one, other, f"{at}[{i}]")
    elif given != read:
        yield at


def as_grafana_reads_it(board: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a dashboard read by what Grafana publishes, and written again."""
    register_default_plugins()
    read = Dashboard.from_json(json.loads(json.dumps(board)))
    return read, json.loads(json.dumps(read, cls=JSONEncoder))


def test_grafana_knows_all_that_is_in_it() -> None:
    """Every key has its place in Grafana's own types of dashboards, panels, options and queries, with its value."""
    read, again = as_grafana_reads_it(BOARD)
    assert set(lost(BOARD, again)) == BESIDE
    for panel in read.panels:
        if panel.type_val != "row":
            kind = panel.type_val.replace("-", "")
            assert type(panel.options).__module__.endswith(f".models.{kind}"), "of a type that Grafana does not have"
            assert {type(target) for target in panel.targets} == {prometheus.Dataquery}
            assert vars(panel.datasource) == vars(DataSourceRef("prometheus", "${datasource}"))
    assert {p["fieldConfig"]["defaults"]["unit"] for p in PANELS} <= {v for v in vars(units).values() if type(v) is str}


def test_what_grafana_does_not_know_would_be_found() -> None:
    """A word that is written otherwise, at any depth."""
    for change in ("legend", "showLegend", "reduceOptions", "gridPos", "legendFormat", "thresholds"):
        wrong = json.loads(json.dumps(BOARD).replace(f'"{change}"', f'"{change}s_"'))
        assert set(lost(wrong, as_grafana_reads_it(wrong)[1])) > BESIDE, change


def test_thresholds_are_those_of_the_alerts() -> None:
    """A line at the limit."""
    steps = {panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in PANELS}
    assert steps["Attempts that failed"][-1] == {"color": "red", "value": 0.07}
    assert steps["Age of the last probe"][-1] == {"color": "red", "value": 91.0}
