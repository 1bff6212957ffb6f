"""``lbd dump``: what somebody needs who is asked for help, in one archive, without secrets and without prompts.

Of a running daemon: its health, table, events, last decisions, metrics, configuration. Of one that is down: what its
configuration and its store say. Every part goes through :mod:`lbd.cli.scrub`; what could not be had is told in
``errors.json``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lbd.cli import admin_client, scrub, surroundings
from lbd.cli.admin_address import REFUSED, UNREACHABLE, AdminError
from lbd.cli.admin_client import Client
from lbd.cli.main import DEFAULT_CONFIG
from lbd.cli.waiting import Waiting

ROOT = "lbd-dump"
DECISIONS, FAILED, EVENTS = 100, 20, 1000
METRICS_BYTES = 16 * 1024 * 1024
# name of a part -> (path, query); all of them are documents of the admin API that hold no prompt
PARTS: dict[str, tuple[str, dict[str, object]]] = {
    "providers": ("/v1/providers", {}),
    "events": ("/v1/events", {"limit": EVENTS}),
    "decisions": ("/v1/decisions", {"limit": DECISIONS}),
    "config": ("/v1/config", {}),
    "budgets": ("/v1/budgets", {}),
    "queue": ("/v1/queue", {}),
    "evaluation": ("/v1/evaluation", {}),
    "experiments": ("/v1/experiments", {}),
    "savings": ("/v1/savings", {"since": "7d", "by": "model,provider"}),
}
_MESSAGES = frozenset({"message", "text"})  # a provider's words: some repeat what they were sent


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        f"exit status: 0 written; {REFUSED} it could not be; 2 wrong arguments; {UNREACHABLE} no daemon answers, and"
        " there is no configuration to go by. What could not be had is in errors.json"
    )
    parser.add_argument("-o", "--out", metavar="FILE", help=f"the archive ({ROOT}-TIME.tar.gz); - for standard output")
    parser.add_argument("--offline", action="store_true", help="go by configuration and store, ask no daemon")
    parser.add_argument("--json", action="store_true", help="say what was written as one document")
    admin_client.arguments(parser)


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Gather, and write."""
    now = datetime.now(UTC)
    parts = Parts(args.config or Path(DEFAULT_CONFIG))
    with Waiting("gathering"):
        if not args.offline:
            online(parts, args)
        if args.offline or parts.unreachable is not None:
            offline(parts)
        about(parts, now)
    if args.out == "-" and args.json:
        raise AdminError("--json tells what was written: give -o a file's name", exit_status=2)
    if parts.unreachable is not None and "config" not in parts.texts:
        raise parts.unreachable
    raw = archive(parts.finished(), now)
    if args.out == "-":
        sys.stdout.buffer.write(raw)
        return 0
    path = Path(args.out or f"{ROOT}-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    _write(path, raw)
    if args.json:
        print(json.dumps({"file": str(path), "parts": sorted(parts.texts), "errors": parts.errors}, indent=2))
    else:
        lost = len(parts.errors)
        left = f"; {lost} part{'s' * (lost != 1)} could not be had (errors.json)" if lost else ""
        print(f"{path}: {len(parts.texts)} parts, no secrets and no prompts{left}. Look before you send it")
    return 0


def _write(path: Path, raw: bytes) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123  with a mode
            file.write(raw)
    except OSError as e:
        raise AdminError(f"cannot write {path}: {e.strerror}. Name another place with -o FILE") from None


class Parts:
    """What was gathered, by the name that it has in the archive, and what could not be."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.texts: dict[str, tuple[str, str]] = {}  # name -> (suffix, text)
        self.errors: dict[str, str] = {}
        self.unreachable: AdminError | None = None
        try:
            from lbd.config.tree import read  # slow, and needed in any case: secrets are known by it

            self.tree: Any = read(config).value
        except Exception as e:  # noqa: BLE001  a configuration that is broken is why one dumps
            self.tree = None
            self.errors["configuration file"] = str(e) if str(config) in str(e) else f"{config}: {e}"
        self.secrets = scrub.known(self.tree, os.environ)

    def add(self, name: str, get: Callable[[], Any]) -> Any:
        """Add a document, or what kept it away; returns it."""
        try:
            found = get()
        except (AdminError, OSError, ValueError, sqlite3.Error, subprocess.SubprocessError) as e:
            self.errors[name] = str(e)
            return None
        self.texts[name] = ("json", json.dumps(scrub.masked(found), indent=1, default=str))
        return found

    def finished(self) -> dict[str, str]:
        """Return every member with its text, scrubbed once more as a whole."""
        texts = {**self.texts, "errors": ("json", json.dumps(self.errors, indent=1))} if self.errors else self.texts
        return {f"{name}.{suffix}": scrub.scrubbed(text, self.secrets) for name, (suffix, text) in texts.items()}


# --- a running daemon --------------------------------------------------------------------------------------


def online(parts: Parts, args: argparse.Namespace) -> None:
    """Ask the daemon; notes when there is none."""
    try:
        client = admin_client.client(args)
        parts.add("address", lambda: {"asked": str(client.where), "named_by": client.where.named_by})
        client.get("/v1/config")
    except AdminError as e:
        parts.unreachable = e
        parts.errors["daemon"] = str(e)
        return
    told: dict[str, Any] = {}
    for name, (path, query) in PARTS.items():
        told[name] = parts.add(name, partial(_asked, client, path, query))
    parts.add("health", lambda: _health(client))
    _metrics(parts, client)
    listed = (told.get("decisions") or {}).get("decisions", [])
    for record in [r for r in listed if r.get("status") != 200][:FAILED]:
        key = str(record["id"])
        parts.add(f"decision-{key}", partial(_asked, client, f"/v1/decisions/{quote(key, safe='')}", {}))


def _asked(client: Client, path: str, query: Mapping[str, object]) -> Any:
    return _quiet(client.get(path, timeout_s=30.0, **query))


def _health(client: Client) -> dict[str, Any]:
    try:
        return client.get("/health")
    except AdminError as e:  # 503 is an answer, too
        if e.document:
            return e.document
        raise


def _metrics(parts: Parts, client: Client) -> None:
    lines: list[str] = []
    size = 0
    try:
        for raw in client.stream("/metrics", timeout_s=30.0):
            size += len(raw)
            if size > METRICS_BYTES:
                break
            lines.append(raw.decode("utf-8", "replace"))
    except AdminError as e:
        parts.errors["metrics"] = str(e)
    if lines:
        parts.texts["metrics"] = ("txt", "".join(lines))


def _quiet(value: Any, key: str = "") -> Any:
    """Return a document without a provider's own words about a request: some repeat what they were sent."""
    if isinstance(value, dict):
        decision = "upstream_status" in value or "chosen" in value
        return {k: scrub.MASK if decision and k in _MESSAGES and v else _quiet(v, k) for k, v in value.items()}
    return [_quiet(v, key) for v in value] if isinstance(value, list) else value


# --- one that is down --------------------------------------------------------------------------------------


def offline(parts: Parts) -> None:
    """Go by the configuration and the store."""
    if parts.tree is not None:
        parts.add("config", lambda: {"path": str(parts.config), "config": parts.tree})
    parts.add("check", lambda: {"problems": _check(parts.config)})
    url = ((parts.tree or {}).get("store") or {}).get("url", "sqlite:///var/lib/lbd/state.db")
    if isinstance(url, str) and url.startswith("sqlite://"):
        parts.add("store", lambda: _store(Path(url.removeprefix("sqlite://"))))


def _check(config: Path) -> list[str]:
    from lbd.model.problem import ConfigError
    from lbd.plugins import read_config

    try:
        return [str(w) for w in read_config(config).warnings]
    except ConfigError as e:
        return [str(p) for p in e.problems]


def _store(path: Path) -> dict[str, Any]:
    """Return what a store is like: sizes, rights, rows of each table; none of what is in them."""
    files = {p.name: p.stat() for p in sorted(path.parent.glob(f"{path.name}*"))}
    told: dict[str, Any] = {
        "path": str(path),
        "files": {
            n: {"bytes": s.st_size, "mode": f"{s.st_mode & 0o7777:o}", "uid": s.st_uid} for n, s in files.items()
        },
    }
    if path.name in files:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)) as db:
            names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            told["rows"] = {n: db.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for n in names}  # noqa: S608
            told["integrity"] = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    return told


# --- where it runs -----------------------------------------------------------------------------------------


def about(parts: Parts, now: datetime) -> None:
    """Add versions, platform, and the unit where there is one."""
    parts.add("about", lambda: surroundings.about(now))
    systemctl = shutil.which("systemctl")
    if systemctl is not None and Path("/run/systemd/system").is_dir():
        parts.add("unit", lambda: surroundings.unit(systemctl))


def archive(members: dict[str, str], now: datetime) -> bytes:
    """Return the members as one archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in sorted(members.items()):
            raw = text.encode()
            info = tarfile.TarInfo(f"{ROOT}/{name}")
            info.size, info.mtime, info.mode = len(raw), int(now.timestamp()), 0o600
            tar.addfile(info, io.BytesIO(raw))
    return out.getvalue()
