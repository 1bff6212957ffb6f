"""A text-completion stream is the unary answer it stands for."""

from __future__ import annotations

import json
from typing import Any

from lbd.shapes.completions.fold import CompletionsFold


def event(**more: Any) -> bytes:
    return (
        b"data: " + json.dumps({"id": "cmpl-1", "object": "text_completion", "model": "m", **more}).encode() + b"\n\n"
    )


def choice(text: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": None, **more}


def test_texts_are_joined_by_choice_and_the_usage_kept() -> None:
    """Whatever order they came in."""
    fold = CompletionsFold()
    fold.feed(event(choices=[choice("he")]) + event(choices=[choice("wor", 1)]))
    fold.feed(
        event(choices=[choice("llo", finish_reason="stop")]) + event(choices=[choice("ld", 1, finish_reason="length")])
    )
    fold.feed(event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 4}) + b"data: [DONE]\n\n")
    body = json.loads(fold.result())
    assert (body["id"], body["object"], body["model"]) == ("cmpl-1", "text_completion", "m")
    assert [(c["index"], c["text"], c["finish_reason"]) for c in body["choices"]] == [
        (0, "hello", "stop"),
        (1, "world", "length"),
    ]
    assert body["usage"] == {"prompt_tokens": 1, "completion_tokens": 4}


def test_log_probabilities_go_on_where_they_ended() -> None:
    """Each piece has those of its own tokens."""
    fold = CompletionsFold()
    fold.feed(event(choices=[choice("a", logprobs={"tokens": ["a"], "token_logprobs": [-1.0]})]))
    fold.feed(event(choices=[choice("b", logprobs={"tokens": ["b"], "token_logprobs": [-2.0]}, finish_reason="stop")]))
    [only] = json.loads(fold.result())["choices"]
    assert only["logprobs"] == {"tokens": ["a", "b"], "token_logprobs": [-1.0, -2.0]}
