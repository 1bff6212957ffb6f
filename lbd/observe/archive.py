"""The decision journal as bytes: every request that ended, and each table that decisions were made on, once.

A frame is a deflated MessagePack list of entries. Of a table only the rows that differ from the one before are
written; the first of a segment is whole, so that each can be read by itself. A record comes after the tables that its
decisions were made on, in this segment or in one before it of the same run.

Neither prompts nor what is made of them is in it: an ``Ask`` holds none, the texts that a deployment adds are left out
but for their version, and so is what a provider said of a failure, which may quote the prompt.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from lbd.model.plan import Catalogue
from lbd.model.provider import DeploymentSpec, PromptSpec, ScorerSpec
from lbd.model.record import RequestRecord
from lbd.model.table import Alternative, DeploymentView, Snapshot
from lbd.model.units import Instant, Ratio, Seconds, WallTime
from lbd.store import segments

LEVEL = 1  # of deflate: the next ones take twice the time for a tenth less
MOST_TABLES = 20_000  # that a reader remembers: half an hour of them, and unchanged rows are shared
_NO_SPEC = DeploymentSpec("", "", "", "", "")


class Bounds(msgspec.Struct, frozen=True):
    """What a surface sets where a request sets nothing of its own."""

    ttft_p95_s: Seconds | None = None
    quality_floor: Ratio = 0.0
    max_usd: float | None = None


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """What wrote a segment: the version of lbd, one run of it, its scoring terms, the configuration by its hash."""

    version: str
    run: str
    wall: WallTime
    terms: tuple[str, ...] = ()
    config: str = ""
    surfaces: dict[str, Bounds] = {}


class Table(msgspec.Struct, frozen=True, tag="table"):
    """A snapshot, as far as it differs from the one before; ``rows`` by index, without their specs."""

    generation: int
    at: Instant
    wall: WallTime
    tokens_per_byte: float
    rows: dict[int, DeploymentView]
    specs: tuple[DeploymentSpec, ...] | None = None  # None: as before, and so is what follows
    catalogue: Catalogue | None = None
    scorer: ScorerSpec | None = None
    variants: dict[str, Alternative] | None = None


class Ended(msgspec.Struct, frozen=True, tag="request"):
    """A request that ended."""

    record: RequestRecord


Entry: TypeAlias = Opened | Table | Ended
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Opened | Table | Ended])


class Scribe:
    """Turns snapshots and records into frames. ``opened`` is called for what stands at the head of a segment."""

    def __init__(self, opened: Callable[[], Opened]) -> None:
        self._opened = opened
        self._last: Snapshot | None = None

    def frame(self, items: Sequence[Snapshot | RequestRecord], *, first: bool) -> bytes:
        """Return the frame of what was kept, in its order; ``first``: it begins a segment."""
        entries: list[Entry] = []
        if first:
            before, self._last = self._last, None
            entries.append(self._opened())
            if before is not None and not (items and isinstance(items[0], Snapshot)):
                entries.append(self._table(before))
        entries += [self._table(item) if isinstance(item, Snapshot) else Ended(discreet(item)) for item in items]
        return zlib.compress(_ENCODER.encode(entries), LEVEL)

    def _table(self, now: Snapshot) -> Table:
        last, self._last = self._last, now
        head = (now.generation, now.at, now.wall, now.tokens_per_byte)
        same = (
            last is not None
            and now.catalogue is last.catalogue
            and now.scorer is last.scorer
            and now.variants is last.variants
            and len(now.rows) == len(last.rows)
            and all(a.spec is b.spec for a, b in zip(now.rows, last.rows, strict=True))
        )
        if last is not None and same:
            changed = {i: _bare(a) for i, (a, b) in enumerate(zip(now.rows, last.rows, strict=True)) if a is not b}
            return Table(*head, changed)
        rows = {i: _bare(row) for i, row in enumerate(now.rows)}
        specs = tuple(_wordless(row.spec) for row in now.rows)
        return Table(*head, rows, specs, now.catalogue, now.scorer, dict(now.variants))


def _bare(row: DeploymentView) -> DeploymentView:
    return replace(row, spec=_NO_SPEC)


def _wordless(spec: DeploymentSpec) -> DeploymentSpec:
    return spec if spec.prompt is None else replace(spec, prompt=PromptSpec(version=spec.prompt.version))


def discreet(record: RequestRecord) -> RequestRecord:
    """Return a record without what providers said of its failures."""
    if not any(a.message for a in record.attempts):
        return record
    return replace(record, attempts=tuple(replace(a, message="") if a.message else a for a in record.attempts))


class Kept(NamedTuple):
    """A record as it was read, what wrote it, and the tables of its run that are remembered, by generation."""

    record: RequestRecord
    opened: Opened
    tables: Mapping[int, Snapshot]


class _Run:
    """What was read of one run: its tables, and what the next is told against."""

    def __init__(self) -> None:
        self.tables: OrderedDict[int, Snapshot] = OrderedDict()
        self.last: Snapshot | None = None

    def take(self, told: Table) -> None:
        last = self.last
        if told.specs is not None and told.catalogue is not None and told.scorer is not None:
            rows = tuple(replace(told.rows[i], spec=spec) for i, spec in enumerate(told.specs))
            catalogue, scorer, variants = told.catalogue, told.scorer, told.variants or {}
        elif last is not None:
            changed = {i: replace(row, spec=last.rows[i].spec) for i, row in told.rows.items()}
            rows = tuple(changed.get(i, row) for i, row in enumerate(last.rows)) if changed else last.rows
            catalogue, scorer, variants = last.catalogue, last.scorer, dict(last.variants)
        else:
            return  # what it is told against is gone
        if last is not None and told.specs is None:
            variants = last.variants  # type: ignore[assignment]  # the same one, so that what is remembered by it holds
        made = Snapshot(
            told.generation, told.at, told.wall, rows, catalogue, scorer, told.tokens_per_byte, variants=variants
        )
        self.last = self.tables[told.generation] = made
        while len(self.tables) > MOST_TABLES:
            self.tables.popitem(last=False)


class Reader:
    """Reads a journal's folder from the oldest record to the youngest.

    ``torn``: bytes that are no whole frames; ``foreign``: frames that this version cannot read, and ``why`` the first.
    ``told`` is called now and then with the bytes read and those there are.
    """

    def __init__(self, folder: Path, *, since: WallTime = 0.0, told: Callable[[int, int], None] | None = None) -> None:
        self.folder = folder
        self._since = since
        self._told = told
        self.torn = 0
        self.foreign = 0
        self.why = ""

    def __iter__(self) -> Iterator[Kept]:
        """Yield every record that ended since then. Raises OSError."""
        paths = self._paths()
        sizes = [path.stat().st_size for path in paths]
        done, runs = 0, dict[str, _Run]()
        for path, size in zip(paths, sizes, strict=True):
            yield from self._segment(path, runs)
            done += size
            if self._told is not None:
                self._told(done, sum(sizes))

    def _paths(self) -> list[Path]:
        """Return the segments that matter: a request that ended just then was decided on in the one before."""
        paths = segments.segments(self.folder)
        late = [i for i, path in enumerate(paths) if _begun(path) > self._since]
        first = (late[0] if late else len(paths)) - 2
        return paths[max(0, first) :]

    def _segment(self, path: Path, runs: dict[str, _Run]) -> Iterator[Kept]:
        data = path.read_bytes()
        self.torn += segments.rest(data)
        if not data.startswith(segments.MAGIC):
            return
        opened: Opened | None = None
        run = _Run()
        for entry in self._entries(path, segments.frames(data)):
            match entry:
                case Opened():
                    opened, run = entry, runs.setdefault(entry.run, _Run())
                case Table():
                    run.take(entry)
                case Ended(record=record) if opened is not None and record.time >= self._since:
                    yield Kept(record, opened, run.tables)

    def _entries(self, path: Path, payloads: Iterable[bytes]) -> Iterator[Entry]:
        for payload in payloads:
            try:
                yield from _DECODER.decode(zlib.decompress(payload))
            except (msgspec.MsgspecError, zlib.error) as e:
                self.foreign += 1
                self.why = self.why or f"{path.name}: {e}"


def _begun(path: Path) -> WallTime:
    try:
        return segments.begun_at(path)
    except ValueError:
        return 0.0
