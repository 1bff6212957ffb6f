"""The life of a batch as functions of it.

    validating -> in_progress -> finalizing -> completed | expired
    validating -> failed
    validating | in_progress -> cancelling -> cancelled

A step that the table does not hold is a ValueError: the batch stays as it was. ``now`` is in whole seconds
since the epoch, since these are records and what a client is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from lbd.model.batch import ENDED, Batch, Counts, Fault, Status, StoredFile
from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.units import Seconds, WallTime

KEPT: Seconds = 30 * 86400.0  # files after their batch ended; OpenAI keeps a batch's files as long
KEPT_SINGLE: Seconds = 86400.0  # a single request and its answer; OpenAI keeps those of its background mode for minutes
SINGLE = "background"  # the purpose of the files of a single request
LONGEST_WINDOW_H = 24 * 14
TRIES = 3  # for a line that a provider could not answer; lbd has tried everybody each time
FIRST_WAIT: Seconds = 1.0
LONGEST_WAIT: Seconds = 60.0
FILE = "file-"  # how the id of a file begins
# What lbd itself says while nobody can serve: no line is spent on an outage, it waits until its window ends
TRANSIENT = frozenset(str(kind) for kind in (FailureKind.UNAVAILABLE, FailureKind.BUSY, FailureKind.DRAINING))

_S = Status
STEPS: dict[Status, frozenset[Status]] = {
    _S.VALIDATING: frozenset({_S.IN_PROGRESS, _S.FAILED, _S.CANCELLING}),
    _S.IN_PROGRESS: frozenset({_S.FINALIZING, _S.CANCELLING, _S.FAILED}),
    _S.FINALIZING: frozenset({_S.COMPLETED, _S.EXPIRED}),
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    **{ended: frozenset() for ended in ENDED},
}


def window(text: object) -> int | None:
    """Return a completion window in seconds; None for what is no number of hours that can be kept."""
    found = re.fullmatch(r"([1-9][0-9]{0,2})h", text) if isinstance(text, str) else None
    hours = 0 if found is None else int(found[1])
    return hours * 3600 if 0 < hours <= LONGEST_WINDOW_H else None


def _to(batch: Batch, status: Status, now: int) -> Batch:
    if status not in STEPS[batch.status]:
        raise ValueError(f"a batch that is {batch.status} cannot become {status}")
    return replace(batch, status=status, stamps={**batch.stamps, status: now})


def begin(batch: Batch, now: int, *, total: int, output_id: str, error_id: str, model: str | None = None) -> Batch:
    """Its input is good: lines may be sent. ``model`` is what all of them ask for."""
    begun = _to(batch, Status.IN_PROGRESS, now)
    return replace(begun, counts=Counts(total), output_id=output_id, error_id=error_id, model=model)


def fail(batch: Batch, now: int, faults: Iterable[Fault]) -> Batch:
    """Its input is not good: nothing is sent."""
    return replace(_to(batch, Status.FAILED, now), faults=tuple(faults))


def cancel(batch: Batch, now: int) -> Batch:
    """Its client wants no more of it: nothing further is sent."""
    return batch if batch.status is Status.CANCELLING else _to(batch, Status.CANCELLING, now)


def count(batch: Batch, completed: int, failed: int, usage: Usage | None = None) -> Batch:
    """Return it with so many lines ended, whose answers used so much; None where none of them says."""
    if usage is None and not completed:
        usage = Usage()  # nothing was used, which is known
    return replace(batch, counts=Counts(batch.counts.total, completed, failed), usage=usage)


def finalize(batch: Batch, now: int, *, unanswered: int) -> Batch:
    """Nothing is under way any more; ``unanswered`` lines ran out of time."""
    fate = Status.EXPIRED if unanswered else Status.COMPLETED
    return replace(_to(batch, Status.FINALIZING, now), fate=fate)


def end(batch: Batch, now: int, *, output: bool, errors: bool) -> Batch:
    """Its results are kept; ``output`` and ``errors`` say which of its two files hold something."""
    fate = Status.CANCELLED if batch.status is Status.CANCELLING else batch.fate
    ended = _to(batch, fate, now)
    return replace(
        ended,
        output_file_id=batch.output_id if output else None,
        error_file_id=batch.error_id if errors else None,
    )


class Standing(NamedTuple):
    """How all batches stand together."""

    by_status: dict[Status, int]  # every status, also those that no batch is in
    waiting: int  # lines without a result, those under way among them; of batches whose input has been read
    oldest_s: Seconds  # since the oldest batch that has not ended came; 0 where all have


def standing(batches: Iterable[Batch], now: WallTime) -> Standing:
    """Return how batches stand."""
    by_status = dict.fromkeys(Status, 0)
    waiting, oldest = 0, now
    for batch in batches:
        by_status[batch.status] += 1
        if not batch.ended:
            waiting += batch.counts.total - batch.counts.completed - batch.counts.failed
            oldest = min(oldest, batch.created_at)
    return Standing(by_status, waiting, now - oldest)


def dead(batches: Iterable[Batch]) -> list[Batch]:
    """Return what ended without an answer to each of its lines, by no wish of its client; the latest first."""
    lost = [b for b in batches if b.ended and b.status is not Status.CANCELLED and _lacks(b)]
    return sorted(lost, key=lambda b: b.ended_at or 0, reverse=True)


def _lacks(batch: Batch) -> bool:
    return batch.status in (Status.FAILED, Status.EXPIRED) or batch.counts.failed > 0


def transient(status: int, code: object) -> bool:
    """Tell whether an answer says nothing but that nobody can serve at the moment."""
    return status == 429 or code in TRANSIENT


def stands(status: int, code: object, tries: int) -> bool:
    """Tell whether a line's answer is its last; ``tries`` is how often somebody answered it."""
    if transient(status, code):
        return False
    return status < 500 or tries >= TRIES


