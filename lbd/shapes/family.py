"""What the shapes of OpenAI's family have in common; each of them changes what is its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from lbd.model.outcome import Load
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes import promtext
from lbd.shapes.chat import passing
from lbd.shapes.chat.errors import classify
from lbd.shapes.chat.voice import DIALECT
from lbd.shapes.chat.wire import CHAT
from lbd.shapes.completions.voice import COMPLETIONS
from lbd.shapes.plain import EMBEDDINGS
from lbd.shapes.providers import FreeProbes, ProviderConfig, Shape

Encode = Callable[[Body, DeploymentSpec, bool, bool], bytes]


def hosted(name: str, config: type[ProviderConfig], **own: Any) -> Shape:
    """Return the shape of a service that speaks chat completions."""
    shape = Shape(
        name=name,
        config=config,
        speaks={"openai.chat": CHAT, "openai.embeddings": EMBEDDINGS},
        headers=passing.bearer,
        classify=classify,
        limits=passing.quota,
        probes=FreeProbes(liveness="models", models="models"),
        read_models=passing.read_models,
        dialect=DIALECT,
    )
    return dataclasses.replace(shape, **own)


def local(name: str, config: type[ProviderConfig], **own: Any) -> Shape:
    """Return the shape of a server that one runs oneself: it completes text, too, and has no quota."""
    speaks = {"openai.chat": CHAT, "openai.completions": COMPLETIONS, "openai.embeddings": EMBEDDINGS}
    return hosted(name, config, **{"speaks": speaks, "limits": lambda _headers, _wall: (), "self_hosted": True, **own})


def gauges(running: str, waiting: str) -> Callable[[bytes], Load | None]:
    """Return the reader of a server's own load: two gauges of its metrics page, summed over engines."""

    def read(body: bytes) -> Load | None:
        found = promtext.sums(body, (running, waiting))
        if running not in found:
            return None
        return Load(int(found[running]), int(found.get(waiting, 0)))

    return read


def adapted(renamed: Mapping[str, str], dropped: frozenset[str]) -> Encode:
    """Return an encoder for a provider that calls members by other names, or refuses some that change no answer.

    Where none of them stands in the request, its bytes pass through as ever.
    """
    marks = [f'"{name}"'.encode() for name in (*renamed, *dropped)]

    def encode(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        raw = passing.encode(body, row, stream, ask_usage)
        if not any(mark in raw for mark in marks):
            return raw
        asked = orjson.loads(raw)
        out = {renamed.get(name, name): value for name, value in asked.items() if name not in dropped}
        return raw if out == asked else orjson.dumps(out)

    return encode
