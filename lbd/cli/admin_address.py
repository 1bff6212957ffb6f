"""Where the admin API is, and what one needs to be let in.

Looked for in this order: ``--admin``, the environment's ``LBD_ADMIN``, the ``admin`` section of the
configuration file (its socket first), the service's usual socket, the daemon's default. Only that one section
of the file is read: a file that is broken elsewhere must not keep anybody from looking at a running daemon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lbd.cli.main import DEFAULT_CONFIG

DEFAULT = "http://127.0.0.1:8081"
USUAL_SOCKET = "/run/lbd/admin.sock"  # of the service, where its configuration names none
REFUSED = 1  # exit status: the daemon, or the system on the way to it, said no
UNREACHABLE = 3  # exit status: nobody answers
_SECTION = re.compile(r"^admin:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - looked up, not bound


class AdminError(Exception):
    """Why there is no answer; the message is for the operator. ``document`` is the problem that was answered."""

    def __init__(self, message: str, *, exit_status: int = REFUSED, document: Any = None) -> None:
        super().__init__(message)
        self.exit_status = exit_status
        self.document: dict[str, Any] = document if isinstance(document, dict) else {}


class Where(NamedTuple):
    """The admin API's address, and what named it."""

    host: str = ""
    port: int = 0
    path: str | None = None
    named_by: str = ""
    tls: bool = False

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        scheme = "https" if self.tls else "http"
        return f"{scheme}://[{self.host}]:{self.port}" if ":" in self.host else f"{scheme}://{self.host}:{self.port}"


def find(admin: str | None, config: Path | None, environ: Mapping[str, str]) -> Where:
    """Return where the admin API is. Raises AdminError."""
    if admin is not None:
        return parse(admin, "--admin")
    if environ.get("LBD_ADMIN"):
        return parse(environ["LBD_ADMIN"], "LBD_ADMIN")
    path = Path(DEFAULT_CONFIG) if config is None else config
    if config is None and not os.access(path, os.R_OK):
        return _usual() or parse(DEFAULT, "the default")
    section = _section(path)
    if path == Path(DEFAULT_CONFIG) and not section.get("socket") and (usual := _usual()) is not None:
        return usual
    for key in ("socket", "listen"):
        value = section.get(key)
        if isinstance(value, str) and value:
            found = parse(f"unix:{value}" if key == "socket" else value, str(path))
            return found._replace(tls=found.path is None and bool(section.get("tls")))
    if "listen" in section:  # null: there is none
        raise AdminError(f"{path} has neither admin.socket nor admin.listen: this daemon has no admin API")
    return parse(DEFAULT, f"the default: {path} names none")._replace(tls=bool(section.get("tls")))


def _usual() -> Where | None:
    path = Path(USUAL_SOCKET)
    return Where(path=USUAL_SOCKET, named_by="the service's usual socket") if path.is_socket() else None


def parse(text: str, named_by: str) -> Where:
    """Read an address. Raises AdminError."""
    if text.startswith(("unix:", "/")):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise AdminError(f"{text!r} ({named_by}): a unix socket needs an absolute path")
        return Where(path=path, named_by=named_by)
    tls = text.startswith("https://")
    host, _, port = text.removeprefix("https://" if tls else "http://").rstrip("/").rpartition(":")
    if not port.isdigit() or not 0 < int(port) <= 65535 or "/" in host or ("[" not in host and ":" in host):
        raise AdminError(f"{text!r} ({named_by}) is no address: write http(s)://host:port or unix:/path")
    host = host.strip("[]")
    return Where(_EVERYWHERE.get(host, host), int(port), named_by=named_by, tls=tls)


def _section(path: Path) -> dict[str, Any]:
    """Return the admin section of a configuration file and its drop-ins; a later one wins."""
    from lbd.config.tree import drop_ins  # as slow as yaml, which it needs; without a file neither is

    found: dict[str, Any] = {}
    try:
        files = [path, *drop_ins(path)]
        texts = [(file, file.read_text("utf-8", "replace")) for file in files]
    except OSError as e:
        raise AdminError(
            f"cannot read {e.filename}: {e.strerror}. Say where the daemon is with --admin URL instead"
        ) from None
    for file, text in texts:
        if "admin" not in text:
            continue
        import yaml  # slow, and seldom needed

        own = _SECTION.search(text)  # none: JSON, or a root in braces
        try:
            root = yaml.safe_load(own[0] if own else text)
        except yaml.YAMLError as e:
            mark = getattr(e, "problem_mark", None)
            line = 0 if mark is None else mark.line + 1 + (text.count("\n", 0, own.start()) if own else 0)
            raise AdminError(
                f"{file}:{line}: the admin section cannot be read. Say where the daemon is with --admin URL instead"
            ) from None
        section = root.get("admin") if isinstance(root, dict) else None
        found.update(section if isinstance(section, dict) else {})
    return found


def read_token(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """Return the admin token, None without one. Raises AdminError."""
    if file is None:
        token = environ.get("LBD_ADMIN_TOKEN", "").strip()
    else:
        try:
            token = file.read_text("utf-8", "replace").strip()
        except OSError as e:
            raise AdminError(f"cannot read the token file {file}: {e.strerror}") from None
    if not token and file is None:
        return None
    if not token or not token.isascii() or not token.isprintable():
        raise AdminError(f"{file or 'LBD_ADMIN_TOKEN'} holds no token: it must be one line of ASCII")
    return token
