"""A chat-completion stream taken up: what is carried over, and what stands in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.model.messages import Argued, Calling, Finished, Reason, Refused, Said, Thought, Token
from lbd.shapes.chat.resume import begin, chunks, hear, read
from lbd.shapes.splice import CannotSplice
from tests.unit.shapes.streams import DONE, HEAD, ROLE, calls, chunk, event, says, spec_events

SIGNED = {"index": 0, "type": "reasoning.text", "text": "let me", "signature": "lbd.anthropic.c2ln"}
THOUGHT = chunk({"reasoning_content": "let "}) + chunk({"reasoning_content": "me"})


def test_what_was_shown_is_read_in_order() -> None:
    """Thoughts, text, refusals, calls, the end."""
    sent = ROLE + THOUGHT + says("a") + chunk({"refusal": "no"})
    sent += calls(0, name="f", arguments="") + calls(0, arguments='{"x"') + chunk(finish="tool_calls")
    shown = read(sent).shown
    assert not shown.closed
    thoughts, rest = shown.pieces[:2], shown.pieces[2:]
    assert [t.text for t in thoughts if isinstance(t, Thought)] == ["let ", "me"]
    assert rest[:2] == (Said("a"), Refused("no"))
    call, given, finish = rest[2:]
    assert isinstance(call, Calling) and (call.index, call.name) == (0, "f")
    assert (given, finish) == (Argued(0, '{"x"'), Finished(Reason.CALLS))


def test_a_speaker_goes_on_under_the_id_that_was_shown() -> None:
    """No second role, the same model and time; which build answers is each run's own."""
    sent = ROLE.replace(b'"object"', b'"system_fingerprint":"fp_1","object"') + says("a")
    speaker = read(sent).speak(False, b"{}")
    told = [json.loads(data) for _, data in spec_events(speaker.say([Said("b")]) + speaker.end()) if data != "[DONE]"]
    assert all({k: one[k] for k in HEAD} == HEAD and "system_fingerprint" not in one for one in told)
    assert [c["delta"] for one in told for c in one["choices"]] == [{"content": "b"}, {}]


def test_each_attempt_has_a_speaker_of_its_own() -> None:
    """What one has said, the next has not."""
    point = read(ROLE + says("a") + calls(0, name="f", arguments="{"))
    one, other = point.speak(False, b"{}"), point.speak(False, b"{}")
    one.say([Argued(0, "}"), Finished(Reason.CALLS)])
    assert b"tool_calls" in other.say([Argued(0, "}"), Finished(Reason.CALLS)])


@pytest.mark.parametrize("names", [("reasoning",), ("reasoning_content",), ("reasoning_content", "reasoning")])
def test_thoughts_go_on_where_they_stand(names: tuple[str, ...]) -> None:
    """Servers write them in one member, in the other, or in both."""
    sent = ROLE + chunk(dict.fromkeys(names, "let "))
    assert read(sent).shown.pieces == (Thought("let "),)
    told = read(sent).speak(False, b"{}").say([Thought("me")])
    assert [json.loads(data)["choices"][0]["delta"] for _, data in spec_events(told)] == [dict.fromkeys(names, "me")]


def test_a_signature_as_lbd_writes_it_signs_the_thoughts_before_it() -> None:
    """It is the whole of them that it repeats; where the thoughts go on, it will hold those that were shown too."""
    token = Token("anthropic", "c2ln")
    sent = ROLE + THOUGHT + chunk({"reasoning_details": [SIGNED]})
    assert read(sent).shown.pieces[-1] == Thought(token=token)
    told = (
        read(ROLE + chunk({"reasoning_content": "let "})).speak(False, b"{}").say([Thought("me"), Thought(token=token)])
    )
    details = [json.loads(data)["choices"][0]["delta"].get("reasoning_details") for _, data in spec_events(told)]
    assert details == [None, [SIGNED]]


