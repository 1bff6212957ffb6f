"""The provider table in words and numbers, from the document of ``GET /v1/providers``; for whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lbd.display.paint import Cell, Column, Paint

NONE = "·"  # no data; never a zero
_LOOK = {
    "up": ("●", "good"),
    "unknown": ("○", "dim"),
    "degraded": ("◐", "warn"),
    "suspect": ("?", "warn"),
    "recovering": ("◔", "warn"),
    "down": ("✕", "bad"),
    "locked": ("⊘", "bad"),
}
_VERDICTS = {"pass": ("●", "good"), "warn": ("◐", "warn"), "fail": ("✕", "bad")}
_OUT = ("down", "locked", "suspect")  # their reason says it all
COLUMNS = (
    Column("tier", "TIER", rank=4),
    Column("deployment", "DEPLOYMENT", names=True),
    Column("state", "STATE"),
    Column("admin", "ADMIN", rank=2),
    Column("breaker", "BREAKER", rank=5),
    Column("p50", "TTFT p50", right=True, rank=7),
    Column("p95", "TTFT p95", right=True, rank=1),
    Column("p99", "TTFT p99", right=True, rank=8),
    Column("slo", "SLO ms", right=True, rank=1),
    Column("n", "n", right=True, rank=10),
    Column("errors", "ERR %", right=True, rank=1),
    Column("quality", "QUALITY", right=True, rank=10),
    Column("inflight", "IN FLIGHT", right=True, rank=3),
    Column("rps", "REQ/S", right=True, rank=6),
    Column("tps", "TOK/S", right=True, rank=12),
    Column("quota", "QUOTA %", right=True, rank=9),
    Column("uptime", "UP 5m %", right=True, rank=11),
    Column("probe", "PROBE", right=True, rank=8),
)


def verdict(document: dict[str, Any]) -> list[Cell]:
    """Return the one sentence that comes first."""
    status = str(document["status"])
    glyph, style = _VERDICTS.get(status, ("?", "warn"))
    return [Cell(f"{glyph} {status.upper()}", style), Cell(f"  {document['summary']}")]


def rows(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each tier and deployment, in the document's order."""
    for tier in document["tiers"]:
        for row in tier["deployments"]:
            yield tier, row


def body(document: dict[str, Any]) -> list[dict[str, Cell]]:
    """Return every deployment's cells, in the document's order."""
    return [cells(tier, row, document["time"]) for tier, row in rows(document)]


def reasons(document: dict[str, Any]) -> list[list[Cell]]:
    """Return a sentence for each row that is not green."""
    return [told for tier, row in rows(document) if (told := why(tier, row, document["time"])) is not None]


