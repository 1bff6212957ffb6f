"""Answers of Google's models as they come: whole, and as the events of a stream."""

from __future__ import annotations

import json
from typing import Any

SIGNATURE = "EjQKMgEMzfb4QmQ="
HEAD = {"modelVersion": "gemini-3-flash-preview", "responseId": "Il0taoSYJ5Cez7IPn8rR-A8"}
USAGE = {
    "promptTokenCount": 20,
    "cachedContentTokenCount": 16,
    "candidatesTokenCount": 7,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 57,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
}


def event(payload: Any) -> bytes:
    """Return one event as Google writes it: lines end with CRLF."""
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\r\n\r\n"


def candidate(*parts: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """Return a candidate; one that has nothing to say has no parts."""
    content = {"parts": list(parts), "role": "model"} if parts else {"role": "model"}
    ends = {} if finish is None else {"finishReason": finish}
    return {"content": content, **ends, "index": index, **more}


def answer(*candidates: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an answer, or what one event says of it."""
    return {"candidates": list(candidates), **HEAD, **more}


def whole(*candidates: dict[str, Any], **more: Any) -> bytes:
    """Return the bytes of a unary answer."""
    return json.dumps(answer(*candidates, **more), ensure_ascii=False, indent=2).encode()


def text(said: str, **more: Any) -> dict[str, Any]:
    """Return a part of text."""
    return {"text": said, **more}


def thought(said: str, **more: Any) -> dict[str, Any]:
    """Return a part of a thought's summary."""
    return {"text": said, "thought": True, **more}


def call(name: str, args: dict[str, Any] | None = None, id_: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a call of a function."""
    told: dict[str, Any] = {"name": name} | ({} if args is None else {"args": args})
    return {"functionCall": told if id_ is None else {**told, "id": id_}, **more}


def likely(*words: str) -> dict[str, Any]:
    """Return how likely these tokens were."""
    chosen = [{"token": word, "tokenId": 1, "logProbability": -0.5} for word in words]
    return {"chosenCandidates": chosen, "topCandidates": [{"candidates": [token]} for token in chosen]}


FIRST = {"promptTokenCount": 20, "cachedContentTokenCount": 16, "totalTokenCount": 20}

# The same answer twice: the events of a stream, and the whole.
PAIRS: dict[str, tuple[bytes, bytes]] = {
    "text": (
        event(answer(candidate(text("Hel")), usageMetadata=FIRST))
        + event(answer(candidate(text("lo wörld 🌍")), usageMetadata=FIRST))
        + event(answer(candidate(finish="STOP"), usageMetadata=USAGE)),
        whole(candidate(text("Hello wörld 🌍"), finish="STOP"), usageMetadata=USAGE),
    ),
    "text with a signature at the end": (
        event(answer(candidate(text("4")), usageMetadata=FIRST))
        + event(answer(candidate(text("2")), usageMetadata=FIRST))
        + event(answer(candidate(text("", thoughtSignature=SIGNATURE), finish="STOP"), usageMetadata=USAGE)),
        whole(candidate(text("42", thoughtSignature=SIGNATURE), finish="STOP"), usageMetadata=USAGE),
    ),
    "thoughts": (
        event(answer(candidate(thought("Let me")), usageMetadata=FIRST))
        + event(answer(candidate(thought(" see")), usageMetadata=FIRST))
        + event(answer(candidate(text("42")), usageMetadata=FIRST))
        + event(answer(candidate(text(""), finish="MAX_TOKENS"), usageMetadata=USAGE)),
        whole(candidate(thought("Let me see"), text("42"), finish="MAX_TOKENS"), usageMetadata=USAGE),
    ),
    "calls": (
        event(answer(candidate(thought("two cities")), usageMetadata=FIRST))
        + event(answer(candidate(call("weather", {"city": "Köln"}, "c1", thoughtSignature=SIGNATURE))))
        + event(answer(candidate(call("weather", {"city": "Rom"}, "c2"))))
        + event(answer(candidate(finish="STOP"), usageMetadata=USAGE)),
        whole(
            candidate(
                thought("two cities"),
                call("weather", {"city": "Köln"}, "c1", thoughtSignature=SIGNATURE),
                call("weather", {"city": "Rom"}, "c2"),
                finish="STOP",
            ),
            usageMetadata=USAGE,
        ),
    ),
    "calls without ids": (
        event(answer(candidate(text("I look"))))
        + event(answer(candidate(call("now"))))
        + event(answer(candidate(call("weather", {"deep": {"list": [1, 2.5, None, "x"]}}), finish="STOP"))),
        whole(
            candidate(
                text("I look"),
                call("now"),
                call("weather", {"deep": {"list": [1, 2.5, None, "x"]}}),
                finish="STOP",
            )
        ),
    ),
    "cut by a filter": (
        event(answer(candidate(text("Once")), usageMetadata=FIRST))
        + event(answer(candidate(finish="SAFETY", safetyRatings=[{"probability": "HIGH"}]), usageMetadata=FIRST)),
        whole(candidate(text("Once"), finish="SAFETY"), usageMetadata=FIRST),
    ),
    "two candidates": (
        event(answer(candidate(text("one"))))
        + event(answer(candidate(text("uno"), index=1)))
        + event(answer(candidate(text("!"), finish="STOP")))
        + event(answer(candidate(text("!"), finish="MAX_TOKENS", index=1), usageMetadata=USAGE)),
        whole(
            candidate(text("one!"), finish="STOP"),
            candidate(text("uno!"), finish="MAX_TOKENS", index=1),
            usageMetadata=USAGE,
        ),
    ),
    "log-probabilities": (
        event(answer(candidate(text("Hel"), logprobsResult=likely("Hel"))))
        + event(answer(candidate(text("lo"), logprobsResult=likely("lo"), finish="STOP"))),
        whole(candidate(text("Hello"), logprobsResult=likely("Hel", "lo"), finish="STOP")),
    ),
    "a reason before the last signature": (
        event(answer(candidate(text("Hi"), finish="STOP"), usageMetadata=USAGE))
        + event(answer(candidate(text("", thoughtSignature=SIGNATURE), finish="STOP"), usageMetadata=USAGE)),
        whole(candidate(text("Hi", thoughtSignature=SIGNATURE), finish="STOP"), usageMetadata=USAGE),
    ),
}
OVERLOADED = {
    "error": {
        "code": 503,
        "message": "This model is currently experiencing high demand. Spikes in demand are usually temporary. "
        "Please try again later.",
        "status": "UNAVAILABLE",
    }
}
