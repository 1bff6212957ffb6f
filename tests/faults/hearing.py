"""What a client made of the bytes it got: the answer, a typed error, or neither; nothing is forgiven.

The framing of HTTP/1.1 and of the event stream is read strictly. ``LOST`` is whatever is neither the whole right
answer nor an error of the client's shape: a cut without a word, a hang, a wrong text, an end mark that is a lie.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.faults.answer import FINISHES, TOOL, Answer, Said

WHOLE = {their: ours for ours, their in FINISHES.items()}


class Wrong(Exception):
    """These bytes are no answer; the message says why."""


@dataclass
class Heard:
    """One answer. ``error`` is its code or type, where it ended in one; ``began``: content had come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    said: Said | None = None
    error: str | None = None
    began: bool = False


def verdict(raw: bytes, nonce: int, shape: str, *, stream: bool, junk: bool = False, counts: bool = True) -> Heard:
    """Return what came. Raises Wrong.

    ``junk``: bytes that are no UTF-8 may stand in it, and count for nothing. Not ``counts``: the usage may be
    untold, and is then what lbd estimates; Anthropic's shape has no word for not knowing, and zero would be wrong.
    """
    status, headers, body = framed(raw)
    if junk:
        body = body.decode("utf-8", "replace").replace("\ufffd", "").encode()
    heard = Heard(status, headers)
    if "x-request-id" not in headers:
        raise Wrong("no x-request-id")
    right = Answer(nonce).said
    if status != 200:
        heard.error = _refused(status, headers, body, shape)
        return heard
    if not stream:
        heard.said = _whole(json.loads(body), shape)
        if heard.said != right:
            raise Wrong(f"said {heard.said}, not {right}")
        return heard
    if headers.get("content-type", "").partition(";")[0] != "text/event-stream":
        raise Wrong(f"a stream of type {headers.get('content-type')}")
    reader = _Anthropic() if shape == "anthropic" else _OpenAI()
    for name, data in events(body):
        reader.take(name, data)
    heard.said, heard.error = reader.said(), reader.error
    heard.began = bool(heard.said.text or heard.said.tool)
    if not counts and heard.said.usage is not None and min(heard.said.usage) > 0:
        heard.said = heard.said._replace(usage=right.usage)
    _compare(heard, right, counted=reader.counted or (shape == "openai" and nonce % 4 < 2), ended=reader.ended)
    return heard


def _compare(heard: Heard, right: Said, *, counted: bool, ended: bool) -> None:
    said = heard.said
    assert said is not None
    if heard.error is not None:
        if ended:
            raise Wrong("an end mark behind an error")
        if not (right.text.startswith(said.text) and right.tool.startswith(said.tool)):
            raise Wrong(f"before the error came {said}, of {right}")
        return
    if not ended:
        raise Wrong(f"the stream ended with neither an end mark nor an error, after {said}")
    if said != right._replace(usage=right.usage if counted else None):
        raise Wrong(f"said {said}, not {right}")


# --- HTTP ------------------------------------------------------------------------------------------------


