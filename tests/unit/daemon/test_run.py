"""The process around the app: what it tells whom, and how it begins and ends. Signals go to this very process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import os
import resource
import signal
import socket
import ssl
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop

from lbd.cli import admin_tls
from lbd.cli.admin_address import Where
from lbd.cli.admin_client import Client
from lbd.daemon import run, sole
from lbd.daemon.listen import ListenError
from lbd.daemon.run import Daemon
from lbd.model.problem import ConfigError
from tests.fakes.caller import request
from tests.fakes.harness import compiled
from tests.fakes.load import body
from tests.fakes.service_manager import said
from tests.fakes.stub_provider import StubProvider
from tests.fakes.trust import Authority

DEAD = "http://127.0.0.1:1/v1"  # nobody listens there


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what belongs to the process: log, collector, signal handlers."""
    before, thresholds = structlog.get_config(), gc.get_threshold()
    handlers = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        monkeypatch.delenv(name, raising=False)
    yield
    structlog.configure(**before)
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def config(folder: Path, **more: Any) -> dict[str, Any]:
    """Return a configuration that asks nobody anything."""
    return {
        "listen": "127.0.0.1:0",
        "admin": {"listen": None, "socket": str(folder / "admin.sock")},
        "providers": [{"name": "p", "shape": "openai", "base_url": DEAD, "deployments": [{"model": "m"}]}],
        "probes": {"kinds": ["models"], "completion": "never"},
        **more,
    }


def path_of(folder: Path, configured: dict[str, Any]) -> Path:
    """Write it and return its path."""
    path = folder / "lbd.yaml"
    path.write_text(json.dumps({"store": {"url": "memory:"}, **configured}))
    return path


@contextlib.contextmanager
def stderr() -> Iterator[io.StringIO]:
    """Catch what goes to standard error."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        yield told


async def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    for _ in range(1000):
        if true():
            return
        await _moment()
    raise AssertionError("waited in vain")


async def _moment() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.005, future.set_result, None)
    await future


def running(folder: Path, work: Callable[[Daemon], Awaitable[None]], **more: Any) -> str:
    """Run a daemon and ``work`` beside it, then have it stop; returns what it logged."""
    configured = config(folder, **more)
    path = path_of(folder, configured)

    async def main() -> None:
        daemon = Daemon(path, compiled(configured))
        task = asyncio.get_running_loop().create_task(daemon.run())
        await until(lambda: task.done() or "listening" in told.getvalue())
        try:
            await work(daemon)
        finally:
            daemon._on_stop()
            await asyncio.wait_for(task, 10)

    with stderr() as told:
        uvloop.run(main())
    return told.getvalue()


# --- main ------------------------------------------------------------------------------------------------


def test_a_socket_that_cannot_be_bound_is_one_line_and_exit_status_1(tmp_path: Path, manager: socket.socket) -> None:
    """No traceback, no READY, no state touched."""
    with socket.socket() as taken, stderr() as told:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        configured = config(tmp_path, listen=where, store={"url": f"sqlite://{tmp_path}/state.db"})
        assert run.main(path_of(tmp_path, configured), compiled(configured)) == 1
    assert told.getvalue() == f"lbd: cannot listen on {where}: Address already in use\n"
    assert said(manager) == []
    assert not (tmp_path / "state.db").exists()


def test_a_store_that_another_daemon_has_is_one_line_and_exit_status_1(tmp_path: Path, manager: socket.socket) -> None:
    """Its orders, budgets and queued work are not touched; once it is let go of it may be had."""
    configured = config(tmp_path, store={"url": f"sqlite://{tmp_path}/state.db"})
    held = sole.claim(configured["store"]["url"])
    assert held is not None
    with stderr() as told:
        assert run.main(path_of(tmp_path, configured), compiled(configured)) == 1
    os.close(held)
    text = f"another lbd (process {os.getpid()}) has the store {tmp_path}/state.db: give each its own"
    assert told.getvalue() == f"lbd: {text}\n"
    assert said(manager) == []
    assert not (tmp_path / "state.db").exists()

    async def nothing(_daemon: Daemon) -> None:
        pass

    for _ in range(2):  # the first lets go of it at its end
        assert "listening" in running(tmp_path, nothing, store=configured["store"])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_status_0(tmp_path: Path, manager: socket.socket, signum: signal.Signals) -> None:
    """READY first, STOPPING with the time it may take, then the end; the socket's file is private to the group."""
    configured = config(tmp_path, limits={"drain_timeout_s": 3})
    modes = []

    def person() -> None:
        while "READY=1" not in manager.recv(65536).decode():
            pass
        modes.append(stat.S_IMODE((tmp_path / "admin.sock").stat().st_mode))
        os.kill(os.getpid(), signum)

    thread = threading.Thread(target=person)
    thread.start()
    with stderr() as told:
        assert run.main(path_of(tmp_path, configured), compiled(configured)) == 0
    thread.join()
    assert modes == [0o660]
    assert said(manager)[0] == "STOPPING=1\nEXTEND_TIMEOUT_USEC=8000000\nSTATUS=draining"
    events = [json.loads(line)["event"] for line in told.getvalue().splitlines()]
    assert events[-2:] == ["draining", "stopped"]


