"""The way out of this host: failures to connect to unrelated providers, all at once, are its own fault.

A cable pulled or a resolver down would otherwise open every breaker and count every provider's uptime down.
Providers on this host are none of it: nothing that they do says anything about the way out.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.units import Instant, Seconds

WINDOW: Seconds = 10.0
LEAST = 2  # hosts that must fail: one alone is that host's trouble
UNREACHED = frozenset({FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT})


class Uplink(msgspec.Struct, frozen=True):
    """``failed``: when a connection to which host failed last, since the last time any host was reached."""

    failed: tuple[tuple[str, Instant], ...] = ()
    lost: bool = False


CLEAR = Uplink()


def unreached(uplink: Uplink, host: str, others: int, now: Instant) -> Uplink:
    """Return it after a failure to connect to ``host``; there are ``others`` more hosts beyond this one.

    It is lost when more than half of all of them failed within ``WINDOW``, at least ``LEAST``.
    """
    recent = tuple((h, at) for h, at in uplink.failed if h != host and now - at <= WINDOW)
    count = len(recent) + 1
    lost = uplink.lost or (count >= LEAST and 2 * count > others + 1)
    return replace(uplink, failed=(*recent, (host, now)), lost=lost)
