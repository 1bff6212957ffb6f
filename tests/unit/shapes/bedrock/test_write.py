"""Requests of Converse: each is held against the service's own model, and nothing asked is left out unsaid."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Effort, Format, Media, Prompt, Result, Text, Thinking, Token, Tool, Turn
from lbd.shapes.bedrock.write import write
from tests.unit.shapes.amazon import CLAUDE, LATER, NOVA, faults, serialized

BOTH = "us.anthropic.claude-opus-4-6-v1"  # takes a budget and a word
HELLO = (Turn("user", (Text("hi"),)),)
CALLED = (*HELLO, Turn("assistant", (Call("c", "get", "{}"),)), Turn("user", (Result("c", (Text("1"),)),)))
GET = Tool("get", "gets", {"type": "object", "properties": {"a": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def asked(model: str = CLAUDE, turns: tuple[Turn, ...] = HELLO, **more: Any) -> dict[str, Any]:
    """Return the request, which botocore has nothing against."""
    body: dict[str, Any] = json.loads(write(Prompt("m", turns, **more), model))
    assert not faults(body, model)
    return body


def refused(model: str = CLAUDE, turns: tuple[Turn, ...] = HELLO, **more: Any) -> str | None:
    with pytest.raises(LbdError) as e:
        write(Prompt("m", turns, **more), model)
    assert e.value.failure.kind is FailureKind.UNSUPPORTED
    return e.value.failure.param


def test_the_least_request_is_its_messages() -> None:
    """Model and stream are in the path."""
    assert asked() == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def test_instructions_with_marks_for_the_cache() -> None:
    """Behind the text that is marked; blank text is none."""
    system = (Text("a"), Text("b", cache=True), Text(" ", cache=True))
    assert asked(system=system)["system"] == [{"text": "a"}, {"text": "b"}, {"cachePoint": {"type": "default"}}]
    assert asked("meta.llama3-3-70b-instruct-v1:0", system=system)["system"] == [{"text": "a"}, {"text": "b"}]
    assert "system" not in asked(system=(Text("", cache=True),))


def test_sampling_and_bounds() -> None:
    """Temperatures end at 1 here; which stop sequence it was is told only where it is asked."""
    body = asked(max_tokens=9, temperature=1.7, top_p=1.0, top_k=3, stop=("x", ""))
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 1.0, "stopSequences": ["x"]}
    assert body["additionalModelRequestFields"] == {"top_k": 3}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    other = asked(NOVA, temperature=0.0, stop=("x",))
    assert other["inferenceConfig"] == {"temperature": 0.0, "stopSequences": ["x"]}
    assert "additionalModelResponseFieldPaths" not in other
    assert asked(NOVA, temperature=0.5, top_p=0.5)["inferenceConfig"] == {"temperature": 0.5, "topP": 0.5}
    assert refused(temperature=0.5, top_p=0.5) == "/top_p", "Claude takes one of them"


@pytest.mark.parametrize(("name", "value"), [("temperature", 0.2), ("top_p", 0.5), ("top_k", 3)])
def test_later_claudes_are_not_told_how_to_sample(name: str, value: float) -> None:
    """They refuse a request that names it, at Anthropic as here; what is everybody's default need not be named."""
    assert refused(LATER, **{name: value}) == f"/{name}"
    assert asked(LATER, temperature=1.0, top_p=1.0) == asked(LATER)


def test_tools_and_the_choice_among_them() -> None:
    """A schema is an object; an empty description is none; the choice of a tool names it."""
    tools = (GET, Tool("put", "", None, strict=True, cache=True))
    assert asked(tools=tools, tool="put", choice="required")["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "get", "description": "gets", "inputSchema": {"json": GET.parameters}}},
            {
                "toolSpec": {
                    "name": "put",
                    "inputSchema": {"json": {"type": "object", "properties": {}, "additionalProperties": False}},
                    "strict": True,
                }
            },
            {"cachePoint": {"type": "default"}},
        ],
        "toolChoice": {"tool": {"name": "put"}},
    }
    assert len(asked(NOVA, tools=tools)["toolConfig"]["tools"]) == 2
    assert asked(tools=(GET,), choice="required")["toolConfig"]["toolChoice"] == {"any": {}}
    assert asked(tools=(GET,), choice="auto", parallel=True)["toolConfig"]["toolChoice"] == {"auto": {}}
    assert "toolChoice" not in asked(tools=(GET,))["toolConfig"]