def framed(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, header fields and body of exactly one answer. Raises Wrong."""
    if not raw:
        raise Wrong("the connection was closed without an answer")
    top, mark, rest = raw.partition(b"\r\n\r\n")
    if not mark:
        raise Wrong(f"cut in the head: {raw[:200]!r}")
    first, *lines = top.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.1 "):
        raise Wrong(f"no answer: {first!r}")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        rest = _unchunked(rest)
    elif len(rest) != int(headers["content-length"]):
        raise Wrong(f"{len(rest)} bytes of {headers['content-length']}")
    return int(first.split(" ")[1]), headers, rest


def _unchunked(data: bytes) -> bytes:
    out = []
    while True:
        size, mark, data = data.partition(b"\r\n")
        if not mark:
            raise Wrong(f"cut between chunks, after {b''.join(out)[-200:]!r}")
        length = int(size, 16)
        if data[length : length + 2] != b"\r\n":
            raise Wrong(f"cut in a chunk, after {b''.join(out)[-200:]!r}")
        if not length:
            if data != b"\r\n":
                raise Wrong(f"behind the last chunk: {data[:200]!r}")
            return b"".join(out)
        out.append(data[:length])
        data = data[length + 2 :]


# --- errors ----------------------------------------------------------------------------------------------


def _refused(status: int, headers: dict[str, str], body: bytes, shape: str) -> str:
    if not 400 <= status < 600:
        raise Wrong(f"status {status}")
    if headers.get("content-type") != "application/json":
        raise Wrong(f"an error of type {headers.get('content-type')}")
    return _typed(json.loads(body), shape)


def _typed(told: Any, shape: str) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
        raise Wrong(f"no typed error: {told}")
    if not isinstance(error.get("type"), str):
        raise Wrong(f"an error without a type: {told}")
    if shape == "anthropic":
        if told.get("type") != "error":
            raise Wrong(f"no error of Anthropic's shape: {told}")
        return str(error["type"])
    if not {"param", "code"} <= error.keys() or not isinstance(error["code"], str | None):
        raise Wrong(f"no error of OpenAI's shape: {told}")
    return str(error["code"] or error["type"])


# --- whole answers ---------------------------------------------------------------------------------------


def _whole(told: dict[str, Any], shape: str) -> Said:
    if shape == "anthropic":
        text = "".join(b["text"] for b in told["content"] if b["type"] == "text")
        tool = "".join(json.dumps(b["input"]) for b in told["content"] if b["type"] == "tool_use")
        used = told["usage"]
        return Said(text, tool, WHOLE[told["stop_reason"]], (used["input_tokens"], used["output_tokens"]))
    (choice,) = told["choices"]
    message, used = choice["message"], told["usage"]
    tool = "".join(c["function"]["arguments"] for c in message.get("tool_calls") or ())
    if tool and {c["function"]["name"] for c in message["tool_calls"]} != {TOOL}:
        raise Wrong(f"a call of {message['tool_calls']}")
    finish, usage = choice["finish_reason"], (used["prompt_tokens"], used["completion_tokens"])
    # translated arguments are the same value, in other blanks
    return Said(message.get("content") or "", json.dumps(json.loads(tool)) if tool else "", finish, usage)


# --- streams ---------------------------------------------------------------------------------------------


def events(body: bytes) -> list[tuple[str, str]]:
    """Return name and data of the events. Raises Wrong where the last one is not complete."""
    text = body.decode()
    # line ends are as the provider has put them
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text and not text.endswith("\n\n"):
        raise Wrong(f"half an event: {text[-200:]!r}")
    out = []
    for block in text.split("\n\n"):
        name, data = "", []
        for line in block.split("\n"):
            key, _, value = line.partition(":")
            if key == "data":
                data.append(value.removeprefix(" "))
            elif key == "event":
                name = value.strip()
        if data:
            out.append((name, "\n".join(data)))
    return out


class _OpenAI:
    def __init__(self) -> None:
        self.error: str | None = None
        self.ended = False
        self.counted = False
        self._text: list[str] = []
        self._tool: list[str] = []
        self._finish: str | None = None
        self._usage: tuple[int, int] | None = None
        self._id: str | None = None

    def take(self, _name: str, data: str) -> None:
        if self.ended or self.error is not None:
            raise Wrong(f"behind the end: {data[:200]}")
        if data == "[DONE]":
            self.ended = True
            return
        told = json.loads(data)
        if "error" in told:
            self.error = _typed(told, "openai")
            return
        self._id = self._id or told["id"]
        if told["id"] != self._id:
            raise Wrong(f"two ids in one stream: {self._id}, {told['id']}")
        if told.get("usage"):
            if self._usage is not None:
                raise Wrong("told the usage twice")
            self._usage = told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]
        for choice in told["choices"]:
            delta = choice["delta"]
            words = (delta.get("content") or "") + "".join(
                call["function"].get("arguments") or "" for call in delta.get("tool_calls") or ()
            )
            if words and self._finish is not None:
                raise Wrong(f"content behind the finish: {data[:200]}")
            self._text.append(delta.get("content") or "")
            self._tool += [call["function"].get("arguments") or "" for call in delta.get("tool_calls") or ()]
            if choice.get("finish_reason"):
                if self._finish is not None:
                    raise Wrong("finished twice")
                self._finish = choice["finish_reason"]

    def said(self) -> Said:
        return Said("".join(self._text), "".join(self._tool), self._finish, self._usage)


class _Anthropic:
    def __init__(self) -> None:
        self.error: str | None = None
        self.ended = False
        self.counted = True
        self._text: list[str] = []
        self._tool: list[str] = []
        self._finish: str | None = None
        self._in = self._out = 0
        self._open: set[int] = set()

    def take(self, name: str, data: str) -> None:
        if self.ended or self.error is not None:
            raise Wrong(f"behind the end: {data[:200]}")
        told = json.loads(data)
        if told["type"] != name:
            raise Wrong(f"event {name!r} of type {told['type']!r}")
        match name:
            case "error":
                self.error = _typed(told, "anthropic")
            case "message_start":
                self._in = told["message"]["usage"]["input_tokens"]
            case "content_block_start":
                self._open.add(told["index"])
            case "content_block_delta":
                if told["index"] not in self._open:
                    raise Wrong(f"a delta of no open block: {data[:200]}")
                self._text.append(told["delta"].get("text", ""))
                self._tool.append(told["delta"].get("partial_json", ""))
            case "content_block_stop":
                self._open.remove(told["index"])
            case "message_delta":
                self._finish = WHOLE[told["delta"]["stop_reason"]]
                self._in = told["usage"].get("input_tokens") or self._in
                self._out = told["usage"]["output_tokens"]
            case "message_stop":
                if self._open:
                    raise Wrong("the end, with a block open")
                self.ended = True
            case "ping":
                pass
            case _:
                raise Wrong(f"an event of type {name!r}")

    def said(self) -> Said:
        return Said("".join(self._text), "".join(self._tool), self._finish, (self._in, self._out))
