"""Leaving out what an operator said that a model does not take."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from lbd.model.messages import Effort, Prompt
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes import ignore
from lbd.shapes.chat import passing
from lbd.shapes.messages import passing as messages_passing
from lbd.shapes.providers import Ignorable

ROW = DeploymentSpec("p/m", "p", "m", "m", "primary")
FULL = Prompt(
    "m",
    (),
    temperature=0.2,
    top_p=0.5,
    top_k=3,
    seed=1,
    frequency_penalty=1.0,
    presence_penalty=1.0,
    logit_bias={"1": 1.0},
    effort=Effort("high"),
    logprobs=True,
    top_logprobs=2,
    n=3,
)


def test_a_prompt_without_all_of_it_is_the_plain_prompt() -> None:
    """Every word that a configuration may hold takes its members out."""
    assert ignore.of_prompt(FULL, get_args(Ignorable)) == Prompt("m", ())
    assert ignore.of_prompt(FULL, ()) is FULL
    assert ignore.of_prompt(FULL, {"seed"}).seed is None


@pytest.mark.parametrize(
    ("word", "members"),
    [("sampling", {"temperature": 0.1, "top_p": 0.2}), ("reasoning", {"reasoning_effort": "high"}), ("n", {"n": 2})],
)
def test_a_body_lacks_it_and_keeps_the_rest(word: str, members: dict[str, object]) -> None:
    """Also where bytes pass through."""
    encode = ignore.of_body(passing.encode, {word})
    raw = json.dumps({"model": "m", "messages": [], "x": 1, **members}).encode()
    sent = json.loads(encode(Body("openai.chat", raw, Head("m")), ROW, False, False))
    assert sent == {"model": "m", "messages": [], "x": 1}


def test_names_are_left_out_of_messages() -> None:
    """Those of participants: a tool's own stays."""
    encode = ignore.of_body(passing.encode, {"names"})
    tool = {"role": "tool", "tool_call_id": "c", "name": "f", "content": "x"}
    told = [{"role": "user", "name": "ann", "content": "x"}, tool, 1]
    raw = json.dumps({"model": "m", "messages": told}).encode()
    sent = json.loads(encode(Body("openai.chat", raw, Head("m")), ROW, False, False))
    assert sent["messages"] == [{"role": "user", "content": "x"}, tool, 1]


def test_the_wish_for_citations_is_left_out_of_documents() -> None:
    """Wherever they stand; other blocks keep what they have."""
    encode = ignore.of_body(messages_passing.encode, {"citations"})
    document = {"type": "document", "source": {}, "citations": {"enabled": True}}
    text = {"type": "text", "text": "x", "citations": []}
    told = [{"role": "user", "content": [document, {"type": "tool_result", "content": [document]}, text, 1]}]
    raw = json.dumps({"model": "m", "messages": [*told, 1]}).encode()
    sent = json.loads(encode(Body("anthropic.messages", raw, Head("m")), ROW, False, False))
    plain = {"type": "document", "source": {}}
    assert sent["messages"][0]["content"] == [plain, {"type": "tool_result", "content": [plain]}, text, 1]


def test_bytes_without_it_pass_as_ever() -> None:
    """Also where a prompt speaks of it."""
    encode = ignore.of_body(passing.encode, {"sampling"})
    raw = b'{"model": "m",  "messages": [{"role":"user","content":"\\"temperature\\" is what?"}]}'
    assert encode(Body("openai.chat", raw, Head("m")), ROW, False, False) == raw
    assert ignore.of_body(passing.encode, ()) is passing.encode