def test_no_choice_is_said_by_offering_nothing() -> None:
    """But a conversation with calls in it must offer tools, so there it cannot be said."""
    assert "toolConfig" not in asked(tools=(GET,), choice="none")
    assert "toolConfig" in asked(turns=CALLED, tools=(GET,))
    assert refused(turns=CALLED, tools=(GET,), choice="none") == "/tools"
    assert refused(turns=CALLED) == "/tools"


def test_a_schema_for_the_answer_is_json_in_a_string() -> None:
    """As the service's model has it."""
    form = asked(NOVA, format=Format(SCHEMA, "a", "what"))["outputConfig"]["textFormat"]
    assert form["type"] == "json_schema"
    assert json.loads(form["structure"]["jsonSchema"].pop("schema")) == SCHEMA
    assert form["structure"] == {"jsonSchema": {"name": "a", "description": "what"}}
    assert refused(format=Format()) == "/response_format"


@pytest.mark.parametrize(
    ("effort", "thinking", "level"),
    [
        (Effort("high"), {"type": "enabled", "budget_tokens": 16384}, None),
        (Effort(budget=100), None, None),
        (Effort(budget=4000), {"type": "enabled", "budget_tokens": 4000}, None),
        (Effort(off=True), {"type": "disabled"}, None),
        (None, None, None),
    ],
)
def test_earlier_claudes_are_told_how_many_tokens_to_think(
    effort: Effort | None, thinking: dict[str, Any] | None, level: str | None
) -> None:
    """As at Anthropic: they know no word for it, and a bound below the least is none."""
    body = asked(effort=effort)
    assert body.get("additionalModelRequestFields", {}).get("thinking") == thinking
    assert body.get("outputConfig", {}).get("effort") == level


@pytest.mark.parametrize(
    ("effort", "thinking", "level"),
    [
        (Effort("high"), {"type": "adaptive"}, "high"),
        (Effort("minimal"), {"type": "adaptive"}, "low"),
        (Effort(budget=100), {"type": "enabled", "budget_tokens": 1024}, None),
        (Effort("max", 4000, shown=True), {"type": "enabled", "budget_tokens": 4000, "display": "summarized"}, "max"),
        (Effort(shown=False), {"type": "adaptive", "display": "omitted"}, None),
        (Effort(off=True), {"type": "disabled"}, None),
        (Effort("low", off=True), {"type": "disabled"}, "low"),
        (Effort("max", off=True), {"type": "disabled"}, "high"),
        (Effort(), {"type": "adaptive"}, None),
        (None, None, None),
    ],
)
def test_how_much_to_think(effort: Effort | None, thinking: dict[str, Any] | None, level: str | None) -> None:
    """A level is Converse's own word, a budget is Claude's."""
    body = asked(BOTH, effort=effort)
    assert body.get("additionalModelRequestFields", {}).get("thinking") == thinking
    assert body.get("outputConfig", {}).get("effort") == level


@pytest.mark.parametrize("model", [NOVA, "anthropic.claude-3-haiku-20240307-v1:0"])
def test_who_cannot_think_is_not_asked_to(model: str) -> None:
    """Not to think is what such a model does anyway."""
    for effort in (Effort("low"), Effort(budget=2000), Effort(), Effort("low", off=True)):
        assert refused(model, effort=effort) == "/reasoning"
    assert asked(model, effort=Effort(off=True)) == asked(model)


