"""The admin API as the commands use it: questions, orders, streams, and each failure as one line with its remedy."""

from __future__ import annotations

import argparse
import functools
import http.client
import io
import json
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from lbd import __version__
from lbd.cli import admin_tls
from lbd.cli.admin_address import DEFAULT, REFUSED, UNREACHABLE, AdminError, Where, find, read_token
from lbd.cli.main import DEFAULT_CONFIG
from lbd.display.paint import printable

TIMEOUT_S = 5.0


def arguments(parser: argparse.ArgumentParser, *, default: Any = None) -> None:
    """Declare how the admin API is found. ``default`` may be ``argparse.SUPPRESS`` for a command of a command."""
    group = parser.add_argument_group("where the daemon is")
    group.add_argument(
        "--admin",
        metavar="URL",
        default=default,
        help=f"http://host:port, https://host:port or unix:/path (LBD_ADMIN; else {DEFAULT})",
    )
    group.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        default=default,
        help=f"take the address from its admin section ({DEFAULT_CONFIG})",
    )
    group.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        default=default,
        help="the admin token; LBD_ADMIN_TOKEN holds one too. A unix socket needs none",
    )
    group.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        default=default,
        help=f"authorities that an https address is trusted by ({admin_tls.CA_FILE}; else the system's)",
    )
    group.add_argument(
        "--cert-file",
        type=Path,
        metavar="FILE",
        default=default,
        help=f"our own certificate and its key in PEM, where the daemon asks for one ({admin_tls.CERT_FILE})",
    )


def exit_statuses(*own: str) -> str:
    """Return the help text on exit statuses: the command's own, then what all have in common."""
    shared = (f"{REFUSED} refused or failed", "2 wrong arguments", f"{UNREACHABLE} the daemon cannot be reached")
    return "exit status: " + "; ".join((*own, *shared))


def told(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Decorate a command: an AdminError becomes a line on stderr and an exit status.

    Marks that an old terminal's encoding lacks come out as question marks; the words beside them say the same.
    """

    @functools.wraps(run)
    def wrapped(args: argparse.Namespace) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return run(args)
        except AdminError as e:
            print(f"lbd: {printable(str(e))}", file=sys.stderr)
            return e.exit_status

    return wrapped


def client(args: argparse.Namespace) -> Client:
    """Return a client for a command's arguments. Raises AdminError."""
    where = find(args.admin, args.config, os.environ)
    context = admin_tls.context(args.ca_file, args.cert_file, os.environ) if where.tls else None
    return Client(where, read_token(args.token_file, os.environ), context)


class _Told(dict[str, Any]):
    """What the daemon told: a key that is missing there is no fault of the command's."""

    def __missing__(self, key: str) -> Any:
        text = f"the answer has no {key!r}: this is another server, or an lbd of another version than this command"
        raise AdminError(f"{text} ({__version__}). --admin says who is asked")


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.timeout)
        try:
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


