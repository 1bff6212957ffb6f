"""Pieces as chat-completion answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import (
    Argued,
    Begin,
    Call,
    Calling,
    Finished,
    Piece,
    Reason,
    Refused,
    Said,
    Text,
    Thinking,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes.chat import hear
from lbd.shapes.chat.read import read
from lbd.shapes.chat.speak import ChatSpeaker, usage_fields, whole
from lbd.shapes.gather import gather
from tests.unit.shapes.conversations import DEEP, letters
from tests.unit.shapes.messages.test_speak import said
from tests.unit.shapes.streams import spec_events

BEGIN = Begin("id", "m", 7, "fp")
USED = Used(Usage(20, 7, 10, 3, written=6))


def spoken(pieces: list[Piece], *, usage: bool = True) -> bytes:
    speaker = ChatSpeaker(usage)
    return speaker.say(pieces) + speaker.end()


def chunks(stream: bytes) -> list[dict[str, Any]]:
    out = [data for _, data in spec_events(stream)]
    assert out.count("[DONE]") == 1 and out[-1] == "[DONE]"
    for one in out[:-1]:
        ChatCompletionChunk.model_validate_json(one)
    return [json.loads(one) for one in out[:-1]]


def accumulated(stream: bytes) -> Any:
    """Return the completion that the official client makes of a stream."""
    state: Any = ChatCompletionStreamState()
    for one in chunks(stream):
        state.handle_chunk(ChatCompletionChunk.model_validate(one))
    return state.current_completion_snapshot


@given(said())
def test_the_official_client_makes_the_unary_answer_of_a_stream(pieces: list[Piece]) -> None:
    """Text, refusal, calls with whole arguments, thoughts with what signs them, reason and usage."""
    unary = json.loads(whole(gather(pieces)))
    ChatCompletion.model_validate(unary)
    found = accumulated(spoken(pieces))
    told, message = found.choices[0].message, unary["choices"][0]["message"]
    assert found.id == unary["id"] and found.model == unary["model"]
    assert (told.content or None) == message["content"]
    assert told.refusal == message["refusal"]
    assert (told.model_extra or {}).get("reasoning_content") == message.get("reasoning_content")
    streamed = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in told.tool_calls or ()]
    assert streamed == [
        (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls", ())
    ]
    details = [d for d in (told.model_extra or {}).get("reasoning_details") or ()]  # noqa: C416
    assert [_bare(d) for d in details] == [
        _bare(d) for d in message.get("reasoning_details", ()) if "signature" in d or "data" in d
    ]
    assert found.choices[0].finish_reason == unary["choices"][0]["finish_reason"]
    assert found.usage == CompletionUsage.model_validate(unary["usage"])


def _bare(detail: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in detail.items() if k != "index"}


@given(said(), said(), st.booleans())
def test_ids_roles_finishes_and_usage_come_as_documented(first: list[Piece], second: list[Piece], usage: bool) -> None:
    """One id; each choice tells its role once and first, its finish once; the usage last, if it was asked for."""
    both = [*first, *(p for p in second if isinstance(p, Said))]
    both += [Said("x", 1), Finished(Reason.STOP, 1), Finished(Reason.LENGTH)]
    found = chunks(spoken(both, usage=usage))
    assert len({(c["id"], c["model"], c["created"], c["object"]) for c in found}) == 1
    if usage:
        assert found[-1]["choices"] == [] and found[-1]["usage"]["prompt_tokens"] >= 0
        found = found[:-1]
    assert all("usage" not in c and len(c["choices"]) == 1 for c in found)
    for number in (0, 1):
        mine = [c["choices"][0] for c in found if c["choices"][0]["index"] == number]
        assert [c["delta"].get("role") for c in mine] == ["assistant"] + [None] * (len(mine) - 1)
        assert sum(c["finish_reason"] is not None for c in mine) == 1


@given(said(), st.data())
def test_it_does_not_matter_how_many_pieces_come_at_once(pieces: list[Piece], data: st.DataObject) -> None:
    """A stream is the same, event by event."""
    at = data.draw(st.integers(0, len(pieces)))
    speaker = ChatSpeaker(True)
    assert speaker.say(pieces[:at]) + speaker.say(pieces[at:]) + speaker.end() == spoken(pieces)


@given(said())
def test_what_is_spoken_is_heard_again(pieces: list[Piece]) -> None:
    """By lbd's own ear: the same words and calls."""
    listener = hear.ChatListener("m", 1)
    heard = [*listener.feed(spoken(pieces)), *listener.end()[0]]
    known = gather([p for p in pieces if not isinstance(p, Thought)])
    found = gather([p for p in heard if not isinstance(p, Thought)])
    assert (found.id, found.model, found.choices[0].parts) == (known.id, known.model, known.choices[0].parts)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.STOP, "stop"),
        (Reason.STOP_SEQUENCE, "stop"),
        (Reason.LENGTH, "length"),
        (Reason.CALLS, "tool_calls"),
        (Reason.FILTER, "content_filter"),
        (Reason.REFUSAL, "content_filter"),
        (Reason.PAUSE, "stop"),
    ],
)
def test_every_reason_has_a_word(reason: Reason, word: str) -> None:
    """The whole table, in a stream as in a unary answer."""
    pieces: list[Piece] = [BEGIN, Said("a"), Finished(reason)]
    assert chunks(spoken(pieces, usage=False))[-1]["choices"][0]["finish_reason"] == word
    assert json.loads(whole(gather(pieces)))["choices"][0]["finish_reason"] == word


