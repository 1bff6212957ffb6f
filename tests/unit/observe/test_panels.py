"""What the dashboard shows: an answer to each question of an operator."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lbd.model.alert import AlertsSpec
from lbd.observe.panels import rows

ROWS = dict(rows(AlertsSpec()))


def test_it_begins_with_how_things_stand_now() -> None:
    """One line of numbers."""
    assert list(ROWS) == ["Now", "Requests", "Deployments", "Money and quality", "The daemon"]
    assert {panel.kind for panel in ROWS["Now"]} == {"stat"}


def test_every_panel_says_its_unit_and_names_its_lines() -> None:
    """Two lines of one panel cannot have one name."""
    for panels in ROWS.values():
        for panel in panels:
            assert panel.title and panel.unit and panel.queries
            legends = [query.legend for query in panel.queries]
            assert len(set(legends)) == len(legends), panel.title


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: the queries were not parsed")
def test_prometheus_can_parse_every_query(tmp_path: Path) -> None:
    """As rules, with Grafana's own words filled in."""
    made = [
        query.expr.replace("$__rate_interval", "5m").replace("$instance", ".*")
        for panels in ROWS.values()
        for panel in panels
        for query in panel.queries
    ]
    found = [{"record": f"panel:lbd:{i}", "expr": text} for i, text in enumerate(made)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": found}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
