"""Turns as Converse's messages: what can be carried is, what cannot is refused by name."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Media, Part, Refusal, Result, Text, Thinking, Token, Turn
from lbd.shapes.bedrock.blocks import CACHE_POINT, NOTHING, OPENING, call_id, conversation
from tests.unit.shapes.amazon import CLAUDE, NOVA, faults

DATA = base64.b64encode(b"%PDF-1.7").decode()


def content(*parts: Part, model: str = CLAUDE, role: Any = "user") -> list[dict[str, Any]]:
    """Return the content of one turn, which botocore has nothing against."""
    messages = conversation((Turn(role, parts),), model)
    assert not faults({"messages": messages}, model)
    said: list[dict[str, Any]] = messages[-1]["content"]
    return [] if said == [{"text": OPENING}] else said


def refused(*parts: Part, model: str = CLAUDE, role: Any = "user") -> str:
    with pytest.raises(LbdError) as e:
        conversation((Turn(role, parts),), model)
    assert e.value.failure.kind is FailureKind.UNSUPPORTED
    return e.value.failure.message


def test_words_are_text_and_blank_ones_are_nothing() -> None:
    """Converse refuses blank text."""
    assert content(Text("a"), Text(""), Text(" \n"), Refusal("b")) == [{"text": "a"}, {"text": "b"}]


def test_a_call_and_its_result() -> None:
    """Arguments are an object; a failed tool says so."""
    call, result = Call("c1", "get", '{"a":[1,"é"]}'), Result("c1", (Text("x"),), failed=True)
    assert content(call, role="assistant") == [
        {"toolUse": {"toolUseId": "c1", "name": "get", "input": {"a": [1, "é"]}}}
    ]
    assert content(result) == [{"toolResult": {"toolUseId": "c1", "content": [{"text": "x"}], "status": "error"}}]
    assert content(Call("c1", "get", " "), role="assistant")[0]["toolUse"]["input"] == {}


def test_a_tool_with_nothing_to_say_says_that() -> None:
    """Neither blank text nor none is taken."""
    for result in (Result("c1", ()), Result("c1", (Text(""),))):
        assert content(result)[0]["toolResult"]["content"] == [{"text": NOTHING}]


def test_a_result_may_hold_pictures_and_documents() -> None:
    """Screenshots of a computer in use."""
    (block,) = content(Result("c1", (Text("see"), Media("image", "image/png", data=DATA))))
    assert [set(b) for b in block["toolResult"]["content"]] == [{"text"}, {"image"}]


@given(st.text(min_size=1, max_size=90))
def test_an_id_is_one_that_converse_takes_and_the_same_each_time(id_: str) -> None:
    """Ids of other providers may be longer, or hold what is not allowed; a result still finds its call."""
    (call,) = content(Call(id_, "get", "{}"), role="assistant")
    (result,) = content(Result(id_, (Text("x"),)))
    assert call["toolUse"]["toolUseId"] == result["toolResult"]["toolUseId"] == call_id(id_)
    assert len(call_id(id_)) <= 64


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "nope", '{"a": "\ud800"}'])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    """A model may write anything, and be cut in the middle of it."""
    assert "'c1'" in refused(Call("c1", "get", arguments), role="assistant")


@pytest.mark.parametrize("name", ["", "a.b", "x" * 65, "ä"])
def test_a_name_that_converse_does_not_take_is_refused(name: str) -> None:
    """To give it another would be another tool."""
    assert "name" in refused(Call("c1", name, "{}"), role="assistant")


@pytest.mark.parametrize(
    ("type_", "name", "ending"),
    [
        ("image/png", None, "png"),
        ("image/jpg", None, "jpeg"),
        ("IMAGE/JPEG; q=1", None, "jpeg"),
        ("", "photo.JPG", "jpeg"),
    ],
)
def test_pictures_go_by_their_type_else_by_their_name(type_: str, name: str | None, ending: str) -> None:
    """base64, as it came."""
    assert content(Media("image", type_, data=DATA, name=name)) == [
        {"image": {"format": ending, "source": {"bytes": DATA}}}
    ]


def test_what_lies_in_s3_is_taken_from_there() -> None:
    """The one place that Bedrock fetches from."""
    assert content(Media("image", url="s3://bucket/a/b.webp")) == [
        {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a/b.webp"}}}}
    ]


def test_documents_have_names_that_are_allowed_and_differ() -> None:
    """Letters, digits, single spaces, hyphens, parentheses, square brackets; 200 characters."""
    names = ["Q3_report  (final).pdf", "Q3_report (final).pdf", None, "", "é/..", "x" * 300]
    blocks = content(Text("?"), *(Media("file", "application/pdf", data=DATA, name=name) for name in names))
    titles = [b["document"]["name"] for b in blocks[1:]]
    assert titles[:5] == ["Q3 report (final) pdf", "Q3 report (final) pdf 2", "document", "document 2", "document 3"]
    assert len(set(titles)) == len(titles) and all(len(t) <= 200 for t in titles)


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (Media("audio", "audio/wav", data=DATA), "sound"),
        (Media("image", "image/png", url="https://h/a.png"), "URL"),
        (Media("image", "image/png", id="file-1"), "another provider"),
        (Media("image", "image/png", data=""), "empty"),
        (Media("image", "image/tiff", data=DATA), "image/tiff"),
        (Media("file", "application/zip", data=DATA), "application/zip"),
        (Media("file", "image/png", data=DATA), "image/png"),
        (Media("image", data=DATA), "unknown"),
    ],
)
def test_media_that_converse_does_not_take_are_refused(part: Media, why: str) -> None:
    """Never left out without a word."""
    assert why in refused(Text("see"), part)


def test_a_document_needs_words_and_media_are_the_users() -> None:
    """Both are rules of Converse's messages."""
    document = Media("file", "application/pdf", data=DATA)
    assert "words" in refused(document)
    assert "model said" in refused(Text("x"), document, role="assistant")


