"""One request: what was asked, each decision with candidates, scores and refusals, and the attempts over time."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from lbd.model.words import MANNERS, REASONS, exclusion
from lbd.page import shell, table
from lbd.page.markup import Html, Inner, el, join, number, span
from lbd.page.numbers import NONE, ago, epoch, latency, micros, percent, usd

WIDTH, LINE = 860, 22
HEDGED = "hedged"  # another attempt beside it was sooner: it was given up, and is nobody's fault
_NAME, _WORDS = 190, 250  # pixels left and right of the bars


def link(request_id: str, words: str | None = None) -> Html:
    """Return a link to the page of a request."""
    shown = el("code", request_id) if words is None else words
    return el("a", shown, href=f"/decisions/{quote(request_id, safe='', errors='replace')}", title=request_id)


def listed(decisions: list[dict[str, Any]], now: float) -> list[Html]:
    """Return the page of the last requests."""
    names: tuple[str, ...] = ("ago", "request", "client", "surface", "asked", "served by", "outcome")
    names += ("first content", "whole", "lbd", "cost")
    head = [el("th", name, scope="col", class_="r" if i > 6 else None) for i, name in enumerate(names)]
    rows = [_listed(told, now) for told in decisions]
    return [
        el("h1", "Decisions"),
        el("p", "The last requests, the youngest first; each opens to candidates, scores and attempts.", class_="dim"),
        el(
            "div",
            el("table", el("thead", el("tr", *head)), el("tbody", *rows), class_="list"),
            class_="panel",
            tabindex="0",
            role="region",
            aria_label="Decisions",
        )
        if rows
        else el("p", "No request was decided yet.", class_="dim"),
    ]


def _listed(told: dict[str, Any], now: float) -> Html:
    good = told["outcome"] == "ok"
    served: Inner = span("bad", "nobody")
    if told["served_by"] is not None:
        served = el("a", told["served_by"], href=table.path(told["served_by"]))
    moved = span("warn", f", moved {told['moved']}") if told["moved"] else None
    return el(
        "tr",
        el("td", ago(epoch(told["time"]), now)),
        el("td", link(told["id"])),
        el("td", told["client"]),
        el("td", told["surface"] or NONE),
        el("td", told["asked"]),
        el("td", served, moved),
        el("td", span(None if good else "bad", told["outcome"])),
        el("td", span("warn" if told["slo_missed"] else None, latency(told["ttft_s"])), class_="r"),
        el("td", latency(told["total_s"]), class_="r"),
        el("td", micros(told["overhead_us"]), class_="r"),
        el("td", usd(told["cost_usd"]), class_="r"),
    )


def page(told: dict[str, Any], now: float) -> list[Html | None]:
    """Return the page of one request."""
    attempts = told["attempts"]
    return [
        shell.crumbs(el("a", "Decisions", href="/decisions"), told["id"]),
        el("h1", told["id"]),
        _outcome(told),
        el("p", *_circumstances(told, now), class_="dim"),
        _wanted(told["asked"], attempts[0]["ask"]) if attempts else None,
        _judged(told["judged"]),
        el("section", el("h2", "Attempts"), _moved(gantt(attempts, told["total_s"])), class_="panel")
        if attempts
        else None,
        *[_decision(i + 1, attempt) for i, attempt in enumerate(attempts)],
        None if attempts else el("p", "Nothing was sent, so no decision is recorded."),
    ]


def _outcome(told: dict[str, Any]) -> Html:
    if told["served_by"] is not None:
        head = join([el("b", told["served_by"], class_="good"), " served it"])
    else:
        head = el("b", "Nobody served it", class_="bad")
    first = "" if told["ttft_s"] is None else f" First content after {latency(told['ttft_s'])}, all"
    rest = f"{first or ' All'} in {latency(told['total_s'])}, of which lbd took {micros(told['overhead_us'])}."
    missed = span("warn", " The target was missed.") if told["slo_missed"] else None
    splices = span("warn", f" Its stream broke: {', '.join(told['splices'])}.") if told.get("splices") else None
    return el("p", head, f", outcome {told['outcome']}, status {told['status']}.", rest, missed, splices)


def _circumstances(told: dict[str, Any], now: float) -> list[Inner]:
    parts: list[Inner] = [ago(epoch(told["time"]), now), " ago; client ", told["client"]]
    if told["surface"] is not None:
        parts.append(f"; surface {told['surface']}")
    if told["waited_s"] > 0:
        parts.append(f"; waited {latency(told['waited_s'])} in the queue")
    if told["moved"]:
        parts.append(f"; moved {told['moved']} times" if told["moved"] > 1 else "; moved once")
    usage = told["usage"]
    if usage is not None:
        about = "about " if usage["estimated"] else ""
        parts.append(f"; {about}{usage['prompt']} tokens in, {usage['completion']} out; {usd(told['cost_usd'])}")
    parts += [f"; experiment {a['experiment']}: {'treated' if a['treated'] else 'control'}" for a in told["arms"]]
    return parts


def _wanted(asked: str, ask: dict[str, Any]) -> Html:
    means = "" if ask["target"] in (asked, f"model:{asked}") else f", which means {ask['target'].replace(':', ' ', 1)}"
    told = [f"{ask['urgency']} {'stream' if ask['stream'] else 'request'}", f"about {ask['input_tokens']} tokens in"]
    if ask["needs"]:
        told.append(f"needs {', '.join(sorted(ask['needs']))}")
    if ask["slo_s"] is not None:
        told.append(f"target {ask['slo_s']:g} s")
    told.append(f"first content within {ask['first_content_s']:g} s")
    if ask["max_usd"] is not None:
        told.append(f"at most {usd(ask['max_usd'])}")
    if ask["quality_floor"]:
        told.append(f"quality from {ask['quality_floor']:g}")
    return el("p", f"Asked for {asked}{means}: {', '.join(told)}.")


def _judged(judged: dict[str, Any] | None) -> Html | None:
    if judged is None or (judged["difficulty"] is None and judged["rule"] is None):
        return None
    told = []
    if judged["difficulty"] is not None:
        told.append(f"The prompt was held to be {judged['family']}, difficulty {judged['difficulty']:.2f}.")
    if judged["rule"] is not None:
        told.append(f"Rule {judged['rule']} was taken: {', '.join(judged['by'])}.")
    return el("p", " ".join(told))


# --- attempts --------------------------------------------------------------------------------------------


def _moved(drawn: Html) -> Html:
    """Return a drawing that a phone shows a part of, at a size that can be read; by finger or arrow keys the rest."""
    return el("div", drawn, class_="bounded", tabindex="0", role="region", aria_label="The axis of time")


def gantt(attempts: list[dict[str, Any]], total_s: float) -> Html:
    """Return the attempts on an axis of time, from the request's arrival to its end."""
    drawn = [a for a in attempts if a["deployment"] is not None]
    total = max(total_s, 1e-6)
    room = WIDTH - _NAME - _WORDS
    parts: list[Html] = []
    for share in (0.0, 0.5, 1.0):
        x = number(_NAME + share * room)
        parts.append(el("line", class_="axis", x1=x, x2=x, y1=14, y2=18 + LINE * len(drawn)))
        parts.append(
            el("text", latency(share * total) if share else "0", class_="dim", x=x, y=10, text_anchor="middle")
        )
    for i, attempt in enumerate(drawn):
        y = 20 + i * LINE
        began, ended = (min(1.0, max(0.0, attempt[key] / total)) * room for key in ("started_s", "ended_s"))
        bad = attempt["failure"] is not None or attempt["refused"] is not None
        class_ = "given-up" if attempt["failure"] == HEDGED else "bad" if bad else "good"
        parts.append(el("text", f"{i + 1}  {attempt['deployment']}", x=0, y=y + 11))
        wide = number(max(2.0, ended - began))
        parts.append(el("rect", class_=class_, x=number(_NAME + began), y=y, width=wide, height=LINE - 8))
        if attempt["ttft_s"] is not None:
            x = number(_NAME + min(1.0, (attempt["started_s"] + attempt["ttft_s"]) / total) * room)
            parts.append(el("line", class_="first", x1=x, x2=x, y1=y - 2, y2=y + LINE - 6))
        parts.append(el("text", ended_as(attempt)[:44], x=WIDTH - _WORDS + 10, y=y + 11))
    label = "; ".join(f"{a['deployment']}: {ended_as(a)}" for a in drawn)
    return el(
        "svg",
        join(parts),
        class_="gantt",
        viewBox=f"0 0 {WIDTH} {24 + LINE * len(drawn)}",
        role="img",
        aria_label=f"Attempts. {label}",
    )


