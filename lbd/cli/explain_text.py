"""A decision record, or a plan, in words: who was chosen and why, who else could, who could not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lbd.display.paint import Cell, Column, Paint, Row, fit
from lbd.display.provider_table import NONE, local, ms, percent
from lbd.model.words import MANNERS, REASONS, exclusion

BAR = 32  # columns of the time line


# --- a plan ----------------------------------------------------------------------------------------------


def plan(document: dict[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Say where a request would go now."""
    stages = document["stages"]
    if stages:
        first = max(stages[0]["candidates"], key=lambda c: c["share"])
        others = len(stages[0]["candidates"]) - 1
        share = f", by a share of {percent(first['share'], 0)} % of the draw" if others else ""
        head = [Cell(first["deployment"], "good"), Cell(f" would be chosen most likely{share}.")]
        if not others:
            head = [Cell(first["deployment"], "good"), Cell(" would be chosen.")]
        if stages[0]["manner"] != "normal":
            head.append(Cell(f" {_capital(MANNERS[stages[0]['manner']])}.", "warn"))
    else:
        head = [Cell("Nobody could serve it", "bad"), Cell(": every deployment is excluded.")]
    out = [brush.line(head), _wanted(document["asked"], document["ask"]), *_judged(document.get("judged"))]
    return out + _ranking(document, brush, room)


# --- a record --------------------------------------------------------------------------------------------