class Client:
    """Asks the admin API; each question is a connection of its own. Every failure is an AdminError."""

    def __init__(self, where: Where, token: str | None = None, context: ssl.SSLContext | None = None) -> None:
        self.where = where
        self._token = token
        self._context = context  # None: of an https address, the system's trust

    def get(self, path: str, *, timeout_s: float = TIMEOUT_S, **query: object) -> dict[str, Any]:
        """Return the document at ``path``; a query's None is left out."""
        return self._document(*self._ask("GET", _with(path, query), None, {}, timeout_s))

    def post(
        self,
        path: str,
        body: bytes | Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """Return what a POST answers."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        told = {"content-type": "application/json"} if raw is not None else {}
        return self._document(*self._ask("POST", path, raw, {**told, **(headers or {})}, timeout_s))

    def order(self, action: str, deployment: str, **body: object) -> dict[str, Any]:
        """Order something for one deployment, ``provider/name``."""
        return self.post(f"/v1/deployments/{quote(deployment)}/{action}", body)

    def stream(self, path: str, *, timeout_s: float, **query: object) -> Iterator[bytes]:
        """Yield the lines of an answer that does not end; silence of ``timeout_s`` is a failure."""
        connection, response = self._ask("GET", _with(path, query), None, {}, timeout_s)
        try:
            if response.status != 200:
                self._document(connection, response)
                return
            while line := self._guarded(response.readline):
                yield line
        finally:
            connection.close()

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        where = self.where
        connection: http.client.HTTPConnection
        if where.path is not None:
            connection = _Unix(where.path, timeout_s)
        else:
            if where.tls:
                connection = http.client.HTTPSConnection(
                    where.host, where.port, timeout=timeout_s, context=self._context
                )
            else:
                connection = http.client.HTTPConnection(where.host, where.port, timeout=timeout_s)
            if self._token is not None:
                headers = {**headers, "authorization": f"Bearer {self._token}"}

        def ask() -> http.client.HTTPResponse:
            connection.request(method, path, body, dict(headers))
            return connection.getresponse()

        try:
            return connection, self._guarded(ask)
        except AdminError:
            connection.close()
            raise

    def _guarded(self, act: Callable[[], Any]) -> Any:
        """Do something with the network; its failures become AdminErrors."""
        where = self.where
        try:
            return act()
        except PermissionError:
            text = "your user may not connect. Join the socket's group (ls -l shows it), or use sudo"
            raise AdminError(f"{where} ({where.named_by}): {text}") from None
        except TimeoutError:
            why = "no answer in time: the daemon hangs, or is stopped"
        except FileNotFoundError:
            why = "there is no such socket"
        except http.client.HTTPException as e:
            if isinstance(e, http.client.RemoteDisconnected):
                raise self._closed() from None
            why = f"what listens there does not speak HTTP ({type(e).__name__})"
            if isinstance(e, http.client.IncompleteRead):
                why = "the connection was closed without an answer that is whole"
        except ssl.SSLError as e:
            raise AdminError(
                f"no connection to {where} ({where.named_by}): {admin_tls.why(e, where.host)}", exit_status=UNREACHABLE
            ) from None
        except ConnectionResetError:
            raise self._closed() from None
        except OSError as e:
            why = (e.strerror or str(e)).lower()
        text = f"no lbd answers at {where} ({where.named_by}): {why}"
        remedy = "Is it running (systemctl status lbd)? Is it elsewhere (--admin)?"
        raise AdminError(f"{text}. {remedy}", exit_status=UNREACHABLE)

    def _closed(self) -> AdminError:
        where = self.where
        text = f"{where} ({where.named_by}): the connection was closed without an answer"
        if where.path is None:
            text += f". {admin_tls.CLOSED_BY_TLS if where.tls else admin_tls.CLOSED_BY_PLAIN}"
        return AdminError(text, exit_status=UNREACHABLE)

    def _document(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> dict[str, Any]:
        try:
            raw = self._guarded(response.read)
        finally:
            connection.close()
        try:
            document = json.loads(raw, object_hook=_Told)
        except ValueError:
            document = None
        if response.status == 200 and isinstance(document, dict):
            return document
        raise AdminError(self._refusal(response.status, document), document=document)

    def _refusal(self, status: int, document: Any) -> str:
        if not isinstance(document, dict) or "detail" not in document:
            where = f"{self.where} ({self.where.named_by})"
            if status >= 500:
                return f"{where} failed inside ({status}): its log says why"
            return f"{where} answers {status}, but not as lbd's admin API does: is it another server?"
        detail = str(document["detail"])
        if status == 401:
            sent = "was not accepted" if self._token is not None else "is needed"
            return f"an admin token {sent}: give --token-file FILE or LBD_ADMIN_TOKEN, or use the unix socket"
        if status == 403 and "unix socket" in detail:
            return f"{detail}. If there is one: --admin unix:/path"
        return detail


def _with(path: str, query: Mapping[str, object]) -> str:
    given = {k: v for k, v in query.items() if v is not None}
    return f"{path}?{urlencode(given)}" if given else path