@pytest.mark.parametrize(
    ("model", "more", "at"),
    [
        (CLAUDE, {"n": 2}, "/n"),
        (CLAUDE, {"seed": 0}, "/seed"),
        (CLAUDE, {"logprobs": True}, "/logprobs"),
        (CLAUDE, {"top_logprobs": 2}, "/top_logprobs"),
        (CLAUDE, {"frequency_penalty": 0.5}, "/frequency_penalty"),
        (CLAUDE, {"presence_penalty": -1.0}, "/presence_penalty"),
        (CLAUDE, {"logit_bias": {"1": 1.0}}, "/logit_bias"),
        (CLAUDE, {"verbosity": "low"}, "/verbosity"),
        (CLAUDE, {"tools": (GET,), "parallel": False}, "/parallel_tool_calls"),
        (CLAUDE, {"tools": (Tool("a.b"),)}, "/tools/0/name"),
        (CLAUDE, {"tools": (GET,), "tool": "ä", "choice": "required"}, "/tool_choice"),
        (NOVA, {"top_k": 5}, "/top_k"),
    ],
)
def test_what_has_no_place_is_refused(model: str, more: dict[str, Any], at: str) -> None:
    """Another deployment may take it."""
    assert refused(model, **more) == at


def test_values_that_change_nothing_ask_for_nothing() -> None:
    """Clients send their defaults."""
    more = {"frequency_penalty": 0.0, "presence_penalty": 0.0, "logit_bias": {}, "n": 1, "parallel": False}
    assert asked(verbosity="medium", **more) == asked()


@pytest.mark.parametrize(
    ("user", "told"), [("team-a/u:1", True), ('{"id": 1}', False), ("", False), ("x" * 257, False)]
)
def test_whose_request_it_is_goes_to_the_accounts_logs(user: str, told: bool) -> None:
    """A label, where its characters are allowed; the answer does not depend on it."""
    assert asked(user=user).get("requestMetadata") == ({"user": user} if told else None)


def test_a_whole_request_is_the_one_that_botocore_writes() -> None:
    """Given the same things as its callers give them: bytes are bytes there, and base64 on the wire of both."""
    thought = Thinking("hm", Token("anthropic", "SIG"))
    parts = (Text("see", cache=True), Media("image", "image/png", data="AAEC"), Media("file", "text/csv", data="YSxi"))
    turns = (Turn("user", parts), Turn("assistant", (thought, Call("c", "get", '{"a":"x"}'))), CALLED[-1])
    more: dict[str, Any] = {"system": (Text("be brief"),), "tools": (GET,), "choice": "required", "max_tokens": 50}
    body = asked(turns=turns, stop=("x",), effort=Effort("high"), user="u", format=Format(SCHEMA), **more)
    given_: Any = json.loads(json.dumps(body))
    content = given_["messages"][0]["content"]
    content[2]["image"]["source"]["bytes"] = b"\x00\x01\x02"
    content[3]["document"]["source"]["bytes"] = b"a,b"
    assert serialized({"modelId": CLAUDE, **given_}) == (f"/model/{quote(CLAUDE, safe='')}/converse", body)


def test_half_a_character_is_the_clients_fault() -> None:
    """It cannot be written."""
    with pytest.raises(LbdError) as e:
        write(Prompt("m", (Turn("user", (Text("\ud800"),)),)), CLAUDE)
    assert e.value.failure.kind is FailureKind.BAD_REQUEST


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
parts = st.one_of(
    st.builds(Text, texts, st.booleans()),
    st.builds(Call, texts, st.sampled_from(["get", "put-it"]), st.just('{"a":1}')),
    st.builds(Result, texts, st.tuples(st.builds(Text, texts)), st.booleans()),
)
turns = st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), st.lists(parts, max_size=3).map(tuple)))


@given(turns.map(tuple), st.sampled_from([CLAUDE, NOVA]), st.lists(st.builds(Text, texts, st.booleans())).map(tuple))
def test_any_conversation_is_one_that_the_service_model_allows(
    turns: tuple[Turn, ...], model: str, system: tuple[Text, ...]
) -> None:
    """And its sides alternate."""
    body = asked(model, turns, tools=(GET,), system=system)
    roles = [m["role"] for m in body["messages"]]
    assert all(a != b for a, b in pairwise(roles))


def test_a_schema_that_claude_has_to_keep_to_is_closed() -> None:
    """Of a format and of a strict tool; other makers' models are asked as the client said."""
    loose: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    for model, schema in ((CLAUDE, {**loose, "additionalProperties": False}), (NOVA, loose)):
        body = asked(model, format=Format(loose), tools=(Tool("f", None, loose, strict=True),))
        assert json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == schema
        assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == schema
    assert refused(format=Format({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}))
