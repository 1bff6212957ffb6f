"""``lbd shapes``: which clients are served by which providers, and what each can be asked, from their declarations."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from lbd import plugins
from lbd.shapes import bridge
from lbd.shapes.providers import PROVIDERS, Service
from lbd.shapes.wire import Wire as Way

SERVICES = Service.__args__  # type: ignore[attr-defined]
HOW = {True: "passes", False: "translated"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "exit status: 0 printed; 2 wrong arguments"
    parser.add_argument("--json", action="store_true", help="the same as one document")


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [_row(head), _row("---" for _ in head), *(_row(row) for row in rows)]


def document() -> str:
    """Return the page, as Markdown."""
    loaded = plugins.load()
    shapes, clients = loaded.shapes, sorted(loaded.clients)
    ways: dict[str, dict[str, Way]] = {n: bridge.wires(PROVIDERS.load()[n], "", SERVICES) for n in sorted(shapes)}
    lines = [
        "# What serves whom",
        "",
        "Printed by `lbd shapes` from the shapes' own declarations. *passes*: the provider speaks the client's shape,",
        "and bytes go on as they came but for the model's name. *translated*: through a prompt there, by pieces back.",
        "An empty cell: such a request never goes there; tokens that nobody counts, lbd estimates by itself.",
        "`serves` names the word that a deployment has to declare.",
        "",
        *_table(
            ["provider", *clients],
            ([name, *(_how(of.get(client)) for client in clients)] for name, of in ways.items()),
        ),
        "",
        "## What a conversation may ask for",
        "",
        "By chat completions (`openai.chat`). What is not carried keeps a request from the deployment, and is told as",
        "the reason. `supports` narrows it to what a model does, `ignores` leaves out what it takes not.",
        "",
    ]
    chat = {name: of["openai.chat"].carries for name, of in ways.items() if "openai.chat" in of}
    words = sorted(frozenset[str]().union(*chat.values()))
    lines += _table(
        ["", *chat],
        ([word, *("yes" if word in carried else "" for carried in chat.values())] for word in words),
    )
    return "\n".join(lines) + "\n"


def _how(way: Way | None) -> str:
    if way is None:
        return ""
    return HOW[way.native] if way.serves == "chat" else f"{HOW[way.native]} (`{way.serves}`)"


def table() -> dict[str, Any]:
    """Return the same for programs: by provider shape and client shape, how requests go and what is carried."""
    ways = {n: bridge.wires(PROVIDERS.load()[n], "", SERVICES) for n in sorted(plugins.load().shapes)}
    return {
        provider: {
            client: {"how": HOW[way.native], "serves": way.serves, "carries": sorted(way.carries)}
            for client, way in sorted(of.items())
        }
        for provider, of in ways.items()
    }


def run(args: argparse.Namespace) -> int:
    """Print it."""
    print(json.dumps(table(), indent=2) if args.json else document().rstrip("\n"))
    return 0
