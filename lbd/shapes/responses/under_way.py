"""Output items of the Responses API that are under way: a message or thoughts, and calls beside one another."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson

from lbd.model.messages import Calling, Refused, Said, Thought
from lbd.shapes.responses import items


@dataclasses.dataclass
class Part:
    """A part of a message that is under way."""

    kind: type[Said | Refused]
    text: list[str] = dataclasses.field(default_factory=list)
    logprobs: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return it as it is so far."""
        said = "".join(self.text)
        return items.text(said, self.logprobs) if self.kind is Said else items.refusal(said)


@dataclasses.dataclass
class Open:
    """A message or a summary of thoughts that is under way."""

    kind: type[Said | Thought]
    id: str
    place: int
    done: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # parts
    part: Part | None = None
    thoughts: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Call:
    """A call that is under way: its arguments may come in turn with another's."""

    head: Calling
    id: str
    place: int
    arguments: list[str] = dataclasses.field(default_factory=list)

    def shown(self, status: str) -> dict[str, Any]:
        """Return its item as it is so far."""
        head = self.head
        call_id = head.id or self.id.replace("fc_", "call_", 1)
        return items.call(self.id, call_id, head.name, "".join(self.arguments), status, head.token)

    def complete(self) -> bool:
        """Tell whether its arguments are whole."""
        try:
            orjson.loads("".join(self.arguments))
        except ValueError:
            return False
        return True