def test_an_interruption_before_it_listens_is_exit_status_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during start."""

    def interrupted(self: Daemon, *_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Daemon, "__init__", interrupted)
    configured = config(tmp_path)
    assert run.main(path_of(tmp_path, configured), compiled(configured)) == 130


# --- reload ----------------------------------------------------------------------------------------------


def test_sighup_reloads_and_says_so(tmp_path: Path, manager: socket.socket) -> None:
    """RELOADING with its time, then READY; good or bad, systemd is not left waiting."""

    async def work(daemon: Daemon) -> None:
        app = daemon._app
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: app.reloads.ok == 1)
        daemon._app.path.write_text("nonsense: [")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: app.reloads.failed == 1)
        assert app.compiled.config.providers
        assert app.reloads.generation == 2

    running(tmp_path, work)
    lines = [d.split("\n") for d in said(manager)]
    kinds = [d[0] for d in lines]
    assert kinds == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert all(d[1].startswith("MONOTONIC_USEC=") for d in lines if d[0] == "RELOADING=1")
    assert all(d[1].startswith("STATUS=") for d in lines if d[0] == "READY=1")


@pytest.mark.parametrize("error", [ConfigError([]), OSError("disk"), ZeroDivisionError()])
def test_ready_follows_reloading_whatever_comes_between(
    tmp_path: Path, manager: socket.socket, error: Exception
) -> None:
    """A refused configuration is told by its event; a surprise by the supervisor."""

    async def work(daemon: Daemon) -> None:
        async def broken(*, by: str) -> None:
            assert by == "SIGHUP"
            raise error

        daemon._app.reload = broken  # type: ignore[method-assign, assignment]
        said(manager)
        os.kill(os.getpid(), signal.SIGHUP)
        told: list[str] = []
        await until(lambda: told.extend(said(manager)) or len(told) >= 2)
        assert [d.split("=")[0] for d in told] == ["RELOADING", "READY"]

    told = running(tmp_path, work)
    assert ("task_failed" in told) is not isinstance(error, ConfigError)


# --- watchdog --------------------------------------------------------------------------------------------


def test_the_watchdog_is_fed_only_while_the_table_lives(
    tmp_path: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event loop that turns while nobody ticks the table is not alive; the status goes on being told."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000")

    async def work(daemon: Daemon) -> None:
        said(manager)
        told: list[str] = []
        await until(lambda: told.extend(said(manager)) or told.count("WATCHDOG=1") >= 5)
        await daemon._app.tasks.stop("tick")
        daemon._app.ticked_at = daemon._app.env.now() - run.TICK_LATE_S - 0.1
        said(manager)
        await _moment()
        said(manager)
        told.clear()
        await until(lambda: told.extend(said(manager)) or len(told) >= 5)
        assert all(d.startswith("STATUS=") for d in told), told

    running(tmp_path, work)


def test_without_a_watchdog_nothing_but_the_status_is_told(
    tmp_path: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pings that nobody asked for are noise."""
    monkeypatch.setattr(run, "STATUS_EVERY", 0.01)
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    monkeypatch.setenv("WATCHDOG_PID", "1")

    async def work(daemon: Daemon) -> None:
        assert daemon._notifier.watchdog_s is None
        told: list[str] = []
        await until(lambda: told.extend(said(manager)) or len(told) >= 6)
        assert sum(d.startswith("STATUS=") for d in told) >= 5

    running(tmp_path, work)
    assert "WATCHDOG=1" not in said(manager)


