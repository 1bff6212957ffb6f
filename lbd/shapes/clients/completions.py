"""OpenAI's older text completions, client side."""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes import asked, said, sse
from lbd.shapes.chat import errors
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.clients.openai import error_event
from lbd.shapes.completions.read import USUAL_TOKENS
from lbd.shapes.completions.resume import RESUME
from lbd.shapes.completions.voice import VOICE
from lbd.shapes.loose import UNREADABLE


class _StreamOptions(msgspec.Struct):
    include_usage: Any = None


class _Request(msgspec.Struct):
    model: str
    prompt: msgspec.Raw = msgspec.Raw()
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Any = None
    n: Any = None
    best_of: Any = None
    seed: Any = None
    temperature: Any = None
    top_p: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None
    metadata: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Request).decode
_JUDGED = asked.judged(_Request)
_decode_prompt = msgspec.json.Decoder(list[Any] | str | None).decode


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    request = asked.read(_decode, raw, _JUDGED)
    if isinstance(request, Failure):
        return request
    try:
        prompts = _prompts(request.prompt)
    except UNREADABLE as e:
        return asked.unreadable(e)
    text = memoryview(request.prompt)
    options = request.stream_options
    n = asked.count(request.n)
    limit = USUAL_TOKENS if request.max_tokens is None else request.max_tokens
    return Head(
        model=request.model,
        stream=bool(request.stream),
        include_usage=options is not None and options.include_usage is True,
        max_output_tokens=asked.bound(limit),
        n=n * prompts,
        draws=asked.count(request.best_of) * prompts,
        needs=_needs(request, n),
        text_bytes=max(1, len(text)),
        prefix_hash=asked.prefix(text),
        metadata=request.metadata,
    )


def _needs(request: _Request, n: int) -> frozenset[str]:
    given = {
        "n": n > 1,
        "seed": request.seed is not None,
        "penalties": request.frequency_penalty or request.presence_penalty,
        "logit_bias": request.logit_bias,
    }
    return frozenset(
        [*asked.sampling(request.temperature, request.top_p), *(w for w, wanted in given.items() if wanted)]
    )


def _prompts(raw: msgspec.Raw) -> int:
    """Count the prompts: each gets answers of its own."""
    if bytes(memoryview(raw)[:1]) != b"[":
        return 1
    prompt = _decode_prompt(raw)
    return len(prompt) if prompt and isinstance(prompt[0], str | list) else 1


SHAPE = CLIENTS.add("openai.completions")(
    ClientShape(
        name="openai.completions",
        read=read,
        error_body=errors.encode,
        error_event=error_event,
        passes=errors.is_openai_shaped,
        keep_alive=sse.comment(b"waiting"),
        voice=VOICE,
        resume=RESUME,
        said=said.prompt,
    )
)
