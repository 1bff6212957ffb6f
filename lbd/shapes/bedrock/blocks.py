"""The parts of a conversation as Converse's content blocks."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from lbd.model.messages import Call, Media, Part, Refusal, Result, Text, Thinking, Turn
from lbd.shapes import dig, loose, tokens
from lbd.shapes.bedrock import models

CACHE_POINT = {"cachePoint": {"type": "default"}}
# Converse refuses blank text, and a tool may have nothing to say.
NOTHING = "(empty)"
IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NOT_IN_TITLE = re.compile(r"[^a-zA-Z0-9()\[\]-]+")
LONGEST_TITLE = 150  # characters; 200 are allowed, and a number may follow


OPENING = "..."  # where a conversation begins with the other side, or holds instructions alone


def conversation(turns: tuple[Turn, ...], model: str) -> list[dict[str, Any]]:
    """Return the messages of a conversation; their sides alternate, as Converse demands. Raises LbdError."""
    writer = Writer(model)
    out: list[dict[str, Any]] = []
    for turn in turns:
        content = writer.content(turn)
        if content and out and out[-1]["role"] == turn.role:  # what stood between could not be carried
            out[-1]["content"] += content
        elif content:
            out.append({"role": turn.role, "content": content})
    if not out or out[0]["role"] != "user":  # the user has the first word
        out.insert(0, {"role": "user", "content": [{"text": OPENING}]})
    return out


def tool_name(name: str, at: str) -> str:
    """Return the name of a tool, if Converse takes it."""
    if _NAME.fullmatch(name) is None:
        raise dig.unsupported(at, f"a tool's name has letters, digits, _ and -, 64 at most: not {name[:80]!r}")
    return name


def call_id(id_: str) -> str:
    """Return the id of a call: one that Converse would refuse is told by its hash, in the call and its result."""
    return id_ if _ID.fullmatch(id_) else "id_" + hashlib.sha256(id_.encode("utf-8", "replace")).hexdigest()[:32]


class Writer:
    """Writes blocks for one model. Documents are named, and no two of a request alike."""

    def __init__(self, model: str) -> None:
        self._mint = models.mint(model)
        self._caches = models.caches(model)
        self._titles: set[str] = set()

    def content(self, turn: Turn) -> list[dict[str, Any]]:
        """Return the content of one message; empty where nothing of it can be read by this model."""
        media = [p for p in turn.parts if isinstance(p, Media)]
        if media and turn.role != "user":
            raise dig.unsupported("/messages", "images and files that the model said")
        texts = [p for p in turn.parts if isinstance(p, Text) and p.text.strip()]
        if any(m.kind == "file" for m in media) and not texts:
            raise dig.unsupported("/messages", "a file without words beside it")
        out: list[dict[str, Any]] = []
        # the results of tools first: Claude wants them right after the calls
        for part in sorted(turn.parts, key=lambda part: not isinstance(part, Result)):
            out += self._block(part)
            if self._caches and getattr(part, "cache", False) and out and out[-1] != CACHE_POINT:
                out.append(CACHE_POINT)
        return out

    def _block(self, part: Part) -> list[dict[str, Any]]:
        if isinstance(part, Text | Refusal):
            return [{"text": part.text}] if part.text.strip() else []
        if isinstance(part, Media):
            return [self._media(part)]
        if isinstance(part, Thinking):
            return self._thought(part)
        if isinstance(part, Call):
            name = tool_name(part.name, "/messages")
            return [{"toolUse": {"toolUseId": call_id(part.id), "name": name, "input": _given(part)}}]
        return [self._result(part)]

    def _thought(self, part: Thinking) -> list[dict[str, Any]]:
        own = tokens.own(part.token, self._mint)
        if own is None:
            return []
        if part.redacted:
            return [{"reasoningContent": {"redactedContent": own}}]
        return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": own}}}]

    def _result(self, part: Result) -> dict[str, Any]:
        content = [b for p in part.parts for b in self._block(p)] or [{"text": NOTHING}]
        block: dict[str, Any] = {"toolUseId": call_id(part.id), "content": content}
        if part.failed:
            block["status"] = "error"
        return {"toolResult": block}

    def _media(self, part: Media) -> dict[str, Any]:
        if part.kind == "audio":
            raise dig.unsupported("/messages", "sound")
        source = _source(part)
        ending = _ending(part, IMAGES if part.kind == "image" else DOCUMENTS)
        if part.kind == "image":
            return {"image": {"format": ending, "source": source}}
        return {"document": {"format": ending, "name": self._title(part.name or "document"), "source": source}}

    def _title(self, name: str) -> str:
        """Return a document's name in the characters that Converse allows, and unlike those before."""
        stem = _NOT_IN_TITLE.sub(" ", name).strip()[:LONGEST_TITLE].rstrip() or "document"
        title, number = stem, 2
        while title in self._titles:
            title, number = f"{stem} {number}", number + 1
        self._titles.add(title)
        return title


def _given(call: Call) -> dict[str, Any]:
    """Return the arguments of a call as the object that Converse wants."""
    if not call.arguments.strip():
        return {}
    try:
        given = loose.exact(call.arguments)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise dig.unsupported("/messages", f"the arguments of call {call.id[:80]!r} are no JSON object")
    return given


def _source(part: Media) -> dict[str, Any]:
    if part.data:
        return {"bytes": part.data}
    if part.url is not None and part.url.startswith("s3://"):
        return {"s3Location": {"uri": part.url}}
    if part.url is not None:
        raise dig.unsupported("/messages", "a URL: Bedrock fetches from nowhere but S3")
    raise dig.unsupported("/messages", "a file that was uploaded to another provider, or an empty one")


def _ending(part: Media, formats: dict[str, str]) -> str:
    """Return the format of media by their type, else by the end of their name."""
    type_ = part.type.partition(";")[0].strip().lower()
    ending = formats.get(type_)
    if ending is None and not type_:
        ending = (part.name or part.url or "").rpartition(".")[2].lower()
        ending = {"jpg": "jpeg", "htm": "html"}.get(ending, ending)
    if ending not in formats.values():
        raise dig.unsupported("/messages", f"{part.kind} of type {part.type[:80] or 'unknown'!r}")
    return str(ending)
