"""What an attempt used where its provider did not say: counted from what came, and marked as an estimate.

How is said in :mod:`lbd.shapes.counting`. What was refused, or never came to be sent, costs nothing; what was begun
costs its prompt, whatever became of it: also what was given up before its head came, since nobody knows how much of it
was computed.
"""

from __future__ import annotations

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.request import Head
from lbd.shapes.counting import answer_tokens, filled, prompt_tokens, unsaid
from lbd.upstream.attempt import Attempt

EMBEDDINGS = "embeddings"  # what a deployment ``serves`` whose answers are vectors

# It was sent, and given up while the provider was at it; without a failure it is the client that gave it up.
_GIVEN_UP = frozenset(
    {FailureKind.TIMEOUT_FIRST, FailureKind.TIMEOUT_TOTAL, FailureKind.TIMEOUT_IDLE, FailureKind.DRAINING, None}
)


def usage_of(attempt: Attempt, head: Head, tokens_per_byte: float) -> Usage | None:
    """Return what an attempt used, None where it was nothing or is not counted in tokens.

    Embeddings take their prompt; of what else is never streamed (counts, images) nothing is known but what was told.
    Where counts came and the last of them did not, those of the output are of its beginning. An answer that passes
    through may say of itself that it holds no token: a prompt that was echoed.
    """
    told, wire = attempt.usage, attempt.wire
    if told is not None and told.prompt and not told.estimated and (told.completion or wire.native):
        return told
    streams = wire.watch is not None
    if not (streams or wire.serves == EMBEDDINGS) or (told is None and not _begun(attempt)):
        return told
    said = 0
    if attempt.watch is not None:
        said = attempt.watch.contents
    elif attempt.answer is not None and streams:
        said = answer_tokens(attempt.answer)
        said = max(1, said) if told is None else said  # none is empty
    return filled(told, prompt_tokens(head.text_bytes, tokens_per_byte), said) if unsaid(told, said) else told


def _begun(attempt: Attempt) -> bool:
    if attempt.status:
        return 200 <= attempt.status < 300
    kind = None if attempt.failure is None else attempt.failure.kind
    return attempt.reached and kind in _GIVEN_UP