def record(document: dict[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Say where a request went, and why."""
    attempts = document["attempts"]
    out = [_outcome(document, brush)]
    out.append(brush.line(_circumstances(document)))
    if attempts:
        out.append(_wanted(document["asked"], attempts[0]["ask"]))
        out += _judged(document.get("judged"))
        out += _time_line([a for a in attempts if a["deployment"] is not None], document["total_s"], brush)
    else:
        now = f"lbd explain --model {document['asked']}"
        out.append(f"Nothing was sent, so no decision is recorded. How it stands now: {now}")
    for i, attempt in enumerate(attempts):
        again = i > 0 and attempt["ranking"] is not None and attempt["ranking"] == attempts[i - 1]["ranking"]
        out += ["", *_attempt(i + 1, attempt, brush, room, unchanged=again)]
    return out


def _outcome(document: dict[str, Any], brush: Paint) -> str:
    sent = [a for a in document["attempts"] if a["refused"] is None]
    if document["served_by"] is not None:
        tries = f" at attempt {len(sent)}" if len(sent) > 1 else ""
        cells = [Cell(document["served_by"], "good"), Cell(f" served {document['id']}{tries}")]
    else:
        cells = [Cell(f"Nobody served {document['id']}", "bad")]
    if document["outcome"] != "ok":
        cells.append(Cell(f": {document['outcome']}", "bad"))
    cells.append(Cell(f", status {document['status']}."))
    if document["ttft_s"] is not None:
        cells.append(Cell(f" First content after {ms(document['ttft_s'])} ms, all"))
    else:
        cells.append(Cell(" All"))
    cells.append(Cell(f" in {ms(document['total_s'])} ms, of which lbd took {document['overhead_us']:.0f} us."))
    if document.get("splices"):
        cells.append(Cell(f" Its stream broke: {', '.join(document['splices'])}.", "warn"))
    if document["slo_missed"]:
        cells.append(Cell(" The target was missed.", "warn"))
    return brush.line(cells)


def _circumstances(document: dict[str, Any]) -> list[Cell]:
    told = [local(document["time"]), f"client {document['client']}"]
    if document["surface"] is not None:
        told.append(f"surface {document['surface']}")
    if document["waited_s"] > 0:
        told.append(f"waited {ms(document['waited_s'])} ms in the queue")
    if document["moved"]:
        told.append(f"moved {document['moved']} time{'s' if document['moved'] > 1 else ''}")
    usage = document["usage"]
    if usage is not None:
        about = "about " if usage["estimated"] else ""
        told.append(f"{about}{usage['prompt']} tokens in, {usage['completion']} out")
        told.append(f"{document['cost_usd']:.6f} USD")
    return [Cell("; ".join(told), "dim")]


def _wanted(asked: str, ask: dict[str, Any]) -> str:
    """Say what was asked for, and by which bounds."""
    means = "" if ask["target"] in (asked, f"model:{asked}") else f", which means {ask['target'].replace(':', ' ', 1)}"
    told = [f"{ask['urgency']} {'stream' if ask['stream'] else 'request'}", f"about {ask['input_tokens']} tokens in"]
    if ask["output_tokens"] is not None:
        told.append(f"{ask['output_tokens']} out")
    if ask["needs"]:
        told.append(f"needs {', '.join(sorted(ask['needs']))}")
    if ask["slo_s"] is not None:
        told.append(f"target {ask['slo_s']:g} s")
    told.append(f"first content within {ask['first_content_s']:g} s")
    if ask["max_usd"] is not None:
        told.append(f"at most {ask['max_usd']:.6f} USD")
    if ask.get("quality_share"):
        told.append(f"the cheapest of {ask['quality_share']:g} of the best quality")
    if ask["quality_floor"]:
        told.append(f"quality from {ask['quality_floor']:g}")
    if not ask["fallback"]:
        told.append("no fallback")
    if ask.get("variant"):
        told.append(f"treated by experiment {ask['variant']}")
    return f"Asked for {asked}{means}: {', '.join(told)}."


def _judged(judged: dict[str, Any] | None) -> list[str]:
    """Say what the prompt was held to be, what spoke for it, and the rule that was taken."""
    out = []
    if judged is not None and judged["difficulty"] is not None:
        fired = ", ".join(f"{name} {part:+.3f}" for name, part in judged["fired"])
        out.append(
            f"The prompt is held to be {judged['family']}, difficulty {judged['difficulty']:.2f} (a strong model gains"
            f" {judged['gain']:+.3f}; distance from what was seen {judged['distance']:.2f}): {fired}."
        )
    if judged is not None and judged["rule"] is not None:
        out.append(f"Rule {judged['rule']} was taken: {', '.join(judged['by'])}.")
    return out


def _time_line(attempts: Sequence[dict[str, Any]], total_s: float, brush: Paint) -> list[str]:
    """Draw the attempts over the request's time."""
    if not attempts:
        return []
    total = max(total_s, 1e-6)
    rows: list[Row] = []
    for i, a in enumerate(attempts):
        began, ended = (min(BAR, round(a[k] / total * BAR)) for k in ("started_s", "ended_s"))
        bad = a["failure"] is not None or a["refused"] is not None
        bar = ["·"] * BAR
        bar[min(began, BAR - 1) : max(ended, began + 1)] = ("x" if bad else "=") * max(1, ended - began)
        if a["ttft_s"] is not None:
            bar[min(BAR - 1, round((a["started_s"] + a["ttft_s"]) / total * BAR))] = "|"
        style = "bad" if bad else "good"
        rows.append(
            {
                "i": Cell(str(i + 1)),
                "deployment": Cell(a["deployment"]),
                "bar": Cell("".join(bar[:BAR]), style),
                "from": Cell(f"{a['started_s'] * 1000:.0f}"),
                "to": Cell(f"{a['ended_s'] * 1000:.0f}"),
                "what": Cell(_ended(a), style),
            }
        )
    columns = (
        Column("i", "#", right=True),
        Column("deployment", "ATTEMPT"),
        Column("bar", f"0 .. {ms(total)} ms"),
        Column("from", "FROM ms", right=True),
        Column("to", "TO ms", right=True),
        Column("what", "CAME TO"),
    )
    return ["", *brush.table(columns, rows)]


def _ended(attempt: dict[str, Any]) -> str:
    if attempt["refused"] is not None:
        return f"not sent: {attempt['refused']}"
    own = "" if attempt.get("prompt") is None else f" [with its own prompt {attempt['prompt']}]"
    if attempt["failure"] is None:
        first = "" if attempt["ttft_s"] is None else f", first content (|) {ms(attempt['ttft_s'])} ms after it was sent"
        return f"served{first}{own}"
    status = "" if attempt["upstream_status"] is None else f" ({attempt['upstream_status']})"
    text = f": {attempt['message']}" if attempt["message"] else ""
    theirs = "" if attempt["upstream_request_id"] is None else f" [their id {attempt['upstream_request_id']}]"
    return f"{attempt['failure']}{status}{text}{theirs}{own}"


def _attempt(number: int, attempt: dict[str, Any], brush: Paint, room: int | None, *, unchanged: bool) -> list[str]:
    """Explain the decision behind one attempt."""
    query, live = attempt["query"], attempt["live"]
    cells = [Cell(f"Decision {number}", "bold")]
    if attempt["deployment"] is None:
        cells.append(Cell(": nobody was left to send it to.", "bad"))
    else:
        why = REASONS.get(attempt["reason"], attempt["reason"])
        cells.append(Cell(f": {attempt['deployment']} from {attempt['stage']}: {why}."))
        if attempt.get("hedge"):
            cells.append(Cell(" Asked beside the one before, which was late.", "warn"))
    if attempt["manner"] not in ("normal", ""):
        cells.append(Cell(f" {_capital(MANNERS.get(attempt['manner'], attempt['manner']))}.", "warn"))
    out = [brush.line(cells)]
    narrowed = _narrowed(query)
    if narrowed:
        out.append(f"  Narrowed: {'; '.join(narrowed)}.")
    if live:
        told = [f"{name} {now['inflight']} of {now['capacity']:g}{_penalty(now)}" for name, now in live.items()]
        out.append(f"  Under way at the time: {', '.join(told)}.")
    out.append(_replays(attempt, brush))
    if unchanged:
        out.append("  The candidates were those of the decision before.")
    elif attempt["ranking"] is not None:
        out += _ranking(attempt["ranking"], brush, room)
    return out


def _narrowed(query: dict[str, Any]) -> list[str]:
    """Say what was left to choose from."""
    out = []
    if query["out"]:
        out.append(f"tried or refused before: {', '.join(query['out'])}")
    if query["model"] is not None:
        out.append(f"first another deployment of {query['model']}")
    if query["larger_than"] is not None:
        out.append(f"a context of more than {query['larger_than']} tokens")
    return out


def _penalty(live: dict[str, Any]) -> str:
    return f" (penalty {live['penalty']:.2f} for a failure just before)" if live["penalty"] >= 0.005 else ""


def _replays(attempt: dict[str, Any], brush: Paint) -> str:
    match attempt["replays"]:
        case True:
            return brush("  Executed again from its record, it comes to the same choice.", "dim")
        case False:
            return brush("  Executed again from its record, it does NOT come to the same choice.", "bad")
        case _:
            text = f"  The table of its time (generation {attempt['generation']}) is not kept any more."
            return brush(f"{text} Candidates cannot be shown.", "warn")


# --- candidates ------------------------------------------------------------------------------------------


def _ranking(ranking: dict[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Show every stage with its candidates, and who was excluded."""
    out: list[str] = []
    names = list(ranking["weights"])
    rows: list[Row] = []
    for number, stage in enumerate(ranking["stages"]):
        rows += [_candidate(number, stage, c, names) for c in stage["candidates"]]
    if rows:
        columns = _columns([(n, ranking["weights"][n]) for n in names])
        out += ["", *brush.table(columns, rows, room, indent="  ")]
        kept, _ = fit(columns, rows, None if room is None else room - 2)
        if len(kept) < len(columns):
            out.append(brush(f"  {len(columns) - len(kept)} columns more in a wider terminal", "dim"))
    if ranking["panic"]:
        out.append(brush("  So many stand out from their peers that this was not held against them.", "warn"))
    return out + _excluded(ranking["excluded"], brush)


def _excluded(excluded: Sequence[dict[str, Any]], brush: Paint) -> list[str]:
    rows: list[Row] = []
    for e in excluded:
        told = ": ".join(t for t in (exclusion(e["reason"]), e["detail"]) if t)
        soft = " (used when nothing better is left)" if e["soft"] else ""
        rows.append({"id": Cell(f"✕ {e['deployment']}", "bad"), "code": Cell(e["reason"]), "why": Cell(told + soft)})
    columns = (Column("id", "  EXCLUDED"), Column("code", "REASON"), Column("why", ""))
    return ["", *brush.table(columns, rows, indent="  ")] if rows else []


def _columns(weights: Sequence[tuple[str, float]]) -> list[Column]:
    return [
        Column("mark", " "),
        Column("stage", "STAGE", rank=1),
        Column("deployment", "CANDIDATE"),
        Column("share", "SHARE %", right=True),
        Column("score", "SCORE", right=True),
        Column("ttft", "TTFT p95 ms", right=True),
        Column("cut", "CUT ms", right=True, rank=3),
        Column("total", "WHOLE ms", right=True, rank=4),
        Column("from", "FROM", rank=2),
        Column("usd", "USD", right=True, rank=3),
        *(Column(name, f"{name} x{weight:g}", right=True, rank=5 + i) for i, (name, weight) in enumerate(weights)),
    ]


def _candidate(number: int, stage: dict[str, Any], c: dict[str, Any], names: Sequence[str]) -> Row:
    usd = c["predicted_usd"]
    manner = "" if stage["manner"] in ("normal", stage["stage"]) else f" ({stage['manner']})"
    style = "" if c["state"] in ("up", "unknown") else "warn"
    state = "" if not style else f" {c['state']}"
    return {
        "mark": Cell("▶" if c["chosen"] else " ", "good"),
        "stage": Cell(f"{number + 1} {stage['stage']}{manner}"),
        "deployment": Cell(f"{c['deployment']}{state}", "good" if c["chosen"] else style),
        "share": Cell(percent(c["share"], 0)),
        "score": Cell(f"{c['score']:.3f}"),
        "ttft": Cell(ms(c["predicted_ttft_p95_s"])),
        "cut": Cell(ms(c["cutoff_s"])),
        "total": Cell(ms(c["predicted_total_s"])),
        "from": Cell(c["estimate"], "" if c["estimate"] == "samples" else "dim"),
        "usd": Cell(NONE if usd is None else f"{usd:.6f}"),
        **{name: Cell(f"{c['terms'][name]:.2f}") for name in names},
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
