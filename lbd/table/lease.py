"""A slot at a deployment for one attempt. It ends exactly once.

It ends by ``settle(outcome)`` or ``ignore()``; leaving the ``with`` block settles what was forgotten as
``ignore``. For a stream it ends with the last byte, not with the headers.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from lbd.model.outcome import Outcome
from lbd.state.moment import joined
from lbd.state.row import Row, adaptive
from lbd.state.stays import Stay
from lbd.table.accounts import Sent


class Lender(Protocol):
    """Who gave a lease, and takes it back."""

    def settle(self, lease: Lease, outcome: Outcome | None) -> None:
        """Take in the outcome (None: it says nothing) and free the slot."""


class Lease:
    """See the module. ``trial``: it holds a counted half-open (or last-resort) trial.

    ``sent`` is the request as its account counted it; ``inflight``: how many were there with it, once it is over how
    many there were when it came. ``stay``: how long it is there, and with whom, where a limit learns from that.
    """

    __slots__ = ("_background", "_ended", "_lender", "_moment", "inflight", "key", "row", "sent", "stay", "trial")

    def __init__(self, lender: Lender, row: Row, trial: bool, inflight: int, sent: Sent) -> None:
        self._lender = lender
        self.row = row
        self.key = row.provider.api_key  # with which it is asked; a reload may bring another
        self.trial = trial
        self.inflight = inflight
        self.sent = sent
        self._ended = False
        self._moment = row.moment = joined(row.moment, inflight, sent.at)
        self.stay: Stay | None = None
        if not row.calm and adaptive(row):
            self.stay = row.stays.came(self._moment, sent.at)
        self._background = False

    def in_background(self) -> None:
        """Count it among the row's background requests until it ends."""
        self._background = True
        self.row.reserve.background += 1

    def settle(self, outcome: Outcome) -> None:
        """End it with what became of the attempt."""
        self._end(outcome)

    def ignore(self) -> None:
        """End it saying nothing about the deployment."""
        self._end(None)

    def _end(self, outcome: Outcome | None) -> None:
        if not self._ended:
            self._ended = True
            self.row.reserve.background -= self._background
            self.inflight = self._moment.ended()
            self._lender.settle(self, outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(None)
