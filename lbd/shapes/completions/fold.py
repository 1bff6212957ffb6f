"""Gather a text-completion stream into the unary answer it stands for."""

from __future__ import annotations

from typing import Any

from lbd.shapes.chat.fold import ChatFold


class CompletionsFold(ChatFold):
    """See :class:`lbd.shapes.wire.Fold`: like a chat's, but its choices hold text and no message."""

    KIND = "text_completion"

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        out = self._choices.setdefault(index, {"index": index, "text": "", "logprobs": None, "finish_reason": None})
        for key, value in choice.items():
            if key == "index" or value is None:
                continue
            if key == "text":
                out["text"] += value if isinstance(value, str) else ""
            elif key == "logprobs" and isinstance(value, dict):
                out["logprobs"] = _joined(out["logprobs"] or {}, value)
            else:
                out[key] = value


def _joined(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return log-probabilities with those that follow: every list goes on where it ended."""
    out = dict(known)
    for key, value in more.items():
        out[key] = [*out[key], *value] if isinstance(value, list) and isinstance(out.get(key), list) else value
    return out
