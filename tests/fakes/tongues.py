"""How providers of each framing speak, piece by piece, and how clients of each shape ask: for tests of time.

What a provider says while it has nothing to say yet is told apart from content: ``quiet`` are a role frame and the
keep-alives that its kind is known to send. No piece of these may end a wait for the first content.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.stage import ALIVE, DONE, ROLE, STOP, Act, content, end, head, say, whole
from tests.unit.shapes.gemini import answers as gemini
from tests.unit.shapes.messages import transcripts as messages
from tests.unit.shapes.responses import answers as responses

MURMUR = 0.2  # seconds between what a provider says while it has no content


@dataclass(frozen=True)
class Tongue:
    """What one kind of provider sends."""

    shape: str  # of the provider, in the configuration
    serves: tuple[str, ...]
    native: str  # the client shape that it understands as it is
    quiet: tuple[bytes, ...]  # the first is the role frame; said over and over, none of it is content
    begin: bytes  # what goes before the first content
    content: Callable[[str], bytes]
    rest: bytes  # from the last content to the end mark
    unary: bytes


def _responses_head(kind: str) -> bytes:
    return responses.event(kind, response={**responses._NATIVE, "status": "in_progress", "output": [], "usage": None})


def _responses_final() -> dict[str, Any]:
    text = {"type": "output_text", "text": "hello", "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    return {**responses._NATIVE, "status": "completed", "output": [item], "usage": responses._COUNTED}


_HELLO = {"type": "text", "text": "hello"}
_PING = messages.event("ping")
_BEGIN = messages.event("message_start", message=messages.HEAD)
_GEMINI_EMPTY = gemini.event(gemini.answer(gemini.candidate(), usageMetadata=gemini.FIRST))

TONGUES = {
    "chat": Tongue(
        "openai", ("chat",), "openai.chat", (ROLE, ALIVE, b": OPENROUTER PROCESSING\n\n"), b"", content, STOP + DONE,
        whole("hello"),
    ),
    "messages": Tongue(
        "anthropic", ("chat",), "anthropic.messages", (_BEGIN, _PING, ALIVE), messages.start(0, type="text", text=""),
        lambda text: messages.delta(0, "text_delta", text=text),
        messages.stop(0) + messages.finish() + messages.event("message_stop"),
        json.dumps({**messages.HEAD, "content": [_HELLO], "stop_reason": "end_turn"}).encode(),
    ),
    "gemini": Tongue(
        "gemini", ("chat",), "", (_GEMINI_EMPTY, b": hold on\r\n\r\n"), b"",
        lambda text: gemini.event(gemini.answer(gemini.candidate(gemini.text(text)), usageMetadata=gemini.FIRST)),
        gemini.event(gemini.answer(gemini.candidate(finish="STOP"), usageMetadata=gemini.USAGE)),
        gemini.whole(gemini.candidate(gemini.text("hello"), finish="STOP"), usageMetadata=gemini.USAGE),
    ),
    "responses": Tongue(
        "openai", ("responses",), "openai.responses",
        (_responses_head("response.created"), ALIVE, _responses_head("response.in_progress")), b"",
        lambda text: responses.event("response.output_text.delta", delta=text, output_index=0, content_index=0),
        responses.event("response.completed", response=_responses_final()),
        json.dumps(_responses_final()).encode(),
    ),
    "folded": Tongue(
        "llamacpp", ("chat",), "openai.chat", (ROLE, ALIVE), b"", content, STOP + DONE, whole("hello")
    ),
}  # fmt: skip

CLIENTS = ("openai.chat", "anthropic.messages", "openai.responses", "openai.completions")
# every pair whose framing differs, and each shape with itself
PAIRS = [
    (client, name)
    for name, tongue in TONGUES.items()
    for client in CLIENTS
    if "chat" in tongue.serves or client == tongue.native
]


def request(client: str, *, stream: bool, model: str = "auto", **more: Any) -> bytes:
    """Return the body of a short request."""
    body: dict[str, Any] = {"model": model, "stream": stream, **more}
    if client == "openai.responses":
        body["input"] = "hello"
    elif client == "openai.completions":
        body["prompt"] = "hello"
    else:
        body["messages"] = [{"role": "user", "content": "hello"}]
    if client == "anthropic.messages":
        body.setdefault("max_tokens", 64)
    return json.dumps(body).encode()


def murmur(tongue: Tongue, seconds: float, *, role: bool = True) -> list[Act | float]:
    """Return the steps of a provider that keeps its stream open for so long, and says nothing.

    ``role``: the role frame is still to come; anything else is said over and over.
    """
    steps: list[Act | float] = []
    frames = list(tongue.quiet) if role else list(tongue.quiet[1:])
    for i in range(int(seconds / MURMUR)):
        frame = frames[i % len(frames)]
        if role and i and frame == tongue.quiet[0] and tongue.shape == "anthropic":
            frame = _PING  # a message begins once
        steps += [MURMUR, say(frame)]
    return steps


def stream(tongue: Tongue, *texts: str) -> list[Act | float]:
    """Return the steps of a whole stream, said at once."""
    return [head(), say(tongue.quiet[0], tongue.begin, *map(tongue.content, texts), tongue.rest), end]
