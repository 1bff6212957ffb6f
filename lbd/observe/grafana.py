"""A Grafana dashboard of what the metrics page tells, as the JSON that Grafana imports or provisions.

It has no data source of its own: one is chosen in its first variable. Its thresholds are those of the alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lbd.model.alert import AlertsSpec
from lbd.observe.panels import HERE, Panel, Query, rows

SCHEMA = 41  # Grafana 12; older ones read it, newer ones bring it up to date by themselves
UID = "lbd-overview"
WIDTH = 24
HEIGHT = 8
_DATA = {"type": "prometheus", "uid": "${datasource}"}


def document(spec: AlertsSpec) -> dict[str, Any]:
    """Return the dashboard."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, pictures in rows(spec):
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": _at(0, y, WIDTH, 1),
            }
        )
        y += 1
        small = pictures[0].kind == "stat"
        width, height = (WIDTH // len(pictures), HEIGHT // 2) if small else (WIDTH // 2, HEIGHT)
        per_line = WIDTH // width
        for i, picture in enumerate(pictures):
            at = _at(i % per_line * width, y + i // per_line * height, width, height)
            panels.append(_panel(len(panels) + 1, picture, at))
        y += -(-len(pictures) // per_line) * height
    return {
        "uid": UID,
        "title": "lbd",
        "description": "Requests, deployments, money and quality of lbd, made by lbd gen grafana.",
        "tags": ["lbd", "llm"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_annotation()]},
        "templating": {"list": [_datasource(), _instance()]},
        "links": [],
        "panels": panels,
    }


def _at(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
        "refresh": 1,
        "regex": "",
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
    }


def _instance() -> dict[str, Any]:
    query = "label_values(lbd_build_info, instance)"
    return {
        "name": "instance",
        "label": "Instance",
        "type": "query",
        "datasource": _DATA,
        "definition": query,
        "query": {"query": query, "refId": "instances"},
        "hide": 0,
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "options": [],
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotation() -> dict[str, Any]:
    return {
        "name": "Reloads",
        "datasource": _DATA,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": f"changes(lbd_config_generation{HERE}[1m]) > 0",
        "titleFormat": "configuration reloaded",
        "step": "60s",
    }


def _panel(number: int, of: Panel, at: Mapping[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if of.limit is not None:
        steps.append({"color": "red", "value": of.limit})
    defaults: dict[str, Any] = {
        "unit": of.unit,
        "min": 0,
        "color": {"mode": "thresholds" if of.kind == "stat" else "palette-classic"},
    }
    defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if of.top is not None:
        defaults["max"] = of.top
    if of.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "fillOpacity": 20 if of.stack else 0,
            "lineWidth": 1,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if of.stack else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if of.limit is None else "dashed"},
        }
    return {
        "id": number,
        "type": of.kind,
        "title": of.title,
        "description": of.says,
        "datasource": _DATA,
        "gridPos": at,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[of.kind],
        "targets": [_target(i, query, instant=of.kind == "stat") for i, query in enumerate(of.queries)],
    }


_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
    "state-timeline": {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    },
}


def _target(number: int, query: Query, *, instant: bool) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + number),
        "datasource": _DATA,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": not instant,
        "instant": instant,
        "exemplar": query.exemplar,
    }
