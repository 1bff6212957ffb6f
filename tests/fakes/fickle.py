"""Simulated providers that answer some requests as a test says: a prompt that brings them down, a header that lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lbd.model.failure import FailureKind
from lbd.simulate.host import SimHost
from lbd.simulate.job import Job
from lbd.simulate.world import World
from tests.fakes.virtual import VirtualEnv

# a status with its error and headers, a way to break the connection, or silence
Odd = tuple[int, dict[str, Any], dict[str, str]] | FailureKind | None
SILENCE: Odd = None


class Fickle(World):
    """``odd`` tells what becomes of a completion, KeyError for what the host does with every other."""

    def __init__(self, env: VirtualEnv, hosts: list[SimHost]) -> None:
        super().__init__(env, hosts)
        self.odd: Callable[[SimHost, dict[str, Any]], Odd] = _as_ever
        self.limits: Callable[[SimHost], dict[str, str]] = lambda _host: {}

    def _arrive(self, job: Job) -> None:
        try:
            what = self.odd(job.host, job.request)
        except KeyError:
            super()._arrive(job)
            job.limits = {**job.limits, **self.limits(job.host)}
            return
        if isinstance(what, FailureKind):
            job.broken(what)
        elif what is not None:
            status, error, headers = what
            job.whole(status, {"error": error}, headers)


def _as_ever(_host: SimHost, _request: dict[str, Any]) -> Odd:
    raise KeyError


def prompt(request: dict[str, Any]) -> str:
    """Return what a request says."""
    return str(request["messages"][-1]["content"])


def on(word: str, what: Odd) -> Callable[[SimHost, dict[str, Any]], Odd]:
    """Return a rule by which every prompt with ``word`` comes to that."""

    def odd(_host: SimHost, request: dict[str, Any]) -> Odd:
        if word not in prompt(request):
            raise KeyError
        return what

    return odd


def error(message: str, code: str | None = None, kind: str = "server_error") -> dict[str, Any]:
    """Return an error as OpenAI writes it."""
    return {"message": message, "type": kind, "param": None, "code": code}