def lines(document: dict[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Return the whole of it where nothing is redrawn: verdict, table, reasons."""
    out = [brush.line(verdict(document)), "", *brush.table(COLUMNS, body(document), room)]
    told = reasons(document)
    return [*out, "", *map(brush.line, told)] if told else out


def cells(tier: dict[str, Any], row: dict[str, Any], time: str) -> dict[str, Cell]:
    """Return one deployment's cells by column; ``time`` is the document's."""
    ttft, errors, slo = row["ttft_s"]["5m"], row["errors"], tier["slo"]
    late = ttft["p95"] is not None and ttft["p95"] > slo["ttft_p95_s"]
    failing = errors["ratio"] is not None and errors["ratio"] > slo["error_rate_max"]
    limit = "" if row["limit"] is None else f"/{row['limit']:.0f}"
    glyph, style = _LOOK.get(row["state"], ("?", "warn"))
    quota = row["quota_left"] if row["quota"] or row["quota_left"] < 1 else None
    return {
        "tier": Cell(tier["name"]),
        "deployment": Cell(row["id"]),
        "state": Cell(f"{glyph} {row['state']}", style),
        "admin": _admin(row["admin"]),
        "breaker": _breaker(row["breaker"], time),
        "p50": Cell(ms(ttft["p50"])),
        "p95": Cell(f"{ms(ttft['p95'])}{'!' if late else ''}", "warn" if late else ""),
        "p99": Cell(ms(ttft["p99"])),
        "slo": Cell(ms(slo["ttft_p95_s"])),
        "n": Cell(str(ttft["n"]) if ttft["n"] else NONE),
        "errors": Cell(f"{percent(errors['ratio'])}{'!' if failing else ''}", "warn" if failing else ""),
        "quality": _quality(row),
        "inflight": Cell(f"{row['inflight']}{limit}"),
        "rps": Cell(f"{row['rps']:.1f}"),
        "tps": Cell(NONE if row["throughput_tps"] is None else f"{row['throughput_tps']:.0f}"),
        "quota": Cell(percent(quota, 0), "warn" if quota is not None and quota <= 0 else ""),
        "uptime": Cell(percent(row["uptime"]["5m"])),
        "probe": Cell(
            NONE if row["probe_age_s"] is None else span(row["probe_age_s"]), "warn" if row["health"]["stale"] else ""
        ),
    }


def _admin(admin: dict[str, Any]) -> Cell:
    ready = admin["state"] == "ready"
    weight = "" if admin["weight"] is None else f" weight {admin['weight']:g}"
    return Cell(f"{admin['state']}{weight}", "" if ready and not weight else "note")


def _quality(row: dict[str, Any]) -> Cell:
    """Write what it is held for, and how many answers of the last hour failed a check; that is none of its health.

    A quality that was measured stands with what it may be at least, and where answers have become worse that is said.
    """
    known, failed = row["quality"].get("default"), row["quality_failures"]["n"]
    told = [] if known is None else [f"{known:g}"]
    scored = row["scores"]
    if scored and scored[0]["value"] is not None:
        told = [f"{scored[0]['value']:.2f}>{scored[0]['low']:.2f}"]
    dropped = [s["family"] for s in scored if s["phase"] != "in_use"]
    told += [f"dropped: {', '.join(dropped)}"] if dropped else []
    told += [f"({failed} failed)"] if failed else []
    return Cell(" ".join(told) or NONE, "bad" if dropped else "warn" if failed else "")


def _breaker(breaker: dict[str, Any], time: str) -> Cell:
    match breaker["state"]:
        case "closed":
            return Cell("closed", "dim")
        case "half_open":
            return Cell(f"half-open {breaker['half_open']['done']}/{breaker['half_open']['need']}", "warn")
        case other:
            wait = None if breaker["retry_at"] is None else between(time, breaker["retry_at"])
            return Cell(f"{other} {span(wait)}" if wait is not None and wait > 0 else str(other), "bad")


def why(tier: dict[str, Any], row: dict[str, Any], time: str) -> list[Cell] | None:
    """Return why a row is not green, in one sentence; None where it is."""
    reason, admin, health = row["reason"], row["admin"], row["health"]
    told = []
    if row["state"] != "up" or reason["code"] != "ok":
        told.append(_reason(reason))
    wait = None if row["breaker"]["retry_at"] is None else between(time, row["breaker"]["retry_at"])
    if wait is not None and wait > 0:
        told.append(f"a last-resort trial may go there in {span(wait)}")
    if health["stale"] and admin["state"] != "maint":
        told.append("no recent probe" if row["probe_age_s"] is not None else "never probed")
    by = "" if admin["by"] is None else f" by {admin['by']}"
    if admin["state"] != "ready":
        word = {"drain": "drained", "maint": "in maintenance"}.get(admin["state"], admin["state"])
        told.append(word + by + _ends(admin.get("until"), time))
    if admin["weight"] is not None:
        told.append(f"weight {admin['weight']:g} ordered{by}{_ends(admin.get('weight_until'), time)}")
    if row["state"] not in _OUT:
        told += _missed(tier, row)
    if not told:
        return None
    glyph, style = _LOOK.get(row["state"], ("?", "warn"))
    since = between(row["state_since"], time)
    return [Cell(f"{glyph} {row['id']}", style), Cell(f" {row['state']} for {span(since)}: {'; '.join(told)}")]


def _ends(until: str | None, time: str) -> str:
    """Return for how long an order goes on, where it ends by itself."""
    return "" if until is None else f" for another {span(between(time, until))}"


def _reason(reason: dict[str, Any]) -> str:
    text = f", {reason['text']}" if reason["text"] else ""
    value, limit = reason["value"], reason["limit"]
    numbers = f" ({value:.3g} against {limit:.3g})" if value is not None and limit is not None else ""
    return f"{reason['code']}{text}{numbers}"


def _missed(tier: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """Say which marked numbers are over their limits, where the reason is another one or none."""
    out = []
    p95, slo, ratio = row["ttft_s"]["5m"]["p95"], tier["slo"], row["errors"]["ratio"]
    if p95 is not None and p95 > slo["ttft_p95_s"] and row["reason"]["code"] != "slo_p95":
        out.append(f"p95 of 5 minutes {ms(p95)} ms over the target of {ms(slo['ttft_p95_s'])} ms")
    if ratio is not None and ratio > slo["error_rate_max"] and row["reason"]["code"] != "error_rate":
        n = row["errors"]["n"]
        told = ", ".join(f"{kind} {k}" for kind, k in sorted(row["errors"]["by_kind"].items(), key=lambda k: -k[1]))
        out.append(f"{round(ratio * n)} of {n} attempts failed in 5 minutes{f' ({told})' if told else ''}")
    return out


# --- numbers ---------------------------------------------------------------------------------------------


def ms(seconds: float | None) -> str:
    """Write a duration in milliseconds."""
    if seconds is None:
        return NONE
    return f"{seconds * 1000:.1f}" if seconds < 0.01 else f"{seconds * 1000:.0f}"


def percent(ratio: float | None, digits: int = 1) -> str:
    """Write a ratio in per cent."""
    return NONE if ratio is None else f"{ratio * 100:.{digits}f}"


def span(seconds: float) -> str:
    """Write a duration in its two largest units."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def between(before: str, after: str) -> float:
    """Return the seconds between two RFC 3339 times."""
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def local(time: str | float) -> str:
    """Write a time (RFC 3339, or seconds since 1970) as the host's clock shows it."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else datetime.fromtimestamp(time, UTC)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