def ended_as(attempt: dict[str, Any]) -> str:
    """Return what an attempt came to."""
    if attempt["refused"] is not None:
        return f"not sent: {attempt['refused']}"
    if attempt["failure"] is None:
        first = "" if attempt["ttft_s"] is None else f", first content {latency(attempt['ttft_s'])}"
        return f"served{first}"
    status = "" if attempt["upstream_status"] is None else f" ({attempt['upstream_status']})"
    return f"{attempt['failure']}{status}"


# --- decisions -------------------------------------------------------------------------------------------


def _decision(number_: int, attempt: dict[str, Any]) -> Html:
    head: list[Inner] = [el("h2", f"Decision {number_}")]
    if attempt["deployment"] is None:
        head.append(span("bad", " nobody was left to send it to"))
    else:
        why = REASONS.get(attempt["reason"], attempt["reason"])
        head.append(join([" ", el("b", attempt["deployment"]), f" from {attempt['stage']}: {why}"]))
    if attempt["manner"] not in ("normal", ""):
        head.append(span("warn", f" ({MANNERS.get(attempt['manner'], attempt['manner'])})"))
    if attempt.get("hedge"):
        head.append(span("dim", " (asked beside the one before, which was late)"))
    told = [el("p", f"It came to: {ended_as(attempt)}. ", attempt["message"])]
    live = attempt["live"]
    if live:
        running = ", ".join(f"{name} {now['inflight']} of {now['capacity']:g}" for name, now in live.items())
        told.append(el("p", f"Under way at the time: {running}.", class_="dim"))
    told.append(_replays(attempt))
    if attempt["ranking"] is not None:
        told += ranking(attempt["ranking"], f"decision {number_}")
    return el("section", *head, *told, class_="panel")