@pytest.mark.parametrize(("pieces", "word"), [([Said("a")], "stop"), ([Calling(0, "c", "f")], "tool_calls")])
def test_an_answer_without_a_reason_has_ended_all_the_same(pieces: list[Piece], word: str) -> None:
    """A client that goes by the word must not wait for it."""
    assert chunks(spoken(pieces, usage=False))[-1]["choices"][0]["finish_reason"] == word


def test_the_usage_is_openai_s() -> None:
    """The prompt holds what came of the cache and what went to it."""
    assert usage_fields(USED.usage) == {
        "prompt_tokens": 20,
        "completion_tokens": 7,
        "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": USED.usage.written},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    pieces: list[Piece] = [BEGIN, Said("a"), Finished(Reason.STOP), USED]
    assert chunks(spoken(pieces))[-1]["usage"] == usage_fields(USED.usage)
    assert json.loads(whole(gather(pieces)))["usage"] == usage_fields(USED.usage)


def test_the_head_is_that_of_the_answer() -> None:
    """Its id, time and fingerprint stand in every chunk; where nothing was told there is one all the same."""
    for one in chunks(spoken([BEGIN, Said("a"), Begin("other", "n"), Said("b")])):
        assert (one["id"], one["model"], one["created"], one["system_fingerprint"]) == ("id", "m", 7, "fp")
    assert chunks(spoken([Said("a")]))[0]["id"]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """No text at all is no JSON, and clients read it as JSON."""
    pieces: list[Piece] = [BEGIN, Calling(0, "a", "f"), Calling(1, "b", "g"), Finished(Reason.CALLS)]
    calls = accumulated(spoken(pieces)).choices[0].message.tool_calls
    assert [c.function.arguments for c in calls] == ["{}", "{}"]
    unary = json.loads(whole(gather(pieces)))["choices"][0]["message"]["tool_calls"]
    assert [c["function"]["arguments"] for c in unary] == ["{}", "{}"]


def test_calls_that_interleave_are_told_apart_by_their_index() -> None:
    """As the shape allows."""
    pieces: list[Piece] = [Calling(0, "a", "f"), Calling(1, "b", "g"), Argued(1, "{}"), Argued(1, " ")]
    calls = accumulated(spoken([*pieces, Finished(Reason.CALLS)])).choices[0].message.tool_calls
    assert [(c.id, c.function.arguments) for c in calls] == [("a", "{}"), ("b", "{} ")]


def test_arguments_behind_their_end_cannot_be_said() -> None:
    """A client would read both as one text, which is no JSON."""
    speaker = ChatSpeaker(False)
    speaker.say([Calling(0, "a", "f"), Calling(1, "b", "g"), Argued(0, " ")])
    with pytest.raises(LbdError) as raised:
        speaker.say([Argued(0, "{}")])
    assert raised.value.failure.kind is FailureKind.BAD_BODY


