"""What an attempt used where its provider did not say: counted from what came, and marked as an estimate.

A delta of a stream is a token or little more, and a token of text some four bytes. What was refused, or never came to
be sent, costs nothing; what was begun costs its prompt, whatever became of it: also what was given up before its head
came, since nobody knows how much of it was computed.
"""

from __future__ import annotations

from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.request import Head
from lbd.model.units import BYTES_PER_TOKEN
from lbd.upstream.attempt import Attempt

# It was sent, and given up while the provider was at it; without a failure it is the client that gave it up.
_GIVEN_UP = frozenset(
    {FailureKind.TIMEOUT_FIRST, FailureKind.TIMEOUT_TOTAL, FailureKind.TIMEOUT_IDLE, FailureKind.DRAINING, None}
)


def usage_of(attempt: Attempt, head: Head, tokens_per_byte: float) -> Usage | None:
    """Return what an attempt used, None where it was nothing or is not counted in tokens of an answer.

    What is never streamed (embeddings, counts) is no text that a model says. Where counts came and the last of them did
    not, those of the output are of its beginning.
    """
    told = attempt.usage
    if told is not None and told.estimated and attempt.watch is not None:
        return replace(told, completion=max(told.completion, attempt.watch.contents))
    if attempt.usage is not None or attempt.wire.watch is None or not _begun(attempt):
        return attempt.usage
    said = 0
    if attempt.watch is not None:
        said = attempt.watch.contents
    elif attempt.answer is not None:
        said = max(1, len(attempt.answer) // BYTES_PER_TOKEN)
    return Usage(max(1, round(head.text_bytes * tokens_per_byte)), said, estimated=True)


def _begun(attempt: Attempt) -> bool:
    if attempt.status:
        return 200 <= attempt.status < 300
    kind = None if attempt.failure is None else attempt.failure.kind
    return attempt.sent_at > 0 and kind in _GIVEN_UP
