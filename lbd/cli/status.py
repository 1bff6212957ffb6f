"""``lbd status``: the provider table once. The exit status says whether requests are being served."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from lbd.cli import admin_client
from lbd.display import alerts, paint, provider_table

FAIL = 2
_EPILOG = admin_client.exit_statuses("0 pass or warn", f"{FAIL} fail: no deployment can serve")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = f"{_EPILOG}. For the table live: lbd top"
    parser.add_argument("--json", action="store_true", help="the document of GET /v1/providers, as it came")
    admin_client.arguments(parser)


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Show it."""
    document = admin_client.client(args).get("/v1/providers")
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        brush = paint.Paint(paint.coloured(sys.stdout))
        print("\n".join(lines(document, brush, paint.room(sys.stdout))))
    return FAIL if document["status"] == "fail" else 0


def lines(document: dict[str, Any], brush: paint.Paint, room: int | None) -> list[str]:
    """Return what is printed: verdict, table, a reason for everything that is not green, what it rests on."""
    time = document["time"]
    out = provider_table.lines(document, brush, room)
    if told := alerts.lines(document.get("alerts", []), brush, time):
        out += ["", *told]
    config = document["config"]
    if config["last_error"] is not None:
        out += ["", brush(f"◐ the last reload was refused: {config['last_error']}", "warn")]
    age = provider_table.span(provider_table.between(config["loaded_at"], time))
    notes = [
        f"generation {document['generation']}, {provider_table.span(document['data_age_ms'] / 1000)} old",
        f"{document['queue']} waiting",
        f"configuration {config['generation']} ({config['hash'][:8]}) for {age}",
        f"lbd {document['version']}",
    ]
    kept, _ = paint.fit(provider_table.COLUMNS, provider_table.body(document), room)
    if left := len(provider_table.COLUMNS) - len(kept):
        notes.append(f"{left} columns more in a wider terminal")
    return [*out, "", brush("; ".join(notes), "dim")]
