"""The decision journal: the last request records, and the snapshots that their decisions were made on.

A snapshot is kept once, however many decisions used it, and shares every unchanged row with its neighbours;
how many are kept is bounded by the rows in them, so memory does not depend on the number of deployments.
"""

from __future__ import annotations

from collections import OrderedDict

from lbd.model.record import RequestRecord
from lbd.model.table import Snapshot

KEPT_ROWS = 20_000  # a row takes about 1.2 KB, and most are shared
FEWEST = 50


class Journal:
    """See the module."""

    def __init__(self, records: int = 10_000) -> None:
        self._bound = records
        self._records: OrderedDict[str, RequestRecord] = OrderedDict()
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()

    def set_bound(self, records: int) -> None:
        """Change how many records are kept."""
        self._bound = records
        while len(self._records) > records:
            self._records.popitem(last=False)

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot on which decisions are made."""
        snapshots = self._snapshots
        if snapshot.generation not in snapshots:
            snapshots[snapshot.generation] = snapshot
            most = max(FEWEST, KEPT_ROWS // max(1, len(snapshot.rows)))
            while len(snapshots) > most:
                snapshots.popitem(last=False)

    def add(self, record: RequestRecord) -> None:
        """Keep a record."""
        self._records[record.id] = record
        if len(self._records) > self._bound:
            self._records.popitem(last=False)

    def get(self, request_id: str) -> RequestRecord | None:
        """Return the record of a request."""
        return self._records.get(request_id)

    def snapshot(self, generation: int) -> Snapshot | None:
        """Return the snapshot of a generation, None where it is not kept any more."""
        return self._snapshots.get(generation)

    def last(self, count: int) -> list[RequestRecord]:
        """Return the last records, youngest first."""
        out: list[RequestRecord] = []
        for record in reversed(self._records.values()):
            if len(out) >= count:
                break
            out.append(record)
        return out

    def __len__(self) -> int:
        return len(self._records)
