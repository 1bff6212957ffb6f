"""``lbd ctl``: orders to a running daemon. ``reload`` fails loudly, so that it can be a service's ExecReload."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lbd.cli import admin_client
from lbd.cli.admin_address import AdminError
from lbd.cli.admin_client import Client
from lbd.cli.quantities import whole
from lbd.display import alerts, paint, provider_table
from lbd.display.paint import Cell, Column, Row

MOST_WEIGHT = 1000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TIMED = frozenset({"drain", "maint", "weight"})  # orders that may end by themselves
_FOR = "over by itself after so long, as 30m, 2h, 7d, also over a restart; not given: it waits for a person"
RELOAD_S = 60.0  # a reload may wait for one that is under way
# action -> (what it does, what to know of it afterwards)
ORDERS: dict[str, tuple[str, str]] = {
    "drain": ("send no new requests; running ones finish", "Running requests finish. Back with: lbd ctl ready {id}"),
    "ready": ("take requests again", ""),
    "maint": ("neither requests nor probes", "It is not probed either. Back with: lbd ctl ready {id}"),
    "weight": ("override the weight", "Back to the configured one with: lbd ctl weight {id} none"),
    "reset-breaker": ("close the breaker; lift lock-out, suspicion and ejection", ""),
    "probe-now": ("probe at once", "What came of it: lbd events --subject {id}"),
}
_DECISIONS = (
    Column("time", "TIME"),
    Column("id", "REQUEST"),
    Column("asked", "ASKED"),
    Column("class", "CLASS", rank=5),
    Column("outcome", "OUTCOME"),
    Column("by", "SERVED BY"),
    Column("tries", "TRIES", right=True, rank=2),
    Column("ttft", "TTFT ms", right=True, rank=1),
    Column("total", "ALL ms", right=True, rank=1),
    Column("usd", "USD", right=True, rank=3),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = admin_client.exit_statuses("0 done")
    admin_client.arguments(parser)
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    for name, (text, _) in ORDERS.items():
        order = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        order.add_argument("deployment", type=_deployment, metavar="PROVIDER/NAME")
        if name == "weight":
            order.add_argument(
                "value", type=_weight, metavar="VALUE", help=f"0..{MOST_WEIGHT}; none takes the override back"
            )
        if name in TIMED:
            order.add_argument("--for", dest="for_s", type=_lasting, metavar="TIME", help=_FOR)
        order.add_argument("--reason", default="", metavar="TEXT", help="stands in the event, beside who ordered it")
        _shared(order)
    text = "stop an experiment, or begin it again"
    experiment = actions.add_parser("experiment", help=text, description=f"{text[0].upper()}{text[1:]}.")
    experiment.add_argument("what", choices=("stop", "start"), help="stop: everybody has what the control arm has")
    experiment.add_argument("name", metavar="NAME")
    experiment.add_argument("--reason", default="", metavar="TEXT", help="stands in the event, beside who ordered it")
    _shared(experiment)
    text = "show alerts that are pending, fire or are over, silences, and whether everybody can be told"
    _shared(actions.add_parser("alerts", help=text, description=f"{text[0].upper()}{text[1:]}."))
    text = "tell nobody of an alert for a time; it still stands in lbd status"
    silence = actions.add_parser("silence", help=text, description=f"{text[0].upper()}{text[1:]}.")
    silence.add_argument("alert", metavar="ALERT", help="as lbd ctl alerts shows it: error_rate:openai-eu/gpt-4.1")
    silence.add_argument(
        "--for", dest="for_s", type=_seconds, default=3600.0, metavar="TIME", help="as 30m, 2h, 7d (1h); 0 ends it"
    )
    silence.add_argument("--reason", default="", metavar="TEXT", help="stands in the event, beside who ordered it")
    _shared(silence)
    text = "read the configuration again; a bad one is refused, and the one before stays in force"
    reload = actions.add_parser("reload", help=text, description=f"{text[0].upper()}{text[1:]}.")
    reload.add_argument("--wait", action="store_true", help="until it is in force or refused (always so)")
    reload.add_argument("--dry-run", action="store_true", help="only tell what would change")
    _shared(reload)
    text = "show the configuration in force, secrets masked"
    _shared(actions.add_parser("config", help=text, description=text))
    text = "show the last requests and where they went"
    decisions = actions.add_parser("decisions", help=text, description=text)
    decisions.add_argument("-n", type=whole(1, 1000), default=20, metavar="N", help="so many (20; at most 1000)")
    _shared(decisions)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the document, as it came")
    admin_client.arguments(parser, default=argparse.SUPPRESS)


def _deployment(text: str) -> str:
    provider, slash, name = text.partition("/")
    if not (provider and slash and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is no deployment: write provider/name, as lbd status shows it")
    return text


def _seconds(text: str) -> float:
    """Read a duration of at most 30 days."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not (number.isascii() and number.isdigit()) or int(number) * _UNITS[unit] > _UNITS["d"] * 30:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 30m, 2h or 7d, at most 30d; 0 for none")
    return float(int(number) * _UNITS[unit])


