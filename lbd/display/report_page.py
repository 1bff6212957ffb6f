"""The report as one page: HTML that loads nothing, with the bars in it. Pure: documents of /v1/savings in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from lbd.display.charts import Bar, lying, standing
from lbd.display.money import headline, money

HOUR = "hour"
MOST_HOURS = 24 * 14  # bars; of more, days are shown
MOST_ROWS = 25  # of a group; the rest is one row
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:800px;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}.dim{color:#59636e}
table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{padding:.2rem .5rem;text-align:right;font-size:.9rem}
th{font-weight:600;border-bottom:1px solid #d1d9e0}th:first-child,td:first-child{text-align:left}
svg{display:block;max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#59636e}
svg line{stroke:#d1d9e0}
.premium{fill:#cdd9e5}.paid{fill:#0969da}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}.dim,svg text{color:#9198a1;fill:#9198a1}
th{border-color:#3d444d}svg line{stroke:#3d444d}.premium{fill:#3d444d}.paid{fill:#4493f8}}
"""


def page(whole: dict[str, Any], groups: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """Return the page: the whole of the period, and its sums by each group, ``hour`` as bars over time."""
    told = headline(whole)
    out = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        "<meta http-equiv=\"content-security-policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>lbd: {escape(told)}</title><style>{_STYLE}</style></head><body>\n",
        f'<h1>{escape(told)}</h1>\n<p class="dim">{escape(str(whole["since"]))} to {escape(str(whole["until"]))}</p>\n',
        *(f"<p>{escape(line)}</p>\n" for line in _notes(whole)),
    ]
    for by, rows in groups.items():
        if rows:
            out.append(_hours(rows) if by == HOUR else _group(by, rows))
    return "".join(out) + "</body></html>\n"


def _notes(whole: dict[str, Any]) -> list[str]:
    compared, own = whole["compared"], whole["overhead"]
    failed = whole["failed_attempts"]
    out = [f"{whole['requests']} requests for {money(whole['cost_usd'])}; {failed} attempts failed."]
    if compared["requests"]:
        against = whole["baseline"] or "the model that was asked for, or the best of the best tier"
        out.append(
            f"{compared['requests']} of them compared with {against}: {money(compared['premium_usd'])} there,"
            f" {money(compared['cost_usd'])} here, {money(compared['cheapest_usd'])} at the cheapest that could serve."
        )
    out.append(
        f"lbd itself: probes {money(own['probe_usd'])}, evaluation {money(own['evaluation_usd'])}, attempts that"
        f" did not serve {money(own['failed_attempts_usd'])}, processor {money(own['cpu_usd'])}."
    )
    for key, text in (
        ("estimated_entries", "attempts told no usage and are estimated"),
        ("unpriced_entries", "attempts have no known price and are left out"),
        ("lost_entries", "entries were lost: the ledger could not be written"),
    ):
        if whole.get(key):
            out.append(f"{whole[key]} {text}.")
    return out


def hour_text(hour: float) -> str:
    """Return the beginning of an hour, which the ledger knows in seconds, as people write it; in UTC."""
    return datetime.fromtimestamp(hour, UTC).strftime("%Y-%m-%d %H:%M")


def _bar(label: str, rows: Sequence[dict[str, Any]]) -> Bar:
    """Return a bar; what cannot be compared would have cost what it did."""
    paid = sum(r["cost_usd"] for r in rows)
    saved = sum(r["saved_usd"] or 0.0 for r in rows)
    return Bar(label, paid, paid + saved)


def _hours(rows: Sequence[dict[str, Any]]) -> str:
    """Return bars over time; an hour in which nothing was asked is one, too."""
    found = {int(row[HOUR]): row for row in rows}
    hours = range(min(found), max(found) + 1, 3600)
    by_day = len(hours) > MOST_HOURS
    slots: dict[str, list[dict[str, Any]]] = {}
    for hour in hours:
        of = slots.setdefault(hour_text(hour)[: 10 if by_day else None], [])
        if hour in found:
            of.append(found[hour])
    word = "day" if by_day else "hour"
    chart = standing([_bar(label, of) for label, of in slots.items()], f"paid and saved by {word}")
    return f"<h2>By {word} (UTC)</h2>\n{chart}\n{_LEGEND}"


_LEGEND = '<p class="dim">Dark: paid. Light: what the same would have cost without routing.</p>\n'


def _group(by: str, rows: Sequence[dict[str, Any]]) -> str:
    ordered = sorted(rows, key=lambda r: (-max(r["cost_usd"], r["cost_usd"] + (r["saved_usd"] or 0.0)), str(r[by])))
    shown, rest = ordered[:MOST_ROWS], ordered[MOST_ROWS:]
    bars = [_bar(str(row[by] or "none"), [row]) for row in shown]
    if rest:
        bars.append(_bar(f"{len(rest)} more", rest))
    names = (by, "requests", "cost", "without routing", "saved", "share", "failed")
    heads = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{_cells(by, row)}</tr>\n" for row in ordered)
    return (
        f"<h2>By {escape(by)}</h2>\n{lying(bars, f'paid and saved by {by}')}\n{_LEGEND}"
        f"<table><thead><tr>{heads}</tr></thead><tbody>\n{body}</tbody></table>\n"
    )


def _cells(by: str, row: dict[str, Any]) -> str:
    share = row["saved_share"]
    words = (
        hour_text(row[by]) if by == HOUR else str(row[by] or "none"),
        str(row["requests"]),
        money(row["cost_usd"]),
        money(row["compared"]["premium_usd"]),
        money(row["saved_usd"] or 0.0),
        "·" if share is None else f"{share:.1%}",
        str(row["failed_attempts"]),
    )
    return "".join(f"<td>{escape(word)}</td>" for word in words)
