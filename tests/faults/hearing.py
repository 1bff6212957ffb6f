"""What a client made of the bytes it got: the answer, a typed error, or neither; nothing is forgiven.

The framing of HTTP/1.1 and of the event stream is read strictly. ``LOST`` is whatever is neither the whole right
answer nor an error of the client's shape: a cut without a word, a hang, a wrong text, an end mark that is a lie.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.faults.answer import Answer, Said, asks_usage
from tests.faults.readers import Wrong, reader, typed, whole


@dataclass
class Heard:
    """One answer. ``error`` is its code or type, where it ended in one; ``began``: content had come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    said: Said | None = None
    error: str | None = None
    began: bool = False


def verdict(raw: bytes, nonce: int, shape: str, *, stream: bool, counts: bool = True) -> Heard:
    """Return what came. Raises Wrong.

    Not ``counts``: the usage may be untold, and is then what lbd estimates; Anthropic's shape has no word for not
    knowing, and zero would be wrong.
    """
    status, headers, body = framed(raw)
    heard = Heard(status, headers)
    if "x-request-id" not in headers:
        raise Wrong("no x-request-id")
    right = Answer(nonce).said
    if status != 200:
        heard.error = _refused(status, headers, body, shape)
        return heard
    if not stream:
        heard.said = whole(json.loads(body), shape)
        if heard.said != right:
            raise Wrong(f"said {heard.said}, not {right}")
        return heard
    if headers.get("content-type", "").partition(";")[0] != "text/event-stream":
        raise Wrong(f"a stream of type {headers.get('content-type')}")
    reads = reader(shape)
    for name, data in events(body):
        reads.take(name, data)
    heard.said, heard.error, heard.began = reads.said(), reads.error, reads.began
    if not counts and heard.said.usage is not None and min(heard.said.usage) > 0:
        heard.said = heard.said._replace(usage=right.usage)
    _compare(heard, right, counted=reads.counted or asks_usage(nonce, shape), ended=reads.ended)
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
    return typed(json.loads(body), shape)


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
