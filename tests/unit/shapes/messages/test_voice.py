"""How Anthropic's Messages API is translated."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from lbd.model.failure import LbdError
from lbd.model.messages import Call, Effort, Prompt, Text, Thinking, Token, Turn
from lbd.model.provider import DeploymentSpec
from lbd.shapes.messages.voice import DIALECT, MESSAGES, VOICE, carries, suited

PROMPT = Prompt("m", (Turn("user", (Text("hi"),)),), temperature=0.5)


def asked(model: str, temperature: float | None = 0.5) -> dict[str, object]:
    prompt = replace(PROMPT, temperature=temperature)
    body: dict[str, object] = json.loads(DIALECT.write(prompt, DeploymentSpec("p/m", "p", "m", model, "t"), True, True))
    return body


def test_sampling_is_asked_of_models_that_take_it() -> None:
    """What cannot be expressed to a model is neither promised nor sent."""
    old, new = "claude-sonnet-4-5", "claude-opus-4-7"
    assert {"sampling", "top_k"} <= carries(old) and not {"sampling", "top_k"} & carries(new)
    assert carries(new) | {"sampling", "top_k"} == carries(old)
    assert asked(old)["temperature"] == 0.5 and "temperature" not in asked(new, temperature=1.0)
    with pytest.raises(LbdError, match="/temperature"):
        asked(new)
    body = asked(new, temperature=None)
    assert body["model"] == new and body["stream"] is True


def test_a_schema_is_asked_of_models_that_keep_to_one() -> None:
    """Elsewhere a request that has one goes to somebody else."""
    assert "json_schema" in carries("claude-sonnet-4-5") and "json_schema" not in carries("claude-3-5-haiku-20241022")


def test_both_halves_are_of_one_family() -> None:
    """Whose opaque tokens they carry as they are; and both go to one path."""
    assert VOICE.family == DIALECT.family == "anthropic"
    assert MESSAGES.path == DIALECT.path == "/messages" and MESSAGES.native


@pytest.mark.parametrize(
    ("model", "effort", "bound", "expected"),
    [
        ("claude-sonnet-4-5", Effort("high"), None, Effort(budget=16384)),
        ("claude-sonnet-4-5", Effort("a later word"), None, Effort(budget=8192)),
        ("claude-opus-4-20250514", Effort(shown=True), None, Effort(budget=8192)),
        ("claude-haiku-4-5-20251001", Effort("high", 4000), None, Effort(budget=4000)),
        ("claude-3-7-sonnet-latest", Effort("high"), 3000, Effort(budget=2999)),
        ("claude-sonnet-4-5", Effort("low"), 1024, None),
        ("claude-sonnet-4-5", Effort(off=True), 9, Effort(off=True)),
        ("claude-opus-4-7", Effort(off=True), 9, None),
        ("claude-opus-4-6", Effort("high", 4000), None, Effort("high", 4000)),
        ("claude-sonnet-4-6", Effort("high"), None, Effort("high")),
        ("claude-opus-4-7", Effort("max", 4000), None, Effort("max")),
        ("claude-opus-4-7", Effort(budget=2048), None, Effort("low")),
        ("claude-opus-4-7", Effort(budget=2049, shown=True), None, Effort("medium", shown=True)),
        ("claude-sonnet-5", Effort(budget=30000), None, Effort("high")),
        ("another", Effort("high"), 5, Effort("high")),
        ("claude-sonnet-4-5", None, None, None),
    ],
)
def test_an_effort_is_told_as_the_model_is_told_one(
    model: str, effort: Effort | None, bound: int | None, expected: Effort | None
) -> None:
    """Up to 4.5 by a budget, which the answer's bound holds; from 4.7 on by a word; 4.6 takes both."""
    assert suited(replace(PROMPT, effort=effort, max_tokens=bound), model).effort == expected


def test_a_model_that_thinks_by_a_budget_is_not_asked_for_its_sampling_too() -> None:
    """It refuses both at once."""
    prompt = replace(PROMPT, effort=Effort("low"))
    assert suited(prompt, "claude-sonnet-4-5").temperature is None
    assert suited(prompt, "claude-opus-4-6").temperature == PROMPT.temperature


@pytest.mark.parametrize("more", [{"tool": "f", "choice": "required"}, {"choice": "required"}])
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-7"])
def test_a_call_that_is_forced_is_not_thought_about(model: str, more: dict[str, str]) -> None:
    """The API refuses both at once."""
    assert suited(replace(PROMPT, effort=Effort("high"), **more), model).effort is None


def test_a_call_without_a_thought_of_its_own_is_not_thought_on() -> None:
    """The API wants the thought before a call that it is given back; another provider's call has none of Claude's."""
    call, own = Call("c", "f", "{}"), Thinking("hm", Token("anthropic", "s"))
    for said, kept in (((call,), None), ((Thinking("hm"), call), None), ((own, call), Effort(budget=2048))):
        turns = (*PROMPT.turns, Turn("assistant", said))
        assert suited(replace(PROMPT, turns=turns, effort=Effort("low")), "claude-sonnet-4-5").effort == kept
