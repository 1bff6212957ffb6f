"""The provider table in the forms that other tools read: some fields of it, HAProxy's CSV, Envoy's clusters."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

FORMATS = ("json", "csv", "envoy")
# By HAProxy's names, so that what reads its statistics by their head can read these.
CSV = (
    *("pxname", "svname", "qcur", "scur", "slim", "rate", "econ", "eresp", "status", "weight", "act", "lastchg"),
    *("type", "check_status", "check_duration", "last_chk", "rtime"),
)
_SERVER = 2  # HAProxy's number for the type of a line
_CONNECTING = ("connect", "connect_timeout", "tls")


def shaped(body: bytes, query: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the document as it was asked for, and its content type. Raises ValueError, with what can be asked."""
    form, fields = query.get("format", "json"), query.get("fields")
    if form not in FORMATS:
        raise ValueError(f"format: {form[:40]!r} is none of {', '.join(FORMATS)}")
    if fields is not None and form != "json":
        raise ValueError("fields: only of the JSON document")
    if form == "json" and fields is None:
        return body, "application/json"
    document = orjson.loads(body)
    if form == "csv":
        return lines(document).encode(), "text/csv"
    told = clusters(document) if form == "envoy" else chosen(document, fields or "")
    return orjson.dumps(told), "application/json"


def chosen(document: dict[str, Any], fields: str) -> dict[str, Any]:
    """Return the document with these fields of each deployment alone, and its id. Raises ValueError."""
    names = [name for name in fields.split(",") if name]
    for tier in document["tiers"]:
        for i, row in enumerate(tier["deployments"]):
            unknown = [name for name in names if name not in row]
            if unknown:
                raise ValueError(f"fields: there is no {unknown[0][:40]!r}; there are {', '.join(row)}")
            tier["deployments"][i] = {name: row[name] for name in dict.fromkeys(("id", *names))}
    return document


def lines(document: dict[str, Any]) -> str:
    """Return a line a deployment, under HAProxy's names; a tier is a proxy."""
    out = io.StringIO()
    out.write("# ")
    writer = csv.DictWriter(out, CSV, lineterminator="\n")
    writer.writeheader()
    now = datetime.fromisoformat(document["time"])
    for tier in document["tiers"]:
        writer.writerows(_line(tier["name"], row, now) for row in tier["deployments"])
    return out.getvalue()


def _line(tier: str, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    kinds = row["errors"]["by_kind"]
    connecting = sum(kinds.get(kind, 0) for kind in _CONNECTING)
    probe = next((p for p in row["probes"] if p["kind"] == "liveness"), None)
    p50 = row["ttft_s"]["5m"]["p50"]
    return {
        "pxname": tier,
        "svname": row["id"],
        "qcur": 0,
        "scur": row["inflight"],
        "slim": "" if row["limit"] is None else round(row["limit"]),
        "rate": round(row["rps"]),
        "econ": connecting,
        "eresp": sum(kinds.values()) - connecting,
        "status": _status(row),
        "weight": row["weight"],
        "act": 1,
        "lastchg": round((now - datetime.fromisoformat(row["state_since"])).total_seconds()),
        "type": _SERVER,
        "check_status": "" if probe is None else "L7OK" if probe["verdict"] != "down" else "L7TOUT",
        "check_duration": "" if probe is None else round(probe["took_ms"]),
        "last_chk": "" if probe is None else probe["detail"],
        "rtime": "" if p50 is None else round(p50 * 1000),
    }


def _status(row: dict[str, Any]) -> str:
    if row["admin"]["state"] != "ready":
        return str(row["admin"]["state"]).upper()
    return {"down": "DOWN", "locked": "DOWN", "unknown": "no check", "suspect": "NOLB"}.get(row["state"], "UP")


def clusters(document: dict[str, Any]) -> dict[str, Any]:
    """Return Envoy's ``/clusters?format=json``: a tier is a cluster, and its place the priority."""
    return {
        "cluster_statuses": [
            {
                "name": tier["name"],
                "added_via_api": False,
                "host_statuses": [_host(row, priority) for row in tier["deployments"]],
            }
            for priority, tier in enumerate(document["tiers"])
        ]
    }


def _host(row: dict[str, Any], priority: int) -> dict[str, Any]:
    url = urlsplit(row["base_url"])
    health, errors = row["health"], row["errors"]
    port = url.port or (443 if url.scheme == "https" else 80)
    out: dict[str, Any] = {
        "address": {"socket_address": {"address": url.hostname or "", "port_value": port}},
        "hostname": row["id"],
        "stats": [
            {"name": "rq_active", "type": "GAUGE", "value": str(row["inflight"])},
            {"name": "rq_error", "type": "GAUGE", "value": str(sum(errors["by_kind"].values()))},
        ],
        "health_status": {
            "failed_active_health_check": health["failed_active_probe"],
            "failed_outlier_check": health["failed_passive"] or health["failed_outlier"] or health["locked"],
            "eds_health_status": "DRAINING" if row["admin"]["state"] != "ready" else "HEALTHY",
        },
        "weight": row["weight"],
        "priority": priority,
    }
    if errors["ratio"] is not None:
        out["success_rate"] = {"value": round(100 * (1 - errors["ratio"]), 3)}
    return out
