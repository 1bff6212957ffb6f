"""The decision journal: the last request records, and the snapshots that their decisions were made on.

Two rings of the same size: one for requests that went as they should, one for those that somebody will ask
about (failed, moved, late), which plain traffic must not push out. The bound is small on purpose: what is kept
should fit into a core's cache. At 10,000 records the cold memory of old ones costs a request 12 us, at 2,000
four, at 1,000 next to nothing.

A snapshot is kept once, however many decisions used it, and shares every unchanged row with its neighbours;
how many are kept is bounded by the rows in them, so memory does not depend on the number of deployments.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice

from lbd.model.record import RequestRecord
from lbd.model.table import Snapshot

KEPT_ROWS = 20_000  # a row takes about 1.2 KB, and most are shared
FEWEST = 50
MOST = 4000  # snapshots: every reload brings a catalogue of its own


class Journal:
    """See the module."""

    def __init__(self, records: int = 1000) -> None:
        self._bound = records
        self._plain: OrderedDict[str, RequestRecord] = OrderedDict()
        self._told: OrderedDict[str, RequestRecord] = OrderedDict()
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()

    def set_bound(self, records: int) -> None:
        """Change how many records each ring keeps."""
        self._bound = records
        for ring in (self._plain, self._told):
            while len(ring) > records:
                ring.popitem(last=False)

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot on which decisions are made."""
        snapshots = self._snapshots
        if snapshot.generation not in snapshots:
            snapshots[snapshot.generation] = snapshot
            most = min(MOST, max(FEWEST, KEPT_ROWS // max(1, len(snapshot.rows))))
            while len(snapshots) > most:
                snapshots.popitem(last=False)

    def add(self, record: RequestRecord) -> None:
        """Keep a record."""
        plain = record.outcome == "ok" and len(record.attempts) == 1 and not record.slo_missed
        ring = self._plain if plain else self._told
        ring[record.id] = record
        if len(ring) > self._bound:
            ring.popitem(last=False)

    def get(self, request_id: str) -> RequestRecord | None:
        """Return the record of a request."""
        return self._told.get(request_id) or self._plain.get(request_id)

    def snapshot(self, generation: int) -> Snapshot | None:
        """Return the snapshot of a generation, None where it is not kept any more."""
        return self._snapshots.get(generation)

    def last(self, count: int) -> list[RequestRecord]:
        """Return the last records, youngest first."""
        plain, told = (islice(reversed(ring.values()), count) for ring in (self._plain, self._told))
        return sorted([*plain, *told], key=lambda r: (r.time, r.id), reverse=True)[:count]

    def __len__(self) -> int:
        return len(self._plain) + len(self._told)
