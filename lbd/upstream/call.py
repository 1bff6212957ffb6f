"""All flights: what begins one, what is told of it when it is over, and the end of those that run when lbd ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from lbd.decide.terms import Term
from lbd.model.record import RequestRecord
from lbd.model.units import Seconds
from lbd.ports import Env, Reply
from lbd.table.owner import Owner
from lbd.upstream.run import Run
from lbd.upstream.service import Service, Spawn
from lbd.upstream.ticket import Ticket


class Flights(Service):
    """Runs flights. One for the process."""

    def __init__(
        self,
        env: Env,
        owner: Owner,
        terms: Mapping[str, Term],
        silent: Callable[[str], None],
        spawn: Spawn,
    ) -> None:
        super().__init__(env, owner, terms, silent, spawn)
        self.running: set[Run] = set()

    async def fly(self, ticket: Ticket, reply: Reply) -> RequestRecord:
        """Serve one request to its end; return its record. Raises nothing but CancelledError: the client has gone."""
        run = Run(self, ticket, reply)
        self.running.add(run)
        try:
            record = await run.fly()
        except asyncio.CancelledError:
            self.done(run.abandoned())
            raise
        except Exception:
            self.done(run.broken())  # a fault of lbd's own; ingress answers
            raise
        finally:
            self.running.discard(run)
        self.done(record)
        return record

    async def drain(self, timeout_s: Seconds, more: Callable[[], bool] = lambda: False) -> None:
        """Wait until nothing runs; after ``timeout_s`` end what is left with a typed error.

        ``more``: tells whether something is yet to come; asked until somebody else has ended it all.
        """
        until = self.env.now() + timeout_s
        while not self.closing and (self.running or more()) and self.env.now() < until:
            await self.env.sleep(0.05)
        self.closing = True
        for run in tuple(self.running):
            run.give_up()
        for _ in range(20):  # let them say so
            if not self.running:
                return
            await self.env.sleep(0.05)