def pause(row: int, told_s: Seconds | None = None) -> Seconds:
    """Return how long a batch sends nothing after an answer that does not stand.

    ``row`` is how many such pauses there were in a row, this one with them; ``told_s`` is what the answer asks for.
    """
    wait = min(LONGEST_WAIT, FIRST_WAIT * 4.0 ** min(row - 1, 8))
    return wait if told_s is None else min(LONGEST_WAIT, max(wait, told_s))


def outdated(files: Iterable[StoredFile], batches: Iterable[Batch], now: int) -> tuple[list[str], list[str]]:
    """Return the ids of files and of batches whose time is over.

    A file's time counts from when the last batch that it belongs to ended, or from when it came; nothing goes
    while a batch that needs it is under way. What belongs to a single request goes sooner.
    """
    since: dict[str, int] = {}
    busy: set[str] = set()
    gone = []
    for batch in batches:
        ended = batch.ended_at
        for file in (batch.input_file_id, batch.output_id, batch.error_id):
            if file is not None and ended is None:
                busy.add(file)
            elif file is not None and ended is not None:
                since[file] = max(ended, since.get(file, 0))
        if ended is not None and now - ended > _kept(single=batch.single):
            gone.append(batch.id)
    old = [f.id for f in files if f.id not in busy and _over(f, since.get(f.id, f.created_at), now)]
    return old, gone


def _kept(*, single: bool) -> Seconds:
    return KEPT_SINGLE if single else KEPT


def _over(file: StoredFile, since: int, now: int) -> bool:
    if file.expires_at is not None:
        return now >= file.expires_at
    return now - max(since, file.created_at) > _kept(single=file.purpose == SINGLE)


def spare(batches: Iterable[Batch]) -> list[Batch]:
    """Return the single requests that have ended in the order in which they go where room is needed.

    Those of the client that has most of them first, the oldest of its own first: whoever fills the room makes it.
    """
    by_client: dict[str, list[Batch]] = {}
    for batch in batches:
        if batch.single and batch.ended:
            by_client.setdefault(batch.client, []).append(batch)
    ranked: list[tuple[int, int, Batch]] = []
    for mine in by_client.values():
        mine.sort(key=_when, reverse=True)
        ranked += [(-newer, _when(batch), batch) for newer, batch in enumerate(mine)]
    return [batch for _, _, batch in sorted(ranked, key=lambda row: row[:2])]


def _when(batch: Batch) -> int:
    return batch.ended_at or 0


def contents(batch: Batch) -> list[str]:
    """Return the files of a batch that has ended: what was asked, and what came of it."""
    return [f for f in (batch.input_file_id, batch.output_file_id, batch.error_file_id) if f is not None]


def strays(contents: Iterable[str], files: Iterable[str], batches: Iterable[Batch]) -> list[str]:
    """Return which contents belong to nothing that is known.

    ``files`` are the ids of all files. Besides them a batch that has not ended has its input, and its results, which
    are files at its end only. What lbd does not name so is not its own.
    """
    known = set(files)
    for batch in batches:
        if not batch.ended:
            known |= {batch.input_file_id, batch.output_id or "", batch.error_id or ""}
    return [name for name in contents if name.startswith(FILE) and name not in known]