def test_calls_may_be_written_side_by_side() -> None:
    """Then a call has ended without arguments when the answer has."""
    speaker = ChatSpeaker(False, side_by_side=True)
    pieces: list[Piece] = [Calling(0, "a", "f"), Calling(1, "b", "g"), Calling(2, "c", "h"), Argued(1, "[]")]
    pieces += [Argued(0, '{"a":1}'), Finished(Reason.CALLS)]
    calls = accumulated(speaker.say(pieces) + speaker.end()).choices[0].message.tool_calls
    assert [c.function.arguments for c in calls] == ['{"a":1}', "[]", "{}"]


def test_gemini_s_signatures_stand_where_its_clients_keep_them() -> None:
    """Tagged, so that they are taken out again before a provider that cannot read them."""
    pieces: list[Piece] = [
        Calling(0, "a", "f", token=Token("gemini", "s")),
        Calling(1, "b", "f", token=Token("x", "t")),
    ]
    found = [c["choices"][0]["delta"]["tool_calls"][0] for c in chunks(spoken(pieces, usage=False))[:3:2]]
    assert [c["extra_content"]["google"]["thought_signature"] for c in found] == ["lbd.gemini.s", "lbd.x.t"]


@given(st.lists(st.tuples(letters, st.sampled_from(["anthropic", "gemini", ""]), letters), min_size=1, max_size=3))
def test_a_signature_comes_back_with_the_words_that_it_signs(thoughts: list[tuple[str, str, str]]) -> None:
    """From a stream as from a unary answer: its maker refuses it with others, or with none."""
    pieces: list[Piece] = [BEGIN]
    for text, mint, value in thoughts:
        pieces += [Thought(text[:1]), Thought(text[1:]), Thought(token=Token(mint, value))]
    pieces += [Said("a"), Finished(Reason.STOP)]
    expected = (*(Thinking(text, Token(mint, value)) for text, mint, value in thoughts), Text("a"))
    extra = accumulated(spoken(pieces)).choices[0].message.to_dict()
    for message in (extra, json.loads(whole(gather(pieces)))["choices"][0]["message"]):
        back = read(json.dumps({"model": "m", "messages": [message | {"role": "assistant"}]}).encode())
        assert back.turns[0].parts == expected


def test_a_redacted_thought_is_its_token_alone() -> None:
    """And comes back as one."""
    pieces: list[Piece] = [Thought("x"), Thought(token=Token("anthropic", "d"), redacted=True), Said("a")]
    (detail,) = accumulated(spoken(pieces)).choices[0].message.to_dict()["reasoning_details"]
    assert _bare(detail) == {"type": "reasoning.encrypted", "data": "lbd.anthropic.d"}


def test_log_probabilities_are_one_object() -> None:
    """Lists in it go on, piece by piece."""
    told = [{"content": [{"token": t, "logprob": -1.0, "bytes": None, "top_logprobs": []}]} for t in "ab"]
    pieces: list[Piece] = [BEGIN, Said("a", logprobs=told[0]), Said("b", logprobs=told[1]), Finished(Reason.STOP)]
    unary = json.loads(whole(gather(pieces)))
    ChatCompletion.model_validate(unary)
    assert [t["token"] for t in unary["choices"][0]["logprobs"]["content"]] == ["a", "b"]
    assert [t.token for t in accumulated(spoken(pieces)).choices[0].logprobs.content] == ["a", "b"]


def test_what_is_nested_too_deep_is_a_failure() -> None:
    """Not an exception of the JSON library."""
    with pytest.raises(LbdError):
        spoken([Said("a", logprobs={"content": DEEP})])
    with pytest.raises(LbdError):
        whole(gather([Said("a", logprobs={"content": DEEP})]))


def test_a_refusal_and_a_call_are_told_in_their_places() -> None:
    """No content where nothing was said."""
    unary = json.loads(whole(gather([Refused("no"), Calling(0, "a", "f"), Argued(0, "{}")])))
    message = unary["choices"][0]["message"]
    assert message["content"] is None and message["refusal"] == "no"
    assert gather(hear.read(json.dumps(unary).encode(), "m")).choices[0].parts[-1] == Call("a", "f", "{}")


def test_nothing_is_told_of_what_was_not_written_to_a_cache() -> None:
    """Most providers know no such thing."""
    assert usage_fields(Usage(10, 1, 3))["prompt_tokens_details"] == {"cached_tokens": 3}