def _lasting(text: str) -> float:
    """Read the duration of an order."""
    seconds = _seconds(text)
    if not seconds:
        raise argparse.ArgumentTypeError("an order lasts for longer than nothing: write 30m, 2h or 7d, or leave it out")
    return seconds


def _weight(text: str) -> float | None:
    if text == "none":
        return None
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= MOST_WEIGHT:
        raise argparse.ArgumentTypeError(f"{text!r} is no number in 0..{MOST_WEIGHT}; none takes the override back")
    return weight


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Do it."""
    client = admin_client.client(args)
    body: dict[str, object]
    match args.action:
        case "reload":
            return _reload(client, args)
        case "config":
            document = client.get("/v1/config")
            lines = [] if args.json else _config(document)
        case "decisions":
            document = client.get("/v1/decisions", limit=args.n)
            lines = [] if args.json else _decisions(document["decisions"])
        case "alerts":
            document = client.get("/v1/alerts")
            lines = [] if args.json else _alerts(document)
        case "silence":
            body = {"for_s": args.for_s, "reason": args.reason}
            document = client.post(f"/v1/alerts/{quote(args.alert)}/silence", body)
            lines = [_silenced(document)]
        case "experiment":
            document = client.post(f"/v1/experiments/{quote(args.name, safe='')}/{args.what}", {"reason": args.reason})
            lines = [f"{document['name']} ({document['state']}): {document['verdict']}"]
        case order:
            body = {"reason": args.reason}
            if order == "weight":
                body["weight"] = args.value
            for_s = args.for_s if order in TIMED else None
            if for_s is not None:
                body["for_s"] = for_s
                if order == "weight" and args.value is None:
                    raise AdminError("the configured weight has no end: leave --for out", exit_status=2)
            document = client.order(order, args.deployment, **body)
            lines = _ordered(order, document, for_s)
    print(json.dumps(document, indent=2) if args.json else "\n".join(lines))
    return 0


def _ordered(action: str, document: Mapping[str, Any], for_s: float | None) -> list[str]:
    name = document["deployment"]
    weight = "as configured" if document["weight"] is None else f"{document['weight']:g}"
    out = [f"{name}: {document['admin']}, weight {weight}, {document['state']}"]
    after = ORDERS[action][1].format(id=name)
    if action == "weight" and document["weight"] is None:
        after = ""
    if for_s is not None:
        out.append(f"Over by itself in {provider_table.span(for_s)}.")
    return [*out, after] if after else out


def _alerts(document: Mapping[str, Any]) -> list[str]:
    return alerts.table(document, paint.Paint(paint.coloured(sys.stdout)), paint.room(sys.stdout))


def _silenced(document: Mapping[str, Any]) -> str:
    until = [s["until"] for s in document["silences"] if s["id"] == document["id"]]
    return paint.printable(
        f"{document['id']}: nobody is told before {provider_table.local(until[0])}"
        if until
        else f"{document['id']}: not silenced"
    )


# --- reload ----------------------------------------------------------------------------------------------


def _reload(client: Client, args: argparse.Namespace) -> int:
    path = "/v1/config/check" if args.dry_run else "/v1/config/reload"
    try:
        document = client.post(path, timeout_s=RELOAD_S)
    except AdminError as e:
        problems = e.document.get("problems")
        if not problems:
            raise
        if args.json:
            print(json.dumps(e.document, indent=2))
        for problem in problems:
            print(paint.printable(_problem(problem)), file=sys.stderr)
        raise AdminError("the configuration is refused; the one before it stays in force") from None
    fixed = document.get("needs_restart") or []
    if args.json:
        print(json.dumps(document, indent=2))
    elif not fixed:  # what is refused changes nothing, whatever else is new in the file
        did = "would be reloaded" if args.dry_run else f"reloaded, generation {document['generation']}"
        print(f"configuration {did}: {_changes(document)}")
        for warning in document["warnings"]:
            print(paint.printable(f"warning: {warning}"), file=sys.stderr)
    if fixed:
        raise AdminError(f"a reload would be refused: {', '.join(fixed)} cannot change while lbd runs; restart it")
    return 0


def _problem(problem: Mapping[str, Any]) -> str:
    at = f"{problem['file']}:{problem['line']}:{problem['column']}: " if problem["file"] is not None else ""
    return f"{at}{problem['path']}{': ' if problem['path'] else ''}{problem['reason']}"


def _changes(document: Mapping[str, Any]) -> str:
    names = {"added": "added", "removed": "removed", "changed": "changed", "parts": "also changed"}
    told = [f"{word} {', '.join(document[key])}" for key, word in names.items() if document[key]]
    return "; ".join(told) or "nothing changed"


# --- what is in force, what was decided ------------------------------------------------------------------


def _config(document: Mapping[str, Any]) -> list[str]:
    """Return the configuration as a file of its own, with what is known of it as comments."""
    import yaml  # slow, and only needed here

    head = [
        f"# {document['path']}, generation {document['generation']} ({document['hash']}), since {document['loaded_at']}"
    ]
    if document["last_error"] is not None:
        head += [f"# the last reload was refused: {line}" for line in str(document["last_error"]).splitlines()]
    head += [f"# warning: {warning}" for warning in document["warnings"]]
    for o in document["overrides"]:
        weight = "" if o["weight"] is None else f", weight {o['weight']:g}"
        head.append(f"# {o['deployment']}: {o['admin']}{weight} by order of {o['by']}")
    text = yaml.safe_dump(_given(document["config"]), sort_keys=False, allow_unicode=True, width=110)
    return [*map(paint.printable, head), text.rstrip("\n")]


def _given(value: Any) -> Any:
    """Leave out what is not set: null, and empty lists and maps."""
    if isinstance(value, dict):
        return {k: _given(v) for k, v in value.items() if v not in (None, [], {})}
    return [_given(v) for v in value] if isinstance(value, list) else value


def _decisions(decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    if not decisions:
        return ["no request was made yet"]
    rows: list[Row] = [
        {
            "time": Cell(provider_table.local(d["time"])),
            "id": Cell(d["id"]),
            "asked": Cell(d["asked"]),
            "class": Cell(d["class"]),
            "outcome": Cell(d["outcome"], "" if d["outcome"] == "ok" else "bad"),
            "by": Cell(d["served_by"] or provider_table.NONE),
            "tries": Cell(str(len(d["tried"])), "warn" if len(d["tried"]) > 1 else ""),
            "ttft": Cell(provider_table.ms(d["ttft_s"]), "warn" if d["slo_missed"] else ""),
            "total": Cell(provider_table.ms(d["total_s"])),
            "usd": Cell(f"{d['cost_usd']:.6f}"),
        }
        for d in decisions
    ]
    brush = paint.Paint(paint.coloured(sys.stdout))
    return brush.table(_DECISIONS, rows, paint.room(sys.stdout))