# --- the end ---------------------------------------------------------------------------------------------


def test_nothing_is_listened_on_afterwards(tmp_path: Path) -> None:
    """Every socket is closed; the admin API answers until the drain is over."""
    where: list[tuple[str, int]] = []

    async def work(daemon: Daemon) -> None:
        where.append(daemon._accepting[0]._sockets[0].getsockname())
        _, writer = await asyncio.open_connection(*where[0])
        writer.close()

    running(tmp_path, work)
    with socket.socket() as client:
        assert client.connect_ex(where[0]) != 0
    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(tmp_path / "admin.sock")) != 0


@pytest.mark.parametrize("callers", [1, 20])
def test_whom_the_end_met_between_accept_and_request_is_served(tmp_path: Path, callers: int) -> None:
    """The signal and the clients come in one turn of the loop, while nothing else runs; it accepts one in a turn."""
    answers: list[bytes] = []

    async def work(daemon: Daemon) -> None:
        loop, json_ = asyncio.get_running_loop(), "content-type: application/json"
        ask = request("POST", "/v1/chat/completions", body(), json_, host="127.0.0.1")
        address = daemon._accepting[0]._sockets[0].getsockname()
        daemon._on_stop()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(address)) for _ in range(callers)]
            for client in clients:  # blocking: the loop has no turn
                client.sendall(ask)
                client.setblocking(False)
            for client in clients:
                answer = b""
                while data := await asyncio.wait_for(loop.sock_recv(client, 65536), 5):
                    answer += data
                answers.append(answer)

    with StubProvider("a") as provider:
        running(tmp_path, work, providers=[provider.config()])
    assert [a[:13] for a in answers] == [b"HTTP/1.1 200 "] * callers, answers


def test_asking_twice_hurries(tmp_path: Path) -> None:
    """The second word ends the drain, and is told."""

    async def work(daemon: Daemon) -> None:
        drained: list[float] = []

        async def drain(timeout_s: float, _more: object = None) -> None:
            drained.append(timeout_s)

        daemon._app.flights.drain = drain  # type: ignore[method-assign]
        daemon._on_stop()
        assert not drained
        daemon._on_stop()
        await until(lambda: 0.0 in drained)

    assert "stopping_at_once" in running(tmp_path, work, limits={"drain_timeout_s": 30})


class Guests:
    """A server whose connections come to their end after so many looks."""

    def __init__(self, connected: int) -> None:
        self._connected = connected
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    @property
    def connections(self) -> int:
        self._connected -= 1
        return max(0, self._connected)


@pytest.mark.parametrize("guests", [Guests(1), Guests(4), Guests(10_000)])
def test_last_answers_may_arrive_within_a_second(tmp_path: Path, guests: Guests) -> None:
    """Whoever is being answered is not cut off; nor waited for for long."""

    async def work(daemon: Daemon) -> None:
        server: Any = guests
        began = daemon._app.env.now()
        await daemon._see_off(server)
        assert guests.aborted
        assert daemon._app.env.now() - began < run.SEE_OFF + 0.5

    running(tmp_path, work)


def test_the_collector_leaves_the_program_alone() -> None:
    """What stands after start is frozen, and collections are rare."""
    run._calm_collector()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[0] >= 10_000


# --- strangers -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with certificates of a listener, of its successor, and of a client."""
    own = Authority(tmp_path_factory.mktemp("ca"))
    own.server("first", "DNS:localhost,IP:127.0.0.1")
    own.server("second", "DNS:localhost,IP:127.0.0.1,DNS:second")
    own.server("client", "DNS:client")
    own.server("bot", "URI:spiffe://house/bot")
    return own


def tls_of(folder: Path, own: Authority, **more: str) -> dict[str, str]:
    """Return the section of the configuration; its files are the first certificate's, in a folder of the test."""
    for kind in ("pem", "key"):
        (folder / f"api.{kind}").write_bytes((own.folder / f"first.{kind}").read_bytes())
    return {"cert_file": str(folder / "api.pem"), "key_file": str(folder / "api.key"), **more}


