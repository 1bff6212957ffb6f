"""What a request that ended says of each metric by which the arms of an experiment are compared.

What it cost is not always known: a deployment may have no price, a provider may not tell the usage. It says nothing of
the cost then; to take it for nothing would make the unknown the cheapest of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from lbd.model.failure import TABLE, FailureKind
from lbd.model.record import RequestRecord
from lbd.model.units import NANO_PER_USD, DeploymentId, NanoUsd

_NO_CANDIDATE = str(FailureKind.NO_CANDIDATE)


class Metric(StrEnum):
    """What the arms are compared by."""

    QUALITY = "quality"  # scores of answers
    ERRORS = "errors"  # share of requests that failed, and not for the client's fault
    COST = "cost_usd"  # of a request, all its attempts together
    TTFT = "ttft_s"  # first content of interactive streams
    TOTAL = "total_s"  # whole interactive answers that did not come as a stream


class Spent(NamedTuple):
    """What a request cost, all its attempts together; None where that is not known."""

    nano: NanoUsd | None
    unpriced: bool = False  # that is because somebody who answered has no price


def spent(record: RequestRecord, priced: Callable[[DeploymentId], bool]) -> Spent:
    """Return what a request cost; ``priced`` tells whether a deployment has a price.

    What was refused, or never sent, cost nothing. An answer, or what a client gave up, of no known usage has no known
    cost; of text the usage is estimated where the provider does not tell it.
    """
    known = True
    for attempt in record.attempts:
        if attempt.refused is not None or attempt.decision.chosen is None:
            continue
        if attempt.usage is None:
            known = known and attempt.failure is not None and attempt.failure is not FailureKind.CLIENT_GONE
        elif not priced(attempt.decision.chosen):
            return Spent(None, unpriced=True)
    return Spent(record.cost if known else None)


def values(record: RequestRecord, spent: Spent) -> Iterator[tuple[Metric, float]]:
    """Yield what a request says of each metric; nothing of one that it says nothing about."""
    if spent.nano is not None:
        yield Metric.COST, spent.nano / NANO_PER_USD
    ok = record.outcome == "ok"
    # that nobody may serve it is the treatment's doing where the control's would have been served
    if ok or record.outcome == _NO_CANDIDATE or TABLE[FailureKind(record.outcome)].slo:
        yield Metric.ERRORS, 0.0 if ok else 1.0
    if not ok or record.urgency != "interactive":
        return
    if record.stream:
        if record.ttft_s is not None:
            yield Metric.TTFT, record.ttft_s
    else:
        yield Metric.TOTAL, record.total_s
