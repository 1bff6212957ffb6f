"""Files and batches as OpenAI's Batch API knows them. Times are whole seconds since the epoch, as on the wire."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lbd.model.outcome import Usage

# The routes whose requests may come in a batch: what answers with one JSON body and can wait.
ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/moderations")


class Status(StrEnum):
    """Where a batch stands."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.EXPIRED, Status.CANCELLED})


class Fate(StrEnum):
    """How a line of a batch ended: with a good answer, with a failure, or unanswered, out of time or cancelled."""

    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class StoredFile(msgspec.Struct, frozen=True):
    """What is known of a file; its content is kept apart under its id."""

    id: str
    client: str  # the name of the API key's owner
    filename: str
    purpose: str  # batch, batch_output, or background: of a request that waits by itself
    bytes: int
    created_at: int
    expires_at: int | None = None  # where its maker said so; else it goes some time after its batch ended


class Fault(msgspec.Struct, frozen=True):
    """Why a batch cannot be run: what is wrong with a line of its input."""

    code: str
    message: str
    line: int | None = None  # from 1
    param: str | None = None


class Counts(msgspec.Struct, frozen=True):
    """How many lines there are, and how many of them ended which way."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class Batch(msgspec.Struct, frozen=True):
    """A batch. ``stamps`` holds when it came to each status."""

    id: str
    client: str
    endpoint: str
    input_file_id: str
    completion_window: str
    created_at: int
    expires_at: int
    metadata: dict[str, str] | None = None
    output_keep_s: int | None = None  # how long its results are kept from when they were made, where asked for
    status: Status = Status.VALIDATING
    fate: Status = Status.COMPLETED  # what follows finalizing
    stamps: dict[Status, int] = {}
    counts: Counts = Counts()
    faults: tuple[Fault, ...] = ()
    # Under which ids results are gathered; a client is told of those that hold something, at the end
    output_id: str | None = None
    error_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    single: bool = False  # one request that waits by itself, and no batch to its client
    wishes: dict[str, str] | None = None  # its ``x-lbd-*`` headers, without their prefix
    echo: tuple[int, int] = (0, 0)  # where its file says what an answer says again of it: offset and size, in bytes
    model: str | None = None  # that all of its lines ask for; None before that is known, and where they differ
    usage: Usage | None = None  # of its answers so far; None where none of them says what it used

    @property
    def ended(self) -> bool:
        """Tell whether nothing more becomes of it."""
        return self.status in ENDED

    @property
    def ended_at(self) -> int | None:
        """Return when it ended."""
        return self.stamps.get(self.status) if self.ended else None