def trusting(own: Authority, *, shows: str | None = None) -> ssl.SSLContext:
    """Return a client's context, with a certificate of its own or none."""
    context = ssl.create_default_context(cafile=str(own.ca))
    if shows is not None:
        context.load_cert_chain(own.folder / f"{shows}.pem", own.folder / f"{shows}.key")
    return context


def port_of(daemon: Daemon) -> int:
    return int(daemon._accepting[0]._sockets[0].getsockname()[1])


async def models(port: int, context: ssl.SSLContext | None, *fields: str, path: str = "/v1/models") -> bytes:
    """Ask for the models on a connection of its own; returns what came, which may be nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields, "", ""]
    try:
        writer.write("\r\n".join(lines).encode())
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_the_api_speaks_tls_and_nothing_else_where_it_has_a_certificate(tmp_path: Path, authority: Authority) -> None:
    """Whoever speaks plain HTTP, or trusts somebody else, gets no answer; and none of them leaves a line in the log."""

    async def work(daemon: Daemon) -> None:
        port = port_of(daemon)
        assert (await models(port, trusting(authority))).startswith(b"HTTP/1.1 200 OK")
        assert not (await models(port, None)).startswith(b"HTTP/1.1")
        with pytest.raises(ssl.SSLCertVerificationError):
            await models(port, ssl.create_default_context())
        old = trusting(authority)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert (await models(port, old)).startswith(b"HTTP/1.1 200 OK")

    told = running(tmp_path, work, tls=tls_of(tmp_path, authority))
    assert not [line for line in told.splitlines() if '"level":"error"' in line or "Traceback" in line]


def test_a_client_shows_a_certificate_beside_its_key(tmp_path: Path, authority: Authority) -> None:
    """Neither stands for the other."""

    async def work(daemon: Daemon) -> None:
        port = port_of(daemon)
        with contextlib.suppress(ssl.SSLError):  # in TLS 1.3 it comes after the client's side is done
            assert await models(port, trusting(authority), "Authorization: Bearer key-canary") == b""
        shows = trusting(authority, shows="client")
        assert (await models(port, shows)).startswith(b"HTTP/1.1 401 ")
        assert (await models(port, shows, "Authorization: Bearer key-canary")).startswith(b"HTTP/1.1 200 ")

    configured = {
        "tls": tls_of(tmp_path, authority, client_ca_file=str(authority.ca)),
        "clients": [{"name": "c", "key": "key-canary"}],
        "allow_inline_secrets": True,
    }
    running(tmp_path, work, **configured)


def test_a_client_is_bound_to_the_names_of_its_certificate(tmp_path: Path, authority: Authority) -> None:
    """With a key both count; without one the certificate alone tells who asks; and no name is told to anybody."""

    async def work(daemon: Daemon) -> None:
        port = port_of(daemon)
        key = "Authorization: Bearer key-canary"
        client, bot = trusting(authority, shows="client"), trusting(authority, shows="bot")
        assert (await models(port, client, key)).startswith(b"HTTP/1.1 200 ")
        assert (await models(port, client)).startswith(b"HTTP/1.1 401 ")
        assert (await models(port, client, "Authorization: Bearer wrong")).startswith(b"HTTP/1.1 401 ")
        for fields in ((), ("Authorization: Bearer unused",)):
            assert (await models(port, bot, *fields)).startswith(b"HTTP/1.1 200 ")
        refused = await models(port, bot, key)
        assert refused.startswith(b"HTTP/1.1 403 ") and b"wrong_certificate" in refused
        assert b"DNS" not in refused and b"spiffe" not in refused
        refused = await models(port, bot, "Origin: http://localhost")
        assert refused.startswith(b"HTTP/1.1 403 ") and b"unknown_origin" in refused

    configured = {
        "tls": tls_of(tmp_path, authority, client_ca_file=str(authority.ca)),
        "clients": [
            {"name": "c", "key": "key-canary", "certificate": ["DNS:client", "DNS:other"]},
            {"name": "b", "certificate": "URI:spiffe://house/bot"},
        ],
        "allow_inline_secrets": True,
    }
    running(tmp_path, work, **configured)


def test_a_reload_lets_go_of_whom_it_would_not_let_in(tmp_path: Path, authority: Authority) -> None:
    """An authority that is taken away vouches for nobody any more, connected or not."""
    other = Authority(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(authority.ca.read_bytes() + other.ca.read_bytes())
    section = tls_of(tmp_path, authority, client_ca_file=str(both))
    ask = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    admin = {"listen": "127.0.0.1:0", "socket": str(tmp_path / "admin.sock"), "tls": section}

    async def work(daemon: Daemon) -> None:
        context = trusting(authority, shows="client")
        ports = [port_of(daemon), int(daemon._accepting[1]._sockets[0].getsockname()[1])]
        open_ = [await asyncio.open_connection("127.0.0.1", port, ssl=context) for port in ports]
        for path, (reader, writer) in zip((b"/v1/models", b"/livez"), open_, strict=True):
            writer.write(ask.replace(b"/v1/models", path))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await daemon._app.reload(by="test")
        assert len(daemon._server.connections) == 1  # type: ignore[union-attr]
        both.write_bytes(other.ca.read_bytes())
        await daemon._app.reload(by="test")
        for reader, writer in open_:
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
        for port in ports:
            with contextlib.suppress(ssl.SSLError):
                assert await models(port, context) == b""

    running(tmp_path, work, tls=section, admin=admin)


@pytest.mark.parametrize("listener", ["api", "admin"])
def test_a_reload_lets_go_of_who_is_in_the_middle_of_a_handshake(
    listener: str, tmp_path: Path, authority: Authority
) -> None:
    """It began under what no longer holds: who holds it open must not get in by that."""
    section = tls_of(tmp_path, authority)
    admin: dict[str, Any] = {"listen": "127.0.0.1:0", "socket": str(tmp_path / "admin.sock")}
    if listener == "admin":
        admin["tls"] = section
    path, more = ("/livez", {}) if listener == "admin" else ("/v1/models", {"tls": section})

    async def work(daemon: Daemon) -> None:
        port = int(daemon._accepting[listener == "admin"]._sockets[0].getsockname()[1])
        with socket.create_connection(("127.0.0.1", port)) as early:
            assert (await models(port, trusting(authority), path=path)).startswith(b"HTTP/1.1 200 ")
            file = daemon._app.path
            configured = json.loads(file.read_text())
            part = configured["admin"] if listener == "admin" else configured
            part["tls"]["client_ca_file"] = str(authority.ca)
            file.write_text(json.dumps(configured))
            await daemon._app.reload(by="test")
            early.setblocking(False)
            reader, writer = await asyncio.open_connection(
                sock=early, ssl=trusting(authority), server_hostname="localhost"
            )
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            known = trusting(authority, shows="client")
            assert (await models(port, known, path=path)).startswith(b"HTTP/1.1 200 ")

    running(tmp_path, work, admin=admin, **more)


def test_the_admin_listener_speaks_tls_where_it_has_a_certificate(tmp_path: Path, authority: Authority) -> None:
    """At its TCP address alone; a reload reads the files again; the page's cookie is for TLS alone."""
    section = tls_of(tmp_path, authority)
    admin = {"listen": "127.0.0.1:0", "socket": str(tmp_path / "admin.sock"), "tls": section, "token": "token-canary"}

    async def work(daemon: Daemon) -> None:
        port = int(daemon._accepting[1]._sockets[0].getsockname()[1])
        context = trusting(authority)
        assert (await models(port, context, path="/readyz")).startswith(b"HTTP/1.1 ")
        assert not (await models(port, None, path="/livez")).startswith(b"HTTP/1.1")
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "admin.sock"))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        form = b"token=token-canary&name=me&next=/"
        head = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        for scheme, status in (("http", b"403"), ("https", b"303")):
            more = f"Origin: {scheme}://localhost\r\nContent-Length: {len(form)}\r\n\r\n"
            writer.write((head + more).encode() + form)
            told = await reader.readuntil(b"\r\n\r\n")
            assert told.startswith(b"HTTP/1.1 " + status), told
            length = [f for f in told.lower().split(b"\r\n") if f.startswith(b"content-length:")]
            await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
        assert b"; Secure" in told and b"; HttpOnly" in told
        (tmp_path / "api.pem").write_bytes((authority.folder / "second.pem").read_bytes())
        (tmp_path / "api.key").write_bytes((authority.folder / "second.key").read_bytes())
        await daemon._app.reload(by="test")
        _, other = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert "second" in [name for _, name in other.get_extra_info("peercert")["subjectAltName"]]
        other.close()
        writer.close()
        client = Client(Where("127.0.0.1", port, tls=True), None, admin_tls.context(authority.ca, None, {}))
        asked = asyncio.get_running_loop().run_in_executor(None, client.get, "/v1/config")
        assert "hash" in str(await asked)

    running(tmp_path, work, admin=admin, allow_inline_secrets=True)


