"""Active probes, one kind a file: what lbd asks of a provider when no request tells it.

A probe is a value: a ``Kind`` with the coroutine that asks. It speaks through a ``Target``, which belongs to
one provider (or one deployment, for paid kinds) and one round of probing; the same path asked twice in a
round goes out once. To add one, create a module here that calls ``PROBES.add("<name>")``.

Three verdicts: up, down, busy. Busy is not down. A probe that learned nothing returns None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import ProbeResult, Usage, Verdict
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.units import Instant, NanoUsd, Seconds, WallTime
from lbd.registry import Registry
from lbd.shapes.providers import Shape


class Answer(NamedTuple):
    """What an endpoint said."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: Seconds


class Completed(NamedTuple):
    """What a completion brought."""

    usage: Usage | None
    cost: NanoUsd
    ttft_s: Seconds | None
    took_s: Seconds


class Target(Protocol):
    """Whom a probe asks. Everything that fails is raised as ``LbdError``."""

    @property
    def provider(self) -> ProviderSpec:
        """The provider."""

    @property
    def shape(self) -> Shape:
        """How it is spoken to."""

    @property
    def deployment(self) -> DeploymentSpec | None:
        """The deployment, for kinds that ask for a completion."""

    def now(self) -> Instant:
        """Return the monotonic time."""

    def wall(self) -> WallTime:
        """Return the time of day."""

    async def get(self, path: str) -> Answer:
        """Ask a free endpoint, with the credential. ``/path`` is relative to the server, ``path`` to the base URL."""

    async def complete(self, *, stream: bool) -> Completed:
        """Ask the deployment for the smallest completion."""

    async def certificate_end(self) -> WallTime:
        """Return when the server's TLS certificate expires."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of probe. ``paid``: it asks one deployment for a completion; free kinds ask the provider.

    ``period_s``: asked this often at most, where the general period would be too eager.
    """

    name: str
    run: Callable[[Target], Awaitable[ProbeResult | None]]
    applies: Callable[[Shape, ProviderSpec], bool]
    paid: bool = False
    period_s: Seconds = 0.0


# What a paid probe may meet that means "not now" instead of "not working".
_BUSY = frozenset({FailureKind.RATE, FailureKind.OVERLOADED, FailureKind.CONFLICT})


async def ask(target: Target, name: str, *, stream: bool) -> ProbeResult:
    """Ask for a completion and say what came of it."""
    began = target.now()
    try:
        done = await target.complete(stream=stream)
    except LbdError as e:
        f = e.failure
        verdict = Verdict.BUSY if f.kind in _BUSY else Verdict.DOWN
        failure = None if verdict is Verdict.BUSY else f.kind
        return ProbeResult(
            name,
            verdict,
            target.now(),
            target.now() - began,
            f"{f.kind}: {f.message}"[:200],
            failure,
            retry_after_s=f.retry_after_s,
        )
    return ProbeResult(name, Verdict.UP, target.now(), done.took_s, "answered", ttft_s=done.ttft_s, cost=done.cost)


PROBES: Registry[Kind] = Registry("probe", __name__)
