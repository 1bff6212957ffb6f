"""The provider table: a group for each tier, a row for each deployment, and a line of words below what is not green."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from lbd.page import marks, state
from lbd.page.markup import Html, Inner, el, join, span
from lbd.page.numbers import NONE, ago, count, epoch, finite, latency, percent, rate, seconds, usd

ERROR_LINE = 0.02  # fixed, so that rows can be compared by eye
SPARK = 30  # minutes
WINDOWS = ("1d", "30m", "5m")  # of uptime
CLEARLY, CLEAR = 1.5, 0.03  # so many times, and so much more, must a row be meant to get than the one above it
COLUMNS = (
    ("c-state", "State", None),
    ("c-name", "Deployment", None),
    ("c-breaker", "Breaker", None),
    ("c-ttft", "First content p50, 95, 99", "milliseconds, of 5 min; the tick is the tier's target"),
    ("c-trend", "p95, 30 min", "the line is the tier's target"),
    ("c-err", "Errors, 30 min", "of 5 min; the line is at 2 %, the trend of 30 min"),
    ("c-rps", "Traffic", "attempts and tokens a second"),
    ("c-fly", "In flight", "of the limit"),
    ("c-quota", "Quota left", None),
    ("c-cost", "Cost", "an hour at the pace of 5 min; for 1,000 tokens"),
    ("c-quality", "Quality", "the tick is the highest floor of a surface"),
    ("c-share", "Share / aim", "actual, of 5 min; the tick is the share aimed at"),
    ("c-up", "Up 1 d, 30 min, 5 min", None),
    ("c-probe", "Probe", "the last one"),
)


def path(id_: str) -> str:
    """Return the path of a deployment's page."""
    provider, _, name = id_.partition("/")
    written = (quote(part, safe="", errors="replace") for part in (provider, name))
    return f"/deployments/{'/'.join(written)}"


def head() -> Html:
    """Return the head of the table."""
    cells = [el("th", name, scope="col", class_=class_, title=told) for class_, name, told in COLUMNS]
    return el("thead", el("tr", *cells))


def group(tier: dict[str, Any], fold: int | None = None) -> Html:
    """Return the line above a tier's rows; with the number of its ``fold`` they are shown when somebody wants it."""
    slo, rows = tier["slo"], tier["deployments"]
    well = sum(row["state"] == "up" for row in rows)
    told = (
        f"first content p95 ≤ {latency(slo['ttft_p95_s'])}, errors ≤ {percent(slo['error_rate_max'], 0)}, "
        f"{well} of {len(rows)} up"
    )
    inner: list[Inner] = [el("b", tier["name"]), " ", span("dim", told)]
    if fold is not None:
        late = max(finite([row["ttft_s"]["5m"]["p95"] for row in rows]), default=None)
        told = f"; {rate(sum(row['rps'] for row in rows))}/s, the slowest p95 {latency(late)} "
        inner += [span("dim", told), el("input", type="checkbox", id=f"fold-{fold}", class_="chip")]
        inner.append(el("label", f"show its {len(rows)} rows", for_=f"fold-{fold}"))
    return el("tr", el("th", *inner, scope="rowgroup", colspan=len(COLUMNS)), class_="tier")


def calm(tier: dict[str, Any], now: float) -> bool:
    """Tell whether there is nothing to be told of any of a tier's rows."""
    return all(state.style(row["state"]) == "good" and state.why(tier, row, now) is None for row in tier["deployments"])


def sorted_rows(
    tier: dict[str, Any], places: Mapping[str, int] | None = None, *, worst_first: bool = False
) -> list[dict[str, Any]]:
    """Return a tier's rows, those that are meant to get most first; in order of their names among equals.

    They stay in their ``places`` while none of them is clearly in the wrong one: shares move with every answer, and
    rows that change places can be neither read nor clicked. ``worst_first`` are those that are down, however little
    they are meant to get: where there are many rows nobody would come to them.
    """
    rows = sorted(tier["deployments"], key=lambda row: (_rank(row, worst_first), -row["share"]["target"], row["id"]))
    before = places or {}
    if any(row["id"] not in before for row in rows):
        return rows
    kept = sorted(rows, key=lambda row: before[row["id"]])
    wrong = any(
        _rank(lower, worst_first) < _rank(upper, worst_first)
        or (
            _rank(lower, worst_first) == _rank(upper, worst_first)
            and lower["share"]["target"] > CLEARLY * upper["share"]["target"] + CLEAR
        )
        for upper, lower in pairwise(kept)
    )
    return rows if wrong else kept


