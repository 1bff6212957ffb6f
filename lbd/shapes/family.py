"""What the shapes of OpenAI's family have in common; each of them changes what is its own."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

from lbd.model.messages import Prompt
from lbd.model.outcome import Load
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes import dig, promtext
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


def local(name: str, config: type[ProviderConfig], lacks: frozenset[str] = frozenset(), **own: Any) -> Shape:
    """Return the shape of a server that one runs oneself: it completes text, too, and has no quota.

    It writes the prompt by the model's own template, and most of those say nothing of a ``developer``: his word is
    refused or, worse, left out. It means what ``system`` does.
    """
    speaks = {"openai.chat": CHAT, "openai.completions": COMPLETIONS, "openai.embeddings": EMBEDDINGS}
    own = {"speaks": speaks, "limits": lambda _headers, _wall: (), "self_hosted": True, **own}
    return adapted(hosted(name, config, **own), (DEVELOPER,), instructed, lacks)


def gauges(running: str, waiting: str) -> Callable[[bytes], Load | None]:
    """Return the reader of a server's own load: two gauges of its metrics page, summed over engines."""

    def read(body: bytes) -> Load | None:
        found = promtext.sums(body, (running, waiting))
        if running not in found:
            return None
        return Load(int(found[running]), int(found.get(waiting, 0)))

    return read


Adapt = Callable[[dict[str, Any]], dict[str, Any]]
TALKS = ("openai.chat", "openai.completions")
DEVELOPER = "developer"
_ANY = {"type": "object", "properties": {}}


def adapted(shape: Shape, marks: Collection[str], adapt: Adapt, lacks: frozenset[str]) -> Shape:
    """Return the shape of a provider that wants some members otherwise, from its own clients and from all others.

    Where none of the marks stands in a request of its own language, the bytes pass through as ever. ``lacks``:
    capabilities that it has no words for.
    """
    chat, dialect = shape.speaks["openai.chat"], shape.dialect or DIALECT
    found = re.compile('"(?:{})"'.format("|".join(map(re.escape, marks))).encode()).search  # in one look

    def changed(raw: bytes) -> bytes:
        if found(raw) is None:
            return raw
        try:
            asked = orjson.loads(raw)
        except orjson.JSONDecodeError:  # its provider's to refuse
            return raw
        out = adapt(dict(asked))
        return raw if out == asked else orjson.dumps(out)

    def encode(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        return changed(chat.encode(body, row, stream, ask_usage))

    def write(prompt: Prompt, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        return changed(dialect.write(prompt, row, stream, ask_usage))

    talks = {name: wire for name, wire in shape.speaks.items() if name in TALKS}
    less = {name: dataclasses.replace(wire, carries=wire.carries - lacks) for name, wire in talks.items()}
    return dataclasses.replace(
        shape,
        speaks={**shape.speaks, **less, "openai.chat": dataclasses.replace(less["openai.chat"], encode=encode)},
        dialect=dataclasses.replace(dialect, write=write, carries=lambda model: dialect.carries(model) - lacks),
    )


def renamed(names: Mapping[str, str], dropped: Collection[str]) -> Adapt:
    """Return what calls members by other names and leaves out some that change no answer."""

    def adapt(asked: dict[str, Any]) -> dict[str, Any]:
        out = {name: value for name, value in asked.items() if name not in dropped and name not in names}
        # last, and none of null: the other name may stand there too, with nothing to say
        return out | {names[name]: value for name, value in asked.items() if name in names and value is not None}

    return adapt


def instructed(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose instructions are the system's, whoever gave them."""
    messages = asked.get("messages")
    if not isinstance(messages, list):
        return asked
    told = [{**m, "role": "system"} if isinstance(m, dict) and m.get("role") == DEVELOPER else m for m in messages]
    return {**asked, "messages": told}


def parametered(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose tools all have parameters, be they none: some servers demand the member."""
    tools = asked.get("tools")
    return {**asked, "tools": list(map(_parametered, tools))} if isinstance(tools, list) else asked


def _parametered(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or function.get("parameters") is not None:
        return tool
    return {**tool, "function": {**function, "parameters": _ANY}}


def at_once(asked: dict[str, Any]) -> None:
    """Raise LbdError for the wish for one call at a time, where calls may be made: the server would not hear it."""
    if asked.get("parallel_tool_calls") is False and asked.get("tools"):
        raise dig.unsupported("/parallel_tool_calls", "calls cannot be kept to one at a time")