def test_a_choice_whose_role_was_told_is_not_told_it_again() -> None:
    """Also where nothing else was told of it."""
    sent = ROLE + chunk({"role": "assistant"}, index=1) + says("a")
    told = read(sent).speak(False, b"{}").say([Said("b", 1), Said("c", 2)])
    deltas = [json.loads(data)["choices"][0]["delta"] for _, data in spec_events(told)]
    assert deltas == [{"content": "b"}, {"role": "assistant", "content": "c"}]


@pytest.mark.parametrize(
    ("delta", "why"),
    [
        ({"content": "a", "annotations": [{"type": "url_citation"}]}, "annotations"),
        ({"audio": {"id": "a", "data": "AA"}}, "audio"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"content": [{"type": "text", "text": "a"}]}, "content"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, "reasoning_details"),
        ({"reasoning": "a", "reasoning_content": "b"}, "different thoughts"),
        ({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, "reasoning_details"),
        ({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}, "of which"),
        ({"tool_calls": [{"index": 1, "function": {"name": "f"}}]}, "counted from 0"),
        ({"tool_calls": [{"index": 0, "custom": {"name": "f", "input": "x"}}]}, "custom"),
        ({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"x": 1}}}]}, "no text"),
    ],
)
def test_what_pieces_do_not_carry_stands_in_the_way(delta: dict[str, Any], why: str) -> None:
    """It could neither be compared nor gone on with: by name."""
    with pytest.raises(CannotSplice, match=why):
        read(ROLE + chunk(delta))


@pytest.mark.parametrize(
    "choice", [{"logprobs": {"content": []}}, {"message": {"content": "a"}}, {"token_ids": [1]}, {"index": "0"}]
)
def test_members_of_a_choice_too(choice: dict[str, Any]) -> None:
    """But for what says nothing of the answer itself."""
    plain = {"index": 0, "delta": {"content": "a"}, "logprobs": None, "finish_reason": None, "stop_reason": 7}
    assert read(event({**HEAD, "choices": [plain]})).shown.pieces == (Said("a"),)
    with pytest.raises(CannotSplice):
        read(event({**HEAD, "choices": [{**plain, **choice}]}))


def test_half_a_character_stands_in_the_way() -> None:
    """The other half is in another event, and nobody compares halves."""
    with pytest.raises(CannotSplice, match="half"):
        list(chunks(says("HALF").replace(b"HALF", b"\\ud83d")))


def test_a_second_run_is_read_for_its_pieces_alone() -> None:
    """What it has beside them is not shown; a finish that says stop after a call is that of a call."""
    told = hear()
    assert list(told(ROLE + chunk({"content": "a", "annotations": [1]}) + b": ping\n\n")) == [Said("a")]
    other = {"reasoning": "b", "reasoning_details": [{"type": "reasoning.text", "text": "b"}]}
    assert list(told(chunk(other))) == [Thought("b")]
    (call, *rest) = told(
        calls(0, id="x", name="f", arguments="{}") + chunk(finish="stop") + chunk(finish="stop") + DONE
    )
    assert isinstance(call, Calling) and rest == [Argued(0, "{}"), Finished(Reason.CALLS)]
    assert list(hear()(says("a") + chunk(finish="eos_token"))) == [Said("a"), Finished(Reason.STOP)]
    with pytest.raises(CannotSplice):
        hear()(event({**HEAD, "choices": [{"index": 0, "message": {"content": "a"}}]}))


def test_a_gemini_call_keeps_its_signature() -> None:
    """That of the run that was shown."""
    call = {
        "index": 0,
        "id": "a",
        "function": {"name": "f"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }
    (piece,) = read(chunk({"tool_calls": [call]})).shown.pieces
    assert isinstance(piece, Calling) and piece.token == Token("gemini", "c2ln")


def test_a_beginning_without_everything() -> None:
    """Some servers tell little."""
    told = begin({})
    assert (told.id, told.model, told.created) == ("", "", None)