SIGNED = Thinking("hm", Token("anthropic", "SIG"))


def test_thoughts_go_back_to_who_can_read_them() -> None:
    """Claude's to Claude, wherever it was; others' to nobody."""
    redacted = Thinking("", Token("anthropic", "UkVE"), redacted=True)
    foreign = [Thinking("x"), Thinking("x", Token("gemini", "G")), Thinking("x", Token("bedrock", "B"))]
    assert content(SIGNED, redacted, *foreign, role="assistant") == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "SIG"}}},
        {"reasoningContent": {"redactedContent": "UkVE"}},
    ]
    assert content(SIGNED, model=NOVA, role="assistant") == []
    assert content(foreign[2], model=NOVA, role="assistant")[0]["reasoningContent"]["reasoningText"]["signature"] == "B"


def test_sides_alternate_though_what_stood_between_cannot_be_carried() -> None:
    """Converse refuses two messages of one side in a row."""
    turns = (Turn("user", (Text("a"),)), Turn("assistant", (SIGNED,)), Turn("user", (Text("b"),)))
    assert conversation(turns, NOVA) == [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]
    assert [m["role"] for m in conversation(turns, CLAUDE)] == ["user", "assistant", "user"]


@pytest.mark.parametrize("turns", [(), (Turn("assistant", (Text("hi"),)),)])
def test_the_user_has_the_first_word(turns: tuple[Turn, ...]) -> None:
    """Converse refuses a conversation that begins with the other side, and one of no words at all."""
    messages = conversation(turns, CLAUDE)
    assert messages[0] == {"role": "user", "content": [{"text": OPENING}]}
    assert [m["role"] for m in messages[1:]] == [t.role for t in turns]


def test_what_is_worth_keeping_is_marked_where_the_model_keeps_it() -> None:
    """A mark behind the part; none at the beginning, none twice, and none for models without a cache."""
    parts = (Text("", cache=True), Text("a", cache=True), Text("", cache=True), Result("c", (Text("x"),), cache=True))
    assert [b == CACHE_POINT for b in content(*parts)] == [False, True, False, True]
    assert "toolResult" in content(*parts)[0], "the results of tools come first"
    assert CACHE_POINT not in content(*parts, model="meta.llama3-3-70b-instruct-v1:0")
