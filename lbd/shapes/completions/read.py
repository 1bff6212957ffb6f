"""A text-completion request as a prompt: the text to go on from is what the user says."""

from __future__ import annotations

from typing import Any

from lbd.model.messages import Prompt, Text, Turn
from lbd.shapes import dig
from lbd.shapes.chat.read import decode

# The API's own default, which clients of it count on.
USUAL_TOKENS = 16
_HINTS = frozenset({"model", "stream", "stream_options", "user", "metadata"})
_KNOWN = _HINTS | {
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "presence_penalty",
    "prompt",
    "seed",
    "stop",
    "suffix",
    "temperature",
    "top_p",
}


def read(raw: bytes) -> Prompt:
    """Return what a text-completion request asks. Raises LbdError, with the place of what is wrong in it."""
    body = decode(raw)
    dig.only(body, _KNOWN, "", body)
    for name in ("suffix", "logprobs"):
        if body.get(name) not in (None, "", 0):
            raise dig.unsupported(f"/{name}", "a chat cannot do this")
    if dig.flag(body.get("echo"), "/echo"):
        raise dig.unsupported("/echo", "a chat does not repeat what it was asked")
    limit = dig.whole(body.get("max_tokens"), "/max_tokens")
    n = dig.whole(body.get("n"), "/n") or 1
    if (dig.whole(body.get("best_of"), "/best_of") or n) > n:
        raise dig.unsupported("/best_of", "a chat does not choose among answers")
    bias = dig.maybe_members(body.get("logit_bias"), "/logit_bias")
    return Prompt(
        model=dig.text(body.get("model"), "/model"),
        turns=(Turn("user", (Text(_text(body)),)),),
        max_tokens=USUAL_TOKENS if limit is None else limit,
        temperature=dig.number(body.get("temperature"), "/temperature"),
        top_p=dig.number(body.get("top_p"), "/top_p"),
        stop=dig.words(body.get("stop"), "/stop"),
        n=n,
        seed=dig.whole(body.get("seed"), "/seed"),
        frequency_penalty=dig.number(body.get("frequency_penalty"), "/frequency_penalty"),
        presence_penalty=dig.number(body.get("presence_penalty"), "/presence_penalty"),
        logit_bias=None if bias is None else {k: dig.number(v, f"/logit_bias/{k}") or 0.0 for k, v in bias.items()},
        user=dig.maybe_text(body.get("user"), "/user"),
    )


def _text(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, list) and prompt:
        raise dig.unsupported("/prompt", "several prompts, or one of token ids, cannot be asked as a chat")
    raise dig.bad("/prompt", "expected a string")
