"""Why a candidate ended: a reason that a client can be told, or that there is no answer in it.

Source: the enumeration FinishReason of the API, all of it. A word that is not here is an answer that stopped.
"""

from __future__ import annotations

from lbd.model.failure import Failure, FailureKind
from lbd.model.messages import Reason

K = FailureKind
# It was never said, or only that it was not: the candidate goes on.
OPEN = frozenset({"", "FINISH_REASON_UNSPECIFIED"})
REASONS = {
    "STOP": Reason.STOP,
    "MAX_TOKENS": Reason.LENGTH,
    "CONTINUATION": Reason.LENGTH,
    "SAFETY": Reason.FILTER,
    "RECITATION": Reason.FILTER,
    "LANGUAGE": Reason.FILTER,
    "BLOCKLIST": Reason.FILTER,
    "PROHIBITED_CONTENT": Reason.FILTER,
    "SPII": Reason.FILTER,
    "IMAGE_SAFETY": Reason.FILTER,
    "IMAGE_PROHIBITED_CONTENT": Reason.FILTER,
    "IMAGE_RECITATION": Reason.FILTER,
    "ESCALATION": Reason.FILTER,
    "MODEL_ARMOR": Reason.FILTER,
}
# What came with these is the rest of something broken, or nothing: passed on as an answer it would end an agent's work.
FAILURES = {
    "MALFORMED_FUNCTION_CALL": K.BAD_BODY,
    "UNEXPECTED_TOOL_CALL": K.BAD_BODY,
    "TOO_MANY_TOOL_CALLS": K.BAD_BODY,
    "MALFORMED_RESPONSE": K.BAD_BODY,
    "OTHER": K.BAD_BODY,
    "IMAGE_OTHER": K.BAD_BODY,
    "NO_IMAGE": K.BAD_BODY,
    "MISSING_THOUGHT_SIGNATURE": K.UNSUPPORTED,  # of a conversation that began elsewhere; who wants none may take it
    "PUP_LIMITED_DISABLED": K.AUTH,  # the account has been limited for what it was used for
}


def failed(word: str, message: object) -> Failure | None:
    """Return the failure that an end is, None where it is the end of an answer."""
    kind = FAILURES.get(word)
    if kind is None:
        return None
    told = f": {message}" if isinstance(message, str) and message else ""
    return Failure(kind, f"the model ended with {word}{told}"[:2000], status=200, code=word)


def blocked(feedback: object) -> Failure | None:
    """Return the failure that a blocked prompt is, None where it was not blocked."""
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if not isinstance(reason, str) or not reason or not isinstance(feedback, dict):
        return None
    message = feedback.get("blockReasonMessage")
    told = message if isinstance(message, str) and message else f"the prompt was blocked: {reason}"
    return Failure(K.CONTENT_FILTER, told[:2000], status=200, code="content_filter")
