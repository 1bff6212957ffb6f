"""The turns of a conversation as Google's ``contents``.

Thought signatures go back where they came from: on a call, on a thought, or on the text that they were sent with.
From Gemini 3 on the first call of each step must have one. A conversation that began elsewhere has none, and gets the
word that Google's page on thought signatures gives for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lbd.model.messages import Call, Media, Part, Prompt, Refusal, Result, Text, Thinking, Turn
from lbd.shapes import dig, loose, tokens
from lbd.shapes.gemini import models

FAMILY = "gemini"
FOREIGN = "skip_thought_signature_validator"
_AT = "/messages"
# A URL does not tell what it leads to, but for its ending; Google does not look.
_TYPES = {
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "mp3": "audio/mpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webp": "image/webp",
}


def contents(prompt: Prompt, model: str) -> list[dict[str, Any]]:
    """Return what was said, each side in its turn. Raises LbdError."""
    new = models.new(model)
    names: dict[str, str] = {}
    out = []
    for turn in prompt.turns:
        model_said = turn.role == "assistant"
        parts = (_answered if model_said else _said)(turn, new, names)
        if parts:
            out.append({"role": "model" if model_said else "user", "parts": parts})
    return out


def _signed(part: dict[str, Any], token: str | None) -> dict[str, Any]:
    return part if token is None else {**part, "thoughtSignature": token}


def _answered(turn: Turn, new: bool, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return a turn of the model. Thoughts without a token of Google's are nothing that it reads."""
    out: list[dict[str, Any]] = []
    bare: list[str] = []
    for part in turn.parts:
        if isinstance(part, Thinking):
            own = tokens.own(part.token, FAMILY)
            if own is not None and part.text:
                out.append(_signed({"text": part.text, "thought": True}, own))
            elif own is not None:
                bare.append(own)
        elif isinstance(part, Call):
            names[part.id] = part.name
            out.append(_signed({"functionCall": _call(part, new)}, tokens.own(part.token, FAMILY)))
        else:
            out += _shown(part)
    for own in bare:
        _attach(out, own)
    first = next((p for p in out if "functionCall" in p), None)
    if new and first is not None:
        first.setdefault("thoughtSignature", FOREIGN)
    return out


def _attach(parts: list[dict[str, Any]], own: str) -> None:
    """Put a signature that came alone where it belongs: on the last text, else on the first call, else for itself."""
    texts = [p for p in parts if "text" in p and "thought" not in p]
    calls = [p for p in parts if "functionCall" in p]
    for part in (*texts[-1:], *calls[:1]):
        if "thoughtSignature" not in part:
            part["thoughtSignature"] = own
            return
    parts.append({"text": "", "thoughtSignature": own})


def _call(call: Call, new: bool) -> dict[str, Any]:
    try:
        args = loose.exact(call.arguments) if call.arguments.strip() else {}
    except ValueError:
        args = None
    if not isinstance(args, dict):
        raise dig.bad(_AT, f"the arguments of the call {call.id!r} are not a JSON object")
    out: dict[str, Any] = {"name": call.name, "args": args}
    return {"id": call.id, **out} if new else out


def _said(turn: Turn, new: bool, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return a user's turn: what tools gave comes first, and what they show beside text stands with it or after it."""
    given: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, Result):
            inside = [_media(p) for p in part.parts if isinstance(p, Media)]
            within = [p for p in inside if new and "inlineData" in p]
            rest += [p for p in inside if p not in within]
            given.append({"functionResponse": _result(part, new, names, within)})
        elif isinstance(part, Call | Thinking):
            raise dig.unsupported(_AT, f"a user says no {type(part).__name__.lower()}")
        else:
            rest += _shown(part)
    return given + rest


def _result(part: Result, new: bool, names: dict[str, str], within: list[dict[str, Any]]) -> dict[str, Any]:
    told = "\n".join(p.text for p in part.parts if isinstance(p, Text))
    out: dict[str, Any] = {
        "name": part.name or names.get(part.id) or part.id,
        "response": {"error" if part.failed else "output": told},
    }
    if new:
        out["id"] = part.id
    return {**out, "parts": within} if within else out


def _shown(part: Part) -> Iterable[dict[str, Any]]:
    if isinstance(part, Media):
        yield _media(part)
    elif isinstance(part, Text | Refusal) and part.text:
        yield {"text": part.text}


def _media(part: Media) -> dict[str, Any]:
    if part.id is not None:
        raise dig.unsupported(_AT, "a file that was uploaded to another provider")
    if part.url is not None:
        ending = part.url.partition("?")[0].rpartition(".")[2].lower()
        kind = part.type or _TYPES.get(ending)
        return {"fileData": {"fileUri": part.url, **({"mimeType": kind} if kind else {})}}
    if not part.type:
        raise dig.unsupported(_AT, f"an {part.kind} without its type" if part.kind != "file" else "an untyped file")
    return {"inlineData": {"mimeType": part.type, "data": part.data or ""}}
