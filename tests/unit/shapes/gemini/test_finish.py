"""Why a candidate ends."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.model.messages import Reason
from lbd.shapes.gemini import finish

K = FailureKind


def test_every_word_of_the_api_has_one_meaning() -> None:
    """A reason, a failure, or not an end: each word of the published enumeration stands in one table."""
    types = pytest.importorskip("google.genai.types")
    words = {reason.value for reason in types.FinishReason}
    tables = [set(finish.REASONS), set(finish.FAILURES), finish.OPEN - {""}]
    assert set().union(*tables) == words
    assert sum(map(len, tables)) == len(words)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("MALFORMED_FUNCTION_CALL", K.BAD_BODY),
        ("OTHER", K.BAD_BODY),
        ("MISSING_THOUGHT_SIGNATURE", K.UNSUPPORTED),
        ("PUP_LIMITED_DISABLED", K.AUTH),
    ],
)
def test_what_is_no_answer_is_a_failure_that_says_why(word: str, kind: FailureKind) -> None:
    """Its word is the code, Google's message is told."""
    failure = finish.failed(word, "Malformed function call: print(")
    assert failure is not None
    assert (failure.kind, failure.code) == (kind, word)
    assert failure.message == f"the model ended with {word}: Malformed function call: print("
    again = finish.failed(word, None)
    assert again is not None
    assert again.message == f"the model ended with {word}"


@pytest.mark.parametrize("word", ["STOP", "SAFETY", "A_LATER_WORD"])
def test_an_end_is_no_failure(word: str) -> None:
    """A filter's word is a reason that clients know."""
    assert finish.failed(word, "x") is None
    assert finish.REASONS.get(word, Reason.STOP) in (Reason.STOP, Reason.FILTER)


@pytest.mark.parametrize(
    ("feedback", "message"),
    [
        ({"blockReason": "SAFETY"}, "the prompt was blocked: SAFETY"),
        ({"blockReason": "JAILBREAK", "blockReasonMessage": "No."}, "No."),
        ({"blockReason": ""}, None),
        ({"blockReason": 5}, None),
        ({"safetyRatings": []}, None),
        (None, None),
        ("SAFETY", None),
    ],
)
def test_a_blocked_prompt_is_the_clients(feedback: object, message: str | None) -> None:
    """No other provider is asked, and nothing counts against this one."""
    failure = finish.blocked(feedback)
    assert (None if failure is None else failure.message) == message
    assert failure is None or failure.kind is K.CONTENT_FILTER