def _rank(row: dict[str, Any], worst_first: bool) -> int:
    return 0 if worst_first and state.style(row["state"]) == "bad" else 1


def row(tier: dict[str, Any], told: dict[str, Any], now: float, floor: float | None) -> Html:
    """Return one deployment's row, with its line of words."""
    style = state.style(told["state"])
    if state.ordered(told) and style == "good":
        style = "order"
    out = [el("tr", *_cells(tier, told, now, floor), class_=f"is-{style}")]
    words = state.why(tier, told, now)
    if words is not None:
        out.append(el("tr", el("td", words, colspan=len(COLUMNS)), class_=f"why is-{style}"))
    return join(out)


def _cell(class_: str, *inner: Inner) -> Html:
    return el("td", *inner, class_=class_)


def _sub(*inner: Inner) -> Html:
    return el("small", *inner)


def _styled(style: str | None, *inner: Inner) -> Html:
    """Return words of a style, as they are where they have none."""
    return join(inner) if style is None else span(style, *inner)


def _cells(tier: dict[str, Any], told: dict[str, Any], now: float, floor: float | None) -> list[Html]:
    slo, history = tier["slo"], told["history"]
    p95s, ratios = tuple(history["ttft_p95_s"][-SPARK:]), tuple(history["error_ratio"][-SPARK:])
    return [
        _cell("c-state", state.sign(told["state"]), _sub("for ", ago(epoch(told["state_since"]), now))),
        el("th", *_name(told, now), class_="c-name", scope="row"),
        _cell("c-breaker", state.breaker(told, now)),
        _cell("c-ttft", *_ttft(told, slo["ttft_p95_s"])),
        _cell("c-trend", marks.spark(p95s, slo["ttft_p95_s"], _range("p95 of 30 minutes", p95s))),
        _cell("c-err", *_errors(told, slo["error_rate_max"], ratios)),
        _cell("c-rps", _styled(None if told["rps"] else "dim", rate(told["rps"])), _tokens(told)),
        _cell("c-fly", *_flying(told)),
        _cell("c-quota", *_quota(told)),
        _cell("c-cost", *_cost(told)),
        _cell("c-quality", *_quality(told, floor)),
        _cell("c-share", *_share(told)),
        _cell("c-up", *_uptime(told)),
        _cell("c-probe", *_probe(told, now)),
    ]


def _name(told: dict[str, Any], now: float) -> list[Inner]:
    model = told["model"] if told["upstream_model"] == told["model"] else told["upstream_model"]
    # what the name says already is not said again
    where = [model if model not in told["id"].partition("/")[2] else None, told["region"], told["shape"]]
    return [
        el("a", told["id"], href=path(told["id"])),
        _sub(" · ".join(part for part in where if part)),
        state.admin(told, now),
    ]


def _ttft(told: dict[str, Any], target: float) -> list[Inner]:
    q = told["ttft_s"]["5m"]
    late = q["p95"] is not None and q["p95"] > target
    shown = [NONE if q[name] is None else f"{q[name] * 1000:.0f}" for name in ("p50", "p95", "p99")]
    numbers = [span("warn" if late and i == 1 else None, value) for i, value in enumerate(shown)]
    return [span("three", *numbers), marks.bullet(q["p50"], q["p95"], q["p99"], target)]


def _range(what: str, values: Iterable[Any]) -> str:
    known = finite(values)
    return f"{what}: none" if not known else f"{what}: {latency(min(known))} to {latency(max(known))}"


def _errors(told: dict[str, Any], limit: float, ratios: tuple[Any, ...]) -> list[Inner]:
    errors = told["errors"]
    over = errors["ratio"] is not None and errors["ratio"] > limit
    highest = max(finite(ratios), default=0.0)
    return [
        span(
            "figures",
            _styled("bad" if over else None, percent(errors["ratio"])),
            _sub("of ", count(errors["n"])) if errors["n"] else None,
        ),
        marks.spark(ratios, ERROR_LINE, f"errors of 30 minutes: at most {percent(highest)}"),
    ]


