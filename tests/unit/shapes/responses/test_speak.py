"""Pieces as answers of the Responses API, held against the official SDK's types."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Argued, Calling, Piece, Said
from lbd.shapes.gather import gather
from lbd.shapes.responses.speak import ResponsesSpeaker, whole
from tests.unit.shapes.responses import answers
from tests.unit.shapes.responses.answers import ANSWERS, BEGIN, events, plain, response, spoken

every_answer = pytest.mark.parametrize("pieces", list(ANSWERS.values()), ids=list(ANSWERS))


def kinds(pieces: list[Piece]) -> list[str]:
    return [e["type"].removeprefix("response.") for e in events(spoken(pieces))]


def output(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = response(whole(gather(ANSWERS[name])))["output"]
    return found


@every_answer
def test_the_sdk_knows_every_event_and_they_are_numbered_from_0(pieces: list[Piece]) -> None:
    """No number is left out, and the stream begins and ends as the API says."""
    told = events(spoken(pieces))
    assert [e["sequence_number"] for e in told] == list(range(len(told)))
    assert [e["type"] for e in told[:2]] == ["response.created", "response.in_progress"]
    assert told[-1]["type"] == f"response.{told[-1]['response']['status']}"
    assert b"[DONE]" not in spoken(pieces)


@every_answer
def test_the_unary_answer_is_what_the_stream_ended_with(pieces: list[Piece]) -> None:
    """And the SDK knows it."""
    assert response(whole(gather(pieces))) == events(spoken(pieces))[-1]["response"]


@every_answer
def test_deltas_put_together_are_what_is_done(pieces: list[Piece]) -> None:
    """Items are added once, done once and at their places; texts, refusals, arguments and thoughts are the deltas'."""
    told = events(spoken(pieces))
    built = follow(told)
    assert built == told[-1]["response"]["output"]


def follow(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Build the output as a client does that reads every event, checking their order."""
    items: dict[int, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    deltas: dict[tuple[Any, ...], str] = {}
    for e in told:
        kind, place = e["type"].removeprefix("response."), e.get("output_index")
        if place is None:
            continue
        inner = (place, e.get("content_index"), e.get("summary_index"))
        if kind == "output_item.added":
            assert place == len(items)
            items[place] = e["item"]
        elif kind == "output_item.done":
            assert place in items and place not in done
            assert items[place]["id"] == e["item"]["id"]
            done[place] = e["item"]
        elif kind.endswith("part.added"):
            assert place in items and place not in done and inner not in deltas
            deltas[inner] = ""
        elif kind.endswith(".delta"):
            assert place in items and place not in done and e["item_id"] == items[place]["id"]
            assert inner in deltas or kind.startswith("function_call")
            deltas[inner] = deltas.get(inner, "") + e["delta"]
        elif kind.endswith("part.done"):
            assert deltas[inner] == e["part"].get("text", e["part"].get("refusal"))
        elif kind.endswith(".done"):
            texts = [e[name] for name in ("text", "refusal", "arguments") if name in e]
            assert texts == [deltas.get(inner, "")]
    return [done[place] for place in sorted(items)]


def test_text_is_told_in_the_order_of_the_api() -> None:
    """An item, a part in it, its text, and each ended before what it stands in."""
    assert kinds(plain(Said("a"), Said("b"))) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_thoughts_are_told_as_a_summary_with_their_token_at_the_end() -> None:
    """Tagged with its maker, where OpenAI's clients keep encrypted reasoning."""
    told = events(spoken(ANSWERS["thoughts"]))
    assert [e["type"].removeprefix("response.") for e in told[2:9]] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert told[8]["item"]["encrypted_content"] == "lbd.anthropic.c2ln"
    assert told[8]["item"]["summary"] == [{"type": "summary_text", "text": "Let me see"}]


def test_what_is_not_shown_differs_from_what_is_redacted() -> None:
    """An empty summary of the one, none of the other: both come back as what they were."""
    silent, redacted = output("thoughts that are not shown")[:2]
    assert silent["summary"] == [{"type": "summary_text", "text": ""}]
    assert redacted["summary"] == []


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("text", "completed", None),
        ("a call", "completed", None),
        ("cut", "incomplete", "max_output_tokens"),
        ("filtered", "incomplete", "content_filter"),
        ("refused", "completed", None),
        ("refused without a word", "incomplete", "content_filter"),
    ],
)
def test_why_an_answer_ended(name: str, status: str, why: str | None) -> None:
    """In the API's own words; the item that was cut says so too."""
    told = response(whole(gather(ANSWERS[name])))
    assert (told["status"], told["incomplete_details"]) == (status, why and {"reason": why})
    assert told["output"][-1]["status"] == status


