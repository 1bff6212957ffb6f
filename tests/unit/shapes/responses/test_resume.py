"""A stream of the Responses API taken up: which items are open, how events count on, and what stands in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.model.messages import Argued, Calling, Finished, Piece, Reason, Refused, Said, Thought, Token
from lbd.shapes import sse
from lbd.shapes.responses.resume import hear, read
from lbd.shapes.responses.speak import ResponsesSpeaker
from lbd.shapes.splice import CannotSplice
from tests.unit.shapes.responses.answers import BEGIN, SIGNED, event

WORLD = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}


def spoken(*pieces: Piece) -> bytes:
    """Return how a stream begins that says so much."""
    return ResponsesSpeaker(True).say((BEGIN, *pieces))


def goes_on(sent: bytes, *pieces: Piece) -> list[dict[str, Any]]:
    """Return the events with which a speaker goes on."""
    speaker = read(sent).speak(True, b"{}")
    return [json.loads(f.data or b"") for f in sse.frames(speaker.say(pieces) + speaker.end())]


def test_an_open_message_goes_on_and_its_end_holds_all_of_it() -> None:
    """Under its own id and place, with the numbers that follow."""
    sent = spoken(Said("He"))
    shown = [json.loads(f.data or b"") for f in sse.frames(sent)]
    told = goes_on(sent, Said("llo"))
    assert [e["sequence_number"] for e in (*shown, *told)] == list(range(len(shown) + len(told)))
    assert told[0]["type"] == "response.output_text.delta" and told[0]["item_id"] == shown[-1]["item_id"]
    (item,) = told[-1]["response"]["output"]
    assert item["content"][0]["text"] == "Hello" and told[-1]["response"]["id"] == shown[0]["response"]["id"]
    assert read(sent).shown.pieces == (Said(""), Said("He"))


def test_a_call_goes_on_within_its_arguments() -> None:
    """Its item holds them as a whole; the id of the call is the one that was shown."""
    told = goes_on(spoken(Calling(0, "call_1", "f"), Argued(0, '{"x":')), Argued(0, "1}"), Finished(Reason.CALLS))
    (item,) = told[-1]["response"]["output"]
    assert (item["call_id"], item["arguments"], item["status"]) == ("call_1", '{"x":1}', "completed")


def test_items_that_were_done_stay_as_they_are() -> None:
    """In their places, thoughts with their signature."""
    sent = spoken(Thought("hm"), Thought(token=SIGNED), Calling(0, "c", "f"), Argued(0, "{}"), Calling(1, "d", "g"))
    told = goes_on(sent, Argued(1, "{}"), Said("a"))
    output = told[-1]["response"]["output"]
    assert [o["type"] for o in output] == ["reasoning", "function_call", "function_call", "message"]
    assert output[0]["encrypted_content"] and output[0]["summary"][0]["text"] == "hm"
    assert Thought(token=SIGNED) in read(sent).shown.pieces
    assert read(spoken(Thought("hm", token=SIGNED))).shown.closed


def test_a_refusal_is_known_for_one() -> None:
    """It decides how the response ends."""
    sent = spoken(Refused("I can"))
    told = goes_on(sent, Refused("not"), Finished(Reason.REFUSAL))
    assert told[-1]["type"] == "response.completed"
    assert told[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "I cannot"}]


def test_each_attempt_goes_on_by_itself() -> None:
    """What one has added is not in the other's end."""
    point = read(spoken(Said("a")))
    point.speak(True, b"{}").say([Said("x")])
    speaker = point.speak(True, b"{}")
    assert b'"text":"ab"' in speaker.say([Said("b")]) + speaker.end()


def added(place: int, number: int = 2, **item: Any) -> bytes:
    return event("response.output_item.added", number, output_index=place, item=item)


CREATED = event("response.created", 0, response={"id": "resp_1", "model": "m", "created_at": 7.0})
MESSAGE = added(0, id="msg_1", type="message", content=[])
PART = event("response.content_part.added", 3, output_index=0, content_index=0, part=WORLD)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (added(0, id="ws_1", type="web_search_call"), "web_search_call"),
        (added(1, id="msg_1", type="message", content=[]), "follow one another"),
        (MESSAGE, "within the beginning"),
        (added(0, id="rs_1", type="reasoning", summary=[]), "within the beginning"),
        (event("response.created", 0, response={"id": "chatcmpl-1"}), "no id"),
        (event("response.queued", 1), "response.queued"),
        (
            MESSAGE + event("response.content_part.added", 3, part={**WORLD, "annotations": [{"type": "x"}]}),
            "output_text",
        ),
        (PART, "output_text"),
        (
            MESSAGE + PART + event("response.output_text.delta", 4, delta="a", logprobs=[{"token": "a"}]),
            "probabilities",
        ),
        (MESSAGE + PART + event("response.output_text.done", 4, text=""), "the end"),
        (
            MESSAGE
            + PART
            + event("response.content_part.done", 4, part=WORLD)
            + PART.replace(b'"content_index":0', b'"content_index":1'),
            "two texts",
        ),
        (event("response.function_call_arguments.delta", 2, output_index=0, delta="{"), "without their call"),
        (event("response.output_item.done", 2, output_index=0, item={}), "not begun"),
        (b'data: {"type":"response.in_progress"}\n\n', "without its number"),
        (
            added(0, id="rs_1", type="reasoning", summary=[])
            + event(
                "response.output_item.done", 3, output_index=0, item={"type": "reasoning", "encrypted_content": "x"}
            ),
            "hidden",
        ),
    ],
)
def test_what_pieces_do_not_carry_stands_in_the_way(sent: bytes, why: str) -> None:
    """By name, or by where it broke."""
    with pytest.raises(CannotSplice, match=why):
        read(CREATED + sent)


def test_thoughts_without_a_word_or_a_token_are_none() -> None:
    """Models that do not show them write an empty item."""
    done = event(
        "response.output_item.done", 3, output_index=0, item={"id": "rs_1", "type": "reasoning", "summary": []}
    )
    sent = (
        CREATED
        + added(0, id="rs_1", type="reasoning", summary=[])
        + done
        + added(1, 4, id="m", type="message", content=[])
    )
    sent += event("response.content_part.added", 5, output_index=1, content_index=0, part=WORLD)
    assert read(sent).shown.pieces == (Said(""),)
    told = goes_on(sent, Said("a"))
    assert told[0]["output_index"] == 1 and [o["type"] for o in told[-1]["response"]["output"]] == [
        "reasoning",
        "message",
    ]


def test_a_second_run_is_read_for_its_pieces() -> None:
    """Its end is its last event; arguments that come only with the item are read there."""
    told = hear()
    done = {"type": "function_call", "arguments": '{"x":1}'}
    sent = added(0, id="fc_1", type="function_call", call_id="c", name="f", arguments="")
    sent += event("response.output_item.done", 3, output_index=0, item=done) + event("response.new", 4)
    assert list(told(sent)) == [Calling(0, "c", "f"), Argued(0, '{"x":1}')]
    assert list(told(event("response.completed", 5, response={}))) == [Finished(Reason.CALLS)]
    cut = {"incomplete_details": {"reason": "max_output_tokens"}}
    assert list(hear()(event("response.incomplete", 5, response=cut))) == [Finished(Reason.LENGTH)]
    hidden = {"type": "reasoning", "summary": [], "encrypted_content": "x"}
    sent = added(0, id="rs_1", type="reasoning", summary=[]) + event(
        "response.output_item.done", 3, output_index=0, item=hidden
    )
    assert list(hear()(sent)) == [Thought(token=Token("openai", "x"), redacted=True)]
