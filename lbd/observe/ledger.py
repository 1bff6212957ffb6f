"""From records of requests to entries of the ledger, with what they are compared with; kept until they are written.

Noting one is all that the request path does. Entries are made in batches, by a loop that hands them to the books; what
cannot be written waits, up to a bound, and is then counted as lost; so is what nobody fetches.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TypeAlias

from lbd.decide.counterfactual import Compared, compared
from lbd.model.evaluation import EVALUATOR
from lbd.model.ledger import Entry, Kind
from lbd.model.outcome import Usage
from lbd.model.record import AttemptRecord, RequestRecord
from lbd.model.request import Ask
from lbd.model.table import DeploymentView, Snapshot
from lbd.model.units import DeploymentId, NanoUsd, WallTime

MOST = 200_000  # entries that wait for a disk that does not take them: some 100 MB
UNFETCHED = 50_000  # records that wait while it does not come back at all
_NO_USAGE = Usage()
REMEMBERED = 1024
_CLIENT, _EVALUATION = Kind.CLIENT, Kind.EVALUATION  # looking a member up in its enum costs 0.1 us each time
_Sent: TypeAlias = list[tuple[AttemptRecord, DeploymentView | None]]  # attempts, with their rows as they are now


class Ledger:
    """See the module. ``snapshot`` is the current table; ``baseline`` the configuration's model, or None."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._pending: list[RequestRecord] = []
        self._made: list[Entry] = []
        self._known: dict[tuple[object, ...], Compared] = {}
        self._known_of: tuple[object, str | None, int] = (None, None, 0)
        self._contexts: list[int] = []  # of the table, the smallest first
        self.baseline: str | None = None
        self.lost = 0

    def note(self, record: RequestRecord) -> None:
        """Note a request that ended."""
        if len(self._pending) < UNFETCHED:
            self._pending.append(record)
        else:
            self.lost += sum(a.refused is None for a in record.attempts)

    def own(self, id_: str, kind: Kind, deployment: DeploymentId, wall: WallTime, usage: Usage, nano: NanoUsd) -> None:
        """Note what lbd spent of its own accord: an attempt that no client asked for."""
        row = self._snapshot().row(deployment)
        model = "" if row is None else row.spec.model
        counts = (usage.prompt, usage.cached, usage.written, usage.completion, usage.reasoning, nano)
        whose = ("", "", "", model, deployment.partition("/")[0], deployment, "", "ok")
        self._made.append(Entry(id_, wall, id_, kind, *whose, *counts, usage.estimated))

    def take(self) -> list[Entry]:
        """Return what is to be written. What is not ``written`` after all comes back with ``back``."""
        pending, self._pending = self._pending, []
        made, self._made = self._made, []
        for record in pending:
            made += self.entries(record)
        return made

    def back(self, entries: list[Entry]) -> None:
        """Keep entries that could not be written, as far as there is room."""
        self._made = entries + self._made
        if len(self._made) > MOST:
            self.lost += len(self._made) - MOST
            self._made = self._made[-MOST:]

    def entries(self, record: RequestRecord) -> list[Entry]:
        """Return the entries of a request: one for each attempt that went out."""
        table = self._snapshot()
        sent = [
            (a, table.row(a.decision.chosen))
            for a in record.attempts
            if a.refused is None and a.decision.chosen is not None
        ]
        served, evaluates = _served(record, sent), record.client == EVALUATOR
        baseline = premium = cheapest = saved = None
        if served is not None and (usage := served.usage) is not None and not evaluates and _all_priced(sent):
            with_ = self._compared(served.decision.ask, record.asked)
            premium = with_.premium_of(usage)
            if premium is not None:
                baseline, cheapest, saved = with_.baseline, with_.cheapest_of(usage), premium
                for attempt, _ in sent:
                    saved -= attempt.cost
        out: list[Entry] = []
        for attempt, row in sent:
            id_, usage, its = attempt.decision.chosen or "", attempt.usage or _NO_USAGE, attempt is served
            out.append(
                Entry(
                    f"{record.id}/{len(out) + 1}",
                    record.time,
                    record.id,
                    _EVALUATION if evaluates else _CLIENT,
                    record.client,
                    record.surface,
                    record.target,
                    "" if row is None else row.spec.model,
                    id_.partition("/")[0],
                    id_,
                    record.urgency,
                    attempt.failure or record.outcome,
                    usage.prompt,
                    usage.cached,
                    usage.written,
                    usage.completion,
                    usage.reasoning,
                    attempt.cost,
                    usage.estimated,
                    not _priced(attempt, row),
                    its,
                    saved is not None,
                    baseline if its else None,
                    premium if its else None,
                    cheapest if its else None,
                    saved if its else None,
                )
            )
        return out

    def _compared(self, ask: Ask, asked: str) -> Compared:
        snapshot = self._snapshot()
        of = (snapshot.catalogue, self.baseline, int(snapshot.at))  # quality moves; once a second is often enough
        if of[0] is not self._known_of[0] or of[1:] != self._known_of[1:] or len(self._known) > REMEMBERED:
            self._known.clear()
            self._known_of = of
            self._contexts = sorted({n for row in snapshot.rows if (n := row.spec.context_tokens) is not None})
        fits = bisect_left(self._contexts, ask.input_tokens)  # in all but so many
        floor = (ask.quality_floor, ask.family, ask.excess, ask.doubt) if ask.quality_floor > 0 else ()
        key = (ask.target, ask.shape, ask.needs, floor, ask.allow, fits, ask.variant, asked)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = compared(snapshot, ask, asked, self.baseline)
        return found


def _served(record: RequestRecord, sent: _Sent) -> AttemptRecord | None:
    """Return the attempt whose answer the client has."""
    if record.outcome == "ok":
        for attempt, _ in reversed(sent):
            if attempt.decision.chosen == record.served_by:
                return attempt
    return None


def _all_priced(sent: _Sent) -> bool:
    return all(_priced(attempt, row) for attempt, row in sent)


def _priced(attempt: AttemptRecord, row: DeploymentView | None) -> bool:
    return attempt.usage is None or (row is not None and row.spec.price is not None)  # or nothing was spent
