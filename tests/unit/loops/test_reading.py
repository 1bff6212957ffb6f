"""Requests and answers as they are judged."""

from __future__ import annotations

import json
import pickle

from lbd.loops.reading import Read, Speechless, read, transcript, words_of
from lbd.model.evaluation import Sample
from lbd.model.messages import Call, Media, Prompt, Result, Text, Thinking, Turn
from tests.fakes.stage import stream, whole
from tests.unit.shapes.validate.test_sound import chat


def sample(raw: bytes, sent: bytes) -> Sample:
    """Return a sample of a chat."""
    return Sample("r", "openai.chat", raw, sent, "a/m", "m", "", "local", "")


RAW = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Capital?"}]}).encode()


def test_it_goes_to_another_process_and_back() -> None:
    """Be it read or not."""
    found = read(pickle.loads(pickle.dumps(sample(RAW, stream("Ber", "lin")))), stream("Ber", "lin"))
    assert found == Read("User: Capital?", "Berlin", None)
    assert pickle.loads(pickle.dumps(found)) == found


def test_what_has_no_words_says_why() -> None:
    """And what is wrong with it is told all the same."""
    called = read(sample(RAW, b""), chat(None, "tool_calls", "{"))
    assert isinstance(called, Read) and called.speechless == "calls_a_tool" and called.wrong is not None
    assert words_of("openai.chat", whole("x")) == "x"
    assert words_of("openai.chat", b"<html>") == Speechless("unreadable_answer")
    assert words_of("openai.chat", chat("")) == Speechless("empty_answer")


def test_what_is_nested_without_end_is_unreadable_and_no_crash() -> None:
    """Arguments of a call, say."""
    deep = json.dumps({"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": 0}}]}}]})
    deep = deep.replace("0}", "[" * 300 + "]" * 300 + "}")
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    asked = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": tools}).encode()
    found = read(sample(asked, b""), deep.encode())
    assert found == "unreadable_answer" or isinstance(found, Read)


def test_a_conversation_is_told_as_text() -> None:
    """Who said what, calls and results too; pictures by their kind, thoughts not at all."""
    turns = (
        Turn("user", (Text("Weather?"), Media("image"))),
        Turn("assistant", (Thinking("hm"), Call("1", "weather", '{"city":"B"}'))),
        Turn("user", (Result("1", (Text("rain"),)),)),
    )
    assert transcript(Prompt("m", turns, (Text("Be brief."),))) == (
        'System: Be brief.\n\nUser: Weather?[image]\n\nAssistant: [calls weather({"city":"B"})]\n\nUser: [result: rain]'
    )
