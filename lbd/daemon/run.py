"""The daemon as a process: sockets, signals, readiness, watchdog, drain."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import ssl
import sys
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web

from lbd import __version__
from lbd.app import App, RealEnv
from lbd.config.compile import Compiled
from lbd.console import TICK_LATE_S, Console
from lbd.daemon import descriptors, listen
from lbd.daemon.notify import Notifier
from lbd.ingress.admin import Admin
from lbd.ingress.server import Server
from lbd.model.problem import ConfigError
from lbd.model.units import Seconds
from lbd.observe import log
from lbd.upstream.client import Client

STATUS_EVERY: Seconds = 5.0
DRAIN_SLACK: Seconds = 5.0  # on top of limits.drain_timeout_s, until the process is gone
HEAR_OUT: Seconds = 1.0  # of that, for the request of a connection that was accepted just before
SEE_OFF: Seconds = 1.0  # of that, for the last answers to reach their clients
HANDSHAKE: Seconds = 10.0  # for a TLS handshake
ADMIN_SLACK: Seconds = 1.0  # of that, for answers of the admin API


class Daemon:
    """One running lbd."""

    def __init__(self, path: Path, compiled: Compiled) -> None:
        config = compiled.config
        self._writer = log.setup(config.log.level)
        self._log = log.get()
        env = RealEnv()
        self._app = App(path, compiled, env, Client(env), self._writer)
        self._console = Console(self._app)
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._config = config
        self._server: Server | None = None
        self._listeners: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []  # of the API; each listener has a duplicate
        self._runner: web.AppRunner | None = None
        self._tls: ssl.SSLContext | None = None  # that the listeners speak with
        self._passed = listen.passed()

    async def run(self) -> None:
        """Serve until told to stop. Raises ListenError."""
        try:
            await self._run()
        finally:
            self._writer.close()
            self._notifier.close()

    async def _run(self) -> None:
        app = self._app
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: app.tasks.once("reload", self._reload("SIGHUP")))
        few = descriptors.claim(app.compiled)
        api, admin = self._bind()  # first of all: who cannot listen must not touch the state of somebody who does
        await app.start()
        await self._serve(api, admin)
        if few is not None:
            self._log.warning("few_descriptors", text=few)
        for warning in app.compiled.warnings:
            self._log.warning("config_warning", text=str(warning))
        app.tasks.loop("service", self._service)
        _calm_collector()
        self._notifier.ready(self._console.status_line())
        await self._stop.wait()
        await self._end()

    # --- sockets -------------------------------------------------------------------------------------

    def _bind(self) -> tuple[list[socket.socket], list[socket.socket]]:
        """Return the sockets of the API and of the admin API: those passed, else those configured."""
        api = self._passed.get("api") or listen.bind(self._config.listen)
        admin = self._passed.get("admin", [])
        if not admin:
            where = self._config.admin
            admin += listen.bind(where.listen) if where.listen is not None else []
            path = where.socket or listen.usual_socket()
            admin += listen.bind(f"unix:{path}") if path is not None else []
        try:
            self._refuse_open("api", api, "clients", self._app.compiled.clients)
            self._refuse_open("admin", admin, "admin.token", self._app.compiled.admin_token)
        except listen.ListenError:
            for sock in (*api, *admin):
                sock.close()
            raise
        return api, admin

    def _refuse_open(self, listener: str, sockets: list[socket.socket], key: str, there: object) -> None:
        """Serve no strangers: who can be reached from other hosts asks for a key. A passed socket is in no file."""
        beyond = listen.beyond(sockets)
        if beyond:
            self._app.beyond |= {listener}
        if beyond and not there:
            text = f"{', '.join(beyond)} is reachable from other hosts: for that the {listener} listener needs {key}"
            raise listen.ListenError(f"{text} in the configuration")

    async def _serve(self, api: list[socket.socket], admin: list[socket.socket]) -> None:
        api_side = self._app.api
        server = self._server = Server(api_side.handle, self._app.env, lambda: api_side.limits.max_body_bytes)
        self._app.tasks.loop("sweep", server.sweep)
        self._sockets = api
        await self._listen(server, self._app.compiled)
        self._app.relisten = partial(self._listen, server)
        self._runner = web.AppRunner(
            Admin(self._console).app, access_log=None, handle_signals=False, shutdown_timeout=ADMIN_SLACK
        )
        await self._runner.setup()
        for sock in admin:
            await web.SockSite(self._runner, sock).start()
        self._log.info(
            "listening",
            version=__version__,
            api=[listen.describe(s) for s in api],
            admin=[listen.describe(s) for s in admin],
            pid=os.getpid(),
            restored=self._app.persistence.restored,
        )

    async def _listen(self, server: Server, compiled: Compiled) -> None:
        """Accept on the API's sockets with the certificate that holds now; connections that stand are left alone.

        No client is turned away in between: the old and the new listener accept from the same queue.
        """
        if self._stop.is_set() or (self._listeners and compiled.tls is None and self._tls is None):
            return
        made: list[asyncio.Server] = []
        try:
            for sock in self._sockets:
                made += [await self._listener(server, sock, compiled)]
        except OSError as e:  # no descriptor is left for it
            for listener in made:
                listener.close()
            if not self._listeners:
                raise listen.ListenError(f"cannot accept connections: {e.strerror or e}") from None
            self._log.error("certificate_not_taken", error=str(e), remedy="reload again")
            return
        before, self._listeners, self._tls = self._listeners, made, compiled.tls
        for listener in before:
            listener.close()

    async def _listener(self, server: Server, sock: socket.socket, compiled: Compiled) -> asyncio.Server:
        secured = None if sock.family == socket.AF_UNIX else compiled.tls
        return await asyncio.get_running_loop().create_server(
            server,
            sock=sock.dup(),
            backlog=listen.BACKLOG,
            ssl=secured,
            ssl_handshake_timeout=None if secured is None else HANDSHAKE,
        )

    # --- signals -------------------------------------------------------------------------------------

    def _on_stop(self) -> None:
        if self._stop.is_set():  # asked twice: a person does not want to wait
            self._log.warning("stopping_at_once")
            self._app.tasks.once("hurry", self._app.flights.drain(0.0))
        self._stop.set()

    async def _reload(self, by: str) -> None:
        self._notifier.reloading(self._app.env.now())
        try:
            await self._app.reload(by=by)
        except ConfigError:
            pass  # told by its event; the old configuration goes on
        finally:
            self._notifier.ready(self._console.status_line())

    async def _service(self) -> None:
        """Tell the service manager how it goes; the watchdog only while the table is alive."""
        watchdog = self._notifier.watchdog_s
        every = min(STATUS_EVERY, watchdog / 3) if watchdog is not None else STATUS_EVERY
        while True:
            await self._app.env.sleep(every)
            if watchdog is not None and self._app.env.now() - self._app.ticked_at < TICK_LATE_S:
                self._notifier.watchdog()
            self._notifier.status(self._console.status_line())

    # --- end -----------------------------------------------------------------------------------------

    async def _end(self) -> None:
        timeout = self._app.compiled.config.limits.drain_timeout_s
        self._app.draining = True  # /readyz says so before anybody is turned away
        self._notifier.stopping(timeout + DRAIN_SLACK)
        for listener in self._listeners:
            listener.close()
        for sock in self._sockets:
            sock.close()
        if self._server is not None:
            await self._hear_out(self._server)
        await self._app.drain(timeout)
        if self._server is not None:
            await self._see_off(self._server)
        self._app.timeline.close()  # followers would wait for the next event
        if self._runner is not None:
            await self._runner.cleanup()
        await self._app.stop()
        self._log.info("stopped")

    async def _hear_out(self, server: Server) -> None:
        """Let those ask who have just connected: the request may be there, and only not be read yet."""
        env = self._app.env
        server.close_idle(also_new=False)
        until = env.now() + HEAR_OUT
        asking = True
        while asking and env.now() < until:
            asking = server.asking
            await env.sleep(0.01)  # after the last look, too: what has just been read is under way then
        server.close_idle()

    async def _see_off(self, server: Server) -> None:
        """Let the last answers reach the clients; then cut off whoever does not read."""
        env = self._app.env
        until = env.now() + SEE_OFF
        while server.connections and env.now() < until:
            await env.sleep(0.01)
        server.abort()


def _calm_collector() -> None:
    """Let the cycle collector look at what requests leave behind, not at the program.

    Everything that stands after start lives as long as the process. Requests make hardly any cycles, so young
    generations may grow: with Python's thresholds a collection every 700 allocations costs a tenth of the CPU.
    """
    gc.freeze()  # as it is: the little garbage that imports leave is not worth the time before the first answer
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def main(path: Path, compiled: Compiled) -> int:
    """Run the daemon; returns the exit status."""

    async def serve() -> None:
        await Daemon(path, compiled).run()

    try:
        uvloop.run(serve())
    except listen.ListenError as e:
        print(f"lbd: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
