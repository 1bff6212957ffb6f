"""The daemon as a process: sockets, signals, readiness, watchdog, drain."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web

from lbd import __version__
from lbd.app import App, RealEnv
from lbd.config import tls
from lbd.config.compiled import Compiled
from lbd.console import TICK_LATE_S, Console
from lbd.daemon import descriptors, listen, sole
from lbd.daemon.accepting import Accepting
from lbd.daemon.entrance import Entrance
from lbd.daemon.notify import Notifier
from lbd.ingress.admin import Admin
from lbd.ingress.server import Server
from lbd.model.failure import Failure
from lbd.model.problem import ConfigError
from lbd.model.units import Instant, Seconds
from lbd.observe import log
from lbd.upstream import here
from lbd.upstream.client import Client

STATUS_EVERY: Seconds = 5.0
DRAIN_SLACK: Seconds = 5.0  # on top of limits.drain_timeout_s, until the process is gone
LET_IN: Seconds = 0.5  # of that, for who has connected already
SEE_OFF: Seconds = 1.0  # of that, for the last answers to reach their clients
CROWDED_EVERY: Seconds = 60.0  # at most, a line says that newcomers wait
ADMIN_SLACK: Seconds = 1.0  # of that, for answers of the admin API
MORE_PLACES = "raise LimitNOFILE= of the service (ulimit -n): half of it is for clients"


class Daemon:
    """One running lbd."""

    def __init__(self, path: Path, compiled: Compiled) -> None:
        config = compiled.config
        self._writer = log.setup(config.log.level)
        self._log = log.get()
        env = RealEnv()
        self._transport = Client(env)
        self._app = App(path, compiled, env, self._transport, self._writer)
        self._console = Console(self._app)
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._config = config
        self._server: Server | None = None
        self._accepting: list[Accepting] = []  # for the API, and for the admin API
        self._runner: web.AppRunner | None = None
        self._entrance: Entrance | None = None  # to what it serves
        self._crowded_at: Instant = -math.inf  # when that was last told
        self._passed = listen.passed()
        self._held: int | None = None  # the descriptor that keeps others from the store

    async def run(self) -> None:
        """Serve until told to stop. Raises ListenError and TakenError."""
        try:
            await self._run()
        finally:
            if self._held is not None:
                os.close(self._held)
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
        """Return the sockets of the API and of the admin API: those passed, else those configured. Hold the store."""
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
            self._held = sole.claim(self._config.store.url)
        except (listen.ListenError, sole.TakenError):
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
        server = self._server = Server(
            api_side.handle,
            self._app.env,
            lambda: api_side.limits.max_body_bytes,
            lambda: api_side.limits.keepalive_s,
        )
        self._app.tasks.loop("sweep", server.sweep)
        self._runner = web.AppRunner(
            Admin(self._console).app, access_log=None, handle_signals=False, shutdown_timeout=ADMIN_SLACK
        )
        await self._runner.setup()
        served = self._runner.server
        if served is None:
            raise RuntimeError("the admin application has no server")
        once = self._app.tasks.once
        entrance = self._entrance = Entrance(served, lambda: served.connections)
        self._accepting = [Accepting(server, api, once), Accepting(entrance, admin, once)]
        server.gate.turned = partial(self._turned, server)
        server.gate.spare.take()
        server.scarce = partial(self._lacking, here.NO_DESCRIPTOR)
        self._transport.short, self._transport.taken = partial(self._short, server), server.look_ahead
        try:
            await self._accept(self._app.compiled)
        except OSError as e:
            raise listen.ListenError(f"cannot accept connections: {e.strerror or e}") from None
        self._app.relisten = self._relisten
        self._log.info(
            "listening",
            version=__version__,
            api=[listen.describe(s) for s in api],
            admin=[listen.describe(s) for s in admin],
            pid=os.getpid(),
            restored=self._app.persistence.restored,
        )

    async def _accept(self, compiled: Compiled) -> None:
        """Accept with the certificates of a configuration. Raises OSError where no descriptor is left for that."""
        for accepting, context in zip(self._accepting, (compiled.tls, compiled.admin_tls), strict=True):
            await accepting.begin(context)

    async def _relisten(self, compiled: Compiled) -> None:
        """Take the certificates of a new configuration; who could not connect any more is let go of."""
        before = [accepting.context for accepting in self._accepting]
        try:
            await self._accept(compiled)
        except OSError as e:
            self._log.error("certificate_not_taken", error=str(e), remedy="reload again")
            return
        if self._server is not None and tls.narrower(before[0], compiled.tls):
            self._server.withdraw()
        runner, entrance = self._runner, self._entrance
        if runner is None or runner.server is None or entrance is None:
            return
        if tls.narrower(before[1], compiled.admin_tls):
            entrance.withdraw()
            for connection in runner.server.connections:
                connection.close()  # after the answer that is under way: it may be that of the reload
                self._app.env.call_at(self._app.env.now() + ADMIN_SLACK, connection.force_close)

    def _short(self, server: Server, failure: Failure) -> None:
        """A connection to a provider waits for want of something: make room, and say so."""
        server.make_room()
        self._lacking(failure)

    def _lacking(self, failure: Failure) -> None:
        self._app.owner.blame.lacking(failure, self._app.env.now())

    def _turned(self, server: Server) -> None:
        """Accept, or let newcomers wait, as the API's gate is."""
        open_, count = server.gate.open, len(server.connections)
        self._accepting[0].turn(open_=open_)
        now = self._app.env.now()
        if not open_ and now - self._crowded_at > CROWDED_EVERY:
            self._crowded_at = now
            self._log.warning("newcomers_wait", connections=count, places=server.gate.places, remedy=MORE_PLACES)

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
        server = self._server
        self._notifier.stopping(timeout + DRAIN_SLACK)
        if server is not None:
            server.part()
        for accepting in self._accepting[:1]:
            await self._let_in(accepting)
            accepting.end()
        if server is None:
            await self._app.drain(timeout)
        else:
            await self._app.drain(timeout, lambda: server.expects)
            await self._see_off(server)
        for accepting in self._accepting[1:]:
            accepting.end()
        self._app.timeline.close()  # followers would wait for the next event
        if self._runner is not None:
            await self._runner.cleanup()
        await self._app.stop()
        self._log.info("stopped")

    async def _let_in(self, accepting: Accepting) -> None:
        """Accept whoever is in the queue: it may have asked already, and the kernel would reset it."""
        env = self._app.env
        until = env.now() + LET_IN
        while accepting.waited_for and env.now() < until:
            await env.sleep(0)

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
    except (listen.ListenError, sole.TakenError) as e:
        print(f"lbd: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