def test_a_reload_takes_the_new_certificate_and_cuts_nobody_off(tmp_path: Path, authority: Authority) -> None:
    """A connection that stands goes on; a file that cannot be used leaves everything as it was."""
    section = tls_of(tmp_path, authority)

    async def shown(daemon: Daemon) -> list[str]:
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(daemon), ssl=trusting(authority))
        names = [name for _, name in writer.get_extra_info("peercert")["subjectAltName"]]
        writer.close()
        return names

    async def work(daemon: Daemon) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(daemon), ssl=trusting(authority))
        assert "second" not in await shown(daemon)
        (tmp_path / "api.pem").write_bytes((authority.folder / "second.pem").read_bytes())
        with pytest.raises(ConfigError, match=r"api\.key' is not the key of the certificate"):
            await daemon._app.reload(by="test")
        assert "second" not in await shown(daemon)
        (tmp_path / "api.key").write_bytes((authority.folder / "second.key").read_bytes())
        await daemon._app.reload(by="test")
        for _ in range(5):
            assert "second" in await shown(daemon)
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 ")
        writer.close()
        path_of(tmp_path, config(tmp_path))  # and back to plain HTTP
        await daemon._app.reload(by="test")
        assert (await models(port_of(daemon), None)).startswith(b"HTTP/1.1 200 ")

    running(tmp_path, work, tls=section)


