"""What a replay found, as a document and as text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import msgspec

from lbd.config.compiled import Compiled
from lbd.decide.terms import Term
from lbd.display.paint import Cell, Column, Paint, Row
from lbd.observe.archive import Reader
from lbd.replay import estimate
from lbd.replay.again import Again
from lbd.replay.other import Other
from lbd.replay.whatif import WhatIfs
from lbd.table.report import rfc3339

NAMES = {"cost_usd": "cost of 1,000 requests", "slo": "served in time", "quality": "quality"}
_METRICS = (
    Column("name", ""),
    Column("before", "AS IT WAS", right=True),
    Column("after", "WITH THE NEW", right=True),
    Column("change", "CHANGE", right=True),  # its own interval: the same requests are compared
)
_SHARES = (
    Column("id", "DEPLOYMENT"),
    Column("before", "AS IT WAS", right=True),
    Column("after", "WITH THE NEW", right=True),
    Column("note", "", rank=1),
)


def _unread(reader: Reader) -> dict[str, Any]:
    return {"torn_bytes": reader.torn, "foreign_frames": reader.foreign, "why": reader.why}


def _period(since: float | None, until: float | None) -> dict[str, Any]:
    return {
        "since": None if since is None else rfc3339(since),
        "until": None if until is None else rfc3339(until),
    }


def again(came: Again, reader: Reader) -> dict[str, Any]:
    """Return the document of decisions that were executed again."""
    first = msgspec.to_builtins({"first_different": came.first, "first_missing": came.first_missing})
    counts = {n: getattr(came, n) for n in ("requests", "decisions", "same", "different", "missing")}
    whole = {"object": "lbd.replay", **_period(came.since, came.until), **counts}
    return {**whole, "versions": dict(came.versions), **first, **_unread(reader)}


def again_words(document: Mapping[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Return the same for a person; ``room`` in columns, which only a table needs."""
    del room
    executed = document["decisions"] - document["missing"]
    good = not document["different"]
    mark = Cell("+ ", "good") if good else Cell("- ", "bad")
    out = [
        brush.line(
            [
                mark,
                Cell(f"{document['same']} of {executed} decisions came out the same, bit for bit"),
                Cell(f" ({document['requests']} requests, {document['since']} to {document['until']})", "dim"),
            ]
        )
    ]
    if document["missing"]:
        one = document["first_missing"]
        out.append(f"{document['missing']} were not executed; the first is of {one['request']}: {one['why']}")
    if not good:
        one = document["first_different"]
        out.append(f"the first that did not: decision {one['number']} of {one['request']} (table {one['generation']})")
        out.append(f"  recorded: {_choice(one['recorded'])}")
        out.append(f"  now:      {'nobody' if one['found'] is None else _choice(one['found'])}")
        out.append(f"  why:      {one['why']}")
    return out + _unread_words(document)


def _choice(told: Mapping[str, str | None]) -> str:
    if told["deployment"] is None:
        return "nobody"
    return f"{told['deployment']} from {told['stage']} ({told['manner']}, {told['reason']})"


def _unread_words(document: Mapping[str, Any]) -> list[str]:
    out = []
    if document["torn_bytes"]:
        out.append(f"{document['torn_bytes']} bytes at the end of segments are no whole frame: what a crash cut off")
    if document["foreign_frames"]:
        out.append(f"{document['foreign_frames']} frames cannot be read by this version: {document['why']}")
    return out


def what_if(reader: Reader, compiled: Compiled, terms: Mapping[str, Term]) -> dict[str, Any]:
    """Return the document of what another configuration would have done."""
    journal = iter(reader)
    first = next(journal, None)
    if first is None:
        return {"object": "lbd.what_if", "requests": 0, **_unread(reader)}
    at = min((table.at for table in first.tables.values()), default=0.0)
    told = WhatIfs(Other(compiled, at, first.record.time), terms)
    for kept in chain((first,), journal):
        told.take(kept)
    came = told.told()
    document: dict[str, Any] = msgspec.to_builtins(came)
    document |= _period(came.since, came.until)
    document["requests"] = came.requests + sum(came.left_out.values())
    document["judged"] = came.requests
    document["enough"] = came.overlap.enough
    return {"object": "lbd.what_if", "config": compiled.hash, **document, **_unread(reader)}