def _replays(attempt: dict[str, Any]) -> Html:
    match attempt["replays"]:
        case True:
            return el("p", "Executed again from its record, it comes to the same choice.", class_="dim")
        case False:
            return el("p", "Executed again from its record, it does NOT come to the same choice.", class_="bad")
        case _:
            text = f"The table of its time (generation {attempt['generation']}) is not kept any more."
            return el("p", text, class_="warn")


def ranking(told: dict[str, Any], of: str) -> list[Html]:
    """Return candidates with the terms of their score, and who was excluded and why; ``of`` says of what, in words."""
    weights = told["weights"]
    out = []
    names = ["stage", "candidate", "share", "score", "p95 predicted", "cut", "whole", "from", "$"]
    names += [f"{name} x{weight:g}" for name, weight in weights.items()]
    rows = [
        _candidate(number_, stage, c, list(weights))
        for number_, stage in enumerate(told["stages"])
        for c in stage["candidates"]
    ]
    if rows:
        head = [el("th", name, scope="col", class_="r" if i > 1 else None) for i, name in enumerate(names)]
        out.append(_table(f"Candidates, {of}", el("thead", el("tr", *head)), el("tbody", *rows)))
    else:
        out.append(el("p", "Nobody could serve it: every deployment was excluded.", class_="bad"))
    excluded = [_excluded(e) for e in told["excluded"]]
    if excluded:
        head = [el("th", name, scope="col") for name in ("excluded", "reason", "why")]
        out.append(_table(f"Excluded, {of}", el("thead", el("tr", *head)), el("tbody", *excluded)))
    return out


def _table(name: str, *inner: Html) -> Html:
    caption = el("caption", name, class_="unseen")
    return el("div", el("table", caption, *inner, class_="list"), tabindex="0", role="region", aria_label=name)


def _candidate(number_: int, stage: dict[str, Any], c: dict[str, Any], names: list[str]) -> Html:
    cells = [
        percent(c["share"], 0),
        f"{c['score']:.3f}",
        latency(c["predicted_ttft_p95_s"]),
        latency(c["cutoff_s"]),
        latency(c["predicted_total_s"]),
        c["estimate"],
        usd(c["predicted_usd"]),
        *[f"{c['terms'][name]:.2f}" for name in names],
    ]
    chosen = el("b", "▶ ") if c["chosen"] else None
    return el(
        "tr",
        el("td", f"{number_ + 1} {stage['stage']}"),
        el("td", chosen, el("a", c["deployment"], href=table.path(c["deployment"]))),
        *[el("td", cell, class_="r") for cell in cells],
        class_="chosen" if c["chosen"] else None,
    )


def _excluded(e: dict[str, Any]) -> Html:
    told = ": ".join(t for t in (exclusion(e["reason"]), e["detail"]) if t)
    soft = " (used when nothing better is left)" if e["soft"] else ""
    return el(
        "tr",
        el("td", el("a", e["deployment"], href=table.path(e["deployment"]))),
        el("td", el("code", e["reason"])),
        el("td", f"{told}{soft}", class_="fold"),
    )
