"""Prompts as requests for generateContent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Effort, Format, Prompt, Text, Tool, Turn
from lbd.shapes.gemini.write import write
from tests.unit.shapes.conversations import DEEP, prompts

NEW, OLD = "gemini-3-flash-preview", "gemini-2.5-flash"
HI = (Turn("user", (Text("hi"),)),)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOP = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}


def asked(model: str = NEW, turns: tuple[Turn, ...] = HI, **more: Any) -> dict[str, Any]:
    """Return the request, whose parts Google's own types take as they are: they know no other members."""
    body: dict[str, Any] = json.loads(write(Prompt(model, turns, **more), model))
    types = pytest.importorskip("google.genai.types")
    assert body.keys() <= TOP
    for content in body["contents"]:
        types.Content.model_validate_json(json.dumps(content))
    above = {name: body[name] for name in ("systemInstruction", "tools", "toolConfig") if name in body}
    config = json.dumps({**body.get("generationConfig", {}), **above})
    types.GenerateContentConfig.model_validate_json(config)
    return body


def test_the_least_is_the_conversation() -> None:
    """The model stands in the path, and so does the wish for a stream."""
    assert asked() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_all_that_can_be_asked() -> None:
    """By Google's names for it."""
    body = asked(
        system=(Text("Be brief."), Text(""), Text("Be kind.")),
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("END",),
        n=2,
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        logprobs=True,
        top_logprobs=3,
        format=Format(SCHEMA, "a", "One number."),
        effort=Effort("low", shown=True),
        user="u",
        verbosity="medium",
    )
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert body["generationConfig"] == {
        "maxOutputTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "stopSequences": ["END"],
        "candidateCount": 2,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": -0.1,
        "responseLogprobs": True,
        "logprobs": 3,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"description": "One number.", **SCHEMA},
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
    }


@given(prompts(thinking=True), st.sampled_from([NEW, OLD, "gemini-2.0-flash"]))
def test_any_conversation_is_written_or_refused(prompt: Prompt, model: str) -> None:
    """As Google's own types have it; nothing else is raised."""
    more = {field: getattr(prompt, field) for field in prompt.__struct_fields__ if field not in ("model", "turns")}
    try:
        body = asked(model, prompt.turns, **more)
    except LbdError as e:
        assert e.failure.kind is FailureKind.UNSUPPORTED
    else:
        assert [c["role"] for c in body["contents"]] == [
            "user" if turn.role == "user" else "model" for turn in prompt.turns if turn.parts
        ]


def test_what_is_nested_too_deep_is_the_clients() -> None:
    """It can be read and not written."""
    with pytest.raises(LbdError) as e:
        write(Prompt(NEW, HI, tools=(Tool("f", parameters={"x": DEEP}),)), NEW)
    assert e.value.failure.kind is FailureKind.BAD_REQUEST


def test_zeros_that_ask_for_nothing_are_left_out() -> None:
    """Models without penalties refuse any; a temperature of zero is a wish."""
    body = asked(temperature=0.0, presence_penalty=0.0, frequency_penalty=0.0, top_logprobs=2, seed=0)
    assert body["generationConfig"] == {"temperature": 0.0, "seed": 0}
    assert asked(logprobs=True, top_logprobs=0)["generationConfig"] == {"responseLogprobs": True}


@pytest.mark.parametrize(
    ("form", "config"),
    [
        (Format(), {"responseMimeType": "application/json"}),
        (Format({}), {"responseMimeType": "application/json"}),
        (Format(SCHEMA), {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}),
    ],
)
def test_json_is_asked_for_with_or_without_a_schema(form: Format, config: dict[str, Any]) -> None:
    """As it is: Google takes JSON Schema itself."""
    assert asked(OLD, format=form)["generationConfig"] == config


def test_tools_are_declared_with_their_schemas() -> None:
    """Without one a function takes nothing."""
    body = asked(tools=(Tool("f", "Does.", SCHEMA), Tool("g"), Tool("h", parameters={"properties": {}})))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "Does.", "parametersJsonSchema": SCHEMA},
                {"name": "g"},
                {"name": "h", "parametersJsonSchema": {"type": "object", "properties": {}}},
            ]
        }
    ]
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ({"choice": "auto"}, {"mode": "AUTO"}),
        ({"choice": "none"}, {"mode": "NONE"}),
        ({"choice": "required"}, {"mode": "ANY"}),
        ({"choice": "required", "tool": "f"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_choice_of_tools(choice: dict[str, Any], config: dict[str, Any]) -> None:
    """One by name is the only one allowed."""
    assert asked(tools=(Tool("f"),), **choice)["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in asked(**choice)


@pytest.mark.parametrize("choice", [None, "auto"])
def test_a_strict_tool_holds_the_model_to_its_schema(choice: Any) -> None:
    """Whether or not it is called is still the model's to choose."""
    config = asked(tools=(Tool("f", strict=True),), choice=choice)["toolConfig"]
    assert config == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_instructions_alone_are_a_question() -> None:
    """Google refuses a request without contents; others answer instructions alone."""
    assert asked(turns=(), system=(Text("Greet."),)) == {"contents": [{"role": "user", "parts": [{"text": "Greet."}]}]}
    assert asked(turns=()) == {"contents": []}


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        (NEW, {"logit_bias": {"50256": -100.0}}, "/logit_bias"),
        (NEW, {"verbosity": "low"}, "/verbosity"),
        (NEW, {"tools": (Tool("f"),), "parallel": False}, "/parallel_tool_calls"),
        (OLD, {"tools": (Tool("f"),), "format": Format()}, "/response_format"),
        (NEW, {"stop": tuple("abcdef")}, "/stop"),
        (NEW, {"seed": 1 << 31}, "/seed"),
        ("gemini-2.0-flash", {"effort": Effort("low")}, "/reasoning_effort"),
    ],
)
def test_what_has_no_place_is_refused(model: str, more: dict[str, Any], param: str) -> None:
    """With the place of it: another deployment may take it."""
    with pytest.raises(LbdError) as e:
        write(Prompt(model, HI, **more), model)
    assert e.value.failure.kind is FailureKind.UNSUPPORTED
    assert e.value.failure.param == param


def test_what_is_refused_alone_is_taken_with_what_makes_it_harmless() -> None:
    """No bias, calls in parallel without tools, JSON beside tools where the model can."""
    body = asked(logit_bias={}, parallel=False, format=Format())
    assert body["generationConfig"] == {"responseMimeType": "application/json"}
    assert asked(tools=(Tool("f"),), parallel=True, format=Format())["tools"]