def _tokens(told: dict[str, Any]) -> Html | None:
    return None if told["throughput_tps"] is None else _sub(f"{told['throughput_tps']:.0f} tok/s")


def _flying(told: dict[str, Any]) -> list[Inner]:
    limit = "" if told["limit"] is None else f" / {told['limit']:.0f}"
    load = told["server_load"]
    theirs = None if load is None else _sub(f"{load['running']} run, {load['waiting']} wait")
    bound = span("of", limit) if limit else None
    return [_styled(None if told["inflight"] else "dim", told["inflight"]), bound, theirs]


def _quota(told: dict[str, Any]) -> list[Inner]:
    limited = told["errors"]["by_kind"].get("rate_limited", 0)
    if not told["quota"] and told["quota_left"] >= 1 and not limited:
        return [span("dim", NONE)]
    left = told["quota_left"]
    style = "bad" if left <= 0 else "warn" if left < 0.1 else None
    return [_styled(style, percent(left, 0)), _sub(f"{limited} of 429" if limited else "no 429")]


def _cost(told: dict[str, Any]) -> list[Inner]:
    cost = told["cost"]
    if cost["usd_per_h"] is None:
        return [span("dim", NONE), _sub("no price")]
    effective = cost["usd_per_1k_effective"]
    return [
        _styled(None if cost["usd_per_h"] else "dim", usd(cost["usd_per_h"])),
        span("of", "/h"),
        None if effective is None else _sub(usd(effective), "/1k"),
    ]


def quality(told: dict[str, Any]) -> tuple[float | None, float | None, str]:
    """Return what a deployment's quality is held to be, its lower bound, and where that is from."""
    scored = next((s for s in told["scores"] if s["family"] == "all" and s["value"] is not None), None)
    if scored is not None:
        return scored["value"], scored["low"], f"{scored['count']} scores"
    return told["quality"].get("default"), None, "configured"


def _quality(told: dict[str, Any], floor: float | None) -> list[Inner]:
    value, low, of = quality(told)
    if value is None:
        return [span("dim", NONE), _sub("unknown")]
    held = value if low is None else low
    under = floor is not None and held < floor
    dropped = [s["family"] for s in told["scores"] if s["phase"] != "in_use"]
    words = f"quality {value:.2f}, {of}" + ("" if floor is None else f"; floor {floor:g}")
    return [
        _styled("bad" if dropped else "warn" if under else None, f"{value:.2f}"),
        None if low is None else span("of", f" ≥ {low:.2f}"),
        marks.gauge(held, floor, words),
    ]


def _share(told: dict[str, Any]) -> list[Inner]:
    share = told["share"]
    return [
        percent(share["actual"], 0),
        span("of", f" / {percent(share['target'], 0)}"),
        marks.gauge(share["actual"], share["target"], None, class_="share"),
    ]


def _uptime(told: dict[str, Any]) -> list[Inner]:
    up, cells = told["uptime"], told["uptime_cells"]
    words = f"up {percent(up['1d'], 2)} of a day, {percent(up['30m'], 2)} of 30 min, {percent(up['5m'], 2)} of 5 min"
    numbers = [percent(up[window], 1) for window in WINDOWS]
    drawn = None if cells is None else marks.uptime(tuple(tuple(cells[window]) for window in WINDOWS), words)
    return [drawn, span("three", *(span(None, number.replace("\u202f%", "")) for number in numbers))]


def _probe(told: dict[str, Any], now: float) -> list[Inner]:
    if not told["probes"]:
        return [span("dim", "none yet")]
    last = min(told["probes"], key=lambda p: p["age_s"])
    bad = next((p for p in told["probes"] if p["verdict"] == "down"), None)
    shown = bad or last
    style = "bad" if shown["verdict"] == "down" else "warn" if shown["verdict"] == "busy" else None
    word = f"{shown['verdict']} {seconds(shown['took_ms'] / 1000)}"
    return [
        _styled(style, word, span("of", " ms" if shown["took_ms"] < 999.5 else " s")),
        _sub(ago(now - shown["age_s"], now, told=False), " ago", title_stale(told)),
    ]


def title_stale(told: dict[str, Any]) -> Html | None:
    """Return a word where nothing was heard of a deployment for too long."""
    return span("warn", " stale") if told["health"]["stale"] else None
