"""``lbd explain``: why a request went where it went, or where one like it would go now."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lbd.cli import admin_client, explain_text
from lbd.cli.admin_address import AdminError
from lbd.cli.admin_client import Client
from lbd.display import paint

LAST = "last"
PREFIX = "x-lbd-"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.usage = (
        "lbd explain REQUEST_ID | last | --model NAME [--stream] [--class CLASS] [--body FILE] [--header K=V]"
    )
    parser.epilog = admin_client.exit_statuses("0 explained, whatever the request came to")
    parser.add_argument(
        "request", nargs="?", metavar="REQUEST_ID", help="an answer's x-request-id, or 'last' for the last request"
    )
    asked = parser.add_argument_group("a request that is not sent")
    asked.add_argument("--model", metavar="NAME", help="the model, rule or 'auto' that a client would ask for")
    asked.add_argument("--stream", action="store_true", help="it would ask for a stream")
    asked.add_argument("--class", dest="urgency", choices=("interactive", "background"), help="its urgency")
    asked.add_argument("--body", metavar="FILE", help="a whole body as a client would send it; - reads it from stdin")
    asked.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="K=V",
        help=f"one of the {PREFIX}* headers, such as max-usd=0.01; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="the document, as it came")
    admin_client.arguments(parser)


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Explain."""
    planned = args.model is not None or args.body is not None
    if planned == (args.request is not None):
        raise AdminError("say either a request's id (or 'last'), or --model NAME (or --body FILE)", exit_status=2)
    client = admin_client.client(args)
    if planned:
        document = client.post("/v1/explain", _body(args), headers=_headers(args))
        words = explain_text.plan
    else:
        document = _recorded(client, args.request)
        words = explain_text.record
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        brush = paint.Paint(paint.coloured(sys.stdout))
        print("\n".join(words(paint.tame(document), brush, paint.room(sys.stdout))))
    return 0


def _recorded(client: Client, request_id: str) -> dict[str, Any]:
    if request_id == LAST:
        last = client.get("/v1/decisions", limit=1)["decisions"]
        if not last:
            raise AdminError("no request was made yet")
        request_id = last[0]["id"]
    return client.get(f"/v1/decisions/{quote(request_id, safe='')}")


def _body(args: argparse.Namespace) -> bytes:
    """Return the body to ask about; options win over what stands in a file."""
    body: Any = {"messages": [{"role": "user", "content": "Hello"}]}
    if args.body is not None:
        try:
            raw = sys.stdin.buffer.read() if args.body == "-" else Path(args.body).read_bytes()
            body = json.loads(raw)
        except OSError as e:
            raise AdminError(f"cannot read {args.body}: {e.strerror}") from None
        except ValueError as e:
            raise AdminError(f"{args.body} is no JSON: {e}") from None
        if not isinstance(body, dict):
            raise AdminError(f"{args.body} must hold an object, as a client sends it")
    if args.model is not None:
        body["model"] = args.model
    if args.stream:
        body["stream"] = True
    return json.dumps(body, ensure_ascii=False).encode()


def _headers(args: argparse.Namespace) -> dict[str, str]:
    headers = {}
    for text in args.header:
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.lower().removeprefix(PREFIX)
        if not equals or not name.replace("-", "").isalnum() or not name.isascii() or not value.isprintable():
            raise AdminError(f"--header {text!r} must be like max-usd=0.01 or {PREFIX}max-usd=0.01")
        headers[PREFIX + name] = value
    if args.urgency is not None:
        headers[f"{PREFIX}class"] = args.urgency
    return headers
