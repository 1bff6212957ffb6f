"""Files and batches in the words of OpenAI's API: what a client asks, and what it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import parse_qs

import msgspec

from lbd.model.batch import ENDPOINTS, Batch, Status, StoredFile
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.shapes.multipart import Part
from lbd.state import batch as states

KEEP_FROM, KEEP_TO = 3600, 30 * 86400  # seconds, as OpenAI's expires_after
MOST_METADATA = (16, 64, 512)  # entries, and characters of a key and of a value: as OpenAI's
MOST_NAME = 255
DIGITS = 10  # of a number that could be meant
T = TypeVar("T", StoredFile, Batch)


class Expiry(msgspec.Struct, forbid_unknown_fields=True):
    """When files are to go."""

    anchor: str
    seconds: int


class NewBatch(msgspec.Struct, forbid_unknown_fields=True):
    """The body that makes a batch."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_expires_after: Expiry | None = None


def bad(text: str, param: str, code: str = "invalid_value") -> LbdError:
    """Return the error of a request that asks for what cannot be had."""
    return LbdError(Failure(FailureKind.BAD_REQUEST, text, param=param, code=code))


def kept_for(expiry: Expiry | None, param: str) -> int | None:
    """Return for how many seconds files are to be kept, where it was said. Raises LbdError."""
    if expiry is None:
        return None
    if expiry.anchor != "created_at":
        raise bad("anchor must be created_at", f"{param}.anchor")
    if not KEEP_FROM <= expiry.seconds <= KEEP_TO:
        raise bad(f"seconds must be in {KEEP_FROM}..{KEEP_TO}", f"{param}.seconds")
    return expiry.seconds


def upload(parts: Sequence[Part]) -> tuple[str, bytes, int | None]:
    """Return the name, the content and the time to keep of a file that is sent in. Raises LbdError."""
    fields: dict[str, str] = {}
    file: Part | None = None
    for part in parts:
        if part.name == "file":
            if file is not None:
                raise bad("one file at a time", "file")
            file = part
        else:
            fields[part.name] = part.content.decode("utf-8", "replace")
    known = {"purpose", "expires_after[anchor]", "expires_after[seconds]"}
    strange = sorted(fields.keys() - known)
    if strange:
        raise bad(f"{strange[0][:100]!r} is not known here", strange[0][:100])
    if file is None or file.filename is None:
        raise bad("the form holds no file", "file", "missing_required_parameter")
    if fields.get("purpose") != "batch":
        raise bad("purpose must be batch: lbd keeps files for batches only", "purpose")
    expiry = None
    if len(fields) > 1:
        seconds = fields.get("expires_after[seconds]", "")
        expiry = Expiry(
            fields.get("expires_after[anchor]", ""),
            int(seconds) if seconds.isdecimal() and len(seconds) <= DIGITS else 0,
        )
    return file.filename[:MOST_NAME] or "upload.jsonl", file.content, kept_for(expiry, "expires_after")


def new_batch(body: bytes, client: str, batch_id: str, now: int, find: Callable[[str], StoredFile]) -> Batch:
    """Return the batch that a body asks for; ``find`` looks a file of the client up. Raises LbdError."""
    try:
        asked = msgspec.json.decode(body, type=NewBatch)
    except (msgspec.MsgspecError, ValueError) as e:
        raise bad(f"the body makes no batch: {e}", "body", "invalid_request") from e
    if asked.endpoint not in ENDPOINTS:
        raise bad(f"endpoint must be one of {', '.join(ENDPOINTS)}", "endpoint")
    within = states.window(asked.completion_window)
    if within is None:
        raise bad(f"completion_window must be 1h..{states.LONGEST_WINDOW_H}h, as in 24h", "completion_window")
    entries, key, value = MOST_METADATA
    told = asked.metadata or {}
    if len(told) > entries or any(len(k) > key or len(v) > value for k, v in told.items()):
        raise bad(f"metadata: at most {entries} keys of {key} characters, values of {value}", "metadata")
    keep_s = kept_for(asked.output_expires_after, "output_expires_after")
    file = find(asked.input_file_id)
    if file.purpose != "batch":
        raise bad(f"the purpose of {file.id} is {file.purpose}, not batch", "input_file_id")
    return Batch(
        id=batch_id,
        client=client,
        endpoint=asked.endpoint,
        input_file_id=file.id,
        completion_window=asked.completion_window,
        created_at=now,
        expires_at=now + within,
        metadata=asked.metadata,
        output_keep_s=keep_s,
        usage=Usage(),
    )


def file_object(file: StoredFile) -> dict[str, object]:
    """Return a file as it is shown."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


_STAMPED = tuple(s for s in Status if s is not Status.VALIDATING)


def batch_object(batch: Batch) -> dict[str, object]:
    """Return a batch as it is shown."""
    errors = {"object": "list", "data": msgspec.to_builtins(batch.faults)} if batch.faults else None
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": errors,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": str(batch.status),
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": batch.created_at,
        "expires_at": batch.expires_at,
        **{f"{status}_at": batch.stamps.get(status) for status in _STAMPED},
        "request_counts": msgspec.to_builtins(batch.counts),
        "usage": None if batch.usage is None else _usage(batch.usage),
        "model": batch.model,
        "metadata": batch.metadata,
    }


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }


def page(query: str, items: Sequence[T], show: Callable[[T], Mapping[str, object]], most: int) -> dict[str, object]:
    """Return the part of a list that a query asks for; ``items`` oldest first, shown newest first. Raises LbdError."""
    asked = {k: v[-1] for k, v in parse_qs(query).items()}
    limit = asked.get("limit", str(min(most, 10_000)))
    if not limit.isdecimal() or len(limit) > DIGITS or not 1 <= int(limit) <= most:
        raise bad(f"limit must be in 1..{most}", "limit")
    order = asked.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad("order must be asc or desc", "order")
    rows = list(items) if order == "asc" else list(items)[::-1]
    purpose = asked.get("purpose")
    if purpose is not None:
        rows = [r for r in rows if isinstance(r, Batch) or r.purpose == purpose]
    after = asked.get("after")
    if after is not None:
        at = next((i for i, r in enumerate(rows) if r.id == after), None)
        if at is None:
            raise bad(f"after: there is no {after[:100]!r} in this list", "after")
        rows = rows[at + 1 :]
    shown = rows[: int(limit)]
    return {
        "object": "list",
        "data": [show(r) for r in shown],
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
        "has_more": len(rows) > len(shown),
    }
