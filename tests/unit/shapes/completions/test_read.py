"""A text-completion request as a chat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Prompt, Text, Turn
from lbd.shapes.completions.read import read


def asked(**more: Any) -> Prompt:
    return read(json.dumps({"model": "m", "prompt": "Once", **more}).encode())


def test_the_prompt_is_what_the_user_says() -> None:
    """With the bound that the API has when none is named."""
    assert asked().turns == asked(prompt=["Once"]).turns == (Turn("user", (Text("Once"),)),)
    assert asked().max_tokens == 16
    made = asked(max_tokens=5, temperature=0, stop="x", n=2, seed=3, user="u", logit_bias={"1": 2})
    assert (made.max_tokens, made.temperature, made.stop, made.n, made.seed, made.user) == (5, 0.0, ("x",), 2, 3, "u")
    assert made.logit_bias == {"1": 2.0}


@pytest.mark.parametrize(
    "more",
    [
        {"suffix": "!"},
        {"logprobs": 3},
        {"echo": True},
        {"best_of": 3},
        {"prompt": ["a", "b"]},
        {"prompt": [1, 2]},
        {"x": 1},
    ],
)
def test_what_a_chat_cannot_do_is_not_dropped(more: dict[str, Any]) -> None:
    """Another deployment may have the endpoint itself."""
    with pytest.raises(LbdError) as caught:
        asked(**more)
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


def test_what_asks_for_nothing_is_no_matter() -> None:
    """Null and empty members are sent by many clients."""
    assert asked(suffix=None, logprobs=None, echo=False, best_of=1, x=None) == asked()


@pytest.mark.parametrize("more", [{"prompt": 3}, {"prompt": None}, {"prompt": []}, {"n": "two"}])
def test_a_fault_is_told_with_its_place(more: dict[str, Any]) -> None:
    """As a JSON pointer."""
    with pytest.raises(LbdError) as caught:
        asked(**more)
    assert caught.value.failure.kind is FailureKind.BAD_REQUEST
    assert next(iter(more)) in str(caught.value.failure.param)