def what_if_words(document: Mapping[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Return the same for a person."""
    n, overlap = document["judged"], document["overlap"]
    out = [
        brush.line(
            [
                Cell(f"{n} of {document['requests']} requests judged", "bold"),
                Cell(f", {document['since']} to {document['until']}"),
                Cell(f"; {document['moved']:.1%} of first choices would have been another row"),
            ]
        ),
        "",
    ]
    out += brush.table(_SHARES, _share_rows(document), room)
    if document["compared"]:
        out += ["", *brush.table(_METRICS, [_metric_row(document, name) for name in NAMES], room)]
    out.append("")
    out.append(
        f"95 % intervals; {overlap['effective']:.0f} effective samples of {n}, largest weight"
        f" {overlap['largest_weight']:.2g}; {overlap['covered']:.1%} of its choices were possible before"
    )
    out += [brush.line([Cell("- ", "warn"), Cell(text)]) for text in _warnings(document)]
    return out + _unread_words(document)


def _share_rows(document: Mapping[str, Any]) -> list[Row]:
    before, after = document["share_before"], document["share_after"]
    rows: list[Row] = []
    for id_ in sorted({*before, *after, *document["new_rows"]}):
        note = "new: no measurements" if id_ in document["new_rows"] else ""
        cells = {"id": Cell(id_), "before": Cell(f"{before.get(id_, 0.0):.1%}"), "note": Cell(note, "warn")}
        rows.append({**cells, "after": Cell(f"{after.get(id_, 0.0):.1%}")})
    return rows


def _metric_row(document: Mapping[str, Any], name: str) -> Row:
    told = document["compared"][name]
    scale, form = (1000.0, "${:.4g}") if name == "cost_usd" else (1.0, "{:.3f}")
    cells = {key: Cell(_interval(told[key], scale, form)) for key in ("before", "after", "change")}
    if not document["enough"]:  # an interval would claim that something is known
        cells |= {"after": Cell(f"{form.format(scale * told['after']['value'])}?", "warn"), "change": Cell("?", "warn")}
    return {"name": Cell(NAMES[name]), **cells}


def _interval(told: Mapping[str, float], scale: float, form: str) -> str:
    value = scale * told["value"]
    half = round(scale * max(told["high"] - told["value"], told["value"] - told["low"]), 9)
    sign = "-" if value < 0 else ""
    return f"{sign}{form.format(abs(value))} ±{form.format(half).removeprefix('$')}"


def _warnings(document: Mapping[str, Any]) -> list[str]:
    overlap, out = document["overlap"], []
    if not document["enough"]:
        out.append(
            "the overlap is too small to say anything: what the new configuration would have done was hardly ever done"
            f" (at least {estimate.FEWEST:.0f} effective samples and {estimate.COVERED:.0%} covered are needed)."
            " What stands above is the table's prediction; lbd simulate or an experiment can tell more."
        )
    elif overlap["covered"] < 0.999:
        out.append(f"{1 - overlap['covered']:.1%} of its choices rest on the table's predictions alone")
    fresh = {id_: share for id_, share in document["new_rows"].items() if share}
    if fresh:
        out.append(f"{', '.join(fresh)}: nothing was measured there; its tier's prior stands in")
    if document["unknown_names"]:
        out.append(f"{document['unknown_names']} requests asked for a name that it does not know")
    if document["nobody"]:
        out.append(f"for {document['nobody']} requests it would have had nobody")
    if document["text_rules"]:
        out.append(f"rules that look at a prompt or header were passed over: {', '.join(document['text_rules'])}")
    out += [f"{count} requests were left out: {why.replace('_', ' ')}" for why, count in document["left_out"].items()]
    return out
