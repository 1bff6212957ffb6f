"""What the shapes of OpenAI's family have in common; each of them changes what is its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

from lbd.model.messages import Prompt
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


Adapt = Callable[[dict[str, Any]], dict[str, Any]]


def adapted(shape: Shape, marks: Collection[str], adapt: Adapt, lacks: frozenset[str]) -> Shape:
    """Return the shape of a provider that wants some members otherwise, from its own clients and from all others.

    Where none of the marks stands in a request of its own language, the bytes pass through as ever. ``lacks``:
    capabilities that it has no words for.
    """
    chat, dialect = shape.speaks["openai.chat"], shape.dialect or DIALECT
    found = [f'"{mark}"'.encode() for mark in marks]

    def changed(raw: bytes) -> bytes:
        if not any(mark in raw for mark in found):
            return raw
        asked = orjson.loads(raw)
        out = adapt(dict(asked))
        return raw if out == asked else orjson.dumps(out)

    def encode(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        return changed(chat.encode(body, row, stream, ask_usage))

    def write(prompt: Prompt, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        return changed(dialect.write(prompt, row, stream, ask_usage))

    own = dataclasses.replace(chat, encode=encode, carries=chat.carries - lacks)
    return dataclasses.replace(
        shape,
        speaks={**shape.speaks, "openai.chat": own},
        dialect=dataclasses.replace(dialect, write=write, carries=lambda model: dialect.carries(model) - lacks),
    )


def renamed(names: Mapping[str, str], dropped: Collection[str]) -> Adapt:
    """Return what calls members by other names and leaves out some that change no answer."""

    def adapt(asked: dict[str, Any]) -> dict[str, Any]:
        return {names.get(name, name): value for name, value in asked.items() if name not in dropped}

    return adapt
