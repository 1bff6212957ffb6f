"""The way out of this host: failures at unrelated providers, all at once, are its own fault and none of theirs.

A cable pulled, a resolver down or a clock that is wrong (certificates are not valid yet) would otherwise open every
breaker and count every provider's uptime down. Providers on this host are none of it: nothing that they do says
anything about the way out.

It is lost when two hosts at least have failed since any was reached last, and nobody else is known to be reachable:
no other host was heard within ``WINDOW``, and those that failed are most of all, or most of those that were at work and
failed within ``BURST`` of each other. Two dead providers beside one that answers are two dead providers. Whoever keeps
this asks the others at once where there is a doubt.

Failures to connect count for ``WINDOW``. A connection that breaks, or silence, is as a rule its provider's own affair:
it counts only within ``BURST``. Time alone mends nothing; reaching anybody does.

Name resolution is a second way, kept in a value of its own: connections that were made before go on without it.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from lbd.model.address import is_loopback
from lbd.model.failure import FailureKind
from lbd.model.units import Instant, Seconds

WINDOW: Seconds = 10.0
BURST: Seconds = 0.1
LEAST = 2  # hosts that must fail: one alone is that host's trouble
RESOLVING = frozenset({FailureKind.DNS})
# no connection came about, whoever was asked
UNREACHED = frozenset({FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.TLS})
# a connection that stood was of no use any more
STRANDED = frozenset(
    {FailureKind.RESET, FailureKind.BROKEN_STREAM, FailureKind.TIMEOUT_FIRST, FailureKind.TIMEOUT_IDLE}
)
SIGNS = RESOLVING | UNREACHED | STRANDED
# only who was reached says so (None: a good answer)
ANSWERS: frozenset[FailureKind | None] = frozenset(
    {
        None,
        FailureKind.STREAM_ERROR,
        FailureKind.BAD_BODY,
        FailureKind.INVALID_ANSWER,
        FailureKind.RATE,
        FailureKind.MONEY,
        FailureKind.AUTH,
        FailureKind.NO_MODEL,
        FailureKind.OVERLOADED,
        FailureKind.LOADING,
        FailureKind.SERVER,
        FailureKind.PROVIDER_TIMEOUT,
        FailureKind.CONFLICT,
        FailureKind.DEPENDENCY,
        FailureKind.CONTEXT,
        FailureKind.CONTENT_FILTER,
    }
)


def beyond(base_url: str) -> str | None:
    """Return the host behind a provider's URL, None where it is this one."""
    host = urlsplit(base_url).hostname or ""
    return None if is_loopback(host) else host


class Sign(msgspec.Struct, frozen=True):
    """The last failure at one host."""

    host: str
    kind: FailureKind
    at: Instant


class Hosts(msgspec.Struct, frozen=True):
    """All hosts beyond this one; those heard within ``WINDOW``; those at which something is under way."""

    known: Collection[str]
    heard: Collection[str] = ()
    busy: Collection[str] = ()


class Uplink(msgspec.Struct, frozen=True):
    """``signs``: one of each host that failed since the last time any was reached."""

    signs: tuple[Sign, ...] = ()
    lost: bool = False

    @property
    def hosts(self) -> list[str]:
        """Name the hosts that failed."""
        return sorted(sign.host for sign in self.signs)


CLEAR = Uplink()


def failed(uplink: Uplink, host: str, kind: FailureKind, hosts: Hosts, now: Instant) -> Uplink:
    """Return it after a failure at ``host`` whose kind is one of ``SIGNS``."""
    recent = (*(s for s in uplink.signs if s.host != host and now - s.at <= WINDOW), Sign(host, kind, now))
    return replace(uplink, signs=recent, lost=uplink.lost or _lost(recent, hosts, now))


def _lost(signs: tuple[Sign, ...], hosts: Hosts, now: Instant) -> bool:
    burst = {s.host for s in signs if now - s.at <= BURST}
    gone = burst | {s.host for s in signs if s.kind not in STRANDED}
    if len(gone) < LEAST or not {s.host for s in signs}.issuperset(hosts.heard):
        return False
    most = 2 * len(gone) > len(gone.union(hosts.known))
    return most or (len(burst) >= LEAST and 2 * len(burst) > len(burst.union(hosts.busy)))


def doubtful(uplink: Uplink) -> bool:
    """Tell whether it may be lost: who has not been asked of late should be asked at once."""
    return not uplink.lost and len(uplink.signs) >= LEAST
