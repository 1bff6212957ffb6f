"""Answers as pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Token, Used
from lbd.model.outcome import Usage
from lbd.shapes.gemini.answer import Reader
from tests.unit.shapes.gemini.answers import (
    FIRST,
    HEAD,
    OVERLOADED,
    SIGNATURE,
    USAGE,
    answer,
    call,
    candidate,
    text,
    thought,
)

OWN = Token("gemini", SIGNATURE)
BEGIN = Begin(HEAD["responseId"], HEAD["modelVersion"])
ID = f"call_{HEAD['responseId'][-22:]}"


def read(*events: dict[str, Any]) -> list[Piece]:
    reader = Reader()
    out = [piece for event in events for piece in reader.take(event)]
    ends = reader.ends()
    assert reader.ends() == []
    return out + ends


def failure(*events: dict[str, Any]) -> FailureKind:
    with pytest.raises(LbdError) as e:
        read(*events)
    return e.value.failure.kind


def test_text_thoughts_and_usage() -> None:
    """The beginning tells what is known of the usage, the end all of it."""
    told = read(
        answer(candidate(thought("hm"), text("4")), usageMetadata=FIRST),
        answer(candidate(text("2"), finish="STOP"), usageMetadata=USAGE),
    )
    assert told == [
        Begin(BEGIN.id, BEGIN.model, usage=Usage(20, 0, 16)),
        Thought("hm"),
        Said("4"),
        Said("2"),
        Finished(Reason.STOP),
        Used(Usage(20, 37, 16, 30)),
    ]


def test_a_signature_beside_text_follows_it() -> None:
    """It is all that there is of the thought; on a thought or a call it is theirs."""
    told = read(
        answer(
            candidate(
                thought("hm", thoughtSignature=SIGNATURE),
                text("42", thoughtSignature=SIGNATURE),
                text("", thoughtSignature=SIGNATURE),
                thought(""),
                finish="STOP",
            )
        )
    )
    bare = Thought(token=OWN, redacted=True)
    assert told == [BEGIN, Thought("hm", token=OWN), Said("42"), bare, bare, Finished(Reason.STOP)]


def test_calls_are_numbered_and_named() -> None:
    """One without an id gets one that is the same however the answer comes, and no other call's."""
    told = read(
        answer(candidate(call("f", {"a": 1}, "c1", thoughtSignature=SIGNATURE), call("g"), finish="STOP")),
        answer(candidate(call("g", {}), index=1, finish="MAX_TOKENS")),
    )
    assert told == [
        BEGIN,
        Calling(0, "c1", "f", 0, OWN),
        Argued(0, '{"a":1}'),
        Calling(1, f"{ID}_0_1", "g"),
        Argued(1, "{}"),
        Calling(0, f"{ID}_1_0", "g", 1),
        Argued(0, "{}", 1),
        Finished(Reason.CALLS, 0),
        Finished(Reason.LENGTH, 1),
    ]
    assert len(f"{ID}_127_99") <= 40


def test_a_call_of_an_answer_without_an_id_has_one_all_the_same() -> None:
    """Some servers name no answers."""
    told = read({"candidates": [candidate(call("f"), finish="STOP")]})
    assert told[:2] == [Begin("", ""), Calling(0, "call_0_0", "f")]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", Reason.STOP),
        ("MAX_TOKENS", Reason.LENGTH),
        ("SAFETY", Reason.FILTER),
        ("RECITATION", Reason.FILTER),
        ("A_LATER_WORD", Reason.STOP),
    ],
)
def test_the_reason_is_told_in_lbds_words(word: str, reason: Reason) -> None:
    """A filter that left nothing is a reason, not a failure: the client is told so."""
    assert read(answer(candidate(finish=word))) == [BEGIN, Finished(reason)]


def test_an_end_that_is_none_leaves_it_open() -> None:
    """Neither silence nor the unspecified ends a candidate."""
    assert read(answer(candidate(text("a"), finish="FINISH_REASON_UNSPECIFIED"))) == [BEGIN, Said("a")]
    assert read(answer(candidate(text("a"), finish="STOP"), candidate(text("b"), index=1)))[-1] == Finished(Reason.STOP)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (OVERLOADED, FailureKind.OVERLOADED),
        ({"error": "no"}, FailureKind.STREAM_ERROR),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": FIRST}, FailureKind.CONTENT_FILTER),
        (answer(candidate(text("x"), finish="MALFORMED_FUNCTION_CALL")), FailureKind.BAD_BODY),
        (answer(candidate({"inlineData": {"mimeType": "image/png", "data": "aGk="}})), FailureKind.UNSUPPORTED),
        (answer(candidate({"executableCode": {"code": "1"}})), FailureKind.UNSUPPORTED),
    ],
)
def test_what_is_no_answer_is_a_failure(event: dict[str, Any], kind: FailureKind) -> None:
    """An error, a block, something broken, something that cannot be said."""
    assert failure(event) is kind


def test_arguments_that_are_none_are_a_failure() -> None:
    """Deeper than can be written, though it can be read; or no object."""
    deep = json.loads('{"a":' * 500 + "1" + "}" * 500)
    for args in (deep, [1], 5, "{}"):
        assert failure(answer(candidate({"functionCall": {"name": "f", "args": args}}))) is FailureKind.BAD_BODY


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"candidates": 5},
        {"candidates": [5, None]},
        {"promptFeedback": {"safetyRatings": []}, "usageMetadata": "many"},
    ],
)
def test_what_says_nothing_is_nothing(event: dict[str, Any]) -> None:
    """Additions of later versions among them."""
    assert read(event) == []


def test_it_is_known_how_many_candidates_have_ended() -> None:
    """None has, as far as the answer goes, while one of them goes on."""
    reader = Reader()
    assert (reader.candidates, reader.finished) == (0, 0)
    reader.take(answer(candidate(text("a")), candidate(text("b"), index=1, finish="STOP")))
    assert (reader.candidates, reader.finished) == (2, 0)
    reader.take(answer(candidate(finish="STOP")))
    assert (reader.candidates, reader.finished) == (2, 2)


def test_odd_members_are_passed_over() -> None:
    """A candidate is still a candidate."""
    odd = {"index": "x", "content": {"parts": [5, {"text": 5}, {"later": 1}, {"functionCall": 5}]}, "finishReason": 7}
    assert read(answer(odd)) == [BEGIN]
    assert read(answer({"content": None, "index": -1, "finishReason": "STOP"})) == [BEGIN, Finished(Reason.STOP)]


def test_log_probabilities_are_in_openais_form() -> None:
    """On the text that they are of, else on none."""
    result = {
        "chosenCandidates": [{"token": "é", "tokenId": 5, "logProbability": -0.5}, {"token": "!"}],
        "topCandidates": [
            {"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "e", "logProbability": -2}]}
        ],
    }
    content = [
        {
            "token": "é",
            "logprob": -0.5,
            "bytes": [195, 169],
            "top_logprobs": [
                {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                {"token": "e", "logprob": -2.0, "bytes": [101]},
            ],
        },
        {"token": "!", "logprob": 0.0, "bytes": [33], "top_logprobs": []},
    ]
    told = {"content": content, "refusal": None}
    assert read(answer(candidate(thought("hm"), text("é!"), logprobsResult=result)))[1:] == [
        Thought("hm"),
        Said("é!", 0, told),
    ]
    assert read(answer(candidate(logprobsResult=result)))[1:] == [Said("", 0, told)]
    assert read(answer(candidate(text("a"), logprobsResult={"chosenCandidates": []})))[1:] == [Said("a")]
