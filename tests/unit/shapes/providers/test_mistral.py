"""Mistral."""

from __future__ import annotations

import json

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes.clients import openai
from lbd.shapes.providers.mistral import SHAPE, call_id


def sent(more: dict[str, object]) -> dict[str, object]:
    raw = json.dumps({"model": "m", "messages": [], **more}).encode()
    head = openai.read(raw)
    row = DeploymentSpec("p/m", "p", "m", "m", "primary")
    made: dict[str, object] = json.loads(
        SHAPE.speaks["openai.chat"].encode(Body("openai.chat", raw, head), row, True, SHAPE.stream_usage)
    )  # type: ignore[arg-type]
    return made


def test_what_it_refuses_is_left_out_and_what_it_calls_otherwise_renamed() -> None:
    """Its usage comes in every stream unasked."""
    asked = sent({"stream": True, "stream_options": {"include_usage": True}, "seed": 1, "max_completion_tokens": 5})
    assert asked == {"model": "m", "messages": [], "stream": True, "random_seed": 1, "max_tokens": 5}


def test_ids_of_calls_are_of_nine_letters_or_digits() -> None:
    """A result finds its call; one that is so already stays, and so does what is no conversation."""
    call = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    own = {**call, "id": "abcDEF123"}
    messages = [{"role": "assistant", "tool_calls": [call, own, 1]}, {"role": "tool", "tool_call_id": "call_abc"}, 2]
    told = SHAPE.speaks["openai.chat"]
    made: object = sent({"messages": messages})["messages"]
    assert isinstance(made, list)
    calls = made[0]["tool_calls"]
    assert calls[0]["id"] == made[1]["tool_call_id"] == call_id("call_abc") and len(calls[0]["id"]) == 9
    assert calls[1:] == [own, 1] and made[2] == 2
    assert not {"logprobs", "top_k"} & told.carries


def test_how_much_to_say_is_refused_and_not_left_out() -> None:
    """It would change the answer; what everybody gives unasked asks for nothing."""
    assert "verbosity" not in sent({"verbosity": "medium"})
    with pytest.raises(LbdError) as raised:
        sent({"verbosity": "high"})
    assert (raised.value.failure.kind, raised.value.failure.param) == (FailureKind.UNSUPPORTED, "/verbosity")


def said(*messages: dict[str, object]) -> object:
    return sent({"messages": list(messages)})["messages"]


def test_an_answer_that_comes_back_leaves_behind_what_mistral_has_no_place_for() -> None:
    """Applications send a message as they got it; a refusal is what was said, and a null says nothing."""
    echoed: dict[str, object] = {"role": "assistant", "content": "a", "refusal": None, "annotations": [], "audio": None}
    echoed |= {"function_call": None, "reasoning_content": "hm", "reasoning": "hm", "reasoning_details": [{}]}
    assert said(echoed) == [{"role": "assistant", "content": "a"}]
    assert said({"role": "assistant", "content": None, "refusal": "no"}) == [{"role": "assistant", "content": "no"}]
    refused = {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}, "x"]}
    assert said(refused) == [{"role": "assistant", "content": [{"type": "text", "text": "no"}, "x"]}]
    spoken = {"role": "assistant", "audio": {"id": "a"}}  # what says something stays, and is refused
    assert said(spoken) == [spoken]


def test_instructions_are_the_systems_and_participants_have_no_names() -> None:
    """There is no developer there."""
    assert said({"role": "developer", "content": "be brief"}) == [{"role": "system", "content": "be brief"}]
    assert not {"names", "server_tools"} & SHAPE.speaks["openai.chat"].carries


def test_a_document_is_a_part_of_its_own() -> None:
    """By its URL, which holds it; one that lies at another provider is not there, and only PDFs are known."""
    url = "data:application/pdf;base64,JVBERi0="
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}
    text = {"type": "text", "text": "see"}
    assert said({"role": "user", "content": [text, file]}) == [
        {"role": "user", "content": [text, {"type": "document_url", "document_url": url, "document_name": "a.pdf"}]}
    ]
    own = {"role": "user", "content": [{"type": "file", "file_id": "of Mistral"}]}
    assert said(own) == [own]
    for other in ({"file_id": "f"}, {"file_data": "data:text/csv;base64,YQ=="}):
        with pytest.raises(LbdError) as raised:
            said({"role": "user", "content": [{"type": "file", "file": other}]})
        assert (raised.value.failure.kind, raised.value.failure.param) == (
            FailureKind.UNSUPPORTED,
            "/messages/0/content",
        )


def test_what_says_nothing_is_left_out_and_a_tool_has_parameters() -> None:
    """Members that it does not know stay where they ask for something: it refuses them."""
    tool = {"type": "function", "function": {"name": "f"}}
    idle: dict[str, object] = {"functions": None, "function_call": None, "logit_bias": {}, "modalities": ["text"]}
    assert sent({**idle, "tools": [tool, 1]}) == {
        "model": "m",
        "messages": [],
        "stream": True,
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},
            1,
        ],
    }
    assert sent({"functions": [{"name": "f"}]})["functions"] == [{"name": "f"}]


def test_what_a_model_thinks_is_told_beside_its_text() -> None:
    """Mistral tells it in a list, at which OpenAI's clients fail."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    wire, flat = SHAPE.speaks["openai.chat"], {"content": "a", "reasoning_content": "hm"}
    choice = {"index": 0, "finish_reason": "stop"}
    answer = wire.facts(json.dumps({"choices": [{**choice, "message": {"content": parts}}]}).encode(), 0.0).answer
    assert answer is not None and json.loads(answer)["choices"][0]["message"] == flat
    assert wire.watch is not None
    event = json.dumps({"choices": [{**choice, "delta": {"content": parts}}]}).encode()
    told = wire.watch(1, False).feed(b"data: %b\n\n" % event)
    assert json.loads(told[6:])["choices"][0]["delta"] == flat
