"""Conversations as Google's contents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Media, Prompt, Refusal, Result, Text, Thinking, Token, Turn
from lbd.shapes.gemini.turns import FOREIGN, contents
from tests.unit.shapes.gemini.answers import SIGNATURE

NEW, OLD = "gemini-3-flash-preview", "gemini-2.5-flash"
OWN, OTHER = Token("gemini", SIGNATURE), Token("anthropic", "sig")


def said(*turns: Turn, model: str = NEW) -> list[dict[str, Any]]:
    """Return the contents, which Google's own types take as they are."""
    out = contents(Prompt(model, turns), model)
    types = pytest.importorskip("google.genai.types")
    for content in out:
        signatures = [p.get("thoughtSignature") for p in content["parts"]]
        parsed = types.Content.model_validate_json(json.dumps(content))
        assert len(parsed.parts) == len(signatures)
    return out


def user(*parts: Any) -> Turn:
    return Turn("user", parts)


def model(*parts: Any) -> Turn:
    return Turn("assistant", parts)


def test_each_side_speaks_in_its_turn() -> None:
    """Google's word for the assistant is model; a turn of nothing is none."""
    assert said(user(Text("hi")), model(Text(""), Text("ho")), user(Text("")), model(Refusal("no"))) == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"text": "ho"}]},
        {"role": "model", "parts": [{"text": "no"}]},
    ]


def test_calls_and_results_find_one_another_by_id_and_name() -> None:
    """From Gemini 3 on by both; results come before what the user adds."""
    turns = (
        model(Call("c1", "weather", '{"city":"Rom"}', OWN), Call("c2", "now", " ")),
        user(Text("and?"), Result("c1", (Text("sunny"), Text("28"))), Result("c2", (Text("no clock"),), failed=True)),
    )
    assert said(*turns) == [
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"id": "c1", "name": "weather", "args": {"city": "Rom"}},
                    "thoughtSignature": SIGNATURE,
                },
                {"functionCall": {"id": "c2", "name": "now", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"output": "sunny\n28"}, "id": "c1"}},
                {"functionResponse": {"name": "now", "response": {"error": "no clock"}, "id": "c2"}},
                {"text": "and?"},
            ],
        },
    ]


def test_older_models_know_no_ids() -> None:
    """They refuse a member that they do not know, and need no signature."""
    turns = (model(Call("c1", "f", "{}", OTHER)), user(Result("c1", (Text("x"),)), Result("c9", (), name="g")))
    assert said(*turns, model=OLD) == [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "x"}}},
                {"functionResponse": {"name": "g", "response": {"output": ""}}},
            ],
        },
    ]


def test_a_result_of_an_unknown_call_keeps_its_id_for_a_name() -> None:
    """The functions of old had none but their name."""
    assert said(user(Result("f", (Text("x"),))))[0]["parts"][0]["functionResponse"]["name"] == "f"


def test_a_call_from_elsewhere_gets_the_word_that_skips_the_check() -> None:
    """Only the first of a step: there alone is a signature demanded, and Google signs no other."""
    turns = said(
        model(Text("I look"), Call("a", "f", "{}", OTHER), Call("b", "g", "{}")),
        user(Result("a", ()), Result("b", ())),
        model(Call("c", "f", "{}", OWN)),
    )
    signatures = [[p.get("thoughtSignature") for p in t["parts"]] for t in turns if t["role"] == "model"]
    assert signatures == [[None, FOREIGN, None], [SIGNATURE]]


def test_thoughts_go_back_only_where_they_came_from() -> None:
    """Another's are nothing to Google, nor are such without a signature."""
    turn = model(Thinking("deep", OWN), Thinking("other", OTHER), Thinking("bare"), Text("42"))
    assert said(turn)[0]["parts"] == [
        {"text": "deep", "thought": True, "thoughtSignature": SIGNATURE},
        {"text": "42"},
    ]


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ((Text("a"), Thinking("", OWN, redacted=True)), [{"text": "a", "thoughtSignature": SIGNATURE}]),
        ((Thinking("", OWN), Text("a")), [{"text": "a", "thoughtSignature": SIGNATURE}]),
        ((Thinking("", OWN),), [{"text": "", "thoughtSignature": SIGNATURE}]),
        (
            (Thinking("", OWN), Call("c", "f", "{}")),
            [{"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": SIGNATURE}],
        ),
        (
            (Text("a"), Thinking("", OWN), Thinking("", Token("gemini", "QQ=="))),
            [{"text": "a", "thoughtSignature": SIGNATURE}, {"text": "", "thoughtSignature": "QQ=="}],
        ),
    ],
)
def test_a_signature_that_came_alone_goes_to_what_it_signed(parts: tuple[Any, ...], sent: list[Any]) -> None:
    """Clients of other shapes keep it as a thought of its own, some of them before the text."""
    assert said(model(*parts))[0]["parts"] == sent


def test_media_are_sent_or_pointed_at() -> None:
    """With their type: a URL's is read off its ending."""
    parts = said(
        user(
            Media("image", "image/png", data="aGk="),
            Media("audio", "audio/wav", data="aGk="),
            Media("file", "application/pdf", data="aGk=", name="x.pdf"),
            Media("image", url="https://h/a.JPG?size=1"),
            Media("image", url="https://h/a"),
            Media("file", "application/pdf", url="https://h/doc"),
        )
    )[0]["parts"]
    assert parts == [
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
        {"fileData": {"fileUri": "https://h/a.JPG?size=1", "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": "https://h/a"}},
        {"fileData": {"fileUri": "https://h/doc", "mimeType": "application/pdf"}},
    ]


def test_what_a_tool_shows_stands_in_its_result_where_the_model_takes_it_there() -> None:
    """Older ones get it beside, and so do all for what is only pointed at."""
    shown = (Text("see"), Media("image", "image/png", data="aGk="), Media("image", url="https://h/a.png"))
    picture = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    link = {"fileData": {"fileUri": "https://h/a.png", "mimeType": "image/png"}}
    turn = user(Result("c", shown, name="f"))
    result = {"name": "f", "response": {"output": "see"}}
    assert said(turn)[0]["parts"] == [{"functionResponse": {**result, "id": "c", "parts": [picture]}}, link]
    assert said(turn, model=OLD)[0]["parts"] == [{"functionResponse": result}, picture, link]


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        (user(Media("file", id="file-1")), FailureKind.UNSUPPORTED),
        (user(Media("audio", data="aGk=")), FailureKind.UNSUPPORTED),
        (user(Media("file", data="aGk=")), FailureKind.UNSUPPORTED),
        (user(Call("c", "f", "{}")), FailureKind.UNSUPPORTED),
        (user(Thinking("hm")), FailureKind.UNSUPPORTED),
        (model(Call("c", "f", "{")), FailureKind.BAD_REQUEST),
        (model(Call("c", "f", "[1]")), FailureKind.BAD_REQUEST),
    ],
)
def test_what_has_no_place_is_refused(turn: Turn, kind: FailureKind) -> None:
    """Never left out without a word."""
    with pytest.raises(LbdError) as e:
        contents(Prompt(NEW, (turn,)), NEW)
    assert e.value.failure.kind is kind