def test_a_call_without_arguments_has_an_empty_object_of_them() -> None:
    """Applications read them as JSON."""
    assert [c["arguments"] for c in output("a call of nothing")] == ["{}", "{}"]


def test_a_call_that_was_cut_is_incomplete() -> None:
    """Nobody is to run it."""
    told = response(whole(gather(answers.plain(Calling(0, "c", "f"), Argued(0, '{"a'), reason=answers.Reason.LENGTH))))
    assert [(c["status"], c["arguments"]) for c in told["output"]] == [("incomplete", '{"a')]


def test_calls_are_known_by_the_id_that_their_results_name() -> None:
    """The item's own id is another; a signature goes along."""
    first, second = output("two calls")
    assert (first["call_id"], second["call_id"]) == ("call_1", "call_2")
    assert first["id"].startswith("fc_") and first["id"] != second["id"]
    assert first["thought_signature"] == "lbd.gemini.eA"
    assert "thought_signature" not in second


def test_a_call_that_is_whole_is_done_before_the_next_begins() -> None:
    """So an agent can start on it; arguments that come in turn are told all the same."""
    told = kinds(ANSWERS["two calls"])
    assert told.index("output_item.done") < len(told) - 1 - told[::-1].index("output_item.added")
    assert [c["arguments"] for c in output("calls in turn")] == ['{"a":1}', "{}"]


def test_more_of_a_call_that_is_over_is_a_failure() -> None:
    """Not an answer whose parts disagree."""
    speaker = ResponsesSpeaker(False)
    speaker.say([BEGIN, Calling(0, "c", "f"), Argued(0, "{}"), Said("x"), Argued(0, " ")])
    with pytest.raises(LbdError) as caught:
        speaker.say([Argued(0, "{}")])
    assert caught.value.failure.kind is FailureKind.BAD_BODY


def test_usage_is_counted_as_the_api_does() -> None:
    """Total included, and what was written to the cache."""
    assert response(whole(gather(ANSWERS["text"])))["usage"] == {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 2},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 27,
    }


def test_nothing_is_stored() -> None:
    """And the response says so."""
    assert response(whole(gather(ANSWERS["text"])))["store"] is False


@given(st.lists(answers.any_piece, max_size=12))
def test_whatever_comes_the_stream_is_one_that_the_sdk_knows(pieces: list[Piece]) -> None:
    """Or it is a failure, and nothing else is raised."""
    try:
        stream = spoken(pieces)
    except LbdError as e:
        assert e.failure.kind is FailureKind.BAD_BODY
        return
    told = events(stream)
    assert follow(told) == told[-1]["response"]["output"]
    response(whole(gather(pieces)))


@given(st.data())
def test_pieces_may_be_said_in_any_portions(data: st.DataObject) -> None:
    """The bytes are the same."""
    pieces = data.draw(st.sampled_from(list(ANSWERS.values())))
    speaker = ResponsesSpeaker(False)
    out, at = b"", 0
    while at < len(pieces):
        step = data.draw(st.integers(0, len(pieces) - at)) or 1
        out += speaker.say(pieces[at : at + step])
        at += step
    assert out + speaker.end() == spoken(pieces)
