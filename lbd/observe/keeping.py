"""Which traces are kept: decided when a request is over, from its record alone.

Kept are errors, streams that were gone on with elsewhere, hedges, moves and second tries, first contents that came
later than asked, traces that their client records itself, and a share of the rest. The share is decided by the trace's
id, as OpenTelemetry's samplers do it: the last 56 bits, which are spread evenly, are at least ``(1 - share) * 2**56``.
So everybody who keeps a share of the same traces keeps the same ones, and no chance is drawn for it.

What the client itself is to blame for is no error, as in OpenTelemetry a 4xx is none of a server: a bad request, a
wrong key, too many requests, having left. Nor is a lease that was refused before another one was taken. All of that is
ordinary.
"""

from __future__ import annotations

from lbd.model.failure import CLIENT_FAULTS, FailureKind
from lbd.model.record import RequestRecord
from lbd.model.tracing import Keep
from lbd.model.units import Ratio

_BITS = 56
_DIGITS = _BITS // 4
# ends that are their client's own doing: its faults, and what is over the limits that it was given
CALLERS = frozenset(map(str, CLIENT_FAULTS | {FailureKind.RATE_LIMIT, FailureKind.BUDGET}))
_ENDS = CALLERS | {"ok"}
_SAMPLED = frozenset({"01", "03"})


class Keeping:
    """The rule. Costs an ordinary request that is not kept some 0.2 us."""

    __slots__ = ("_from", "_sampled")

    def __init__(self, share: Ratio, *, sampled: bool) -> None:
        lowest = round((1 - share) * (1 << _BITS))
        # as digits, which are compared as they stand; a share of nothing begins behind the last of them
        self._from = f"{lowest:0{_DIGITS}x}" if lowest < 1 << _BITS else "g"
        self._sampled = _SAMPLED if sampled else frozenset()

    def why(self, record: RequestRecord) -> Keep | None:
        """Return why a trace is kept, None where it is not."""
        attempts = record.attempts
        if (record.outcome != "ok" or record.slo_missed or len(attempts) != 1 or attempts[0].failure is not None) and (
            found := _notable(record)
        ) is not None:
            return found if record.trace else None
        if record.flags in self._sampled:
            return Keep.SAMPLED
        return Keep.SHARE if record.trace[-_DIGITS:] >= self._from else None

    def keeps(self, record: RequestRecord) -> bool:
        """Tell whether a trace is kept."""
        return self.why(record) is not None


def _notable(record: RequestRecord) -> Keep | None:
    if record.outcome not in _ENDS:
        return Keep.ERROR
    if record.splices:
        return Keep.SPLICE
    if any(a.hedge for a in record.attempts):
        return Keep.HEDGE
    if record.moved or any(a.failure is not None and a.failure not in CALLERS for a in record.attempts):
        return Keep.FALLBACK
    return Keep.SLO_MISSED if record.slo_missed else None