@pytest.mark.parametrize(
    ("name", "key"), [("api", "the api listener needs clients"), ("admin", "the admin listener needs admin.token")]
)
def test_a_passed_socket_that_others_reach_is_not_served_without_a_key(
    name: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's addresses say nothing of those that the service manager passes."""
    with socket.create_server(("0.0.0.0", 0)) as sock:
        passed = {name: [sock.dup()]}
        monkeypatch.setattr(run.listen, "passed", lambda: passed)
        configured = config(tmp_path)
        path_of(tmp_path, configured)

        async def main() -> None:
            with pytest.raises(ListenError, match=key):
                await Daemon(tmp_path / "lbd.yaml", compiled(configured)).run()

        with stderr():
            uvloop.run(main())


def test_a_reload_may_not_open_what_others_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does reading the admin API go without the token there."""
    keys = {
        "allow_inline_secrets": True,
        "clients": [{"name": "c", "key": "key-canary"}],
        "admin": {"listen": None, "socket": str(tmp_path / "admin.sock"), "token": "token-canary"},
    }

    async def work(daemon: Daemon) -> None:
        assert not daemon._console.local
        assert daemon._writer.hide("Traceback: token-canary") == "Traceback: ***"
        for gone, word in (("clients", "clients"), ("admin", "admin.token")):
            left = config(tmp_path) | {k: v for k, v in keys.items() if k != gone}
            path_of(tmp_path, left)
            with pytest.raises(ConfigError, match=f"reachable from other hosts, which needs {word}"):
                await daemon._app.reload(by="test")
        path_of(tmp_path, config(tmp_path, **keys))
        await daemon._app.reload(by="test")

    with socket.create_server(("0.0.0.0", 0)) as one, socket.create_server(("0.0.0.0", 0)) as two:
        passed = {"api": [one.dup()], "admin": [two.dup()]}
        monkeypatch.setattr(run.listen, "passed", lambda: passed)
        running(tmp_path, work, **keys)


def test_too_few_descriptors_are_told_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy; it serves all the same."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(resource, "getrlimit", lambda _of: (soft, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda _of, _limits: None)

    async def work(_daemon: Daemon) -> None:
        pass

    lines = map(json.loads, running(tmp_path, work).splitlines())
    told = [line for line in lines if line["event"] == "few_descriptors"]
    assert [line["level"] for line in told] == ["warning"] and "LimitNOFILE=2256" in told[0]["text"]
